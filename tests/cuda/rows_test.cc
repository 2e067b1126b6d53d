// softmax, cross entropy and layer norm through the plug-in, on its kernels compiled for this
// machine (fake_driver.cc), against long double, element by element.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "tenon/abi/tenon_kit_evaluate.h"
#include "tests/cuda/plugin_fixture.h"
#include "tests/cuda/rows_array.h"
#include "tests/cuda/rows_reference.h"

namespace {

using namespace rows_testing;  // NOLINT(google-build-using-namespace): its other half
constexpr uint32_t kDtypes[] = {TENON_F32, TENON_F64, TENON_F16, TENON_BF16};

class RowsTest : public PluginTest {
 protected:
  // A dry run, the call, and the call again, which must leave the same bits.
  template <class Args>
  void Call(TenonStatus (*entry)(TenonDevice, TenonStream, const Args*, TenonCall*,
                                 TenonError*) noexcept,
            const Args& args, Array& output) {
    TenonCall call = {};
    call.size = sizeof call;
    call.flags = TENON_CALL_DRY_RUN;
    call.workspace_bytes = 99;
    const int launches = fake_->launches;
    ASSERT_EQ(entry(device_, 0, &args, &call, &error_), TENON_OK) << error_.message;
    EXPECT_EQ(call.workspace_bytes, 0u);
    EXPECT_EQ(fake_->launches, launches) << "a dry run enqueues nothing";
    call.flags = TENON_CALL_DETERMINISTIC;
    ASSERT_EQ(entry(device_, 0, &args, &call, &error_), TENON_OK) << error_.message;
    // NOLINTNEXTLINE(performance-unnecessary-copy-initialization): the bytes change
    const std::vector<unsigned char> first = output.bytes();
    ASSERT_EQ(entry(device_, 0, &args, nullptr, &error_), TENON_OK) << error_.message;
    EXPECT_EQ(fake_->launches, launches + 2);
    EXPECT_EQ(fake_->unknown_kernels, 0);
    EXPECT_EQ(output.bytes(), first);
  }

  double Random(double least, double greatest) {
    return std::uniform_real_distribution<double>(least, greatest)(random_);
  }
  void Fill(Array& a, const Shape& shape, double least, double greatest) {
    for (int64_t r = 0; r < shape.rows(); ++r) {
      for (int64_t i = 0; i < shape.length; ++i) a.Set(r, i, Random(least, greatest));
    }
  }
  void Compare(Array& got, int64_t row, const std::vector<Expected>& expected) {
    for (size_t i = 0; i < expected.size(); ++i) {
      const Real value = got.Get(row, static_cast<int64_t>(i));
      ASSERT_TRUE(Agrees(got.dtype(), value, expected[i]))
          << fake_->last_kernel << " row " << row << " element " << i << ": " << value
          << ", should be " << expected[i].value << " within " << expected[i].slack;
    }
  }

  void CheckSoftmax(Array& x, const Shape& shape, Layout layout, bool log) {
    Array y(x.dtype(), shape.full(), layout == kOnce ? kDense : layout);
    TenonSoftmaxArgs args = {};
    args.size = sizeof args;
    args.x = x.bound();
    args.y = y.bound();
    args.log = log;
    ASSERT_NO_FATAL_FAILURE(Call(backend_->fused->softmax, args, y));
    y.ExpectNothingElseWritten(shape.rows(), shape.length);
    for (int64_t r = 0; r < shape.rows(); ++r) {
      ASSERT_NO_FATAL_FAILURE(
          Compare(y, r, RowReference(x.dtype()).Softmax(x.Row(r, shape.length), log)));
    }
  }

  void CheckSoftmaxBackward(uint32_t dtype, const Shape& shape, Layout layout, bool log) {
    Array y(dtype, shape.full(), layout == kOnce ? kDense : layout), g(dtype, shape.full(), layout),
        dx(dtype, shape.full(), layout == kOnce ? kDense : layout);
    Fill(y, shape, log ? -6 : 0, log ? 0 : 1);
    Fill(g, shape, -2, 2);
    TenonSoftmaxBackwardArgs args = {};
    args.size = sizeof args;
    args.y = y.bound();
    args.g = g.bound();
    args.dx = dx.bound();
    args.log = log;
    ASSERT_NO_FATAL_FAILURE(Call(backend_->fused->softmax_backward, args, dx));
    dx.ExpectNothingElseWritten(shape.rows(), shape.length);
    for (int64_t r = 0; r < shape.rows(); ++r) {
      ASSERT_NO_FATAL_FAILURE(Compare(dx, r,
                                      RowReference(dtype).SoftmaxBackward(
                                          y.Row(r, shape.length), g.Row(r, shape.length), log)));
    }
  }

