// Map and reduce programs: generated, compiled by NVRTC, launched.
#ifndef TENON_BACKENDS_CUDA_KERNEL_H_
#define TENON_BACKENDS_CUDA_KERNEL_H_

#include "tenon/abi/tenon_backend.h"

namespace tenon_cuda {

// With these a launch takes 2,728 of the 4,096 bytes that every device offers for arguments.
inline constexpr uint32_t kMaxOperands = 32, kMaxScalars = 32, kMaxInstrs = 512;

TenonStatus KernelCreate(TenonDevice, const TenonKernelDesc*, TenonKernel*, TenonError*) noexcept;
void KernelDestroy(TenonDevice, TenonKernel) noexcept;
TenonStatus KernelLaunch(TenonDevice, TenonStream, TenonKernel, const TenonLaunch*,
                         TenonError*) noexcept;

}  // namespace tenon_cuda

#endif  // TENON_BACKENDS_CUDA_KERNEL_H_
