#include "tenon/device/in_flight.h"

#include <new>

#include "tenon/device/stream_pool.h"

namespace tenon {

struct InFlight {
  InFlight* next;
  TenonEvent event;
  void (*release)(void*) noexcept;
  void* context;
};

namespace {

void push(DeviceState& device, InFlight* entry) {
  entry->next = device.in_flight.load(std::memory_order_relaxed);
  while (!device.in_flight.compare_exchange_weak(entry->next, entry, std::memory_order_release,
                                                 std::memory_order_relaxed)) {
  }
}

bool done(DeviceState& device, TenonEvent event) {
  // A lost device finishes nothing; what it was given may go.
  if (device.unusable.load(std::memory_order_relaxed)) return true;
  TenonError ignored = new_error();
  CallGuard guard(device);
  return device.tables->streams.event_query(device.handle, event, &ignored) != TENON_NOT_READY;
}

}  // namespace

void keep_until_done(StreamState& stream, void (*release)(void* context) noexcept, void* context) {
  DeviceState& device = stream.device;
  if (device.synchronous) {
    release(context);
    return;
  }
  release_finished(device);
  InFlight* entry = nullptr;
  try {
    entry = new InFlight{nullptr, 0, release, context};
    entry->event = device.streams->take_event();
    TenonError error = new_error();
    const TenonStatus status = record_event(stream, entry->event, &error);
    if (status != TENON_OK) throw_status(device, "event", status, error);
  } catch (...) {
    TenonError ignored = new_error();
    wait_for_stream(stream, &ignored);
    if (entry && entry->event != 0) device.streams->give_event(entry->event);
    delete entry;
    release(context);
    throw;
  }
  push(device, entry);
}

void release_finished(DeviceState& device) noexcept {
  if (__builtin_expect(device.in_flight.load(std::memory_order_relaxed) == nullptr, 1)) return;
  // The whole list is taken, so no lock is held while the backend is asked and owners let go.
  InFlight* entry = device.in_flight.exchange(nullptr, std::memory_order_acquire);
  while (entry) {
    InFlight* const next = entry->next;
    if (done(device, entry->event)) {
      device.streams->give_event(entry->event);
      entry->release(entry->context);
      delete entry;
    } else {
      push(device, entry);
    }
    entry = next;
  }
}

}  // namespace tenon
