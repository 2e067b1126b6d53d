// Map and reduce programs: generated, compiled when a launch first needs them, launched.
#ifndef TENON_BACKENDS_OPENCL_KERNEL_H_
#define TENON_BACKENDS_OPENCL_KERNEL_H_

#include "tenon/abi/tenon_backend.h"

namespace tenon_opencl {

// Longer launches than a device takes as arguments travel in a buffer, so these are ours to choose.
inline constexpr uint32_t kMaxOperands = 32, kMaxScalars = 32, kMaxInstrs = 512;

TenonStatus KernelCreate(TenonDevice, const TenonKernelDesc*, TenonKernel*, TenonError*) noexcept;
void KernelDestroy(TenonDevice, TenonKernel) noexcept;
TenonStatus KernelLaunch(TenonDevice, TenonStream, TenonKernel, const TenonLaunch*,
                         TenonError*) noexcept;

}  // namespace tenon_opencl

#endif  // TENON_BACKENDS_OPENCL_KERNEL_H_
