#include "backends/cuda/cublaslt.h"

#include <dlfcn.h>

#include "tenon/backends/cuda/toolkit_library.h"

namespace tenon_cuda {

CublasLt::CublasLt(int driver_version) {
  problem_ = OpenToolkitLibrary("libcublasLt", "CUDA_CUBLASLT", driver_version,
                                [&](void* library, const std::string&) -> std::string {
                                  const char* missing = nullptr;
#define TENON_CUDA_LOAD(function)                                             \
  function = reinterpret_cast<decltype(function)>(dlsym(library, #function)); \
  if (function == nullptr) missing = #function;
                                  TENON_CUDA_CUBLASLT_FUNCTIONS(TENON_CUDA_LOAD)
#undef TENON_CUDA_LOAD
                                  if (missing != nullptr) return std::string("lacks ") + missing;
                                  // 130100: release 13.1; older ones count 120803.
                                  const size_t major = cublasLtGetVersion() / 10000;
                                  if (major > static_cast<size_t>(driver_version / 1000)) {
                                    return "release " + std::to_string(major) +
                                           " is too new for a driver of CUDA " +
                                           std::to_string(driver_version / 1000);
                                  }
                                  return "";
                                });
}

const CublasLt& GetCublasLt(int driver_version) {
  static const CublasLt* const lt = new CublasLt(driver_version);  // leaked, like the driver
  return *lt;
}

}  // namespace tenon_cuda