  void CheckCrossEntropy(Array& x, const Shape& shape, Layout layout, uint32_t target_dtype) {
    const Layout out = layout == kOnce ? kDense : layout;
    Array target(target_dtype, shape.statistic(), layout), loss(x.dtype(), shape.statistic(), out),
        shift(x.dtype(), shape.statistic(), out), sum(x.dtype(), shape.statistic(), out);
    std::vector<int64_t> chosen;
    for (int64_t r = 0; r < shape.rows(); ++r) {
      const int64_t n = shape.length;
      const int64_t choices[] = {0, n - 1, n / 2, -1, n, 1 << 30};
      chosen.push_back(choices[layout == kOnce ? 1 : r % 6]);
      if (target_dtype == TENON_I64)
        target.SetBits(r, 0, chosen.back());
      else
        target.SetBits(r, 0, static_cast<int32_t>(chosen.back()));
    }
    TenonCrossEntropyArgs args = {};
    args.size = sizeof args;
    args.x = x.bound();
    args.target = target.bound();
    args.loss = loss.bound();
    args.shift = shift.bound();
    args.exp_sum = sum.bound();
    ASSERT_NO_FATAL_FAILURE(Call(backend_->fused->cross_entropy, args, loss));
    for (Array* a : {&loss, &shift, &sum}) a->ExpectNothingElseWritten(shape.rows(), 1);
    for (int64_t r = 0; r < shape.rows(); ++r) {
      const RowReference::Entropy expected = RowReference(x.dtype()).CrossEntropy(
          x.Row(r, shape.length), chosen[static_cast<size_t>(r)]);
      ASSERT_NO_FATAL_FAILURE(Compare(loss, r, {expected.loss}));
      ASSERT_NO_FATAL_FAILURE(Compare(shift, r, {expected.shift}));
      ASSERT_NO_FATAL_FAILURE(Compare(sum, r, {expected.sum}));
    }
  }

  // A parameter, as a tensor that is the same for all rows.
  Array Parameter(uint32_t dtype, const Shape& shape, Layout layout) {
    Array p(dtype, {shape.length}, layout == kAcross ? kDense : layout);
    for (int64_t i = 0; i < shape.length; ++i) p.Set(0, i, Random(-2, 2));
    TenonTensor spread = p.view();
    spread.rank = static_cast<uint32_t>(shape.outer.size() + 1);
    spread.strides[spread.rank - 1] = p.view().strides[0];
    spread.sizes[spread.rank - 1] = shape.length;
    for (uint32_t d = 0; d + 1 < spread.rank; ++d) {
      spread.strides[d] = 0;
      spread.sizes[d] = shape.outer[d];
    }
    p.view() = spread;
    return p;
  }

  // Rows around `centre`.
  void CheckLayerNorm(uint32_t dtype, const Shape& shape, Layout layout, double centre,
                      bool parameters) {
    const Layout out = layout == kOnce ? kDense : layout;
    Array x(dtype, shape.full(), out), g(dtype, shape.full(), layout), weight, bias;
    Array y(dtype, shape.full(), out), dx(dtype, shape.full(), out);
    Array mean(WideOf(dtype), shape.statistic(), out), rstd(WideOf(dtype), shape.statistic(), out);
    Fill(x, shape, centre - 1, centre + 1);
    Fill(g, shape, -2, 2);
    if (parameters) {
      weight = Parameter(dtype, shape, layout);
      bias = Parameter(dtype, shape, layout);
    }
    TenonLayerNormArgs args = {};
    args.size = sizeof args;
    args.x = x.bound();
    args.weight = weight.bound();
    args.bias = bias.bound();
    args.y = y.bound();
    args.mean = mean.bound();
    args.rstd = rstd.bound();
    args.eps = 1e-5;
    ASSERT_NO_FATAL_FAILURE(Call(backend_->fused->layer_norm, args, y));
    TenonLayerNormBackwardArgs back = {};
    back.size = sizeof back;
    back.x = args.x;
    back.weight = args.weight;
    back.mean = args.mean;
    back.rstd = args.rstd;
    back.g = g.bound();
    back.dx = dx.bound();
    ASSERT_NO_FATAL_FAILURE(Call(backend_->fused->layer_norm_backward, back, dx));
    for (Array* a : {&y, &dx}) a->ExpectNothingElseWritten(shape.rows(), shape.length);
    for (Array* a : {&mean, &rstd}) a->ExpectNothingElseWritten(shape.rows(), 1);
    for (int64_t r = 0; r < shape.rows(); ++r) {
      const int64_t n = shape.length;
      const std::vector<Real> weights = weight.Row(r, n, 1);
      const RowReference reference(dtype);
      const auto expected = reference.LayerNorm(x.Row(r, n), weights, bias.Row(r, n, 0), 1e-5L);
      ASSERT_NO_FATAL_FAILURE(Compare(y, r, expected.y));
      ASSERT_NO_FATAL_FAILURE(Compare(mean, r, {expected.mean}));
      ASSERT_NO_FATAL_FAILURE(Compare(rstd, r, {expected.rstd}));
      ASSERT_NO_FATAL_FAILURE(Compare(dx, r,
                                      reference.LayerNormBackward(x.Row(r, n), g.Row(r, n), weights,
                                                                  mean.Get(r, 0), rstd.Get(r, 0))));
    }
  }

