#include "tenon/base/error.h"

#include <charconv>

namespace tenon {

std::string_view error_code_name(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return "invalid argument";
    case ErrorCode::kShape:
      return "shape";
    case ErrorCode::kDType:
      return "dtype";
    case ErrorCode::kDevice:
      return "device";
    case ErrorCode::kAxis:
      return "axis";
    case ErrorCode::kAutograd:
      return "autograd";
    case ErrorCode::kReadOnly:
      return "read-only";
    case ErrorCode::kOutOfMemory:
      return "out of memory";
    case ErrorCode::kUnsupported:
      return "unsupported";
    case ErrorCode::kBackend:
      return "backend";
    case ErrorCode::kFormat:
      return "format";
    case ErrorCode::kIo:
      return "input/output";
  }
  return "unknown";
}

Error::Error(ErrorCode code, std::string_view operation, std::string_view message)
    : code_(code), operation_size_(operation.size()) {
  text_.reserve(operation.size() + 2 + message.size());
  text_.append(operation);
  if (!operation.empty()) text_.append(": ");
  text_.append(message);
}

namespace detail {

void append_double(std::string& out, double value) {
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  out.append(buffer, end);
}

void assertion_failed(const char* expression, const char* file, int line) {
  throw Error(ErrorCode::kBackend, "tenon",
              concat_text("internal error, please report it: ", expression, " does not hold (",
                          file, ":", line, ")"));
}

}  // namespace detail
}  // namespace tenon
