// Running totals against loops in long double; sizes around the blocks that they are computed in.
#include "tenon/ops/scan.h"

#include "tenon/ops/elementwise.h"
#include "tenon/ops/reduce.h"
#include "tenon/ops/tensor_testing.h"

namespace tenon {
namespace {

Reals running(const Reals& x, int64_t lines, int64_t inner, Real start,
              Real (*combine)(Real, Real)) {
  Reals out(x.size());
  const int64_t n = static_cast<int64_t>(x.size()) / std::max<int64_t>(1, lines * inner);
  for (int64_t l = 0; l < lines; ++l) {
    for (int64_t i = 0; i < inner; ++i) {
      Real total = start;
      for (int64_t k = 0; k < n; ++k) {
        const auto at = static_cast<size_t>((l * n + k) * inner + i);
        out[at] = total = combine(total, x[at]);
      }
    }
  }
  return out;
}
Real plus(Real a, Real b) { return a + b; }
Real times(Real a, Real b) { return a * b; }

TEST(CumulativeSum, AgreesWithALoop) {
  for (int64_t n : {0, 1, 2, 15, 16, 17, 31, 32, 33, 255, 256, 257, 272, 273, 1000, 4099}) {
    const Reals x = random_reals(3 * n * 2, -1, 1);
    for (Layout layout : kLayouts) {
      const Tensor t = make_as(layout, DType::float64, {3, n, 2}, x);
      const Tensor y = cumulative_sum(t, 1);
      EXPECT_TRUE(y.is_contiguous() || n < 2);
      EXPECT_TRUE(near(y, running(x, 3, 2, 0, plus), 0, 1e-14L * (n + 1))) << n;
      EXPECT_TRUE(near(t, x));
    }
    EXPECT_TRUE(
        near(cumulative_sum(make({6, n}, x)), running(x, 6, 1, 0, plus), 0, 1e-14L * (n + 1)))
        << n;
    EXPECT_TRUE(
        near(cumulative_sum(make({n, 6}, x), 0), running(x, 1, 6, 0, plus), 0, 1e-14L * (n + 1)))
        << n;
  }
}

TEST(CumulativeSum, DTypesAreThoseOfSum) {
  for (DType d : {DType::bool_, DType::uint8, DType::int8, DType::uint32, DType::int64,
                  DType::float16, DType::float32}) {
    const Tensor y = cumulative_sum(make(d, {4}, {1, 1, 0, 1}));
    EXPECT_EQ(y.dtype(), sum(make(d, {1}, {1})).dtype()) << dtype_name(d);
    EXPECT_TRUE(near(y, {1, 2, 2, 3})) << dtype_name(d);
  }
  // Large int64 numbers stay exact, and wrap; float16 is summed in float32.
  EXPECT_EQ(cumulative_sum(tensor<int64_t>({INT64_MAX, 1}, test_device()))[1].item<int64_t>(),
            INT64_MIN);
  EXPECT_TRUE(near(cumulative_sum(make(DType::float16, {4096}, Reals(4096, 1)))[-1], {4096}));
  EXPECT_TRUE(
      near(cumulative_sum(make({4}, {1, kInfinity, -kInfinity, 1})), {1, kInfinity, kNan, kNan}));
}

TEST(CumulativeSum, IncludeInitialAndErrors) {
  EXPECT_TRUE(near(cumulative_sum(make({2, 2}, {1, 2, 3, 4}), 1, true), {0, 1, 3, 0, 3, 7}));
  EXPECT_TRUE(near(cumulative_sum(make({0}, {}), 0, true), {0}));
  EXPECT_TRUE(near(cumulative_prod(make({2}, {3, 4}), 0, true), {1, 3, 12}));
  error_of(ErrorCode::kAxis, [] { cumulative_sum(make({}, {1})); });
  error_of(ErrorCode::kAxis, [] { cumulative_sum(make({1}, {1}), 1); });
  error_of(ErrorCode::kInvalidArgument, [] { cumulative_sum(Tensor()); });
}

TEST(CumulativeProd, AgreesWithALoop) {
  for (int64_t n : {0, 1, 2, 3, 4, 5, 31, 32, 33}) {
    const Reals x = random_reals(2 * n * 3, 0.7, 1.3);
    EXPECT_TRUE(near(cumulative_prod(make({2, n, 3}, x), 1), running(x, 2, 3, 1, times), 1e-14L))
        << n;
  }
  EXPECT_TRUE(near(cumulative_prod(make(DType::int8, {4}, {2, 3, 0, 5})), {2, 6, 0, 0}));
  EXPECT_EQ(cumulative_prod(make(DType::int8, {4}, {2, 3, 0, 5})).dtype(), DType::int64);
}

TEST(Diff, OfEveryOrder) {
  const Tensor x = make(DType::int32, {2, 4}, {1, 4, 9, 16, 0, 1, 0, 1});
  EXPECT_TRUE(near(diff(x), {3, 5, 7, 1, -1, 1}));
  EXPECT_TRUE(near(diff(x, -1, 2), {2, 2, -2, 2}));
  EXPECT_TRUE(near(diff(x, 0), {-1, -3, -9, -15}));
  EXPECT_EQ(shape_of(diff(x, 0, 3)), (Dims{0, 4}));
  EXPECT_TRUE(near(diff(x, 1, 0), values(x)));
  EXPECT_TRUE(near(diff(make(DType::bool_, {3}, {1, 1, 0})), {0, 1}));
  error_of(ErrorCode::kInvalidArgument, [&] { diff(x, 0, -1); });
}

TEST(ScanGradient, SecondOrder) {
  const Tensor x = leaf({3, 4}, random_reals(12, -1, 1));
  EXPECT_GRADIENTS([](std::span<const Tensor> in) { return exp(cumulative_sum(in[0], 0)); }, {x});
  EXPECT_GRADIENTS(
      [](std::span<const Tensor> in) { return exp(cumulative_sum(in[0].transpose(), 0, true)); },
      {x});
  EXPECT_GRADIENTS([](std::span<const Tensor> in) { return exp(diff(in[0], 1, 2)); }, {x});
  const Tensor zero = leaf({4}, {0.5, 0, 2, 0});  // nothing is divided
  EXPECT_GRADIENTS([](std::span<const Tensor> in) { return exp(cumulative_prod(in[0], 0)); },
                   {zero});
  const Tensor h = leaf({40}, random_reals(40, -1, 1), DType::float16);
  const Tensor g = grad({cumulative_sum(h).sum()}, {h})[0];
  EXPECT_EQ(g.dtype(), DType::float16);
  EXPECT_TRUE(near(g[0], {40}));
}

}  // namespace
}  // namespace tenon
