#include "tenon/map/reference.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "tenon/map/element.h"

namespace tenon::map {
namespace {

constexpr long double kInf = std::numeric_limits<long double>::infinity();
constexpr long double kNan = std::numeric_limits<long double>::quiet_NaN();

TEST(Element, BitsAndBackOfEveryHalf) {
  for (DType d : {DType::float16, DType::bfloat16}) {
    for (uint32_t bits = 0; bits < 65536; ++bits) {
      const Element x = element_of(d, bits);
      if (std::isnan(x.real)) continue;
      ASSERT_EQ(bits_of(x), bits) << dtype_name(d);
      ASSERT_EQ(round_to(d, x.real), x.real);
    }
  }
}

TEST(Element, BitsAreTheMachines) {
  for (float x : {0.0f, -0.0f, 1.0f, -3.25f, 1e-45f, 1.17549435e-38f, 3.4e38f, 0.1f}) {
    uint32_t bits = 0;
    std::memcpy(&bits, &x, sizeof bits);
    EXPECT_EQ(bits_of(real(DType::float32, x)), bits);
    EXPECT_EQ(element_of(DType::float32, bits).real, x);
  }
  for (double x : {1.0, -0.1, 4.9e-324, 2.2250738585072014e-308, 1.7976931348623157e308}) {
    uint64_t bits = 0;
    std::memcpy(&bits, &x, sizeof bits);
    EXPECT_EQ(bits_of(real(DType::float64, x)), bits);
    EXPECT_EQ(element_of(DType::float64, bits).real, x);
  }
  EXPECT_EQ(element_of(DType::int8, 0xff).integer, -1);
  EXPECT_EQ(bits_of(integer(DType::int16, -2)), 0xfffeu);
}

TEST(Element, RoundsToNearestEven) {
  EXPECT_EQ(round_to(DType::float16, 2049), 2048);
  EXPECT_EQ(round_to(DType::float16, 2051), 2052);
  EXPECT_EQ(round_to(DType::float16, 65519), 65504);
  EXPECT_EQ(round_to(DType::float16, 65520), kInf);
  EXPECT_EQ(round_to(DType::float16, std::ldexp(1.0L, -25)), 0);  // half of the least subnormal
  EXPECT_EQ(round_to(DType::float32, 0.1L), 0.1f);
  EXPECT_EQ(round_to(DType::float64, 0.1L), 0.1);
  EXPECT_TRUE(std::signbit(round_to(DType::bfloat16, -1e-45L)));
}

TEST(Element, UlpDistance) {
  EXPECT_EQ(ulp_distance(DType::float32, 1 + 0x1p-23L, 1), 1);
  EXPECT_EQ(ulp_distance(DType::float32, kNan, kNan), 0);
  EXPECT_EQ(ulp_distance(DType::float32, 1, kNan), kInf);
  EXPECT_EQ(ulp_distance(DType::float32, kInf, kInf), 0);
  EXPECT_EQ(ulp_distance(DType::float32, -kInf, kInf), kInf);
  EXPECT_LE(ulp_distance(DType::float32, 3.4028235e38L, 3.4028237e38L), 2);
}

// One instruction on two inputs of one dtype.
Element binary(uint16_t op, DType d, DType result, const Element& a, const Element& b) {
  Program p;
  p.inputs = {d, d};
  auto append = [&p](uint16_t code, DType dtype, uint16_t x, uint16_t y, uint64_t imm) {
    p.code.push_back({code, static_cast<uint16_t>(dtype), x, y, 0, 0, 0, imm});
  };
  append(TENON_OP_INPUT, d, 0, 0, 0);
  append(TENON_OP_INPUT, d, 0, 0, 1);
  append(op, result, 0, 1, 0);
  p.outputs = {2};
  return evaluate(p, std::vector<Element>{a, b}, {}, 0, Rounding::kToDType)[0];
}
__int128 binary(uint16_t op, DType d, __int128 a, __int128 b) {
  return binary(op, d, d, integer(d, a), integer(d, b)).integer;
}

// The corners that tenon_backend.h pins down.
TEST(Reference, IntegerCorners) {
  const DType i8 = DType::int8, u8 = DType::uint8;
  EXPECT_EQ(binary(TENON_OP_DIV, i8, -128, -1), -128);
  EXPECT_EQ(binary(TENON_OP_REM, i8, -128, -1), 0);
  EXPECT_EQ(binary(TENON_OP_DIV, i8, 5, 0), 0);
  EXPECT_EQ(binary(TENON_OP_DIV, i8, -7, 2), -3);
  EXPECT_EQ(binary(TENON_OP_REM, i8, -7, 2), -1);
  EXPECT_EQ(binary(TENON_OP_ADD, i8, 127, 1), -128);
  EXPECT_EQ(binary(TENON_OP_SHL, u8, 1, 8), 0);
  EXPECT_EQ(binary(TENON_OP_SHR, i8, -1, 100), -1);
  EXPECT_EQ(binary(TENON_OP_SHR, i8, -8, -1), -1);
  EXPECT_EQ(binary(TENON_OP_POW, i8, -1, -3), -1);
  EXPECT_EQ(binary(TENON_OP_POW, i8, 2, -1), 0);
  EXPECT_EQ(binary(TENON_OP_POW, u8, 3, 6), 729 % 256);
}

TEST(Reference, CastsSaturate) {
  auto cast = [](DType from, long double x, DType to) {
    return binary(TENON_OP_CAST, from, to, real(from, x), real(from, 0)).integer;
  };
  EXPECT_EQ(cast(DType::float32, 300, DType::int8), 127);
  EXPECT_EQ(cast(DType::float32, -300, DType::int8), -128);
  EXPECT_EQ(cast(DType::float32, -1, DType::uint32), 0);
  EXPECT_EQ(cast(DType::float64, kInf, DType::int64), std::numeric_limits<int64_t>::max());
  EXPECT_EQ(cast(DType::float32, kNan, DType::int32), 0);
  EXPECT_EQ(cast(DType::float32, kNan, DType::bool_), 1);
  EXPECT_EQ(cast(DType::float32, -1.9L, DType::int32), -1);
}

TEST(Reference, MinAndMaxPropagateNan) {
  const DType d = DType::float32;
  for (uint16_t op : {TENON_OP_MIN, TENON_OP_MAX}) {
    EXPECT_TRUE(std::isnan(binary(op, d, d, real(d, 1), real(d, kNan)).real));
    EXPECT_TRUE(std::isnan(binary(op, d, d, real(d, kNan), real(d, 1)).real));
  }
}

// Known values: Abramowitz & Stegun, tables 6.1 and 7.1; digamma(1) = -gamma, digamma(1/2) = -gamma
// - 2 log 2.
TEST(Reference, FunctionsThatLibmLacks) {
  const long double gamma = 0.577215664901532860606512090082402431L;
  EXPECT_NEAR(static_cast<double>(digamma_reference(1) + gamma), 0, 1e-18);
  EXPECT_NEAR(static_cast<double>(digamma_reference(0.5L) + gamma + 2 * std::log(2.0L)), 0, 1e-18);
  EXPECT_TRUE(std::isnan(digamma_reference(-3)));
  for (long double x : {1e-20L, 0.1L, 0.5L, 0.9L, 0.99999999L}) {
    EXPECT_NEAR(static_cast<double>(std::erf(erfinv_reference(x)) / x), 1, 1e-17);
  }
  EXPECT_EQ(erfinv_reference(1), kInf);
  EXPECT_TRUE(std::isnan(erfinv_reference(1.5L)));
}

}  // namespace
}  // namespace tenon::map
