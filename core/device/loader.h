// Finding plugin files and getting at their entry function. Inside the device floor.
//
// A candidate is a regular file libtenon_backend_<name>.so in a directory of the search path;
// neither the working directory nor LD_LIBRARY_PATH plays a part. Files and directories that others
// may write to are warned about, and refused where TENON_STRICT_LOAD=1 or the program runs with
// raised privileges.
#ifndef TENON_DEVICE_LOADER_H_
#define TENON_DEVICE_LOADER_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tenon/abi/tenon_backend.h"

namespace tenon {

// What decides which backends there are; from the environment, or given by a test.
struct LoaderSettings {
  std::vector<TenonEntryFn> builtin;
  std::vector<std::string> directories;  // absolute, in search order
  std::vector<std::pair<std::string, std::string>>
      overrides;                      // backend name, path of the file to use for it
  std::vector<std::string> disabled;  // backend names
  bool strict = false;
  bool log = false;  // TENON_LOADER_LOG: say what is looked at and what comes of it
};
// Built-ins, TENON_BACKEND_PATH, <directory of libtenon>/tenon/backends, TENON_BACKEND_DIR, and
// TENON_BACKEND_OVERRIDE, TENON_DISABLE, TENON_STRICT_LOAD, TENON_LOADER_LOG.
LoaderSettings settings_from_environment();

// "/x/libtenon_backend_cuda.so" -> "cuda"; empty if the file is not named so.
std::string backend_name_of_file(std::string_view path);

// Paths of the candidates in a directory, sorted by name; empty if it cannot be read. Reads names
// only.
std::vector<std::string> list_candidates(const std::string& directory);

struct PluginFile {
  std::string real_path;
  uint64_t device = 0, inode = 0;  // its identity
};
// Checks the file and its directories; returns the reason for refusing it, empty if there is none.
// Warns.
std::string inspect_file(const std::string& path, bool strict, PluginFile* file);

// Loads the file and finds its entry; returns the reason if that failed. Never unloads.
std::string open_plugin(const std::string& real_path, void** handle, TenonEntryFn* entry);

}  // namespace tenon

#endif  // TENON_DEVICE_LOADER_H_
