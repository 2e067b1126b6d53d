#include "backends/opencl/stream.h"

#include <memory>

#include "backends/opencl/device.h"
#include "backends/opencl/foreign.h"

namespace tenon_opencl {
namespace {

using tenon::plugin::from_handle;
using tenon::plugin::to_handle;

// Recorded and waited for from any threads.
class Event {
 public:
  explicit Event(const Runtime& cl) : cl_(cl) {}
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  ~Event() { Set(nullptr); }

  void Set(cl_event marker) {
    const std::lock_guard lock(mutex_);
    if (marker_ != nullptr) cl_.clReleaseEvent(marker_);
    marker_ = marker;
  }
  // The caller releases it; NULL: never recorded.
  cl_event Get() const {
    const std::lock_guard lock(mutex_);
    if (marker_ != nullptr) cl_.clRetainEvent(marker_);
    return marker_;
  }

 private:
  const Runtime& cl_;
  mutable std::mutex mutex_;
  cl_event marker_ = nullptr;
};

// The marker of an event for as long as a call needs it.
class Marker {
 public:
  Marker(const Runtime& cl, TenonEvent event)
      : cl_(cl), marker_(from_handle<Event>(event)->Get()) {}
  Marker(const Marker&) = delete;
  Marker& operator=(const Marker&) = delete;
  ~Marker() {
    if (marker_ != nullptr) cl_.clReleaseEvent(marker_);
  }
  explicit operator bool() const { return marker_ != nullptr; }
  const cl_event* get() const { return &marker_; }
  cl_int Status(cl_int* status) const {
    return cl_.clGetEventInfo(marker_, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof *status, status,
                              nullptr);
  }

 private:
  const Runtime& cl_;
  cl_event marker_;
};

constexpr const char* kBefore = "the work before an event";

TenonStatus StreamCreate(TenonDevice handle, int32_t, TenonStream* made,
                         TenonError* error) noexcept {
  return on_device(handle, error, [&](Device& device) {
    *made = to_handle(
        std::make_unique<Stream>(device.cl(), device.context(), device.description().id).release());
  });
}

void StreamDestroy(TenonDevice, TenonStream stream) noexcept {
  if (stream != 0) delete from_handle<Stream>(stream);
}

TenonStatus StreamSync(TenonDevice handle, TenonStream stream_handle, TenonError* error) noexcept {
  return on_device(handle, error, [&](Device& device) {
    Stream& stream = device.stream(stream_handle);
    const cl_int finished = device.cl().clFinish(stream.queue());
    stream.Poll();
    if (stream.failed() == CL_SUCCESS) return device.Check(finished, "a stream's work");
    const cl_int failed = stream.failed();
    stream.Clear();  // with this report
    device.Check(failed, stream.failed_what());
  });
}

TenonStatus StreamQuery(TenonDevice handle, TenonStream stream_handle, TenonError* error) noexcept {
  return on_device(handle, error, [&](Device& device) -> TenonStatus {
    Stream& stream = device.stream(stream_handle);
    const bool ready = stream.Poll();
    device.FailIfFailed(stream);
    return ready ? TENON_OK : TENON_NOT_READY;
  });
}

TenonStatus EventCreate(TenonDevice handle, TenonEvent* made, TenonError* error) noexcept {
  return on_device(handle, error, [&](Device& device) {
    *made = to_handle(std::make_unique<Event>(device.cl()).release());
  });
}

void EventDestroy(TenonDevice, TenonEvent event) noexcept { delete from_handle<Event>(event); }

TenonStatus EventRecord(TenonDevice handle, TenonStream stream_handle, TenonEvent event,
                        TenonError* error) noexcept {
  return on_device(handle, error, [&](Device& device) {
    const cl_command_queue queue = device.stream(stream_handle).queue();
    cl_event marker = nullptr;
    device.Check(device.cl().clEnqueueMarkerWithWaitList(queue, 0, nullptr, &marker),
                 "recording an event");
    from_handle<Event>(event)->Set(marker);
    device.Check(device.cl().clFlush(queue), "recording an event");  // others may wait for it
  });
}

TenonStatus EventWait(TenonDevice handle, TenonStream stream_handle, TenonEvent event,
                      TenonError* error) noexcept {
  return on_device(handle, error, [&](Device& device) {
    const Marker marker(device.cl(), event);
    if (!marker) return;
    Stream& stream = device.stream(stream_handle);
    cl_event waited = nullptr;
    device.Check(device.cl().clEnqueueBarrierWithWaitList(stream.queue(), 1, marker.get(), &waited),
                 "waiting for an event");
    stream.Keep(waited, kBefore);
  });
}

TenonStatus EventSync(TenonDevice handle, TenonEvent event, TenonError* error) noexcept {
  return on_device(handle, error, [&](Device& device) {
    const Marker marker(device.cl(), event);
    if (!marker) return;
    const cl_int waited = device.cl().clWaitForEvents(1, marker.get());
    cl_int status = CL_COMPLETE;
    if (marker.Status(&status) == CL_SUCCESS && status < 0) device.Check(status, kBefore);
    device.Check(waited, kBefore);
  });
}

TenonStatus EventQuery(TenonDevice handle, TenonEvent event, TenonError* error) noexcept {
  return on_device(handle, error, [&](Device& device) -> TenonStatus {
    const Marker marker(device.cl(), event);
    if (!marker) return TENON_OK;
    cl_int status = CL_COMPLETE;
    device.Check(marker.Status(&status), kBefore);
    if (status < 0) device.Check(status, kBefore);
    return status == CL_COMPLETE ? TENON_OK : TENON_NOT_READY;
  });
}

}  // namespace

constinit const TenonStreamOps kStreams = {sizeof(TenonStreamOps),
                                           0,
                                           StreamCreate,
                                           StreamDestroy,
                                           StreamSync,
                                           StreamQuery,
                                           EventCreate,
                                           EventDestroy,
                                           EventRecord,
                                           EventWait,
                                           EventSync,
                                           EventQuery,
                                           StreamImport,
                                           StreamNative};

}  // namespace tenon_opencl
