// Order between streams without the host: ours among themselves, and with those of other libraries.
#include "tenon/device/backend.h"
#include "tenon/device/stream.h"
#include "tenon/device/stream_pool.h"

namespace tenon {

void wait_behind(StreamState& stream, StreamState& earlier) {
  DeviceState& device = stream.device;
  if (&stream == &earlier || device.synchronous) return;
  const TenonEvent event = device.streams->take_event();
  TenonError error = new_error();
  TenonStatus status = record_event(earlier, event, &error);
  if (status == TENON_OK) {
    std::lock_guard<std::mutex> order(stream.mutex);
    CallGuard guard(device);
    status = device.tables->streams.event_wait(device.handle, stream.handle, event, &error);
  }
  device.streams->give_event(event);
  if (status != TENON_OK) throw_status(device, "waiting for a stream", status, error);
}

namespace {

// A native stream under a handle that no other call names.
class ImportedStream {
 public:
  ImportedStream(DeviceState& device, void* native) : state_(device, 0) {
    TenonError error = new_error();
    TenonStatus status;
    {
      CallGuard guard(device);
      status = device.tables->streams.stream_import(device.handle, native, &state_.handle, &error);
    }
    if (status != TENON_OK) throw_status(device, "another library's stream", status, error);
  }
  ImportedStream(const ImportedStream&) = delete;
  ImportedStream& operator=(const ImportedStream&) = delete;
  ~ImportedStream() {
    CallGuard guard(state_.device);
    state_.device.tables->streams.stream_destroy(state_.device.handle, state_.handle);
  }
  StreamState& state() { return state_; }

 private:
  StreamState state_;
};

}  // namespace

void* Stream::native() const {
  DeviceState& device = state_->device;
  check_usable(device, "Stream::native");
  if (!device.tables->streams.stream_native) {
    fail(ErrorCode::kUnsupported, "Stream::native", "the streams of ", device.text,
         " have no name for other libraries: its plug-in has no stream_native; synchronize() "
         "instead");
  }
  void* native = nullptr;
  TenonError error = new_error();
  TenonStatus status;
  {
    CallGuard guard(device);
    status = device.tables->streams.stream_native(device.handle, state_->handle, &native, &error);
  }
  if (status != TENON_OK) throw_status(device, "Stream::native", status, error);
  return native;
}

void Stream::native_waits(void* native) const {
  DeviceState& device = state_->device;
  check_usable(device, "Stream::native_waits");
  if (device.synchronous) return;
  if (!device.tables->streams.stream_import) return synchronize();
  ImportedStream theirs(device, native);
  wait_behind(theirs.state(), *state_);
}

void Stream::wait_native(void* native) const {
  DeviceState& device = state_->device;
  check_usable(device, "Stream::wait_native");
  if (!device.tables->streams.stream_import) {
    fail(ErrorCode::kUnsupported, "Stream::wait_native", device.text,
         " cannot wait for another library's stream: its plug-in has no stream_import. Wait for "
         "that stream on the host first");
  }
  ImportedStream theirs(device, native);
  wait_behind(*state_, theirs.state());
}

}  // namespace tenon
