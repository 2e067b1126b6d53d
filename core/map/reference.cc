#include "tenon/map/reference.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "tenon/abi/tenon_kit_philox.h"
#include "tenon/base/error.h"

namespace tenon::map {
namespace {

constexpr long double kInfinity = std::numeric_limits<long double>::infinity();
constexpr long double kNan = std::numeric_limits<long double>::quiet_NaN();
constexpr long double kPi = 3.141592653589793238462643383279502884L;

bool is_signed(DType d) { return dtype_info(d).kind == DTypeKind::Int; }
int width(DType d) { return static_cast<int>(8 * item_size(d)); }

__int128 saturate(DType d, long double x) {
  if (std::isnan(x)) return 0;
  const __int128 one = 1;
  const __int128 greatest = (one << (width(d) - is_signed(d))) - 1;
  const __int128 least = is_signed(d) ? -greatest - 1 : 0;
  if (x >= static_cast<long double>(greatest)) return greatest;
  return x <= static_cast<long double>(least) ? least : static_cast<__int128>(x);
}

__int128 integer_power(DType d, __int128 base, __int128 exponent) {
  if (exponent < 0) return base == 1 ? 1 : base == -1 ? (exponent % 2 == 0 ? 1 : -1) : 0;
  __int128 result = 1;
  for (; exponent > 0; exponent /= 2) {
    if (exponent % 2 == 1) result = wrap(d, result * base);
    base = wrap(d, base * base);
  }
  return result;
}

__int128 integer_result(uint16_t op, DType d, __int128 a, __int128 b) {
  switch (op) {
    case TENON_OP_ADD:
      return a + b;
    case TENON_OP_SUB:
      return a - b;
    case TENON_OP_MUL:
      return static_cast<__int128>(static_cast<unsigned __int128>(a) *
                                   static_cast<unsigned __int128>(b));
    case TENON_OP_DIV:
      return b == 0 ? 0 : a / b;
    case TENON_OP_REM:
      return b == 0 ? 0 : a % b;
    case TENON_OP_MIN:
      return std::min(a, b);
    case TENON_OP_MAX:
      return std::max(a, b);
    case TENON_OP_NEG:
      return -a;
    case TENON_OP_ABS:
      return a < 0 ? -a : a;
    case TENON_OP_AND:
      return a & b;
    case TENON_OP_OR:
      return a | b;
    case TENON_OP_XOR:
      return a ^ b;
    case TENON_OP_NOT:
      return d == DType::bool_ ? a == 0 : ~a;
    case TENON_OP_SHL:
      return b < 0 || b >= width(d) ? 0
                                    : static_cast<__int128>(static_cast<unsigned __int128>(a) << b);
    case TENON_OP_SHR:
      return b < 0 || b >= width(d) ? (a < 0 ? -1 : 0) : a >> b;
    case TENON_OP_POW:
      return integer_power(d, a, b);
    case TENON_OP_SIGN:
      return (a > 0) - (a < 0);
    case TENON_OP_MULHI:
      return static_cast<__int128>(
          static_cast<unsigned __int128>(a) * static_cast<unsigned __int128>(b) >> width(d));
    default:
      TENON_ASSERT(!"an opcode of integers");
  }
  return 0;
}

// + - * / and the square root of an f64 must not round twice, once to long double and once more.
template <class T>
bool rounded_once(uint16_t op, T a, T b, T c, long double* result) {
  switch (op) {
    case TENON_OP_ADD:
      *result = a + b;
      return true;
    case TENON_OP_SUB:
      *result = a - b;
      return true;
    case TENON_OP_MUL:
      *result = a * b;
      return true;
    case TENON_OP_DIV:
      *result = a / b;
      return true;
    case TENON_OP_SQRT:
      *result = std::sqrt(a);
      return true;
    case TENON_OP_FMA:
      *result = std::fma(a, b, c);
      return true;
    default:
      return false;
  }
}

long double log_gamma(long double x) {
  int sign = 0;
  return lgammal_r(x, &sign);  // lgamma itself writes a global
}

long double float_result(uint16_t op, long double a, long double b, long double c) {
  switch (op) {
    case TENON_OP_ADD:
      return a + b;
    case TENON_OP_SUB:
      return a - b;
    case TENON_OP_MUL:
      return a * b;
    case TENON_OP_DIV:
      return a / b;
    case TENON_OP_REM:
      return std::fmod(a, b);
    case TENON_OP_MIN:
      return std::isnan(a) ? a : std::isnan(b) ? b : std::min(a, b);
    case TENON_OP_MAX:
      return std::isnan(a) ? a : std::isnan(b) ? b : std::max(a, b);
    case TENON_OP_NEG:
      return -a;
    case TENON_OP_ABS:
      return std::fabs(a);
    case TENON_OP_FLOOR:
      return std::floor(a);
    case TENON_OP_CEIL:
      return std::ceil(a);
    case TENON_OP_TRUNC:
      return std::trunc(a);
    case TENON_OP_RINT:
      return std::rint(a);
    case TENON_OP_SQRT:
      return std::sqrt(a);
    case TENON_OP_EXP:
      return std::exp(a);
    case TENON_OP_LOG:
      return std::log(a);
    case TENON_OP_SIN:
      return std::sin(a);
    case TENON_OP_COS:
      return std::cos(a);
    case TENON_OP_TANH:
      return std::tanh(a);
    case TENON_OP_ERF:
      return std::erf(a);
    case TENON_OP_POW:
      return std::pow(a, b);
    case TENON_OP_FMA:
      return std::fma(a, b, c);
    case TENON_OP_RSQRT:
      return 1 / std::sqrt(a);
    case TENON_OP_RECIP:
      return 1 / a;
    case TENON_OP_EXP2:
      return std::exp2(a);
    case TENON_OP_EXPM1:
      return std::expm1(a);
    case TENON_OP_LOG2:
      return std::log2(a);
    case TENON_OP_LOG10:
      return std::log10(a);
    case TENON_OP_LOG1P:
      return std::log1p(a);
    case TENON_OP_TAN:
      return std::tan(a);
    case TENON_OP_ASIN:
      return std::asin(a);
    case TENON_OP_ACOS:
      return std::acos(a);
    case TENON_OP_ATAN:
      return std::atan(a);
    case TENON_OP_ATAN2:
      return std::atan2(a, b);
    case TENON_OP_SINH:
      return std::sinh(a);
    case TENON_OP_COSH:
      return std::cosh(a);
    case TENON_OP_ASINH:
      return std::asinh(a);
    case TENON_OP_ACOSH:
      return std::acosh(a);
    case TENON_OP_ATANH:
      return std::atanh(a);
    case TENON_OP_ERFC:
      return std::erfc(a);
    case TENON_OP_ERFINV:
      return erfinv_reference(a);
    case TENON_OP_LGAMMA:
      return log_gamma(a);
    case TENON_OP_DIGAMMA:
      return digamma_reference(a);
    case TENON_OP_COPYSIGN:
      return std::copysign(a, b);
    case TENON_OP_SIGN:
      return a > 0 ? 1 : a < 0 ? -1 : a;
    default:
      TENON_ASSERT(!"an opcode of floats");
  }
  return kNan;
}

bool compare(uint16_t op, const Element& a, const Element& b) {
  auto holds = [op](auto x, auto y) {
    return op == TENON_OP_EQ   ? x == y
           : op == TENON_OP_NE ? x != y
           : op == TENON_OP_LT ? x < y
                               : x <= y;
  };
  return is_floating(a.dtype) ? holds(a.real, b.real) : holds(a.integer, b.integer);
}

Element cast(DType to, const Element& x) {
  if (is_real(to)) return real(to, is_real(x.dtype) ? x.real : static_cast<long double>(x.integer));
  if (!is_real(x.dtype)) return integer(to, wrap(to, x.integer));
  return integer(to, to == DType::bool_ ? x.real != 0 : saturate(to, x.real));
}

Element compute(const TenonInstr& t, const Element& a, const Element& b, const Element& c,
                Rounding rounding) {
  const DType dtype = static_cast<DType>(t.dtype);
  switch (t.op) {
    case TENON_OP_CAST:
      return cast(dtype, a);
    case TENON_OP_BITCAST:
      return element_of(dtype, bits_of(a));
    case TENON_OP_SELECT:
      return a.integer != 0 ? b : c;
    case TENON_OP_EQ:
    case TENON_OP_NE:
    case TENON_OP_LT:
    case TENON_OP_LE:
      return integer(DType::bool_, compare(t.op, a, b));
    case TENON_OP_PHILOX:
      return integer(dtype, tenon_philox_word(static_cast<uint64_t>(a.integer),
                                              static_cast<uint64_t>(b.integer)));
    default:
      break;
  }
  if (!is_floating(dtype))
    return integer(dtype, wrap(dtype, integer_result(t.op, dtype, a.integer, b.integer)));
  if (rounding == Rounding::kToDType) {
    long double r = 0;
    const bool done =
        dtype == DType::float64
            ? rounded_once<double>(t.op, static_cast<double>(a.real), static_cast<double>(b.real),
                                   static_cast<double>(c.real), &r)
            : rounded_once<float>(t.op, static_cast<float>(a.real), static_cast<float>(b.real),
                                  static_cast<float>(c.real), &r);
    if (done) return real(dtype, r);
  }
  return real(dtype, float_result(t.op, a.real, b.real, c.real));
}

}  // namespace

std::vector<Element> evaluate_values(const Program& program, std::span<const Element> inputs,
                                     std::span<const Element> scalars, int64_t index,
                                     Rounding rounding) {
  std::vector<Element> values;
  for (const TenonInstr& t : program.code) {
    const DType dtype = static_cast<DType>(t.dtype);
    Element result;
    switch (t.op) {
      case TENON_OP_INPUT:
        result = inputs[t.imm];
        break;
      case TENON_OP_SCALAR:
        result = scalars[t.imm];
        break;
      case TENON_OP_CONST:
        result = element_of(dtype, t.imm);
        break;
      case TENON_OP_INDEX:
        result = integer(dtype, index);
        break;
      default: {
        const int arity = opcode_arity(t.op);
        const Element none;
        result = compute(t, values.at(t.a), arity > 1 ? values.at(t.b) : none,
                         arity > 2 ? values.at(t.c) : none, rounding);
      }
    }
    TENON_ASSERT(result.dtype == dtype);
    if (rounding == Rounding::kToDType && is_real(dtype)) {
      if (dtype != DType::float64 && t.op != TENON_OP_CAST)
        result.real = round_to(DType::float32, result.real);
      result.real = round_to(dtype, result.real);
    }
    values.push_back(result);
  }
  return values;
}

std::vector<Element> evaluate(const Program& program, std::span<const Element> inputs,
                              std::span<const Element> scalars, int64_t index, Rounding rounding) {
  const std::vector<Element> values = evaluate_values(program, inputs, scalars, index, rounding);
  std::vector<Element> outputs;
  for (uint32_t output : program.outputs) outputs.push_back(values[output]);
  return outputs;
}

// Newton's iteration on erf, or on erfc where erf is nearly 1, with Halley's correction (z'' = 2 z
// z'^2).
long double erfinv_reference(long double x) {
  const long double y = std::fabs(x);
  if (!(y < 1)) return y == 1 ? std::copysign(kInfinity, x) : kNan;
  if (y < 1e-12L) return x * std::sqrt(kPi) / 2;
  long double z = y < 0.5L ? y : std::sqrt(-std::log((1 - y) * std::sqrt(kPi)));
  for (int i = 0; i < 100; ++i) {
    const long double residual = y < 0.5L ? std::erf(z) - y : (1 - y) - std::erfc(z);
    const long double step = residual / (2 / std::sqrt(kPi) * std::exp(-z * z));
    z -= step / (1 + z * step);
    if (std::fabs(step) < 1e-18L * z) break;
  }
  return std::copysign(z, x);
}

// The recurrence psi(x) = psi(x + 1) - 1/x up to 20, then the asymptotic series (Abramowitz &
// Stegun 6.3.18); reflection (6.3.7) below 0.
long double digamma_reference(long double x) {
  if (x == 0) return std::copysign(kInfinity, -x);
  if (x < 0) {
    if (std::floor(x) == x) return kNan;
    return digamma_reference(1 - x) - kPi / std::tan(kPi * (x - std::rint(x)));
  }
  long double sum = 0;
  for (; x < 20; x += 1) sum -= 1 / x;
  const long double w = 1 / (x * x);
  const long double series =
      w * (1 / 12.0L -
           w * (1 / 120.0L -
                w * (1 / 252.0L -
                     w * (1 / 240.0L -
                          w * (1 / 132.0L -
                               w * (691 / 32760.0L - w * (1 / 12.0L - w * 3617 / 8160.0L)))))));
  return sum + std::log(x) - 0.5L / x - series;
}

}  // namespace tenon::map
