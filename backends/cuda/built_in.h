// BuiltIn: the kernels that nvcc compiled when this plug-in was built (kernels.cuh), loaded by the
// driver when first asked for.
//
//   CUfunction f = device.built_in().Find("add_f32_flat");   // NULL: there is none of that name
//
// They need neither NVRTC nor a compilation: machine code for the architectures of the build, PTX
// that the driver compiles (once, in its own cache) for all others.
#ifndef TENON_BACKENDS_CUDA_BUILT_IN_H_
#define TENON_BACKENDS_CUDA_BUILT_IN_H_

#include <array>
#include <map>
#include <mutex>
#include <string>

#include "backends/cuda/device.h"

namespace tenon_cuda {

class BuiltIn {
 public:
  explicit BuiltIn(Device& device) : device_(device) {}
  BuiltIn(const BuiltIn&) = delete;
  BuiltIn& operator=(const BuiltIn&) = delete;
  ~BuiltIn();  // in the device's context

  // Safe from any thread. Where the driver does not take the code at all, a warning says so once
  // and nothing is found: programs then go to NVRTC.
  CUfunction Find(const std::string& name);

 private:
  static constexpr size_t kLibraries = 5;

  Device& device_;
  std::mutex mutex_;  // of what follows
  std::array<CUmodule, kLibraries> modules_ = {};
  std::map<std::string, CUfunction> found_;  // NULL: looked for in vain
  std::string problem_;
};

}  // namespace tenon_cuda

#endif  // TENON_BACKENDS_CUDA_BUILT_IN_H_
