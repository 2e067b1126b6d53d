#include "backends/opencl/foreign.h"

#include <memory>
#include <string>

#include "backends/opencl/device.h"
#include "backends/opencl/memory.h"

namespace tenon_opencl {
namespace {

using tenon::plugin::Failure;
using tenon::plugin::to_handle;

// What asking a live object of OpenCL shows; what is none cannot be asked.
void CheckIn(const Device& device, cl_int result, cl_context context, const char* what) {
  if (result == CL_SUCCESS && context == device.context()) return;
  throw Failure(TENON_INVALID_ARGUMENT,
                std::string("opencl: the ") + what +
                    (result != CL_SUCCESS
                         ? " cannot be asked for its context: " + Runtime::Describe(result)
                         : " belongs to another cl_context. Make it in the device's own, which "
                           "CL_MEM_CONTEXT of an exported cl_mem names"));
}

}  // namespace

TenonStatus MemImport(TenonDevice handle, void* given, int64_t offset, uint64_t bytes,
                      TenonBuffer* buffer, uint64_t* buffer_offset, TenonError* error) noexcept {
  return on_device(handle, error, [&](Device& device) {
    const Runtime& cl = device.cl();
    auto* const memory = static_cast<cl_mem>(given);
    cl_context context = nullptr;
    size_t size = 0;
    const cl_int asked =
        cl.clGetMemObjectInfo(memory, CL_MEM_CONTEXT, sizeof(cl_context), &context, nullptr);
    CheckIn(device, asked, context, "cl_mem");
    device.Check(cl.clGetMemObjectInfo(memory, CL_MEM_SIZE, sizeof size, &size, nullptr),
                 "the size of a cl_mem");
    const auto first = static_cast<uint64_t>(offset);
    if (offset < 0 || first > size || bytes > size - first) {
      throw Failure(TENON_INVALID_ARGUMENT, "opencl: the cl_mem has " + std::to_string(size) +
                                                " bytes, not " + std::to_string(bytes) + " from " +
                                                std::to_string(offset) + " on");
    }
    device.Check(cl.clRetainMemObject(memory), "clRetainMemObject");
    device.allocated += size;  // mem_free subtracts it; it does lie on the device
    *buffer = to_handle(memory);
    *buffer_offset = first;
  });
}

TenonStatus MemExport(TenonDevice handle, TenonBuffer buffer, uint64_t buffer_offset, void** memory,
                      uint64_t* offset, TenonError* error) noexcept {
  return on_device(handle, error, [&](Device&) {
    *memory = mem_of(buffer);
    *offset = buffer_offset;
  });
}

TenonStatus StreamImport(TenonDevice handle, void* native, TenonStream* stream,
                         TenonError* error) noexcept {
  return on_device(handle, error, [&](Device& device) {
    auto* const queue = static_cast<cl_command_queue>(native);
    cl_context context = nullptr;
    const cl_int asked = device.cl().clGetCommandQueueInfo(queue, CL_QUEUE_CONTEXT,
                                                           sizeof(cl_context), &context, nullptr);
    CheckIn(device, asked, context, "cl_command_queue");
    *stream = to_handle(std::make_unique<Stream>(device.cl(), queue).release());
  });
}

TenonStatus StreamNative(TenonDevice handle, TenonStream stream, void** native,
                         TenonError* error) noexcept {
  return on_device(handle, error, [&](Device& device) { *native = device.stream(stream).queue(); });
}

}  // namespace tenon_opencl
