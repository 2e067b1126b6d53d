// Device: "cpu", "cuda:1". A backend's name and an index; there is no enum of devices anywhere.
//
//   Device d("cuda");            // opens cuda:0; throws kDevice with every plugin tried and why it
//   failed Device host;                 // cpu:0 for (const BackendReport& r : backend_reports())
//   ...
//
// A Device is one pointer to state that lives until the process ends, so it is copied freely and
// never dangles. Every function here may be called from any thread.
#ifndef TENON_DEVICE_DEVICE_H_
#define TENON_DEVICE_DEVICE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tenon {

struct DeviceState;  // device_state.h

class Device {
 public:
  Device();  // "cpu"; throws if no backend of that name is linked in or found
  explicit Device(std::string_view text);  // "name" or "name:index"
  explicit Device(DeviceState& state) : state_(&state) {}

  std::string_view backend() const;  // "cuda"
  int index() const;
  std::string text() const;       // "cpu", "cuda:0": the index is shown unless the backend has one
                                  // device and is the host
  bool host_addressable() const;  // its memory is ordinary memory of this process
  DeviceState& state() const { return *state_; }

  friend bool operator==(Device a, Device b) { return a.state_ == b.state_; }

 private:
  DeviceState* state_;
};

// What became of one candidate plugin (or built-in backend).
struct BackendReport {
  std::string name;  // from the file's name, or the table's
  std::string path;  // empty for a built-in
  enum class State {
    kFound,
    kLoaded,
    kRefused,
    kDisabled,
    kShadowed
  } state;             // found: not needed, so not opened yet
  std::string reason;  // why refused, disabled or shadowed; or why it reports no device
  uint32_t abi_major = 0, abi_minor = 0;
  std::string vendor, version;
  int devices = 0;
};

// Loads every candidate and says what came of each, in search order.
std::vector<BackendReport> backend_reports();

// Number of devices of a backend; 0 if it is absent or finds none (never throws).
int device_count(std::string_view backend);

// All devices of all backends, loading every candidate.
std::vector<Device> devices();

// Loads the plugin in this file (the path must contain '/'); throws kDevice with the reason if it
// is refused.
void load_backend(const std::string& path);

// Waits for all work on the device and reports its first error; no-op on a synchronous device.
void synchronize(Device device);

// Closes every device and calls the backends' shutdown(). Only for programs that want a leak-free
// exit: all tensors must be gone, and nothing of Tenon may be used afterwards.
void shutdown();

}  // namespace tenon

#endif  // TENON_DEVICE_DEVICE_H_
