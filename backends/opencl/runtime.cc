#include "backends/opencl/runtime.h"

#include <dlfcn.h>
#include <pthread.h>

#include <atomic>
#include <cstdlib>

#include "backends/opencl/host.h"
#include "backends/opencl/process_end.h"
#include "tenon/abi/tenon_plugin.hpp"

namespace tenon_opencl {
namespace {

constinit std::atomic<bool> forked{false};

std::string Text(const Runtime& cl, cl_device_id device, cl_uint what) {
  char text[4096] = {};
  cl.clGetDeviceInfo(device, what, sizeof text - 1, text, nullptr);
  return text;
}

// `value` keeps what it has where the driver does not know the question.
template <class T>
T Number(const Runtime& cl, cl_device_id device, cl_uint what, T value = 0) {
  cl.clGetDeviceInfo(device, what, sizeof value, &value, nullptr);
  return value;
}

// "OpenCL 3.0 PoCL ...": 300
int VersionOf(const std::string& text) {
  const size_t space = text.find(' '), dot = text.find('.');
  if (space == std::string::npos || dot == std::string::npos) return 0;
  return 100 * atoi(text.c_str() + space + 1) + 10 * atoi(text.c_str() + dot + 1);
}

}  // namespace

std::string Runtime::Describe(cl_int result) {
  switch (result) {
#define TENON_OPENCL_CASE(name, value) \
  case value:                          \
    return #name " (" #value ")";
    CL_RESULTS(TENON_OPENCL_CASE)
#undef TENON_OPENCL_CASE
    default:
      return "OpenCL error " + std::to_string(result);
  }
}

bool Runtime::Forked() { return forked.load(std::memory_order_relaxed); }

void Runtime::FailIfForked() const {
  if (!Forked()) return;
  throw tenon::plugin::Failure(
      TENON_FAILED_PRECONDITION,
      "opencl: OpenCL was started before fork(), and its threads do not exist in this child; start "
      "a new process (exec, or Python's \"spawn\"), or use opencl only after the fork");
}

void Runtime::Open(const char* path) {
  void* const library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* const reason = dlerror();
    problem_ = std::string("no OpenCL: ") + path + " could not be opened (" +
               (reason != nullptr ? reason : "no reason given") +
               "); install an ICD loader (Debian: ocl-icd-libopencl1) and a driver (a GPU "
               "vendor's, or pocl-opencl-icd for the CPU)";
    return;
  }
  const char* missing = nullptr;
#define TENON_OPENCL_LOAD(result, name, parameters)                     \
  name = reinterpret_cast<result(*) parameters>(dlsym(library, #name)); \
  if (name == nullptr) missing = #name;
  CL_FUNCTIONS(TENON_OPENCL_LOAD)
#undef TENON_OPENCL_LOAD
  if (missing != nullptr) {
    problem_ = std::string("no OpenCL: ") + path + " lacks the function " + missing +
               "; needed is OpenCL 1.2 or newer";
    return;
  }
  cl_uint count = 0;
  const cl_int result = clGetPlatformIDs(0, nullptr, &count);
  if (result != CL_SUCCESS || count == 0) {
    problem_ = std::string(path) +
               " is there, but it finds no OpenCL driver (files in /etc/OpenCL/vendors name them; "
               "Debian's pocl-opencl-icd runs on any CPU)";
    if (result != CL_SUCCESS && result != CL_PLATFORM_NOT_FOUND_KHR)
      problem_ += ": " + Describe(result);
    return;
  }
  std::vector<cl_platform_id> platforms(count);
  clGetPlatformIDs(count, platforms.data(), nullptr);
  for (cl_platform_id platform : platforms) AddPlatform(platform);
  if (devices_.empty() && problem_.empty())
    problem_ = "the OpenCL drivers of this machine find no device";
}

void Runtime::AddPlatform(cl_platform_id platform) {
  char name[256] = {}, version[256] = {};
  clGetPlatformInfo(platform, CL_PLATFORM_NAME, sizeof name - 1, name, nullptr);
  clGetPlatformInfo(platform, CL_PLATFORM_VERSION, sizeof version - 1, version, nullptr);
  cl_uint count = 0;
  if (clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 0, nullptr, &count) != CL_SUCCESS) return;
  std::vector<cl_device_id> ids(count);
  if (count == 0 ||
      clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, count, ids.data(), nullptr) != CL_SUCCESS)
    return;
  for (cl_device_id id : ids) {
    DeviceDescription d;
    d.id = id;
    d.name = Text(*this, id, CL_DEVICE_NAME);
    const std::string device_version = Text(*this, id, CL_DEVICE_VERSION);
    const char* refused = VersionOf(device_version) < 120 ? "older than OpenCL 1.2"
                          : !Number<cl_bool>(*this, id, CL_DEVICE_ENDIAN_LITTLE) ? "big-endian"
                          : !Number<cl_bool>(*this, id, CL_DEVICE_AVAILABLE)     ? "not available"
                          : !Number<cl_bool>(*this, id, CL_DEVICE_COMPILER_AVAILABLE)
                              ? "without a compiler"
                              : nullptr;
    if (refused != nullptr) {
      problem_ += (problem_.empty() ? "" : "; ") + d.name + " is " + refused;
      continue;
    }
    const std::string extensions = Text(*this, id, CL_DEVICE_EXTENSIONS);
    d.memory_bytes = Number<cl_ulong>(*this, id, CL_DEVICE_GLOBAL_MEM_SIZE);
    d.max_allocation = Number<cl_ulong>(*this, id, CL_DEVICE_MAX_MEM_ALLOC_SIZE);
    d.local_bytes = Number<cl_ulong>(*this, id, CL_DEVICE_LOCAL_MEM_SIZE);
    d.max_group = Number<size_t>(*this, id, CL_DEVICE_MAX_WORK_GROUP_SIZE);
    d.max_argument_bytes = Number<size_t>(*this, id, CL_DEVICE_MAX_PARAMETER_SIZE, 1024);
    d.alignment = std::max(64u, Number<cl_uint>(*this, id, CL_DEVICE_MEM_BASE_ADDR_ALIGN) / 8);
    d.compute_units = std::max(1u, Number<cl_uint>(*this, id, CL_DEVICE_MAX_COMPUTE_UNITS));
    d.pocl = std::string(name) == "Portable Computing Language";
    d.cpu = (Number<cl_bitfield>(*this, id, CL_DEVICE_TYPE) & CL_DEVICE_TYPE_CPU) != 0;
    d.f64 = extensions.find("cl_khr_fp64") != std::string::npos ||
            Number<cl_bitfield>(*this, id, CL_DEVICE_DOUBLE_FP_CONFIG) != 0;
    d.exact_division = (Number<cl_bitfield>(*this, id, CL_DEVICE_SINGLE_FP_CONFIG) &
                        CL_FP_CORRECTLY_ROUNDED_DIVIDE_SQRT) != 0;
    // For tests on another device: "gpu" gets the kernels of a GPU, "no_f64" what a device without
    // gets.
    const char* const option = Option("OPENCL_ACT");
    const std::string act = option != nullptr ? option : "";
    d.cpu = d.cpu && act.find("gpu") == std::string::npos;
    d.f64 = d.f64 && act.find("no_f64") == std::string::npos;
    d.identity = std::string(name) + "|" + version + "|" + d.name + "|" + device_version + "|" +
                 Text(*this, id, CL_DRIVER_VERSION);
    devices_.push_back(std::move(d));
  }
}

const Runtime& GetRuntime() {
  // Leaked: other threads may still be in a call when the process exits.
  static const Runtime* const runtime = [] {
    Runtime* const opened = new Runtime;
    pthread_atfork(nullptr, nullptr, [] { forked.store(true, std::memory_order_relaxed); });
    const char* const path = Option("OPENCL_LIBRARY");
    opened->Open(path != nullptr ? path : "libOpenCL.so.1");
    DrainAtExit();
    WaitAtTheEndOfThisThread();
    return opened;
  }();
  return *runtime;
}

}  // namespace tenon_opencl
