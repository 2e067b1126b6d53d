#include "tenon/backends/cuda/nvrtc.h"

#include <dlfcn.h>
#include <stdlib.h>

#include "tenon/backends/cuda/host.h"

namespace tenon_cuda {
namespace {

// TENON_CUDA_NVRTC alone if it is set; else by name, then in the usual places of a toolkit.
std::vector<std::string> Candidates() {
  if (const char* const path = Option("CUDA_NVRTC")) return {path};
  std::vector<std::string> directories = {""};
  for (const char* variable : {"CUDA_HOME", "CUDA_PATH"}) {
    const char* const root = getenv(variable);
    if (root != nullptr && root[0] == '/') directories.push_back(std::string(root) + "/lib64/");
  }
  directories.push_back("/usr/local/cuda/lib64/");
  directories.push_back("/opt/cuda/lib64/");
  std::vector<std::string> paths;
  for (const std::string& directory : directories) {
    for (const char* name : {"libnvrtc.so.13", "libnvrtc.so.12"}) paths.push_back(directory + name);
  }
  return paths;
}

}  // namespace

Nvrtc::Nvrtc(int driver_version) {
  // A driver loads machine code of its own and of older major releases only.
  const int newest_major = driver_version / 1000;
  for (const std::string& path : Candidates()) {
    if (Open(path, newest_major)) {
      problem_.clear();
      return;
    }
  }
  problem_ = "no NVRTC (the compiler of the CUDA Toolkit, release 12" +
             std::string(newest_major > 12 ? " or 13" : "") + "), tried: " + problem_;
}

bool Nvrtc::Open(const std::string& path, int newest_major) {
  const auto refuse = [&](const std::string& reason) {
    problem_ += (problem_.empty() ? "" : "; ") + path + ": " + reason;
    return false;
  };
  void* const library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return refuse("not found");
  const char* missing = nullptr;
#define TENON_CUDA_LOAD(function)                                             \
  function = reinterpret_cast<decltype(function)>(dlsym(library, #function)); \
  if (function == nullptr) missing = #function;
  TENON_CUDA_NVRTC_FUNCTIONS(TENON_CUDA_LOAD)
#undef TENON_CUDA_LOAD
  if (missing != nullptr) return refuse(std::string("lacks ") + missing);
  int major = 0, minor = 0, count = 0;
  if (nvrtcVersion(&major, &minor) != NVRTC_SUCCESS) return refuse("does not tell its version");
  if (major > newest_major) {
    return refuse("release " + std::to_string(major) + " is too new for a driver of CUDA " +
                  std::to_string(newest_major));
  }
  if (nvrtcGetNumSupportedArchs(&count) != NVRTC_SUCCESS || count <= 0) {
    return refuse("does not tell its targets");
  }
  capabilities_.resize(static_cast<size_t>(count));
  if (nvrtcGetSupportedArchs(capabilities_.data()) != NVRTC_SUCCESS) {
    return refuse("does not tell its targets");
  }
  return true;
}

CompiledCode Nvrtc::Compile(const std::string& source, const std::string& name,
                            int capability) const {
  CompiledCode code;
  int best = 0;
  for (const int c : capabilities_) {
    if (c <= capability && c > best) best = c;
  }
  if (best == 0) {
    code.problem = "NVRTC compiles for " + std::to_string(capabilities_.front()) +
                   " and newer, the device has " + std::to_string(capability);
    return code;
  }
  // Machine code runs on later devices of its major number; beyond that the driver compiles PTX.
  const bool machine_code = best / 10 == capability / 10;
  const std::string target = std::string("--gpu-architecture=") +
                             (machine_code ? "sm_" : "compute_") + std::to_string(best);
  const char* const options[] = {target.c_str(), "--fmad=false", "--std=c++17", "-w"};

  nvrtcProgram program = nullptr;
  nvrtcResult result =
      nvrtcCreateProgram(&program, source.c_str(), name.c_str(), 0, nullptr, nullptr);
  if (result == NVRTC_SUCCESS) result = nvrtcCompileProgram(program, 4, options);
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
