// tenon::Error: the one exception of the library.
//
//   throw Error(ErrorCode::kShape, "matmul", "inner sizes differ: ...");
//
// what() reads "matmul: inner sizes differ: ...". The message names shapes, dtypes and devices and
// ends with the way out. A failed call leaves its arguments as they were. Assertions (TENON_ASSERT)
// are for mistakes inside Tenon and cannot be reached by a caller's input.
#ifndef TENON_BASE_ERROR_H_
#define TENON_BASE_ERROR_H_

#include <exception>
#include <string>
#include <string_view>
#include <type_traits>

namespace tenon {

enum class ErrorCode : int {
  kInvalidArgument = 1,  // a value that no tensor could make right
  kShape,                // sizes that do not fit each other
  kDType,
  kDevice,    // tensors on different devices, or an unknown or absent one
  kAxis,      // an axis or index out of range
  kAutograd,  // the graph forbids it: freed, changed in place, a leaf, no gradient
  kReadOnly,  // a write to memory that may only be read
  kOutOfMemory,
  kUnsupported,  // no device, nor the host, can do this
  kBackend,      // a plugin failed
  kFormat,       // a file that is not what it should be
  kIo,           // the operating system refused
};
std::string_view error_code_name(ErrorCode code);

class Error : public std::exception {
 public:
  Error(ErrorCode code, std::string_view operation, std::string_view message);

  const char* what() const noexcept override { return text_.c_str(); }
  ErrorCode code() const noexcept { return code_; }
  // The operation that refused, by its public name ("matmul"); empty if there is none.
  std::string_view operation() const noexcept {
    return std::string_view(text_).substr(0, operation_size_);
  }

 private:
  std::string text_;
  ErrorCode code_;
  size_t operation_size_;
};

namespace detail {
inline void append(std::string& out, std::string_view piece) { out.append(piece); }
inline void append(std::string& out, const char* piece) { out.append(piece); }
inline void append(std::string& out, const std::string& piece) { out.append(piece); }
inline void append(std::string& out, char piece) { out.push_back(piece); }
void append_double(std::string& out, double value);
template <class T>
requires std::is_integral_v<T>
void append(std::string& out, T value) {
  if constexpr (std::is_same_v<T, bool>) {
    out.append(value ? "true" : "false");
  } else {
    out.append(std::to_string(value));
  }
}
inline void append(std::string& out, double value) { append_double(out, value); }
[[noreturn]] void assertion_failed(const char* expression, const char* file, int line);
}  // namespace detail

// One string of pieces: strings, characters, integers, doubles.
template <class... Pieces>
std::string concat_text(const Pieces&... pieces) {
  std::string out;
  (detail::append(out, pieces), ...);
  return out;
}

// Throws Error(code, operation, concat_text(pieces...)); kept out of line so that callers stay
// small.
template <class... Pieces>
[[noreturn, gnu::cold, gnu::noinline]] void fail(ErrorCode code, std::string_view operation,
                                                 const Pieces&... pieces) {
  throw Error(code, operation, concat_text(pieces...));
}

#define TENON_ASSERT(condition)       \
  (__builtin_expect(!!(condition), 1) \
       ? void(0)                      \
       : ::tenon::detail::assertion_failed(#condition, __FILE__, __LINE__))

}  // namespace tenon

#endif  // TENON_BASE_ERROR_H_
