#include "backends/cuda/memory.h"

#include "backends/cuda/device.h"

namespace tenon_cuda {

using tenon::plugin::Failure;

TenonStatus MemAlloc(TenonDevice handle, uint64_t bytes, TenonBuffer* buffer,
                     TenonError* error) noexcept {
  return on_device(handle, error, [&](Device& device) {
    if (bytes == 0) throw Failure(TENON_INVALID_ARGUMENT, "cuda: an allocation of 0 bytes");
    CUdeviceptr address = 0;
    const CUresult result = device.driver().cuMemAlloc_v2(&address, bytes);
    if (result == CUDA_ERROR_OUT_OF_MEMORY) {
      size_t free_bytes = 0, total = 0;
      device.driver().cuMemGetInfo_v2(&free_bytes, &total);
      throw Failure(TENON_OUT_OF_MEMORY, "cuda: no " + std::to_string(bytes) + " bytes, " +
                                             std::to_string(free_bytes) + " of " +
                                             std::to_string(total) + " are free");
    }
    device.Check(result, "cuMemAlloc");
    *buffer = static_cast<TenonBuffer>(address);
  });
}

void MemFree(TenonDevice handle, TenonBuffer buffer) noexcept {
  Device& device = device_of(handle);
  const Current current(device, std::nothrow);
  // A lost device or a driver that is shutting down says no: the memory is gone with it.
  if (current.entered()) device.driver().cuMemFree_v2(static_cast<CUdeviceptr>(buffer));
}

TenonStatus MemInfo(TenonDevice handle, uint64_t* free_bytes, uint64_t* total_bytes,
                    TenonError* error) noexcept {
  return on_device(handle, error, [&](Device& device) {
    size_t free_now = 0, total = 0;
    device.Check(device.driver().cuMemGetInfo_v2(&free_now, &total), "cuMemGetInfo");
    *free_bytes = free_now;
    *total_bytes = total;
  });
}

TenonStatus CopyH2D(TenonDevice handle, TenonStream stream_handle, TenonBuffer dst,
                    uint64_t dst_offset, const void* src, uint64_t bytes,
                    TenonError* error) noexcept {
  return on_device(handle, error, [&](Device& device) {
    if (bytes == 0) return;
    const Stream& stream = device.stream(stream_handle);
    device.Check(device.driver().cuMemcpyHtoDAsync_v2(dst + dst_offset, src, bytes, stream.handle),
                 "copy to the device", &stream);
  });
}

TenonStatus CopyD2H(TenonDevice handle, TenonStream stream_handle, void* dst, TenonBuffer src,
                    uint64_t src_offset, uint64_t bytes, TenonError* error) noexcept {
  return on_device(handle, error, [&](Device& device) {
    if (bytes == 0) return;
    const Stream& stream = device.stream(stream_handle);
    device.Check(device.driver().cuMemcpyDtoHAsync_v2(dst, src + src_offset, bytes, stream.handle),
                 "copy to the host", &stream);
  });
}

TenonStatus CopyD2D(TenonDevice handle, TenonStream stream_handle, TenonBuffer dst,
                    uint64_t dst_offset, TenonBuffer src, uint64_t src_offset, uint64_t bytes,
                    TenonError* error) noexcept {
  return on_device(handle, error, [&](Device& device) {
    if (bytes == 0) return;
    const Stream& stream = device.stream(stream_handle);
    device.Check(device.driver().cuMemcpyDtoDAsync_v2(dst + dst_offset, src + src_offset, bytes,
                                                      stream.handle),
                 "copy on the device", &stream);
  });
}

}  // namespace tenon_cuda
