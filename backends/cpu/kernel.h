// A kernel as kernel_create makes it and kernel_launch runs it.
#ifndef TENON_BACKENDS_CPU_KERNEL_H_
#define TENON_BACKENDS_CPU_KERNEL_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "backends/cpu/program.h"
#include "tenon/abi/tenon_backend.h"

namespace tenon_cpu {

// A program of one array function: launched on contiguous operands it is called on their memory,
// with nothing between.
struct DirectCall {
  enum class From : uint8_t { kNothing, kInput, kScalar, kConstant };
  struct Argument {
    From from = From::kNothing;
    uint8_t slot = 0;  // operand or scalar
    uint8_t item = 0;
    uint64_t bits = 0;
  };
  ArrayFn fn = nullptr;  // nullptr: there is none
  bool heeds_splat = false;
  uint8_t output = 0;  // operand
  uint8_t output_item = 0;
  uint32_t splat = 0;
  int64_t grain = 0;  // elements worth a thread
  Argument arguments[3];
};

struct ReducePlan;  // reduce_plan.h

struct Kernel {
  Kernel();
  ~Kernel();
  uint32_t n_operands = 0;
  uint32_t n_scalars = 0;
  DirectCall direct;
  bool copies = false;  // the output is the input
  bool reads_index = false;
  uint8_t dtypes[kMaxOperands] = {};  // of the launch's operands; 0: unread
  Program program;
  std::unique_ptr<ReducePlan> reduce;  // of a reduce kernel
};

TenonStatus CreateKernel(const TenonKernelDesc& desc, std::unique_ptr<Kernel>* kernel,
                         TenonError* error);
TenonStatus LaunchKernel(const Kernel& kernel, const TenonLaunch& launch, TenonError* error);

// Parts of LaunchKernel: the launch has been checked.
void LaunchMap(const Kernel& kernel, const TenonLaunch& launch);
TenonStatus LaunchReduce(const Kernel& kernel, const TenonLaunch& launch, TenonError* error);

}  // namespace tenon_cpu
#endif  // TENON_BACKENDS_CPU_KERNEL_H_
