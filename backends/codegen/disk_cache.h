// DiskCache: compiled programs in files, for later runs and other processes.
//
//   DiskCache cache(DiskCache::DirectoryFor("opencl", option));   // "": nothing is kept
//   std::string code;
//   if (!cache.Load(key, &code)) cache.Store(key, code = Compile());
//
// The key is everything that the code depends on; its hash names the file, the whole of it is in
// the file. A file is written beside its place and renamed, so that readers in other processes see
// all of it or nothing. What is damaged reads as absent, and the next Store replaces it. Code is
// run, so a directory of another user, or one that others may write to, is not used. Nothing here
// fails: a cache that cannot be read or written costs time only. Safe from any thread.
#ifndef TENON_BACKENDS_CODEGEN_DISK_CACHE_H_
#define TENON_BACKENDS_CODEGEN_DISK_CACHE_H_

#include <string>
#include <string_view>

namespace tenon_codegen {

class DiskCache {
 public:
  explicit DiskCache(std::string directory) : directory_(std::move(directory)) {}

  // TENON_KERNEL_CACHE (`option`): a directory, or "off". Else $XDG_CACHE_HOME/tenon/<backend>,
  // else $HOME/.cache/tenon/<backend>; "" where there is none.
  static std::string DirectoryFor(const std::string& backend, const char* option);

  bool Load(std::string_view key, std::string* code) const;
  // False if it could not be written.
  bool Store(std::string_view key, std::string_view code) const;

  std::string PathOf(std::string_view key) const;

 private:
  bool Trusted() const;
  std::string directory_;
};

}  // namespace tenon_codegen

#endif  // TENON_BACKENDS_CODEGEN_DISK_CACHE_H_
