// What core offers plugins (TenonHost), and the log that core itself writes to.
#ifndef TENON_DEVICE_HOST_SERVICES_H_
#define TENON_DEVICE_HOST_SERVICES_H_

#include <cstdint>
#include <string_view>

#include "tenon/abi/tenon_backend.h"

namespace tenon {

// The one table of this copy of libtenon: its address is this copy's identity towards plugins.
const TenonHost* host_services();

enum class LogLevel : int32_t { kDebug = 0, kInfo = 1, kWarning = 2, kError = 3 };

// One line to stderr if the level is at least TENON_LOG (debug, info, warn, error, off; default
// warn). Any thread.
void log_line(LogLevel level, std::string_view message) noexcept;

// One line to stderr whatever TENON_LOG says: for what the user asked to see (TENON_LOADER_LOG).
void say_line(std::string_view message) noexcept;

}  // namespace tenon

#endif  // TENON_DEVICE_HOST_SERVICES_H_
