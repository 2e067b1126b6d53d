#include "tenon/backends/cuda/compile.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <map>
#include <mutex>

#include "tenon/abi/tenon_plugin.hpp"
#include "tenon/backends/codegen/disk_cache.h"
#include "tenon/backends/cuda/host.h"
#include "tenon/backends/cuda/nvrtc.h"

namespace tenon_cuda {
namespace {

using Image = std::shared_ptr<const std::string>;

// Failing to write is a warning: nobody's result depends on it.
void Dump(const std::string& name, const std::string& text) {
  const char* const directory = Option("DUMP_KERNELS");
  if (directory == nullptr) return;
  const std::string path = std::string(directory) + "/" + name + ".cu";
  FILE* const file = fopen(path.c_str(), "we");
  const bool written = file != nullptr && fwrite(text.data(), 1, text.size(), file) == text.size();
  if ((file != nullptr && fclose(file) != 0) || !written) {
    host->log(host->ctx, 2, ("cuda: cannot write " + path + ": " + strerror(errno)).c_str());
  }
}

// Of the process; leaked, as other threads may be in here when it exits. Two threads that miss the
// same key both compile: no lock is held meanwhile.
struct Memory {
  std::mutex mutex;
  std::map<std::string, Image> images;  // under mutex

  Image Find(const std::string& key) {
    const std::lock_guard lock(mutex);
    const auto found = images.find(key);
    return found != images.end() ? found->second : nullptr;
  }
  Image Put(const std::string& key, std::string code) {
    const std::lock_guard lock(mutex);
    return images[key] = std::make_shared<const std::string>(std::move(code));
  }
};

}  // namespace

Image CompileCached(const Nvrtc& nvrtc, const std::string& source, const std::string& name,
                    int capability, bool anew) {
  static Memory* const memory = new Memory;
  Dump(name, source);
  const std::string key = nvrtc.Recipe(capability) + "\n" + source;
  const tenon_codegen::DiskCache disk(
      tenon_codegen::DiskCache::DirectoryFor("cuda", Option("KERNEL_CACHE")));
  if (!anew) {
    if (Image image = memory->Find(key)) return image;
    std::string code;
    if (disk.Load(key, &code)) return memory->Put(key, std::move(code));
  }
  if (!nvrtc.ready()) throw tenon::plugin::Failure(TENON_UNSUPPORTED, "cuda: " + nvrtc.problem());
  CompiledCode compiled = nvrtc.Compile(source, name + ".cu", capability);
  if (!compiled.problem.empty())
    throw tenon::plugin::Failure(TENON_UNSUPPORTED, "cuda: " + compiled.problem);
  disk.Store(key, compiled.image);
  return memory->Put(key, std::move(compiled.image));
}

}  // namespace tenon_cuda
