/* tenon_kit_evaluate.h -- the meaning of one instruction of a program, written to be read: all 64
 * opcodes on all dtypes that programs compute in. An element is carried as the raw bits of its
 * dtype in the low bytes of a uint64_t.
 *
 * Floats are evaluated in double and rounded to f32 (then to f16 or bf16): for + - * / sqrt and the
 * exact functions this is the correctly rounded f32 result (Figueroa 1995: 53 >= 2 * 24 + 2), for
 * the transcendental ones it is better than most. FMA alone must be done in its own width. Needs
 * IEEE arithmetic: no -ffast-math. C99, C++17. */
#ifndef TENON_KIT_EVALUATE_H_
#define TENON_KIT_EVALUATE_H_

#include <math.h>

#include "tenon/abi/tenon_float8.h"
#include "tenon/abi/tenon_half.h"
#include "tenon/abi/tenon_kit_philox.h"
#include "tenon/abi/tenon_kit_special.h"
#include "tenon/abi/tenon_plugin_kit.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- raw bits and values -----------------------------------------------------------------------
 */

static inline double tenon_bits_to_double(uint32_t dtype, uint64_t bits) {
  double x;
  switch (dtype) {
    case TENON_F16:
      return (double)tenon_f16_to_f32((uint16_t)bits);
    case TENON_BF16:
      return (double)tenon_bf16_to_f32((uint16_t)bits);
    case TENON_F32:
      return (double)tenon_f32_from_bits((uint32_t)bits);
    default:
      memcpy(&x, &bits, sizeof x);
      return x;
  }
}

static inline uint64_t tenon_double_to_bits(uint32_t dtype, double x) {
  uint64_t bits;
  switch (dtype) {
    case TENON_F16:
      return tenon_f32_to_f16((float)x);
    case TENON_BF16:
      return tenon_f32_to_bf16((float)x);
    case TENON_F32:
      return tenon_f32_bits((float)x);
    default:
      memcpy(&bits, &x, sizeof bits);
      return bits;
  }
}

/* Two's complement in 64 bits: sign-extended for signed dtypes, else zero-extended. A bool is 0
 * or 1. */
static inline uint64_t tenon_bits_to_int(uint32_t dtype, uint64_t bits) {
  const uint32_t unused = 64 - 8 * tenon_dtype_size(dtype);
  if (dtype == TENON_BOOL) return (bits & 0xffu) != 0;
  bits = bits << unused >> unused;
  if (!tenon_dtype_is_signed(dtype) || unused == 0) return bits;
  return (bits ^ (uint64_t)1 << (63 - unused)) - ((uint64_t)1 << (63 - unused));
}

/* Wraps. */
static inline uint64_t tenon_int_to_bits(uint32_t dtype, uint64_t x) {
  const uint32_t unused = 64 - 8 * tenon_dtype_size(dtype);
  return x << unused >> unused;
}

/* ---- integer functions that C does not have
 * ------------------------------------------------------------
 */

/* Truncates and saturates; NaN gives 0. */
static inline uint64_t tenon_double_to_int(uint32_t dtype, double x) {
  const int width = 8 * (int)tenon_dtype_size(dtype);
  const int is_signed = tenon_dtype_is_signed(dtype);
  const double bound = ldexp(1.0, width - is_signed);
  const uint64_t greatest = ~(uint64_t)0 >> (64 - width + is_signed);
  if (x != x) return 0;
  if (x >= bound) return greatest;
  if (!is_signed) return x <= 0 ? 0 : (uint64_t)x;
  return x <= -bound ? ~greatest : (uint64_t)(int64_t)x;
}

/* By squaring, which wraps like repeated multiplication. */
static inline uint64_t tenon_int_pow(uint64_t base, uint64_t exponent, int is_signed) {
  uint64_t power = 1;
  if (is_signed && exponent >> 63 != 0) { /* negative: only 1 and -1 have an integer inverse */
    if (base + 1 > 2 || base == 0) return 0;
    exponent &= 1u; /* the parity survives the sign */
  }
  for (; exponent != 0; exponent >>= 1, base *= base) {
    if (exponent & 1u) power *= base;
  }
  return power;
}

static inline uint64_t tenon_mulhi_u64(uint64_t a, uint64_t b) {
  const uint64_t a0 = (uint32_t)a, a1 = a >> 32, b0 = (uint32_t)b, b1 = b >> 32;
  const uint64_t middle =
      a1 * b0 + (a0 * b0 >> 32); /* cannot overflow: (2^32-1)^2 + 2^32-1 < 2^64 */
  const uint64_t middle2 = a0 * b1 + (uint32_t)middle;
  return a1 * b1 + (middle >> 32) + (middle2 >> 32);
}

/* ---- instructions ------------------------------------------------------------------------------
 */

