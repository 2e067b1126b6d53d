// The derivative of a program: every opcode's rule against central differences in long double, once
// and twice; slopes that rows give are consulted where they are nested; guards; corners; and what
// is saved.
#include "tenon/map/derive.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "tenon/base/error.h"
#include "tenon/map/builder.h"
#include "tenon/map/reference.h"

namespace tenon::map {
namespace {

constexpr DType f32 = DType::float32, f64 = DType::float64;
using Numbers = std::vector<long double>;

std::vector<Element> elements(DType d, const Numbers& x) {
  std::vector<Element> out;
  for (long double v : x) out.push_back(real(d, v));
  return out;
}
Numbers run(const Program& p, const Numbers& x, Rounding rounding = Rounding::kNone) {
  std::vector<Element> in;
  for (size_t i = 0; i < x.size(); ++i) in.push_back(real(p.inputs[i], x[i]));
  Numbers out;
  for (const Element& e : evaluate(p, in, {}, 0, rounding)) out.push_back(e.real);
  return out;
}

Program record(int n, const std::function<Value(const Value*)>& f, DType d = f64) {
  Builder b;
  Value in[3];
  for (int i = 0; i < n; ++i) in[i] = b.input(d);
  return b.finish({f(in)});
}

// The gradient as a program of the inputs alone (what is saved put back in), so that it can be
// derived again. The upstream gradient is 1.
Program gradient_of(const Program& p, uint64_t needed) {
  const Gradient g = derive(p, needed);
  Builder b;
  std::vector<Value> inputs;
  for (DType d : p.inputs) inputs.push_back(b.input(d));
  const std::vector<Value> forward = b.inline_program(p, inputs, {});
  std::vector<Value> in;
  for (const SavedValue& s : g.saved)
    in.push_back(s.output ? forward[p.outputs[s.index]] : inputs[s.index]);
  for (uint32_t j : g.differentiable) in.push_back(b.constant(1, p.output_dtype(j)));
  const std::vector<Value> values = b.inline_program(g.program, in, {});
  std::vector<Value> outputs;
  for (uint32_t o : g.program.outputs) outputs.push_back(values[o]);
  return b.finish(outputs);
}

// d output / d input k by central differences of sixth order.
long double difference(const Program& p, Numbers x, size_t k, size_t output = 0) {
  const long double h = 1e-3L * std::max(1.0L, std::abs(x[k])), at = x[k];
  long double sum = 0;
  const long double weights[] = {0.75L, -0.15L, 1 / 60.0L};
  for (int i = 1; i <= 3; ++i) {
    x[k] = at + i * h;
    const long double up = run(p, x)[output];
    x[k] = at - i * h;
    sum += weights[i - 1] * (up - run(p, x)[output]);
  }
  return sum / h;
}

void check(const char* name, const Program& p, const Numbers& x) {
  SCOPED_TRACE(name);
  const uint64_t all = (uint64_t{1} << x.size()) - 1;
  const Program first = gradient_of(p, all);
  const Numbers g = run(first, x);
  ASSERT_EQ(g.size(), x.size());
  for (size_t k = 0; k < x.size(); ++k) {
    const long double want = difference(p, x, k);
    EXPECT_NEAR(static_cast<double>(g[k]), static_cast<double>(want),
                1e-9 * (1 + std::abs(static_cast<double>(want))))
        << "input " << k << "\n"
        << text(first);
    // Each component of the gradient, derived again; and the gradient of one input alone is the
    // same.
    EXPECT_EQ(run(gradient_of(p, uint64_t{1} << k), x)[0], g[k]);
    Program component = first;
    component.outputs = {first.outputs[k]};
    const Numbers second = run(gradient_of(component, all), x);
    for (size_t l = 0; l < x.size(); ++l) {
      const long double want2 = difference(component, x, l);
      EXPECT_NEAR(static_cast<double>(second[l]), static_cast<double>(want2),
                  1e-8 * (1 + std::abs(static_cast<double>(want2))))
          << k << ", " << l;
    }
  }
}

TEST(Rules, EveryUnaryOpcode) {
  const std::pair<uint16_t, Numbers> cases[] = {
      {TENON_OP_NEG, {0.7L}},   {TENON_OP_ABS, {-0.7L}},  {TENON_OP_SQRT, {1.7L}},
      {TENON_OP_EXP, {0.7L}},   {TENON_OP_LOG, {0.7L}},   {TENON_OP_SIN, {0.7L}},
      {TENON_OP_COS, {0.7L}},   {TENON_OP_TANH, {0.7L}},  {TENON_OP_ERF, {0.7L}},
      {TENON_OP_RSQRT, {1.7L}}, {TENON_OP_RECIP, {0.7L}}, {TENON_OP_EXP2, {0.7L}},
      {TENON_OP_EXPM1, {0.7L}}, {TENON_OP_LOG2, {0.7L}},  {TENON_OP_LOG10, {0.7L}},
      {TENON_OP_LOG1P, {0.7L}}, {TENON_OP_TAN, {0.7L}},   {TENON_OP_ASIN, {0.3L}},
      {TENON_OP_ACOS, {0.3L}},  {TENON_OP_ATAN, {0.7L}},  {TENON_OP_SINH, {0.7L}},
      {TENON_OP_COSH, {0.7L}},  {TENON_OP_ASINH, {0.7L}}, {TENON_OP_ACOSH, {1.7L}},
      {TENON_OP_ATANH, {0.3L}}, {TENON_OP_ERFC, {0.7L}},  {TENON_OP_ERFINV, {0.3L}},
      {TENON_OP_FLOOR, {0.7L}}, {TENON_OP_CEIL, {0.7L}},  {TENON_OP_TRUNC, {0.7L}},
      {TENON_OP_RINT, {0.7L}},  {TENON_OP_SIGN, {0.7L}}};
  for (const auto& [op, x] : cases) {
    check(opcode_name(op),
          record(1, [op = op](const Value* in) { return in[0].builder().emit(op, f64, in[0]); }),
          x);
    // Inside other functions, with the value used twice.
    check(opcode_name(op),
          record(1,
                 [op = op](const Value* in) {
                   const Value y = in[0].builder().emit(op, f64, in[0] * 1.0);
                   return y * y + sin(y) * in[0];
                 }),
          x);
  }
}

TEST(Rules, EveryOpcodeOfMoreOperands) {
  const std::pair<uint16_t, Numbers> cases[] = {
      {TENON_OP_ADD, {0.7L, 1.9L}},      {TENON_OP_SUB, {0.7L, 1.9L}},
      {TENON_OP_MUL, {0.7L, 1.9L}},      {TENON_OP_DIV, {0.7L, 1.9L}},
      {TENON_OP_REM, {7.3L, 1.9L}},      {TENON_OP_REM, {-7.3L, 1.9L}},
      {TENON_OP_MIN, {0.7L, 1.9L}},      {TENON_OP_MAX, {0.7L, 1.9L}},
      {TENON_OP_POW, {0.7L, 1.9L}},      {TENON_OP_ATAN2, {0.7L, -1.9L}},
      {TENON_OP_COPYSIGN, {0.7L, -1.9L}}};
  for (const auto& [op, x] : cases) {
    check(opcode_name(op),
          record(2, [op = op](
                        const Value* in) { return in[0].builder().emit(op, f64, in[0], in[1]); }),
          x);
    check(opcode_name(op),
          record(2,
                 [op = op](const Value* in) {
                   const Value y = in[0].builder().emit(op, f64, in[0] * 1.5, in[1] * 1.25);
                   return y * y * in[1] + in[0];
                 }),
          x);
  }
  check("fma", record(3, [](const Value* in) { return fma(in[0], in[1], in[2]) * in[0]; }),
        {0.7L, 1.9L, -0.4L});
  check("select",
        record(2,
               [](const Value* in) {
                 return select(in[0] < in[1], in[0] * in[1], exp(in[0])) * in[1];
               }),
        {0.7L, 1.9L});
  check("select",
        record(2,
               [](const Value* in) {
                 return select(in[1] < in[0], in[0] * in[1], exp(in[0])) * in[1];
               }),
        {0.7L, 1.9L});
}

TEST(Rules, CastsAndDTypes) {
  // The gradient of an input has its dtype; integers and bools carry none.
  Builder b;
  const Value x = b.input(f32), n = b.input(DType::int32);
  const Program p = b.finish({cast(x, f64) * cast(n, f64), cast(n, DType::int64)});
  const Gradient g = derive(p, 0b11);
  EXPECT_EQ(g.differentiable, std::vector<uint32_t>{0});
  EXPECT_EQ(g.needed, std::vector<uint32_t>{0});
  EXPECT_EQ(g.program.output_dtype(0), f32);
  // Through a rounding to integers nothing flows.
  Builder c;
  const Value y = c.input(f64);
  const Gradient zero = derive(c.finish({cast(cast(y, DType::int32), f64) + floor(y)}), 1);
  EXPECT_EQ(zero.program.code[zero.program.outputs[0]].op, TENON_OP_CONST);
  EXPECT_EQ(zero.program.code[zero.program.outputs[0]].imm, 0u);
}

TEST(Rules, SeveralOutputsAddUp) {
  Builder b;
  const Value x = b.input(f64), y = b.input(f64);
  const Program p = b.finish({x * y, exp(x)});
  const Gradient g = derive(p, 0b11);
  EXPECT_EQ(g.differentiable, (std::vector<uint32_t>{0, 1}));
  Numbers in;
  const long double forward[] = {6, std::exp(2.0L)}, inputs[] = {2, 3};
  for (const SavedValue& s : g.saved) in.push_back(s.output ? forward[s.index] : inputs[s.index]);
  in.insert(in.end(), {10, 100});
  const Numbers out = run(g.program, in);
  EXPECT_NEAR(static_cast<double>(out[0]), static_cast<double>(10 * 3 + 100 * std::exp(2.0L)),
              1e-12);
  EXPECT_EQ(out[1], 20);
}

// ---- corners
// ---------------------------------------------------------------------------------------------------------

TEST(Corners, PinnedValues) {
  const auto slope = [](const std::function<Value(const Value*)>& f, const Numbers& x) {
    return run(gradient_of(record(static_cast<int>(x.size()), f), (uint64_t{1} << x.size()) - 1),
               x);
  };
  EXPECT_EQ(slope([](const Value* v) { return abs(v[0]); }, {0}), Numbers{0});
  EXPECT_EQ(slope([](const Value* v) { return max(v[0], v[1]); }, {2, 2}), (Numbers{0.5L, 0.5L}));
  EXPECT_EQ(slope([](const Value* v) { return min(v[0], v[1]); }, {2, 2}), (Numbers{0.5L, 0.5L}));
  EXPECT_EQ(slope([](const Value* v) { return max(v[0], v[0]); }, {2}), Numbers{1});
  EXPECT_EQ(slope([](const Value* v) { return pow(v[0], v[1]); }, {0, 0}), (Numbers{0, 0}));
  EXPECT_EQ(slope([](const Value* v) { return pow(v[0], v[1]); }, {0, 2}), (Numbers{0, 0}));
  EXPECT_EQ(slope([](const Value* v) { return pow(v[0], v[1]); }, {0, 1})[0], 1);
  EXPECT_EQ(slope([](const Value* v) { return pow(v[0], 0.0); }, {0}), Numbers{0});
}

TEST(Guards, TravelOutward) {
  // select(x > 0, sqrt(x), 0) at 0: 1/0 and its derivative stay on the side not taken, also behind
  // other functions.
  const std::function<Value(const Value*)> cases[] = {
      [](const Value* v) { return select(0.0 < v[0], sqrt(v[0]), 0.0); },
      [](const Value* v) { return select(0.0 < v[0], exp(sqrt(v[0]) * 3.0), 1.0); },
      [](const Value* v) {
        return select(0.0 < v[0], select(v[0] < 4.0, log(v[0]), sqrt(v[0])), v[0] * v[0]);
      },
      [](const Value* v) {
        return select(0.0 < v[0], sqrt(v[0]), 0.0) * sin(v[0]) +
               select(0.0 < v[0], log(v[0]), v[0]);
      }};
  for (const auto& f : cases) {
    Program p = record(1, f);
    for (int order = 1; order <= 3; ++order) {
      p = gradient_of(p, 1);
      for (long double x : {0.0L, -1.0L, 0.5L})
        EXPECT_TRUE(std::isfinite(run(p, {x})[0]))
            << order << " at " << static_cast<double>(x) << "\n"
            << text(p);
    }
  }
}

// ---- nested slopes
// ---------------------------------------------------------------------------------------------------

// As elementwise.def's row: the value, and "y * (1 - y)" for its slope.
Value sigmoid(Value x) {
  const Value e = exp(-abs(x)), y = select(x < 0.0, e, 1.0) / (1.0 + e);
  x.builder().add_slope(y, x, y * (1.0 - y));
  return y;
}

TEST(NestedSlopes, SigmoidInsideSilu) {
  const Program silu = record(
      1, [](const Value* v) { return v[0] * sigmoid(v[0]); }, f32);
  const Program slope = gradient_of(silu, 1), second = gradient_of(slope, 1);
  // The rule for exp would bring a second EXP or its product; the slope needs sigmoid's value only.
  const Gradient g = derive(silu, 1);
  int exps = 0, divisions = 0;
  for (const TenonInstr& i : g.program.code) {
    exps += i.op == TENON_OP_EXP;
    divisions += i.op == TENON_OP_DIV;
  }
  EXPECT_EQ(exps, 1) << text(g.program);
  EXPECT_EQ(divisions, 1) << text(g.program);
  for (long double x : {-100.0L, -20.0L, -1.0L, 0.0L, 1.0L, 20.0L, 100.0L}) {
    const long double s = 1 / (1 + std::exp(-x)), r = 1 / (1 + std::exp(x));
    // In float32, rounding after every instruction: no overflow, no cancellation.
    const double want = static_cast<double>(s * (1 + x * r)),
                 want2 = static_cast<double>(s * r * (2 + x * (1 - 2 * s)));
    EXPECT_NEAR(static_cast<double>(run(slope, {x}, Rounding::kToDType)[0]), want,
                1e-6 * std::max(1.0, std::abs(want)))
        << static_cast<double>(x);
    EXPECT_NEAR(static_cast<double>(run(second, {x}, Rounding::kToDType)[0]), want2, 2e-6)
        << static_cast<double>(x);
  }
}

TEST(NestedSlopes, ConsultedBeforeTheRules) {
  // A slope that is not the true one shows which is used: also two levels deep and for two
  // operands.
  const auto odd = [](Value x, Value y) {
    const Value z = x * y;
    x.builder().add_slope(z, x, x.builder().constant(5, x.dtype()));
    x.builder().add_slope(z, y, x.builder().constant(7, x.dtype()));
    return z;
  };
  const Program p = record(2, [&](const Value* v) { return exp(odd(v[0] * 2.0, v[1])) + 1.0; });
  const long double e = std::exp(2 * 0.25L * 0.5L);
  const Numbers g = run(gradient_of(p, 0b11), {0.25L, 0.5L});
  EXPECT_NEAR(static_cast<double>(g[0]), static_cast<double>(e * 5 * 2), 1e-12);
  EXPECT_NEAR(static_cast<double>(g[1]), static_cast<double>(e * 7), 1e-12);
}

// ---- saving
// ----------------------------------------------------------------------------------------------------------

TEST(Saving, OutputsIfTheyAreEnoughElseInputs) {
  const auto saved = [](int n, const std::function<Value(const Value*)>& f, uint64_t needed,
                        bool at_hand = true) {
    return derive(record(n, f), needed, at_hand).saved;
  };
  const std::vector<SavedValue> output = {{true, 0}}, none = {}, x = {{false, 0}}, y = {{false, 1}},
                                both = {{false, 0}, {false, 1}};
  EXPECT_EQ(saved(
                1, [](const Value* v) { return exp(v[0]); }, 1),
            output);
  EXPECT_EQ(saved(
                1, [](const Value* v) { return tanh(v[0]); }, 1),
            output);
  EXPECT_EQ(saved(
                1, [](const Value* v) { return sqrt(v[0]); }, 1),
            output);
  EXPECT_EQ(saved(
                1, [](const Value* v) { return sigmoid(v[0]); }, 1),
            output);
  EXPECT_EQ(saved(
                1, [](const Value* v) { return sin(v[0]); }, 1),
            x);
  EXPECT_EQ(saved(
                1, [](const Value* v) { return v[0] * sigmoid(v[0]); }, 1),
            x);
  EXPECT_EQ(saved(
                2, [](const Value* v) { return v[0] * v[1]; }, 0b11),
            both);
  EXPECT_EQ(saved(
                2, [](const Value* v) { return v[0] * v[1]; }, 0b01),
            y);
  EXPECT_EQ(saved(
                2, [](const Value* v) { return v[0] * v[1]; }, 0b10),
            x);
  EXPECT_EQ(saved(
                2, [](const Value* v) { return v[0] + v[1]; }, 0b11),
            none);
  EXPECT_EQ(saved(
                1, [](const Value* v) { return v[0] * 3.0; }, 1),
            none);
  // The outputs were not kept: the same gradients from the inputs.
  EXPECT_EQ(saved(
                1, [](const Value* v) { return exp(v[0]); }, 1, false),
            x);
  EXPECT_EQ(saved(
                1, [](const Value* v) { return sigmoid(v[0]); }, 1, false),
            x);
}

TEST(Saving, ScalarsKeepTheirSlots) {
  Builder b;
  const Value x = b.input(f64), s = b.scalar(f64), t = b.scalar(f64);
  const Gradient g = derive(b.finish({x * t + s}), 1);
  ASSERT_EQ(g.program.scalars.size(), 2u);
  const std::vector<Element> scalars = elements(f64, {100, 3}), in = elements(f64, {2});
  EXPECT_EQ(evaluate(g.program, in, scalars, 0, Rounding::kNone)[0].real, 6);
}

TEST(Errors, NoRule) {
  const Program p = record(1, [](const Value* v) { return digamma(v[0]); });
  try {
    derive(p, 1);
    FAIL() << "derived";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kUnsupported);
    EXPECT_EQ(e.operation(), "digamma");
  }
  EXPECT_TRUE(derive(p, 0).needed.empty());
}

}  // namespace
}  // namespace tenon::map
