// The table of services that core gave this plug-in.
#ifndef TENON_BACKENDS_OPENCL_HOST_H_
#define TENON_BACKENDS_OPENCL_HOST_H_

#include "tenon/abi/tenon_plugin.hpp"

namespace tenon_opencl {

extern const TenonHost* host;  // set by the entry function, before any other call

// The value of TENON_<key>, NULL if unset or empty.
inline const char* Option(const char* key) { return tenon::plugin::option(*host, key); }

}  // namespace tenon_opencl

#endif  // TENON_BACKENDS_OPENCL_HOST_H_
