#include "tenon/backends/codegen/prelude.h"

namespace tenon_codegen {

// One function per opcode and dtype, named <opcode>_<dtype of the operands>; cast_<from>_<to>. f16
// and bf16 travel as their bits, so that a copy keeps them, and compute in f32; the 8-bit floats
// are bits that only CAST knows. IF_<dtype>(text) is the text or nothing (SelectFor, select.cc).
const char kCommonPrelude[] = R"common(// ---- dtypes ----
typedef u8 boolean;  // 0 or 1
typedef u16 bf16;    // bits
typedef u8 f8e4m3fn;
typedef u8 f8e5m2;

DEVICE f32 bf16_to_f32(bf16 b) { return f32_of_bits((u32)b << 16); }
DEVICE bf16 f32_to_bf16(f32 x) {
  const u32 bits = bits_f32(x);
  return (bf16)(x != x ? (bits >> 16) | 0x40u : (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}
#ifndef NO_F64
// Rounds to odd: a rounding to a shorter format then gives what one rounding from f64 would have given.
DEVICE f32 f64_to_f32_odd(f64 x) {
  const f32 nearest = (f32)x;
  const u32 bits = bits_f32(nearest);
  const f64 magnitude = x < 0 ? -x : x, rounded = nearest < 0 ? -(f64)nearest : (f64)nearest;
  const u32 other = magnitude > rounded ? bits + 1u : bits - 1u;
  return f32_of_bits((bits & 1u) == 0 && (magnitude < rounded || magnitude > rounded) ? other : bits);
}
#endif
// To 24 bits first, the last one sticky, which f32 holds: so there is one rounding.
DEVICE bf16 u64_to_bf16(u64 x) {
  u32 exponent = 127u;
  for (; (x >> 24) != 0; x = (x >> 1) | (x & 1u)) ++exponent;
  return f32_to_bf16((f32)(u32)x * f32_of_bits(exponent << 23));
}
DEVICE bf16 i64_to_bf16(i64 x) {
  return (bf16)(u64_to_bf16(x < 0 ? U64(0) - (u64)x : (u64)x) | (x < 0 ? 0x8000u : 0u));
}

#define BITS_INTEGER(N, T)                                \
  DEVICE u64 to_bits_##N(T x) { return (u64)x; }          \
  DEVICE T from_bits_##N(u64 x) { return (T)x; }
IF_u8(BITS_INTEGER(u8, u8)) IF_i8(BITS_INTEGER(i8, i8)) IF_u16(BITS_INTEGER(u16, u16))
IF_i16(BITS_INTEGER(i16, i16)) IF_u32(BITS_INTEGER(u32, u32)) IF_i32(BITS_INTEGER(i32, i32))
IF_u64(BITS_INTEGER(u64, u64)) IF_i64(BITS_INTEGER(i64, i64))
IF_f16(BITS_INTEGER(f16, f16)) IF_bf16(BITS_INTEGER(bf16, bf16))
DEVICE u64 to_bits_bool(boolean x) { return x; }
DEVICE boolean from_bits_bool(u64 x) { return (x & 0xffu) != 0; }
DEVICE u64 to_bits_f32(f32 x) { return bits_f32(x); }
DEVICE f32 from_bits_f32(u64 x) { return f32_of_bits((u32)x); }
#ifndef NO_F64
DEVICE u64 to_bits_f64(f64 x) { return bits_f64(x); }
DEVICE f64 from_bits_f64(u64 x) { return f64_of_bits(x); }
#endif

// ---- integers: wrapping, and never a trap; W is unsigned and no promotion changes it ----
#define ORDERED(N, T)                                                                              \
  DEVICE boolean eq_##N(T a, T b) { return a == b; }                                               \
  DEVICE boolean ne_##N(T a, T b) { return a != b; }                                               \
  DEVICE boolean lt_##N(T a, T b) { return a < b; }                                                \
  DEVICE boolean le_##N(T a, T b) { return a <= b; }                                               \
  DEVICE T min_##N(T a, T b) { return a != a ? a : b != b ? b : a < b ? a : b; }                   \
  DEVICE T max_##N(T a, T b) { return a != a ? a : b != b ? b : a > b ? a : b; }                   \
  DEVICE T select_##N(boolean c, T a, T b) { return c != 0 ? a : b; }                              \
  /* ARGMIN, ARGMAX: does (v, key) win over the older pair? A NaN beats numbers. */                \
  DEVICE boolean wins_argmin_##N(T v, i64 key, T old, i64 old_key) {                               \
    if (v != v || old != old) return v != v && (old == old || key < old_key);                      \
    return v < old || (v == old && key < old_key);                                                 \
  }                                                                                                \
  DEVICE boolean wins_argmax_##N(T v, i64 key, T old, i64 old_key) {                               \
    if (v != v || old != old) return v != v && (old == old || key < old_key);                      \
    return v > old || (v == old && key < old_key);                                                 \
  }
#define BITWISE(N, T)                                          \
  DEVICE T and_##N(T a, T b) { return (T)(a & b); }            \
  DEVICE T or_##N(T a, T b) { return (T)(a | b); }             \
  DEVICE T xor_##N(T a, T b) { return (T)(a ^ b); }
#define INTEGER(T, W, WIDTH, IS_SIGNED, LEAST, GREATEST)                                           \
  ORDERED(T, T) BITWISE(T, T)                                                                      \
  DEVICE T least_##T() { return LEAST; }                                                           \
  DEVICE T greatest_##T() { return GREATEST; }                                                     \
  DEVICE boolean negative_##T(T a) { return IS_SIGNED && (i64)a < 0; }                             \
  DEVICE T not_##T(T a) { return (T)~a; }                                                          \
  DEVICE T add_##T(T a, T b) { return (T)((W)a + (W)b); }                                          \
  DEVICE T sub_##T(T a, T b) { return (T)((W)a - (W)b); }                                          \
  DEVICE T mul_##T(T a, T b) { return (T)((W)a * (W)b); }                                          \
  DEVICE T neg_##T(T a) { return (T)((W)0 - (W)a); }                                               \
  DEVICE T abs_##T(T a) { return negative_##T(a) ? neg_##T(a) : a; }                               \
  DEVICE T sign_##T(T a) { return (T)(negative_##T(a) ? -1 : a != 0); }                            \
  DEVICE T div_##T(T a, T b) {                                                                     \
    if (b == 0) return 0;                                                                          \
    return IS_SIGNED && b == (T)-1 ? neg_##T(a) : (T)(a / b);                                      \
  }                                                                                                \
  DEVICE T rem_##T(T a, T b) { return b == 0 || (IS_SIGNED && b == (T)-1) ? (T)0 : (T)(a % b); }   \
  /* A negative count is a huge one here. */                                                       \
  DEVICE T shl_##T(T a, T b) { return (u64)b >= WIDTH ? (T)0 : (T)((W)a << b); }                   \
  DEVICE T shr_##T(T a, T b) {                                                                     \
    return (u64)b >= WIDTH ? (T)(negative_##T(a) ? -1 : 0) : (T)(a >> b);                          \
  }                                                                                                \
  DEVICE T pow_##T(T a, T b) {                                                                     \
    W base = (W)a, power = 1;                                                                      \
    u64 exponent = (u64)b;                                                                         \
    if (negative_##T(b)) { /* only 1 and -1 have an integer inverse; parity survives the sign */   \
      if (a != (T)1 && a != (T)-1) return 0;                                                       \
      exponent &= 1u;                                                                              \
    }                                                                                              \
    for (; exponent != 0; exponent >>= 1, base *= base) {                                          \
      if ((exponent & 1u) != 0) power *= base;                                                     \
    }                                                                                              \
    return (T)power;                                                                               \
  }
