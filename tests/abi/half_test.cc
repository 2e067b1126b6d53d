// Proves tenon_half.h: all 65536 patterns widen exactly, and narrowing agrees with an independent
// search for the nearest representable value (ties to even) at, between and beside all neighbours,
// from f32, f64 and integers.
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>

#include "gtest/gtest.h"
#include "tenon/abi/tenon_half.h"

namespace {

struct Format {
  int mantissa_bits;
  int bias;
  int max_exponent;  // biased, of infinity
};
constexpr Format kF16 = {10, 15, 31};
constexpr Format kBf16 = {7, 127, 255};

// The definition of the format, in long double (64 mantissa bits: every value and every midpoint is
// exact).
long double Value(const Format& f, uint32_t magnitude) {
  const int exponent = static_cast<int>(magnitude >> f.mantissa_bits);
  const long double fraction = magnitude & ((1u << f.mantissa_bits) - 1);
  if (exponent == 0) return std::ldexp(fraction, 1 - f.bias - f.mantissa_bits);
  return std::ldexp(fraction + std::ldexp(1.0L, f.mantissa_bits),
                    exponent - f.bias - f.mantissa_bits);
}

uint32_t Infinity(const Format& f) {
  return static_cast<uint32_t>(f.max_exponent) << f.mantissa_bits;
}

// Bisection over the (ordered) magnitudes. Value(Infinity) is the next power of two, as rounding
// wants it.
uint16_t Nearest(const Format& f, long double x) {
  const uint32_t sign = std::signbit(x) ? 0x8000u : 0;
  x = std::fabs(x);
  uint32_t low = 0, high = Infinity(f);
  if (x >= Value(f, high)) return static_cast<uint16_t>(sign | high);
  while (high - low > 1) {
    const uint32_t middle = (low + high) / 2;
    (Value(f, middle) <= x ? low : high) = middle;
  }
  const long double below = x - Value(f, low), above = Value(f, high) - x;
  const bool up = above < below || (above == below && (low & 1));
  return static_cast<uint16_t>(sign | (up ? high : low));
}

bool IsNanPattern(const Format& f, uint16_t h) { return (h & 0x7fffu) > Infinity(f); }

TEST(Half, EveryPatternWidensExactlyAndComesBack) {
  for (const Format& f : {kF16, kBf16}) {
    const bool is_f16 = f.bias == 15;
    for (uint32_t i = 0; i < 65536; ++i) {
      const auto h = static_cast<uint16_t>(i);
      const float x = is_f16 ? tenon_f16_to_f32(h) : tenon_bf16_to_f32(h);
      const uint16_t back = is_f16 ? tenon_f32_to_f16(x) : tenon_f32_to_bf16(x);
      const uint16_t back64 = is_f16 ? tenon_f64_to_f16(x) : tenon_f64_to_bf16(x);
      EXPECT_EQ(std::signbit(x), i >= 0x8000) << i;
      if (IsNanPattern(f, h)) {
        const uint16_t quiet = static_cast<uint16_t>(h | (1u << (f.mantissa_bits - 1)));
        EXPECT_TRUE(std::isnan(x)) << i;
        EXPECT_TRUE(tenon_f32_bits(x) & 0x400000u) << "signalling " << i;
        EXPECT_EQ(back, quiet) << i;
        EXPECT_EQ(back64, quiet) << i;
        continue;
      }
      if ((i & 0x7fff) == Infinity(f)) {
        EXPECT_TRUE(std::isinf(x)) << i;
      } else {
        EXPECT_EQ(static_cast<long double>(std::fabs(x)), Value(f, i & 0x7fff)) << i;
      }
      EXPECT_EQ(back, h);
      EXPECT_EQ(back64, h);
    }
  }
}

void CheckNarrowing(long double exact) {
  const auto d = static_cast<double>(exact);
  EXPECT_EQ(tenon_f64_to_f16(d), Nearest(kF16, d)) << d;
  EXPECT_EQ(tenon_f64_to_bf16(d), Nearest(kBf16, d)) << d;
  const auto s = static_cast<float>(exact);
  if (std::isinf(s)) return;
  EXPECT_EQ(tenon_f32_to_f16(s), Nearest(kF16, s)) << s;
  EXPECT_EQ(tenon_f32_to_bf16(s), Nearest(kBf16, s)) << s;
}

TEST(Half, MidpointsAndTheirNeighboursRoundToNearestEven) {
  for (const Format& f : {kF16, kBf16}) {
    for (uint32_t i = 0; i < Infinity(f); ++i) {
      const long double middle = (Value(f, i) + Value(f, i + 1)) / 2;
      const auto d = static_cast<double>(middle);
      const auto s = static_cast<float>(middle);
      const double inf = std::numeric_limits<double>::infinity();
      const float inff = std::numeric_limits<float>::infinity();
      for (const double x : {d, std::nextafter(d, inf), std::nextafter(d, 0.0), double{s},
                             double{std::nextafter(s, inff)}, double{std::nextafter(s, 0.0f)}}) {
        CheckNarrowing(x);
        CheckNarrowing(-x);
      }
    }
  }
}

TEST(Half, RandomPatternsOfF32AndF64) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 1000000; ++i) {
    const float s = tenon_f32_from_bits(static_cast<uint32_t>(random()));
    if (std::isfinite(s)) CheckNarrowing(s);
    // Near the range of the two formats: a random f64 is out of range nearly always.
    CheckNarrowing(
        std::ldexp(static_cast<double>(random() >> 11), static_cast<int>(random() % 300) - 200));
  }
}

