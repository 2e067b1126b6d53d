// The kernels of backends/cuda that nvcc compiles for the device, compiled for this machine.
#ifndef TENON_TESTS_CUDA_HOST_KERNELS_H_
#define TENON_TESTS_CUDA_HOST_KERNELS_H_

// Calls a kernel as a driver does: pointers to the arguments. For one work item (work_items.h).
using HostKernel = void (*)(void* const* arguments);

// NULL if there is none of that name.
HostKernel FindHostKernel(const char* name);

#endif  // TENON_TESTS_CUDA_HOST_KERNELS_H_
