#include "tenon/device/stream_pool.h"

#include "tenon/device/backend.h"
#include "tenon/device/host_services.h"

namespace tenon {

void StreamPool::add(StreamState& stream) {
  std::lock_guard<std::mutex> lock(mutex_);
  // A synchronous device has no order of its own, so its memory needs no free list per stream.
  stream.slot = device_.synchronous ? 0 : static_cast<uint32_t>(all_.size());
  all_.push_back(&stream);
}

StreamState& StreamPool::take_stream() {
  StreamState* stream = nullptr;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!idle_.empty()) {
      stream = idle_.back();
      idle_.pop_back();
    }
  }
  TenonError error = new_error();
  if (stream) {
    if (device_.synchronous) return *stream;
    // What its former user left running stays in order before ours; an error of his must not become
    // ours.
    TenonStatus status;
    {
      std::lock_guard<std::mutex> order(stream->mutex);
      CallGuard guard(device_);
      status = device_.tables->streams.stream_query(device_.handle, stream->handle, &error);
    }
    if (status != TENON_OK && status != TENON_NOT_READY) {
      log_line(LogLevel::kWarning,
               concat_text(device_.text, ": a stream that was given back had failed with ",
                           status_name(status), ": ", error.message));
      wait_for_stream(*stream, &error);
    }
    return *stream;
  }
  TenonStream handle = 0;
  if (!device_.synchronous) {
    CallGuard guard(device_);
    const TenonStatus status =
        device_.tables->streams.stream_create(device_.handle, 0, &handle, &error);
    if (status != TENON_OK) throw_status(device_, "Stream", status, error);
  }
  stream = new StreamState(device_, handle);
  add(*stream);
  return *stream;
}

void StreamPool::give_stream(StreamState& stream) noexcept {
  std::lock_guard<std::mutex> lock(mutex_);
  idle_.push_back(&stream);
}

TenonEvent StreamPool::take_event() {
  TenonEvent oldest = 0;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!events_.empty()) {
      oldest = events_.front();
      events_.pop_front();
    }
  }
  if (oldest != 0) {
    // A stream may still be waiting for an event whose last handle is gone: it is recorded again
    // only when it has happened. If not even the oldest has, a new one is cheaper than waiting.
    TenonError ignored = new_error();
    TenonStatus status;
    {
      CallGuard guard(device_);
      status = device_.tables->streams.event_query(device_.handle, oldest, &ignored);
    }
    if (status != TENON_NOT_READY) return oldest;
    std::lock_guard<std::mutex> lock(mutex_);
    events_.push_front(oldest);
  }
  TenonError error = new_error();
  TenonEvent event = 0;
  TenonStatus status;
  {
    CallGuard guard(device_);
    status = device_.tables->streams.event_create(device_.handle, &event, &error);
  }
  if (status != TENON_OK) throw_status(device_, "event", status, error);
  return event;
}

void StreamPool::give_event(TenonEvent event) noexcept {
  std::lock_guard<std::mutex> lock(mutex_);
  events_.push_back(event);
}

std::vector<StreamState*> StreamPool::all_streams() {
  std::lock_guard<std::mutex> lock(mutex_);
  return all_;
}

void StreamPool::destroy() {
  std::deque<TenonEvent> events;
  std::vector<StreamState*> streams;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    events.swap(events_);
    streams = all_;
    idle_.clear();
  }
  if (device_.synchronous) return;
  CallGuard guard(device_);
  for (TenonEvent event : events) device_.tables->streams.event_destroy(device_.handle, event);
  for (StreamState* stream : streams) {
    if (stream->handle) device_.tables->streams.stream_destroy(device_.handle, stream->handle);
  }
}

TenonStatus record_event(StreamState& stream, TenonEvent event, TenonError* error) {
  DeviceState& device = stream.device;
  std::lock_guard<std::mutex> order(stream.mutex);
  CallGuard guard(device);
  return device.tables->streams.event_record(device.handle, stream.handle, event, error);
}

TenonStatus wait_for_stream(StreamState& stream, TenonError* error) {
  DeviceState& device = stream.device;
  if (device.synchronous) return TENON_OK;
  std::lock_guard<std::mutex> order(stream.mutex);
  CallGuard guard(device);
  return device.tables->streams.stream_sync(device.handle, stream.handle, error);
}

}  // namespace tenon