  void CheckAll(uint32_t dtype, const Shape& shape, Layout layout) {
    SCOPED_TRACE(std::string(tenon_dtype_name(dtype)) + ", " + std::to_string(shape.rows()) +
                 " rows of " + std::to_string(shape.length) + ", layout " + std::to_string(layout));
    Array x(dtype, shape.full(), layout);
    Fill(x, shape, -8, 8);
    for (const bool log : {false, true}) {
      ASSERT_NO_FATAL_FAILURE(CheckSoftmax(x, shape, layout, log));
      ASSERT_NO_FATAL_FAILURE(CheckSoftmaxBackward(dtype, shape, layout, log));
    }
    ASSERT_NO_FATAL_FAILURE(CheckCrossEntropy(
        x, shape, layout, shape.length % 2 == 0 ? uint32_t{TENON_I64} : uint32_t{TENON_I32}));
    ASSERT_NO_FATAL_FAILURE(CheckLayerNorm(dtype, shape, layout, 0.5, shape.length % 3 != 0));
  }

  std::minstd_rand random_;
};

TEST_F(RowsTest, EveryDtypeAndLength) {
  ASSERT_NO_FATAL_FAILURE(Open());
  for (const uint32_t dtype : kDtypes) {
    for (const int64_t length : {1, 2, 7, 10, 31, 32, 33, 128, 1000, 1024}) {
      ASSERT_NO_FATAL_FAILURE(CheckAll(dtype, {{7}, length}, kDense));
    }
    for (const int64_t length : {1025, 5000, 16384, 100'003}) {
      ASSERT_NO_FATAL_FAILURE(CheckAll(dtype, {{2}, length}, kDense));
    }
  }
  Close();
}

TEST_F(RowsTest, EveryLayout) {
  ASSERT_NO_FATAL_FAILURE(Open());
  for (const uint32_t dtype : kDtypes) {
    for (const Layout layout : {kMisaligned, kGaps, kAcross, kOnce}) {
      for (const int64_t length : {1, 10, 64, 640}) {
        ASSERT_NO_FATAL_FAILURE(CheckAll(dtype, {{3, 2}, length}, layout));
      }
    }
    ASSERT_NO_FATAL_FAILURE(CheckAll(dtype, {{}, 100}, kDense));
    for (const Layout layout : {kDense, kGaps, kAcross}) {
      ASSERT_NO_FATAL_FAILURE(CheckAll(dtype, {{2, 1, 2, 1, 1, 2, 3}, 16}, layout));
    }
  }
  Close();
}

TEST_F(RowsTest, MoreRowsThanTheGridHasRoomFor) {
  ASSERT_NO_FATAL_FAILURE(Open());
  // Of the tiers quad, half_warp, warp, any; the fake device has four processors.
  ASSERT_NO_FATAL_FAILURE(CheckLayerNorm(TENON_F32, {{4100}, 3}, kDense, 0, true));
  ASSERT_NO_FATAL_FAILURE(CheckSoftmaxBackward(TENON_F32, {{1030}, 40}, kMisaligned, true));
  ASSERT_NO_FATAL_FAILURE(CheckSoftmaxBackward(TENON_BF16, {{514}, 40}, kDense, false));
  ASSERT_NO_FATAL_FAILURE(CheckLayerNorm(TENON_F32, {{129}, 130}, kGaps, 0, true));
  Close();
}

TEST_F(RowsTest, TheTierSuitsTheRows) {
  ASSERT_NO_FATAL_FAILURE(Open());
  const struct {
    int64_t length;
    uint32_t dtype;
    Layout layout;
    const char* kernel;
  } cases[] = {{10, TENON_F32, kDense, "softmax_f32_quad"},
               {32, TENON_F32, kDense, "softmax_f32_quad"},
               {33, TENON_F32, kDense, "softmax_f32_half_warp"},
               {64, TENON_F16, kDense, "softmax_f16_warp"},
               {64, TENON_F16, kMisaligned, "softmax_f16_half_warp"},
               {1024, TENON_BF16, kDense, "softmax_bf16_warp"},
               {1024, TENON_F64, kDense, "softmax_f64_block"},
               {1024, TENON_F32, kGaps, "softmax_f32_any"},
               {1028, TENON_F32, kDense, "softmax_f32_block"},
               {8196, TENON_F32, kDense, "softmax_f32_long"},
               {8193, TENON_F32, kDense, "softmax_f32_any"}};
  for (const auto& c : cases) {
    const Shape shape = {{2}, c.length};
    Array x(c.dtype, shape.full(), c.layout);
    Fill(x, shape, -1, 1);
    ASSERT_NO_FATAL_FAILURE(CheckSoftmax(x, shape, c.layout, false));
    EXPECT_STREQ(fake_->last_kernel, c.kernel) << c.length;
  }
  Close();
}

TEST_F(RowsTest, InfinitiesAndNans) {
  ASSERT_NO_FATAL_FAILURE(Open());
  for (const uint32_t dtype : kDtypes) {
    for (const int64_t length : {1, 5, 64, 2048, 8200}) {
      const Shape shape = {{6}, length};
      Array x(dtype, shape.full());
      Fill(x, shape, -3, 3);
      for (int64_t i = 0; i < length; ++i) x.Set(0, i, -INFINITY);
      x.Set(1, length / 2, -INFINITY);
      x.Set(2, length / 3, INFINITY);
      x.Set(3, length - 1, NAN);
      for (int64_t i = 0; i < length; ++i) x.Set(4, i, i % 2 == 0 ? INFINITY : -INFINITY);
      for (int64_t i = 0; i < length; ++i) x.Set(5, i, i == 0 ? 60000 : -60000);
      for (const bool log : {false, true})
        ASSERT_NO_FATAL_FAILURE(CheckSoftmax(x, shape, kDense, log));
      ASSERT_NO_FATAL_FAILURE(CheckCrossEntropy(x, shape, kDense, TENON_I64));
    }
  }
  Close();
}

// Rows whose elements differ by little from a large number.
TEST_F(RowsTest, TheVarianceDoesNotCancel) {
  ASSERT_NO_FATAL_FAILURE(Open());
  for (const int64_t length : {10, 100, 1024, 4096, 20'000, 20'001}) {
    ASSERT_NO_FATAL_FAILURE(CheckLayerNorm(TENON_F32, {{3}, length}, kDense, 3e4, true));
    ASSERT_NO_FATAL_FAILURE(CheckLayerNorm(TENON_F64, {{3}, length}, kDense, 1e9, true));
  }
  Close();
}

TEST_F(RowsTest, WhatIsRefused) {
  ASSERT_NO_FATAL_FAILURE(Open());
  const Shape shape = {{4}, 8};
  Array x(TENON_F32, shape.full()), y(TENON_F32, shape.full());
  Array target(TENON_I32, shape.statistic()), loss(TENON_F32, shape.statistic()),
      shift(TENON_F32, shape.statistic()), sum(TENON_F32, shape.statistic());
  TenonSoftmaxArgs good = {};
  good.size = sizeof good;
  good.x = x.bound();
  good.y = y.bound();
  const auto softmax = [&](auto change) {
    TenonSoftmaxArgs args = good;
    change(args);
    return backend_->fused->softmax(device_, 0, &args, nullptr, &error_);
  };
  using Args = TenonSoftmaxArgs;
  EXPECT_EQ(softmax([](Args& a) { a.log = 2; }), TENON_UNSUPPORTED);
  EXPECT_EQ(softmax([](Args& a) { a.flags = 1; }), TENON_UNSUPPORTED);
  EXPECT_EQ(softmax([](Args& a) { a.reserved = 1; }), TENON_UNSUPPORTED);
  EXPECT_EQ(softmax([](Args& a) { a.x.dtype = a.y.dtype = TENON_I32; }), TENON_UNSUPPORTED);
  EXPECT_STREQ(error_.message, "cuda: softmax: rows of i32");
  EXPECT_EQ(softmax([](Args& a) { a.x.dtype = a.y.dtype = TENON_F8E5M2; }), TENON_UNSUPPORTED);
  EXPECT_EQ(softmax([](Args& a) { a.y.dtype = TENON_F64; }), TENON_INVALID_ARGUMENT);
  EXPECT_STREQ(error_.message, "cuda: softmax: y is f64, not f32");
  EXPECT_EQ(softmax([](Args& a) { a.y.sizes[0] = 5; }), TENON_INVALID_ARGUMENT);
  EXPECT_STREQ(error_.message, "cuda: softmax: y is [5, 8], for x [4, 8]");
  EXPECT_EQ(softmax([](Args& a) { a.y.rank = 1; }), TENON_INVALID_ARGUMENT);
  EXPECT_EQ(softmax([](Args& a) { a.x.rank = a.y.rank = 0; }), TENON_INVALID_ARGUMENT);
  EXPECT_EQ(softmax([](Args& a) { a.x.rank = a.y.rank = 9; }), TENON_INVALID_ARGUMENT);
  EXPECT_EQ(softmax([](Args& a) { a.x.sizes[0] = a.y.sizes[0] = 0; }), TENON_INVALID_ARGUMENT);
  EXPECT_EQ(softmax([](Args& a) { a.x.buffer = 0; }), TENON_INVALID_ARGUMENT);
  EXPECT_EQ(softmax([](Args& a) { a.y.strides[0] = 0; }), TENON_INVALID_ARGUMENT);
  EXPECT_STREQ(error_.message, "cuda: softmax: y overlaps itself");
  EXPECT_EQ(softmax([](Args& a) { a.size = 4; }), TENON_INVALID_ARGUMENT);
  EXPECT_EQ(backend_->fused->softmax(device_, 0, nullptr, nullptr, &error_),
            TENON_INVALID_ARGUMENT);
  TenonCall call = {};
  call.size = sizeof call;
  call.flags = 1u << 7;
  EXPECT_EQ(backend_->fused->softmax(device_, 0, &good, &call, &error_), TENON_UNSUPPORTED);
  // A single row of 2^20: many groups that share it are better.
  EXPECT_EQ(softmax([](Args& a) {
              a.x.sizes[0] = a.y.sizes[0] = 1, a.x.sizes[1] = a.y.sizes[1] = 1 << 20;
            }),
            TENON_UNSUPPORTED);

  TenonCrossEntropyArgs entropy = {};
  entropy.size = sizeof entropy;
  entropy.x = x.bound();
  entropy.target = target.bound();
  entropy.loss = loss.bound();
  entropy.shift = shift.bound();
  entropy.exp_sum = sum.bound();
  const auto cross_entropy = [&] {
    return backend_->fused->cross_entropy(device_, 0, &entropy, nullptr, &error_);
  };
  entropy.target.dtype = TENON_F32;
  EXPECT_EQ(cross_entropy(), TENON_INVALID_ARGUMENT);
  entropy.target.dtype = TENON_I32;
  entropy.loss.sizes[1] = 8;
  EXPECT_EQ(cross_entropy(), TENON_INVALID_ARGUMENT);

  TenonLayerNormArgs norm = {};
  norm.size = sizeof norm;
  norm.x = x.bound();
  norm.y = y.bound();
  norm.mean = loss.bound();
  norm.rstd = sum.bound();
  const auto layer_norm = [&] {
    return backend_->fused->layer_norm(device_, 0, &norm, nullptr, &error_);
  };
  norm.weight = x.bound();
  EXPECT_EQ(layer_norm(), TENON_INVALID_ARGUMENT);
  EXPECT_STREQ(error_.message, "cuda: layer_norm: weight is not the same for every row");
  norm.weight = {};
  norm.mean.dtype = TENON_F64;
  EXPECT_EQ(layer_norm(), TENON_INVALID_ARGUMENT);
  norm.mean.buffer = 0;
  EXPECT_EQ(layer_norm(), TENON_INVALID_ARGUMENT);
  EXPECT_EQ(fake_->launches, 0);
  Close();
}

}  // namespace

int main(int argc, char** argv) { return RunPluginTests(argc, argv, 2); }
