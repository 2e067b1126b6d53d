// Custom functions, and gradcheck, which must see when one is wrong.
#include <gtest/gtest.h>

#include "tenon/tenon.h"
#include "tests/tensor_values.h"

namespace tenon {
namespace {

struct Cube : Function {
  std::vector<Tensor> forward(std::span<const Tensor> x) override {
    EXPECT_FALSE(grad_enabled());
    save({x[0]});
    return {x[0] * x[0] * x[0]};
  }
  std::vector<Tensor> backward(std::span<const Tensor> g) override {
    return {g[0] * 3.0 * square(saved(0))};
  }
  const char* name() const override { return "Cube"; }
};

Tensor cube(const Tensor& x) { return apply(std::make_unique<Cube>(), {x})[0]; }

TEST(Function, HasItsOwnBackward) {
  Tensor x = leaf({1, 2, -3});
  const Tensor y = cube(x);
  EXPECT_STREQ(y.grad_fn_name(), "Cube");
  sum(y).backward();
  expect_values(x.grad(), {3, 12, 27});
  EXPECT_FALSE(cube(x.detach()).requires_grad());
  const NoGradScope scope;
  EXPECT_FALSE(cube(x).requires_grad());
}

TEST(Function, IsDifferentiatedAgainThroughItsBackward) {
  const Tensor x[] = {leaf({0.5, 2, -3})};
  EXPECT_EQ(
      gradcheck([](std::span<const Tensor> t) { return cube(t[0]); }, x, {.second_order = true}),
      "");
}

TEST(Function, SavedTensorsAreFreedAndChecked) {
  Tensor x = leaf({1, 2});
  const Tensor y = sum(cube(x));
  y.backward();
  EXPECT_TRUE(has(error_of(ErrorCode::kAutograd, [&] { y.backward(); }), "a second time"));
  Tensor z = x * 1.0;
  const Tensor c = sum(cube(z));
  z += 1.0;
  const std::string text = error_of(ErrorCode::kAutograd, [&] { c.backward(); });
  EXPECT_TRUE(text.rfind("Cube:", 0) == 0 && has(text, "last written by add")) << text;
}

// Two outputs, of which each may go unused, and an integer input.
struct SumAndProduct : Function {
  std::vector<Tensor> forward(std::span<const Tensor> x) override {
    save({x[0], x[1]});
    return {x[0] + x[1], x[0] * x[1]};
  }
  std::vector<Tensor> backward(std::span<const Tensor> g) override {
    EXPECT_TRUE(g[0].defined() && g[1].defined());
    return {g[0] + g[1] * saved(1), g[0] + g[1] * saved(0), Tensor()};
  }
};

TEST(Function, SeveralOutputs) {
  Tensor a = leaf({2, 3}), b = leaf({5, 7});
  const Tensor n = make({1}, DType::int64);
  const auto call = [&] { return apply(std::make_unique<SumAndProduct>(), {a, b, n}); };
  std::vector<Tensor> y = call();
  (sum(y[0]) + sum(y[1]) * 10.0).backward();
  expect_values(a.grad(), {51, 71});
  expect_values(b.grad(), {21, 31});
  y = call();
  expect_values(grad({sum(y[1])}, {a})[0], {5, 7});
  y = call();
  expect_values(grad({sum(y[0])}, {b})[0], {1, 1});
  y = call();
  Tensor first = std::move(y[0]);
  y.clear();
  sum(first).backward();
  expect_values(a.grad(), {52, 72});
}

// exp, which saves its own output; second order needs it with its record.
struct Exp : Function {
  std::vector<Tensor> forward(std::span<const Tensor> x) override {
    std::vector<Tensor> y{exp(x[0])};
    save({y[0]});
    return y;
  }
  std::vector<Tensor> backward(std::span<const Tensor> g) override { return {g[0] * saved(0)}; }
};

TEST(Function, SavesItsOwnOutput) {
  const Tensor x[] = {leaf({0.5, -1})};
  EXPECT_EQ(
      gradcheck([](std::span<const Tensor> t) { return apply(std::make_unique<Exp>(), {t[0]})[0]; },
                x, {.second_order = true}),
      "");
}

struct Identity : Function {
  std::vector<Tensor> forward(std::span<const Tensor> x) override { return {x[0]}; }
  std::vector<Tensor> backward(std::span<const Tensor> g) override { return {g[0] * 2.0}; }
};

TEST(Function, MayHandItsInputThrough) {
  Tensor x = leaf({1, 2});
  const Tensor y = apply(std::make_unique<Identity>(), {x})[0];
  EXPECT_TRUE(y.shares_storage_with(x));
  EXPECT_TRUE(x.is_leaf());
  sum(y).backward();
  expect_values(x.grad(), {2, 2});
}

struct Throwing : Function {
  explicit Throwing(bool* t) : fail(t) {}
  std::vector<Tensor> forward(std::span<const Tensor> x) override {
    save({x[0]});
    return {x[0] * 2.0};
  }
  std::vector<Tensor> backward(std::span<const Tensor> g) override {
    if (*fail) throw std::runtime_error("mine");
    return {g[0] * 2.0 + saved(0) * 0.0};
  }
  bool* fail;
};

TEST(Function, AnExceptionLeavesTheGraphUsable) {
  bool fail = true;
  Tensor x = leaf({1, 2});
  const Tensor y = apply(std::make_unique<Throwing>(&fail), {x})[0];
  const Tensor seed = make({1, 1});
  EXPECT_THROW(y.backward(seed), std::runtime_error);
  EXPECT_TRUE(grad_enabled());
  EXPECT_FALSE(x.grad().defined());
  fail = false;
  y.backward(seed);
  expect_values(x.grad(), {2, 2});
}

struct Returns : Function {
  Returns(std::vector<Tensor> f, std::vector<Tensor> b)
      : forwards(std::move(f)), backwards(std::move(b)) {}
  std::vector<Tensor> forward(std::span<const Tensor>) override {
    return std::move(forwards);  // a function that kept its own output would hold itself
  }
  std::vector<Tensor> backward(std::span<const Tensor>) override { return backwards; }
  const char* name() const override { return "Returns"; }
  std::vector<Tensor> forwards, backwards;
};

TEST(Function, WrongAnswersAreRefused) {
  Tensor x = leaf({1, 2});
  const auto run = [&](std::vector<Tensor> f, std::vector<Tensor> b) {
    for (Tensor& t : f) t = t.defined() ? t.clone() : t;
    sum(apply(std::make_unique<Returns>(std::move(f), std::move(b)), {x})[0]).backward();
  };
  const Tensor y = make({1, 2});
  EXPECT_TRUE(has(error_of(ErrorCode::kAutograd, [&] { run({y}, {}); }),
                  "returned 0 gradients for 1 inputs"));
  error_of(ErrorCode::kAutograd, [&] { run({y}, {y, y}); });
  error_of(ErrorCode::kAutograd, [&] { run({Tensor()}, {y}); });
  EXPECT_TRUE(has(error_of(ErrorCode::kAutograd,
                           [&] {
                             run({y}, {make({1, 2, 3})});
                           }),
                  "float64[3]"));
  EXPECT_TRUE(has(error_of(ErrorCode::kAutograd,
                           [&] {
                             run({y}, {make({1, 2}, DType::float32)});
                           }),
                  "float32[2]"));
  EXPECT_FALSE(x.grad().defined());
  run({y}, {Tensor()});
  EXPECT_FALSE(x.grad().defined());
  run({y}, {y});
  expect_values(x.grad(), {1, 2});
  error_of(ErrorCode::kInvalidArgument, [&] { apply(nullptr, {x}); });
  error_of(ErrorCode::kInvalidArgument, [&] { cube(Tensor()); });
}

// ---- gradcheck sees what is wrong
// ----------------------------------------------------------------------------------

struct WrongCube : Cube {
  WrongCube(double first, double second) : slope(first), bend(second) {}
  // The factor's detached twin keeps the value and bends the second derivative.
  std::vector<Tensor> backward(std::span<const Tensor> g) override {
    const Tensor x = saved(0), s = square(x);
    return {g[0] * slope * (s * bend + s.detach() * (1.0 - bend))};
  }
  double slope, bend;
};

TEST(Gradcheck, DetectsAWrongGradient) {
  const auto check = [](double slope, double bend, bool second) {
    const Tensor x[] = {leaf({0.5, 2, -3})};
    return gradcheck(
        [&](std::span<const Tensor> t) {
          return apply(std::make_unique<WrongCube>(slope, bend), {t[0]})[0];
        },
        x, {.second_order = second});
  };
  EXPECT_EQ(check(3, 1, true), "");
  const std::string wrong = check(3.01, 1, false);
  EXPECT_TRUE(has(wrong, "first derivative for input 0 (float64[3] on " + test_device().text() +
                             "), element 0 at 0.5"))
      << wrong;
  EXPECT_TRUE(has(wrong, "numerical") && has(wrong, "analytical")) << wrong;
  EXPECT_EQ(check(3, 0.9, false), "");
  EXPECT_TRUE(has(check(3, 0.9, true), "second derivative for input 0"));
}

TEST(Gradcheck, SeesAForgottenInputAndAMissingHistory) {
  const Tensor x[] = {leaf({1, 2}), leaf({3, 4})};
  EXPECT_EQ(
      gradcheck([](std::span<const Tensor> t) { return t[0] * t[1]; }, x, {.second_order = true}),
      "");
  EXPECT_TRUE(
      has(gradcheck([](std::span<const Tensor> t) { return t[0] * t[1].detach(); }, x), "input 1"));
  EXPECT_NE(gradcheck([](std::span<const Tensor> t) { return t[0].detach(); }, x), "");
  const Tensor f32[] = {leaf({1, 2}, {2}, DType::float32)};
  error_of(ErrorCode::kInvalidArgument,
           [&] { gradcheck([](std::span<const Tensor> t) { return t[0]; }, f32); });
}

TEST(Gradcheck, LeavesTheInputsAlone) {
  const Tensor x[] = {leaf({1, 2})};
  EXPECT_EQ(gradcheck([](std::span<const Tensor> t) { return exp(t[0]) * t[0]; }, x,
                      {.second_order = true}),
            "");
  EXPECT_FALSE(x[0].grad().defined());
  expect_values(x[0], {1, 2});
  EXPECT_EQ(x[0].version(), 0u);
}

}  // namespace
}  // namespace tenon
