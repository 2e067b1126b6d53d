// Runtime: OpenCL's loader (libOpenCL), opened at run time, so that this plug-in loads where there
// is none, and the devices of all its platforms.
//
//   const Runtime& cl = GetRuntime();
//   if (cl.devices().empty()) report(cl.problem());   // "no OpenCL: libOpenCL.so.1 ..."
//   cl.clFlush(queue);
//
// Opened once, on first use; never closed. Safe from any thread.
#ifndef TENON_BACKENDS_OPENCL_RUNTIME_H_
#define TENON_BACKENDS_OPENCL_RUNTIME_H_

#include <string>
#include <vector>

#include "backends/opencl/cl_api.h"

namespace tenon_opencl {

// What is asked of a device once.
struct DeviceDescription {
  cl_device_id id = nullptr;
  std::string name;
  std::string identity;  // everything that a compiled program depends on
  cl_ulong memory_bytes = 0, max_allocation = 0, local_bytes = 0;
  size_t max_group = 0, max_argument_bytes = 0;
  cl_uint alignment = 64;  // bytes
  cl_uint compute_units = 1;
  bool cpu = false, f64 = false, exact_division = false;
  bool pocl = false;  // this driver compiles in a way of its own: see program.cc
};

class Runtime {
 public:
#define TENON_OPENCL_MEMBER(result, name, parameters) result(*name) parameters = nullptr;
  CL_FUNCTIONS(TENON_OPENCL_MEMBER)
#undef TENON_OPENCL_MEMBER

  const std::vector<DeviceDescription>& devices() const { return devices_; }
  // Why there are no devices, or what was left out.
  const std::string& problem() const { return problem_; }

  // OpenCL's drivers start threads, which a forked child does not have; nothing works there.
  static bool Forked();
  void FailIfForked() const;

  // "CL_OUT_OF_RESOURCES (-5)"
  static std::string Describe(cl_int result);

 private:
  friend const Runtime& GetRuntime();
  void Open(const char* path);
  void AddPlatform(cl_platform_id platform);

  std::string problem_;
  std::vector<DeviceDescription> devices_;
};

// The file is TENON_OPENCL_LIBRARY, else libOpenCL.so.1 where the dynamic linker finds it.
const Runtime& GetRuntime();

}  // namespace tenon_opencl

#endif  // TENON_BACKENDS_OPENCL_RUNTIME_H_
