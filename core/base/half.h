// Half and BFloat16: 16-bit storage types that convert to and from float.
//
// They hold bits and convert (round to nearest even); arithmetic happens in float. The conversions
// are the ABI kit's, so that core and every backend agree to the bit.
#ifndef TENON_BASE_HALF_H_
#define TENON_BASE_HALF_H_

#include <cstdint>

#include "tenon/abi/tenon_half.h"

namespace tenon {

// IEEE 754 binary16.
struct Half {
  uint16_t bits = 0;
  Half() = default;
  explicit Half(float value) : bits(tenon_f32_to_f16(value)) {}
  operator float() const { return tenon_f16_to_f32(bits); }  // NOLINT(google-explicit-constructor)
};

// The upper half of a binary32.
struct BFloat16 {
  uint16_t bits = 0;
  BFloat16() = default;
  explicit BFloat16(float value) : bits(tenon_f32_to_bf16(value)) {}
  operator float() const { return tenon_bf16_to_f32(bits); }  // NOLINT(google-explicit-constructor)
};

static_assert(sizeof(Half) == 2 && sizeof(BFloat16) == 2);

}  // namespace tenon

#endif  // TENON_BASE_HALF_H_
