// EmitKernel: a map or reduce program as the source of device kernels, in the C that CUDA C++ and
// OpenCL C share (see prelude.h).
//
//   KernelSource k = EmitKernel(desc, "relu");   // desc passed tenon_check_kernel
//   // k.text defines relu_flat and relu_strided
//
// A kernel takes a pointer per operand (inputs, then outputs) and then, by value, the struct that
// PackLaunch (launch_words.h) fills. A map program gives two kernels, <name>_flat for at most one
// axis and <name>_strided for any; a reduce program also gives two, <name>_thread (a thread per
// output) and <name>_group (a work group of kGroupSize per output).
//
// Pure; the same description gives the same text.
#ifndef TENON_BACKENDS_CODEGEN_EMIT_H_
#define TENON_BACKENDS_CODEGEN_EMIT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "tenon/abi/tenon_backend.h"

namespace tenon_codegen {

// Threads of a work group that shares one output of a reduction. With 16 reducers of 24 bytes the
// accumulators fill 48 KiB, what every device has of local memory.
inline constexpr int kGroupSize = 128;

struct KernelSource {
  std::string text;
  std::vector<uint32_t> operand_dtypes;  // inputs, then outputs; u8 for an input that is never read
  uint32_t n_inputs = 0, n_scalars = 0;
  bool reduces = false;
  bool uses_index = false;  // only then a launch's index_* are filled
};

KernelSource EmitKernel(const TenonKernelDesc& desc, const std::string& name);

// The C type in which a kernel holds values of this dtype.
const char* TypeName(uint32_t dtype);

}  // namespace tenon_codegen

#endif  // TENON_BACKENDS_CODEGEN_EMIT_H_
