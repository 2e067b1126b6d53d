/* tenon_kit_special.h -- special functions that C lacks, or has with a global variable behind them,
 * in double.
 *
 * Within a few units of the last place where the function is not near a zero, and absolutely to
 * about 1e-16 there. Pure; safe from any thread. C99 and C++17; link with -lm. */
#ifndef TENON_KIT_SPECIAL_H_
#define TENON_KIT_SPECIAL_H_

#include <math.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Winitzki's approximation (2008), then Halley's iteration on erf, or on erfc where erf is
 * nearly 1. */
static inline double tenon_erfinv(double x) {
  const double y = fabs(x), pi = 3.14159265358979323846, a = 0.147;
  double z;
  int i;
  if (!(y < 1)) return y == 1 ? copysign(HUGE_VAL, x) : (double)NAN;
  if (y < 0.1) {
    z = y * sqrt(pi) / 2;
  } else {
    const double l = log((1 - y) * (1 + y)), t = 2 / (pi * a) + l / 2;
    z = sqrt(sqrt(t * t - l / a) - t);
  }
  for (i = 0; i < 3; ++i) {
    const double residual = y < 0.5 ? erf(z) - y : (1 - y) - erfc(z);
    const double step = residual / (2 / sqrt(pi) * exp(-z * z));
    z -= step / (1 + z * step);
  }
  return copysign(z, x);
}

/* ln |gamma|. C's lgamma writes the global signgam, a data race. In long double, since the
 * logarithm of a value near 1 (x near 1 and 2, and the zeros below -2) would lose digits. */
static inline double tenon_lgamma(double x) {
  const long double pi = 3.14159265358979323846264338327950288L;
  long double z, series;
  if (x != x || isinf(x)) return x * x; /* NaN, or +inf at both ends */
  if (x <= 0 && floor(x) == x) return HUGE_VAL;
  if (fabs(x) < 1000) return (double)logl(fabsl(tgammal(x)));
  z = fabsl((long double)x); /* Stirling's series; by reflection below 0 */
  series = (z - 0.5L) * logl(z) - z + 0.5L * logl(2 * pi) + 1 / (12 * z) - 1 / (360 * z * z * z);
  if (x > 0) return (double)series;
  return (double)(logl(pi / (z * fabsl(sinl(pi * fmodl(z, 2))))) - series);
}

/* The recurrence psi(x) = psi(x+1) - 1/x up to 16, then the asymptotic series; reflection below 0.
 */
static inline double tenon_digamma(double x) {
  const long double pi = 3.14159265358979323846264338327950288L;
  long double sum = 0, z = x, w;
  if (x == 0) return -copysign(HUGE_VAL, x);
  if (x < 0) {
    if (floor(x) == x) return (double)NAN; /* also -inf: a pole, or a limit that does not exist */
    sum = -pi / tanl(pi * fmodl(z, 1));
    z = 1 - z;
  }
  for (; z < 16; z += 1) sum -= 1 / z;
  w = 1 / (z * z);
  return (double)(sum + logl(z) - 1 / (2 * z) -
                  w * (1 / 12.0L -
                       w * (1 / 120.0L -
                            w * (1 / 252.0L -
                                 w * (1 / 240.0L - w * (1 / 132.0L - w * 691 / 32760.0L))))));
}

#ifdef __cplusplus
} /* extern "C" */
#endif
#endif /* TENON_KIT_SPECIAL_H_ */
