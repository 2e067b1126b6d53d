// For tests: the special functions that C has none of, in long double.
#ifndef TENON_BACKENDS_CPU_TEST_SPECIAL_FUNCTIONS_H_
#define TENON_BACKENDS_CPU_TEST_SPECIAL_FUNCTIONS_H_

#include <cmath>
#include <limits>

#include "tenon/abi/tenon_kit_evaluate.h"

namespace tenon_cpu {

using Real = long double;

inline Real ErfInverseReference(Real x) {
  if (!(std::fabs(x) < 1) || x == 0)
    return x == 0              ? x
           : std::fabs(x) == 1 ? std::copysign(std::numeric_limits<Real>::infinity(), x)
                               : std::nanl("");
  Real z = std::fabs(static_cast<Real>(tenon_erfinv(static_cast<double>(x))));
  const Real y = std::fabs(x);
  for (int i = 0; i < 3; ++i) {
    const Real residual = y < 0.5L ? erfl(z) - y : (1 - y) - erfcl(z);
    const Real step = residual / (2 / sqrtl(M_PIl) * expl(-z * z));
    z -= step / (1 + z * step);
  }
  return std::copysign(z, x);
}

// Near its zero psi is a sum of what nearly cancels, and what is left depends on the processor's
// logl. As a difference from the zero all terms have one sign:
//   psi(x) = sum over k >= 0 of (x - x0) / ((k + x) (k + x0)), from 40 on by the asymptotic series.
inline Real DigammaNearZero(Real x) {
  // x0 = 1.46163214496836234126265954232572... in two parts, the first exact.
  const Real x0 = 0xbb16c31ab5f1fb70p-63L, beyond = 9.0163120932586959e-20L;
  const Real step = (x - x0) - beyond;
  Real sum = 0;
  for (int k = 39; k >= 0; --k) sum += 1 / ((k + x) * (k + x0));
  // log y - 1/2y - w/12 + w^2/120 - w^3/252 + w^4/240 with w = 1/y^2, less the same of y0.
  const Real y = 40 + x, y0 = 40 + x0, w = 1 / (y * y), w0 = 1 / (y0 * y0);
  const Real d = -step * (y + y0) * w * w0;  // w - w0
  const Real tail = log1pl(step / y0) + step / (2 * y * y0) -
                    d * (1 / 12.0L - (w + w0) / 120 + (w * w + w * w0 + w0 * w0) / 252 -
                         (w + w0) * (w * w + w0 * w0) / 240);
  return step * sum + tail;
}

inline Real DigammaReference(Real x) {
  if (x > 1 && x < 2) return DigammaNearZero(x);
  if (x == 0) return -std::copysign(std::numeric_limits<Real>::infinity(), x);
  if (x < 0 && floorl(x) == x) return std::nanl("");
  const Real fraction = x - rintl(x);
  Real sum = 0, z = x;
  if (x < 0) {
    sum = fabsl(fraction) == 0.5L ? 0 : -M_PIl / tanl(M_PIl * fraction);
    z = 1 - x;
  }
  for (; z < 40; z += 1) sum -= 1 / z;
  const Real w = 1 / (z * z);
  return sum +
         (logl(z) - 1 / (2 * z) -
          w * (1 / 12.0L - w * (1 / 120.0L - w * (1 / 252.0L - w * (1 / 240.0L - w / 132.0L)))));
}

}  // namespace tenon_cpu
#endif  // TENON_BACKENDS_CPU_TEST_SPECIAL_FUNCTIONS_H_
