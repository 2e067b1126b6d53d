// Nvrtc: NVIDIA's run-time compiler, opened at run time. It needs neither a driver nor a GPU.
//
//   const Nvrtc& c = GetNvrtc(driver.version());
//   if (!c.ready()) report(c.problem());
//   CompiledCode code = c.Compile(source, "relu.cu", 90);
//   if (!code.problem.empty()) report(code.problem);   // the compiler's log
//
// Safe from any thread; never closed.
#ifndef TENON_BACKENDS_CUDA_NVRTC_H_
#define TENON_BACKENDS_CUDA_NVRTC_H_

#include <nvrtc.h>

#include <string>
#include <vector>

#define TENON_CUDA_NVRTC_FUNCTIONS(X) \
  X(nvrtcVersion)                     \
  X(nvrtcGetErrorString)              \
  X(nvrtcGetNumSupportedArchs)        \
  X(nvrtcGetSupportedArchs)           \
  X(nvrtcCreateProgram)               \
  X(nvrtcDestroyProgram)              \
  X(nvrtcCompileProgram)              \
  X(nvrtcGetProgramLogSize)           \
  X(nvrtcGetProgramLog)               \
  X(nvrtcGetCUBINSize)                \
  X(nvrtcGetCUBIN)                    \
  X(nvrtcGetPTXSize)                  \
  X(nvrtcGetPTX)

namespace tenon_cuda {

struct CompiledCode {
  std::string image;  // for cuModuleLoadData: a cubin, or PTX for a device newer than the compiler
  std::string problem;  // not empty: it failed
};

class Nvrtc {
 public:
#define TENON_CUDA_MEMBER(name) decltype(&::name) name = nullptr;
  TENON_CUDA_NVRTC_FUNCTIONS(TENON_CUDA_MEMBER)
#undef TENON_CUDA_MEMBER

  // Opens the first compiler that a driver of this version understands.
  explicit Nvrtc(int driver_version);

  bool ready() const { return problem_.empty(); }
  const std::string& problem() const { return problem_; }

  // `capability` 90 is a device of 9.0.
  CompiledCode Compile(const std::string& source, const std::string& name, int capability) const;

  // What the code depends on besides the source: "nvrtc 13.0 --gpu-architecture=sm_90 ...".
  std::string Recipe(int capability) const;

 private:
  struct Target {
    int capability = 0;  // 0: the compiler serves only newer devices
    bool machine_code = false;
    std::string option;
  };

  std::string Open(void* library, int newest_major);  // "", or a reason against it
  Target TargetFor(int capability) const;

  std::string problem_;
  int major_ = 0, minor_ = 0;
  std::vector<int> capabilities_;  // for which it makes machine code, ascending
};

// Of the process; the first call's driver decides.
const Nvrtc& GetNvrtc(int driver_version);

}  // namespace tenon_cuda

#endif  // TENON_BACKENDS_CUDA_NVRTC_H_
