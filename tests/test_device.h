// The device a core test runs on: TENON_TEST_DEVICE, "cpu" where unset. Set by tenon_core_test.
#ifndef TENON_TESTS_TEST_DEVICE_H_
#define TENON_TESTS_TEST_DEVICE_H_

#include <cstdlib>

#include "tenon/device/device.h"

namespace tenon {

inline Device test_device() {
  const char* name = std::getenv("TENON_TEST_DEVICE");
  return name ? Device(name) : Device();
}

}  // namespace tenon

#endif  // TENON_TESTS_TEST_DEVICE_H_
