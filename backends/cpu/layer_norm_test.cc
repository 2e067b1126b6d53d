// layer_norm and its gradient against long double references, element by element: every dtype, row
// lengths, any strides, with and without parameters, one thread against several, wrong arguments.
#include <gtest/gtest.h>

#include "backends/cpu/rows_testing.h"

namespace tenon_cpu {
namespace {

bool TestLayerNorm(Tensor& x, bool with_weight, bool with_bias, Layout layout, Layout parameters,
                   double eps, Random& random) {
  const uint32_t dtype = x.abi.dtype, statistic = ComputeDtype(dtype);
  const Sizes sizes(x.abi.sizes, x.abi.sizes + x.abi.rank);
  Tensor w, b, y(dtype, sizes, layout, random),
      mean(statistic, StatisticSizes(sizes), layout, random),
      rstd(statistic, StatisticSizes(sizes), layout, random);
  const auto value = [&](size_t) { return static_cast<Real>(random() % 2001) / 500 - 2; };
  for (Tensor* t : {&w, &b}) {
    *t = Tensor(dtype, sizes, kRepeatedRow, random);
    if (parameters == kReversed && sizes.back() > 1) {
      t->abi.offset += static_cast<uint64_t>(sizes.back() - 1) * tenon_dtype_size(dtype);
      t->abi.strides[t->abi.rank - 1] = -1;
    }
    t->Fill(value);
  }
  TenonLayerNormArgs args = {};
  args.size = sizeof args;
  args.eps = eps;
  args.x = x.Bind();
  if (with_weight) args.weight = w.Bind();
  if (with_bias) args.bias = b.Bind();
  args.y = y.Bind();
  args.mean = mean.Bind();
  args.rstd = rstd.Bind();
  if (!Call(Backend().fused->layer_norm, args, {&y, &mean, &rstd})) return false;
  Tensor g(dtype, sizes, layout, random), dx(dtype, sizes, layout, random);
  g.Fill(value);
  TenonLayerNormBackwardArgs back = {};
  back.size = sizeof back;
  back.x = x.Bind();
  if (with_weight) back.weight = w.Bind();
  back.mean = mean.Bind();
  back.rstd = rstd.Bind();
  back.g = g.Bind();
  back.dx = dx.Bind();
  const bool backward = Call(Backend().fused->layer_norm_backward, back, {&dx});
  const size_t n = static_cast<size_t>(sizes.back());
  const Values in = x.Read(), ws = w.Read(), bs = b.Read(), out = y.Read(), means = mean.Read(),
               rstds = rstd.Read(), gs = g.Read(), dxs = dx.Read();
  const Real u = Rounding(statistic), round = 1.01L * Rounding(dtype),
             least = LeastSubnormal(dtype);
  for (size_t r = 0; r < means.size(); ++r) {
    const size_t at = r * n;
    Real m = 0, v = 0, most = 0;
    for (size_t i = 0; i < n; ++i) m += in[at + i], most = std::max(most, std::fabs(in[at + i]));
    m /= static_cast<Real>(n);
    for (size_t i = 0; i < n; ++i) v += (in[at + i] - m) * (in[at + i] - m);
    const Real scale = 1 / sqrtl(v / static_cast<Real>(n) + static_cast<Real>(eps));
    const Real off = most * 0x1p-48L;  // of a mean in f64
    // The backward entry is given the rounded statistics.
    Real h_sum = 0, hn_sum = 0, h_size = 0, hn_size = 0;
    for (size_t i = 0; i < n; ++i) {
      const Real h = gs[at + i] * (with_weight ? ws[at + i] : 1),
                 hn = h * (in[at + i] - means[r]) * rstds[r];
      h_sum += h, hn_sum += hn, h_size += std::fabs(h), hn_size += std::fabs(hn);
    }
    const Real count = static_cast<Real>(n);
    for (size_t i = 0; i < n; ++i) {
      const Real weight = with_weight ? ws[at + i] : 1, bias = with_bias ? bs[at + i] : 0;
      const Real normal = (in[at + i] - m) * scale;
      const Real want = normal * weight + bias;
      const Real h = gs[at + i] * weight, hat = (in[at + i] - means[r]) * rstds[r];
      const Real slope = rstds[r] * (h - h_sum / count - hat * hn_sum / count);
      [&] {
        TENON_NEAR(means[r], m, u * std::fabs(m) * 1.01L + off);
        TENON_NEAR(rstds[r], scale,
                   scale * (2 * u + off * off * scale * scale + 8 * Rounding(TENON_F64)));
        TENON_NEAR(out[at + i], want,
                   u * (8 * std::fabs(normal * weight) + 2 * std::fabs(bias)) +
                       off * scale * std::fabs(weight) + std::fabs(want) * round + least);
        if (backward)
          TENON_NEAR(dxs[at + i], slope,
                     rstds[r] * u *
                             (4 * std::fabs(h) + 4 * h_size / count +
                              std::fabs(hat) * 10 * hn_size / count) +
                         std::fabs(slope) * round + least);
      }();
      if (testing::Test::HasFatalFailure()) return true;
    }
  }
  return true;
}

void RunLayerNorm(uint32_t dtype, const Sizes& sizes, Layout inputs, Layout outputs, bool must_run,
                  Random& random) {
  SCOPED_TRACE(testing::Message() << tenon_dtype_name(dtype) << " " << testing::PrintToString(sizes)
                                  << " layouts " << inputs << " " << outputs);
  Tensor x(dtype, sizes, inputs, random);
  x.Fill([&](size_t) { return Ordinary(random); });
  const bool weight = random() % 2 == 0, bias = random() % 2 == 0;
  EXPECT_TRUE(TestLayerNorm(x, weight, bias, outputs, inputs, 1e-5, random) || !must_run);
}

TEST(LayerNorm, EveryDtypeLengthAndLayout) {
  Random random(1);
  for (uint32_t dtype : kFloats) {
    for (int64_t n : {1, 2, 7, 16, 17, 64, 129, 1000, 1025}) {
      for (int inputs = 0; inputs < kLayouts; ++inputs) {
        const int64_t m = 1 + static_cast<int64_t>(random() % 30);
        for (int outputs = 0; outputs < kOutputLayouts; ++outputs)
          ASSERT_NO_FATAL_FAILURE(
              RunLayerNorm(dtype, {m, n}, Layout(inputs), Layout(outputs), n <= 512, random));
      }
    }
    ASSERT_NO_FATAL_FAILURE(RunLayerNorm(dtype, {2, 100003}, kDense, kDense, true, random));
    ASSERT_NO_FATAL_FAILURE(RunLayerNorm(dtype, {2, 100003}, kReversed, kSpaced, true, random));
  }
}

TEST(LayerNorm, EveryRank) {
  Random random(3);
  for (uint32_t dtype : kFloats) {
    Sizes sizes;
    for (int rank = 1; rank <= TENON_ABI_MAX_RANK; ++rank) {
      sizes.insert(sizes.begin(), 1 + static_cast<int64_t>(random() % 3));
      sizes.back() = 33;
      for (int trial = 0; trial < kLayouts; ++trial)
        ASSERT_NO_FATAL_FAILURE(RunLayerNorm(dtype, sizes, Layout(trial),
                                             Layout(random() % kOutputLayouts), true, random));
    }
  }
}

// A mean a million times the deviation must not cancel; a constant row has variance 0.
TEST(LayerNorm, FarFromZero) {
  Random random(6);
  for (uint32_t dtype : {TENON_F32, TENON_F64}) {
    for (int64_t n : {64, 1000, 5000}) {
      Tensor x(dtype, {4, n}, kDense, random);
      x.Fill([&](size_t i) {
        return i < static_cast<size_t>(n) ? 3 : 10000 + Ordinary(random) / 500;
      });
      ASSERT_TRUE(TestLayerNorm(x, true, true, kDense, kDense, 1e-12, random));
      if (HasFatalFailure()) return;
    }
  }
}

TEST(LayerNorm, WrongArguments) {
  Random random(7);
  const Sizes sizes = {4, 10};
  Tensor x(TENON_F32, sizes, kDense, random), y(TENON_F32, sizes, kDense, random);
  const std::vector<char> before = y.bytes;
  TenonError error = {sizeof error, 0, {}};
  TenonLayerNormArgs norm = {};
  norm.size = sizeof norm;
  norm.x = norm.weight = x.Bind();
  norm.y = norm.mean = norm.rstd = y.Bind();
  norm.mean.sizes[1] = norm.rstd.sizes[1] = 1;
  EXPECT_EQ(Backend().fused->layer_norm(1, 0, &norm, nullptr, &error), TENON_INVALID_ARGUMENT);
  EXPECT_NE(std::string(error.message).find("weight of stride 10"), std::string::npos)
      << error.message;
  EXPECT_EQ(y.bytes, before);
}

}  // namespace
}  // namespace tenon_cpu
