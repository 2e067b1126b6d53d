#include "tenon/map/decompose.h"

#include <cmath>
#include <limits>

#include "tenon/map/approximations.h"
#include "tenon/map/builder.h"

namespace tenon::map {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr long double kPi = 3.141592653589793238462643383279502884L;
constexpr long double kLn2 = 0.693147180559945309417232121458176568L;

// A constant in two pieces of the dtype: hi + lo is nearer to it than one rounding.
struct Pieces {
  double hi, lo;
};
Pieces pieces(long double c, DType d) {
  const double hi =
      d == DType::float32 ? static_cast<double>(static_cast<float>(c)) : static_cast<double>(c);
  return {hi, static_cast<double>(c - hi)};
}

// c + x, where c is a constant of more digits than the dtype has.
Value plus(long double c, Value x) {
  const Pieces p = pieces(c, x.dtype());
  return p.hi + (p.lo + x);
}

// The result of an odd function at x, given its result at |x|; zeros keep their sign.
Value odd(Value x, Value of_magnitude) {
  return select(x < 0, -of_magnitude, select(0 < x, of_magnitude, x));
}

DType integer_of(DType d) { return d == DType::float32 ? DType::int32 : DType::int64; }
Value least_integer(Builder& b, DType d) {
  return d == DType::int32 ? b.constant_bits(0x80000000u, d)
                           : b.constant_bits(uint64_t{1} << 63, d);
}

Value sign_of(Value x) {
  const DType d = x.dtype();
  const Value zero_or_nan = is_floating(d) ? x : x.builder().constant(0, d);
  const Value one = x.builder().constant(1, d);
  const Value rest =
      dtype_info(d).kind == DTypeKind::UInt ? zero_or_nan : select(x < 0, -one, zero_or_nan);
  return select(0 < x, one, rest);
}

Value copysign_bits(Value x, Value s) {
  const DType integer = integer_of(x.dtype());
  const Value mask = least_integer(x.builder(), integer);
  return bitcast((bitcast(x, integer) & ~mask) | (bitcast(s, integer) & mask), x.dtype());
}

// High half of a product: in twice the width, or by schoolbook multiplication of 32-bit halves.
Value mulhi_of(Value a, Value b) {
  if (a.dtype() == DType::uint32) {
    return cast((cast(a, DType::uint64) * cast(b, DType::uint64)) >> 32, DType::uint32);
  }
  const double low_half = 4294967295.0;
  const Value a0 = a & low_half, a1 = a >> 32, b0 = b & low_half, b1 = b >> 32;
  const Value middle =
      a1 * b0 + ((a0 * b0) >> 32);  // at most (2^32 - 1)^2 + 2^32 - 1: no carry is lost
  const Value middle2 = a0 * b1 + (middle & low_half);
  return a1 * b1 + (middle >> 32) + (middle2 >> 32);
}

// x = n + f with |f| <= 1/2; 2^n in two factors, so that results may overflow and underflow
// gradually.
Value exp2_of(Value x) {
  const DType d = x.dtype(), integer = integer_of(d);
  const double bound = d == DType::float32 ? 160 : 1100, bias = d == DType::float32 ? 127 : 1023;
  const double digits = d == DType::float32 ? 23 : 52;
  x = min(max(x, -bound), bound);
  const Value n = rint(x);
  const Value whole = cast(n, integer), half = whole >> 1;
  auto power = [&](Value k) { return bitcast((k + bias) << digits, d); };
  return exp((x - n) * static_cast<double>(kLn2)) * power(half) * power(whole - half);
}

// Up to 1 by (e^x - 1) = 2 t / (1 - t), t = tanh(x / 2), where nothing cancels.
Value expm1_of(Value x) {
  const Value t = tanh(x * 0.5);
  return select(1 < x, exp(x) - 1, (t + t) / (1 - t));
}

// log(x) times a constant. Its high piece is rounded toward zero, so that infinity meets two
// positive factors.
Value log_times(Value x, long double factor) {
  double hi = pieces(factor, x.dtype()).hi;
  if (hi > factor)
    hi = x.dtype() == DType::float32 ? std::nextafter(static_cast<float>(hi), 0.0f)
                                     : std::nextafter(hi, 0);
  const Value l = log(x), high = x.builder().constant(hi, x.dtype());
  return fma(l, high, l * static_cast<double>(factor - hi));
}

// W. Kahan's: log(1 + x) is log(u) x / (u - 1) where u is 1 + x as rounded. (D. Goldberg, "What
// every computer scientist should know about floating-point arithmetic", theorem 4.)
Value log1p_of(Value x) {
  const Value u = 1 + x, d = u - 1, l = log(u);
  return select(eq(u, 1), x, select(eq(d, x), l, l * (x / d)));
}

// For 0 <= t <= 1. Above tan(pi/8): atan(t) = pi/4 + atan((t - 1) / (t + 1)).
Value atan_unit(Value t) {
  const Value big = 0.41421356237309503 < t;
  const Value r = select(big, (t - 1) / (t + 1), t), z = r * r;
  const Value y = fma(r * z, horner(z, kAtan32, kAtan64), r);
  return select(big, plus(kPi / 4, y), y);
}

Value atan_of(Value x) {
  const Value a = abs(x), inverse = 1 < a;
  const Value y = atan_unit(select(inverse, 1 / a, a));
  return odd(x, select(inverse, plus(kPi / 2, -y), y));
}

Value atan2_of(Value y, Value x) {
  const Value a = abs(x), b = abs(y), steep = a < b;
  const Value least = min(a, b), most = max(a, b);
  // 0 / 0 counts as 0, inf / inf as 1.
  const Value ratio = select(eq(most, 0), least, select(eq(least, kInfinity), 1, least / most));
  const Value first = atan_unit(ratio);
  const Value quadrant = select(steep, plus(kPi / 2, -first), first);
  const Value left = bitcast(x, integer_of(x.dtype())) < 0;  // -0 too
  return copysign_bits(select(left, plus(kPi, -quadrant), quadrant), y);
}

// e^a / 2 for a >= 0 without early overflow.
Value half_exp(Value a) {
  const Value h = exp(a * 0.5);
  return h * 0.5 * h;
}

Value cosh_of(Value x) {
  const Value h = half_exp(abs(x));
  return h + 0.25 / h;
}

// Below 1 by sinh(x) = 2 t / (1 - t^2), t = tanh(x / 2).
Value sinh_of(Value x) {
  const Value a = abs(x), h = half_exp(a), t = tanh(x * 0.5);
  const Value large = h - 0.25 / h;
  return select(a < 1, (t + t) / ((1 - t) * (1 + t)), select(x < 0, -large, large));
}

class Rewriter {
 public:
  explicit Rewriter(const uint64_t* available) : available_(available) {}

