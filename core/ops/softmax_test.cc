// Softmax and its kin against long double formulas, with extreme logits, rows of -inf, and
// gradients to second order.
#include "tenon/ops/softmax.h"

#include "tenon/ops/elementwise.h"
#include "tenon/ops/tensor_testing.h"

namespace tenon {
namespace {

// Along the last axis of rows of n.
Reals softmax_rows(const Reals& x, size_t n, bool log) {
  Reals out;
  for (size_t row = 0; row < x.size(); row += n) {
    Real top = -kInfinity, sum = 0;
    for (size_t i = 0; i < n; ++i) top = std::max(top, x[row + i]);
    for (size_t i = 0; i < n; ++i) sum += std::exp(x[row + i] - top);
    for (size_t i = 0; i < n; ++i)
      out.push_back(log ? x[row + i] - top - std::log(sum) : std::exp(x[row + i] - top) / sum);
  }
  return out;
}

TEST(Softmax, DTypesAxesAndLayouts) {
  const Reals numbers = random_reals(60, -8, 8);
  for (DType d : {DType::float16, DType::bfloat16, DType::float32, DType::float64}) {
    for (Layout layout : kLayouts) {
      SCOPED_TRACE(std::string(dtype_name(d)) + " layout " +
                   std::to_string(static_cast<int>(layout)));
      const Tensor x = make_as(layout, d, {4, 3, 5}, numbers);
      // For the 16-bit types: the maximum is exact, the sum of exponentials is rounded once to the
      // dtype.
      const Real e =
          24 * epsilon_of(compute_dtype(d)) + (compute_dtype(d) == d ? 0 : 3 * epsilon_of(d));
      const Reals rounded = values(x);
      EXPECT_TRUE(
          near(softmax(x), softmax_rows(rounded, 5, false), e, d == DType::float16 ? 0x1p-25L : 0));
      EXPECT_TRUE(near(log_softmax(x), softmax_rows(rounded, 5, true), e, 4 * e));
      EXPECT_EQ(softmax(x).dtype(), d);
      // Along another axis: turned there and back.
      const Tensor turned = permute_dims(softmax(permute_dims(x, {1, 2, 0}), 1), {2, 0, 1});
      EXPECT_TRUE(
          near(turned, softmax_rows(rounded, 5, false), e, d == DType::float16 ? 0x1p-25L : 0));
    }
  }
  EXPECT_TRUE(near(softmax(make({1}, {5})), {1}));
  EXPECT_EQ(shape_of(softmax(make({0, 3}, {}))), (Dims{0, 3}));
  EXPECT_TRUE(near(softmax(make(DType::float32, {1, 100003}, Reals(100003, 2))),
                   Reals(100003, 1 / 100003.0L), 1e-6L));
}

TEST(Softmax, ExtremeLogits) {
  const Tensor x = make({3, 3}, {1e4, 0, -1e4, 1e308, 1e308, -1e308, -1e308, -1e308, -1e308});
  EXPECT_TRUE(near(softmax(x), {1, 0, 0, 0.5, 0.5, 0, 1 / 3.0L, 1 / 3.0L, 1 / 3.0L}, 1e-15L));
  EXPECT_TRUE(near(log_softmax(make({1, 3}, {1e4, 0, -1e4})), {0, -1e4, -2e4}));
  EXPECT_TRUE(near(log_softmax(make({1, 2}, {0, 50})),
                   {-50 - std::log1p(std::exp(-50.0L)), -std::log1p(std::exp(-50.0L))}, 1e-15L,
                   1e-20L));
  // -inf is a class that is masked out; a row of nothing else has no answer (as in PyTorch and
  // SciPy).
  EXPECT_TRUE(
      near(softmax(make({2, 2}, {-kInfinity, 3, -kInfinity, -kInfinity})), {0, 1, kNan, kNan}));
  EXPECT_TRUE(near(log_softmax(make({1, 2}, {-kInfinity, 3})), {-kInfinity, 0}));
  EXPECT_TRUE(near(softmax(make({1, 2}, {kNan, 3})), {kNan, kNan}));
}

TEST(LogSumExp, ValuesAndAxes) {
  const Reals numbers = random_reals(12, -3, 3);
  Reals rows;
  Real all = 0;
  for (size_t i = 0; i < 12; i += 4) {
    Real sum = 0;
    for (size_t j = 0; j < 4; ++j) sum += std::exp(numbers[i + j]);
    rows.push_back(std::log(sum));
    all += sum;
  }
  const Tensor x = make({3, 4}, numbers);
  EXPECT_TRUE(near(logsumexp(x, {1}), rows, 1e-14L));
  EXPECT_EQ(shape_of(logsumexp(x, {-1}, true)), (Dims{3, 1}));
  EXPECT_TRUE(near(logsumexp(x), {std::log(all)}, 1e-14L));
  EXPECT_EQ(logsumexp(x).ndim(), 0);
  EXPECT_TRUE(near(logsumexp(make({3, 2}, {1e4, 1e4, -kInfinity, -kInfinity, kInfinity, 1}), {1}),
                   {1e4L + std::log(2.0L), -kInfinity, kInfinity}, 1e-15L));
}

TEST(CrossEntropy, HandFormula) {
  const Reals logits = random_reals(15, -4, 4);
  const Reals targets = {2, 0, 4};
  const Reals logs = softmax_rows(logits, 5, true);
  const Real want = -(logs[2] + logs[5] + logs[14]) / 3;
  for (DType t : {DType::int32, DType::int64}) {
    for (Layout layout : kLayouts) {
      EXPECT_TRUE(near(cross_entropy(make_as(layout, DType::float64, {3, 5}, logits),
                                     make_as(layout, t, {3}, targets)),
                       {want}, 1e-14L));
    }
    EXPECT_TRUE(near(cross_entropy(make(DType::float32, {3, 5}, logits), make(t, {3}, targets)),
                     {want}, 1e-6L));
  }
  // float16 logits are computed in float32: class numbers above 2048 stay exact.
  Reals wide(4000, 0);
  wide[3001] = 10;
  const Real wide_loss = std::log(3999 + std::exp(10.0L));
  EXPECT_TRUE(
      near(cross_entropy(make(DType::float16, {1, 4000}, wide), make(DType::int64, {1}, {3001})),
           {wide_loss - 10}, 2e-3L));
  EXPECT_TRUE(
      near(cross_entropy(make(DType::float16, {1, 4000}, wide), make(DType::int64, {1}, {3000})),
           {wide_loss}, 1e-3L));
  // Certain and right, certain and wrong.
  EXPECT_TRUE(near(cross_entropy(make({1, 2}, {1e4, -1e4}), make(DType::int64, {1}, {0})), {0}));
  EXPECT_TRUE(near(cross_entropy(make({1, 2}, {1e4, -1e4}), make(DType::int64, {1}, {1})), {2e4}));
}

TEST(CrossEntropy, Errors) {
  const Tensor x = make({2, 3}, counting(6)), t = make(DType::int64, {2}, {0, 1});
  EXPECT_TRUE(has(error_of(ErrorCode::kShape,
                           [&] {
                             cross_entropy(x, make(DType::int64, {3}, {0, 1, 2}));
                           }),
                  "[3]"));
  EXPECT_TRUE(has(error_of(ErrorCode::kDType,
                           [&] {
                             cross_entropy(x, make({2}, {0, 1}));
                           }),
                  "int32 or int64"));
  error_of(ErrorCode::kDType, [&] { cross_entropy(make(DType::int32, {2, 3}, counting(6)), t); });
  error_of(ErrorCode::kShape, [&] {
    cross_entropy(make({0, 3}, {}), make(DType::int64, {0}, {}));
  });
  error_of(ErrorCode::kDType, [&] { softmax(make(DType::int32, {2}, {1, 2})); });
  error_of(ErrorCode::kAxis, [&] { softmax(x, 2); });
}

// ---- gradients
// -------------------------------------------------------------------------------------------------------

TEST(SoftmaxGradient, SecondOrder) {
  const std::vector<Tensor> x = {leaf({2, 3}, random_reals(6, -2, 2))};
  for (int64_t axis : {0, 1}) {
    EXPECT_GRADIENTS([&](std::span<const Tensor> in) { return square(softmax(in[0], axis)); }, x)
        << axis;
    EXPECT_GRADIENTS([&](std::span<const Tensor> in) { return square(log_softmax(in[0], axis)); },
                     x)
        << axis;
    EXPECT_GRADIENTS([&](std::span<const Tensor> in) { return square(logsumexp(in[0], {axis})); },
                     x)
        << axis;
    EXPECT_GRADIENTS(
        [&](std::span<const Tensor> in) { return square(softmax(flip(in[0].transpose()), axis)); },
        x)
        << axis;
  }
  EXPECT_GRADIENTS([](std::span<const Tensor> in) { return square(logsumexp(in[0])); }, x);
  EXPECT_GRADIENTS(
      [](std::span<const Tensor> in) {
        return square(cross_entropy(in[0], make(DType::int64, {2}, {2, 0})));
      },
      x);
  EXPECT_GRADIENTS(
      [](std::span<const Tensor> in) {
        return cross_entropy(in[0].transpose(), make(DType::int32, {3}, {1, 0, 1}));
      },
      x);
}

// d/dx cross entropy = (softmax - onehot) / n, typed out; also where the logits are extreme and in
// float32.
TEST(SoftmaxGradient, CrossEntropyClosedForm) {
  for (DType d : {DType::float32, DType::float64}) {
    const Tensor x = leaf({2, 3}, {1, 2, 3, 1e4, 0, -1e4}, d);
    cross_entropy(x, make(DType::int64, {2}, {0, 1})).backward();
    Reals want = softmax_rows({1, 2, 3, 1e4, 0, -1e4}, 3, false);
    want[0] -= 1;
    want[4] -= 1;
    for (Real& w : want) w /= 2;
    EXPECT_TRUE(near(x.grad(), want, 64 * epsilon_of(d), 4 * epsilon_of(d)));
    EXPECT_EQ(x.grad().dtype(), d);
  }
  const Tensor half = leaf({1, 2}, {0, 0}, DType::float16);
  cross_entropy(half, make(DType::int64, {1}, {1})).backward();
  EXPECT_EQ(half.grad().dtype(), DType::float16);
  EXPECT_TRUE(near(half.grad(), {0.5, -0.5}));
}

}  // namespace
}  // namespace tenon
