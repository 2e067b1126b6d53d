#include "tenon/device/host_services.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <cstdlib>
#include <cstring>

#include "tenon/device/pool.h"

namespace tenon {
namespace {

int32_t log_threshold() {
  static constinit std::atomic<int32_t> known{-1};
  int32_t level = known.load(std::memory_order_relaxed);
  if (level >= 0) return level;
  level = static_cast<int32_t>(LogLevel::kWarning);
  if (const char* text = getenv("TENON_LOG")) {
    static constexpr const char* names[] = {"debug", "info", "warn", "error", "off"};
    for (int32_t i = 0; i < 5; ++i) {
      if (strcmp(text, names[i]) == 0) level = i;
    }
  }
  known.store(level, std::memory_order_relaxed);
  return level;
}

// One write, so that lines of several threads do not mix.
void write_line(std::string_view mark, std::string_view message) noexcept {
  char line[2048];
  size_t used = 0;
  for (std::string_view text : {std::string_view("tenon"), mark, std::string_view(": "), message}) {
    const size_t n = std::min(text.size(), sizeof line - 1 - used);
    memcpy(line + used, text.data(), n);
    used += n;
  }
  line[used++] = '\n';
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, line, used);
}

void host_log(void*, int32_t level, const char* message) noexcept {
  log_line(static_cast<LogLevel>(level), message ? message : "");
}

void* host_alloc(void*, uint64_t bytes, uint64_t align) noexcept {
  if (align < sizeof(void*)) align = sizeof(void*);
  if (bytes == 0) bytes = 1;
  void* p = nullptr;
  return posix_memalign(&p, align, bytes) == 0 ? p : nullptr;
}

void host_free(void*, void* p) noexcept { free(p); }

void host_parallel_for(void*, int64_t n, int64_t grain, void (*fn)(void*, int64_t, int64_t),
                       void* arg) noexcept {
  parallel_for(n, grain, fn, arg);
}

int32_t host_num_threads(void*) noexcept { return num_threads(); }

// "blas" -> the value of TENON_BLAS.
const char* host_option(void*, const char* key) noexcept {
  char name[128] = "TENON_";
  const size_t length = key ? strlen(key) : 0;
  if (length == 0 || length + 7 > sizeof name) return nullptr;
  for (size_t i = 0; i <= length; ++i) {
    name[6 + i] = static_cast<char>(toupper(static_cast<unsigned char>(key[i])));
  }
  return getenv(name);
}

constexpr TenonHost kHost = {sizeof(TenonHost), TENON_ABI_MAJOR,  TENON_ABI_MINOR, 0,
                             nullptr,           host_log,         host_alloc,      host_free,
                             host_parallel_for, host_num_threads, host_option};

}  // namespace

const TenonHost* host_services() { return &kHost; }

void log_line(LogLevel level, std::string_view message) noexcept {
  const int32_t number = static_cast<int32_t>(level);
  if (number < log_threshold()) return;
  static constexpr std::string_view marks[] = {" debug", " info", " warning", " error"};
  write_line(marks[number < 0 ? 0 : number > 3 ? 3 : number], message);
}

void say_line(std::string_view message) noexcept { write_line("", message); }

}  // namespace tenon