IF_u8(INTEGER(u8, u32, 8, 0, 0, 255))
IF_i8(INTEGER(i8, u32, 8, 1, -128, 127))
IF_u16(INTEGER(u16, u32, 16, 0, 0, 65535))
IF_i16(INTEGER(i16, u32, 16, 1, -32768, 32767))
IF_u32(INTEGER(u32, u32, 32, 0, 0, 0xffffffffu))
IF_i32(INTEGER(i32, u32, 32, 1, (i32)0x80000000u, 0x7fffffff))
IF_u64(INTEGER(u64, u64, 64, 0, 0, ~U64(0)))
IF_i64(INTEGER(i64, u64, 64, 1, (i64)U64(0x8000000000000000), (i64)U64(0x7fffffffffffffff)))
IF_bool(ORDERED(bool, boolean) BITWISE(bool, boolean))
DEVICE boolean not_bool(boolean a) { return a == 0; }
DEVICE boolean least_bool() { return 0; }
DEVICE boolean greatest_bool() { return 1; }

DEVICE u32 mulhi_u32(u32 a, u32 b) { return (u32)((u64)a * b >> 32); }
DEVICE u64 mulhi_u64(u64 a, u64 b) {
  const u64 a0 = (u32)a, a1 = a >> 32, b0 = (u32)b, b1 = b >> 32;
  const u64 middle = a1 * b0 + (a0 * b0 >> 32);
  return a1 * b1 + (middle >> 32) + ((a0 * b1 + (u32)middle) >> 32);
}

