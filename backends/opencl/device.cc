#include "backends/opencl/device.h"

#include <algorithm>

#include "backends/opencl/program.h"

namespace tenon_opencl {
namespace {

using tenon::plugin::Failure;

// Commands after which those that are done are forgotten.
constexpr size_t kMaxCommands = 64;

// After these the context answers nothing else (CL_INVALID_COMMAND_QUEUE is what one vendor's
// driver says after a fault of a kernel).
bool IsFatal(cl_int result) {
  return result == CL_DEVICE_NOT_AVAILABLE || result == CL_INVALID_CONTEXT ||
         result == CL_INVALID_COMMAND_QUEUE;
}

TenonStatus StatusOf(cl_int result) {
  switch (result) {
    case CL_MEM_OBJECT_ALLOCATION_FAILURE:
    case CL_OUT_OF_HOST_MEMORY:
      return TENON_OUT_OF_MEMORY;
    default:
      return TENON_INTERNAL;
  }
}

}  // namespace

// ---- Stream ----

Stream::Stream(const Runtime& cl, cl_context context, cl_device_id device) : cl_(cl) {
  cl_int result = CL_SUCCESS;
  queue_ = cl.clCreateCommandQueue(context, device, 0, &result);
  if (queue_ == nullptr || result != CL_SUCCESS) {
    throw Failure(TENON_INTERNAL, "opencl: clCreateCommandQueue: " + Runtime::Describe(result));
  }
  AddQueue(cl, queue_);
}

// Not one of the queues that exit waits for: nothing but waits is enqueued on it.
Stream::Stream(const Runtime& cl, cl_command_queue foreign)
    : cl_(cl), queue_(foreign), foreign_(true) {
  cl.clRetainCommandQueue(queue_);
}

Stream::~Stream() {
  if (!foreign_) RemoveQueue(queue_);
  for (const Command& command : commands_) cl_.clReleaseEvent(command.event);
  if (scratch_ != nullptr) cl_.clReleaseMemObject(scratch_);
  cl_.clReleaseCommandQueue(queue_);
}

void Stream::Keep(cl_event event, std::string what) {
  commands_.push_back({event, std::move(what)});
  cl_.clFlush(queue_);  // what fails here fails again when the stream is waited for
  if (commands_.size() > kMaxCommands) Poll();
}

bool Stream::Poll() {
  while (!commands_.empty()) {
    Command& command = commands_.front();
    cl_int status = CL_COMPLETE;
    const cl_int result = cl_.clGetEventInfo(command.event, CL_EVENT_COMMAND_EXECUTION_STATUS,
                                             sizeof status, &status, nullptr);
    if (result == CL_SUCCESS && status > CL_COMPLETE) return false;
    const cl_int failed = result != CL_SUCCESS ? result : status;
    if (failed != CL_SUCCESS && failed_ == CL_SUCCESS) {  // later ones fail because of the first
      failed_ = failed;
      failed_what_ = std::move(command.what);
    }
    cl_.clReleaseEvent(command.event);
    commands_.pop_front();
  }
  return true;
}

cl_mem Stream::Scratch(cl_context context, size_t bytes) {
  if (bytes <= scratch_bytes_) return scratch_;
  cl_int result = CL_SUCCESS;
  const cl_mem larger = cl_.clCreateBuffer(context, CL_MEM_READ_WRITE, bytes, nullptr, &result);
  if (larger == nullptr) {
    throw Failure(TENON_OUT_OF_MEMORY, "opencl: no " + std::to_string(bytes) +
                                           " bytes for the partial results of a reduction: " +
                                           Runtime::Describe(result));
  }
  if (scratch_ != nullptr) cl_.clReleaseMemObject(scratch_);  // when its commands are done
  scratch_ = larger;
  scratch_bytes_ = bytes;
  return scratch_;
}

// ---- Device ----

Device::Device(const Runtime& cl, const DeviceDescription& description)
    : cl_(cl), description_(description), typed_kernels_(std::make_unique<TypedKernels>()) {
  cl_int result = CL_SUCCESS;
  context_ = cl.clCreateContext(nullptr, 1, &description.id, nullptr, nullptr, &result);
  if (context_ == nullptr || result != CL_SUCCESS) {
    throw Failure(TENON_INTERNAL, "opencl: clCreateContext: " + Runtime::Describe(result));
  }
  target_.f64 = description.f64;
  target_.vector = description.cpu ? 1 : 4;
  target_.runs = description.cpu;
  target_.max_argument_bytes =
      static_cast<uint32_t>(std::min<size_t>(description.max_argument_bytes, 4096));
  try {
    default_stream_ = std::make_unique<Stream>(cl, context_, description.id);
  } catch (...) {
    cl.clReleaseContext(context_);
    throw;
  }
}

Device::~Device() {
  typed_kernels_ = nullptr;
  default_stream_ = nullptr;
  cl_.clReleaseContext(context_);
}

void Device::Check(cl_int result, const std::string& what) {
  if (result == CL_SUCCESS) return;
  const std::string message = "opencl: " + what + ": " + Runtime::Describe(result);
  if (!IsFatal(result)) throw Failure(StatusOf(result), message);
  {
    const std::lock_guard lock(mutex_);
    if (!lost_.load(std::memory_order_relaxed)) lost_reason_ = message;
    lost_.store(true, std::memory_order_release);
  }
  throw Failure(TENON_DEVICE_LOST, message);
}

void Device::FailIfLost() {
  if (!lost_.load(std::memory_order_acquire)) return;
  const std::lock_guard lock(mutex_);
  throw Failure(TENON_DEVICE_LOST, "the device was lost before: " + lost_reason_);
}

}  // namespace tenon_opencl
