#include "backends/cuda/memory.h"

#include "backends/cuda/device.h"
#include "backends/cuda/staging.h"

namespace tenon_cuda {

using tenon::plugin::Failure;

namespace {

// Page-locked memory, from whichever library: the device reads it directly.
bool IsPinned(const Driver& driver, const void* p) {
  unsigned type = 0;
  return driver.cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE,
                                      reinterpret_cast<CUdeviceptr>(p)) == CUDA_SUCCESS &&
         type == CU_MEMORYTYPE_HOST;
}

}  // namespace

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
  if (device.imported().Remove(buffer)) return;
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
    Stream& stream = device.stream(stream_handle);
    if (!IsPinned(device.driver(), src)) {
      device.staging().ToDevice(stream, dst + dst_offset, src, bytes);
      return;
    }
    device.Check(device.driver().cuMemcpyHtoDAsync_v2(dst + dst_offset, src, bytes, stream.handle),
                 "copy to the device", &stream);
  });
}

TenonStatus CopyD2H(TenonDevice handle, TenonStream stream_handle, void* dst, TenonBuffer src,
                    uint64_t src_offset, uint64_t bytes, TenonError* error) noexcept {
  return on_device(handle, error, [&](Device& device) {
    if (bytes == 0) return;
    const Stream& stream = device.stream(stream_handle);
    // To pageable memory the driver stages by itself and returns when the bytes are there.
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

TenonStatus PinnedAlloc(TenonDevice handle, uint64_t bytes, void** memory,
                        TenonError* error) noexcept {
  return on_device(handle, error, [&](Device& device) {
    if (bytes == 0) throw Failure(TENON_INVALID_ARGUMENT, "cuda: an allocation of 0 bytes");
    const CUresult result = device.driver().cuMemHostAlloc(memory, bytes, CU_MEMHOSTALLOC_PORTABLE);
    if (result == CUDA_ERROR_OUT_OF_MEMORY) {
      throw Failure(TENON_OUT_OF_MEMORY,
                    "cuda: no " + std::to_string(bytes) + " bytes of pinned host memory");
    }
    device.Check(result, "cuMemHostAlloc");
  });
}

void PinnedFree(TenonDevice handle, void* memory) noexcept {
  Device& device = device_of(handle);
  const Current current(device, std::nothrow);
  if (current.entered()) device.driver().cuMemFreeHost(memory);
}

TenonStatus CopyPeer(TenonDevice handle, TenonStream stream_handle, TenonBuffer dst,
                     uint64_t dst_offset, TenonDevice src_handle, TenonBuffer src,
                     uint64_t src_offset, uint64_t bytes, TenonError* error) noexcept {
  return on_device(handle, error, [&](Device& device) {
    if (src_handle == 0) throw Failure(TENON_INVALID_ARGUMENT, "cuda: no device to copy from");
    Device& source = device_of(src_handle);
    source.FailIfLost();
    if (bytes == 0) return;
    const Stream& stream = device.stream(stream_handle);
    // Over NVLink or the bus where the two can reach each other, through the host where not: the
    // driver knows.
    device.Check(
        device.driver().cuMemcpyPeerAsync(dst + dst_offset, device.context(), src + src_offset,
                                          source.context(), bytes, stream.handle),
        "copy between devices", &stream);
  });
}

}  // namespace tenon_cuda
