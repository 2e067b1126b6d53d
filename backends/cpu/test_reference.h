// For tests: what each opcode means, one element at a time, in exact integers and long double.
// Shares no code with the kernels. Raw bits of the dtype in, raw bits out; `tolerance` says how
// many units in the last place are allowed.
#ifndef TENON_BACKENDS_CPU_TEST_REFERENCE_H_
#define TENON_BACKENDS_CPU_TEST_REFERENCE_H_

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "backends/cpu/test_special_functions.h"
#include "tenon/abi/tenon_float8.h"
#include "tenon/abi/tenon_half.h"
#include "tenon/abi/tenon_kit_evaluate.h"
#include "tenon/abi/tenon_plugin_kit.h"

namespace tenon_cpu {

using Wide = __int128;

inline Real RealOf(uint32_t dtype, uint64_t bits) {
  switch (dtype) {
    case TENON_F16:
      return tenon_f16_to_f32(static_cast<uint16_t>(bits));
    case TENON_BF16:
      return tenon_bf16_to_f32(static_cast<uint16_t>(bits));
    case TENON_F8E4M3FN:
      return tenon_f8e4m3fn_to_f32(static_cast<uint8_t>(bits));
    case TENON_F8E5M2:
      return tenon_f8e5m2_to_f32(static_cast<uint8_t>(bits));
    case TENON_F32:
      return tenon_f32_from_bits(static_cast<uint32_t>(bits));
    default: {
      double x;
      std::memcpy(&x, &bits, 8);
      return x;
    }
  }
}

inline uint64_t BitsOf(uint32_t dtype, Real x) {
  switch (dtype) {
    case TENON_F16:
      return tenon_f32_to_f16(static_cast<float>(x));
    case TENON_BF16:
      return tenon_f32_to_bf16(static_cast<float>(x));
    case TENON_F8E4M3FN:
      return tenon_f64_to_f8e4m3fn(static_cast<double>(x));
    case TENON_F8E5M2:
      return tenon_f64_to_f8e5m2(static_cast<double>(x));
    case TENON_F32:
      return tenon_f32_bits(static_cast<float>(x));
    default: {
      const double d = static_cast<double>(x);
      uint64_t bits;
      std::memcpy(&bits, &d, 8);
      return bits;
    }
  }
}

inline Wide IntOf(uint32_t dtype, uint64_t bits) {
  switch (dtype) {
    case TENON_I8:
      return static_cast<int8_t>(bits);
    case TENON_I16:
      return static_cast<int16_t>(bits);
    case TENON_I32:
      return static_cast<int32_t>(bits);
    case TENON_I64:
      return static_cast<int64_t>(bits);
    case TENON_U16:
      return static_cast<uint16_t>(bits);
    case TENON_U32:
      return static_cast<uint32_t>(bits);
    case TENON_U64:
      return bits;
    default:
      return static_cast<uint8_t>(bits);
  }
}

inline uint64_t Masked(uint32_t dtype, Wide x) {
  const uint32_t width = 8 * tenon_dtype_size(dtype);
  return width == 64 ? static_cast<uint64_t>(x)
                     : static_cast<uint64_t>(x) & ((uint64_t{1} << width) - 1);
}

inline Wide Least(uint32_t dtype) {
  return tenon_dtype_is_signed(dtype) ? -(Wide{1} << (8 * tenon_dtype_size(dtype) - 1)) : 0;
}
inline Wide Greatest(uint32_t dtype) {
  return (Wide{1} << (8 * tenon_dtype_size(dtype) - (tenon_dtype_is_signed(dtype) ? 1 : 0))) - 1;
}

// The exact value of an inexact function.
inline Real Function(uint32_t op, Real a, Real b) {
  switch (op) {
    case TENON_OP_EXP:
      return expl(a);
    case TENON_OP_LOG:
      return logl(a);
    case TENON_OP_SIN:
      return sinl(a);
    case TENON_OP_COS:
      return cosl(a);
    case TENON_OP_TANH:
      return tanhl(a);
    case TENON_OP_ERF:
      return erfl(a);
    case TENON_OP_POW:
      return powl(a, b);
    case TENON_OP_RSQRT:
      return 1 / sqrtl(a);
    case TENON_OP_RECIP:
      return 1 / a;
    case TENON_OP_EXP2:
      return exp2l(a);
    case TENON_OP_EXPM1:
      return expm1l(a);
    case TENON_OP_LOG2:
      return log2l(a);
    case TENON_OP_LOG10:
      return log10l(a);
    case TENON_OP_LOG1P:
      return log1pl(a);
    case TENON_OP_TAN:
      return tanl(a);
    case TENON_OP_ASIN:
      return asinl(a);
    case TENON_OP_ACOS:
      return acosl(a);
    case TENON_OP_ATAN:
      return atanl(a);
    case TENON_OP_ATAN2:
      return atan2l(a, b);
    case TENON_OP_SINH:
      return sinhl(a);
    case TENON_OP_COSH:
      return coshl(a);
    case TENON_OP_ASINH:
      return asinhl(a);
    case TENON_OP_ACOSH:
      return acoshl(a);
    case TENON_OP_ATANH:
      return atanhl(a);
    case TENON_OP_ERFC:
      return erfcl(a);
    case TENON_OP_ERFINV:
      return ErfInverseReference(a);
    case TENON_OP_LGAMMA:
      return lgammal(a);
    case TENON_OP_DIGAMMA:
      return DigammaReference(a);
    default:
      return std::nanl("");
  }
}

inline int Tolerance(uint32_t op, uint32_t dtype) {
  if (!tenon_dtype_is_float(dtype)) return 0;
  int ulp = 8;
  if (op == TENON_OP_POW)
    ulp = 16;
  else if (op <= TENON_OP_SQRT || op == TENON_OP_FMA || op == TENON_OP_PHILOX ||
           op >= TENON_OP_COPYSIGN)
    ulp = 0;
  else if (op <= TENON_OP_ERF)
    ulp = 4;
  return ulp != 0 && (dtype == TENON_F16 || dtype == TENON_BF16) ? 1 : ulp;
}

inline uint64_t ReferenceFloat(uint32_t op, uint32_t dtype, uint64_t ab, uint64_t bb, uint64_t cb) {
  const Real a = RealOf(dtype, ab), b = RealOf(dtype, bb), c = RealOf(dtype, cb);
  const double da = static_cast<double>(a), db = static_cast<double>(b),
               dc = static_cast<double>(c);
  const bool f64 = dtype == TENON_F64;
  // f64 arithmetic is the processor's own; f32 arithmetic is exact enough in long double to round
  // once.
  switch (op) {
    case TENON_OP_ADD:
      return BitsOf(dtype, f64 ? da + db : a + b);
    case TENON_OP_SUB:
      return BitsOf(dtype, f64 ? da - db : a - b);
    case TENON_OP_MUL:
      return BitsOf(dtype, f64 ? da * db : a * b);
    case TENON_OP_DIV:
      return BitsOf(dtype, f64 ? da / db : a / b);
    case TENON_OP_REM:
      return BitsOf(dtype, fmod(da, db));
    case TENON_OP_MIN:
      return std::isnan(a) ? ab : std::isnan(b) ? bb : a < b ? ab : bb;
    case TENON_OP_MAX:
      return std::isnan(a) ? ab : std::isnan(b) ? bb : a > b ? ab : bb;
    case TENON_OP_NEG:
      return BitsOf(dtype, -a);
    case TENON_OP_ABS:
      return BitsOf(dtype, fabsl(a));
    case TENON_OP_EQ:
      return a == b;
    case TENON_OP_NE:
      return a != b;
    case TENON_OP_LT:
      return a < b;
    case TENON_OP_LE:
      return a <= b;
    case TENON_OP_FLOOR:
      return BitsOf(dtype, floorl(a));
    case TENON_OP_CEIL:
      return BitsOf(dtype, ceill(a));
    case TENON_OP_TRUNC:
      return BitsOf(dtype, truncl(a));
    case TENON_OP_RINT:
      return BitsOf(dtype, rintl(a));
    case TENON_OP_SQRT:
      return BitsOf(dtype, f64 ? sqrt(da) : sqrtl(a));
    case TENON_OP_FMA:
      return BitsOf(dtype, f64 ? fma(da, db, dc)
                               : fmaf(static_cast<float>(da), static_cast<float>(db),
                                      static_cast<float>(dc)));
    case TENON_OP_COPYSIGN:
      return BitsOf(dtype, copysignl(a, b));
    case TENON_OP_SIGN:
      return BitsOf(dtype, a > 0 ? 1 : a < 0 ? -1 : a);
    default:
      return BitsOf(dtype, Function(op, a, b));
  }
}

inline uint64_t ReferenceInt(uint32_t op, uint32_t dtype, uint64_t ab, uint64_t bb) {
  const Wide a = IntOf(dtype, ab), b = IntOf(dtype, bb);
  const Wide width = 8 * tenon_dtype_size(dtype);
  switch (op) {
    case TENON_OP_ADD:
      return Masked(dtype, a + b);
    case TENON_OP_SUB:
      return Masked(dtype, a - b);
    case TENON_OP_MUL:
      return static_cast<uint64_t>(ab * bb) & Masked(dtype, -1);
    case TENON_OP_DIV:
      return b == 0 ? 0 : Masked(dtype, a / b);
    case TENON_OP_REM:
      return b == 0 ? 0 : Masked(dtype, a % b);
    case TENON_OP_MIN:
      return a < b ? ab : bb;
    case TENON_OP_MAX:
      return a > b ? ab : bb;
    case TENON_OP_NEG:
      return Masked(dtype, -a);
    case TENON_OP_ABS:
      return Masked(dtype, a < 0 ? -a : a);
    case TENON_OP_AND:
      return ab & bb;
    case TENON_OP_OR:
      return ab | bb;
    case TENON_OP_XOR:
      return ab ^ bb;
    case TENON_OP_NOT:
      return dtype == TENON_BOOL ? !ab : Masked(dtype, ~a);
    case TENON_OP_SHL:
      return b < 0 || b >= width ? 0 : Masked(dtype, a << static_cast<int>(b));
    case TENON_OP_SHR:
      return b < 0 || b >= width ? Masked(dtype, a < 0 ? -1 : 0)
                                 : Masked(dtype, a >> static_cast<int>(b));
    case TENON_OP_EQ:
      return a == b;
    case TENON_OP_NE:
      return a != b;
    case TENON_OP_LT:
      return a < b;
    case TENON_OP_LE:
      return a <= b;
    case TENON_OP_SIGN:
      return Masked(dtype, a > 0 ? 1 : a < 0 ? -1 : 0);
    case TENON_OP_MULHI:
      return static_cast<uint64_t>((static_cast<unsigned __int128>(ab) * bb) >>
                                   static_cast<int>(width));
    case TENON_OP_POW: {
      if (b < 0) return Masked(dtype, a == 1 ? 1 : a == -1 ? ((b & 1) != 0 ? -1 : 1) : 0);
      uint64_t power = 1, square = static_cast<uint64_t>(a);
      for (uint64_t e = static_cast<uint64_t>(b); e != 0; e >>= 1, square *= square)
        power *= (e & 1) != 0 ? square : 1;
      return Masked(dtype, static_cast<Wide>(power));
    }
    default:
      return 0;
  }
}

inline uint64_t ReferenceCast(uint32_t to, uint32_t from, uint64_t bits) {
  if (tenon_dtype_is_float8(from)) {
    return ReferenceCast(to, TENON_F64, BitsOf(TENON_F64, RealOf(from, bits)));
  }
  if (tenon_dtype_is_float8(to)) {
    return BitsOf(
        to, tenon_dtype_is_float(from) ? RealOf(from, bits) : static_cast<Real>(IntOf(from, bits)));
  }
  if (tenon_dtype_is_float(from)) {
    const Real x = RealOf(from, bits);
    if (to == TENON_BOOL) return x != 0;
    if (to == TENON_F16 || to == TENON_BF16) {
      return to == TENON_F16 ? tenon_f64_to_f16(static_cast<double>(x))
                             : tenon_f64_to_bf16(static_cast<double>(x));
    }
    if (tenon_dtype_is_float(to)) return BitsOf(to, x);
    if (std::isnan(x)) return 0;
    if (x >= static_cast<Real>(Greatest(to))) return Masked(to, Greatest(to));
    if (x <= static_cast<Real>(Least(to))) return Masked(to, Least(to));
    return Masked(to, static_cast<Wide>(truncl(x)));
  }
  const Wide x = IntOf(from, bits);
  if (to == TENON_BOOL) return x != 0;
  if (to == TENON_F16) return tenon_f32_to_f16(static_cast<float>(x));
  if (to == TENON_BF16)
    return tenon_i64_to_bf16(static_cast<int64_t>(x)) * (from != TENON_U64) +
           tenon_u64_to_bf16(static_cast<uint64_t>(x)) * (from == TENON_U64);
  if (to == TENON_F32) return tenon_f32_bits(static_cast<float>(x));
  if (to == TENON_F64) return BitsOf(to, static_cast<double>(x));
  return Masked(to, x);
}

// Instruction t on operands of dtype `from` (of the chosen values for SELECT).
inline uint64_t Reference(const TenonInstr& t, uint32_t from, uint64_t a, uint64_t b, uint64_t c) {
  switch (t.op) {
    case TENON_OP_CAST:
      return ReferenceCast(t.dtype, from, a);
    case TENON_OP_BITCAST:
      return t.dtype == TENON_BOOL ? (a & 0xff) != 0 : a;
    case TENON_OP_SELECT:
      return a != 0 ? b : c;
    case TENON_OP_PHILOX:
      return tenon_philox_word(a, b);
    default:
      return tenon_dtype_is_float(from) ? ReferenceFloat(t.op, from, a, b, c)
                                        : ReferenceInt(t.op, from, a, b);
  }
}

// Equal, or within `ulp`; NaN is NaN; the sign of a zero is free where `any_zero`.
inline bool Agrees(uint32_t dtype, uint64_t got, uint64_t want, Real exact, int ulp,
                   bool any_zero) {
  if (got == want) return true;
  if (!tenon_dtype_is_float(dtype) && !tenon_dtype_is_float8(dtype)) return false;
  const Real g = RealOf(dtype, got), w = RealOf(dtype, want);
  if (std::isnan(g) || std::isnan(w)) return std::isnan(g) && std::isnan(w);
  if (g == 0 && w == 0) return any_zero || ulp > 0;
  if (ulp == 0 || std::isinf(g) != std::isinf(w)) return false;
  if (std::isinf(g)) return false;
  int mantissa = 52, least = -1074;
  if (dtype == TENON_F32) mantissa = 23, least = -149;
  if (dtype == TENON_BF16) mantissa = 7, least = -133;
  if (dtype == TENON_F16) mantissa = 10, least = -24;
  int exponent;
  std::frexp(exact, &exponent);
  return fabsl(g - exact) <= ulp * ldexpl(1, std::max(exponent - 1 - mantissa, least)) * 1.0001L;
}

inline uint64_t ReadBits(const void* at, uint32_t dtype, int64_t i) {
  uint64_t bits = 0;
  const uint32_t size = tenon_dtype_size(dtype);
  std::memcpy(&bits, static_cast<const char*>(at) + i * size, size);
  return bits;
}
inline void WriteBits(void* at, uint32_t dtype, int64_t i, uint64_t bits) {
  const uint32_t size = tenon_dtype_size(dtype);
  std::memcpy(static_cast<char*>(at) + i * size, &bits, size);
}

// Values at and around every edge of a dtype.
inline std::vector<uint64_t> SpecialValues(uint32_t dtype) {
  if (dtype == TENON_BOOL) return {0, 1};
  std::vector<uint64_t> values;
  if (tenon_dtype_is_float8(dtype)) {  // all there are
    for (uint64_t bits = 0; bits < 256; ++bits) values.push_back(bits);
    return values;
  }
  if (!tenon_dtype_is_float(dtype)) {
    for (Wide x : {Wide{0}, Wide{1}, Wide{2}, Wide{3}, Wide{-1}, Wide{-2}, Wide{5}, Wide{7},
                   Wide{8}, Wide{31}, Wide{33}, Wide{63}, Wide{100}, Least(dtype), Least(dtype) + 1,
                   Greatest(dtype), Greatest(dtype) - 1}) {
      values.push_back(Masked(dtype, x));
    }
    return values;
  }
  const Real inf = std::numeric_limits<Real>::infinity();
  for (Real x : {0.0L,  1.0L,   0.5L,    1.5L,   2.5L,    2.0L,     3.0L,     10.0L,  0.1L,
                 1e-3L, 100.0L, 127.5L,  255.0L, 1000.0L, 32768.0L, 65504.0L, 1e5L,   2147483648.0L,
                 1e-7L, 6e-8L,  1e-30L,  1e-40L, 1e-45L,  88.72L,   89.0L,    104.0L, 1e10L,
                 1e19L, 1e30L,  3.4e38L, 709.0L, 5e-324L, 1e300L,   0.99999L, inf}) {
    values.push_back(BitsOf(dtype, x));
    values.push_back(BitsOf(dtype, -x));
  }
  values.push_back(BitsOf(dtype, std::nanl("")));
  return values;
}

inline uint64_t RandomValue(uint32_t dtype, std::mt19937_64& random) {
  if (dtype == TENON_BOOL) return random() & 1;
  if (tenon_dtype_is_float8(dtype)) return random() & 0xff;
  if (!tenon_dtype_is_float(dtype))
    return Masked(dtype, static_cast<Wide>(random() >> (random() % 60)));
  const Real mantissa = 1 + static_cast<Real>(random() >> 11) * 0x1p-53L;
  const Real x = ldexpl(mantissa, static_cast<int>(random() % 24) - 14);
  return BitsOf(dtype, (random() & 1) != 0 ? x : -x);
}

}  // namespace tenon_cpu
#endif  // TENON_BACKENDS_CPU_TEST_REFERENCE_H_