  bool available(uint16_t op) const { return available_[op / 64] >> op % 64 & 1; }

  Value apply(uint16_t op, DType dtype, Value a, Value b = {}, Value c = {}) {
    Builder& builder = a.builder();
    if (opcode_required(op) || available(op)) return builder.emit(op, dtype, a, b, c);
    if (op == TENON_OP_SIGN) return sign_of(a);
    if (op == TENON_OP_MULHI) return mulhi_of(a, b);
    if (op == TENON_OP_RECIP) return 1 / a;
    const DType wide = compute_dtype(dtype);
    const bool binary = opcode_arity(op) == 2;
    return cast(rewrite(op, cast(a, wide), binary ? cast(b, wide) : b), dtype);
  }

 private:
  Value again(uint16_t op, Value a) { return apply(op, a.dtype(), a); }
  Value log1p_any(Value x) { return again(TENON_OP_LOG1P, x); }

  // In float32 or float64.
  Value rewrite(uint16_t op, Value x, Value y) {
    switch (op) {
      case TENON_OP_RSQRT:
        return 1 / sqrt(x);
      case TENON_OP_EXP2:
        return exp2_of(x);
      case TENON_OP_EXPM1:
        return expm1_of(x);
      case TENON_OP_LOG2:
        return log_times(x, 1.442695040888963407359924681001892137L);
      case TENON_OP_LOG10:
        return log_times(x, 0.434294481903251827651128918916605082L);
      case TENON_OP_LOG1P:
        return log1p_of(x);
      case TENON_OP_TAN:
        return sin(x) / cos(x);
      case TENON_OP_ASIN:
        return again(TENON_OP_ATAN, x / sqrt((1 - x) * (1 + x)));
      case TENON_OP_ACOS:
        return 2 * again(TENON_OP_ATAN, sqrt((1 - x) / (1 + x)));
      case TENON_OP_ATAN:
        return atan_of(x);
      case TENON_OP_ATAN2:
        return atan2_of(x, y);
      case TENON_OP_SINH:
        return sinh_of(x);
      case TENON_OP_COSH:
        return cosh_of(x);
      case TENON_OP_ASINH:
        return asinh_of(x);
      case TENON_OP_ACOSH:
        return acosh_of(x);
      case TENON_OP_ATANH:
        return odd(x, 0.5 * log1p_any(2 * abs(x) / (1 - abs(x))));
      case TENON_OP_ERFC:
        return erfc_of(x);
      case TENON_OP_ERFINV:
        return erfinv_of(x);
      case TENON_OP_LGAMMA:
        return lgamma_of(x);
      case TENON_OP_DIGAMMA:
        return digamma_of(x);
      default:
        return copysign_bits(x, y);
    }
  }

