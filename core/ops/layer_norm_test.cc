// Layer normalization against long double formulas, with rows whose variance cancels, and gradients
// to second order. Run with the cpu's own entry and without it (the mask in BUILD).
#include "tenon/ops/layer_norm.h"

#include "tenon/ops/elementwise.h"
#include "tenon/ops/reduce.h"
#include "tenon/ops/tensor_testing.h"

namespace tenon {
namespace {

// Rows of n.
Reals norm_rows(const Reals& x, size_t n, const Reals& weight, const Reals& bias, Real eps) {
  Reals out;
  for (size_t row = 0; row < x.size(); row += n) {
    Real mean = 0, variance = 0;
    for (size_t i = 0; i < n; ++i) mean += x[row + i] / static_cast<Real>(n);
    for (size_t i = 0; i < n; ++i) {
      variance += (x[row + i] - mean) * (x[row + i] - mean) / static_cast<Real>(n);
    }
    for (size_t i = 0; i < n; ++i) {
      const Real y = (x[row + i] - mean) / std::sqrt(variance + eps);
      out.push_back(y * (weight.empty() ? 1 : weight[i]) + (bias.empty() ? 0 : bias[i]));
    }
  }
  return out;
}

TEST(LayerNorm, DTypesAndLayouts) {
  const Reals numbers = random_reals(60, -3, 5), w = random_reals(5, 0.5, 2, 7),
              b = random_reals(5, -1, 1, 8);
  for (DType d : {DType::float16, DType::bfloat16, DType::float32, DType::float64}) {
    for (Layout layout : kLayouts) {
      SCOPED_TRACE(std::string(dtype_name(d)) + " layout " +
                   std::to_string(static_cast<int>(layout)));
      const Tensor x = make_as(layout, d, {4, 3, 5}, numbers);
      const Tensor weight = make_as(layout, d, {5}, w), bias = make_as(layout, d, {5}, b);
      const Reals rows = values(x), scale = values(weight), shift = values(bias);
      const Real e =
          40 * epsilon_of(compute_dtype(d)) + (compute_dtype(d) == d ? 0 : 2 * epsilon_of(d));
      const Tensor y = layer_norm(x, {5}, weight, bias);
      EXPECT_EQ(y.dtype(), d);
      EXPECT_EQ(shape_of(y), (Dims{4, 3, 5}));
      EXPECT_TRUE(near(y, norm_rows(rows, 5, scale, shift, 1e-5L), e, 4 * e));
      EXPECT_TRUE(near(layer_norm(x, {5}), norm_rows(rows, 5, {}, {}, 1e-5L), e, 4 * e));
      EXPECT_TRUE(near(layer_norm(x, {5}, weight), norm_rows(rows, 5, scale, {}, 1e-5L), e, 4 * e));
      EXPECT_TRUE(
          near(layer_norm(x, {5}, {}, bias), norm_rows(rows, 5, {}, shift, 1e-5L), e, 4 * e));
    }
  }
}

TEST(LayerNorm, OverSeveralAxesAndShapes) {
  const Reals numbers = random_reals(24, -3, 5), w = random_reals(12, 0.5, 2, 7);
  const Tensor x = make({2, 3, 4}, numbers);
  EXPECT_TRUE(near(layer_norm(x, {3, 4}, make({3, 4}, w), {}, 0.5),
                   norm_rows(numbers, 12, w, {}, 0.5L), 1e-14L, 1e-15L));
  EXPECT_TRUE(
      near(layer_norm(x, {2, 3, 4}), norm_rows(numbers, 24, {}, {}, 1e-5L), 1e-14L, 1e-15L));
  EXPECT_TRUE(near(layer_norm(make({1}, {5}), {1}, {}, make({1}, {3})), {3}));
  EXPECT_EQ(shape_of(layer_norm(make({0, 3}, {}), {3})), (Dims{0, 3}));
  for (const int64_t n : {1, 2, 7, 31, 64, 1000, 4099}) {
    const Reals row = random_reals(2 * n, -1, 1, static_cast<uint64_t>(n));
    const Tensor t = make(DType::float32, {2, n}, row);
    EXPECT_TRUE(near(layer_norm(t, {n}),
                     norm_rows(values(t), static_cast<size_t>(n), {}, {}, 1e-5L), 2e-6L, 2e-6L))
        << n;
  }
}

TEST(LayerNorm, ASmallVarianceAroundALargeMeanKeepsItsDigits) {
  Reals numbers;
  for (int i = 0; i < 256; ++i) numbers.push_back(1e4L + static_cast<Real>(i % 16) / 64);
  const Tensor x = make(DType::float32, {1, 256}, numbers);  // exact in float32
  // x - mean is exact to half a unit of 1e4, which is 1/2048: the bound that follows from it.
  EXPECT_TRUE(
      near(layer_norm(x, {256}, {}, {}, 0), norm_rows(numbers, 256, {}, {}, 0), 1e-5L, 8e-3L));
}

TEST(LayerNorm, InfinitiesAndNaNs) {
  const Tensor y = layer_norm(make({3, 2}, {kInfinity, 1, kNan, 1, 2, 4}), {2}, {}, {}, 0);
  EXPECT_TRUE(near(y, {kNan, kNan, kNan, kNan, -1, 1}));
  // No variance and no eps: 0 / 0.
  EXPECT_TRUE(near(layer_norm(make({2}, {3, 3}), {2}, {}, {}, 0), {kNan, kNan}));
  EXPECT_TRUE(near(layer_norm(make({2}, {3, 3}), {2}), {0, 0}));
}

TEST(LayerNorm, Errors) {
  const Tensor x = make({2, 3}, counting(6));
  EXPECT_TRUE(has(error_of(ErrorCode::kShape, [&] { layer_norm(x, {2}); }), "[2, 3]"));
  EXPECT_TRUE(has(error_of(ErrorCode::kShape,
                           [&] {
                             layer_norm(x, {3}, make({2}, {1, 1}));
                           }),
                  "weight"));
  EXPECT_TRUE(has(error_of(ErrorCode::kShape,
                           [&] {
                             layer_norm(x, {3}, {}, make({2}, {1, 1}));
                           }),
                  "bias"));
  error_of(ErrorCode::kShape, [&] { layer_norm(x, {}); });
  error_of(ErrorCode::kShape, [&] { layer_norm(x, {1, 2, 3}); });
  error_of(ErrorCode::kDType, [&] { layer_norm(make(DType::int32, {2}, {1, 2}), {2}); });
  error_of(ErrorCode::kInvalidArgument, [&] { layer_norm(x, {3}, {}, {}, -1); });
  error_of(ErrorCode::kInvalidArgument, [] { layer_norm(Tensor(), {3}); });
}

TEST(LayerNormGradient, SecondOrder) {
  const std::vector<Tensor> all = {leaf({3, 4}, random_reals(12, -2, 2)),
                                   leaf({4}, random_reals(4, 0.5, 2, 5)),
                                   leaf({4}, random_reals(4, -1, 1, 6))};
  EXPECT_GRADIENTS(
      [](std::span<const Tensor> in) { return square(layer_norm(in[0], {4}, in[1], in[2])); }, all);
  EXPECT_GRADIENTS(
      [](std::span<const Tensor> in) {
        return square(layer_norm(flip(in[0].transpose()), {3}, {}, {}, 0.1));
      },
      std::vector<Tensor>{all[0]});
  EXPECT_GRADIENTS(
      [](std::span<const Tensor> in) {
        return square(layer_norm(in[0], {3, 4}));
      },
      std::vector<Tensor>{all[0]});
}

// dx = rstd (h - mean(h) - n mean(h n)), typed out; in float32, and in float16 with its bound.
TEST(LayerNormGradient, ClosedForm) {
  const Reals numbers = random_reals(24, -2, 3), upstream = random_reals(24, -1, 1, 3),
              w = random_reals(8, 0.5, 2, 5);
  for (DType d : {DType::float32, DType::float64, DType::float16}) {
    const Tensor x = leaf({3, 8}, numbers, d), weight = leaf({8}, w, d), bias = leaf({8}, w, d);
    const Tensor g = make(d, {3, 8}, upstream);
    layer_norm(x, {8}, weight, bias).backward(g);
    const Reals xs = values(x), ws = values(weight), gs = values(g);
    const Reals n = norm_rows(xs, 8, {}, {}, 1e-5L);
    Reals dx, dw(8, 0), db(8, 0);
    for (size_t row = 0; row < 24; row += 8) {
      Real mean = 0, variance = 0, h_mean = 0, hn_mean = 0;
      for (size_t i = row; i < row + 8; ++i) {
        mean += xs[i] / 8;
        h_mean += gs[i] * ws[i - row] / 8;
        hn_mean += gs[i] * ws[i - row] * n[i] / 8;
      }
      for (size_t i = row; i < row + 8; ++i) variance += (xs[i] - mean) * (xs[i] - mean) / 8;
      for (size_t i = row; i < row + 8; ++i) {
        dx.push_back((gs[i] * ws[i - row] - h_mean - n[i] * hn_mean) / std::sqrt(variance + 1e-5L));
        dw[i - row] += gs[i] * n[i];
        db[i - row] += gs[i];
      }
    }
    const Real e = d == DType::float16 ? 4 * epsilon_of(d) : 64 * epsilon_of(d);
    EXPECT_TRUE(near(x.grad(), dx, e, 4 * e));
    EXPECT_TRUE(near(weight.grad(), dw, e, 4 * e));
    EXPECT_TRUE(near(bias.grad(), db, e, 4 * e));
    EXPECT_EQ(x.grad().dtype(), d);
  }
}

}  // namespace
}  // namespace tenon
