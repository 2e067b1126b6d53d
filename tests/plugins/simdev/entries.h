// What the files of entries share: from a handle to a device, and their tables.
#ifndef TENON_TESTS_PLUGINS_SIMDEV_ENTRIES_H_
#define TENON_TESTS_PLUGINS_SIMDEV_ENTRIES_H_

#include <memory>

#include "tests/plugins/simdev/device.h"

namespace simdev {

// Both throw tenon::plugin::Failure: no such open device; it is lost.
std::shared_ptr<Device> FindDevice(TenonDevice handle);
std::shared_ptr<Device> FindWorkingDevice(TenonDevice handle);

extern const TenonStreamOps kStreams;

}  // namespace simdev

#endif  // TENON_TESTS_PLUGINS_SIMDEV_ENTRIES_H_
