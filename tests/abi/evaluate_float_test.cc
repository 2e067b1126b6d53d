// Proves the kit's meaning of every opcode on floats against references that share no code with it:
// the machine's own arithmetic for what is exact, long double for what is not, published values for
// special functions.
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "tests/abi/one_instruction.h"

namespace {

// ---- floats
// --------------------------------------------------------------------------------------

bool Same(double a, double b) {
  return (std::isnan(a) && std::isnan(b)) || (a == b && std::signbit(a) == std::signbit(b));
}

template <class T>
std::vector<T> Reals() {
  using L = std::numeric_limits<T>;
  std::vector<T> values = {T(0),          T(-0.0),         T(1),
                           T(-1),         T(0.5),          T(1.5),
                           T(2.5),        T(-2.5),         T(3),
                           T(1e-3),       T(100),          T(-7.25),
                           L::min(),      L::denorm_min(), -L::denorm_min(),
                           L::max(),      -L::max(),       L::epsilon(),
                           L::infinity(), -L::infinity(),  L::quiet_NaN()};
  std::mt19937_64 random(5);
  for (int i = 0; i < 60; ++i) {
    values.push_back(static_cast<T>(std::ldexp(static_cast<double>(random() >> 11) - 0x1p52,
                                               static_cast<int>(random() % 80) - 92)));
  }
  return values;
}

template <class T>
class Floats : public testing::Test {};
using FloatTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(Floats, FloatTypes);

TYPED_TEST(Floats, ExactFunctionsAreExact) {
  using T = TypeParam;
  for (const T a : Reals<T>()) {
    for (const T b : Reals<T>()) {
      const auto check = [&](uint16_t op, T expected) {
        EXPECT_TRUE(Same(Value<T>(Evaluate(op, kDtype<T>, kDtype<T>, Bits(a), Bits(b))), expected))
            << tenon_opcode_name(op) << " of " << a << " and " << b;
      };
      volatile T x = a, y = b;  // the machine's arithmetic in T, at run time
      check(TENON_OP_ADD, x + y);
      check(TENON_OP_SUB, x - y);
      check(TENON_OP_MUL, x * y);
      check(TENON_OP_DIV, x / y);
      check(TENON_OP_REM, std::fmod(a, b));
      check(TENON_OP_COPYSIGN, std::copysign(a, b));
      if (std::isnan(a) || std::isnan(b)) {
        check(TENON_OP_MIN, std::numeric_limits<T>::quiet_NaN());
        check(TENON_OP_MAX, std::numeric_limits<T>::quiet_NaN());
      } else if (a != b) {
        check(TENON_OP_MIN, std::fmin(a, b));
        check(TENON_OP_MAX, std::fmax(a, b));
      }
      for (const T c : {T(1), T(-1e-8), a, std::numeric_limits<T>::infinity()}) {
        EXPECT_TRUE(
            Same(Value<T>(Evaluate(TENON_OP_FMA, kDtype<T>, kDtype<T>, Bits(a), Bits(b), Bits(c))),
                 std::fma(a, b, c)));
      }
      EXPECT_EQ(Evaluate(TENON_OP_LT, kDtype<T>, TENON_BOOL, Bits(a), Bits(b)), a < b ? 1u : 0u);
      EXPECT_EQ(Evaluate(TENON_OP_LE, kDtype<T>, TENON_BOOL, Bits(a), Bits(b)), a <= b ? 1u : 0u);
      EXPECT_EQ(Evaluate(TENON_OP_EQ, kDtype<T>, TENON_BOOL, Bits(a), Bits(b)), a == b ? 1u : 0u);
      EXPECT_EQ(Evaluate(TENON_OP_NE, kDtype<T>, TENON_BOOL, Bits(a), Bits(b)), a != b ? 1u : 0u);
    }
    const auto check = [&](uint16_t op, T expected) {
      EXPECT_TRUE(Same(Value<T>(Evaluate(op, kDtype<T>, kDtype<T>, Bits(a))), expected))
          << tenon_opcode_name(op) << " of " << a;
    };
    check(TENON_OP_NEG, -a);
    check(TENON_OP_ABS, std::fabs(a));
    check(TENON_OP_FLOOR, std::floor(a));
    check(TENON_OP_CEIL, std::ceil(a));
    check(TENON_OP_TRUNC, std::trunc(a));
    check(TENON_OP_RINT, std::nearbyint(a));
    check(TENON_OP_SQRT, std::sqrt(a));
    check(TENON_OP_RECIP, T(1) / a);
    check(TENON_OP_SIGN, std::isnan(a) ? a : a == 0 ? a : std::copysign(T(1), a));
  }
}

TYPED_TEST(Floats, OtherFunctionsAreWithinTwoUlps) {
  using T = TypeParam;
  using Ld = long double;
  const struct {
    uint16_t op;
    Ld (*reference)(Ld);
  } functions[] = {
      {TENON_OP_EXP, std::exp},     {TENON_OP_LOG, std::log},
      {TENON_OP_SIN, std::sin},     {TENON_OP_COS, std::cos},
      {TENON_OP_TANH, std::tanh},   {TENON_OP_ERF, std::erf},
      {TENON_OP_EXP2, std::exp2},   {TENON_OP_EXPM1, std::expm1},
      {TENON_OP_LOG2, std::log2},   {TENON_OP_LOG10, std::log10},
      {TENON_OP_LOG1P, std::log1p}, {TENON_OP_TAN, std::tan},
      {TENON_OP_ASIN, std::asin},   {TENON_OP_ACOS, std::acos},
      {TENON_OP_ATAN, std::atan},   {TENON_OP_SINH, std::sinh},
      {TENON_OP_COSH, std::cosh},   {TENON_OP_ASINH, std::asinh},
      {TENON_OP_ACOSH, std::acosh}, {TENON_OP_ATANH, std::atanh},
      {TENON_OP_ERFC, std::erfc},   {TENON_OP_RSQRT, [](Ld x) { return 1 / std::sqrt(x); }}};
  for (const auto& f : functions) {
    for (const T a : Reals<T>()) {
      const Ld expected = f.reference(a);
      const T got = Value<T>(Evaluate(f.op, kDtype<T>, kDtype<T>, Bits(a)));
      if (!std::isfinite(static_cast<T>(expected))) {
        EXPECT_TRUE(Same(got, static_cast<T>(expected)))
            << tenon_opcode_name(f.op) << " of " << a << " is " << got;
        continue;
      }
      const Ld ulp = std::fmax(std::fabs(expected) * std::numeric_limits<T>::epsilon(),
                               std::numeric_limits<T>::denorm_min());
      EXPECT_LE(std::fabs(got - expected), 2 * ulp) << tenon_opcode_name(f.op) << " of " << a;
    }
  }
  for (const T a : Reals<T>()) {
    for (const T b : Reals<T>()) {
      const auto near = [&](uint16_t op, Ld expected) {
        const T got = Value<T>(Evaluate(op, kDtype<T>, kDtype<T>, Bits(a), Bits(b)));
        if (!std::isfinite(static_cast<T>(expected))) {
          EXPECT_TRUE(Same(got, static_cast<T>(expected))) << a << " " << b;
        } else {
          EXPECT_LE(std::fabs(got - expected),
                    2 * std::fmax(std::fabs(expected) * std::numeric_limits<T>::epsilon(),
                                  Ld(std::numeric_limits<T>::denorm_min())))
              << tenon_opcode_name(op) << " " << a << " " << b;
        }
      };
      near(TENON_OP_POW, std::pow(Ld(a), Ld(b)));
      near(TENON_OP_ATAN2, std::atan2(Ld(a), Ld(b)));
    }
  }
}

double Call(uint16_t op, double x) {
  return Value<double>(Evaluate(op, TENON_F64, TENON_F64, Bits(x)));
}

TEST(Evaluate, SpecialFunctionsAtPublishedValues) {  // DLMF, Abramowitz & Stegun
  EXPECT_DOUBLE_EQ(Call(TENON_OP_DIGAMMA, 1), -0.57721566490153286061);
  EXPECT_DOUBLE_EQ(Call(TENON_OP_DIGAMMA, 0.5), -1.96351002602142347944);
  EXPECT_DOUBLE_EQ(Call(TENON_OP_DIGAMMA, -0.5), 0.03648997397857652056);
  EXPECT_DOUBLE_EQ(Call(TENON_OP_DIGAMMA, 10), 2.25175258906672110765);
  EXPECT_NEAR(Call(TENON_OP_DIGAMMA, 1.46163214496836234126), 0, 1e-16);
  EXPECT_TRUE(std::isnan(Call(TENON_OP_DIGAMMA, -3)));
  EXPECT_EQ(Call(TENON_OP_DIGAMMA, 0.0), -INFINITY);
  EXPECT_DOUBLE_EQ(Call(TENON_OP_ERFINV, 0.5), 0.47693627620446987338);
  EXPECT_EQ(Call(TENON_OP_ERFINV, 1), INFINITY);
  EXPECT_EQ(Call(TENON_OP_ERFINV, -1), -INFINITY);
  EXPECT_TRUE(std::isnan(Call(TENON_OP_ERFINV, 1.5)));
  EXPECT_TRUE(std::isnan(Call(TENON_OP_ERFINV, NAN)));
  for (const double y :
       {1e-300, 1e-9, 0.01, 0.09, 0.2, 0.47, 0.6, 1.0, 2.0, 3.0}) {  // the inverse of C's erf
    EXPECT_NEAR(Call(TENON_OP_ERFINV, std::erf(y)) / y, 1, 4e-16 + 2.3e-16 * std::exp(y * y) / y)
        << y;
    EXPECT_EQ(Call(TENON_OP_ERFINV, -std::erf(y)), -Call(TENON_OP_ERFINV, std::erf(y)));
  }
  const double below_one = 1 - 0x1p-53;  // erfc(y) = 2^-53
  EXPECT_NEAR(std::erfc(Call(TENON_OP_ERFINV, below_one)) / 0x1p-53, 1, 1e-14);
  for (const double x :
       {1e-300, 1e-5,   0.5,     0.999999, 1.0,  1.0000001, 1.5,  2.0,  2.000001,         3.0,
        10.0,   171.0,  999.9,   1000.1,   1e10, 1e300,     -0.5, -1.5, -2.4570247382208, -2.5,
        -10.25, -999.5, -1000.5, -12345.75}) {
    const long double expected = lgammal(x);
    EXPECT_NEAR(Call(TENON_OP_LGAMMA, x), static_cast<double>(expected),
                std::fabs(static_cast<double>(expected)) * 3e-16 + 3e-18)
        << x;
  }
  EXPECT_EQ(Call(TENON_OP_LGAMMA, -4), INFINITY);
  EXPECT_EQ(Call(TENON_OP_LGAMMA, -INFINITY), INFINITY);
}

TEST(Evaluate, HalfTypesComputeInF32AndThenRound) {
  std::mt19937 random(9);
  for (int i = 0; i < 20000; ++i) {
    const auto a = static_cast<uint16_t>(random()), b = static_cast<uint16_t>(random()),
               c = static_cast<uint16_t>(random());
    const auto check = [&](uint32_t dtype, float (*widen)(uint16_t), uint16_t (*narrow)(float)) {
      const float x = widen(a), y = widen(b), z = widen(c);
      const auto same = [&](uint16_t op, float f32) {
        const auto got = static_cast<uint16_t>(Evaluate(op, dtype, dtype, a, b, c));
        EXPECT_TRUE(got == narrow(f32) || (std::isnan(f32) && std::isnan(widen(got))))
            << tenon_opcode_name(op) << " " << x << " " << y;
      };
      volatile float vx = x, vy = y;
      same(TENON_OP_ADD, vx + vy);
      same(TENON_OP_MUL, vx * vy);
      same(TENON_OP_DIV, vx / vy);
      same(TENON_OP_FMA, std::fma(x, y, z));
      same(TENON_OP_SQRT, std::sqrt(x));
    };
    check(TENON_F16, tenon_f16_to_f32, tenon_f32_to_f16);
    check(TENON_BF16, tenon_bf16_to_f32, tenon_f32_to_bf16);
  }
}

// ---- casts, bits, random
// ----------------------------------------------------------------------------

TEST(Evaluate, FloatToIntTruncatesAndSaturates) {
  const auto cast = [](double x, uint32_t to) {
    return Evaluate(TENON_OP_CAST, TENON_F64, to, Bits(x));
  };
  for (const double x : {std::nan(""), 0.0, -0.0, 0.9, -0.9}) {
    for (uint32_t to = TENON_U8; to <= TENON_I64; ++to) EXPECT_EQ(cast(x, to), 0u) << x;
  }
  EXPECT_EQ(Value<int8_t>(cast(-1.9, TENON_I8)), -1);
  EXPECT_EQ(Value<int8_t>(cast(127.9, TENON_I8)), 127);
  EXPECT_EQ(Value<int8_t>(cast(1e9, TENON_I8)), 127);
  EXPECT_EQ(Value<int8_t>(cast(-1e9, TENON_I8)), -128);
  EXPECT_EQ(Value<uint8_t>(cast(-5, TENON_U8)), 0);
  EXPECT_EQ(Value<uint8_t>(cast(256, TENON_U8)), 255);
  EXPECT_EQ(Value<int64_t>(cast(0x1p63, TENON_I64)), INT64_MAX);
  EXPECT_EQ(Value<int64_t>(cast(-0x1p63, TENON_I64)), INT64_MIN);
  EXPECT_EQ(Value<int64_t>(cast(0x1.fffffffffffffp62, TENON_I64)), 0x7ffffffffffffc00);
  EXPECT_EQ(cast(0x1.fffffffffffffp63, TENON_U64), 0xfffffffffffff800u);
  EXPECT_EQ(cast(INFINITY, TENON_U64), UINT64_MAX);
  EXPECT_EQ(Value<int32_t>(cast(-INFINITY, TENON_I32)), INT32_MIN);
  EXPECT_EQ(cast(NAN, TENON_BOOL), 1u);
  EXPECT_EQ(cast(-0.0, TENON_BOOL), 0u);
  EXPECT_EQ(cast(1 + 0x1p-11 + 0x1p-40, TENON_F16), 0x3c01u) << "one rounding, not two";
  EXPECT_EQ(Value<float>(cast(0.1, TENON_F32)), 0.1f);
}

TEST(Evaluate, BitcastKeepsSignallingNaNs) {
  EXPECT_EQ(Evaluate(TENON_OP_BITCAST, TENON_F32, TENON_U32, 0x7f800001u), 0x7f800001u);
  EXPECT_EQ(Evaluate(TENON_OP_BITCAST, TENON_I64, TENON_F64, 0x7ff0000000000001u),
            0x7ff0000000000001u);
  EXPECT_EQ(Evaluate(TENON_OP_BITCAST, TENON_U8, TENON_BOOL, 2), 1u);
}

}  // namespace
