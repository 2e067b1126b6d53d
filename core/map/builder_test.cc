// Recording: the canonical form (equal functions give equal programs and hashes), folding that is
// exact, and what is refused. Values are judged by reference.h, which shares no code with the
// builder.
#include "tenon/map/builder.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "tenon/base/error.h"
#include "tenon/map/reference.h"

namespace tenon::map {
namespace {

constexpr DType f32 = DType::float32, f64 = DType::float64, i32 = DType::int32;

Program record(const std::function<Value(Builder&, Value, Value)>& f, DType d = f32) {
  Builder b;
  const Value x = b.input(d), y = b.input(d);
  return b.finish({f(b, x, y)});
}
void expect_equal(const Program& a, const Program& b) {
  EXPECT_TRUE(a == b) << text(a) << "---\n" << text(b);
  EXPECT_EQ(content_hash(a), content_hash(b));
}
long double value(const Program& p, long double x, long double y) {
  const Element in[] = {real(p.inputs[0], x), real(p.inputs[1], y)};
  return evaluate(p, in, {}, 0, Rounding::kToDType)[0].real;
}
ErrorCode code_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.code();
  }
  return ErrorCode{};
}

TEST(Canonical, EqualFunctionsAreEqualPrograms) {
  const Program p = record([](Builder&, Value x, Value y) { return exp(x * y) + x; });
  // Commuted, recorded twice, with dead code and in another order.
  expect_equal(p, record([](Builder&, Value x, Value y) { return x + exp(y * x); }));
  expect_equal(p, record([](Builder&, Value x, Value y) {
                 sin(y);
                 const Value first = exp(x * y), again = exp(y * x);
                 EXPECT_TRUE(same(first, again));
                 return again + x;
               }));
  EXPECT_EQ(p.code.size(), 5u);  // two inputs, mul, exp, add
  // Inputs stand first by number even where used the other way round, or not at all.
  const Program q = record([](Builder&, Value, Value y) { return exp(y); });
  EXPECT_EQ(q.inputs.size(), 2u);
  EXPECT_EQ(q.code[0].op, TENON_OP_INPUT);
  EXPECT_EQ(q.code[0].imm, 1u);
}

TEST(Canonical, DifferentFunctionsDiffer) {
  const Program p = record([](Builder&, Value x, Value y) { return x - y; });
  for (const Program& q : {record([](Builder&, Value x, Value y) { return y - x; }),
                           record([](Builder&, Value x, Value y) { return x + y; }),
                           record([](Builder&, Value x, Value y) { return x - y; }, f64),
                           record([](Builder&, Value x, Value) { return x - 1.0; }),
                           record([](Builder&, Value x, Value) { return x - 2.0; })}) {
    EXPECT_FALSE(p == q) << text(q);
    EXPECT_NE(content_hash(p), content_hash(q));
  }
  // MIN and MAX keep their order: which of two zeros or NaNs comes out depends on it.
  EXPECT_FALSE(record([](Builder&, Value x, Value y) { return max(x, y); }) ==
               record([](Builder&, Value x, Value y) { return max(y, x); }));
}

TEST(Canonical, SlopesTravelAndAreDropped) {
  Builder b;
  const Value x = b.input(f32);
  const Value y = exp(x) * 2.0;
  b.add_slope(y, x, sin(x));
  b.add_slope(y, x, sin(x));       // once
  b.add_slope(cos(x), x, tan(x));  // of a dead value
  const Program p = b.finish({y});
  ASSERT_EQ(p.slopes.size(), 1u);
  EXPECT_EQ(p.code[p.slopes[0].slope].op, TENON_OP_SIN);
  EXPECT_FALSE(p.uses(TENON_OP_TAN));
  const Program device = without_slopes(p);
  EXPECT_TRUE(device.slopes.empty());
  EXPECT_FALSE(device.uses(TENON_OP_SIN));
  Builder plain;
  expect_equal(device, plain.finish({exp(plain.input(f32)) * 2.0}));
}

TEST(Folding, IsExact) {
  const auto constant = [](const std::function<Value(Builder&)>& f) {
    Builder b;
    const Program p = b.finish({f(b)});
    EXPECT_EQ(p.code.size(), 1u) << text(p);
    EXPECT_EQ(p.code.back().op, TENON_OP_CONST);
    return element_of(static_cast<DType>(p.code.back().dtype), p.code.back().imm);
  };
  EXPECT_EQ(constant([](Builder& b) { return b.constant(0.1, f32) + 0.2; }).real,
            static_cast<long double>(0.1f + 0.2f));
  EXPECT_EQ(constant([](Builder& b) { return b.constant(1, f32) / 3.0; }).real,
            static_cast<long double>(1.0f / 3.0f));
  EXPECT_EQ(constant([](Builder& b) { return b.constant(0.1, f64) * 0.2; }).real,
            static_cast<long double>(0.1 * 0.2));
  EXPECT_EQ(constant([](Builder& b) { return -(b.constant(2, f32) - 3.0); }).real, 1);
  EXPECT_EQ(constant([](Builder& b) { return cast(b.constant(2.9, f32), i32); }).integer, 2);
  // CAST saturates and sends NaN to 0.
  EXPECT_EQ(constant([](Builder& b) { return b.constant(1e30, i32); }).integer, INT32_MAX);
  EXPECT_EQ(constant([](Builder& b) { return b.constant(-5, DType::uint8); }).integer, 0);
  EXPECT_EQ(constant([](Builder& b) { return b.constant(NAN, DType::int64); }).integer, 0);
  EXPECT_EQ(constant([](Builder& b) { return b.constant(1e30, DType::uint64); }).integer,
            static_cast<__int128>(UINT64_MAX));
  EXPECT_EQ(constant([](Builder& b) { return b.constant(0.1, DType::float16); }).real,
            round_to(DType::float16, 0.1L));
}

