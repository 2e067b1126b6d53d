// Proves tenon_float8.h and the kit's CAST with it: all 256 patterns of each format against the
// tables of the OCP specification (OFP8 1.0, 5.1 and 5.2), and narrowing against a search for the
// nearest of all representable values (ties to even), from f32, f64, all f16 and all integers that
// matter.
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "tenon/abi/tenon_float8.h"
#include "tenon/abi/tenon_kit_evaluate.h"
#include "tenon/abi/tenon_kit_program.h"

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

struct Format {
  const char* name;
  uint32_t dtype;
  int fraction_bits, bias;
  uint32_t greatest;  // the pattern of the greatest number
  float (*widen)(uint8_t);
  uint8_t (*from_f32)(float);
  uint8_t (*from_f64)(double);
};
constexpr Format kFormats[] = {
    {"e4m3fn", TENON_F8E4M3FN, 3, 7, 0x7e, &tenon_f8e4m3fn_to_f32, &tenon_f32_to_f8e4m3fn,
     &tenon_f64_to_f8e4m3fn},
    {"e5m2", TENON_F8E5M2, 2, 15, 0x7b, &tenon_f8e5m2_to_f32, &tenon_f32_to_f8e5m2,
     &tenon_f64_to_f8e5m2},
};

// The value of a pattern below 0x80, going on beyond the greatest number as if there were no
// infinity and no NaN.
double Value(const Format& f, uint32_t pattern) {
  const int exponent = static_cast<int>(pattern >> f.fraction_bits);
  const int fraction = static_cast<int>(pattern & ((1u << f.fraction_bits) - 1));
  const int one = 1 << f.fraction_bits;
  return exponent == 0 ? std::ldexp(fraction, 1 - f.bias - f.fraction_bits)
                       : std::ldexp(one + fraction, exponent - f.bias - f.fraction_bits);
}

std::vector<double> ValuesOf(const Format& f) {
  std::vector<double> values;
  for (uint32_t p = 0; p <= f.greatest + 1; ++p) values.push_back(Value(f, p));
  return values;
}

// What `x` rounds to: by looking at all values there are.
double Nearest(const Format& f, double x) {
  if (std::isnan(x)) return kNan;
  static const std::vector<double> tables[] = {ValuesOf(kFormats[0]), ValuesOf(kFormats[1])};
  const std::vector<double>& values = tables[&f - kFormats];
  // What is further away is too large in any case, and the differences below are exact.
  const double magnitude = std::fmin(std::fabs(x), 2 * values[f.greatest]);
  uint32_t best = 0;
  for (uint32_t p = 1; p <= f.greatest + 1; ++p) {
    const double closer = std::fabs(magnitude - values[p]) - std::fabs(magnitude - values[best]);
    if (closer < 0 || (closer == 0 && p % 2 == 0)) best = p;
  }
  const double too_large = f.dtype == TENON_F8E5M2 ? kInfinity : kNan;
  return std::copysign(best <= f.greatest ? values[best] : too_large, x);
}

::testing::AssertionResult Same(double got, double wanted) {
  if (std::isnan(got) && std::isnan(wanted)) return ::testing::AssertionSuccess();
  if (got == wanted && std::signbit(got) == std::signbit(wanted))
    return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << got << " instead of " << wanted;
}

void CheckNarrowing(const Format& f, double x) {
  EXPECT_TRUE(Same(f.widen(f.from_f64(x)), Nearest(f, x))) << f.name << " of " << x;
  const auto s = static_cast<float>(x);
  EXPECT_TRUE(Same(f.widen(f.from_f32(s)), Nearest(f, s))) << f.name << " of the float " << s;
  EXPECT_EQ(f.from_f64(x) >> 7, std::signbit(x)) << x;
}

TEST(Float8, TheSpecificationsTables) {
  const Format &a = kFormats[0], &b = kFormats[1];
  EXPECT_EQ(a.widen(0x7e), 448);
  EXPECT_EQ(a.widen(0x08), 0x1p-6f);
  EXPECT_EQ(a.widen(0x07), 0.875f * 0x1p-6f);
  EXPECT_EQ(a.widen(0x01), 0x1p-9f);
  EXPECT_TRUE(std::isnan(a.widen(0x7f)) && std::isnan(a.widen(0xff)));
  EXPECT_EQ(b.widen(0x7b), 57344);
  EXPECT_EQ(b.widen(0x04), 0x1p-14f);
  EXPECT_EQ(b.widen(0x03), 0.75f * 0x1p-14f);
  EXPECT_EQ(b.widen(0x01), 0x1p-16f);
  EXPECT_EQ(b.widen(0x7c), kInfinity);
  EXPECT_EQ(b.widen(0xfc), -kInfinity);
  for (const uint8_t nan : {0x7d, 0x7e, 0x7f, 0xfd, 0xfe, 0xff})
    EXPECT_TRUE(std::isnan(b.widen(nan)));
}

