#include "tenon/backends/cuda/toolkit_library.h"

#include <dlfcn.h>
#include <stdlib.h>

#include <vector>

#include "tenon/backends/cuda/host.h"

namespace tenon_cuda {
namespace {

std::vector<std::string> Candidates(const std::string& name, const char* option) {
  if (const char* const path = Option(option)) return {path};
  std::vector<std::string> directories = {""};
  for (const char* variable : {"CUDA_HOME", "CUDA_PATH"}) {
    const char* const root = getenv(variable);
    if (root != nullptr && root[0] == '/') directories.push_back(std::string(root) + "/lib64/");
  }
  directories.push_back("/usr/local/cuda/lib64/");
  directories.push_back("/opt/cuda/lib64/");
  std::vector<std::string> paths;
  for (const std::string& directory : directories) {
    for (const char* release : {".so.13", ".so.12"}) paths.push_back(directory + name + release);
  }
  return paths;
}

}  // namespace

std::string OpenToolkitLibrary(
    const char* name, const char* option, int driver_version,
    const std::function<std::string(void* library, const std::string& path)>& accept) {
  std::string tried;
  for (const std::string& path : Candidates(name, option)) {
    std::string reason = "not found";
    void* const library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library != nullptr) reason = accept(library, path);
    if (reason.empty()) return "";
    tried += (tried.empty() ? "" : "; ") + path + ": " + reason;
  }
  return std::string("the CUDA Toolkit's ") + name + ", release 12" +
         (driver_version >= 13000 ? " or 13" : "") + ", is needed; tried: " + tried;
}

}  // namespace tenon_cuda
