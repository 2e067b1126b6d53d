#include "tenon/device/device_state.h"

#include <cstdlib>
#include <cstring>

#include "tenon/device/backend.h"
#include "tenon/device/fork.h"
#include "tenon/device/host_services.h"
#include "tenon/device/memory_cache.h"
#include "tenon/device/pinned.h"
#include "tenon/device/plan_cache.h"
#include "tenon/device/stream_pool.h"

namespace tenon {
namespace {

constinit std::atomic<DeviceState*> opened[kMaxDevices] = {};
constinit std::atomic<uint32_t> next_ordinal{0};

ErrorCode code_of(TenonStatus status) {
  switch (status) {
    case TENON_UNSUPPORTED:
      return ErrorCode::kUnsupported;
    case TENON_OUT_OF_MEMORY:
      return ErrorCode::kOutOfMemory;
    case TENON_DEVICE_LOST:
      return ErrorCode::kDevice;
    default:
      return ErrorCode::kBackend;
  }
}

DeviceState* make_device(Backend& backend, int index) {
  const std::string text = concat_text(backend.tables.name, ":", index);
  TenonError error = new_error();
  TenonDevice handle = 0;
  const TenonStatus status =
      backend.tables.core.device_open(static_cast<uint32_t>(index), &handle, &error);
  error.message[sizeof error.message - 1] = 0;
  if (status != TENON_OK || handle == 0) {
    fail(ErrorCode::kDevice, "Device", text, " cannot be opened: ",
         status != TENON_OK ? status_name(status) : "the backend gave no handle",
         error.message[0] ? ": " : "", error.message);
  }
  const uint32_t ordinal = next_ordinal.fetch_add(1);
  if (ordinal >= kMaxDevices) {
    backend.tables.core.device_close(handle);
    fail(ErrorCode::kDevice, "Device", text, " cannot be opened: a process may open ", kMaxDevices,
         " devices");
  }
  if (const char* sync = getenv("TENON_SYNC")) detail::sync_every_call = strcmp(sync, "1") == 0;

  auto* d = new DeviceState();  // leaked
  d->tables = &backend.tables;
  d->handle = handle;
  d->index = index;
  d->ordinal = ordinal;
  d->props = backend.props[index];
  d->host_addressable = (d->props.flags & TENON_DEVICE_HOST_ADDRESSABLE) != 0;
  d->synchronous = backend.tables.streams.stream_create == nullptr;
  d->serialize = (backend.tables.flags & TENON_BACKEND_SERIALIZE_CALLS) != 0;
  d->text = backend.device_count() == 1 && d->host_addressable ? backend.tables.name : text;
  d->streams = new StreamPool(*d);
  d->default_stream = new StreamState(*d, 0);
  d->streams->add(*d->default_stream);
  d->memory = new MemoryCache(*d);
  d->plans = new PlanCache(*d);
  d->pinned = new PinnedCache(*d);
  opened[ordinal].store(d, std::memory_order_release);
  return d;
}

}  // namespace

DeviceState& open_device(Backend& backend, int index) {
  Backend::Slot& slot = backend.slots[index];
  if (DeviceState* known = slot.state.load(std::memory_order_acquire)) return *known;
  const bool done = slot.opening.run([&] {
    install_fork_handlers();
    slot.state.store(make_device(backend, index), std::memory_order_release);
  });
  if (!done)
    fail(ErrorCode::kDevice, "Device", backend.tables.name, ":", index,
         " is asked for while it is being opened");
  return *slot.state.load(std::memory_order_acquire);
}

std::vector<DeviceState*> opened_devices() {
  std::vector<DeviceState*> result;
  for (auto& slot : opened) {
    if (DeviceState* d = slot.load(std::memory_order_acquire)) result.push_back(d);
  }
  return result;
}

void throw_status(DeviceState& device, std::string_view operation, TenonStatus status,
                  std::string_view message) {
  if (status == TENON_DEVICE_LOST) {
    device.lost.store(true);
    device.unusable.store(true);
  }
  fail(code_of(status), operation, device.text, " failed with ", status_name(status),
       message.empty() ? "" : ": ", message,
       status == TENON_DEVICE_LOST ? "; the device is unusable from now on in this process" : "");
}

void throw_status(DeviceState& device, std::string_view operation, TenonStatus status,
                  const TenonError& error) {
  throw_status(device, operation, status,
               std::string_view(error.message, strnlen(error.message, sizeof error.message)));
}

void check_usable(DeviceState& device, std::string_view operation) {
  if (!device.unusable.load(std::memory_order_relaxed)) return;
  if (device.lost.load()) {
    fail(ErrorCode::kDevice, operation, device.text,
         " was lost; restart the process to use it again");
  }
  fail(ErrorCode::kDevice, operation, device.text,
       ": device opened before fork; use spawn (start a new process, or open the "
       "device only after the fork)");
}

}  // namespace tenon
