#include "tenon/device/loader.h"

#include <dirent.h>
#include <dlfcn.h>
#include <link.h>
#include <sys/auxv.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>

#include "tenon/base/error.h"
#include "tenon/device/builtin.h"
#include "tenon/device/host_services.h"

namespace tenon {
namespace {

constexpr std::string_view kPrefix = "libtenon_backend_";
constexpr std::string_view kSuffix = ".so";

std::vector<std::string> split(const char* text, char separator) {
  std::vector<std::string> pieces;
  if (!text) return pieces;
  std::string_view rest = text;
  for (;;) {
    const size_t end = rest.find(separator);
    if (end != 0 && !rest.empty())
      pieces.emplace_back(rest.substr(0, end));  // empty elements are ignored
    if (end == std::string_view::npos) return pieces;
    rest.remove_prefix(end + 1);
  }
}

bool is_on(const char* text) { return text && strcmp(text, "") != 0 && strcmp(text, "0") != 0; }

std::string real_path_of(const std::string& path) {
  char* found = realpath(path.c_str(), nullptr);
  std::string result = found ? found : "";
  free(found);
  return result;
}

std::string directory_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : slash == 0 ? "/" : path.substr(0, slash);
}

// The directory of the program or shared object that this function is in; empty if the system does
// not say.
std::string own_directory() {
  Dl_info info;
  link_map* map = nullptr;
  if (!dladdr1(reinterpret_cast<void*>(&own_directory), &info, reinterpret_cast<void**>(&map),
               RTLD_DL_LINKMAP) ||
      !map) {
    return "";
  }
  // The program itself has no name there.
  const bool is_program = !map->l_name || map->l_name[0] == 0;
  return directory_of(real_path_of(is_program ? "/proc/self/exe" : map->l_name));
}

// Who else than its owner may write to it.
const char* writable_by(mode_t mode) {
  if (mode & S_IWOTH) return "everybody";
  if (mode & S_IWGRP) return "its group";
  return nullptr;
}

std::string version_only_message(void* handle) {
  for (int major = 1; major <= 9; ++major) {
    char symbol[] = "tenon_backend_entry_v0";
    symbol[sizeof symbol - 2] = static_cast<char>('0' + major);
    if (!dlsym(handle, symbol)) continue;
    return concat_text("needs ABI ", major, ", this Tenon provides ABI ", TENON_ABI_MAJOR, ".",
                       TENON_ABI_MINOR, "; rebuild the plugin with tenon_backend.h ",
                       TENON_ABI_MAJOR, ".x or upgrade Tenon");
  }
  return concat_text("does not export ", TENON_ENTRY_SYMBOL, ": it is no Tenon backend");
}

}  // namespace

LoaderSettings settings_from_environment() {
  LoaderSettings s;
  const auto builtin = builtin_backends();
  s.builtin.assign(builtin.begin(), builtin.end());
  const bool raised = getauxval(AT_SECURE) != 0;
  s.strict = raised || is_on(getenv("TENON_STRICT_LOAD"));
  s.log = is_on(getenv("TENON_LOADER_LOG"));
  s.disabled = split(getenv("TENON_DISABLE"), ',');
  for (const std::string& directory : split(secure_getenv("TENON_BACKEND_PATH"), ':')) {
    if (directory[0] == '/') {
      s.directories.push_back(directory);
    } else {
      log_line(LogLevel::kWarning,
               concat_text("TENON_BACKEND_PATH: '", directory, "' is not absolute and is ignored"));
    }
  }
  for (const std::string& item : split(secure_getenv("TENON_BACKEND_OVERRIDE"), ',')) {
    const size_t equals = item.find('=');
    if (equals != std::string::npos && equals > 0 && item[equals + 1] == '/') {
      s.overrides.emplace_back(item.substr(0, equals), item.substr(equals + 1));
    } else {
      log_line(LogLevel::kWarning, concat_text("TENON_BACKEND_OVERRIDE: '", item,
                                               "' is not <name>=/absolute/path and is ignored"));
    }
  }
  if (std::string own = own_directory(); !own.empty())
    s.directories.push_back(own + "/tenon/backends");
#ifdef TENON_BACKEND_DIR
  s.directories.emplace_back(TENON_BACKEND_DIR);
#endif
  return s;
}

std::string backend_name_of_file(std::string_view path) {
  const std::string_view file = path.substr(path.rfind('/') + 1);  // npos + 1 is 0
  if (file.size() <= kPrefix.size() + kSuffix.size() || !file.starts_with(kPrefix) ||
      !file.ends_with(kSuffix)) {
    return "";
  }
  return std::string(file.substr(kPrefix.size(), file.size() - kPrefix.size() - kSuffix.size()));
}

std::vector<std::string> list_candidates(const std::string& directory) {
  std::vector<std::string> paths;
  DIR* stream = opendir(directory.c_str());
  if (!stream) return paths;
  while (const dirent* entry = readdir(stream)) {
    if (!backend_name_of_file(entry->d_name).empty())
      paths.push_back(directory + "/" + entry->d_name);
  }
  closedir(stream);
  std::sort(paths.begin(), paths.end());
  return paths;
}

std::string inspect_file(const std::string& path, bool strict, PluginFile* file) {
  file->real_path = real_path_of(path);
  if (file->real_path.empty()) return strerror(errno);
  struct stat about;
  if (stat(file->real_path.c_str(), &about) != 0) return strerror(errno);
  if (!S_ISREG(about.st_mode)) return "is not a regular file";
  file->device = about.st_dev;
  file->inode = about.st_ino;
  const auto check = [&](const std::string& what, mode_t mode) -> std::string {
    const char* who = writable_by(mode);
    if (!who) return "";
    std::string text = concat_text(what, " may be written to by ", who);
    if (strict) return text + ", which strict loading forbids; chmod go-w it";
    log_line(LogLevel::kWarning,
             concat_text(path, ": ", text, "; TENON_STRICT_LOAD=1 would refuse it"));
    return "";
  };
  if (std::string bad = check("the file", about.st_mode); !bad.empty()) return bad;
  // Where the name was found, and where the file lies, if that is elsewhere.
  std::vector<std::string> directories = {directory_of(path)};
  if (std::string real = directory_of(file->real_path); real != directories[0])
    directories.push_back(real);
  for (const std::string& directory : directories) {
    if (stat(directory.c_str(), &about) != 0) return concat_text(directory, ": ", strerror(errno));
    if (std::string bad = check(concat_text("its directory ", directory), about.st_mode);
        !bad.empty())
      return bad;
  }
  return "";
}

std::string open_plugin(const std::string& real_path, void** handle, TenonEntryFn* entry) {
  // No DEEPBIND: it breaks sanitizers and interposed allocators.
  *handle = dlopen(real_path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!*handle) {
    const char* why = dlerror();
    return concat_text("dlopen failed: ", why ? why : "no reason given");
  }
  *entry = reinterpret_cast<TenonEntryFn>(dlsym(*handle, TENON_ENTRY_SYMBOL));
  return *entry ? "" : version_only_message(*handle);
}

}  // namespace tenon
