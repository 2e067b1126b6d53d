#include "tenon/backends/codegen/prelude.h"

namespace tenon_codegen {

// OpenCL C 1.2, which every version since reads. A half is a type only where an extension says so:
// here it is bits, as elsewhere, converted by integer arithmetic.
//
// DECLARE_BUILTINS: the driver does not read its header of OpenCL's functions, so those that are
// used are declared here, as in clang's opencl-c.h.
const char kOpenclPrelude[] = R"opencl(// ---- OpenCL C ----
#pragma OPENCL FP_CONTRACT OFF
#ifndef NO_F64
#pragma OPENCL EXTENSION cl_khr_fp64 : enable
typedef double f64;
#endif
typedef uchar u8;
typedef char i8;
typedef ushort u16;
typedef short i16;
typedef uint u32;
typedef int i32;
typedef ulong u64;
typedef long i64;
typedef float f32;
typedef u16 f16;  // bits

#define DEVICE static inline
#define KERNEL __kernel void
#define GLOBAL __global
#define LOCAL __local
#define ALIGNED(bytes) __attribute__((aligned(bytes)))
#define GLOBAL_ID ((i64)get_global_id(0))
#define GLOBAL_SIZE ((i64)get_global_size(0))
#define GROUP_ID ((i64)get_group_id(0))
#define GROUP_COUNT ((i64)get_num_groups(0))
#define LOCAL_ID ((i32)get_local_id(0))
#define LOCAL_SIZE ((i32)get_local_size(0))
#define BARRIER() barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE)
#define U64(x) x##ul

#ifdef DECLARE_BUILTINS
#define BUILTIN __attribute__((overloadable, const))
size_t BUILTIN get_global_id(uint);
size_t BUILTIN get_global_size(uint);
size_t BUILTIN get_local_id(uint);
size_t BUILTIN get_local_size(uint);
size_t BUILTIN get_group_id(uint);
size_t BUILTIN get_num_groups(uint);
void __attribute__((overloadable, convergent)) barrier(uint);
#define MATH(T) \
  T BUILTIN fabs(T); T BUILTIN floor(T); T BUILTIN ceil(T); T BUILTIN trunc(T); T BUILTIN rint(T);   \
  T BUILTIN sqrt(T); T BUILTIN exp(T); T BUILTIN exp2(T); T BUILTIN expm1(T); T BUILTIN log(T);      \
  T BUILTIN log2(T); T BUILTIN log10(T); T BUILTIN log1p(T); T BUILTIN sin(T); T BUILTIN cos(T);     \
  T BUILTIN tan(T); T BUILTIN asin(T); T BUILTIN acos(T); T BUILTIN atan(T); T BUILTIN sinh(T);      \
  T BUILTIN cosh(T); T BUILTIN tanh(T); T BUILTIN asinh(T); T BUILTIN acosh(T); T BUILTIN atanh(T);  \
  T BUILTIN erf(T); T BUILTIN erfc(T); T BUILTIN lgamma(T); T BUILTIN fmod(T, T);                    \
  T BUILTIN pow(T, T); T BUILTIN atan2(T, T); T BUILTIN copysign(T, T); T BUILTIN fma(T, T, T);
MATH(f32)
#ifndef NO_F64
MATH(f64)
#endif
#endif

DEVICE u32 bits_f32(f32 x) { return as_uint(x); }
DEVICE f32 f32_of_bits(u32 x) { return as_float(x); }
#ifndef NO_F64
DEVICE u64 bits_f64(f64 x) { return as_ulong(x); }
DEVICE f64 f64_of_bits(u64 x) { return as_double(x); }
#endif

DEVICE f32 f16_to_f32(f16 h) {
  const u32 sign = (u32)(h & 0x8000u) << 16, magnitude = h & 0x7fffu;
  const u32 normal = (magnitude << 13) + (112u << 23);  // 127 - 15
  const u32 subnormal = as_uint((f32)magnitude * 0x1p-24f);
  const u32 special = 0x7f800000u | (magnitude << 13) | (magnitude > 0x7c00u ? 0x400000u : 0u);
  return as_float(sign | (magnitude < 0x400u ? subnormal : magnitude < 0x7c00u ? normal : special));
}
DEVICE f16 f32_to_f16(f32 x) {
  const u32 bits = as_uint(x), sign = (bits >> 16) & 0x8000u, magnitude = bits & 0x7fffffffu;
  const u32 normal = (magnitude - (112u << 23) + 0xfffu + ((magnitude >> 13) & 1u)) >> 13;
  // A unit of 0.5f in the last place is the least subnormal: the sum rounds at the right bit.
  const u32 subnormal = as_uint(as_float(magnitude) + 0.5f) - 0x3f000000u;
  const u32 special = magnitude > 0x7f800000u ? 0x7e00u | ((magnitude >> 13) & 0x3ffu) : 0x7c00u;
  return (f16)(sign | (magnitude < 0x38800000u   ? subnormal
                       : magnitude < 0x47800000u ? normal
                                                 : special));
}

// Beyond these tanh is 1; some drivers stop one place short of it.
DEVICE f32 tanh_f32(f32 x) { return fabs(x) > 9.02f ? copysign(1.0f, x) : tanh(x); }
#ifndef NO_F64
DEVICE f64 tanh_f64(f64 x) { return fabs(x) > 19.07 ? copysign(1.0, x) : tanh(x); }
#endif

// Winitzki's approximation (2008), then Halley's iteration on erf, or on erfc where erf is nearly 1.
#define ERFINV(D, HALF, TENTH, A, PI)                                                        \
  DEVICE D erfinv_##D(D x) {                                                                 \
    const D y = fabs(x);                                                                     \
    if (!(y < 1)) return y == 1 ? copysign((D)INFINITY, x) : (D)NAN;                         \
    D z = y * sqrt(PI) / 2;                                                                  \
    if (y >= TENTH) {                                                                        \
      const D l = log((1 - y) * (1 + y)), t = 2 / (PI * A) + l / 2;                          \
      z = sqrt(sqrt(t * t - l / A) - t);                                                     \
    }                                                                                        \
    for (i32 i = 0; i < 3; ++i) {                                                            \
      const D residual = y < HALF ? erf(z) - y : (1 - y) - erfc(z);                          \
      const D move = residual / (2 / sqrt(PI) * exp(-z * z));                                \
      z -= move / (1 + z * move);                                                            \
    }                                                                                        \
    return copysign(z, x);                                                                   \
  }
#ifndef NO_F64
ERFINV(f64, 0.5, 0.1, 0.147, 3.14159265358979323846)
DEVICE f32 erfinv_f32(f32 x) { return (f32)erfinv_f64((f64)x); }
#else
ERFINV(f32, 0.5f, 0.1f, 0.147f, 3.14159265f)
#endif

)opencl";

}  // namespace tenon_codegen
