// Standard normal random numbers that are the same bits on every device.
//
//   Builder b;
//   Program p = b.finish({normal_from_bits(philox(counter, key))});   // uint32 -> float32
//
// The inverse of the normal distribution's function, made of opcodes only whose results are exact
// by definition
// (+ - * / FMA SQRT, integer operations, casts, selects). LOG is not one of them, so the logarithm
// is taken by hand. Form: M. Wichura, "Algorithm AS 241: the percentage points of the normal
// distribution", Applied Statistics 37 (1988); coefficients in approximations.h.
#ifndef TENON_MAP_NORMAL_H_
#define TENON_MAP_NORMAL_H_

#include "tenon/map/builder.h"

namespace tenon::map {

// uint32 -> float32 or uint64 -> float64. The upper n = 24 or 53 bits k choose u = (k + 1/2) / 2^n,
// never 0 or 1, and the result is normal_quantile(u - 1/2): |z| <= 5.42 or 8.29, exactly symmetric.
Value normal_from_bits(Value bits);

// The z below which the standard normal distribution has the share 1/2 + q; float32 or float64. The
// argument is u - 1/2, not u, since numbers near 1 cannot be told apart as finely as the tail
// needs. For |q| <= 1/2 - 2^-25 (float32) or 1/2 - 2^-54 (float64); relative error below 4e-7 or
// 2e-15. Other arguments give nothing of use.
Value normal_quantile(Value q);

}  // namespace tenon::map

#endif  // TENON_MAP_NORMAL_H_
