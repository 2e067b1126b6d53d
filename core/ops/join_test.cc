// Joining and picking: values typed in from NumPy, out-of-range indices, gradients to second order.
#include "tenon/ops/join.h"

#include "tenon/ops/elementwise.h"
#include "tenon/ops/tensor_testing.h"

namespace tenon {
namespace {

Tensor indices(const Reals& numbers, DType d = DType::int64) {
  return make(d, {static_cast<int64_t>(numbers.size())}, numbers);
}
Tensor joined(std::vector<Tensor> parts, int64_t axis = 0) { return concat(parts, axis); }
Tensor stacked(std::vector<Tensor> parts, int64_t axis = 0) { return stack(parts, axis); }

TEST(Concat, AxesLayoutsAndDTypes) {
  const Reals a = counting(6), b = counting(4, 10);
  for (Layout la : kLayouts) {
    for (Layout lb : kLayouts) {
      const Tensor y = joined(
          {make_as(la, DType::float32, {2, 3}, a), make_as(lb, DType::float32, {2, 2}, b)}, 1);
      EXPECT_EQ(shape_of(y), (Dims{2, 5}));
      EXPECT_TRUE(near(y, {0, 1, 2, 10, 11, 3, 4, 5, 12, 13}));
      EXPECT_TRUE(near(
          joined({make_as(la, DType::int16, {2, 2}, b), make_as(lb, DType::int16, {1, 2}, {7, 8})},
                 -2),
          {10, 11, 12, 13, 7, 8}));
    }
  }
  EXPECT_EQ(joined({indices({1}, DType::int32), make(DType::float16, {1}, {2})}).dtype(),
            DType::float16);
  EXPECT_TRUE(near(joined({indices({1}, DType::uint8), indices({-2}, DType::int8)}), {1, -2}));
  EXPECT_TRUE(near(joined({make(DType::bool_, {1}, {1}), make(DType::bool_, {1}, {0})}), {1, 0}));
  EXPECT_TRUE(near(joined({make({0, 2}, {}), make({1, 2}, {1, 2}), make({0, 2}, {})}), {1, 2}));
  EXPECT_EQ(shape_of(joined({make({2, 0}, {}), make({2, 0}, {})}, 1)), (Dims{2, 0}));
  // The result is new memory, also of one tensor.
  const Tensor one = make({2}, {1, 2});
  EXPECT_FALSE(joined({one}).shares_storage_with(one));
}

TEST(Concat, Errors) {
  EXPECT_TRUE(has(error_of(ErrorCode::kInvalidArgument, [] { joined({}); }), "non-empty"));
  EXPECT_TRUE(has(error_of(ErrorCode::kShape,
                           [] {
                             joined({make({2, 3}, counting(6)), make({2, 2}, counting(4))});
                           }),
                  "[2, 2]"));
  error_of(ErrorCode::kShape, [] { joined({make({2}, {1, 2}), make({2, 1}, {1, 2})}); });
  error_of(ErrorCode::kAxis, [] { joined({make({2}, {1, 2})}, 1); });
  error_of(ErrorCode::kAxis, [] { joined({make({}, {1})}); });
  error_of(ErrorCode::kDType, [] { joined({indices({1}, DType::uint64), indices({1})}); });
  error_of(ErrorCode::kInvalidArgument, [] { joined({make({1}, {1}), Tensor()}); });
}

TEST(Stack, NewAxisAnywhere) {
  const Tensor a = make({2}, {1, 2}), b = make_as(Layout::kReversed, DType::float64, {2}, {3, 4});
  EXPECT_TRUE(near(stacked({a, b}), {1, 2, 3, 4}));
  EXPECT_TRUE(near(stacked({a, b}, 1), {1, 3, 2, 4}));
  EXPECT_TRUE(near(stacked({a, b}, -1), {1, 3, 2, 4}));
  EXPECT_EQ(shape_of(stacked({a, b, a}, -2)), (Dims{3, 2}));
  EXPECT_EQ(shape_of(stacked({make({}, {1}), make({}, {2})})), Dims{2});
  error_of(ErrorCode::kShape, [&] { stacked({a, make({3}, {1, 2, 3})}); });
  error_of(ErrorCode::kAxis, [&] { stacked({a, b}, 2); });
}

TEST(Take, DuplicatesNegativesAndAxes) {
  const Reals numbers = counting(12);
  for (Layout layout : kLayouts) {
    for (DType index : {DType::int8, DType::int16, DType::int32, DType::int64}) {
      const Tensor x = make_as(layout, DType::float32, {3, 4}, numbers);
      EXPECT_TRUE(near(take(x, indices({2, 0, 2, -1}, index)),
                       {8, 9, 10, 11, 0, 1, 2, 3, 8, 9, 10, 11, 8, 9, 10, 11}));
      EXPECT_TRUE(near(take(x, indices({-4, 3}, index), 1), {0, 3, 4, 7, 8, 11}));
      EXPECT_TRUE(near(take(x, flip(indices({3, 1}, index)), -1), {1, 3, 5, 7, 9, 11}));
    }
  }
  for (DType d : {DType::bool_, DType::uint8, DType::int16, DType::float16, DType::bfloat16,
                  DType::int64, DType::complex64}) {
    EXPECT_TRUE(near(take(make(d, {3}, {0, 1, 1}), indices({2, 0})), {1, 0})) << dtype_name(d);
  }
  EXPECT_EQ(shape_of(take(make({3, 4}, numbers), indices({}))), (Dims{0, 4}));
  EXPECT_EQ(shape_of(take(make({3, 0}, {}), indices({1, 1}))), (Dims{2, 0}));
  // Enough rows to be split among threads.
  Reals many, want;
  for (int i = 0; i < 5000; ++i) many.push_back((i * 7919) % 3000);
  for (Real i : many) want.insert(want.end(), {3 * i, 3 * i + 1, 3 * i + 2});
  EXPECT_TRUE(near(take(make({3000, 3}, counting(9000)), indices(many)), want));
}

TEST(TakeAlongAxis, PicksPerLine) {
  const Tensor x = make({2, 3}, {10, 20, 30, 40, 50, 60});
  EXPECT_TRUE(
      near(take_along_axis(x, make(DType::int64, {2, 2}, {2, 0, -1, 1}), 1), {30, 10, 60, 50}));
  EXPECT_TRUE(near(take_along_axis(x, make(DType::int32, {1, 3}, {1, 0, 1}), 0), {40, 20, 60}));
  EXPECT_TRUE(near(take_along_axis(flip(x), make(DType::int64, {2, 2}, {2, 0, -1, 1}), -1),
                   {40, 60, 10, 20}));
  error_of(ErrorCode::kShape, [&] {
    take_along_axis(x, make(DType::int64, {3, 2}, counting(6)), 1);
  });
  error_of(ErrorCode::kShape, [&] { take_along_axis(x, indices({0, 1}), 1); });
}

TEST(Take, OutOfRangeIsNamed) {
  const Tensor x = make({3, 4}, counting(12));
  for (const auto& call : {std::function<void()>([&] {
                             take(x, indices({0, 3, 1}));
                           }),
                           std::function<void()>([&] {
                             take(x, indices({0, 3}, DType::int32));
                           })}) {
    const std::string text = error_of(ErrorCode::kAxis, call);
    EXPECT_TRUE(has(text, "index 3") && has(text, "axis 0") && has(text, "size 3") &&
                has(text, "position 1"))
        << text;
  }
  EXPECT_TRUE(has(error_of(ErrorCode::kAxis, [&] { take(x, indices({-5}), 1); }), "index -5"));
  EXPECT_TRUE(has(error_of(ErrorCode::kAxis,
                           [&] {
                             take_along_axis(x, make(DType::int64, {3, 1}, {0, 1, 4}), 1);
                           }),
                  "index 4"));
  EXPECT_TRUE(has(error_of(ErrorCode::kAxis,
                           [&] {
                             take(make({0, 2}, {}), indices({0}));
                           }),
                  "size 0"));
  EXPECT_TRUE(has(error_of(ErrorCode::kDType, [&] { take(x, make({1}, {0})); }),
                  "indices are integers, not float64[1]"));
  error_of(ErrorCode::kShape, [&] { take(x, make(DType::int64, {1, 1}, {0})); });
  error_of(ErrorCode::kAxis, [&] { take(x, indices({0}), 2); });
}

// ---- gradients
// -------------------------------------------------------------------------------------------------------

TEST(JoinGradient, SecondOrder) {
  const std::vector<Tensor> x = {leaf({2, 2}, random_reals(4, -1, 1)),
                                 leaf({2, 1}, random_reals(2, -1, 1, 9))};
  EXPECT_GRADIENTS(
      [](std::span<const Tensor> in) {
        return exp(joined({in[0], in[1], in[0]}, 1));
      },
      x);
  EXPECT_GRADIENTS(
      [](std::span<const Tensor> in) {
        return exp(stacked({in[0], in[0].transpose(), in[0] * 2}, 1));
      },
      {x[0]});
  EXPECT_GRADIENTS(
      [](std::span<const Tensor> in) {
        return exp(take(in[0], indices({1, 0, 1, -1}), 1));
      },
      {x[0]});
  EXPECT_GRADIENTS(
      [](std::span<const Tensor> in) {
        return exp(take(flip(in[0].transpose()), indices({1, 1}), 0));
      },
      {x[0]});
  EXPECT_GRADIENTS(
      [](std::span<const Tensor> in) {
        return exp(take_along_axis(in[0], make(DType::int64, {2, 3}, {0, 0, 1, 1, -1, 0}), 1));
      },
      {x[0]});
}

TEST(JoinGradient, NamedTwiceAddsUp) {
  const Tensor x = leaf({3}, {1, 2, 3});
  EXPECT_TRUE(
      near(grad({(take(x, indices({1, 1, 2, 1})) * make({4}, {1, 10, 100, 1000})).sum()}, {x})[0],
           {0, 1011, 100}));
  const Tensor none = leaf({3}, {1, 2, 3});
  EXPECT_TRUE(near(grad({take(none, indices({})).sum()}, {none})[0], {0, 0, 0}));
}

TEST(JoinGradient, ComesBackInItsOwnDType) {
  const Tensor a = leaf({1}, {1}, DType::float32), b = leaf({1}, {2});
  const auto g = grad({(joined({a, b}) * make({2}, {3, 4})).sum()}, {a, b});
  EXPECT_EQ(g[0].dtype(), DType::float32);
  EXPECT_TRUE(near(g[0], {3}));
  EXPECT_TRUE(near(g[1], {4}));
}

}  // namespace
}  // namespace tenon