// Rewritings hold for NaN and signed zeros too, or are not made.
TEST(Folding, OnlyWhatHoldsForEveryValue) {
  Builder b;
  const Value x = b.input(f32), c = x < 0.0;
  EXPECT_TRUE(same(x * 1.0, x));
  EXPECT_TRUE(same(1.0 * x, x));
  EXPECT_TRUE(same(x / 1.0, x));
  EXPECT_TRUE(same(x - 0.0, x));
  EXPECT_TRUE(same(-(-x), x));
  EXPECT_TRUE(same(!!c, c));
  EXPECT_TRUE(same(c & c, c));
  EXPECT_TRUE(same(select(c, x, x), x));
  EXPECT_TRUE(same(cast(x, f32), x));
  EXPECT_TRUE(same(select(b.constant(1, DType::bool_), x, exp(x)), x));
  EXPECT_FALSE(same(x + 0.0, x));  // -0 + 0 is 0
  EXPECT_FALSE(same(x * 0.0, b.constant(0, f32)));
  EXPECT_FALSE(same(x - x, b.constant(0, f32)));
  EXPECT_FALSE(same(eq(x, x), b.constant(1, DType::bool_)));
  const Program p = b.finish({(x + 0.0) * 1.0, x * 0.0});
  const Element minus_zero[] = {real(f32, -0.0L)},
                inf[] = {real(f32, std::numeric_limits<long double>::infinity())};
  EXPECT_FALSE(std::signbit(evaluate(p, minus_zero, {}, 0, Rounding::kToDType)[0].real));
  EXPECT_TRUE(std::isnan(evaluate(p, inf, {}, 0, Rounding::kToDType)[1].real));
}

TEST(Recording, NumbersTakeTheOtherSidesDType) {
  const Program p =
      record([](Builder&, Value x, Value y) { return select(x < 0.1, fma(x, y, y), 1.0 / y); },
             DType::float16);
  for (const TenonInstr& i : p.code) EXPECT_TRUE(i.dtype == TENON_F16 || i.dtype == TENON_BOOL);
  const Program q = record(
      [](Builder&, Value x, Value y) { return select(x < y, x * 0.5, max(x, y) - 1.0); }, f64);
  EXPECT_EQ(value(q, 2, 3), 1);
  EXPECT_EQ(value(q, 3, 2), 2);
}

TEST(Recording, InlineWithSubstitution) {
  Builder inner;
  const Value x = inner.input(f64), s = inner.scalar(f64);
  const Value e = exp(x);
  const Program p = inner.finish({e * s});
  Builder outer;
  const Value u = outer.input(f64), v = outer.input(f64);
  const Value in[] = {u + v}, scalars[] = {outer.constant(3, f64)};
  const Program whole = outer.finish({outer.inline_program(p, in, scalars).back()});
  EXPECT_NEAR(static_cast<double>(value(whole, 0.5, 0.25)), 3 * std::exp(0.75), 1e-14);
  // The exponential replaced by v.
  std::vector<Value> substitute(p.code.size());
  for (size_t i = 0; i < p.code.size(); ++i) {
    if (p.code[i].op == TENON_OP_EXP) substitute[i] = v;
  }
  const Program replaced =
      outer.finish({outer.inline_program(p, in, scalars, substitute)[p.outputs[0]]});
  EXPECT_EQ(value(replaced, 100, 7), 21);
}

TEST(Recording, Misuse) {
  Builder a, b;
  const Value x = a.input(f32), y = b.input(f32), wide = a.input(f64), n = a.input(i32),
              c = a.input(DType::bool_);
  EXPECT_EQ(code_of([&] { x + y; }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([&] { a.finish({y}); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([&] { a.finish({Value()}); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([&] { x + wide; }), ErrorCode::kDType);
  EXPECT_EQ(code_of([&] { select(x, x, x); }), ErrorCode::kDType);
  EXPECT_EQ(code_of([&] { select(c, x, wide); }), ErrorCode::kDType);
  EXPECT_EQ(code_of([&] { exp(n); }), ErrorCode::kDType);
  EXPECT_EQ(code_of([&] { x& x; }), ErrorCode::kDType);
  EXPECT_EQ(code_of([&] { c + c; }), ErrorCode::kDType);
  EXPECT_EQ(code_of([&] { c << c; }), ErrorCode::kDType);
  EXPECT_EQ(code_of([&] { bitcast(x, f64); }), ErrorCode::kDType);
  EXPECT_EQ(code_of([&] { a.input(DType::complex64) + 1.0; }), ErrorCode::kDType);
  // Refused calls leave nothing behind.
  const Program p = a.finish({x + 1.0});
  EXPECT_EQ(p.code.size(), 3u) << text(p);
}

TEST(Recording, ManyInstructions) {
  Builder b;
  const Value x = b.input(f32);
  Value v = x;
  for (int i = 0; i < 2000; ++i) v = sin(v) + static_cast<double>(i % 7);
  const Program p = b.finish({v});
  EXPECT_GT(p.code.size(), 4000u);
  EXPECT_EQ(content_hash(p), content_hash(b.finish({v})));
}

}  // namespace
}  // namespace tenon::map
