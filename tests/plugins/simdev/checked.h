// Calls that answer a status, made to throw it or to keep it as the result of an operation that
// ran.
#ifndef TENON_TESTS_PLUGINS_SIMDEV_CHECKED_H_
#define TENON_TESTS_PLUGINS_SIMDEV_CHECKED_H_

#include <string>
#include <utility>

#include "tenon/abi/tenon_plugin.hpp"
#include "tests/plugins/simdev/device.h"

namespace simdev {

// Runs `call` with an error to fill; throws what it answers.
template <class Call>
void Checked(Call&& call) {
  TenonError error = {};
  error.size = sizeof error;
  const TenonStatus status = call(&error);
  if (status != TENON_OK)
    throw tenon::plugin::Failure(status, std::string("simdev: ") + error.message);
}

template <class T>
T Read(const T* given, const char* name) {
  T own;
  Checked(
      [&](TenonError* error) { return tenon_read_struct(&own, sizeof own, given, name, error); });
  return own;
}

// As the result of an operation that ran.
template <class Call>
Fault Late(Call&& call) {
  TenonError error = {};
  error.size = sizeof error;
  const TenonStatus status = call(&error);
  return status == TENON_OK ? Fault() : Fault{status, std::string("simdev: ") + error.message};
}

inline Fault LateMistake(std::string message) {
  return {TENON_INTERNAL, "simdev: " + std::move(message)};
}

}  // namespace simdev

#endif  // TENON_TESTS_PLUGINS_SIMDEV_CHECKED_H_