  // Beyond 1e9 the square would overflow, and 1 is nothing beside it.
  Value asinh_of(Value x) {
    const Value a = abs(x), square = a * a;
    const Value near = log1p_any(a + square / (1 + sqrt(square + 1)));
    return odd(x, select(a < 1e9, near, plus(kLn2, log(a))));
  }

  Value acosh_of(Value x) {
    const Value t = x - 1;
    const Value far = plus(kLn2, log(x));
    return select(x < 1, std::nan(""), select(x < 1e9, log1p_any(t + sqrt(t * (t + 2))), far));
  }

  // exp(-x^2) needs x^2 to more digits than the dtype has: fma gives what rounding took.
  Value erfc_of(Value x) {
    const Value a = abs(x),
                c = min(a, x.dtype() == DType::float32 ? 11 : 28);  // from there on it is 0
    const Value square = c * c, rest = fma(c, c, -square);
    const Value scaled = horner((c - 3) / (c + 3), kErfc32, kErfc64) / (1 + 2 * c);
    const Value rough = exp(-square) * scaled, y = fma(-rest, rough, rough);
    return select(0.5 < a, select(x < 0, 2 - y, y), 1 - erf(x));
  }

  // M. Giles's form; in float64 it is a start, which the first three terms of the Taylor series of
  // erfinv improve (its derivatives: z'' = 2 z z'^2, z''' = (2 + 8 z^2) z'^3).
  Value erfinv_of(Value x) {
    const Value a = abs(x), w = -log((1 - a) * (1 + a));
    const Value shape = select(w < 5, horner(w - 2.5, kErfinvCentre),
                               horner(sqrt(w) - 3, kErfinvTail32, kErfinvTail64));
    Value z = a * shape;
    if (x.dtype() == DType::float64) {
      const Value missing = select(a < 0.5, a - erf(z), again(TENON_OP_ERFC, z) - (1 - a));
      const Value step = missing * exp(z * z) * static_cast<double>(std::sqrt(kPi) / 2);
      z = z + step * (1 + step * (z + step * (1 + 4 * (z * z)) * (1.0 / 3)));
    }
    return odd(x, select(eq(a, 1), kInfinity, z));
  }