static inline uint64_t tenon_evaluate_cast(uint32_t to, uint32_t from, uint64_t bits) {
  if (tenon_dtype_is_float8(from)) { /* f32 holds it exactly */
    const float x = from == TENON_F8E5M2 ? tenon_f8e5m2_to_f32((uint8_t)bits)
                                         : tenon_f8e4m3fn_to_f32((uint8_t)bits);
    return tenon_evaluate_cast(to, TENON_F32, tenon_f32_bits(x));
  }
  if (tenon_dtype_is_float8(to)) { /* f64 holds what does not overflow */
    const double x = tenon_bits_to_double(TENON_F64, tenon_evaluate_cast(TENON_F64, from, bits));
    return to == TENON_F8E5M2 ? tenon_f64_to_f8e5m2(x) : tenon_f64_to_f8e4m3fn(x);
  }
  if (tenon_dtype_is_float(from)) {
    const double x = tenon_bits_to_double(from, bits);
    if (to == TENON_BOOL) return x != 0;
    if (to == TENON_F16) return tenon_f64_to_f16(x); /* one rounding, whatever the source */
    if (to == TENON_BF16) return tenon_f64_to_bf16(x);
    if (tenon_dtype_is_float(to)) return tenon_double_to_bits(to, x);
    return tenon_int_to_bits(to, tenon_double_to_int(to, x));
  } else {
    const uint64_t x = tenon_bits_to_int(from, bits);
    const int is_signed = tenon_dtype_is_signed(from);
    if (to == TENON_BOOL) return x != 0;
    if (to == TENON_BF16) return is_signed ? tenon_i64_to_bf16((int64_t)x) : tenon_u64_to_bf16(x);
    if (to == TENON_F64)
      return tenon_double_to_bits(to, is_signed ? (double)(int64_t)x : (double)x);
    if (tenon_dtype_is_float(to))
      return tenon_double_to_bits(to, (double)(is_signed ? (float)(int64_t)x : (float)x));
    return tenon_int_to_bits(to, x);
  }
}

/* Operands of a float dtype. Comparisons give 0 or 1, the rest bits of that dtype. */
static inline uint64_t tenon_evaluate_float(uint32_t op, uint32_t dtype, double a, double b,
                                            double c) {
  double r;
  switch (op) {
    case TENON_OP_EQ:
      return a == b;
    case TENON_OP_NE:
      return a != b;
    case TENON_OP_LT:
      return a < b;
    case TENON_OP_LE:
      return a <= b;
    case TENON_OP_ADD:
      r = a + b;
      break;
    case TENON_OP_SUB:
      r = a - b;
      break;
    case TENON_OP_MUL:
      r = a * b;
      break;
    case TENON_OP_DIV:
      r = a / b;
      break;
    case TENON_OP_REM:
      r = fmod(a, b);
      break;
    case TENON_OP_MIN:
      r = a != a ? a : b != b ? b : a < b ? a : b;
      break;
    case TENON_OP_MAX:
      r = a != a ? a : b != b ? b : a > b ? a : b;
      break;
    case TENON_OP_NEG:
      r = -a;
      break;
    case TENON_OP_ABS:
      r = fabs(a);
      break;
    case TENON_OP_FLOOR:
      r = floor(a);
      break;
    case TENON_OP_CEIL:
      r = ceil(a);
      break;
    case TENON_OP_TRUNC:
      r = trunc(a);
      break;
    case TENON_OP_RINT:
      r = rint(a);
      break;
    case TENON_OP_SQRT:
      r = sqrt(a);
      break;
    case TENON_OP_EXP:
      r = exp(a);
      break;
    case TENON_OP_LOG:
      r = log(a);
      break;
    case TENON_OP_SIN:
      r = sin(a);
      break;
    case TENON_OP_COS:
      r = cos(a);
      break;
    case TENON_OP_TANH:
      r = tanh(a);
      break;
    case TENON_OP_ERF:
      r = erf(a);
      break;
    case TENON_OP_POW:
      r = pow(a, b);
      break;
    case TENON_OP_FMA:
      r = dtype == TENON_F64 ? fma(a, b, c) : (double)fmaf((float)a, (float)b, (float)c);
      break;
    case TENON_OP_RSQRT:
      r = 1 / sqrt(a);
      break;
    case TENON_OP_RECIP:
      r = 1 / a;
      break;
    case TENON_OP_EXP2:
      r = exp2(a);
      break;
    case TENON_OP_EXPM1:
      r = expm1(a);
      break;
    case TENON_OP_LOG2:
      r = log2(a);
      break;
    case TENON_OP_LOG10:
      r = log10(a);
      break;
    case TENON_OP_LOG1P:
      r = log1p(a);
      break;
    case TENON_OP_TAN:
      r = tan(a);
      break;
    case TENON_OP_ASIN:
      r = asin(a);
      break;
    case TENON_OP_ACOS:
      r = acos(a);
      break;
    case TENON_OP_ATAN:
      r = atan(a);
      break;
    case TENON_OP_ATAN2:
      r = atan2(a, b);
      break;
    case TENON_OP_SINH:
      r = sinh(a);
      break;
    case TENON_OP_COSH:
      r = cosh(a);
      break;
    case TENON_OP_ASINH:
      r = asinh(a);
      break;
    case TENON_OP_ACOSH:
      r = acosh(a);
      break;
    case TENON_OP_ATANH:
      r = atanh(a);
      break;
    case TENON_OP_ERFC:
      r = erfc(a);
      break;
    case TENON_OP_ERFINV:
      r = tenon_erfinv(a);
      break;
    case TENON_OP_LGAMMA:
      r = tenon_lgamma(a);
      break;
    case TENON_OP_DIGAMMA:
      r = tenon_digamma(a);
      break;
    case TENON_OP_COPYSIGN:
      r = copysign(a, b);
      break;
    case TENON_OP_SIGN:
      r = a > 0 ? 1 : a < 0 ? -1 : a;
      break; /* a: either zero, or NaN */
    default:
      r = (double)NAN;
      break; /* not reached: tenon_check_program refused it */
  }
  return tenon_double_to_bits(dtype, r);
}

