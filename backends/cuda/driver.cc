#include "backends/cuda/driver.h"

#include <dlfcn.h>
#include <unistd.h>

#include <atomic>
#include <mutex>

#include "tenon/abi/tenon_plugin.hpp"
#include "tenon/backends/cuda/host.h"

namespace tenon_cuda {
namespace {

std::string Release(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

}  // namespace

std::string Driver::Describe(CUresult result) const {
  const char* name = nullptr;
  const char* text = nullptr;
  if (cuGetErrorName(result, &name) != CUDA_SUCCESS || name == nullptr) {
    return "CUDA error " + std::to_string(static_cast<int>(result));
  }
  if (cuGetErrorString(result, &text) != CUDA_SUCCESS || text == nullptr) return name;
  return std::string(name) + ": " + text;
}

void Driver::Open(const char* path) {
  void* const library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* const reason = dlerror();
    problem_ = std::string("no NVIDIA driver: ") + path + " could not be opened (" +
               (reason != nullptr ? reason : "no reason given") + ")";
    return;
  }
  // The version first: an old driver lacks functions, and is to be called old, not broken.
  cuDriverGetVersion =
      reinterpret_cast<decltype(&::cuDriverGetVersion)>(dlsym(library, "cuDriverGetVersion"));
  if (cuDriverGetVersion == nullptr || cuDriverGetVersion(&version_) != CUDA_SUCCESS) {
    problem_ = std::string(path) + " is there, but does not tell its version";
    return;
  }
  if (version_ < kOldestDriver) {
    problem_ = "the NVIDIA driver is too old: it serves CUDA " + Release(version_) +
               ", needed is " + Release(kOldestDriver) + " or newer";
    return;
  }
  const char* missing = nullptr;
#define TENON_CUDA_LOAD(function)                                             \
  function = reinterpret_cast<decltype(function)>(dlsym(library, #function)); \
  if (function == nullptr) missing = #function;
  TENON_CUDA_DRIVER_FUNCTIONS(TENON_CUDA_LOAD)
#undef TENON_CUDA_LOAD
  if (missing != nullptr) {
    problem_ =
        std::string(path) + " (CUDA " + Release(version_) + ") lacks the function " + missing;
    return;
  }
}

void Driver::Start() const {
  constinit static std::atomic<pid_t> started_in{0};
  constinit static std::mutex mutex;
  const pid_t self = getpid();
  if (started_in.load(std::memory_order_acquire) == self) return;
  constexpr char kForked[] =
      "cuda: this process was forked from one that used CUDA, which does not survive that; start "
      "it anew (in Python: the \"spawn\" start method)";
  if (started_in.load() != 0) {
    throw tenon::plugin::Failure(TENON_FAILED_PRECONDITION, kForked);
  }
  const std::lock_guard lock(mutex);
  if (started_in.load() == self) return;
  const CUresult result = cuInit(0);
  if (result == CUDA_ERROR_NOT_INITIALIZED) {  // another library of the parent's had used it
    throw tenon::plugin::Failure(TENON_FAILED_PRECONDITION, kForked);
  }
  if (result != CUDA_SUCCESS) {
    throw tenon::plugin::Failure(TENON_INTERNAL, "cuda: cuInit: " + Describe(result));
  }
  started_in.store(self, std::memory_order_release);
}

const Driver& GetDriver() {
  // Leaked: other threads may still be in a call when the process exits.
  static const Driver* const driver = [] {
    Driver* const opened = new Driver;
    const char* const path = Option("CUDA_DRIVER");
    opened->Open(path != nullptr ? path : "libcuda.so.1");
    return opened;
  }();
  return *driver;
}

}  // namespace tenon_cuda
