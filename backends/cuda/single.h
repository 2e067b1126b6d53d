// Programs of one opcode, on kernels that were compiled with this plug-in (single.cuh): they carry
// small and hot calls without a run-time compiler.
#ifndef TENON_BACKENDS_CUDA_SINGLE_H_
#define TENON_BACKENDS_CUDA_SINGLE_H_

#include <memory>
#include <optional>

#include "backends/cuda/kernel.h"

namespace tenon_cuda {

// Where a kernel's operand comes from.
struct SingleSource {
  enum Kind : uint8_t { kInput, kScalar, kConst } kind = kInput;
  uint32_t number = 0;  // of the input or the scalar slot
  uint64_t bits = 0;    // kConst
};

// A program seen as one opcode.
struct SingleProgram {
  std::string name;  // of the kernels, without _flat and _strided
  uint32_t n_sources = 0, widest = 1;
  SingleSource sources[3];
  bool is_index = false;
};

// None if the program is more than one opcode. f16 and bf16 arithmetic arrives as casts to f32
// around the opcode; that is what the opcode on f16 means, so it counts as one.
std::optional<SingleProgram> MatchSingle(const TenonKernelDesc&);

// NULL if the program is no single opcode.
std::unique_ptr<Kernel> CreateSingle(Device&, const TenonKernelDesc&);

// Elements of `item` bytes (1, 2, 4, 8 or 16) from one layout to another, strides in elements.
struct Strided {
  CUdeviceptr address = 0;
  const int64_t* strides = nullptr;
};
void CopyStrided(Device&, Stream&, uint32_t item, uint32_t rank, const int64_t* sizes, Strided to,
                 Strided from);

}  // namespace tenon_cuda

#endif  // TENON_BACKENDS_CUDA_SINGLE_H_