/* Operands of an integer dtype or bool, in 64 bits; the caller wraps the result. */
static inline uint64_t tenon_evaluate_int(uint32_t op, uint32_t dtype, uint64_t a, uint64_t b) {
  const int is_signed = tenon_dtype_is_signed(dtype);
  const int less = is_signed ? (int64_t)a < (int64_t)b : a < b;
  const int negative = is_signed && (int64_t)a < 0;
  const int shifts_out =
      b >= 8 * (uint64_t)tenon_dtype_size(dtype); /* a negative count is huge here */
  switch (op) {
    case TENON_OP_EQ:
      return a == b;
    case TENON_OP_NE:
      return a != b;
    case TENON_OP_LT:
      return (uint64_t)less;
    case TENON_OP_LE:
      return less || a == b;
    case TENON_OP_ADD:
      return a + b;
    case TENON_OP_SUB:
      return a - b;
    case TENON_OP_MUL:
      return a * b;
    case TENON_OP_DIV:
      if (b == 0) return 0;
      if (is_signed && b == ~(uint64_t)0) return 0 - a; /* wraps where the machine would trap */
      return is_signed ? (uint64_t)((int64_t)a / (int64_t)b) : a / b;
    case TENON_OP_REM:
      if (b == 0 || (is_signed && b == ~(uint64_t)0)) return 0;
      return is_signed ? (uint64_t)((int64_t)a % (int64_t)b) : a % b;
    case TENON_OP_MIN:
      return less ? a : b;
    case TENON_OP_MAX:
      return less ? b : a;
    case TENON_OP_NEG:
      return 0 - a;
    case TENON_OP_ABS:
      return negative ? 0 - a : a;
    case TENON_OP_AND:
      return a & b;
    case TENON_OP_OR:
      return a | b;
    case TENON_OP_XOR:
      return a ^ b;
    case TENON_OP_NOT:
      return dtype == TENON_BOOL ? a == 0 : ~a;
    case TENON_OP_SHL:
      return shifts_out ? 0 : a << b;
    case TENON_OP_SHR: /* of ones from the left: shift the complement */
      if (shifts_out) return negative ? ~(uint64_t)0 : 0;
      return negative ? ~(~a >> b) : a >> b;
    case TENON_OP_POW:
      return tenon_int_pow(a, b, is_signed);
    case TENON_OP_SIGN:
      return negative ? ~(uint64_t)0 : a != 0;
    case TENON_OP_MULHI:
      return dtype == TENON_U32 ? a * b >> 32 : tenon_mulhi_u64(a, b);
    default:
      return 0; /* not reached: tenon_check_program refused it */
  }
}

/* Instruction `t` on operands whose dtype is `from` (SELECT apart, whose condition a is bool).
 * INPUT, SCALAR, CONST and INDEX are the caller's. */
static inline uint64_t tenon_evaluate(const TenonInstr* t, uint32_t from, uint64_t a, uint64_t b,
                                      uint64_t c) {
  switch (t->op) {
    case TENON_OP_CAST:
      return tenon_evaluate_cast(t->dtype, from, a);
    case TENON_OP_BITCAST:
      return t->dtype == TENON_BOOL ? (a & 0xffu) != 0 : a;
    case TENON_OP_SELECT:
      return (a & 0xffu) != 0 ? b : c;
    case TENON_OP_PHILOX:
      return tenon_philox_word(a, b);
    default:
      break;
  }
  if (tenon_dtype_is_float(from)) {
    return tenon_evaluate_float(t->op, from, tenon_bits_to_double(from, a),
                                tenon_bits_to_double(from, b), tenon_bits_to_double(from, c));
  }
  return tenon_int_to_bits(t->dtype, tenon_evaluate_int(t->op, from, tenon_bits_to_int(from, a),
                                                        tenon_bits_to_int(from, b)));
}

#ifdef __cplusplus
} /* extern "C" */
#endif
#endif /* TENON_KIT_EVALUATE_H_ */
