#include "tenon/backends/cuda/nvrtc.h"

#include <dlfcn.h>

#include <iterator>

#include "tenon/backends/cuda/toolkit_library.h"

namespace tenon_cuda {
namespace {

constexpr const char* kOptions[] = {"--fmad=false", "--std=c++17", "-w"};

}  // namespace

Nvrtc::Nvrtc(int driver_version) {
  problem_ = OpenToolkitLibrary(
      "libnvrtc", "CUDA_NVRTC", driver_version,
      [&](void* library, const std::string&) { return Open(library, driver_version / 1000); });
  if (!problem_.empty()) problem_ = "no run-time compiler: " + problem_;
}

std::string Nvrtc::Open(void* library, int newest_major) {
  const char* missing = nullptr;
#define TENON_CUDA_LOAD(function)                                             \
  function = reinterpret_cast<decltype(function)>(dlsym(library, #function)); \
  if (function == nullptr) missing = #function;
  TENON_CUDA_NVRTC_FUNCTIONS(TENON_CUDA_LOAD)
#undef TENON_CUDA_LOAD
  if (missing != nullptr) return std::string("lacks ") + missing;
  int count = 0;
  if (nvrtcVersion(&major_, &minor_) != NVRTC_SUCCESS) return "does not tell its version";
  if (major_ > newest_major) {
    return "release " + std::to_string(major_) + " is too new for a driver of CUDA " +
           std::to_string(newest_major);
  }
  if (nvrtcGetNumSupportedArchs(&count) != NVRTC_SUCCESS || count <= 0)
    return "does not tell its targets";
  capabilities_.resize(static_cast<size_t>(count));
  if (nvrtcGetSupportedArchs(capabilities_.data()) != NVRTC_SUCCESS)
    return "does not tell its targets";
  return "";
}

Nvrtc::Target Nvrtc::TargetFor(int capability) const {
  Target target;
  for (const int c : capabilities_) {
    if (c <= capability && c > target.capability) target.capability = c;
  }
  // Machine code runs on later devices of its major number; beyond that the driver compiles PTX.
  target.machine_code = target.capability / 10 == capability / 10;
  target.option = std::string("--gpu-architecture=") + (target.machine_code ? "sm_" : "compute_") +
                  std::to_string(target.capability);
  return target;
}

std::string Nvrtc::Recipe(int capability) const {
  std::string recipe = "nvrtc " + std::to_string(major_) + "." + std::to_string(minor_) + " " +
                       TargetFor(capability).option;
  for (const char* option : kOptions) recipe += std::string(" ") + option;
  return recipe;
}

CompiledCode Nvrtc::Compile(const std::string& source, const std::string& name,
                            int capability) const {
  CompiledCode code;
  const Target target = TargetFor(capability);
  if (target.capability == 0) {
    code.problem = "NVRTC compiles for " + std::to_string(capabilities_.front()) +
                   " and newer, the device has " + std::to_string(capability);
    return code;
  }
  const bool machine_code = target.machine_code;
  std::vector<const char*> options = {target.option.c_str()};
  options.insert(options.end(), std::begin(kOptions), std::end(kOptions));

  nvrtcProgram program = nullptr;
  nvrtcResult result =
      nvrtcCreateProgram(&program, source.c_str(), name.c_str(), 0, nullptr, nullptr);
  if (result == NVRTC_SUCCESS)
    result = nvrtcCompileProgram(program, static_cast<int>(options.size()), options.data());
  size_t bytes = 0;
  if (result == NVRTC_SUCCESS) {
    result = machine_code ? nvrtcGetCUBINSize(program, &bytes) : nvrtcGetPTXSize(program, &bytes);
  }
  if (result == NVRTC_SUCCESS) {
    code.image.resize(bytes);
    result = machine_code ? nvrtcGetCUBIN(program, code.image.data())
                          : nvrtcGetPTX(program, code.image.data());
  }
  if (result != NVRTC_SUCCESS) {
    code.image.clear();
    code.problem = name + ": " + nvrtcGetErrorString(result);
    if (program != nullptr && nvrtcGetProgramLogSize(program, &bytes) == NVRTC_SUCCESS &&
        bytes > 1) {
      std::string log(bytes, '\0');
      if (nvrtcGetProgramLog(program, log.data()) == NVRTC_SUCCESS) {
        log.resize(bytes - 1);  // its NUL
        code.problem += "\n" + log;
      }
    }
  }
  if (program != nullptr) nvrtcDestroyProgram(&program);
  return code;
}

const Nvrtc& GetNvrtc(int driver_version) {
  static const Nvrtc* const nvrtc = new Nvrtc(driver_version);  // leaked, like the driver
  return *nvrtc;
}

}  // namespace tenon_cuda
