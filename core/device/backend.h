// Backend: a plugin (or built-in) that passed every check, with its tables copied. Inside the
// device floor.
#ifndef TENON_DEVICE_BACKEND_H_
#define TENON_DEVICE_BACKEND_H_

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tenon/device/device.h"
#include "tenon/device/device_state.h"
#include "tenon/device/once.h"

namespace tenon {

struct Backend {
  BackendTables tables{};
  std::string path;                     // empty: built in
  std::string no_device_reason;         // the plugin's own words when it counts 0 devices
  std::vector<TenonDeviceProps> props;  // one per device
  struct Slot {
    Once opening;
    std::atomic<DeviceState*> state{nullptr};
  };
  std::unique_ptr<Slot[]> slots;  // one per device

  int device_count() const { return static_cast<int>(props.size()); }
};

// Calls the entry function and checks all that it hands over (ABI.md's MUSTs on tables, names,
// limits). Fills the report's versions and, if the backend is refused (nullptr), its reason.
// `expected_name` is the file's; empty for a built-in. Holds no lock.
std::unique_ptr<Backend> register_backend(TenonEntryFn entry, std::string_view expected_name,
                                          BackendReport* report);

// The device, opened on first use and leaked; throws kDevice if it cannot be opened.
DeviceState& open_device(Backend& backend, int index);

// Devices opened so far, in order of ordinal.
std::vector<DeviceState*> opened_devices();

// cpu:0, where host fallbacks run; nullptr if there is none.
DeviceState* host_device() noexcept;

std::string_view status_name(TenonStatus status);
[[noreturn, gnu::cold]] void throw_status(DeviceState& device, std::string_view operation,
                                          TenonStatus status, std::string_view message);

}  // namespace tenon

#endif  // TENON_DEVICE_BACKEND_H_
