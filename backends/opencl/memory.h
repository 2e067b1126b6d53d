// Raw device memory and copies.
//
// A buffer handle is a cl_mem. The ABI names memory by (handle, byte offset), and so do OpenCL's
// copies and our kernels, which get the cl_mem as an argument and add the offset themselves:
// nothing needs an address, so any OpenCL 1.2 device will do, with shared virtual memory or
// without.
#ifndef TENON_BACKENDS_OPENCL_MEMORY_H_
#define TENON_BACKENDS_OPENCL_MEMORY_H_

#include "backends/opencl/cl_api.h"
#include "tenon/abi/tenon_plugin.hpp"

namespace tenon_opencl {

inline cl_mem mem_of(TenonBuffer buffer) { return tenon::plugin::from_handle<_cl_mem>(buffer); }

TenonStatus MemAlloc(TenonDevice, uint64_t bytes, TenonBuffer* buffer, TenonError*) noexcept;
void MemFree(TenonDevice, TenonBuffer) noexcept;
TenonStatus MemInfo(TenonDevice, uint64_t* free_bytes, uint64_t* total_bytes, TenonError*) noexcept;
TenonStatus CopyH2D(TenonDevice, TenonStream, TenonBuffer dst, uint64_t dst_offset, const void* src,
                    uint64_t bytes, TenonError*) noexcept;
TenonStatus CopyD2H(TenonDevice, TenonStream, void* dst, TenonBuffer src, uint64_t src_offset,
                    uint64_t bytes, TenonError*) noexcept;
TenonStatus CopyD2D(TenonDevice, TenonStream, TenonBuffer dst, uint64_t dst_offset, TenonBuffer src,
                    uint64_t src_offset, uint64_t bytes, TenonError*) noexcept;

}  // namespace tenon_opencl

#endif  // TENON_BACKENDS_OPENCL_MEMORY_H_