// Philox4x32-10 (Salmon et al., SC 2011): word (counter mod 4) of block (counter div 4).
DEVICE u32 philox_u64(u64 counter, u64 key) {
  u32 c0 = (u32)(counter >> 2), c1 = (u32)(counter >> 34), c2 = 0, c3 = 0;
  u32 key0 = (u32)key, key1 = (u32)(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const u64 product0 = (u64)0xD2511F53u * c0, product1 = (u64)0xCD9E8D57u * c2;
    c0 = (u32)(product1 >> 32) ^ c1 ^ key0;
    c1 = (u32)product1;
    c2 = (u32)(product0 >> 32) ^ c3 ^ key1;
    c3 = (u32)product0;
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  const u32 lane = (u32)counter & 3u;
  return lane == 0 ? c0 : lane == 1 ? c1 : lane == 2 ? c2 : c3;
}

// ---- floats ----
// By the recurrence psi(x) = psi(x+1) - 1/x up to 16, then the asymptotic series; reflection below 0.
#define DIGAMMA(D)                                                                             \
  DEVICE D digamma_##D(D x) {                                                                  \
    const D pi = (D)PI;                                                                        \
    D sum = 0, z = x;                                                                          \
    if (x == 0) return to_bits_##D(x) == 0 ? least_##D() : greatest_##D();                     \
    if (x < 0) {                                                                               \
      if (floor(x) == x) return greatest_##D() - greatest_##D();                               \
      sum = -pi / tan(pi * fmod(x, (D)1));                                                     \
      z = 1 - x;                                                                               \
    }                                                                                          \
    for (; z < 16; z += 1) sum -= 1 / z;                                                       \
    const D w = 1 / (z * z);                                                                   \
    return sum + log(z) - 1 / (2 * z) -                                                        \
           w * (1 / (D)12 - w * (1 / (D)120 - w * (1 / (D)252 - w * (1 / (D)240 - w / 132)))); \
  }
// X(name, expression of a) for all float dtypes
#define FLOAT_UNARY(X, D) \
  X(D, neg, -a) X(D, abs, fabs(a)) X(D, floor, floor(a)) X(D, ceil, ceil(a)) X(D, trunc, trunc(a))   \
  X(D, rint, rint(a)) X(D, sqrt, sqrt(a)) X(D, exp, exp(a)) X(D, log, log(a)) X(D, sin, sin(a))      \
  X(D, cos, cos(a)) X(D, erf, erf(a)) X(D, rsqrt, 1 / sqrt(a))                                       \
  X(D, recip, 1 / a) X(D, exp2, exp2(a)) X(D, expm1, expm1(a)) X(D, log2, log2(a))                   \
  X(D, log10, log10(a)) X(D, log1p, log1p(a)) X(D, tan, tan(a)) X(D, asin, asin(a))                  \
  X(D, acos, acos(a)) X(D, atan, atan(a)) X(D, sinh, sinh(a)) X(D, cosh, cosh(a))                    \
  X(D, asinh, asinh(a)) X(D, acosh, acosh(a)) X(D, atanh, atanh(a)) X(D, erfc, erfc(a))              \
  X(D, lgamma, lgamma(a))                                                                            \
  X(D, sign, a > 0 ? 1 : a < 0 ? -1 : a)
#define FLOAT_BINARY(X, D) \
  X(D, add, a + b) X(D, sub, a - b) X(D, mul, a * b) X(D, div, a / b) X(D, rem, fmod(a, b))          \
  X(D, pow, pow(a, b)) X(D, atan2, atan2(a, b)) X(D, copysign, copysign(a, b))

