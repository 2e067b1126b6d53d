// DeviceState: what core knows of one open device. For the floors above; not part of the public
// API.
//
// Created once per device, on first use, and leaked on purpose, so that nothing needs to be
// destroyed in order at exit. The function tables are core's own copies, zero-filled where the
// plugin's were shorter.
#ifndef TENON_DEVICE_DEVICE_STATE_H_
#define TENON_DEVICE_DEVICE_STATE_H_

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

#include "tenon/abi/tenon_backend.h"
#include "tenon/base/error.h"

namespace tenon {

class MemoryCache;  // memory.h
class StreamState;  // stream.h
class PlanCache;    // plan_cache.h
class StreamPool;   // stream_pool.h
class PinnedCache;  // pinned.h
struct InFlight;    // in_flight.cc

struct BackendTables {
  std::string name, vendor, version;
  uint32_t flags;  // TENON_BACKEND_*
  TenonCoreOps core;
  TenonStreamOps streams;  // all NULL: synchronous
  TenonMemOps memory;
  TenonTensorOps tensor;
  TenonFusedOps fused;
  const void* (*query_extension)(const char* name, uint32_t version) noexcept;
  void (*shutdown)() noexcept;
};

struct DeviceState {
  const BackendTables* tables;
  TenonDevice handle;
  int index;         // of the device in its backend
  uint32_t ordinal;  // of the device in this process: 0 for the first opened one; below kMaxDevices
  bool host_addressable;
  bool synchronous;                   // no streams group
  bool serialize;                     // take `mutex` around every call
  std::atomic<bool> unusable{false};  // opened before fork, or lost: see check_usable()
  std::atomic<bool> lost{false};      // why it is unusable
  TenonDeviceProps props;
  std::string text;  // "cuda:0"
  std::mutex mutex;
  MemoryCache* memory;
  StreamState* default_stream;
  PlanCache* plans;
  StreamPool* streams;
  PinnedCache* pinned;
  std::atomic<InFlight*> in_flight{nullptr};  // a stack
};

// Devices in one process; tables indexed by ordinal have this length.
inline constexpr uint32_t kMaxDevices = 64;

// Holds the device's mutex if its backend asked for serialised calls.
class CallGuard {
 public:
  explicit CallGuard(DeviceState& d)
      : mutex_(__builtin_expect(d.serialize, 0) ? &d.mutex : nullptr) {
    if (mutex_) mutex_->lock();
  }
  ~CallGuard() {
    if (mutex_) mutex_->unlock();
  }
  CallGuard(const CallGuard&) = delete;
  CallGuard& operator=(const CallGuard&) = delete;

 private:
  std::mutex* mutex_;
};

// A cleared TenonError for a call.
inline TenonError new_error() {
  TenonError e;
  e.size = sizeof e;
  e.code = 0;
  e.message[0] = 0;
  return e;
}

// Throws tenon::Error for a status other than OK: names the operation, device, code and the
// plugin's message. DEVICE_LOST marks the device unusable.
[[noreturn, gnu::cold]] void throw_status(DeviceState& device, std::string_view operation,
                                          TenonStatus status, const TenonError& error);

// Throws if the device was opened before a fork or is lost.
void check_usable(DeviceState& device, std::string_view operation);

}  // namespace tenon

#endif  // TENON_DEVICE_DEVICE_STATE_H_
