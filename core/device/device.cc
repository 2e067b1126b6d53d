#include "tenon/device/device.h"

#include <charconv>

#include "tenon/device/backend.h"
#include "tenon/device/host_services.h"
#include "tenon/device/in_flight.h"
#include "tenon/device/memory_cache.h"
#include "tenon/device/pinned.h"
#include "tenon/device/plan_cache.h"
#include "tenon/device/registry.h"
#include "tenon/device/stream_pool.h"

namespace tenon {
namespace {

[[noreturn, gnu::cold]] void no_device(std::string_view text, std::string_view why) {
  // First the words that PyTorch has for it, which users search for.
  const bool cuda = text.substr(0, text.find(':')) == "cuda";
  fail(ErrorCode::kDevice, cuda ? "cuda" : "Device",
       cuda ? "Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU and "
              "installed a driver from http://www.nvidia.com/Download/index.aspx\n"
            : "",
       "no device '", text, "': ", why, "\n", Registry::global().tried());
}

// "cuda:1" -> "cuda", 1; "cuda" -> "cuda", 0.
std::string_view parse(std::string_view text, int* index) {
  *index = 0;
  const size_t colon = text.find(':');
  const std::string_view name = text.substr(0, colon);
  bool good = !name.empty();
  if (colon != std::string_view::npos) {
    const std::string_view digits = text.substr(colon + 1);
    const auto end = std::from_chars(digits.data(), digits.data() + digits.size(), *index);
    good = good && !digits.empty() && end.ec == std::errc() &&
           end.ptr == digits.data() + digits.size() && *index >= 0;
  }
  if (!good)
    fail(ErrorCode::kDevice, "Device", "Invalid device string: '", text,
         "': it is not of the form name or name:index (\"cpu\", \"cuda:1\")");
  return name;
}

DeviceState& find_device(std::string_view text) {
  int index;
  const std::string_view name = parse(text, &index);
  Backend* backend = Registry::global().find(name);
  if (!backend) no_device(text, concat_text("no backend '", name, "' could be loaded"));
  if (backend->device_count() == 0) {
    no_device(text, concat_text("the backend '", name,
                                "' reports no device: ", backend->no_device_reason));
  }
  if (index >= backend->device_count()) {
    fail(ErrorCode::kDevice, "Device", "no device '", text, "': the backend '", name, "' reports ",
         backend->device_count(), backend->device_count() == 1 ? " device" : " devices",
         ", numbered from 0");
  }
  return open_device(*backend, index);
}

}  // namespace

Device::Device() {
  static constinit std::atomic<DeviceState*> cpu{nullptr};  // saves the search
  state_ = cpu.load(std::memory_order_acquire);
  if (state_) return;
  state_ = &find_device("cpu");
  cpu.store(state_, std::memory_order_release);
}

Device::Device(std::string_view text) : state_(&find_device(text)) {}

std::string_view Device::backend() const { return state_->tables->name; }
int Device::index() const { return state_->index; }
std::string Device::text() const { return state_->text; }
bool Device::host_addressable() const { return state_->host_addressable; }

std::vector<BackendReport> backend_reports() { return Registry::global().reports(); }

int device_count(std::string_view name) {
  Backend* backend = Registry::global().find(name);
  return backend ? backend->device_count() : 0;
}

std::vector<Device> devices() {
  std::vector<Device> result;
  for (Backend* backend : Registry::global().all()) {
    for (int i = 0; i < backend->device_count(); ++i) {
      try {
        result.push_back(Device(open_device(*backend, i)));
      } catch (const Error& e) {
        log_line(LogLevel::kWarning, e.what());
      }
    }
  }
  return result;
}

void load_backend(const std::string& path) { Registry::global().load_file(path); }

DeviceState* host_device() noexcept {
  try {
    return &Device().state();
  } catch (const Error&) {
    return nullptr;
  }
}

void shutdown() {
  // Children before parents: kernels and memory (which may wait for events), events and streams,
  // the device.
  for (DeviceState* d : opened_devices()) {
    if (d->unusable.load()) continue;
    TenonError error = new_error();
    for (StreamState* stream : d->streams->all_streams()) wait_for_stream(*stream, &error);
    release_finished(*d);  // while the device still takes calls: it has imports to forget
    d->unusable.store(true);
    d->plans->destroy();
    d->memory->destroy();
    d->pinned->trim();
    d->streams->destroy();
    d->tables->core.device_close(d->handle);
  }
  for (Backend* backend : Registry::global().all()) {
    if (backend->tables.shutdown) backend->tables.shutdown();
  }
}

}  // namespace tenon
