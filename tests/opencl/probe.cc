// Is there an OpenCL device? If not, says why and fails; run before tests that need one.
#include <cstdio>
#include <exception>

#include "tenon/device/device.h"

int main() {
  if (tenon::device_count("opencl") != 0) return 0;
  try {
    (void)tenon::Device("opencl");
  } catch (const std::exception& e) {
    std::printf("SKIPPED: there is no OpenCL device on this machine: %s\n", e.what());
  }
  return 1;
}