TEST(Float8, EveryPatternWidensExactlyAndComesBack) {
  for (const Format& f : kFormats) {
    for (uint32_t i = 0; i < 256; ++i) {
      const auto bits = static_cast<uint8_t>(i);
      const float x = f.widen(bits);
      EXPECT_EQ(std::signbit(x), i >= 0x80) << i;
      if (std::isnan(x)) {
        EXPECT_GT(i & 0x7f, f.greatest) << i;
        EXPECT_TRUE(std::isnan(f.widen(f.from_f32(x)))) << i;
        EXPECT_EQ(f.from_f32(x) >> 7, i >> 7) << "the sign of a NaN, " << i;
        continue;
      }
      if (!std::isinf(x)) {
        EXPECT_EQ(std::fabs(static_cast<double>(x)), Value(f, i & 0x7f)) << i;
      }
      EXPECT_EQ(f.from_f32(x), bits);
      EXPECT_EQ(f.from_f64(x), bits);
    }
  }
}

TEST(Float8, MidpointsAndTheirNeighboursRoundToNearestEven) {
  for (const Format& f : kFormats) {
    for (uint32_t i = 0; i <= f.greatest; ++i) {
      const double middle = (Value(f, i) + Value(f, i + 1)) / 2;
      const auto s = static_cast<float>(middle);
      for (const double x : {middle, std::nextafter(middle, kInfinity), std::nextafter(middle, 0.0),
                             double{std::nextafter(s, static_cast<float>(kInfinity))},
                             double{std::nextafter(s, 0.0f)}}) {
        CheckNarrowing(f, x);
        CheckNarrowing(f, -x);
      }
    }
  }
}

TEST(Float8, OverflowIsNotSaturated) {
  const Format &a = kFormats[0], &b = kFormats[1];
  EXPECT_EQ(a.from_f32(464), 0x7e);  // a tie: 448 is the even one
  EXPECT_EQ(a.from_f32(std::nextafter(464.0f, 500.0f)), 0x7f);
  EXPECT_EQ(a.from_f64(std::nextafter(464.0, 500.0)), 0x7f);
  EXPECT_EQ(a.from_f32(-1e30f), 0xff);
  EXPECT_EQ(a.from_f32(static_cast<float>(kInfinity)), 0x7f);
  EXPECT_EQ(b.from_f32(std::nextafter(61440.0f, 0.0f)), 0x7b);
  EXPECT_EQ(b.from_f32(61440), 0x7c);
  EXPECT_EQ(b.from_f64(std::nextafter(61440.0, 0.0)), 0x7b);
  EXPECT_EQ(b.from_f32(-1e30f), 0xfc);
  EXPECT_EQ(b.from_f32(static_cast<float>(-kInfinity)), 0xfc);
  // A payload that lives in the low bits only must not turn into infinity.
  EXPECT_TRUE(std::isnan(b.widen(b.from_f32(tenon_f32_from_bits(0x7f800001u)))));
  for (const Format& f : kFormats) {
    for (const double x : {0.0, -0.0, 5e-324, 1e-45, 1e300, -1e300, kNan}) CheckNarrowing(f, x);
  }
}

TEST(Float8, EveryF16AndManyF32AndF64) {
  std::mt19937_64 random(7);
  for (const Format& f : kFormats) {
    for (uint32_t i = 0; i < 65536; ++i)
      CheckNarrowing(f, tenon_f16_to_f32(static_cast<uint16_t>(i)));
    for (int i = 0; i < 50000; ++i) {
      const float s = tenon_f32_from_bits(static_cast<uint32_t>(random()));
      if (!std::isnan(s)) CheckNarrowing(f, s);
      CheckNarrowing(
          f, std::ldexp(static_cast<double>(random() >> 11), static_cast<int>(random() % 48) - 80));
    }
  }
}

