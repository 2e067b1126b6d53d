// tenon_plugin.hpp -- what a backend written in C++ wants: no exception may cross the ABI, and
// handles that own.
//
//   TenonStatus mem_alloc(TenonDevice device, uint64_t bytes, TenonBuffer* buffer, TenonError*
//   error) noexcept {
//     return tenon::plugin::guard(error, [&] {
//       if (bytes > limit) throw tenon::plugin::Failure(TENON_OUT_OF_MEMORY, "mydevice: " +
//       std::to_string(bytes) + " bytes"); *buffer = tenon::plugin::to_handle(new Region(bytes));
//     });
//   }
//
// Header only, C++17. No state; everything may be used from any thread.
#ifndef TENON_PLUGIN_HPP_
#define TENON_PLUGIN_HPP_

#include <cstdint>
#include <exception>
#include <new>
#include <string>
#include <type_traits>
#include <utility>

#include "tenon/abi/tenon_plugin_kit.h"

// Hidden: two backends in one process must not share these functions through the dynamic linker.
#pragma GCC visibility push(hidden)
namespace tenon::plugin {

// An error on its way to the nearest guard.
class Failure : public std::exception {
 public:
  Failure(TenonStatus code, std::string message) : code_(code), message_(std::move(message)) {}
  TenonStatus code() const { return code_; }
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  TenonStatus code_;
  std::string message_;
};

// Runs `body` (returning void or TenonStatus) and turns what it throws into a status with a
// message.
template <class Body>
TenonStatus guard(TenonError* error, Body&& body) noexcept {
  try {
    if constexpr (std::is_void_v<decltype(body())>) {
      body();
      return TENON_OK;
    } else {
      return body();
    }
  } catch (const Failure& failure) {
    return tenon_fail(error, failure.code(), "%s", failure.what());
  } catch (const std::bad_alloc&) {
    return tenon_fail(error, TENON_OUT_OF_MEMORY, "no host memory left");
  } catch (const std::exception& exception) {
    return tenon_fail(error, TENON_INTERNAL, "%s", exception.what());
  } catch (...) {
    return tenon_fail(error, TENON_INTERNAL, "an exception of unknown type");
  }
}

// Calls a function of the kit with room for its message, and throws what it refuses:
//   check([&](TenonError* error) { return tenon_check_call(call, "mydevice", error); });
template <class Call>
void check(Call&& call) {
  TenonError error = {};
  error.size = sizeof error;
  const TenonStatus status = call(&error);
  if (status != TENON_OK) throw Failure(status, error.message);
}

// The value of TENON_<key>, nullptr if unset or empty.
inline const char* option(const TenonHost& host, const char* key) noexcept {
  const char* const value = host.option(host.ctx, key);
  return value != nullptr && value[0] != '\0' ? value : nullptr;
}

template <class T>
std::uint64_t to_handle(T* object) noexcept {
  return static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(object));
}

template <class T>
T* from_handle(std::uint64_t handle) noexcept {
  return reinterpret_cast<T*>(static_cast<std::uintptr_t>(handle));
}

// Memory from the host's allocator, given back at the end of the scope. Throws std::bad_alloc.
class HostMemory {
 public:
  HostMemory(const TenonHost& host, std::uint64_t bytes, std::uint64_t align)
      : host_(&host), data_(host.host_alloc(host.ctx, bytes, align)) {
    if (data_ == nullptr) throw std::bad_alloc();
  }
  HostMemory(const HostMemory&) = delete;
  HostMemory& operator=(const HostMemory&) = delete;
  ~HostMemory() { host_->host_free(host_->ctx, data_); }

  void* data() const { return data_; }

 private:
  const TenonHost* host_;
  void* data_;
};

}  // namespace tenon::plugin
#pragma GCC visibility pop

#endif  // TENON_PLUGIN_HPP_
