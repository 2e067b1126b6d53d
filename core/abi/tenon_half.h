/* tenon_half.h -- f16 (IEEE 754 binary16) and bf16 (the upper half of binary32) as bit patterns.
 *
 *   float x = tenon_f16_to_f32(0x3c00);     // 1.0f
 *   uint16_t h = tenon_f32_to_bf16(x);      // 0x3f80
 *
 * Widening is exact. Narrowing rounds once, to nearest even, from whatever the source is; what is
 * too large becomes infinity, subnormals are kept. A NaN stays a NaN with its sign and upper
 * payload, and is quiet. Everything is a chain of selects, so that loops over these functions are
 * vectorised; they hold in the default rounding mode and do not care whether the processor flushes
 * subnormal floats to zero (bf16 shares the exponent of f32, so there a flushed result was
 * subnormal already). C99 and C++17. */
#ifndef TENON_HALF_H_
#define TENON_HALF_H_

#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

static inline uint32_t tenon_f32_bits(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

static inline float tenon_f32_from_bits(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

static inline float tenon_f16_to_f32(uint16_t h) {
  const uint32_t sign = (uint32_t)(h & 0x8000u) << 16;
  const uint32_t magnitude = h & 0x7fffu;
  const uint32_t normal = (magnitude << 13) + (112u << 23); /* rebias the exponent: 127 - 15 */
  const uint32_t special = normal + (112u << 23) + (magnitude > 0x7c00u ? 0x400000u & ~normal : 0u);
  const uint32_t subnormal =
      tenon_f32_bits((float)(int32_t)magnitude * (1.0f / 16777216.0f)); /* 2^-24 */
  const uint32_t bits = magnitude < 0x0400u ? subnormal : magnitude < 0x7c00u ? normal : special;
  return tenon_f32_from_bits(sign | bits);
}

static inline uint16_t tenon_f32_to_f16(float x) {
  const uint32_t bits = tenon_f32_bits(x);
  const uint32_t sign = (bits >> 16) & 0x8000u;
  const uint32_t magnitude = bits & 0x7fffffffu;
  /* Half an ulp less one, plus the last kept bit: ties go to even. A carry may reach infinity,
   * rightly. */
  const uint32_t normal = (magnitude - (112u << 23) + 0xfffu + ((magnitude >> 13) & 1u)) >> 13;
  /* The ulp of 0.5f is the least subnormal of f16, so this addition rounds at the right bit. */
  const uint32_t subnormal = tenon_f32_bits(tenon_f32_from_bits(magnitude) + 0.5f) - 0x3f000000u;
  const uint32_t special =
      magnitude > 0x7f800000u ? 0x7e00u | ((magnitude >> 13) & 0x3ffu) : 0x7c00u;
  const uint32_t half = magnitude < 0x38800000u   ? subnormal
                        : magnitude < 0x47800000u ? normal
                                                  : special;
  return (uint16_t)(sign | half);
}

static inline float tenon_bf16_to_f32(uint16_t b) {
  const uint32_t quiet = (b & 0x7fffu) > 0x7f80u ? 0x400000u : 0u;
  return tenon_f32_from_bits(((uint32_t)b << 16) | quiet);
}

static inline uint16_t tenon_f32_to_bf16(float x) {
  const uint32_t bits = tenon_f32_bits(x);
  const uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  const uint32_t nan = (bits >> 16) | 0x40u;
  return (uint16_t)((bits & 0x7fffffffu) > 0x7f800000u ? nan : rounded);
}

/* f64 to f32 rounded to odd: of the two neighbours of an inexact result the one whose last bit is
 * set. A rounding to a format at least two bits shorter then gives what one rounding from f64 would
 * have. */
static inline float tenon_f64_to_f32_odd(double x) {
  const float nearest = (float)x;
  const uint32_t bits = tenon_f32_bits(nearest);
  const double magnitude = x < 0 ? -x : x;
  const double rounded = nearest < 0 ? -(double)nearest : (double)nearest;
  const uint32_t other =
      magnitude > rounded ? bits + 1u : bits - 1u; /* sign and magnitude: away or toward 0 */
  return tenon_f32_from_bits(
      ((bits & 1u) == 0u && (magnitude < rounded || magnitude > rounded)) ? other : bits);
}

static inline uint16_t tenon_f64_to_f16(double x) {
  return tenon_f32_to_f16(tenon_f64_to_f32_odd(x));
}
static inline uint16_t tenon_f64_to_bf16(double x) {
  return tenon_f32_to_bf16(tenon_f64_to_f32_odd(x));
}

/* Integers above 2^53 keep a sticky bit, so that the steps through f64 and f32 round only once in
 * the end. (f16 needs no such care: beyond 2^16 it is infinity.) */
static inline uint16_t tenon_u64_to_bf16(uint64_t x) {
  const uint64_t sticky = (x & ~(uint64_t)0x7ff) | ((x & 0x7ffu) != 0 ? 0x800u : 0u);
  return tenon_f64_to_bf16((double)((x >> 53) != 0 ? sticky : x));
}
static inline uint16_t tenon_i64_to_bf16(int64_t x) {
  const uint16_t magnitude = tenon_u64_to_bf16(x < 0 ? 0u - (uint64_t)x : (uint64_t)x);
  return (uint16_t)(magnitude | (x < 0 ? 0x8000u : 0u));
}

#ifdef __cplusplus
} /* extern "C" */
#endif
#endif /* TENON_HALF_H_ */
