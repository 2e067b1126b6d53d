/* tenon_float8.h -- the 8-bit floats of the Open Compute Project's "OCP 8-bit Floating Point
 * Specification (OFP8)", revision 1.0, as bit patterns.
 *
 *   float x = tenon_f8e4m3fn_to_f32(0x38);    // 1.0f
 *   uint8_t b = tenon_f32_to_f8e5m2(x);       // 0x3c
 *
 *            sign exponent fraction bias greatest  least normal  least subnormal  infinity
 *   e4m3fn    1      4        3       7    448        2^-6           2^-9          none: 0x7f, 0xff
 *                                                                                  are the NaNs
 *   e5m2      1      5        2      15   57344       2^-14          2^-16         as f16, whose
 *                                                                                  upper half it is
 *
 * Widening is exact. Narrowing rounds once, to nearest even, from whatever the source is, and does
 * not saturate: what rounds beyond the greatest value, and an infinity, becomes infinity in e5m2
 * and NaN in e4m3fn, as in ml_dtypes (PyTorch does the same with e5m2; its e4m3fn gave NaN once and
 * gives 448 since 2026). A NaN stays a NaN with its sign. Chains of selects, so that loops over
 * them are vectorised; they hold in the default rounding mode. C99 and C++17. */
#ifndef TENON_FLOAT8_H_
#define TENON_FLOAT8_H_

#include "tenon/abi/tenon_half.h"

#ifdef __cplusplus
extern "C" {
#endif

static inline float tenon_f8e4m3fn_to_f32(uint8_t b) {
  const uint32_t sign = (uint32_t)(b & 0x80u) << 24;
  const uint32_t magnitude = b & 0x7fu;
  const uint32_t normal = (magnitude << 20) + (120u << 23); /* rebias the exponent: 127 - 7 */
  const uint32_t subnormal = tenon_f32_bits((float)(int32_t)magnitude * (1.0f / 512.0f)); /* 2^-9 */
  const uint32_t bits = magnitude < 0x08u ? subnormal : magnitude < 0x7fu ? normal : 0x7fc00000u;
  return tenon_f32_from_bits(sign | bits);
}

static inline uint8_t tenon_f32_to_f8e4m3fn(float x) {
  const uint32_t bits = tenon_f32_bits(x);
  const uint32_t sign = (bits >> 24) & 0x80u;
  const uint32_t magnitude = bits & 0x7fffffffu;
  /* Half an ulp less one, plus the last kept bit: ties go to even. From above 464 a carry makes
   * the NaN. */
  const uint32_t normal = (magnitude - (120u << 23) + 0x7ffffu + ((magnitude >> 20) & 1u)) >> 20;
  /* The ulp of 2^14 is the least subnormal, so this addition rounds at the right bit. */
  const uint32_t subnormal =
      tenon_f32_bits(tenon_f32_from_bits(magnitude) + 16384.0f) - 0x46800000u;
  const uint32_t rounded = magnitude < 0x3c800000u   ? subnormal /* below 2^-6 */
                           : magnitude < 0x43f00000u ? normal    /* below 480 */
                                                     : 0x7fu;
  return (uint8_t)(sign | rounded);
}

static inline float tenon_f8e5m2_to_f32(uint8_t b) {
  return tenon_f16_to_f32((uint16_t)((uint32_t)b << 8));
}

static inline uint8_t tenon_f32_to_f8e5m2(float x) {
  const uint32_t bits = tenon_f32_bits(x);
  const uint32_t sign = (bits >> 24) & 0x80u;
  const uint32_t magnitude = bits & 0x7fffffffu;
  /* As above; from 61440 a carry makes the infinity. */
  const uint32_t normal = (magnitude - (112u << 23) + 0xfffffu + ((magnitude >> 21) & 1u)) >> 21;
  const uint32_t subnormal = /* the ulp of 2^7 */
      tenon_f32_bits(tenon_f32_from_bits(magnitude) + 128.0f) - 0x43000000u;
  const uint32_t special = magnitude > 0x7f800000u ? 0x7eu | ((magnitude >> 21) & 1u) : 0x7cu;
  const uint32_t rounded = magnitude < 0x38800000u   ? subnormal /* below 2^-14 */
                           : magnitude < 0x47800000u ? normal    /* below 2^16 */
                                                     : special;
  return (uint8_t)(sign | rounded);
}

/* An integer needs no more than f32: up to 2^24 that is exact, and beyond there is only overflow.
 */
static inline uint8_t tenon_f64_to_f8e4m3fn(double x) {
  return tenon_f32_to_f8e4m3fn(tenon_f64_to_f32_odd(x));
}
static inline uint8_t tenon_f64_to_f8e5m2(double x) {
  return tenon_f32_to_f8e5m2(tenon_f64_to_f32_odd(x));
}

#ifdef __cplusplus
} /* extern "C" */
#endif
#endif /* TENON_FLOAT8_H_ */
