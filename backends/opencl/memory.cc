#include "backends/opencl/memory.h"

#include <algorithm>

#include "backends/opencl/device.h"

namespace tenon_opencl {

using tenon::plugin::Failure;

TenonStatus MemAlloc(TenonDevice handle, uint64_t bytes, TenonBuffer* buffer,
                     TenonError* error) noexcept {
  return on_device(handle, error, [&](Device& device) {
    if (bytes == 0) throw Failure(TENON_INVALID_ARGUMENT, "opencl: an allocation of 0 bytes");
    const Runtime& cl = device.cl();
    cl_int result = CL_INVALID_BUFFER_SIZE;
    cl_mem memory = nullptr;
    if (bytes <= device.description().max_allocation)
      memory = cl.clCreateBuffer(device.context(), CL_MEM_READ_WRITE, bytes, nullptr, &result);
    switch (memory != nullptr ? CL_SUCCESS : result) {
      case CL_SUCCESS:
        break;
      case CL_MEM_OBJECT_ALLOCATION_FAILURE:
      case CL_OUT_OF_RESOURCES:
      case CL_OUT_OF_HOST_MEMORY:
      case CL_INVALID_BUFFER_SIZE:
        throw Failure(
            TENON_OUT_OF_MEMORY,
            "opencl: no " + std::to_string(bytes) + " bytes (" + Runtime::Describe(result) + "); " +
                std::to_string(device.allocated.load()) + " are in use, the device has " +
                std::to_string(device.description().memory_bytes) + " and gives at most " +
                std::to_string(device.description().max_allocation) + " at once");
      default:
        device.Check(result, "clCreateBuffer of " + std::to_string(bytes) + " bytes");
    }
    device.allocated += bytes;
    *buffer = tenon::plugin::to_handle(memory);
  });
}

void MemFree(TenonDevice handle, TenonBuffer buffer) noexcept {
  Device& device = device_of(handle);
  size_t bytes = 0;
  device.cl().clGetMemObjectInfo(mem_of(buffer), CL_MEM_SIZE, sizeof bytes, &bytes, nullptr);
  device.allocated -= bytes;
  device.cl().clReleaseMemObject(mem_of(buffer));
}

// OpenCL does not tell what others use.
TenonStatus MemInfo(TenonDevice handle, uint64_t* free_bytes, uint64_t* total_bytes,
                    TenonError* error) noexcept {
  return on_device(handle, error, [&](Device& device) {
    *total_bytes = device.description().memory_bytes;
    *free_bytes = *total_bytes - std::min<uint64_t>(device.allocated.load(), *total_bytes);
  });
}

TenonStatus CopyH2D(TenonDevice handle, TenonStream stream_handle, TenonBuffer dst,
                    uint64_t dst_offset, const void* src, uint64_t bytes,
                    TenonError* error) noexcept {
  return on_device(handle, error, [&](Device& device) {
    if (bytes == 0) return;
    Stream& stream = device.stream(stream_handle);
    cl_event event = nullptr;
    device.Check(device.cl().clEnqueueWriteBuffer(stream.queue(), mem_of(dst), CL_FALSE, dst_offset,
                                                  bytes, src, 0, nullptr, &event),
                 "copy to the device");
    stream.Keep(event, "copy to the device");
  });
}

TenonStatus CopyD2H(TenonDevice handle, TenonStream stream_handle, void* dst, TenonBuffer src,
                    uint64_t src_offset, uint64_t bytes, TenonError* error) noexcept {
  return on_device(handle, error, [&](Device& device) {
    if (bytes == 0) return;
    Stream& stream = device.stream(stream_handle);
    cl_event event = nullptr;
    device.Check(device.cl().clEnqueueReadBuffer(stream.queue(), mem_of(src), CL_FALSE, src_offset,
                                                 bytes, dst, 0, nullptr, &event),
                 "copy to the host");
    stream.Keep(event, "copy to the host");
  });
}

TenonStatus CopyD2D(TenonDevice handle, TenonStream stream_handle, TenonBuffer dst,
                    uint64_t dst_offset, TenonBuffer src, uint64_t src_offset, uint64_t bytes,
                    TenonError* error) noexcept {
  return on_device(handle, error, [&](Device& device) {
    if (bytes == 0) return;
    Stream& stream = device.stream(stream_handle);
    cl_event event = nullptr;
    device.Check(device.cl().clEnqueueCopyBuffer(stream.queue(), mem_of(src), mem_of(dst),
                                                 src_offset, dst_offset, bytes, 0, nullptr, &event),
                 "copy on the device");
    stream.Keep(event, "copy on the device");
  });
}

}  // namespace tenon_opencl
