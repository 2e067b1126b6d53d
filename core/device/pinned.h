// Pinned host memory of a device: copies to and from it overlap with the host's work.
//
//   void* p = device.pinned->allocate(bytes);     // throws kUnsupported where the backend has none
//   device.pinned->release(p, bytes);             // into a cache: pinning costs milliseconds
//
// The holder keeps it until copies in flight are done (in_flight.h). At most kIdleBytes stay in the
// cache; what is pinned is lost to the rest of the machine. Thread-safe; no lock is held in a
// plugin.
#ifndef TENON_DEVICE_PINNED_H_
#define TENON_DEVICE_PINNED_H_

#include <cstdint>
#include <mutex>
#include <vector>

#include "tenon/device/device_state.h"

namespace tenon {

class PinnedCache {
 public:
  explicit PinnedCache(DeviceState& device) : device_(device) {}

  bool available() const { return device_.tables->memory.pinned_alloc != nullptr; }
  void* allocate(uint64_t bytes);
  void release(void* memory, uint64_t bytes) noexcept;
  void trim() noexcept;  // frees all idle memory; also for shutdown()

  std::mutex& mutex() { return mutex_; }  // for fork.cc

 private:
  static constexpr uint64_t kIdleBytes = 256 << 20;
  struct Idle {
    void* memory;
    uint64_t bytes;
  };
  void raw_free(void* memory) noexcept;

  DeviceState& device_;
  std::mutex mutex_;
  std::vector<Idle> idle_;
  uint64_t idle_bytes_ = 0;
};

}  // namespace tenon

#endif  // TENON_DEVICE_PINNED_H_
