// softmax, its gradient and cross entropy against long double references, element by element: every
// dtype, row lengths around every way they are run, any strides, rows of infinities and NaN,
// classes out of range, one thread against several, wrong arguments.
#include <gtest/gtest.h>

#include "backends/cpu/rows_testing.h"

namespace tenon_cpu {
namespace {

// ---- softmax and cross entropy ----

struct RowSums {
  Real shift, sum, farthest = 0;  // farthest: greatest x - shift that matters
};
RowSums SumsOf(const Real* x, size_t n) {
  RowSums s{-kInf, 0};
  for (size_t i = 0; i < n; ++i) s.shift = std::isnan(x[i]) || x[i] > s.shift ? x[i] : s.shift;
  if (!(std::fabs(s.shift) < kInf)) s.shift = 0;
  for (size_t i = 0; i < n; ++i) {
    s.sum += expl(x[i] - s.shift);
    s.farthest = std::max(s.farthest, std::min<Real>(std::fabs(x[i] - s.shift), 800));
  }
  return s;
}

bool TestSoftmax(Tensor& x, Tensor& y, bool log) {
  TenonSoftmaxArgs args = {};
  args.size = sizeof args;
  args.x = x.Bind();
  args.y = y.Bind();
  args.log = log;
  if (!Call(Backend().fused->softmax, args, {&y})) return false;
  const uint32_t dtype = x.abi.dtype;
  const size_t n = static_cast<size_t>(x.abi.sizes[x.abi.rank - 1]);
  const Values in = x.Read(), out = y.Read();
  const Real u = Rounding(ComputeDtype(dtype)), round = Rounding(dtype),
             least = LeastSubnormal(dtype);
  for (size_t r = 0; r < in.size() / n; ++r) {
    const RowSums s = SumsOf(&in[r * n], n);
    for (size_t i = 0; i < n; ++i) {
      const Real d = in[r * n + i] - s.shift;
      const Real want = log ? d - logl(s.sum) : expl(d) / s.sum;
      const Real far = std::isinf(d) ? 0 : std::fabs(d);
      const Real bound =
          log ? u * (2 * far + 2 * std::fabs(logl(s.sum)) + 12) : std::fabs(want) * u * (far + 12);
      [&] { TENON_NEAR(out[r * n + i], want, bound + std::fabs(want) * round * 1.01L + least); }();
      if (testing::Test::HasFatalFailure()) return true;
    }
  }
  return true;
}

bool TestSoftmaxBackward(Tensor& y, Tensor& g, Tensor& dx, bool log) {
  TenonSoftmaxBackwardArgs args = {};
  args.size = sizeof args;
  args.y = y.Bind();
  args.g = g.Bind();
  args.dx = dx.Bind();
  args.log = log;
  if (!Call(Backend().fused->softmax_backward, args, {&dx})) return false;
  const uint32_t dtype = y.abi.dtype;
  const size_t n = static_cast<size_t>(y.abi.sizes[y.abi.rank - 1]);
  const Values ys = y.Read(), gs = g.Read(), out = dx.Read();
  const Real steps = dtype == TENON_F64 ? 24 : 4;  // a lane's sum of f64 terms rounds 16 times
  const Real u = Rounding(ComputeDtype(dtype)), round = Rounding(dtype),
             least = LeastSubnormal(dtype);
  for (size_t r = 0; r < ys.size() / n; ++r) {
    Real sum = 0, size = 0;
    for (size_t i = r * n; i < (r + 1) * n; ++i) {
      const Real term = log ? gs[i] : gs[i] * ys[i];
      sum += term;
      size += std::fabs(term);
    }
    for (size_t i = 0; i < n; ++i) {
      const Real a = ys[r * n + i], b = gs[r * n + i];
      const Real want = log ? b - expl(a) * sum : a * (b - sum);
      if (dtype == TENON_F16 && std::fabs(want) > 65000) continue;
      const Real bound =
          log ? u * (2 * std::fabs(b) + expl(a) * (steps * size + 6 * std::fabs(sum)))
              : u * std::fabs(a) * (4 * std::fabs(b) + steps * size);
      [&] { TENON_NEAR(out[r * n + i], want, bound + std::fabs(want) * round * 1.01L + least); }();
      if (testing::Test::HasFatalFailure()) return true;
    }
  }
  return true;
}

bool TestCrossEntropy(Tensor& x, Layout layout, Random& random) {
  const uint32_t dtype = x.abi.dtype;
  const Sizes sizes(x.abi.sizes, x.abi.sizes + x.abi.rank), one = StatisticSizes(sizes);
  const int64_t classes = sizes.back();
  Tensor target(random() % 2 == 0 ? TENON_I32 : TENON_I64, one, layout, random);
  std::vector<int64_t> chosen;
  for (int64_t place : target.Places()) {
    const uint64_t pick = random() % 8;
    chosen.push_back(pick == 0   ? -1
                     : pick == 1 ? classes
                                 : static_cast<int64_t>(random() % static_cast<uint64_t>(classes)));
    WriteBits(target.bytes.data(), target.abi.dtype, place, static_cast<uint64_t>(chosen.back()));
  }
  Tensor outputs[3];
  for (Tensor& t : outputs) t = Tensor(dtype, one, layout, random);
  TenonCrossEntropyArgs args = {};
  args.size = sizeof args;
  args.x = x.Bind();
  args.target = target.Bind();
  args.loss = outputs[0].Bind();
  args.shift = outputs[1].Bind();
  args.exp_sum = outputs[2].Bind();
  if (!Call(Backend().fused->cross_entropy, args, {&outputs[0], &outputs[1], &outputs[2]}))
    return false;
  const size_t n = static_cast<size_t>(classes);
  const Values in = x.Read(), loss = outputs[0].Read(), shift = outputs[1].Read(),
               sum = outputs[2].Read();
  const Real u = Rounding(ComputeDtype(dtype)), round = 1.01L * Rounding(dtype);
  for (size_t r = 0, i = 0; r < chosen.size(); ++r) {
    const RowSums s = SumsOf(&in[r * n], n);
    const bool inside = chosen[r] >= 0 && chosen[r] < classes;
    const Real gap = inside ? in[r * n + static_cast<size_t>(chosen[r])] - s.shift : 0;
    const Real want = logl(s.sum) - gap;
    [&] {
      TENON_NEAR(loss[r], want, u * (12 + s.farthest) + std::fabs(want) * round);
      TENON_NEAR(shift[r], s.shift, 0);
      if (!(dtype == TENON_F16 && s.sum > 65000))
        TENON_NEAR(sum[r], s.sum, s.sum * (u * (12 + s.farthest) + round));
    }();
    if (testing::Test::HasFatalFailure()) return true;
  }
  return true;
}

// ---- the cases ----

// All entries on one shape, all of one layout but `outputs`.
void RunAll(uint32_t dtype, const Sizes& sizes, Layout inputs, Layout outputs, bool must_run,
            Random& random) {
  SCOPED_TRACE(testing::Message() << tenon_dtype_name(dtype) << " " << testing::PrintToString(sizes)
                                  << " layouts " << inputs << " " << outputs);
  Tensor x(dtype, sizes, inputs, random), g(dtype, sizes, inputs, random),
      y(dtype, sizes, outputs, random);
  x.Fill([&](size_t) { return Ordinary(random); });
  g.Fill([&](size_t) { return Ordinary(random); });
  for (bool log : {false, true}) {
    const bool ran = TestSoftmax(x, y, log) && TestSoftmaxBackward(x, g, y, log);
    EXPECT_TRUE(ran || !must_run);
  }
  EXPECT_TRUE(TestCrossEntropy(x, outputs, random) || !must_run);
}

TEST(Rows, EveryDtypeLengthAndLayout) {
  Random random(1);
  for (uint32_t dtype : kFloats) {
    for (int64_t n : {1, 2, 7, 16, 17, 47, 48, 64, 129, 1000, 1025}) {
      for (int inputs = 0; inputs < kLayouts; ++inputs) {
        const int64_t m = 1 + static_cast<int64_t>(random() % 40);
        ASSERT_NO_FATAL_FAILURE(RunAll(dtype, {m, n}, Layout(inputs),
                                       Layout(random() % kOutputLayouts), n <= 512, random));
        ASSERT_NO_FATAL_FAILURE(RunAll(dtype, {3, m, n}, Layout(inputs),
                                       Layout(inputs % kOutputLayouts), inputs == kDense, random));
      }
    }
  }
}

TEST(Rows, LongRows) {
  Random random(2);
  for (uint32_t dtype : kFloats) {
    for (Layout layout : {kDense, kReversed, kSpaced})
      ASSERT_NO_FATAL_FAILURE(RunAll(dtype, {2, 100003}, layout, layout, true, random));
    ASSERT_NO_FATAL_FAILURE(RunAll(dtype, {100003}, kDense, kDense, true, random));
    ASSERT_NO_FATAL_FAILURE(RunAll(dtype, {5, 100003}, kShuffled, kDense, false, random));
  }
}

TEST(Rows, EveryRank) {
  Random random(3);
  for (uint32_t dtype : kFloats) {
    Sizes sizes;
    for (int rank = 1; rank <= TENON_ABI_MAX_RANK; ++rank) {
      sizes.insert(sizes.begin(), 1 + static_cast<int64_t>(random() % 3));
      for (int64_t n : {5, 70}) {
        sizes.back() = n;
        for (int trial = 0; trial < kLayouts; ++trial)
          ASSERT_NO_FATAL_FAILURE(
              RunAll(dtype, sizes, Layout(trial), Layout(random() % kOutputLayouts), true, random));
      }
    }
  }
}

// As core sends softmax along the first axis: tiles, with more columns than one holds.
TEST(Rows, AcrossMemory) {
  Random random(4);
  for (uint32_t dtype : kFloats) {
    for (const Sizes& sizes : {Sizes{130, 300}, Sizes{200, 1000}, Sizes{3, 90, 50}}) {
      Tensor t[3];
      for (Tensor& x : t) {
        x = Tensor(dtype, sizes, kDense, random);
        int64_t next = 1;  // the last axis outermost
        for (size_t d = sizes.size() - 1; d-- > 0; next *= sizes[d]) x.abi.strides[d] = next;
        x.abi.strides[sizes.size() - 1] = next;
        x.Fill([&](size_t) { return Ordinary(random); });
      }
      for (bool log : {false, true}) {
        ASSERT_TRUE(TestSoftmax(t[0], t[1], log));
        ASSERT_TRUE(TestSoftmaxBackward(t[0], t[1], t[2], log));
      }
      ASSERT_TRUE(TestCrossEntropy(t[0], kDense, random));
      if (HasFatalFailure()) return;
    }
  }
}

TEST(Rows, InfinitiesAndNaN) {
  Random random(5);
  for (uint32_t dtype : kFloats) {
    for (int64_t n : {1, 7, 20, 64, 100, 1500}) {
      Tensor x(dtype, {9, n}, kDense, random), y(dtype, {9, n}, kDense, random);
      x.Fill([&](size_t i) {
        const size_t row = i / static_cast<size_t>(n), column = i % static_cast<size_t>(n);
        const bool here =
            column == random() % static_cast<uint64_t>(n) || column + 1 == static_cast<size_t>(n);
        switch (row) {
          case 0:
            return -kInf;
          case 1:
            return kInf;
          case 2:
            return here ? kInf : Ordinary(random);
          case 3:
            return here ? -kInf : Ordinary(random);
          case 4:
            return here ? std::nanl("") : Ordinary(random);
          case 5:
            return here ? std::nanl("") : -kInf;
          case 6:
            return 30000 * Ordinary(random) / 5;  // beyond the reach of exp
          case 7:
            return 20 * Ordinary(random);  // subnormal results
          default:
            return Ordinary(random);
        }
      });
      SCOPED_TRACE(testing::Message() << tenon_dtype_name(dtype) << " rows of " << n);
      ASSERT_TRUE(TestSoftmax(x, y, false));
      ASSERT_TRUE(TestSoftmax(x, y, true));
      ASSERT_TRUE(TestCrossEntropy(x, kDense, random));
      if (HasFatalFailure()) return;
    }
  }
}

TEST(Rows, WrongArguments) {
  Random random(7);
  const Sizes sizes = {4, 10};
  Tensor x(TENON_F32, sizes, kDense, random), y(TENON_F32, sizes, kDense, random);
  x.Fill([&](size_t) { return Ordinary(random); });
  const std::vector<char> before = y.bytes;
  TenonSoftmaxArgs good = {};
  good.size = sizeof good;
  good.x = x.Bind();
  good.y = y.Bind();
  const auto softmax = [&](const std::function<void(TenonSoftmaxArgs&)>& change, const char* says) {
    TenonSoftmaxArgs args = good;
    change(args);
    TenonError error = {sizeof error, 0, {}};
    const TenonStatus status = Backend().fused->softmax(1, 0, &args, nullptr, &error);
    EXPECT_EQ(y.bytes, before);
    EXPECT_NE(std::string(error.message).find(says), std::string::npos) << error.message;
    return status;
  };
  EXPECT_EQ(softmax([](auto& a) { a.size = 16; }, "16 bytes"), TENON_INVALID_ARGUMENT);
  EXPECT_EQ(softmax([](auto& a) { a.flags = 4; }, "0x4"), TENON_UNSUPPORTED);
  EXPECT_EQ(softmax([](auto& a) { a.log = 2; }, "option"), TENON_UNSUPPORTED);
  EXPECT_EQ(softmax([](auto& a) { a.x.rank = a.y.rank = 0; }, "rank 0"), TENON_INVALID_ARGUMENT);
  EXPECT_EQ(softmax([](auto& a) { a.x.rank = a.y.rank = 9; }, "rank 9"), TENON_INVALID_ARGUMENT);
  EXPECT_EQ(softmax([](auto& a) { a.y.rank = 1; }, "y of rank 1"), TENON_INVALID_ARGUMENT);
  EXPECT_EQ(softmax([](auto& a) { a.y.sizes[0] = 5; }, "size 5 along axis 0, where x has 4"),
            TENON_INVALID_ARGUMENT);
  EXPECT_EQ(softmax([](auto& a) { a.x.sizes[1] = a.y.sizes[1] = 0; }, "size 0"),
            TENON_INVALID_ARGUMENT);
  EXPECT_EQ(softmax([](auto& a) { a.y.dtype = TENON_F64; }, "y of f64, not f32"),
            TENON_INVALID_ARGUMENT);
  EXPECT_EQ(softmax([](auto& a) { a.x.dtype = a.y.dtype = TENON_I32; }, "i32"), TENON_UNSUPPORTED);
  EXPECT_EQ(softmax([](auto& a) { a.y.buffer = 0; }, "y without a buffer"), TENON_INVALID_ARGUMENT);
  TenonError error = {sizeof error, 0, {}};
  EXPECT_EQ(Backend().fused->softmax(1, 0, nullptr, nullptr, &error), TENON_INVALID_ARGUMENT);

  TenonCrossEntropyArgs entropy = {};
  entropy.size = sizeof entropy;
  entropy.x = good.x;
  entropy.target = entropy.loss = entropy.shift = entropy.exp_sum = good.y;
  entropy.target.dtype = TENON_I16;
  entropy.target.sizes[1] = entropy.loss.sizes[1] = entropy.shift.sizes[1] = 1;
  EXPECT_EQ(Backend().fused->cross_entropy(1, 0, &entropy, nullptr, &error),
            TENON_INVALID_ARGUMENT);
  EXPECT_NE(std::string(error.message).find("target of i16, not i32 or i64"), std::string::npos)
      << error.message;
  entropy.target.dtype = TENON_I32;
  EXPECT_EQ(Backend().fused->cross_entropy(1, 0, &entropy, nullptr, &error),
            TENON_INVALID_ARGUMENT);
  EXPECT_NE(std::string(error.message).find("exp_sum of size 10"), std::string::npos)
      << error.message;

  EXPECT_EQ(y.bytes, before);
  EXPECT_EQ(Backend().fused->launch_list, nullptr);
}

}  // namespace
}  // namespace tenon_cpu
