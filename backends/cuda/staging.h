// Staging: pinned memory of the driver, through which copies from pageable memory go.
//
// The source is read before the call returns; the transfer itself is asynchronous. Left to itself
// the driver waits for the stream first.
#ifndef TENON_BACKENDS_CUDA_STAGING_H_
#define TENON_BACKENDS_CUDA_STAGING_H_

#include <mutex>
#include <vector>

#include "backends/cuda/device.h"

namespace tenon_cuda {

class Staging {
 public:
  explicit Staging(Device& device) : device_(device) { slots_.reserve(kSlots); }
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;
  ~Staging();  // in the device's context

  void ToDevice(Stream& stream, CUdeviceptr dst, const void* src, uint64_t bytes);

 private:
  struct Slot {
    void* memory = nullptr;
    CUevent done = nullptr;  // of the transfer out of it
  };
  Slot* Next(Stream&);  // NULL: there is no pinned memory
  Slot* Add();

  static constexpr size_t kSlots = 8;
  static constexpr uint64_t kSlotBytes = uint64_t{2} << 20;

  Device& device_;
  std::mutex mutex_;  // of what follows; held while a slot is filled
  std::vector<Slot> slots_;
  size_t next_ = 0;
};

}  // namespace tenon_cuda

#endif  // TENON_BACKENDS_CUDA_STAGING_H_
