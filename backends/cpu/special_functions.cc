#include "backends/cpu/special_functions.h"

#include <math.h>

#include <limits>

namespace tenon_cpu {
namespace {

template <class... More>
double Poly(double x, double highest, More... more) {
  double r = highest;
  ((r = r * x + more), ...);
  return r;
}

// The quantile of the normal distribution at 1/2 + q, |q| < 1/2: M. J. Wichura, Algorithm AS 241
// (PPND16), 1988. `tail` is 1/2 - |q|, which the caller knows better than a subtraction here would.
double NormalQuantile(double q, double tail) {
  if (fabs(q) <= 0.425) {
    const double r = 0.180625 - q * q;
    return q *
           Poly(r, 2.5090809287301226727e+3, 3.3430575583588128105e+4, 6.7265770927008700853e+4,
                4.5921953931549871457e+4, 1.3731693765509461125e+4, 1.9715909503065514427e+3,
                1.3314166789178437745e+2, 3.3871328727963666080e0) /
           Poly(r, 5.2264952788528545610e+3, 2.8729085735721942674e+4, 3.9307895800092710610e+4,
                2.1213794301586595867e+4, 5.3941960214247511077e+3, 6.8718700749205790830e+2,
                4.2313330701600911252e+1, 1.0);
  }
  double r = sqrt(-log(tail));
  double x;
  if (r <= 5) {
    r -= 1.6;
    x = Poly(r, 7.74545014278341407640e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1,
             1.27045825245236838258e0, 3.64784832476320460504e0, 5.76949722146069140550e0,
             4.63033784615654529590e0, 1.42343711074968357734e0) /
        Poly(r, 1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2,
             1.48103976427480074590e-1, 6.89767334985100004550e-1, 1.67638483018380384940e0,
             2.05319162663775882187e0, 1.0);
  } else {
    r -= 5;
    x = Poly(r, 2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.24266094738807843860e-3,
             2.65321895265761230930e-2, 2.96560571828504891230e-1, 1.78482653991729133580e0,
             5.46378491116411436990e0, 6.65790464350110377720e0) /
        Poly(r, 2.04426310338993978564e-15, 1.42151175831644588870e-7, 1.84631831751005468180e-5,
             7.86869131145613259100e-4, 1.48753612908506148525e-2, 1.36929880922735805310e-1,
             5.99832206555887937690e-1, 1.0);
  }
  return q < 0 ? -x : x;
}

// The asymptotic series of psi for x >= 10.
long double DigammaSeries(long double x) {
  const long double w = 1 / (x * x);
  return logl(x) - 0.5L / x -
         w * (1 / 12.0L -
              w * (1 / 120.0L -
                   w * (1 / 252.0L -
                        w * (1 / 240.0L - w * (1 / 132.0L - w * (691 / 32760.0L - w / 12))))));
}

}  // namespace

double ErfInverse(double x) {
  const double t = fabs(x);
  if (!(t < 1))
    return t == 1 ? copysign(std::numeric_limits<double>::infinity(), x)
                  : std::numeric_limits<double>::quiet_NaN();
  if (t < 1e-100)
    return x * 0.88622692545275801365;  // sqrt(pi) / 2: the halving below would underflow
  return NormalQuantile(x * 0.5, (1 - t) * 0.5) * 0.70710678118654752440;
}

double LogGamma(double x) {
  int sign;
  return lgamma_r(x, &sign);
}

// Below 0 by reflection, in long double, since two large terms may nearly cancel. Above: the
// recurrence psi(x + 1) = psi(x) + 1/x, near the zero at 1.46 the rational function of Boost
// (digamma_imp_1_2, error 1.5e-18), else the asymptotic series.
double Digamma(double x) {
  if (x == 0) return -copysign(std::numeric_limits<double>::infinity(), x);
  if (x < 0) {
    if (floor(x) == x) return std::numeric_limits<double>::quiet_NaN();  // a pole, or -inf
    const long double pi = 3.14159265358979323846264338327950288L;
    const long double fraction = x - rint(x);  // exact
    const long double reflected = fabsl(fraction) == 0.5L ? 0.0L : pi / tanl(pi * fraction);
    long double sum = -reflected, z = 1 - static_cast<long double>(x);
    for (; z < 16; z += 1) sum -= 1 / z;
    return static_cast<double>(sum + DigammaSeries(z));
  }
  if (x >= 10) return static_cast<double>(DigammaSeries(static_cast<long double>(x)));
  double sum = 0;
  while (x > 2) {
    x -= 1;
    sum += 1 / x;
  }
  while (x < 1) {
    sum -= 1 / x;
    x += 1;
  }
  const double g =
      ((x - 1569415565.0 / 1073741824.0) - (381566830.0 / 1073741824.0) / 1073741824.0) -
      0.9016312093258695918615325266959189453125e-19;
  const double t = x - 1;
  const double r = Poly(t, -0.0020713321167745952, -0.045251321448739056, -0.28919126444774784,
                        -0.65031853770896507, -0.32555031186804491, 0.25479851061131551) /
                   Poly(t, -0.55789841321675513e-6, 0.0021284987017821144, 0.054151797245674225,
                        0.43593529692665969, 1.4606242909763515, 2.0767117023730469, 1.0);
  return sum + (g * 0.99558162689208984 + g * r);
}

}  // namespace tenon_cpu
