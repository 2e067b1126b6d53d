// The streams and events of one device, for reuse. Inside the device floor.
#ifndef TENON_DEVICE_STREAM_POOL_H_
#define TENON_DEVICE_STREAM_POOL_H_

#include <deque>
#include <mutex>
#include <vector>

#include "tenon/abi/tenon_backend.h"
#include "tenon/device/stream.h"

namespace tenon {

class StreamPool {
 public:
  explicit StreamPool(DeviceState& device) : device_(device) {}

  // A stream that nobody else has: a returned one, else a new one.
  StreamState& take_stream();
  void give_stream(StreamState& stream) noexcept;

  TenonEvent take_event();
  void give_event(TenonEvent event) noexcept;

  // Every stream ever made, the default one first.
  std::vector<StreamState*> all_streams();
  void add(StreamState& stream);

  // Destroys events and streams; the default stream stays.
  void destroy();

  std::mutex& mutex() { return mutex_; }  // for fork.cc

 private:
  DeviceState& device_;
  std::mutex mutex_;
  std::vector<StreamState*> all_;
  std::vector<StreamState*> idle_;
  std::deque<TenonEvent> events_;  // the longest unused first
};

// Records `event` behind the work enqueued on the stream so far.
TenonStatus record_event(StreamState& stream, TenonEvent event, TenonError* error);
// stream_sync, without throwing; OK on a synchronous device.
TenonStatus wait_for_stream(StreamState& stream, TenonError* error);

}  // namespace tenon

#endif  // TENON_DEVICE_STREAM_POOL_H_
