// Kernels: what became of a map or reduce program.
//
//   single      one opcode, compiled ahead of time (single.h)
//   generated   any program, compiled by NVRTC (generated.cc)
#ifndef TENON_BACKENDS_CUDA_KERNEL_H_
#define TENON_BACKENDS_CUDA_KERNEL_H_

#include <memory>
#include <string>

#include "backends/cuda/device.h"

namespace tenon_cuda {

// With these a launch takes 2,728 of the 4,096 bytes that every device offers for arguments.
inline constexpr uint32_t kMaxOperands = 32, kMaxScalars = 32, kMaxInstrs = 512;

class Kernel {
 public:
  virtual ~Kernel() = default;
  // Enqueues; `launch` passed tenon_check_launch. Throws plugin::Failure.
  virtual void Launch(Device&, Stream&, const TenonLaunch&) const = 0;
  // `n` of them at once, or UNSUPPORTED: then nothing was enqueued.
  virtual void LaunchList(Device&, Stream&, const TenonLaunch*, uint32_t) const {
    throw tenon::plugin::Failure(TENON_UNSUPPORTED, "cuda: a kernel of one opcode");
  }
  // The device's part of the destruction, in its context.
  virtual void Unload(Device&) noexcept {}
};

// By NVRTC; throws UNSUPPORTED where it is missing or refuses.
std::unique_ptr<Kernel> CreateGenerated(Device&, const TenonKernelDesc&);

TenonStatus KernelCreate(TenonDevice, const TenonKernelDesc*, TenonKernel*, TenonError*) noexcept;
void KernelDestroy(TenonDevice, TenonKernel) noexcept;
TenonStatus KernelLaunch(TenonDevice, TenonStream, TenonKernel, const TenonLaunch*,
                         TenonError*) noexcept;
TenonStatus KernelLaunchList(TenonDevice, TenonStream, TenonKernel, const TenonLaunch*, uint32_t n,
                             TenonError*) noexcept;

}  // namespace tenon_cuda

#endif  // TENON_BACKENDS_CUDA_KERNEL_H_