#define WIDE_UNARY(D, name, expression) DEVICE D name##_##D(D a) { return expression; }
#define WIDE_BINARY(D, name, expression) DEVICE D name##_##D(D a, D b) { return expression; }
#define WIDE(D)                                          \
  ORDERED(D, D)                                          \
  FLOAT_UNARY(WIDE_UNARY, D) FLOAT_BINARY(WIDE_BINARY, D) \
  DEVICE D fma_##D(D a, D b, D c) { return fma(a, b, c); }
IF_f32(WIDE(f32))
DEVICE f32 greatest_f32() { return f32_of_bits(0x7f800000u); }
DEVICE f32 least_f32() { return f32_of_bits(0xff800000u); }
#ifndef NO_F64
IF_f64(WIDE(f64))
DEVICE f64 greatest_f64() { return f64_of_bits(U64(0x7ff0000000000000)); }
DEVICE f64 least_f64() { return f64_of_bits(U64(0xfff0000000000000)); }
#define PI 3.14159265358979323846
IF_digamma(DIGAMMA(f64))
IF_digamma(DEVICE f32 digamma_f32(f32 x) { return (f32)digamma_f64((f64)x); })
#else
#define PI 3.14159265f
IF_digamma(DIGAMMA(f32))
#endif

// f16 and bf16: the same in f32, then rounded.
#define HALF_UNARY(D, name, expression) \
  DEVICE D name##_##D(D a) { return f32_to_##D(name##_f32(D##_to_f32(a))); }
#define HALF_BINARY(D, name, expression) \
  DEVICE D name##_##D(D a, D b) { return f32_to_##D(name##_f32(D##_to_f32(a), D##_to_f32(b))); }
#define HALF_COMPARE(D, name) \
  DEVICE boolean name##_##D(D a, D b) { return name##_f32(D##_to_f32(a), D##_to_f32(b)); }
#define HALF_WINS(D, name)                                              \
  DEVICE boolean name##_##D(D v, i64 key, D old, i64 old_key) {         \
    return name##_f32(D##_to_f32(v), key, D##_to_f32(old), old_key);    \
  }
#define HALF(D, LEAST, GREATEST)                                                            \
  FLOAT_UNARY(HALF_UNARY, D) FLOAT_BINARY(HALF_BINARY, D)                                   \
  IF_digamma(HALF_UNARY(D, digamma, )) HALF_UNARY(D, erfinv, ) HALF_UNARY(D, tanh, )                    \
  HALF_BINARY(D, min, ) HALF_BINARY(D, max, )                                               \
  HALF_COMPARE(D, eq) HALF_COMPARE(D, ne) HALF_COMPARE(D, lt) HALF_COMPARE(D, le)           \
  HALF_WINS(D, wins_argmin) HALF_WINS(D, wins_argmax)                                       \
  DEVICE D select_##D(boolean c, D a, D b) { return c != 0 ? a : b; }                       \
  DEVICE D fma_##D(D a, D b, D c) {                                                         \
    return f32_to_##D(fma_f32(D##_to_f32(a), D##_to_f32(b), D##_to_f32(c)));                \
  }                                                                                         \
  DEVICE D least_##D() { return LEAST; }                                                    \
  DEVICE D greatest_##D() { return GREATEST; }
IF_f16(HALF(f16, 0xfc00u, 0x7c00u))
IF_bf16(HALF(bf16, 0xff80u, 0x7f80u))

// ---- casts: float to integer saturates and makes 0 of a NaN; integers wrap; to bool is (x != 0) ----
#define CAST(from, to, S, D, expression) \
  IF_##from(IF_##to(DEVICE D cast_##from##_##to(S x) { return (D)(expression); }))
#define TO_INTEGERS(M, S)                                                              \
  M(S, u8, 0x1p8f) M(S, u16, 0x1p16f) M(S, u32, 0x1p32f) M(S, u64, 0x1p64f)            \
  M(S, i8, 0x1p7f) M(S, i16, 0x1p15f) M(S, i32, 0x1p31f) M(S, i64, 0x1p63f)

#define FLOAT_TO_INTEGER(S, D, BOUND)                     \
  IF_##S(IF_##D(DEVICE D cast_##S##_##D(S x) {            \
    if (x != x) return 0;                                 \
    if (x >= (S)BOUND) return greatest_##D();             \
    if (x <= (S)least_##D()) return least_##D();          \
    return (D)x;                                          \
  }))
