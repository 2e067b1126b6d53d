// What each row of elementwise.def means, in long double and by libm: the judge of
// elementwise_test. It shares nothing with the table but the names.
#ifndef TENON_OPS_ELEMENTWISE_REFERENCE_H_
#define TENON_OPS_ELEMENTWISE_REFERENCE_H_

#include <cmath>
#include <functional>
#include <map>
#include <string>

namespace tenon {

using Reference = std::function<long double(long double, long double, long double)>;

namespace reference {

using R = long double;
inline R sigmoid(R x) { return 1 / (1 + std::exp(-x)); }
inline R softplus(R x) { return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x)); }
inline R hard_sigmoid(R x) { return x <= -3 ? 0 : x >= 3 ? 1 : (x + 3) / 6; }
inline R relu(R x) { return x > 0 ? x : 0; }
// By bisection on libm's erf and erfc.
inline R erfinv(R y) {
  if (y < 0) return -erfinv(-y);
  R low = 0, high = 8;
  for (int i = 0; i < 90; ++i) {
    const R middle = (low + high) / 2;
    ((y < 0.5L ? std::erf(middle) < y : std::erfc(middle) > 1 - y) ? low : high) = middle;
  }
  return (low + high) / 2;
}
inline bool truth(R x) { return x != 0; }
inline long long whole(R x) { return static_cast<long long>(x); }

}  // namespace reference

inline const std::map<std::string, Reference>& elementwise_references() {
  using R = long double;
  using namespace reference;  // NOLINT(google-build-using-namespace): what the table names
#define TENON_REF(name, expression)                                             \
  {                                                                             \
#name, [](R x, R y, R z) -> R { (void)x; (void)y; (void)z; return expression; } \
  }
  static const auto* table = new std::map<std::string, Reference>{
      TENON_REF(add, x + y),
      TENON_REF(subtract, x - y),
      TENON_REF(multiply, x * y),
      TENON_REF(divide, x / y),
      TENON_REF(floor_divide, std::floor(x / y)),
      TENON_REF(remainder, x - std::floor(x / y) * y),
      TENON_REF(pow, std::pow(x, y)),
      TENON_REF(maximum, std::fmax(x, y)),
      TENON_REF(minimum, std::fmin(x, y)),
      TENON_REF(atan2, std::atan2(x, y)),
      TENON_REF(hypot, std::hypot(x, y)),
      TENON_REF(logaddexp, std::log(std::exp(x) + std::exp(y))),
      TENON_REF(copysign, std::copysign(x, y)),
      TENON_REF(abs, std::abs(x)),
      TENON_REF(negative, -x),
      TENON_REF(positive, x),
      TENON_REF(square, x * x),
      TENON_REF(reciprocal, 1 / x),
      TENON_REF(sign, static_cast<R>((x > 0) - (x < 0))),
      TENON_REF(sqrt, std::sqrt(x)),
      TENON_REF(rsqrt, 1 / std::sqrt(x)),
      TENON_REF(floor, std::floor(x)),
      TENON_REF(ceil, std::ceil(x)),
      TENON_REF(trunc, std::trunc(x)),
      TENON_REF(round, std::nearbyint(x)),
      TENON_REF(exp, std::exp(x)),
      TENON_REF(exp2, std::exp2(x)),
      TENON_REF(expm1, std::expm1(x)),
      TENON_REF(log, std::log(x)),
      TENON_REF(log2, std::log2(x)),
      TENON_REF(log10, std::log10(x)),
      TENON_REF(log1p, std::log1p(x)),
      TENON_REF(sin, std::sin(x)),
      TENON_REF(cos, std::cos(x)),
      TENON_REF(tan, std::tan(x)),
      TENON_REF(asin, std::asin(x)),
      TENON_REF(acos, std::acos(x)),
      TENON_REF(atan, std::atan(x)),
      TENON_REF(sinh, std::sinh(x)),
      TENON_REF(cosh, std::cosh(x)),
      TENON_REF(tanh, std::tanh(x)),
      TENON_REF(asinh, std::asinh(x)),
      TENON_REF(acosh, std::acosh(x)),
      TENON_REF(atanh, std::atanh(x)),
      TENON_REF(erf, std::erf(x)),
      TENON_REF(erfc, std::erfc(x)),
      TENON_REF(erfinv, erfinv(x)),
      TENON_REF(sigmoid, sigmoid(x)),
      TENON_REF(relu, relu(x)),
      TENON_REF(silu, x * sigmoid(x)),
      TENON_REF(softplus, softplus(x)),
      TENON_REF(mish, x * std::tanh(softplus(x))),
      TENON_REF(gelu, x * std::erfc(-x / std::sqrt(2.0L)) / 2),
      TENON_REF(
          gelu_tanh,
          x / 2 * (1 + std::tanh(std::sqrt(2 / std::acos(-1.0L)) * (x + 0.044715L * x * x * x)))),
      TENON_REF(elu, x < 0 ? std::expm1(x) : x),
      TENON_REF(selu, 1.0507009873554804934193349852946L *
                          (x < 0 ? 1.6732632423543772848170429916717L * std::expm1(x) : x)),
      TENON_REF(hard_sigmoid, hard_sigmoid(x)),
      TENON_REF(hard_swish, x * hard_sigmoid(x)),
      TENON_REF(log_sigmoid, -softplus(-x)),
      TENON_REF(leaky_relu, x > 0 ? x : x * y),
      TENON_REF(clip, std::fmin(std::fmax(x, y), z)),
      TENON_REF(lerp, x + z * (y - x)),
      TENON_REF(addcmul, x + y * z),
      TENON_REF(equal, x == y),
      TENON_REF(not_equal, x != y),
      TENON_REF(less, x < y),
      TENON_REF(less_equal, x <= y),
      TENON_REF(greater, x > y),
      TENON_REF(greater_equal, x >= y),
      TENON_REF(signbit, std::signbit(x)),
      TENON_REF(isnan, std::isnan(x)),
      TENON_REF(conj, x),
      TENON_REF(isinf, std::isinf(x)),
      TENON_REF(isfinite, std::isfinite(x)),
      TENON_REF(logical_and, truth(x) && truth(y)),
      TENON_REF(logical_or, truth(x) || truth(y)),
      TENON_REF(logical_xor, truth(x) != truth(y)),
      TENON_REF(logical_not, !truth(x)),
      TENON_REF(bitwise_and, whole(x) & whole(y)),
      TENON_REF(bitwise_or, whole(x) | whole(y)),
      TENON_REF(bitwise_xor, whole(x) ^ whole(y)),
      TENON_REF(bitwise_invert, ~whole(x)),
      TENON_REF(bitwise_left_shift, whole(x) << whole(y)),
      TENON_REF(bitwise_right_shift, whole(x) >> whole(y)),
  };
#undef TENON_REF
  return *table;
}

}  // namespace tenon

#endif  // TENON_OPS_ELEMENTWISE_REFERENCE_H_
