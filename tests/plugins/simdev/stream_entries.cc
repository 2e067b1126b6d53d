// The entries for streams and events.
#include "tenon/abi/tenon_plugin.hpp"
#include "tests/plugins/simdev/entries.h"

namespace simdev {
namespace {

using tenon::plugin::guard;

TenonStatus Report(const Fault& fault, TenonError* error) {
  return fault.code == TENON_OK ? TENON_OK
                                : tenon_fail(error, fault.code, "%s", fault.message.c_str());
}

TenonStatus StreamCreate(TenonDevice device, int32_t, TenonStream* stream,
                         TenonError* error) noexcept {
  return guard(error, [&] { *stream = FindWorkingDevice(device)->CreateStream(); });
}

void StreamDestroy(TenonDevice device, TenonStream stream) noexcept {
  guard(nullptr, [&] { FindDevice(device)->DestroyStream(stream); });
}

TenonStatus StreamSync(TenonDevice device, TenonStream stream, TenonError* error) noexcept {
  return guard(
      error, [&] { return Report(FindWorkingDevice(device)->FindStream(stream)->Sync(), error); });
}

TenonStatus StreamQuery(TenonDevice device, TenonStream stream, TenonError* error) noexcept {
  return guard(
      error, [&] { return Report(FindWorkingDevice(device)->FindStream(stream)->Query(), error); });
}

TenonStatus EventCreate(TenonDevice device, TenonEvent* event, TenonError* error) noexcept {
  return guard(error, [&] { *event = FindWorkingDevice(device)->CreateEvent(); });
}

void EventDestroy(TenonDevice device, TenonEvent event) noexcept {
  guard(nullptr, [&] { FindDevice(device)->DestroyEvent(event); });
}

TenonStatus EventRecord(TenonDevice handle, TenonStream stream, TenonEvent event_handle,
                        TenonError* error) noexcept {
  return guard(error, [&] {
    const std::shared_ptr<Device> device = FindWorkingDevice(handle);
    const std::shared_ptr<Stream> on = device->FindStream(stream);
    const std::shared_ptr<Event> event = device->FindEvent(event_handle);
    on->EnqueueMarker(
        [event, record = event->Record()](const Fault& fault) { event->Complete(record, fault); });
  });
}

TenonStatus EventWait(TenonDevice handle, TenonStream stream, TenonEvent event_handle,
                      TenonError* error) noexcept {
  return guard(error, [&] {
    const std::shared_ptr<Device> device = FindWorkingDevice(handle);
    const std::shared_ptr<Stream> on = device->FindStream(stream);
    const std::shared_ptr<Event> event = device->FindEvent(event_handle);
    on->EnqueueMarker([event, record = event->Latest()](const Fault&) { event->Wait(record); });
  });
}

TenonStatus EventSync(TenonDevice device, TenonEvent event_handle, TenonError* error) noexcept {
  return guard(error, [&] {
    const std::shared_ptr<Event> event = FindWorkingDevice(device)->FindEvent(event_handle);
    return Report(event->Wait(event->Latest()), error);
  });
}

TenonStatus EventQuery(TenonDevice device, TenonEvent event, TenonError* error) noexcept {
  return guard(error,
               [&] { return Report(FindWorkingDevice(device)->FindEvent(event)->Query(), error); });
}

TenonStatus StreamImport(TenonDevice device, void* native, TenonStream* stream,
                         TenonError* error) noexcept {
  return guard(error, [&] { *stream = FindWorkingDevice(device)->ImportStream(native); });
}

TenonStatus StreamNative(TenonDevice device, TenonStream stream, void** native,
                         TenonError* error) noexcept {
  return guard(error, [&] { *native = FindWorkingDevice(device)->FindStream(stream).get(); });
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

}  // namespace simdev
