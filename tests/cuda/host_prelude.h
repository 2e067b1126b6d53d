// The language's own part of the prelude (tenon/backends/codegen/prelude.h) for the host: kernels
// as C++ functions of a work item.
//
// To be included once, within no namespace: kernels are what a GPU's module has, names of the whole
// file.
#ifndef TENON_TESTS_CUDA_HOST_PRELUDE_H_
#define TENON_TESTS_CUDA_HOST_PRELUDE_H_

#include <cmath>
#include <cstdint>
#include <cstring>

#include "tenon/abi/tenon_half.h"
#include "tenon/abi/tenon_kit_special.h"
#include "tests/cuda/work_items.h"

using u8 = uint8_t;
using i8 = int8_t;
using u16 = uint16_t;
using i16 = int16_t;
using u32 = uint32_t;
using i32 = int32_t;
using u64 = unsigned long long;
using i64 = long long;
using f32 = float;
using f64 = double;
using f16 = uint16_t;

#define DEVICE [[maybe_unused]] static inline
#define KERNEL extern "C" __attribute__((visibility("default"))) void
#define GLOBAL
#define LOCAL static thread_local
#define ALIGNED(bytes) alignas(bytes)
#define GLOBAL_ID ((i64)work_items::item.group * work_items::item.locals + work_items::item.local)
#define GLOBAL_SIZE ((i64)work_items::item.groups * work_items::item.locals)
#define GROUP_ID ((i64)work_items::item.group)
#define GROUP_COUNT ((i64)work_items::item.groups)
#define LOCAL_ID (work_items::item.local)
#define LOCAL_SIZE (work_items::item.locals)
#define BARRIER() work_items::Barrier()
#define U64(x) x##ull

DEVICE u32 bits_f32(f32 x) { return tenon_f32_bits(x); }
DEVICE f32 f32_of_bits(u32 x) { return tenon_f32_from_bits(x); }
DEVICE u64 bits_f64(f64 x) {
  u64 bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits;
}
DEVICE f64 f64_of_bits(u64 bits) {
  f64 x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}
DEVICE f32 f16_to_f32(f16 h) { return tenon_f16_to_f32(h); }
DEVICE f16 f32_to_f16(f32 x) { return tenon_f32_to_f16(x); }
DEVICE f64 tanh_f64(f64 x) { return std::tanh(x); }
DEVICE f32 tanh_f32(f32 x) { return std::tanh(x); }
DEVICE f64 erfinv_f64(f64 x) { return tenon_erfinv(x); }
DEVICE f32 erfinv_f32(f32 x) { return static_cast<f32>(tenon_erfinv(static_cast<f64>(x))); }

// The overloads for float too.
using std::acos, std::acosh, std::asin, std::asinh, std::atan, std::atan2, std::atanh, std::ceil,
    std::copysign, std::cos, std::cosh, std::erf, std::erfc, std::exp, std::exp2, std::expm1,
    std::fabs, std::floor, std::fma, std::fmod, std::lgamma, std::log, std::log10, std::log1p,
    std::log2, std::pow, std::rint, std::sin, std::sinh, std::sqrt, std::tan, std::trunc;

// What indexing.cuh asks besides. Work items take turns, so that no atomicity is needed.
template <class T>
T host_add(T* p, T v) {
  const T was = *p;
  *p = was + v;
  return was;
}
template <class T>
T host_max(T* p, T v) {
  const T was = *p;
  if (v > was) *p = v;
  return was;
}
template <class T>
T host_swap_if(T* p, T old, T v) {
  const T was = *p;
  if (was == old) *p = v;
  return was;
}
#define ATOMIC_ADD(p, v) host_add(p, v)
#define ATOMIC_MAX(p, v) host_max(p, v)
#define ATOMIC_SWAP_IF(p, old, v) host_swap_if(p, old, v)

#endif  // TENON_TESTS_CUDA_HOST_PRELUDE_H_
