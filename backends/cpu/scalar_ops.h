// The meaning of the exact opcodes on one element, as functions that the loops of all targets
// inline. The rules are those of tenon_backend.h: integers wrap and never trap, min and max keep
// NaN.
#ifndef TENON_BACKENDS_CPU_SCALAR_OPS_H_
#define TENON_BACKENDS_CPU_SCALAR_OPS_H_

#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "backends/cpu/targets.h"

namespace tenon_cpu {

template <class T>
inline constexpr bool kFloat = std::is_floating_point_v<T>;

// An unsigned type to compute T's wrapping arithmetic in, at least int wide, so that no promotion
// makes it signed.
template <class T>
using Wrap = std::conditional_t<(sizeof(T) < 4), uint32_t,
                                std::make_unsigned_t<std::conditional_t<kFloat<T>, int, T>>>;

#define TENON_BINARY(Name, ...)             \
  struct Name {                             \
    template <class T>                      \
    static TENON_INLINE auto Do(T a, T b) { \
      __VA_ARGS__                           \
    }                                       \
  };
#define TENON_UNARY(Name, ...)         \
  struct Name {                        \
    template <class T>                 \
    static TENON_INLINE auto Do(T a) { \
      __VA_ARGS__                      \
    }                                  \
  };

TENON_BINARY(Add, if constexpr (kFloat<T>) return a + b;
             else return static_cast<T>(Wrap<T>(a) + Wrap<T>(b));)
TENON_BINARY(Sub, if constexpr (kFloat<T>) return a - b;
             else return static_cast<T>(Wrap<T>(a) - Wrap<T>(b));)
TENON_BINARY(Mul, if constexpr (kFloat<T>) return a * b;
             else return static_cast<T>(Wrap<T>(a) * Wrap<T>(b));)

TENON_BINARY(
    Div, if constexpr (kFloat<T>) { return a / b; } else {
      if (b == 0) return T{0};
      if constexpr (std::is_signed_v<T>) {
        if (b == -1)
          return static_cast<T>(Wrap<T>(0) - Wrap<T>(a));  // the least integer would trap
      }
      return static_cast<T>(a / b);
    })

TENON_BINARY(
    Rem, if constexpr (kFloat<T>) { return static_cast<T>(std::fmod(a, b)); } else {
      if (b == 0) return T{0};
      if constexpr (std::is_signed_v<T>) {
        if (b == -1) return T{0};
      }
      return static_cast<T>(a % b);
    })

// The inner choice gives b if either is NaN (as the instruction does), the outer one a if that is
// NaN.
TENON_BINARY(Min, const T m = a < b ? a : b; if constexpr (kFloat<T>) return a != a ? a : m;
             else return m;)
TENON_BINARY(Max, const T m = a > b ? a : b; if constexpr (kFloat<T>) return a != a ? a : m;
             else return m;)

TENON_UNARY(Neg, if constexpr (kFloat<T>) return -a;
            else return static_cast<T>(Wrap<T>(0) - Wrap<T>(a));)
TENON_UNARY(Abs, if constexpr (kFloat<T>) return std::fabs(a);
            else if constexpr (std::is_signed_v<T>) return a < 0
                ? static_cast<T>(Wrap<T>(0) - Wrap<T>(a))
                : a;
            else return a;)
TENON_UNARY(Sign, if constexpr (std::is_signed_v<T> || kFloat<T>) return a > 0 ? T(1)
                  : a < 0                                                      ? T(-1)
                                                                               : a;
            else return static_cast<T>(a != 0);)

TENON_BINARY(And, return static_cast<T>(a & b);)
TENON_BINARY(Or, return static_cast<T>(a | b);)
TENON_BINARY(Xor, return static_cast<T>(a ^ b);)
TENON_UNARY(Not, return static_cast<T>(~a);)
TENON_UNARY(LogicalNot, return static_cast<T>(a ^ 1);)

// A negative count is a huge unsigned one.
TENON_BINARY(Shl, using U = std::make_unsigned_t<T>; constexpr U width = 8 * sizeof(T);
             return static_cast<T>(U(b) < width ? Wrap<T>(U(a)) << (U(b) & (width - 1)) : 0);)
TENON_BINARY(Shr, using U = std::make_unsigned_t<T>; constexpr U width = 8 * sizeof(T);
             if constexpr (std::is_signed_v<T>) return static_cast<T>(
                 a >> (U(b) < width ? U(b) : U(width - 1)));
             else return static_cast<T>(b < width ? a >> (b & (width - 1)) : 0);)

TENON_BINARY(Eq, return static_cast<uint8_t>(a == b);)
TENON_BINARY(Ne, return static_cast<uint8_t>(a != b);)
TENON_BINARY(Lt, return static_cast<uint8_t>(a < b);)
TENON_BINARY(Le, return static_cast<uint8_t>(a <= b);)

TENON_BINARY(MulHigh, if constexpr (sizeof(T) == 4) return static_cast<T>(uint64_t{a} * b >> 32);
             else return static_cast<T>(static_cast<unsigned __int128>(a) * b >> 64);)

// By squaring, which wraps like repeated multiplication.
TENON_BINARY(
    PowInt, using W = Wrap<T>; W base = W(a); W power = 1; T exponent = b;
    if constexpr (std::is_signed_v<T>) {
      if (exponent < 0) {  // only 1 and -1 have an integer inverse
        if (a == 1) return T{1};
        if (a == -1) return static_cast<T>(exponent & 1 ? -1 : 1);
        return T{0};
      }
    } for (; exponent != 0; exponent = static_cast<T>(exponent >> 1), base *= base) {
      if (exponent & 1) power *= base;
    } return static_cast<T>(power);)

TENON_UNARY(Floor, return std::floor(a);)
TENON_UNARY(Ceil, return std::ceil(a);)
TENON_UNARY(Trunc, return std::trunc(a);)
TENON_UNARY(Rint, return std::rint(a);)
TENON_UNARY(Sqrt, return std::sqrt(a);)
TENON_UNARY(Rsqrt, return T(1) / std::sqrt(a);)
TENON_UNARY(Recip, return T(1) / a;)
TENON_BINARY(CopySign, return std::copysign(a, b);)

struct Fma {
  static TENON_INLINE float Do(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
  static TENON_INLINE double Do(double a, double b, double c) { return __builtin_fma(a, b, c); }
};

// CAST, except to f16 and bf16 and from them.
template <class To, class From>
TENON_INLINE To Cast(From x) {
  if constexpr (kFloat<From> && !kFloat<To>) {
    // Both bounds are powers of two, so exact in From; out of range and NaN take another way than
    // the conversion.
    constexpr From least = static_cast<From>(std::numeric_limits<To>::min());
    constexpr From bound =
        From(2) * static_cast<From>(To(1) << (std::numeric_limits<To>::digits - 1));
    const bool inside = (x > least) & (x < bound);
    const To inner = static_cast<To>(inside ? x : From(0));
    return inside       ? inner
           : x >= bound ? std::numeric_limits<To>::max()
           : x <= least ? std::numeric_limits<To>::min()
                        : To(0);
  } else {
    return static_cast<To>(x);
  }
}

template <class From>
TENON_INLINE uint8_t CastToBool(From x) {
  return x != 0;
}

}  // namespace tenon_cpu
#endif  // TENON_BACKENDS_CPU_SCALAR_OPS_H_
