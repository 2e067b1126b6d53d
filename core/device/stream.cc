#include "tenon/device/stream.h"

#include <string>

#include "tenon/device/backend.h"
#include "tenon/device/in_flight.h"
#include "tenon/device/memory_cache.h"
#include "tenon/device/stream_pool.h"

namespace tenon {
namespace detail {

constinit thread_local StreamState** current_streams = nullptr;
constinit bool sync_every_call = false;

namespace {
constinit thread_local int open_scopes = 0;

// "mul, add, exp (the last 3 launches, newest last)"; the caller holds stream.mutex.
std::string last_launches(const StreamState& stream) {
  const uint64_t count =
      stream.launches < StreamState::kRing ? stream.launches : StreamState::kRing;
  std::string text;
  for (uint64_t i = stream.launches - count; i < stream.launches; ++i) {
    text += text.empty() ? "" : ", ";
    text += stream.ring[i % StreamState::kRing];
  }
  return text;
}

// Says that the culprit may be an earlier launch, where the device is asynchronous.
[[noreturn, gnu::cold]] void throw_with_launches(StreamState& stream, std::string_view operation,
                                                 TenonStatus status, TenonError error) {
  std::string launches;
  {
    std::lock_guard<std::mutex> order(stream.mutex);
    launches = last_launches(stream);
  }
  error.message[sizeof error.message - 1] = 0;
  std::string text(error.message);
  if (!stream.device.synchronous && !launches.empty()) {
    text += concat_text(
        "; the error may come from earlier work on this stream, last launches (newest last): ",
        launches, "; TENON_SYNC=1 names the culprit");
  }
  throw_status(stream.device, operation, status, text);
}

}  // namespace

void note_launch(StreamState& stream, const char* name) {
  stream.ring[stream.launches++ % StreamState::kRing] = name;
  if (__builtin_expect(sync_every_call && !stream.device.synchronous, 0)) {
    DeviceState& device = stream.device;
    TenonError error = new_error();
    TenonStatus status;
    {
      CallGuard guard(device);
      status = device.tables->streams.stream_sync(device.handle, stream.handle, &error);
    }
    if (status != TENON_OK) throw_status(device, name, status, error);
  }
}

void after_call_failed(StreamState& stream, const char* name, TenonStatus status,
                       const TenonError& error, int attempt) {
  if (status == TENON_OUT_OF_MEMORY && attempt == 0) {
    stream.device.memory->trim();
    return;
  }
  throw_with_launches(stream, name, status, error);
}

}  // namespace detail

void synchronize(StreamState& stream, std::string_view operation) {
  if (stream.device.unusable.load(std::memory_order_relaxed))
    check_usable(stream.device, operation);
  TenonError error = new_error();
  const TenonStatus status = wait_for_stream(stream, &error);
  release_finished(stream.device);
  if (status != TENON_OK) detail::throw_with_launches(stream, operation, status, error);
}

void synchronize(Device device) {
  DeviceState& state = device.state();
  check_usable(state, "synchronize");
  if (state.synchronous) return;
  // Every stream is waited for, also behind one that failed; the first error is reported.
  StreamState* failed = nullptr;
  TenonStatus first = TENON_OK;
  TenonError first_error = new_error();
  for (StreamState* stream : state.streams->all_streams()) {
    TenonError error = new_error();
    const TenonStatus status = wait_for_stream(*stream, &error);
    if (status != TENON_OK && !failed) {
      failed = stream;
      first = status;
      first_error = error;
    }
  }
  release_finished(state);
  if (failed) detail::throw_with_launches(*failed, "synchronize", first, first_error);
}

// ---- Stream
// ------------------------------------------------------------------------------------------

Stream::Stream(Device device) {
  DeviceState& state = device.state();
  check_usable(state, "Stream");
  state_ = std::shared_ptr<StreamState>(&state.streams->take_stream(),
                                        [](StreamState* s) { s->device.streams->give_stream(*s); });
  state_->self = state_;
}

Stream Stream::default_of(Device device) {
  // An alias of nothing: the default stream lives as long as its device.
  return Stream(
      std::shared_ptr<StreamState>(std::shared_ptr<void>(), device.state().default_stream));
}

Stream Stream::current(Device device) {
  StreamState& state = current_stream(device.state());
  if (&state == device.state().default_stream) return default_of(device);
  return Stream(state.self.lock());  // alive: a StreamScope of this thread holds it
}

Device Stream::device() const { return Device(state_->device); }

void Stream::synchronize() const { tenon::synchronize(*state_, "Stream::synchronize"); }

bool Stream::idle() const {
  DeviceState& device = state_->device;
  check_usable(device, "Stream::idle");
  if (device.synchronous) return true;
  TenonError error = new_error();
  TenonStatus status;
  {
    std::lock_guard<std::mutex> order(state_->mutex);
    CallGuard guard(device);
    status = device.tables->streams.stream_query(device.handle, state_->handle, &error);
  }
  if (status == TENON_OK || status == TENON_NOT_READY) return status == TENON_OK;
  detail::throw_with_launches(*state_, "Stream::idle", status, error);
}

// ---- Event
// -------------------------------------------------------------------------------------------

struct Event::State {
  State(StreamState* recorded_on, TenonEvent taken) : stream(recorded_on), event(taken) {}
  StreamState* stream;  // states are never freed
  TenonEvent event;
  ~State() { stream->device.streams->give_event(event); }
};

Event Stream::record() const {
  DeviceState& device = state_->device;
  check_usable(device, "Stream::record");
  Event result;
  if (device.synchronous) return result;
  result.state_ = std::make_shared<Event::State>(state_.get(), device.streams->take_event());
  TenonError error = new_error();
  const TenonStatus status = record_event(*state_, result.state_->event, &error);
  if (status != TENON_OK) detail::throw_with_launches(*state_, "Stream::record", status, error);
  return result;
}

void Stream::wait(const Event& event) const {
  DeviceState& device = state_->device;
  check_usable(device, "Stream::wait");
  if (!event.state_ || event.state_->stream == state_.get()) return;
  if (&event.state_->stream->device !=
      &device) {  // the ABI's events order streams of one device only
    event.synchronize();
    return;
  }
  TenonError error = new_error();
  TenonStatus status;
  {
    std::lock_guard<std::mutex> order(state_->mutex);
    CallGuard guard(device);
    status = device.tables->streams.event_wait(device.handle, state_->handle, event.state_->event,
                                               &error);
  }
  if (status != TENON_OK) detail::throw_with_launches(*state_, "Stream::wait", status, error);
}

bool Event::done() const {
  if (!state_) return true;
  DeviceState& device = state_->stream->device;
  check_usable(device, "Event::done");
  TenonError error = new_error();
  TenonStatus status;
  {
    CallGuard guard(device);
    status = device.tables->streams.event_query(device.handle, state_->event, &error);
  }
  if (status == TENON_OK || status == TENON_NOT_READY) return status == TENON_OK;
  detail::throw_with_launches(*state_->stream, "Event::done", status, error);
}

void Event::synchronize() const {
  if (!state_) return;
  DeviceState& device = state_->stream->device;
  check_usable(device, "Event::synchronize");
  TenonError error = new_error();
  TenonStatus status;
  {
    CallGuard guard(device);
    status = device.tables->streams.event_sync(device.handle, state_->event, &error);
  }
  if (status != TENON_OK)
    detail::throw_with_launches(*state_->stream, "Event::synchronize", status, error);
}

// ---- StreamScope
// -------------------------------------------------------------------------------------

StreamScope::StreamScope(const Stream& stream) : stream_(stream) {
  StreamState& state = stream_.state();
  // The table exists only while a scope is open, so that other threads pay one test of a pointer.
  if (detail::open_scopes++ == 0) detail::current_streams = new StreamState*[kMaxDevices]();
  StreamState*& current = detail::current_streams[state.device.ordinal];
  previous_ = current;
  current = &state;
}

StreamScope::~StreamScope() {
  detail::current_streams[stream_.state().device.ordinal] = previous_;
  if (--detail::open_scopes == 0) {
    delete[] detail::current_streams;
    detail::current_streams = nullptr;
  }
}

}  // namespace tenon
