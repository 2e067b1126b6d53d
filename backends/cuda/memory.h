// Raw device memory and copies. Buffer handles are device addresses.
#ifndef TENON_BACKENDS_CUDA_MEMORY_H_
#define TENON_BACKENDS_CUDA_MEMORY_H_

#include "tenon/abi/tenon_backend.h"

namespace tenon_cuda {

TenonStatus MemAlloc(TenonDevice, uint64_t bytes, TenonBuffer* buffer, TenonError*) noexcept;
void MemFree(TenonDevice, TenonBuffer) noexcept;
TenonStatus MemInfo(TenonDevice, uint64_t* free_bytes, uint64_t* total_bytes, TenonError*) noexcept;
TenonStatus CopyH2D(TenonDevice, TenonStream, TenonBuffer dst, uint64_t dst_offset, const void* src,
                    uint64_t bytes, TenonError*) noexcept;
TenonStatus CopyD2H(TenonDevice, TenonStream, void* dst, TenonBuffer src, uint64_t src_offset,
                    uint64_t bytes, TenonError*) noexcept;
TenonStatus CopyD2D(TenonDevice, TenonStream, TenonBuffer dst, uint64_t dst_offset, TenonBuffer src,
                    uint64_t src_offset, uint64_t bytes, TenonError*) noexcept;
// Reached by every device of this backend.
TenonStatus PinnedAlloc(TenonDevice, uint64_t bytes, void** memory, TenonError*) noexcept;
void PinnedFree(TenonDevice, void* memory) noexcept;
TenonStatus CopyPeer(TenonDevice, TenonStream, TenonBuffer dst, uint64_t dst_offset,
                     TenonDevice src_device, TenonBuffer src, uint64_t src_offset, uint64_t bytes,
                     TenonError*) noexcept;

}  // namespace tenon_cuda

#endif  // TENON_BACKENDS_CUDA_MEMORY_H_
