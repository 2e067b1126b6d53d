// Device: an opened GPU, its primary context (shared with every other CUDA user of the process),
// and what became of it.
#ifndef TENON_BACKENDS_CUDA_DEVICE_H_
#define TENON_BACKENDS_CUDA_DEVICE_H_

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "backends/cuda/driver.h"
#include "backends/cuda/foreign.h"
#include "tenon/abi/tenon_plugin.hpp"

namespace tenon_cuda {

class BuiltIn;
class Products;
class Staging;

// A string that lives as long as the process, one per content.
const std::string& Interned(std::string_view);

// Core names one stream in one call at a time, so that nothing here needs a lock.
struct Stream {
  CUstream handle = nullptr;
  const std::string* last_kernel = nullptr;  // interned; the suspect when the device is lost
  CUdeviceptr scratch = 0;                   // Device::Scratch
  uint64_t scratch_bytes = 0;
  bool foreign = false;  // another library's, which destroys it
};

class Device {
 public:
  Device(const Driver& driver, int index);  // throws plugin::Failure
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;
  ~Device();

  const Driver& driver() const { return driver_; }
  CUcontext context() const { return context_; }
  int index() const { return index_; }
  int capability() const { return capability_; }  // 90: 9.0
  int processors() const { return processors_; }

  // Handle 0 is the device's own stream.
  Stream& stream(TenonStream handle) {
    return handle == 0 ? default_stream_ : *tenon::plugin::from_handle<Stream>(handle);
  }

  // A result other than CUDA_SUCCESS becomes a Failure; one that leaves the context unusable, as
  // every fault of a kernel does, makes the device lost. `stream` names the suspect.
  void Check(CUresult result, const char* what, const Stream* stream = nullptr);

  // Enqueues a kernel; `arguments` are copied before it returns. `name` is interned.
  void Launch(Stream& stream, CUfunction function, const std::string& name, unsigned blocks,
              unsigned threads, void** arguments);

  // At least `bytes` of memory that belong to the work enqueued on this stream until the next call.
  CUdeviceptr Scratch(Stream& stream, uint64_t bytes);
  void Release(Stream& stream) noexcept;  // handle and scratch memory, in the device's context

  // Parts that are made when first used.
  BuiltIn& built_in();
  Products& products();
  Staging& staging();

  ImportedMemory& imported() { return imported_; }

  bool lost() const { return lost_.load(std::memory_order_acquire); }
  void FailIfLost();

 private:
  const Driver& driver_;
  const int index_;
  CUdevice handle_ = 0;
  CUcontext context_ = nullptr;
  int capability_ = 0, processors_ = 1;
  Stream default_stream_;
  ImportedMemory imported_;
  std::atomic<bool> lost_{false};
  std::mutex mutex_;
  std::string lost_reason_;  // under mutex_
  std::mutex parts_mutex_;   // held while one is made
  std::unique_ptr<BuiltIn> built_in_;
  std::unique_ptr<Products> products_;
  std::unique_ptr<Staging> staging_;
};

inline Device& device_of(TenonDevice handle) { return *tenon::plugin::from_handle<Device>(handle); }

// The device's context is the calling thread's current one within the scope; then what was before.
// Threads that use one device find it current already, mostly: then nothing is changed.
class Current {
 public:
  explicit Current(Device& device);  // throws where the device is lost
  // For close, free and destroy, which a lost device still takes: `entered` says if it worked.
  Current(Device& device, std::nothrow_t) noexcept;
  Current(const Current&) = delete;
  Current& operator=(const Current&) = delete;
  ~Current();

  bool entered() const { return entered_; }

 private:
  Device& device_;
  bool entered_ = false, pushed_ = false;
};

// The skeleton of every call on a device: `body` runs in its context and what it throws becomes a
// status.
template <class Body>
TenonStatus on_device(TenonDevice handle, TenonError* error, Body&& body) noexcept {
  return tenon::plugin::guard(error, [&] {
    if (handle == 0) throw tenon::plugin::Failure(TENON_INVALID_ARGUMENT, "cuda: no device");
    Device& device = device_of(handle);
    const Current current(device);
    return body(device);
  });
}

}  // namespace tenon_cuda

#endif  // TENON_BACKENDS_CUDA_DEVICE_H_
