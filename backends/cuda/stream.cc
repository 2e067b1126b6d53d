#include "backends/cuda/stream.h"

#include <memory>

#include "backends/cuda/device.h"
#include "backends/cuda/foreign.h"

namespace tenon_cuda {

using tenon::plugin::from_handle;
using tenon::plugin::to_handle;

namespace {

// Handles of events are the driver's own.
CUevent event_of(TenonEvent handle) { return from_handle<CUevent_st>(handle); }

TenonStatus StreamCreate(TenonDevice handle, int32_t priority, TenonStream* made,
                         TenonError* error) noexcept {
  return on_device(handle, error, [&](Device& device) {
    auto stream = std::make_unique<Stream>();
    // The driver clamps the priority to what the device knows.
    device.Check(device.driver().cuStreamCreateWithPriority(&stream->handle, CU_STREAM_NON_BLOCKING,
                                                            priority),
                 "cuStreamCreateWithPriority");
    *made = to_handle(stream.release());
  });
}

void StreamDestroy(TenonDevice handle, TenonStream stream_handle) noexcept {
  if (stream_handle == 0) return;
  Device& device = device_of(handle);
  const std::unique_ptr<Stream> stream(from_handle<Stream>(stream_handle));
  const Current current(device, std::nothrow);
  if (current.entered()) device.Release(*stream);
}

TenonStatus StreamSync(TenonDevice handle, TenonStream stream_handle, TenonError* error) noexcept {
  return on_device(handle, error, [&](Device& device) {
    const Stream& stream = device.stream(stream_handle);
    device.Check(device.driver().cuStreamSynchronize(stream.handle), "a stream's work", &stream);
  });
}

TenonStatus StreamQuery(TenonDevice handle, TenonStream stream_handle, TenonError* error) noexcept {
  return on_device(handle, error, [&](Device& device) -> TenonStatus {
    const Stream& stream = device.stream(stream_handle);
    const CUresult result = device.driver().cuStreamQuery(stream.handle);
    if (result == CUDA_ERROR_NOT_READY) return TENON_NOT_READY;
    device.Check(result, "a stream's work", &stream);
    return TENON_OK;
  });
}

TenonStatus EventCreate(TenonDevice handle, TenonEvent* made, TenonError* error) noexcept {
  return on_device(handle, error, [&](Device& device) {
    CUevent event = nullptr;
    device.Check(device.driver().cuEventCreate(&event, CU_EVENT_DISABLE_TIMING), "cuEventCreate");
    *made = to_handle(event);
  });
}

void EventDestroy(TenonDevice handle, TenonEvent event) noexcept {
  Device& device = device_of(handle);
  const Current current(device, std::nothrow);
  if (current.entered()) device.driver().cuEventDestroy_v2(event_of(event));
}

TenonStatus EventRecord(TenonDevice handle, TenonStream stream_handle, TenonEvent event,
                        TenonError* error) noexcept {
  return on_device(handle, error, [&](Device& device) {
    const Stream& stream = device.stream(stream_handle);
    device.Check(device.driver().cuEventRecord(event_of(event), stream.handle), "cuEventRecord",
                 &stream);
  });
}

TenonStatus EventWait(TenonDevice handle, TenonStream stream_handle, TenonEvent event,
                      TenonError* error) noexcept {
  return on_device(handle, error, [&](Device& device) {
    const Stream& stream = device.stream(stream_handle);
    device.Check(device.driver().cuStreamWaitEvent(stream.handle, event_of(event), 0),
                 "cuStreamWaitEvent", &stream);
  });
}

TenonStatus EventSync(TenonDevice handle, TenonEvent event, TenonError* error) noexcept {
  return on_device(handle, error, [&](Device& device) {
    device.Check(device.driver().cuEventSynchronize(event_of(event)), "the work before an event");
  });
}

TenonStatus EventQuery(TenonDevice handle, TenonEvent event, TenonError* error) noexcept {
  return on_device(handle, error, [&](Device& device) -> TenonStatus {
    const CUresult result = device.driver().cuEventQuery(event_of(event));
    if (result == CUDA_ERROR_NOT_READY) return TENON_NOT_READY;
    device.Check(result, "the work before an event");
    return TENON_OK;
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

}  // namespace tenon_cuda