TEST(Half, Extremes) {
  const double inf = std::numeric_limits<double>::infinity();
  for (const double sign : {1.0, -1.0}) {
    for (const double x : {0.0, 65504.0, 65519.999, 65520.0, 65535.0, 65536.0, 5e-324, 1e-45,
                           0x1p-25, 0x1.000001p-25, 0x1p-24, 0x1p-14, 3.4e38, 0x1.fep127,
                           0x1.fefffffffffffp127, 0x1.ffp127, 1e300, inf}) {
      CheckNarrowing(sign * x);
    }
    EXPECT_EQ(tenon_f64_to_f16(sign * inf) & 0x7fff, 0x7c00);
    EXPECT_EQ(tenon_f32_to_bf16(static_cast<float>(sign * inf)) & 0x7fff, 0x7f80);
  }
  EXPECT_TRUE(std::isnan(tenon_f16_to_f32(tenon_f64_to_f16(std::nan("")))));
  EXPECT_TRUE(std::isnan(tenon_bf16_to_f32(tenon_f64_to_bf16(std::nan("")))));
  // A payload that lives in the low bits only must not turn into infinity.
  EXPECT_TRUE(std::isnan(tenon_f16_to_f32(tenon_f32_to_f16(tenon_f32_from_bits(0x7f800001u)))));
  EXPECT_TRUE(std::isnan(tenon_bf16_to_f32(tenon_f32_to_bf16(tenon_f32_from_bits(0xff800001u)))));
}

TEST(Half, IntegersRoundOnce) {
  std::mt19937_64 random(11);
  for (int i = 0; i < 200000; ++i) {
    uint64_t x = random() >> (random() % 64);
    // Push near a midpoint of bf16: eight significant bits, then 1 and zeros, then perhaps a last
    // bit.
    if (i & 1) {
      const int shift = static_cast<int>(random() % 56);
      x = ((((random() & 0xff) | 0x80) << 1 | 1) << shift) >> 1;
      x += static_cast<uint64_t>(static_cast<int64_t>(random() % 3) - 1);
    }
    EXPECT_EQ(tenon_u64_to_bf16(x), Nearest(kBf16, x)) << x;
    const auto y = static_cast<int64_t>(x);
    EXPECT_EQ(tenon_i64_to_bf16(y), Nearest(kBf16, y)) << y;
  }
  EXPECT_EQ(tenon_i64_to_bf16(INT64_MIN), Nearest(kBf16, -0x1p63L));
  EXPECT_EQ(tenon_u64_to_bf16(UINT64_MAX), Nearest(kBf16, 0x1p64L));
  EXPECT_EQ(tenon_i64_to_bf16(0), 0);
}

}  // namespace
