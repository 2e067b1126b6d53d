#include "tests/plugins/simdev/inner.h"

#include <mutex>

#include "tenon/abi/tenon_plugin.hpp"

// SIMDEV_INNER_ENTRY: the entry function of a backend that is linked in and whose handles are host
// addresses.
#ifndef SIMDEV_INNER_ENTRY
#define SIMDEV_INNER_ENTRY tenon_backend_entry_v0_cpu
#endif
extern "C" TenonStatus SIMDEV_INNER_ENTRY(const TenonHost* host, const TenonBackend** out,
                                          TenonError* error);

namespace simdev {
namespace {

void Check(TenonStatus status, const TenonError& error) {
  if (status != TENON_OK)
    throw tenon::plugin::Failure(status,
                                 std::string("simdev: the backend inside: ") + error.message);
}

const TenonBackend* Enter(const TenonHost* host) {
  TenonError error = {};
  error.size = sizeof error;
  const TenonBackend* backend = nullptr;
  Check(SIMDEV_INNER_ENTRY(host, &backend, &error), error);
  return backend;
}

TenonDeviceProps Props(const TenonBackend* backend) {
  TenonError error = {};
  error.size = sizeof error;
  TenonDeviceProps props = {};
  props.size = sizeof props;
  Check(backend->core->device_props(0, &props, &error), error);
  if ((props.flags & TENON_DEVICE_HOST_ADDRESSABLE) == 0 ||
      (backend->flags & TENON_BACKEND_SERIALIZE_CALLS) != 0) {
    throw tenon::plugin::Failure(TENON_INTERNAL,
                                 "simdev: the backend inside is not host addressable, or serial");
  }
  return props;
}

}  // namespace

TenonDeviceProps InnerProps(const TenonHost* host) { return Props(Enter(host)); }

const Inner& OpenInner(const TenonHost* host) {
  static std::mutex mutex;
  static Inner* inner = nullptr;  // leaked: workers use it until the process is gone
  std::lock_guard lock(mutex);
  if (inner == nullptr) {
    Inner opened;
    opened.backend = Enter(host);
    opened.props = Props(opened.backend);
    TenonError error = {};
    error.size = sizeof error;
    Check(opened.backend->core->device_open(0, &opened.device, &error), error);
    inner = new Inner(opened);
  }
  return *inner;
}

}  // namespace simdev
