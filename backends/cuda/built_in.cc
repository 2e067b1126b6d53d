#include "backends/cuda/built_in.h"

#include "tenon/backends/cuda/host.h"

// The files that nvcc makes, as cuda_fatbin (build_defs/cuda.bzl) puts them into this library.
extern "C" {
extern const unsigned char tenon_cuda_single_integers[];
extern const unsigned char tenon_cuda_single_floats[];
extern const unsigned char tenon_cuda_single_casts[];
extern const unsigned char tenon_cuda_indexing[];
extern const unsigned char tenon_cuda_rows[];
}

namespace tenon_cuda {
namespace {

const unsigned char* Image(size_t library) {
  const unsigned char* const images[] = {tenon_cuda_single_floats, tenon_cuda_single_casts,
                                         tenon_cuda_single_integers, tenon_cuda_indexing,
                                         tenon_cuda_rows};
  return images[library];
}

// Built for other devices, or by a newer toolkit than the driver's.
bool IsForeign(CUresult result) {
  return result == CUDA_ERROR_NO_BINARY_FOR_GPU || result == CUDA_ERROR_INVALID_IMAGE ||
         result == CUDA_ERROR_UNSUPPORTED_PTX_VERSION || result == CUDA_ERROR_INVALID_PTX ||
         result == CUDA_ERROR_JIT_COMPILER_NOT_FOUND;
}

}  // namespace

BuiltIn::~BuiltIn() {
  for (const CUmodule module : modules_) {
    if (module != nullptr) device_.driver().cuModuleUnload(module);
  }
}

CUfunction BuiltIn::Find(const std::string& name) {
  const Driver& driver = device_.driver();
  const std::lock_guard lock(mutex_);
  const auto [at, is_new] = found_.try_emplace(name, nullptr);
  if (!is_new) return at->second;
  for (size_t i = 0; i < kLibraries && at->second == nullptr && problem_.empty(); ++i) {
    CUfunction function = nullptr;
    CUresult result = CUDA_SUCCESS;
    if (modules_[i] == nullptr) result = driver.cuModuleLoadData(&modules_[i], Image(i));
    if (result == CUDA_SUCCESS)
      result = driver.cuModuleGetFunction(&function, modules_[i], name.c_str());
    if (result == CUDA_SUCCESS) {
      at->second = function;
    } else if (IsForeign(result)) {
      problem_ = "the kernels compiled with this plug-in do not suit this device or driver: " +
                 driver.Describe(result);
      host->log(host->ctx, 2, ("cuda: " + problem_).c_str());
    } else if (result != CUDA_ERROR_NOT_FOUND) {
      found_.erase(at);
      device_.Check(result, ("loading of " + name).c_str());
    }
  }
  return at->second;
}

}  // namespace tenon_cuda
