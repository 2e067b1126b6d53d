// Streams and events: order on asynchronous devices.
//
//   Stream s(device);              // a new stream
//   StreamScope scope(s);          // work of this thread on that device goes to s until the scope
//   ends Event e = s.record();  other.wait(e);  e.synchronize();
//
// Core owns streams; a thread-local scope says which one is current per device, the device's
// default stream otherwise. A synchronous device has streams too: they are always idle and events
// always done. A failure of asynchronous work is reported by the next synchronize, query or launch
// on its stream, with the names of the last launches. Environment TENON_SYNC=1 synchronises after
// every call to name the culprit.
#ifndef TENON_DEVICE_STREAM_H_
#define TENON_DEVICE_STREAM_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>

#include "tenon/abi/tenon_backend.h"
#include "tenon/device/device.h"
#include "tenon/device/device_state.h"

namespace tenon {

// Internal state of a stream; lives as long as a Stream handle or memory that remembers it (streams
// are recycled by their device, states never freed).
class StreamState {
 public:
  StreamState(DeviceState& owner, TenonStream stream_handle)
      : device(owner), handle(stream_handle) {}
  DeviceState& device;
  TenonStream handle;  // 0: the default stream
  std::mutex mutex;    // around calls that name this stream (asynchronous devices only)
  // Names of the last launches, for error messages; written under `mutex`.
  static constexpr int kRing = 64;
  const char* ring[kRing] = {};
  uint64_t launches = 0;
  uint32_t slot =
      0;  // of its device: 0 the default stream, and every stream of a synchronous device
  std::weak_ptr<StreamState> self;  // what the Stream handles of a pooled stream share
};

class Event {
 public:
  Event() = default;  // done
  bool done() const;  // throws what the work threw
  void synchronize() const;

 private:
  friend class Stream;
  struct State;
  std::shared_ptr<State> state_;
};

class Stream {
 public:
  explicit Stream(Device device);  // a new one, from the device's pool
  static Stream current(Device device);
  static Stream default_of(Device device);
  Device device() const;
  void synchronize() const;
  bool idle() const;
  Event record() const;
  void wait(const Event& event)
      const;  // later work on this stream starts after the event; the host does not wait

  // What the device's own API calls this stream (CUDA: a CUstream), good as long as the stream;
  // throws kUnsupported where the backend does not say.
  void* native() const;
  // Later work on another library's stream starts after this one's so far. The host waits only
  // where the backend knows no such streams.
  void native_waits(void* native) const;
  // And the reverse; throws kUnsupported there.
  void wait_native(void* native) const;

  StreamState& state() const { return *state_; }

 private:
  explicit Stream(std::shared_ptr<StreamState> state)
      : state_(static_cast<std::shared_ptr<StreamState>&&>(state)) {}
  std::shared_ptr<StreamState> state_;
};

// Makes `stream` this thread's current one for its device; scopes nest.
class StreamScope {
 public:
  explicit StreamScope(const Stream& stream);
  ~StreamScope();
  StreamScope(const StreamScope&) = delete;
  StreamScope& operator=(const StreamScope&) = delete;

 private:
  Stream stream_;
  StreamState* previous_;
};

namespace detail {
// This thread's current stream by device ordinal; null entry: the default stream. Allocated at the
// first scope.
extern constinit thread_local StreamState**
    current_streams;  // constinit: no wrapper call per access
}  // namespace detail

inline StreamState& current_stream(DeviceState& device) {
  StreamState** table = detail::current_streams;
  if (__builtin_expect(table != nullptr, 0) && table[device.ordinal]) return *table[device.ordinal];
  return *device.default_stream;
}

// Runs call(TenonStream, TenonError*) -> TenonStatus under the stream's and device's locks, as the
// ABI asks, notes `name` in the ring, and throws on failure. UNSUPPORTED is returned, never thrown.
template <class Call>
TenonStatus enqueue(StreamState& stream, const char* name, Call&& call);

// Waits for the stream; throws its sticky error, if any.
void synchronize(StreamState& stream, std::string_view operation);

// Later work on `stream` starts after the work enqueued on `earlier` so far; the host does not
// wait.
void wait_behind(StreamState& stream, StreamState& earlier);

namespace detail {
// Returns if the call is worth a second attempt (memory was given back after OUT_OF_MEMORY); else
// throws.
[[gnu::cold]] void after_call_failed(StreamState& stream, const char* name, TenonStatus status,
                                     const TenonError& error, int attempt);
void note_launch(StreamState& stream, const char* name);  // ring; synchronises under TENON_SYNC=1
extern bool sync_every_call;  // TENON_SYNC=1, read when the first device opens
}  // namespace detail

template <class Call>
TenonStatus enqueue(StreamState& stream, const char* name, Call&& call) {
  DeviceState& device = stream.device;
  if (__builtin_expect(device.unusable.load(std::memory_order_relaxed), 0))
    check_usable(device, name);
  TenonError error;
  for (int attempt = 0;; ++attempt) {
    error.size = sizeof error;
    error.code = 0;
    error.message[0] = 0;
    TenonStatus status;
    if (__builtin_expect(device.synchronous && !device.serialize, 1)) {
      status = call(stream.handle, &error);
    } else {
      std::lock_guard<std::mutex> order(stream.mutex);
      {
        CallGuard guard(device);
        status = call(stream.handle, &error);
      }
      if (status == TENON_OK) detail::note_launch(stream, name);
    }
    if (__builtin_expect(status == TENON_OK || status == TENON_UNSUPPORTED, 1)) return status;
    detail::after_call_failed(stream, name, status, error, attempt);
  }
}

}  // namespace tenon

#endif  // TENON_DEVICE_STREAM_H_