// The kit's CAST: any to any but complex, one rounding.
TEST(Float8, CastsOfTheKit) {
  const auto cast = [](uint32_t to, uint32_t from, uint64_t bits) {
    return tenon_evaluate_cast(to, from, bits);
  };
  for (const Format& f : kFormats) {
    const auto value = [&](uint64_t bits) { return f.widen(static_cast<uint8_t>(bits)); };
    for (uint32_t i = 0; i < 256; ++i) {
      const double x = value(i);
      EXPECT_TRUE(Same(tenon_bits_to_double(TENON_F64, cast(TENON_F64, f.dtype, i)), x));
      EXPECT_EQ(cast(TENON_F32, f.dtype, i), tenon_f32_bits(static_cast<float>(x)));
      EXPECT_TRUE(Same(tenon_bits_to_double(TENON_F16, cast(TENON_F16, f.dtype, i)), x));
      EXPECT_TRUE(Same(tenon_bits_to_double(TENON_BF16, cast(TENON_BF16, f.dtype, i)), x));
      EXPECT_EQ(cast(TENON_BOOL, f.dtype, i), x != 0);  // a NaN is true
      const double whole = std::isnan(x) ? 0 : std::trunc(std::fmin(std::fmax(x, -128), 127));
      EXPECT_EQ(cast(TENON_I8, f.dtype, i), static_cast<uint8_t>(static_cast<int8_t>(whole))) << x;
      for (const Format& g : kFormats) {
        EXPECT_TRUE(Same(g.widen(static_cast<uint8_t>(cast(g.dtype, f.dtype, i))), Nearest(g, x)));
      }
    }
    for (int64_t n = -70000; n <= 70000; n += 1 + std::abs(n) / 600) {
      const uint64_t bits = static_cast<uint64_t>(n);
      const auto wanted = Nearest(f, n == 0 ? 0.0 : static_cast<double>(n));
      EXPECT_TRUE(Same(value(cast(f.dtype, TENON_I64, bits)), wanted)) << n;
      EXPECT_TRUE(Same(value(cast(f.dtype, TENON_I32, bits & 0xffffffffu)), wanted)) << n;
    }
    for (const uint64_t n : {~uint64_t{0}, uint64_t{1} << 63, (uint64_t{1} << 24) + 1}) {
      EXPECT_TRUE(Same(value(cast(f.dtype, TENON_U64, n)), Nearest(f, 1e18))) << n;
    }
    EXPECT_EQ(value(cast(f.dtype, TENON_BOOL, 1)), 1);
  }
}

// Programs read and convert them, and do nothing else with them.
TEST(Float8, WhatProgramsMayDo) {
  for (const Format& f : kFormats) {
    EXPECT_EQ(tenon_dtype_size(f.dtype), 1u);
    EXPECT_FALSE(tenon_dtype_is_float(f.dtype) || tenon_dtype_is_integer(f.dtype));
    for (uint32_t op = 1; op < TENON_OPCODE_COUNT; ++op) {
      const bool defined = op == TENON_OP_INPUT || op == TENON_OP_CAST;
      EXPECT_EQ(tenon_opcode_defined(op, f.dtype) != 0, defined) << tenon_opcode_name(op);
    }
    const auto dtype = static_cast<uint16_t>(f.dtype);
    const TenonInstr input = {TENON_OP_INPUT, dtype, 0, 0, 0, 0, 0, 0};
    const auto status_of = [](std::vector<TenonInstr> code, const TenonReducer* reducer = nullptr) {
      const uint32_t output = static_cast<uint32_t>(code.size()) - 1;
      TenonProgram program = {sizeof program,
                              0,
                              static_cast<uint32_t>(code.size()),
                              1,
                              reducer ? 0u : 1u,
                              0,
                              code.data(),
                              &output,
                              0};
      const TenonInstr accumulator = {TENON_OP_INPUT, TENON_F32, 0, 0, 0, 0, 0, 0};
      const uint32_t first = 0;
      const TenonProgram epilogue = {sizeof epilogue, 0, 1, 1, 1, 0, &accumulator, &first, 0};
      const TenonKernelDesc desc = {
          sizeof desc, 0, &program, reducer ? &epilogue : nullptr, reducer, reducer ? 1u : 0u, 0};
      return tenon_check_kernel(&desc, nullptr);
    };
    EXPECT_EQ(status_of({input}), TENON_OK);
    EXPECT_EQ(status_of({input, {TENON_OP_CAST, TENON_F32, 0, 0, 0, 0, 0, 0}}), TENON_OK);
    EXPECT_EQ(status_of({{TENON_OP_INPUT, TENON_F64, 0, 0, 0, 0, 0, 0},
                         {TENON_OP_CAST, dtype, 0, 0, 0, 0, 0, 0}}),
              TENON_OK);
    EXPECT_EQ(status_of({input, {TENON_OP_NEG, dtype, 0, 0, 0, 0, 0, 0}}), TENON_UNSUPPORTED);
    EXPECT_EQ(status_of({input, {TENON_OP_BITCAST, TENON_U8, 0, 0, 0, 0, 0, 0}}),
              TENON_UNSUPPORTED);
    EXPECT_EQ(status_of({{TENON_OP_CONST, dtype, 0, 0, 0, 0, 0, 0}}), TENON_UNSUPPORTED);
    const TenonReducer sum = {TENON_SUM, TENON_F32, 0, 0, 0};
    EXPECT_EQ(status_of({input}, &sum), TENON_UNSUPPORTED);
  }
}

}  // namespace
