// Half and BFloat16, Float8E4M3Fn and Float8E5M2: storage types of 16 and 8 bits that convert to
// and from float.
//
// They hold bits and convert (round to nearest even); arithmetic happens in float. The conversions
// are the ABI kit's, so that core and every backend agree to the bit.
#ifndef TENON_BASE_HALF_H_
#define TENON_BASE_HALF_H_

#include <cstdint>

#include "tenon/abi/tenon_float8.h"
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

// OCP's 8-bit floats: 3 bits of fraction up to 448 and no infinity, or 2 bits up to 57344.
struct Float8E4M3Fn {
  uint8_t bits = 0;
  Float8E4M3Fn() = default;
  explicit Float8E4M3Fn(float value) : bits(tenon_f32_to_f8e4m3fn(value)) {}
  operator float() const {  // NOLINT(google-explicit-constructor)
    return tenon_f8e4m3fn_to_f32(bits);
  }
};
struct Float8E5M2 {
  uint8_t bits = 0;
  Float8E5M2() = default;
  explicit Float8E5M2(float value) : bits(tenon_f32_to_f8e5m2(value)) {}
  operator float() const {  // NOLINT(google-explicit-constructor)
    return tenon_f8e5m2_to_f32(bits);
  }
};

static_assert(sizeof(Half) == 2 && sizeof(BFloat16) == 2);
static_assert(sizeof(Float8E4M3Fn) == 1 && sizeof(Float8E5M2) == 1);

// The bits of the one of these four that is nearest to `value`: rounded once, from double.
template <class T>
decltype(T::bits) narrow_bits(double value);
template <>
inline uint16_t narrow_bits<Half>(double value) {
  return tenon_f64_to_f16(value);
}
template <>
inline uint16_t narrow_bits<BFloat16>(double value) {
  return tenon_f64_to_bf16(value);
}
template <>
inline uint8_t narrow_bits<Float8E4M3Fn>(double value) {
  return tenon_f64_to_f8e4m3fn(value);
}
template <>
inline uint8_t narrow_bits<Float8E5M2>(double value) {
  return tenon_f64_to_f8e5m2(value);
}
// Is T one of the four? They convert to float exactly.
template <class T>
concept NarrowFloat = requires(double value) {
  narrow_bits<T>(value);
};

}  // namespace tenon

#endif  // TENON_BASE_HALF_H_
