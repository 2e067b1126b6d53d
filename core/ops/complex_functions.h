// The functions of elementwise.def's rows for pairs of values, the two parts of a complex number.
// Inside ops; complex_form.h reads rows with them.
//
// Branch cuts, signed zeros and infinities are those of the Array API, which are C's (ISO C Annex
// G). Nothing overflows on the way to a result that does not, but for pow and a product's or
// quotient's parts. The formulas of the inverse functions are W. Kahan's, "Branch cuts for complex
// elementary functions, or much ado about nothing's sign bit" (1987).
#ifndef TENON_OPS_COMPLEX_FUNCTIONS_H_
#define TENON_OPS_COMPLEX_FUNCTIONS_H_

#include "tenon/ops/rows.h"

namespace tenon::complex_rows {

using map::Value;
using rows::infinity;
using rows::is_finite;
using rows::is_infinite;

struct Pair {
  Value re, im;
};
inline Value number(double x, Pair like) { return like.re.builder().constant(x, like.re.dtype()); }
inline Pair pair(double x, Pair like) { return {number(x, like), number(0, like)}; }

// --- arithmetic ---
inline Pair operator+(Pair a, Pair b) { return {a.re + b.re, a.im + b.im}; }
inline Pair operator+(double a, Pair b) { return {a + b.re, b.im}; }
inline Pair operator-(Pair a, Pair b) { return {a.re - b.re, a.im - b.im}; }
inline Pair operator-(Pair a) { return {-a.re, -a.im}; }
inline Pair operator*(Pair a, Pair b) {
  return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}
inline Pair operator*(Pair a, double b) { return {a.re * b, a.im * b}; }
// Smith (1962): scaled by the divisor's larger part, so that squares neither overflow nor vanish.
inline Pair operator/(Pair a, Pair b) {
  const Value flat = abs(b.re) < abs(b.im);  // the imaginary part is the larger
  const Value large = select(flat, b.im, b.re), small = select(flat, b.re, b.im);
  const Value zero = eq(large, 0.0) & eq(small, 0.0);
  const Value ratio = select(zero, 0.0, small / large);
  const Value scale = select(zero, abs(large), large + small * ratio);
  const Value re = select(flat, a.re * ratio + a.im, a.re + a.im * ratio);
  const Value im = select(flat, a.im * ratio - a.re, a.im - a.re * ratio);
  return {re / scale, im / scale};
}
inline Pair select(Value condition, Pair a, Pair b) {
  return {select(condition, a.re, b.re), select(condition, a.im, b.im)};
}
inline Pair recip(Pair a) { return pair(1, a) / a; }
inline Pair conj_of(Pair a) { return {a.re, -a.im}; }
inline Value abs(Pair a) { return rows::hypotenuse(a.re, a.im); }
inline Pair rint(Pair a) { return {rint(a.re), rint(a.im)}; }
inline Value eq(Pair a, Pair b) { return eq(a.re, b.re) & eq(a.im, b.im); }
inline Value ne(Pair a, Pair b) { return ne(a.re, b.re) | ne(a.im, b.im); }
inline Value is_infinite(Pair a) { return is_infinite(a.re) | is_infinite(a.im); }
inline Value is_finite(Pair a) { return is_finite(a.re) & is_finite(a.im); }
inline Pair sign_of(Pair a) {  // scaled first, so that the length does not overflow
  const Value largest = max(abs(a.re), abs(a.im)), zero = eq(largest, 0.0);
  const Pair scaled = {a.re / largest, a.im / largest};
  const Value length = abs(scaled);
  return {select(zero, 0.0, scaled.re / length), select(zero, 0.0, scaled.im / length)};
}

// i a and a / i: sin(a) is sinh(i a) / i, and so on.
inline Pair times_i(Pair a) { return {-a.im, a.re}; }
inline Pair over_i(Pair a) { return {a.im, -a.re}; }

// --- logarithms and roots ---
// log |a|. Where |a| is close to 1 through its square less 1.
inline Value log_abs(Pair a) {
  const Value x = abs(a.re), y = abs(a.im), large = max(x, y), small = min(x, y);
  const Value ratio = select(eq(large, 0.0), 0.0, small / large);
  const Value far = log(large) + log1p(ratio * ratio) * 0.5;
  const Value near = log1p(fma(large - 1.0, large + 1.0, small * small)) * 0.5;
  return select(is_infinite(a), infinity, select((large > 0.5) & (large < 2.0), near, far));
}
inline Pair log(Pair a) { return {log_abs(a), atan2(a.im, a.re)}; }
inline Pair log2(Pair a) { return log(a) * 1.4426950408889634; }
inline Pair log10(Pair a) { return log(a) * 0.43429448190325182; }
inline Pair log1p(Pair a) {
  const Value x = a.re, y = a.im;
  const Value near = log1p(fma(x, x + 2.0, y * y)) * 0.5;
  return {select(max(abs(x), abs(y)) < 0.5, near, log_abs(1.0 + a)), atan2(y, x + 1.0)};
}
inline Pair sqrt(Pair a) {
  // Scaled by a power of 4, its root afterwards.
  const Value is_small = max(abs(a.re), abs(a.im)) < 1.0;
  const Value scale = select(is_small, number(0x1p+26, a), number(0x1p-2, a)),
              back = select(is_small, number(0x1p-13, a), number(0x1p+1, a));
  const Value x = a.re * scale, y = a.im * scale;
  const Value root = sqrt((abs(x) + rows::hypotenuse(x, y)) * 0.5);
  const Value other = select(eq(root, 0.0), y, y / (root * 2.0));
  const Value left = x < 0.0;
  const Pair y_rules = {number(infinity, a), a.im};
  return select(
      is_infinite(a.im), y_rules,
      {select(left, abs(other), root) * back, select(left, copysign(root, y), other) * back});
}

// --- exponentials ---
// exp(x) * y, where exp(x) alone may overflow.
inline Value exp_times(Value x, Value y) {
  const Value half = exp(x * 0.5);
  return half * y * half;
}
// Where re is infinite it decides the size, also where im, the angle, is infinite or NaN.
inline Value exp_im(Pair a) {
  return select(eq(a.im, 0.0), a.im,
                select(eq(a.re, -infinity) & ~is_finite(a.im), 0.0, exp_times(a.re, sin(a.im))));
}
inline Value exp_re(Pair a, Value elsewhere, double at_minus_infinity) {
  const Value lost = ~is_finite(a.im);
  return select(lost & eq(a.re, infinity), infinity,
                select(lost & eq(a.re, -infinity), at_minus_infinity, elsewhere));
}
inline Pair exp(Pair a) { return {exp_re(a, exp_times(a.re, cos(a.im)), 0), exp_im(a)}; }
inline Pair expm1(Pair a) {
  const Value half = sin(a.im * 0.5);
  const Value near = expm1(a.re) * cos(a.im) - half * half * 2.0 + 0.0;  // 0 for both zeros
  // e^40 + 1 is e^40 in every dtype.
  const Value re =
      select(a.re > 40.0, exp_times(a.re, cos(a.im)), select(a.re < -40.0, -1.0, near));
  return {exp_re(a, select(is_finite(a.im), re, near), -1), exp_im(a)};
}
inline Pair pow(Pair a, Pair b) {
  const Pair zero = pair(0, a), one = pair(1, a);
  return select(eq(b, zero), one, select(eq(a, zero) & (b.re > 0.0), zero, exp(b * log(a))));
}

// --- hyperbolic and trigonometric functions ---
// sinh(x) y and cosh(x) y; far out both are e^|x| / 2.
inline Value sinh_times(Value x, Value y) {
  const Value half = exp(abs(x) * 0.5);
  return select(abs(x) < 20.0, sinh(x) * y, half * 0.5 * y * copysign(half, x));
}
inline Value cosh_times(Value x, Value y) {
  const Value half = exp(abs(x) * 0.5);
  return select(abs(x) < 20.0, cosh(x) * y, half * 0.5 * y * half);
}
inline Pair sinh(Pair a) {
  const Value x = a.re, y = a.im;
  const Value x_rules = (eq(x, 0.0) | is_infinite(x)) & ~is_finite(y);
  return {select(x_rules, x, sinh_times(x, cos(y))), select(eq(y, 0.0), y, cosh_times(x, sin(y)))};
}
inline Pair cosh(Pair a) {
  const Value x = a.re, y = a.im;
  const Value zero = copysign(0.0, x) * copysign(1.0, y);
  const Value x_rules = eq(y, 0.0) | (eq(x, 0.0) & ~is_finite(y));
  return {select(is_infinite(x) & ~is_finite(y), infinity, cosh_times(x, cos(y))),
          select(x_rules, zero, sinh_times(x, sin(y)))};
}
inline Pair tanh(Pair a) {
  const Value x = a.re, y = a.im;
  const Value t = tan(y), s = sinh(min(max(x, -20.0), 20.0)), slope = t * t + 1.0;
  const Value divisor = slope * s * s + 1.0;
  const Value far = abs(x) > 20.0, is_one = far & (is_finite(y) | is_infinite(x));
  const Value vanishing = sin(y) * cos(y) * 4.0 * exp(abs(x) * -2.0);
  const Value re = select(eq(x, 0.0), x, slope * sqrt(s * s + 1.0) * s / divisor);
  const Value im = select(eq(y, 0.0), y, t / divisor);
  return {select(is_one, copysign(1.0, x), re),
          select(is_infinite(x) & ~is_finite(y), 0.0, select(far, vanishing, im))};
}
inline Pair sin(Pair a) { return over_i(sinh(times_i(a))); }
inline Pair cos(Pair a) { return cosh(times_i(a)); }
inline Pair tan(Pair a) { return over_i(tanh(times_i(a))); }

// --- their inverses ---
inline constexpr double kPi = 3.14159265358979324, kLog2 = 0.69314718055994531;
// From here on 1 is nothing beside the square.
inline Value is_far(Pair a) { return (max(abs(a.re), abs(a.im)) > 0x1p30) | is_infinite(a); }
inline Pair acos(Pair a) {
  const Pair below = sqrt(Pair{1.0 - a.re, -a.im}), above = sqrt(1.0 + a);
  const Value re = select(eq(a.re, 0.0), kPi / 2, atan2(below.re, above.re) * 2.0);
  const Value im = asinh((conj_of(above) * below).im);
  const Value far = is_far(a);
  return {select(far, atan2(abs(a.im), a.re), re),
          select(far, -copysign(log_abs(a) + kLog2, a.im), im)};
}
inline Pair asin(Pair a) {
  const Pair below = sqrt(Pair{1.0 - a.re, -a.im}), above = sqrt(1.0 + a);
  const Value re = select(eq(a.re, 0.0), a.re, atan2(a.re, (below * above).re));
  const Value im = asinh((conj_of(below) * above).im);
  const Value far = is_far(a);
  return {select(far, atan2(a.re, abs(a.im)), re),
          select(far, copysign(log_abs(a) + kLog2, a.im), im)};
}
inline Pair atanh(Pair a) {
  const Value x = abs(a.re), y = a.im, rest = 1.0 - x;
  const Value re = select(eq(x, 0.0), x, log1p(x * 4.0 / (rest * rest + y * y)) * 0.25);
  const Value im = atan2(y * 2.0, rest * (x + 1.0) - y * y) * 0.5;
  // Far out 1 / a, and a quarter turn.
  const Value length = abs(a);
  const Value far_re = select(is_infinite(a), 0.0, x / length / length);
  const Value far_im = select(is_infinite(a), 0.0, abs(y) / length / length);
  const Value turned = select(ne(y, y), y, copysign(kPi / 2 - far_im, y));
  const Value far = is_far(a);
  return {copysign(select(far, far_re, re), a.re), select(far, turned, im)};
}
inline Pair asinh(Pair a) { return over_i(asin(times_i(a))); }
inline Pair acosh(Pair a) {
  const Pair angle = acos(a);
  return {abs(angle.im), copysign(angle.re, a.im)};
}
inline Pair atan(Pair a) { return over_i(atanh(times_i(a))); }

}  // namespace tenon::complex_rows

#endif  // TENON_OPS_COMPLEX_FUNCTIONS_H_