#define HALF_TO_INTEGER(S, D, BOUND) CAST(S, D, S, D, cast_f32_##D(S##_to_f32(x)))
TO_INTEGERS(FLOAT_TO_INTEGER, f32)
TO_INTEGERS(HALF_TO_INTEGER, f16)
TO_INTEGERS(HALF_TO_INTEGER, bf16)

#define FROM_INTEGER(N, S, TO_BF16)                                             \
  CAST(N, u8, S, u8, x) CAST(N, u16, S, u16, x) CAST(N, u32, S, u32, x)         \
  CAST(N, u64, S, u64, x) CAST(N, i8, S, i8, x) CAST(N, i16, S, i16, x)         \
  CAST(N, i32, S, i32, x) CAST(N, i64, S, i64, x) CAST(N, f32, S, f32, x)       \
  CAST(N, bool, S, boolean, x != 0)                                             \
  CAST(N, f16, S, f16, f32_to_f16((f32)x)) /* exact in f32 below f16's overflow */ \
  CAST(N, bf16, S, bf16, TO_BF16(x))
FROM_INTEGER(bool, boolean, u64_to_bf16)
FROM_INTEGER(u8, u8, u64_to_bf16)
FROM_INTEGER(u16, u16, u64_to_bf16)
FROM_INTEGER(u32, u32, u64_to_bf16)
FROM_INTEGER(u64, u64, u64_to_bf16)
FROM_INTEGER(i8, i8, i64_to_bf16)
FROM_INTEGER(i16, i16, i64_to_bf16)
FROM_INTEGER(i32, i32, i64_to_bf16)
FROM_INTEGER(i64, i64, i64_to_bf16)

CAST(f32, bool, f32, boolean, x != 0)
CAST(f16, bool, f16, boolean, f16_to_f32(x) != 0)
CAST(bf16, bool, bf16, boolean, bf16_to_f32(x) != 0)
CAST(f32, f32, f32, f32, x)
CAST(f32, f16, f32, f16, f32_to_f16(x))
CAST(f32, bf16, f32, bf16, f32_to_bf16(x))
CAST(f16, f32, f16, f32, f16_to_f32(x))
CAST(f16, f16, f16, f16, x)
CAST(f16, bf16, f16, bf16, f32_to_bf16(f16_to_f32(x)))
CAST(bf16, f32, bf16, f32, bf16_to_f32(x))
CAST(bf16, f16, bf16, f16, f32_to_f16(bf16_to_f32(x)))
CAST(bf16, bf16, bf16, bf16, x)
#ifndef NO_F64
TO_INTEGERS(FLOAT_TO_INTEGER, f64)
CAST(bool, f64, boolean, f64, x)
CAST(u8, f64, u8, f64, x)
CAST(u16, f64, u16, f64, x)
CAST(u32, f64, u32, f64, x)
CAST(u64, f64, u64, f64, x)
CAST(i8, f64, i8, f64, x)
CAST(i16, f64, i16, f64, x)
CAST(i32, f64, i32, f64, x)
CAST(i64, f64, i64, f64, x)
CAST(f64, bool, f64, boolean, x != 0)
CAST(f64, f64, f64, f64, x)
CAST(f64, f32, f64, f32, x)
CAST(f64, f16, f64, f16, f32_to_f16(f64_to_f32_odd(x)))
CAST(f64, bf16, f64, bf16, f32_to_bf16(f64_to_f32_odd(x)))
CAST(f32, f64, f32, f64, x)
CAST(f16, f64, f16, f64, f16_to_f32(x))
CAST(bf16, f64, bf16, f64, bf16_to_f32(x))
#endif

