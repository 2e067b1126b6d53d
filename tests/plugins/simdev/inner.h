// The synchronous, host addressable backend that does simdev's work. Which one that is, is decided
// in inner.cc alone.
#ifndef TENON_TESTS_PLUGINS_SIMDEV_INNER_H_
#define TENON_TESTS_PLUGINS_SIMDEV_INNER_H_

#include "tenon/abi/tenon_backend.h"

namespace simdev {

struct Inner {
  const TenonBackend* backend = nullptr;
  TenonDevice device = 0;
  TenonDeviceProps props = {};
};

// Its first device, opened at the first call and never closed. Throws tenon::plugin::Failure.
const Inner& OpenInner(const TenonHost* host);
// What OpenInner would give, without opening anything.
TenonDeviceProps InnerProps(const TenonHost* host);

}  // namespace simdev

#endif  // TENON_TESTS_PLUGINS_SIMDEV_INNER_H_
