#include "tenon/map/decompose.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "tenon/map/builder.h"
#include "tenon/map/reference.h"

namespace tenon::map {
namespace {

struct Opcodes {
  uint64_t bits[4] = {};
  static Opcodes required() {
    Opcodes result;
    for (uint16_t op = 1; op < TENON_OPCODE_COUNT; ++op) {
      if (opcode_required(op)) result.add(op);
    }
    return result;
  }
  void add(uint16_t op) { bits[op / 64] |= uint64_t{1} << op % 64; }
  void remove(uint16_t op) { bits[op / 64] &= ~(uint64_t{1} << op % 64); }
};

Program single(uint16_t op, DType d) {
  Builder b;
  const Value x = b.input(d);
  return b.finish({opcode_arity(op) == 2 ? b.emit(op, d, x, b.input(d)) : b.emit(op, d, x)});
}

Program rewritten(uint16_t op, DType d) {
  Program result;
  EXPECT_TRUE(decompose(single(op, d), Opcodes::required().bits, &result)) << opcode_name(op);
  for (const TenonInstr& t : result.code) EXPECT_TRUE(opcode_required(t.op)) << text(result);
  return result;
}

Element compute(const Program& p, std::vector<Element> inputs) {
  return evaluate(p, inputs, {}, 0, Rounding::kToDType)[0];
}

constexpr long double kInf = std::numeric_limits<long double>::infinity();
constexpr long double kNan = std::numeric_limits<long double>::quiet_NaN();

// All magnitudes, the neighbourhood of small integers and halves, and the special values.
std::vector<long double> samples(DType d, int count) {
  std::mt19937_64 random(7);
  std::vector<long double> xs = {0.0L, -0.0L, kInf, -kInf, kNan};
  const bool wide = d == DType::float64;
  for (long double x :
       {1.4e-45L, 1e-40L, 1.1754944e-38L, 1e-30L, 1e-10L, 1e-4L, 0.5L,  1.0L,  1.5L,
        2.0L,     2.5L,   3.0L,           3.5L,   4.0L,   5.0L,  11.0L, 80.0L, 88.5L,
        89.2L,    103.0L, 150.0L,         1e4L,   1e9L,   1e15L, 3e38L}) {
    for (long double s : {x, -x}) {
      const long double r = round_to(d, s);
      const uint64_t bits = bits_of(real(d, r));
      for (int step : {-1, 0, 1})
        xs.push_back(element_of(d, bits + static_cast<uint64_t>(step)).real);
    }
  }
  if (wide) {
    for (long double x : {4.9e-324L, 1e-310L, 1e300L, 1.7e308L, 709.5L, 710.2L, -744.0L, 27.0L})
      xs.push_back(round_to(d, x));
  }
  std::uniform_real_distribution<double> small(-4, 4), middle(-100, 100);
  while (static_cast<int>(xs.size()) < count) {
    xs.push_back(round_to(d, element_of(d, random()).real));
    xs.push_back(round_to(d, small(random)));
    xs.push_back(round_to(d, middle(random)));
    xs.push_back(round_to(d, std::ldexp(small(random), -static_cast<int>(random() % 30))));
    xs.push_back(round_to(d, 1 + std::ldexp(small(random), -2 - static_cast<int>(random() % 22))));
  }
  return xs;
}

struct Bound {
  uint16_t op;
  double f32, f64;  // ulp, with required opcodes that are correctly rounded
  // Below 0 the rewriting is a difference, reflection minus f(1 - x): errors there are measured in
  // ulp of the result, of f(1 - x) or of 1, whichever is greatest. (The function has zeros there
  // that nothing short of more digits finds.)
  bool reflected = false;
};
const Bound kBounds[] = {
    {TENON_OP_RSQRT, 1.5, 1.5},    {TENON_OP_RECIP, 0.5, 0.5},     {TENON_OP_EXP2, 2, 2},
    {TENON_OP_EXPM1, 4, 4},        {TENON_OP_LOG2, 1.5, 1.5},      {TENON_OP_LOG10, 1.5, 1.5},
    {TENON_OP_LOG1P, 3, 3},        {TENON_OP_TAN, 2, 2},           {TENON_OP_ASIN, 4, 4},
    {TENON_OP_ACOS, 4, 4},         {TENON_OP_ATAN, 2, 2},          {TENON_OP_SINH, 4, 4},
    {TENON_OP_COSH, 3, 3},         {TENON_OP_ASINH, 4, 4},         {TENON_OP_ACOSH, 4, 4},
    {TENON_OP_ATANH, 4, 4},        {TENON_OP_ERFC, 4, 4},          {TENON_OP_ERFINV, 4, 4},
    {TENON_OP_LGAMMA, 6, 6, true}, {TENON_OP_DIGAMMA, 6, 6, true}, {TENON_OP_SIGN, 0, 0},
};

long double exact(const Program& p, DType d, long double x) {
  return evaluate(p, std::vector<Element>{real(d, x)}, {}, 0, Rounding::kNone)[0].real;
}

void check(const Bound& bound, DType d, int count) {
  const Program original = single(bound.op, d), p = rewritten(bound.op, d);
  const double allowed = d == DType::float64 ? bound.f64 : bound.f32;
  long double worst = 0, worst_x = 0;
  for (long double x : samples(d, count)) {
    const long double expected = exact(original, d, x);
    const long double got = compute(p, {real(d, x)}).real;
    long double error = ulp_distance(d, got, expected);
    if (bound.op == TENON_OP_DIGAMMA && d == DType::float64 && std::fabs(x - 1.4616L) < 0.01L)
      continue;  // see below
    if (bound.reflected && x < 0 && std::isfinite(got) && std::isfinite(expected)) {
      const long double other = std::fabs(exact(original, d, 1 - x)),
                        scale = std::max({std::fabs(expected), other, 1.0L});
      error = ulp_distance(d, scale + std::fabs(got - expected), scale);
    }
    if (expected == 0 && got == 0 && bound.op != TENON_OP_LGAMMA) {
      EXPECT_EQ(std::signbit(got), std::signbit(expected)) << opcode_name(bound.op) << " at " << x;
    }
    if (!(error <= worst)) worst = error, worst_x = x;
  }
  printf("%-8s %-8s %5.2f ulp at %-14Lg %3zu instructions\n", opcode_name(bound.op),
         dtype_name(d).data(), static_cast<double>(worst), worst_x, p.code.size());
  EXPECT_LE(worst, allowed) << opcode_name(bound.op) << ' ' << dtype_name(d) << " at " << worst_x
                            << ": " << compute(p, {real(d, worst_x)}).real << " for "
                            << compute(original, {real(d, worst_x)}).real;
}

TEST(Decompose, Float32WithinBounds) {
  for (const Bound& bound : kBounds) check(bound, DType::float32, 6000);
}
TEST(Decompose, Float64WithinBounds) {
  for (const Bound& bound : kBounds) check(bound, DType::float64, 6000);
}

// Computed in float32 and rounded, so the last bit may differ, no more.
TEST(Decompose, HalvesWithinOneUlp) {
  for (Bound bound : kBounds) {
    bound.f32 = bound.op == TENON_OP_SIGN ? 0 : 0.6;
    check(bound, DType::float16, 3000);
    check(bound, DType::bfloat16, 3000);
  }
}

TEST(Decompose, Atan2) {
  for (DType d : {DType::float32, DType::float64}) {
    const Program p = rewritten(TENON_OP_ATAN2, d);
    std::vector<long double> xs = samples(d, 400);
    long double worst = 0;
    std::mt19937_64 random(3);
    auto check_pair = [&](long double y, long double x) {
      const long double expected = std::atan2(y, x),
                        got = compute(p, {real(d, y), real(d, x)}).real;
      worst = std::max(worst, ulp_distance(d, got, expected));
      EXPECT_LE(ulp_distance(d, got, expected), 3) << y << ", " << x;
      EXPECT_TRUE(got != 0 || std::signbit(got) == std::signbit(expected)) << y << ", " << x;
    };
    for (int i = 0; i < 5000; ++i) check_pair(xs[random() % xs.size()], xs[random() % xs.size()]);
    for (long double y : {0.0L, -0.0L, 1.0L, -1.0L, kInf, -kInf, kNan}) {
      for (long double x : {0.0L, -0.0L, 1.0L, -1.0L, kInf, -kInf, kNan}) check_pair(y, x);
    }
    printf("atan2    %-8s %5.2f ulp\n", dtype_name(d).data(), static_cast<double>(worst));
  }
}

TEST(Decompose, ExactOnes) {
  std::mt19937_64 random(5);
  for (DType d : {DType::float16, DType::bfloat16, DType::float32, DType::float64}) {
    const Program p = rewritten(TENON_OP_COPYSIGN, d);
    for (long double x : {0.0L, 1.5L, -2.0L, kInf}) {
      for (long double s : {0.0L, -0.0L, 3.0L, -kInf}) {
        EXPECT_EQ(bits_of(compute(p, {real(d, x), real(d, s)})),
                  bits_of(real(d, std::copysign(x, s))));
      }
    }
  }
  for (DType d : {DType::uint32, DType::uint64}) {
    const Program p = rewritten(TENON_OP_MULHI, d), original = single(TENON_OP_MULHI, d);
    for (int i = 0; i < 200; ++i) {
      const Element a = element_of(d, i < 2 ? ~0ull : random()),
                    b = element_of(d, i < 1 ? ~0ull : random());
      EXPECT_EQ(bits_of(compute(p, {a, b})), bits_of(compute(original, {a, b})));
    }
  }
  for (DType d :
       {DType::int8, DType::int16, DType::int32, DType::int64, DType::uint8, DType::uint64}) {
    const Program p = rewritten(TENON_OP_SIGN, d), original = single(TENON_OP_SIGN, d);
    for (uint64_t bits : {0ull, 1ull, 5ull, ~0ull, 1ull << 63, 1ull << 31, 1ull << 7}) {
      EXPECT_EQ(bits_of(compute(p, {element_of(d, bits)})),
                bits_of(compute(original, {element_of(d, bits)})));
    }
  }
}

// Near the root, where the reference has too few digits; values by mpmath with 50.
TEST(Decompose, DigammaNearItsRoot) {
  struct Point {
    double x;
    long double value;
  };
  const Program p = rewritten(TENON_OP_DIGAMMA, DType::float64);
  for (Point at :
       {Point{1.4616248434044095, -0.000007065544390627550931592L},
        Point{1.4616321449683622, -9.241265521729427516792e-17L},
        Point{1.4616321449683625, 1.224537462200406903132e-16L},
        Point{1.4616, -0.00003110625123034164965756L}, Point{1.47, 0.008066489011364868442326L}}) {
    const long double got = compute(p, {real(DType::float64, at.x)}).real;
    EXPECT_LE(ulp_distance(DType::float64, got, at.value), 4) << at.x;
  }
}

TEST(Decompose, KeepsWhatTheDeviceHas) {
  Opcodes opcodes = Opcodes::required();
  opcodes.add(TENON_OP_LOG1P);
  Program p;
  ASSERT_TRUE(decompose(single(TENON_OP_ATANH, DType::float32), opcodes.bits, &p));
  EXPECT_TRUE(p.uses(TENON_OP_LOG1P));
  EXPECT_FALSE(p.uses(TENON_OP_LOG));
  ASSERT_TRUE(decompose(single(TENON_OP_LOG1P, DType::float32), opcodes.bits, &p));
  EXPECT_EQ(p, single(TENON_OP_LOG1P, DType::float32));
}

TEST(Decompose, RefusesWithoutARequiredOpcode) {
  Opcodes opcodes = Opcodes::required();
  opcodes.remove(TENON_OP_TANH);
  Program p;
  EXPECT_FALSE(decompose(single(TENON_OP_EXPM1, DType::float32), opcodes.bits, &p));
  EXPECT_FALSE(decompose(single(TENON_OP_TANH, DType::float32), opcodes.bits, &p));
  EXPECT_TRUE(decompose(single(TENON_OP_LOG1P, DType::float32), opcodes.bits, &p));
}

}  // namespace
}  // namespace tenon::map