// The 8-bit floats (tenon_float8.h says how they are laid out), through f32 but for one rounding
// from f64. f32 holds every integer that is not too large for them.
DEVICE f32 f8e4m3fn_to_f32(f8e4m3fn b) {
  const u32 sign = ((u32)b & 0x80u) << 24, magnitude = b & 0x7fu;
  return f32_of_bits(sign | (magnitude < 0x08u   ? bits_f32((f32)magnitude * (f32)0x1p-9f)
                             : magnitude < 0x7fu ? (magnitude << 20) + (120u << 23)
                                                 : 0x7fc00000u));
}
DEVICE f8e4m3fn f32_to_f8e4m3fn(f32 x) {
  const u32 bits = bits_f32(x), sign = (bits >> 24) & 0x80u, magnitude = bits & 0x7fffffffu;
  return (f8e4m3fn)(sign | (magnitude < 0x3c800000u
                                ? bits_f32(f32_of_bits(magnitude) + 16384.0f) - 0x46800000u
                            : magnitude < 0x43f00000u
                                ? (magnitude - (120u << 23) + 0x7ffffu + ((magnitude >> 20) & 1u)) >> 20
                                : 0x7fu));
}
DEVICE f32 f8e5m2_to_f32(f8e5m2 b) {
  const u32 sign = ((u32)b & 0x80u) << 24, magnitude = b & 0x7fu;
  return f32_of_bits(sign | (magnitude < 0x04u   ? bits_f32((f32)magnitude * (f32)0x1p-16f)
                             : magnitude < 0x7cu ? (magnitude << 21) + (112u << 23)
                             : magnitude > 0x7cu ? 0x7fc00000u | (magnitude << 21)
                                                 : 0x7f800000u));
}
DEVICE f8e5m2 f32_to_f8e5m2(f32 x) {
  const u32 bits = bits_f32(x), sign = (bits >> 24) & 0x80u, magnitude = bits & 0x7fffffffu;
  return (f8e5m2)(sign | (magnitude < 0x38800000u
                              ? bits_f32(f32_of_bits(magnitude) + 128.0f) - 0x43000000u
                          : magnitude < 0x47800000u
                              ? (magnitude - (112u << 23) + 0xfffffu + ((magnitude >> 21) & 1u)) >> 21
                          : magnitude > 0x7f800000u ? 0x7eu | ((magnitude >> 21) & 1u)
                                                    : 0x7cu));
}
#define FLOAT8_AND(D, N, T)                                \
  CAST(D, N, D, T, cast_f32_##N(D##_to_f32(x)))            \
  CAST(N, D, T, D, f32_to_##D(cast_##N##_f32(x)))
#define FLOAT8(D)                                                                             \
  FLOAT8_AND(D, bool, boolean) FLOAT8_AND(D, u8, u8) FLOAT8_AND(D, i8, i8)                    \
  FLOAT8_AND(D, u16, u16) FLOAT8_AND(D, i16, i16) FLOAT8_AND(D, u32, u32)                     \
  FLOAT8_AND(D, i32, i32) FLOAT8_AND(D, u64, u64) FLOAT8_AND(D, i64, i64)                     \
  FLOAT8_AND(D, f16, f16) FLOAT8_AND(D, bf16, bf16) FLOAT8_AND(D, f32, f32)                   \
  CAST(D, D, D, D, x)
FLOAT8(f8e4m3fn)
FLOAT8(f8e5m2)
CAST(f8e4m3fn, f8e5m2, f8e4m3fn, f8e5m2, f32_to_f8e5m2(f8e4m3fn_to_f32(x)))
CAST(f8e5m2, f8e4m3fn, f8e5m2, f8e4m3fn, f32_to_f8e4m3fn(f8e5m2_to_f32(x)))
#ifndef NO_F64
CAST(f8e4m3fn, f64, f8e4m3fn, f64, f8e4m3fn_to_f32(x))
CAST(f8e5m2, f64, f8e5m2, f64, f8e5m2_to_f32(x))
CAST(f64, f8e4m3fn, f64, f8e4m3fn, f32_to_f8e4m3fn(f64_to_f32_odd(x)))
CAST(f64, f8e5m2, f64, f8e5m2, f32_to_f8e5m2(f64_to_f32_odd(x)))
#endif

// ---- vectors ----
#define VECTOR(T, BYTES) typedef struct ALIGNED(BYTES) { T at[4]; } T##x4;
VECTOR(boolean, 4) VECTOR(u8, 4) VECTOR(i8, 4) VECTOR(f8e4m3fn, 4) VECTOR(f8e5m2, 4) VECTOR(u16, 8) VECTOR(i16, 8) VECTOR(f16, 8)
VECTOR(bf16, 8) VECTOR(u32, 16) VECTOR(i32, 16) VECTOR(f32, 16) VECTOR(u64, 16) VECTOR(i64, 16)
#ifndef NO_F64
VECTOR(f64, 16)
#endif
#define LOAD_VECTOR(T, p) (*(GLOBAL const T*)(p))
#define STORE_VECTOR(T, p, v) (*(GLOBAL T*)(p) = (v))

)common";

}  // namespace tenon_codegen
