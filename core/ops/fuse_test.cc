// fuse(): a user's own elementwise function in one pass: values, dtypes, several outputs,
// gradients, writing in place.
#include "tenon/ops/fuse.h"

#include "tenon/ops/elementwise.h"
#include "tenon/ops/tensor_testing.h"

namespace tenon {
namespace {

using map::Value;

TEST(Fuse, SeveralOutputsBroadcastAndNumbers) {
  const Fused f = fuse("sum_and_product", 3, 2, [](const Value* x, Value* y) {
    y[0] = x[0] + x[1] * x[2];
    y[1] = select(x[0] < x[1], x[0], x[1]) * 2.0;
  });
  for (Layout layout : kLayouts) {
    const auto y =
        f({make_as(layout, DType::float64, {2, 3}, counting(6)), make({3}, {2, 3, 4}), 10});
    ASSERT_EQ(y.size(), 2u);
    EXPECT_TRUE(near(y[0], {20, 31, 42, 23, 34, 45}));
    EXPECT_TRUE(near(y[1], {0, 2, 4, 4, 6, 8}));
  }
  // Numbers are run-time slots: another number, another result, and the same kinds again.
  EXPECT_TRUE(near(f({make({1}, {1}), make({1}, {2}), 0.5})[0], {2}));
  EXPECT_TRUE(near(f({make({1}, {1}), make({1}, {2}), 4.0})[0], {9}));
  // Promotion to one dtype; integers stay integers, a floating number makes them float32.
  EXPECT_EQ(f({make(DType::int32, {1}, {1}), make(DType::int64, {1}, {2}), 3})[0].dtype(),
            DType::int64);
  EXPECT_EQ(f({make(DType::int32, {1}, {1}), make(DType::int32, {1}, {2}), 0.5})[0].dtype(),
            DType::float32);
  EXPECT_TRUE(near(f({make(DType::int32, {1}, {1}), make(DType::int32, {1}, {2}), 0.5})[0], {2}));
  EXPECT_TRUE(near(f({make(DType::float16, {1}, {1}), 1000, 1000.5})[0], {kInfinity}));
  EXPECT_EQ(shape_of(f({make({0, 3}, {}), make({3}, {1, 2, 3}), 1})[1]), (Dims{0, 3}));
}

TEST(Fuse, OutputsOfDifferentDTypes) {
  const Fused f = fuse("compare_and_count", 2, 3, [](const Value* x, Value* y) {
    y[0] = x[0] < x[1];
    y[1] = cast(x[0], DType::int32) + 1.0;
    y[2] = x[0] * x[1];
  });
  const auto y = f({make(DType::float32, {2}, {1, 4}), make(DType::float32, {2}, {3, 2})});
  EXPECT_EQ(y[0].dtype(), DType::bool_);
  EXPECT_EQ(y[1].dtype(), DType::int32);
  EXPECT_TRUE(near(y[0], {1, 0}));
  EXPECT_TRUE(near(y[1], {2, 5}));
  const Tensor a = leaf({2}, {1, 4}, DType::float32);
  const auto z = f({a, make(DType::float32, {2}, {3, 2})});
  EXPECT_FALSE(z[0].requires_grad());
  EXPECT_FALSE(z[1].requires_grad());
  EXPECT_TRUE(near(grad({z[2].sum()}, {a})[0], {3, 2}));
}

TEST(Fuse, ManyOperandsAndAUserState) {
  // What the function captures is read when it is recorded.
  const double factor = 3;
  const Fused f = fuse("weighted", 6, 1, [factor](const Value* x, Value* y) {
    y[0] = x[0];
    for (int i = 1; i < 6; ++i) y[0] = y[0] + x[i] * static_cast<double>(i);
    y[0] = y[0] * factor;
  });
  const Tensor x = make({2}, {1, 2});
  EXPECT_TRUE(near(f({x, x, x, x, x, x})[0], {48, 96}));
  EXPECT_TRUE(
      near(f({x, 1, x, 1, x, 1})[0], {3 * (1 + 1 + 2 + 3 + 4 + 5), 3 * (2 + 1 + 4 + 3 + 8 + 5)}));
}

TEST(Fuse, GradientsToSecondOrder) {
  const Fused f = fuse("mix", 2, 2, [](const Value* x, Value* y) {
    y[0] = tanh(x[0]) * x[1];
    y[1] = exp(x[0] * 0.5) / (x[1] * x[1] + 1.0);
  });
  const std::vector<Tensor> x = {leaf({2, 3}, random_reals(6, -1, 1)),
                                 leaf({3}, random_reals(3, 0.5, 2, 8))};
  EXPECT_GRADIENTS([&](std::span<const Tensor> in) { return f({in[0], in[1]})[0]; }, x);
  EXPECT_GRADIENTS([&](std::span<const Tensor> in) { return f({in[0], in[1]})[1]; }, x);
  EXPECT_GRADIENTS(
      [&](std::span<const Tensor> in) {
        const auto y = f({in[0], in[1]});
        return y[0] * y[1] + square(y[1]);
      },
      x);
  EXPECT_GRADIENTS([&](std::span<const Tensor> in) { return f({in[0], 2.5})[0]; }, {x[0]});
  EXPECT_GRADIENTS(
      [&](std::span<const Tensor> in) {
        return f({flip(in[0].transpose()), 2.5})[1];
      },
      {x[0]});
}

// Long programs are split to what a device takes; nothing changes but the number of launches.
TEST(Fuse, LongPrograms) {
  const Fused f = fuse("long", 2, 1, [](const Value* x, Value* y) {
    y[0] = x[0];
    for (int i = 0; i < 60; ++i) y[0] = sin(y[0]) * x[1] + static_cast<double>(i) * 0.01;
  });
  Real a = 0.3L;
  for (int i = 0; i < 60; ++i) a = std::sin(a) * 0.9L + i * 0.01L;
  EXPECT_TRUE(near(f({make({1}, {0.3}), make({1}, {0.9})})[0], {a}, 1e-13L));
  const std::vector<Tensor> x = {leaf({2}, {0.3, -0.7}), leaf({2}, {0.9, 0.4})};
  EXPECT_GRADIENTS([&](std::span<const Tensor> in) { return f({in[0], in[1]})[0]; }, x);
}

TEST(Fuse, InPlaceLikeAnOptimizer) {
  // SGD with momentum: v = mu v + g; w = w - lr v, as two outputs written over two operands.
  const Fused step = fuse("sgd_step", 5, 2, [](const Value* x, Value* y) {
    y[1] = x[1] * x[3] + x[2];
    y[0] = x[0] - x[4] * y[1];
  });
  for (Layout layout : kLayouts) {
    Tensor w = make_as(layout, DType::float32, {2, 2}, {1, 2, 3, 4}),
           v = make(DType::float32, {2, 2}, {1, 1, 1, 1});
    const Tensor g = make(DType::float32, {2, 2}, {0.5, 0.25, -1, 0});
    Tensor targets[] = {w, v};
    const uint32_t version = w.version();
    const Operand operands[] = {w, v, g, 0.5, 2};
    step.run_inplace(targets, operands);
    EXPECT_TRUE(near(v, {1, 0.75, -0.5, 0.5}));
    EXPECT_TRUE(near(w, {-1, 0.5, 4, 3}));
    EXPECT_NE(w.version(), version);
    step.run_inplace(targets, operands);
    EXPECT_TRUE(near(v, {1, 0.625, -1.25, 0.25}));
    EXPECT_TRUE(near(w, {-3, -0.75, 6.5, 2.5}));
  }
  // The result is cast to the target: float16 weights with a float32 state.
  Tensor w = make(DType::float16, {1}, {1}), v = make(DType::float32, {1}, {0});
  Tensor targets[] = {w, v};
  const Tensor g = make(DType::float16, {1}, {0.5});
  const Operand mixed[] = {w, v, g, 0.5, 2};
  step.run_inplace(targets, mixed);
  EXPECT_TRUE(near(w, {0}));
  EXPECT_TRUE(near(v, {0.5}));
}

// An operand that overlaps a target without being it is read before anything is written.
TEST(Fuse, InPlaceOverlaps) {
  const Fused f = fuse("difference", 2, 1, [](const Value* x, Value* y) { y[0] = x[0] - x[1]; });
  const Tensor base = make({5}, {1, 4, 9, 16, 25});
  Tensor targets[] = {slice(base, 0, 1)};
  const Tensor before = slice(base, 0, 0, 4);
  const Operand operands[] = {targets[0], before};
  f.run_inplace(targets, operands);
  EXPECT_TRUE(near(base, {1, 3, 5, 7, 9}));
}

TEST(Fuse, Errors) {
  const Fused f = fuse("twice", 1, 1, [](const Value* x, Value* y) { y[0] = x[0] * 2.0; });
  EXPECT_TRUE(has(error_of(ErrorCode::kInvalidArgument, [&] { f({make({1}, {1}), 2}); }), "twice"));
  error_of(ErrorCode::kInvalidArgument, [&] { f({2}); });
  error_of(ErrorCode::kInvalidArgument, [&] { f({Tensor()}); });
  error_of(ErrorCode::kInvalidArgument, [] { fuse("none", 0, 1, [](const Value*, Value*) {}); });
  const Tensor x = make({3}, {1, 2, 3});
  // Targets: a leaf that requires a gradient, a result that does, one of another shape, too many.
  Tensor trained = leaf({3}, {1, 2, 3});
  {
    Tensor targets[] = {trained};
    const Operand operands[] = {x};
    EXPECT_TRUE(
        has(error_of(ErrorCode::kAutograd, [&] { f.run_inplace(targets, operands); }), "leaf"));
    NoGradScope scope;
    f.run_inplace(targets, operands);
    EXPECT_TRUE(near(trained, {2, 4, 6}));
  }
  {
    Tensor targets[] = {trained * 1};
    const Operand operands[] = {x};
    error_of(ErrorCode::kAutograd, [&] { f.run_inplace(targets, operands); });
  }
  {
    Tensor targets[] = {make({2}, {1, 2})};
    const Operand operands[] = {x};
    error_of(ErrorCode::kShape, [&] { f.run_inplace(targets, operands); });
    Tensor two[] = {make({3}, {1, 2, 3}), make({3}, {1, 2, 3})};
    error_of(ErrorCode::kInvalidArgument, [&] { f.run_inplace(two, operands); });
  }
  {  // A function that fails to record says why, every time.
    const Fused wrong = fuse(
        "wrong", 2, 1, [](const Value* v, Value* y) { y[0] = v[0] + cast(v[1], DType::int32); });
    for (int i = 0; i < 2; ++i)
      EXPECT_TRUE(has(error_of(ErrorCode::kDType, [&] { wrong({x, x}); }), "cast one of them"));
  }
}

}  // namespace
}  // namespace tenon
