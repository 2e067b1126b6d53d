#include "tenon/base/trace.h"

#include <dlfcn.h>
#include <execinfo.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>

namespace tenon::write_trace {
namespace {

constexpr int kDepth = 24;
struct Frames {
  std::array<void*, kDepth> address;
  int count = 0;
};

// Leaked on purpose: tensors may be written during exit.
struct Writes {
  std::mutex mutex;
  std::map<const void*, Frames> last;
};
Writes& writes() {
  static Writes* w = new Writes;
  return *w;
}

struct Place {
  std::string function, line;
};

// The function at this address and its "main.cc:12", by the addr2line program; what was inlined
// into it does not count (its names come without their namespace). Empty without the program, or if
// the function is the library's own; the line also without debug information.
Place caller_at(const char* file, uintptr_t offset) {
  Place place;
  if (std::strchr(file, '\'')) return place;
  char command[1024];
  if (std::snprintf(command, sizeof command, "addr2line -f -i -C -s -e '%s' 0x%lx 2>/dev/null",
                    file, static_cast<unsigned long>(offset)) >= static_cast<int>(sizeof command)) {
    return place;
  }
  FILE* pipe = popen(command, "r");
  if (!pipe) return place;
  char function[512], line[512];
  while (std::fgets(function, sizeof function, pipe) && std::fgets(line, sizeof line, pipe)) {
    function[std::strcspn(function, "\n")] = line[std::strcspn(line, "\n")] = 0;
    place.function = function[0] == '?' ? "" : function;  // the last one is the outermost
    place.line = line[0] == '?' ? "" : line;
  }
  pclose(pipe);
  return place.function.rfind("tenon::", 0) == 0 ? Place() : place;
}

}  // namespace

bool enabled() {
  static const bool on = [] {
    const char* value = std::getenv("TENON_TRACE");
    return value && std::strcmp(value, "0") != 0 && *value;
  }();
  return on;
}

void note_write(const void* object) {
  if (!enabled()) return;
  Frames frames;
  frames.count = backtrace(frames.address.data(), kDepth);
  std::lock_guard<std::mutex> lock(writes().mutex);
  writes().last[object] = frames;
}

void forget(const void* object) {
  if (!enabled()) return;
  std::lock_guard<std::mutex> lock(writes().mutex);
  writes().last.erase(object);
}

std::string last_write_text(const void* object) {
  if (!enabled()) return {};
  Frames frames;
  {
    std::lock_guard<std::mutex> lock(writes().mutex);
    const auto found = writes().last.find(object);
    if (found == writes().last.end()) return {};
    frames = found->second;
  }
  // The first frame outside the library is the caller's.
  for (int i = 1; i < frames.count; ++i) {
    Dl_info info;
    if (!dladdr(frames.address[i], &info) || !info.dli_fname) continue;
    // The call stands before the return address.
    const uintptr_t offset = reinterpret_cast<uintptr_t>(frames.address[i]) -
                             reinterpret_cast<uintptr_t>(info.dli_fbase) - 1;
    const Place place = caller_at(info.dli_fname, offset);
    if (place.function.empty()) continue;
    return " (in " + place.function + (place.line.empty() ? "" : " at " + place.line) + ")";
  }
  return {};
}

}  // namespace tenon::write_trace
