// Device: an opened OpenCL device with its context, its streams, and what became of it.
#ifndef TENON_BACKENDS_OPENCL_DEVICE_H_
#define TENON_BACKENDS_OPENCL_DEVICE_H_

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <string>

#include "backends/opencl/process_end.h"
#include "backends/opencl/runtime.h"
#include "tenon/abi/tenon_plugin.hpp"
#include "tenon/backends/codegen/variant.h"

namespace tenon_opencl {

// An in-order queue, and the commands on it whose results nobody has seen yet: OpenCL tells of a
// failed command only through the command's own event. Core names a stream in one call at a time.
class Stream {
 public:
  Stream(const Runtime& cl, cl_context context, cl_device_id device);  // throws plugin::Failure
  Stream(const Runtime& cl, cl_command_queue foreign);  // retains another library's queue
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  ~Stream();

  cl_command_queue queue() const { return queue_; }
  // Takes the event over and starts the command. `what` is a kernel's name, for messages.
  void Keep(cl_event event, std::string what);

  // Forgets the commands that are done; is nothing left?
  bool Poll();

  // What the first command that failed said, and its name; sticky until Clear().
  cl_int failed() const { return failed_; }
  const std::string& failed_what() const { return failed_what_; }
  void Clear() { failed_ = CL_SUCCESS; }

  // Room for the partial results of reductions; grows, and belongs to the queue's latest command.
  cl_mem Scratch(cl_context context, size_t bytes);

 private:
  struct Command {
    cl_event event;
    std::string what;
  };
  const Runtime& cl_;
  cl_command_queue queue_ = nullptr;
  const bool foreign_ = false;
  std::deque<Command> commands_;
  cl_int failed_ = CL_SUCCESS;
  std::string failed_what_;
  cl_mem scratch_ = nullptr;
  size_t scratch_bytes_ = 0;
};

class TypedKernels;  // program.h

class Device {
 public:
  Device(const Runtime& cl, const DeviceDescription& description);  // throws plugin::Failure
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;
  ~Device();

  const Runtime& cl() const { return cl_; }
  cl_context context() const { return context_; }
  const DeviceDescription& description() const { return description_; }
  const tenon_codegen::Target& target() const { return target_; }
  TypedKernels& typed_kernels() { return *typed_kernels_; }

  // Handle 0 is the device's own stream.
  Stream& stream(TenonStream handle) {
    return handle == 0 ? *default_stream_ : *tenon::plugin::from_handle<Stream>(handle);
  }

  // A result other than CL_SUCCESS becomes a Failure; one that says that the device or its context
  // is gone makes the device lost.
  void Check(cl_int result, const std::string& what);
  void FailIfLost();
  // Reports a command of this stream that failed.
  void FailIfFailed(const Stream& stream) {
    if (stream.failed() != CL_SUCCESS) Check(stream.failed(), stream.failed_what());
  }

  // Live bytes, for mem_info.
  std::atomic<uint64_t> allocated{0};

 private:
  const Runtime& cl_;
  const DeviceDescription& description_;
  tenon_codegen::Target target_;
  cl_context context_ = nullptr;
  std::unique_ptr<Stream> default_stream_;
  std::unique_ptr<TypedKernels> typed_kernels_;
  std::atomic<bool> lost_{false};
  std::mutex mutex_;
  std::string lost_reason_;  // under mutex_
};

inline Device& device_of(TenonDevice handle) { return *tenon::plugin::from_handle<Device>(handle); }

// The skeleton of every call on a device: what `body` throws becomes a status.
template <class Body>
TenonStatus on_device(TenonDevice handle, TenonError* error, Body&& body) noexcept {
  return tenon::plugin::guard(error, [&] {
    if (handle == 0) throw tenon::plugin::Failure(TENON_INVALID_ARGUMENT, "opencl: no device");
    Device& device = device_of(handle);
    device.cl().FailIfForked();
    device.FailIfLost();
    WaitAtTheEndOfThisThread();
    return body(device);
  });
}

}  // namespace tenon_opencl

#endif  // TENON_BACKENDS_OPENCL_DEVICE_H_