  // By the recurrence to [1.5, 2.5], where the zero at 2 is a factor of the approximation; from 3.5
  // on Stirling's formula with Binet's function; below 0 reflection (Abramowitz &
  // Stegun 6.1.17, 6.1.41).
  Value lgamma_of(Value x) {
    const double tiny = x.dtype() == DType::float32 ? 1e-9 : 1e-18;
    const Value a = abs(x), k = floor(a + 0.5), u = a - k;
    const Value argument = select(k < 1, a * (a + 1), select(eq(k, 3), a - 1, a));
    const Value l = log(argument);
    const Value one = x.builder().constant(1, x.dtype());
    const Value times = select(k < 2, -one, select(k < 3, 0, one));
    const Value near = fma(times, l, u * horner(u, kLgamma32, kLgamma64));
    const Value binet = horner(1 / (a * a), kBinet32, kBinet64) / a;
    const Value far =
        (a - 0.5) * (l - 1) + (0.41893853320467274178 + binet);  // log(2 pi) / 2 - 1 / 2
    const Value positive = select(k < 4, near, far);

    const Value sine = sin(abs(a - rint(a)) * static_cast<double>(kPi));
    const Value reflected = log(static_cast<double>(kPi) / (a * sine)) - positive;
    const Value negative =
        select(eq(a, floor(a)), kInfinity, select(a < tiny, positive, reflected));
    return select(x < 0, negative, positive);
  }

  // Likewise: to [1, 2], with the root as a factor; the asymptotic series from 3 on; reflection
  // (A&S 6.3.5, 6.3.18, 6.3.7).
  Value digamma_of(Value x) {
    const Value y = select(x < 0, 1 - x, x);
    const Value below = y < 1, inside = y < 2;
    const Value w = select(below, y + 1, select(inside, y, y - 1));
    const auto& root = x.dtype() == DType::float32 ? kDigammaRoot32 : kDigammaRoot64;
    const Value smooth = (w - root[0] - root[1]) * horner(w - 1.5, kDigamma32, kDigamma64);
    const Value pole = 1 / select(below, -y, y - 1);
    const Value near = select(below, smooth + pole, select(inside, smooth, smooth + pole));
    const Value square = 1 / (y * y);
    const Value far = log(y) - (0.5 / y + square * horner(square, kDigammaTail32, kDigammaTail64));
    const Value positive = select(y < 3, near, far);

    const Value angle = (x - rint(x)) * static_cast<double>(kPi);
    const Value reflected = positive - static_cast<double>(kPi) * cos(angle) / sin(angle);
    return select(x < 0, select(eq(x, floor(x)), std::nan(""), reflected), positive);
  }

  const uint64_t* available_;
};

}  // namespace

bool decompose(const Program& program, const uint64_t available[4], Program* result) {
  Builder b;
  Rewriter rewriter(available);
  std::vector<Value> inputs, scalars, values;
  for (DType d : program.inputs) inputs.push_back(b.input(d));
  for (DType d : program.scalars) scalars.push_back(b.scalar(d));
  for (const TenonInstr& t : program.code) {
    const DType dtype = static_cast<DType>(t.dtype);
    const int arity = opcode_arity(t.op);
    switch (t.op) {
      case TENON_OP_INPUT:
        values.push_back(inputs[t.imm]);
        break;
      case TENON_OP_SCALAR:
        values.push_back(scalars[t.imm]);
        break;
      case TENON_OP_CONST:
        values.push_back(b.constant_bits(t.imm, dtype));
        break;
      case TENON_OP_INDEX:
        values.push_back(b.index());
        break;
      default:
        values.push_back(rewriter.apply(t.op, dtype, values[t.a], arity > 1 ? values[t.b] : Value(),
                                        arity > 2 ? values[t.c] : Value()));
    }
  }
  std::vector<Value> outputs;
  for (uint32_t output : program.outputs) outputs.push_back(values[output]);
  Program rewritten = b.finish(outputs);
  for (const TenonInstr& t : rewritten.code) {
    if (!rewriter.available(t.op)) return false;
  }
  *result = std::move(rewritten);
  return true;
}

}  // namespace tenon::map
