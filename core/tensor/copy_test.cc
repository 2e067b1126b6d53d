// What shares and what copies, shown by writing through one side; copies onto oneself.
#include <gtest/gtest.h>

#include <map>

#include "tenon/tenon.h"
#include "tests/tensor_values.h"

namespace tenon {
namespace {

// Does a write to `a` show in `b`, and the other way round? Both must agree with
// shares_storage_with.
void expect_shared(const Tensor& a, const Tensor& b, bool shared, const char* what) {
  EXPECT_EQ(a.shares_storage_with(b), shared) << what;
  const NoGradScope constant;
  Tensor x = a, y = b;
  const std::vector<double> before_a = values(a), before_b = values(b);
  x.fill_(77);
  EXPECT_EQ(values(b) != before_b, shared) << what;
  x.copy_(make(before_a, a.shape(), DType::float64));
  y.fill_(78);
  EXPECT_EQ(values(a) != before_a, shared) << what;
  y.copy_(make(before_b, b.shape(), DType::float64));
  EXPECT_EQ(values(a), before_a) << what;
}

TEST(Copies, ViewsShareClonesCopy) {
  const Tensor t = counting({3, 4}, DType::float32);
  const auto shared = [&](const Tensor& other, const char* what) {
    expect_shared(t, other, true, what);
  };
  const auto copied = [&](const Tensor& other, const char* what) {
    expect_shared(t, other, false, what);
  };
  shared(t, "the handle");
  shared(t.detach(), "detach");
  shared(t.transpose(), "transpose");
  shared(t.reshape({2, 6}), "reshape");
  shared(t.at({1, Slice{.step = -1}}), "at");
  shared(t[2], "[]");
  shared(flip(t), "flip");
  shared(expand_dims(t, 1), "expand_dims");
  shared(squeeze(t), "squeeze");
  shared(select(t, 1, 3), "select");
  shared(t.contiguous(), "contiguous of what is");
  shared(t.to(test_device()), "to the same device");
  shared(t.to(DType::float32), "to the same dtype");
  shared(t.astype(DType::float32), "astype the same dtype");
  copied(t.clone(), "clone");
  copied(t.to(test_device(), true), "to(copy)");
  copied(t.to(DType::float32, true), "to(dtype, copy)");
  copied(t.to(DType::float64), "to another dtype");
  copied(t.transpose().contiguous(), "contiguous of what is not");
  copied(t.transpose().reshape({12}), "reshape without strides for it");
  copied(t + 0, "an operation");
  copied(positive(t), "positive");
  copied(t.detach().clone(), "detach().clone()");
  EXPECT_EQ(t.cpu().shares_storage_with(t), test_device() == Device());
  EXPECT_EQ(dropout(t, 0).shares_storage_with(t), true);
}

TEST(Copies, CloneKeepsADenseLayout) {
  const Tensor t = counting({3, 4, 5});
  const int64_t axes[] = {2, 0, 1};
  const Tensor p = t.permute_dims(axes), c = p.clone();
  EXPECT_EQ(dims(c.strides()), dims(p.strides()));
  EXPECT_EQ(values(c), values(p));
  EXPECT_FALSE(c.is_contiguous());
  const Tensor other = p.to(DType::float32);
  EXPECT_EQ(dims(other.strides()), dims(p.strides()));
  EXPECT_EQ(values(other), values(p));
  for (const Tensor& gappy :
       {t.at({Slice{.step = 2}}), flip(t), t.at({1}).broadcast_to({2, 4, 5})}) {
    EXPECT_TRUE(gappy.clone().is_contiguous());
    EXPECT_EQ(values(gappy.clone()), values(gappy));
  }
  EXPECT_EQ(values(p.cpu()), values(p));
}

TEST(Copies, AreDifferentiable) {
  Tensor x = leaf({1, 2, 3, 4, 5, 6}, {2, 3});
  sum(x.transpose().contiguous() * make({1, 2, 3, 4, 5, 6}, {3, 2})).backward();
  expect_values(x.grad(), {1, 3, 5, 2, 4, 6});
  x.set_grad(Tensor());
  sum(x.clone() * 2.0).backward();
  sum(x.to(DType::float32) * 3.0f).backward();
  sum(x.cpu().to(test_device()) * 4.0).backward();
  expect_values(x.grad(), std::vector<double>(6, 9));
  EXPECT_EQ(x.grad().dtype(), DType::float64);
  EXPECT_EQ(x.grad().device(), test_device());
  EXPECT_FALSE(x.to(DType::int64).requires_grad());
  EXPECT_FALSE(x.detach().requires_grad());
  EXPECT_TRUE(x.detach().is_leaf());
}

TEST(CopyInto, CastsAndBroadcasts) {
  Tensor t = zeros({2, 3}, DType::int32, test_device());
  t.copy_(make({1.9, -2.9, 300}, {3}));
  expect_values(t, {1, -2, 300, 1, -2, 300});
  t.copy_(make({7, 8}, {2, 1}, DType::float32));
  expect_values(t, {7, 7, 7, 8, 8, 8});
  t.copy_(make({5}, {}, DType::bool_));
  expect_values(t, {1, 1, 1, 1, 1, 1});
  t.copy_(tensor({{1, 2, 3}, {4, 5, 6}}));  // from the cpu, wherever t is
  expect_values(t, {1, 2, 3, 4, 5, 6});
  Tensor none = zeros({0, 3}, DType::float32, test_device());
  none.copy_(make({1, 2, 3}, {3}));
  EXPECT_TRUE(has(error_of(ErrorCode::kShape,
                           [&] {
                             t.copy_(make({1, 2}, {2}));
                           }),
                  "[2] cannot be broadcast to [2, 3]"));
  error_of(ErrorCode::kShape, [&] { t[0].copy_(t); });
  error_of(ErrorCode::kInvalidArgument, [&] { t.copy_(Tensor()); });
  expect_values(t, {1, 2, 3, 4, 5, 6});
}

// As if the source had been read before anything is written.
TEST(CopyInto, ItselfInEveryDirection) {
  const int64_t n = 7;
  struct Range {
    int64_t start, stop, step;
  };
  std::map<int64_t, std::vector<Range>> by_count;
  for (int64_t start = 0; start < n; ++start) {
    for (int64_t step : {-3, -2, -1, 1, 2, 3}) {
      for (int64_t count = 2; start + (count - 1) * step >= 0 && start + (count - 1) * step < n;
           ++count) {
        const int64_t stop = start + count * step;
        by_count[count].push_back({start, stop < 0 ? kUnset : stop, step});
      }
    }
  }
  int tried = 0;
  for (const auto& [count, ranges] : by_count) {
    for (const Range& to : ranges) {
      for (const Range& from : ranges) {
        if (++tried % (test_device() == Device() ? 1 : 7)) continue;
        const Tensor t = counting({n}, tried % 2 ? DType::float32 : DType::int64);
        std::vector<double> expected = values(t), source;
        for (int64_t k = 0; k < count; ++k)
          source.push_back(expected[static_cast<size_t>(from.start + k * from.step)]);
        for (int64_t k = 0; k < count; ++k)
          expected[static_cast<size_t>(to.start + k * to.step)] = source[static_cast<size_t>(k)];
        Tensor target = slice(t, 0, to.start, to.stop, to.step);
        target.copy_(slice(t, 0, from.start, from.stop, from.step));
        ASSERT_EQ(values(t), expected) << to.start << ":" << to.step << " = " << from.start << ":"
                                       << from.step << " x " << count;
      }
    }
  }
  EXPECT_GT(tried, 500);
}

TEST(CopyInto, ItselfInTwoDimensions) {
  const Tensor start = counting({4, 4}, DType::float32);
  const std::vector<double> v = values(start);
  Tensor t = start.clone();
  t.copy_(t.transpose());
  expect_values(t, values(start.transpose()));
  t = start.clone();
  flip(t).copy_(t);
  expect_values(t, values(flip(start)));
  t = start.clone();
  t.copy_(t[1]);  // broadcast of a row of itself
  for (int r = 0; r < 4; ++r) expect_values(t[r], {4, 5, 6, 7});
  t = start.clone();
  t.at({Slice{.start = 1}, Slice{.start = 1}}).copy_(t.at({Slice{.stop = 3}, Slice{.stop = 3}}));
  expect_values(t, {0, 1, 2, 3, 4, 0, 1, 2, 8, 4, 5, 6, 12, 8, 9, 10});
  const uint32_t version = t.version();
  t.copy_(t);
  EXPECT_EQ(t.version(), version + 1);
}

TEST(InPlace, ReadsItsOwnNeighboursFirst) {
  // x[1:] += x[:-1]: every right side is an old value, as in NumPy.
  for (int64_t n : {2, 5, 64, 1000, 5000}) {
    const Tensor x = counting({n}, DType::float32);
    Tensor head = slice(x, 0, 1);
    head += slice(x, 0, kUnset, -1);
    const std::vector<double> v = values(x);
    EXPECT_EQ(v[0], 0);
    for (int64_t i = 1; i < n; ++i)
      ASSERT_EQ(v[static_cast<size_t>(i)], static_cast<double>(2 * i - 1));
    Tensor y = counting({n}, DType::float32);
    y += flip(y);
    expect_values(y, std::vector<double>(static_cast<size_t>(n), static_cast<double>(n - 1)));
  }
  Tensor m = counting({3, 3}, DType::float32);
  m += m.transpose();
  expect_values(m, {0, 4, 8, 4, 8, 12, 8, 12, 16});
  m -= m[0];
  expect_values(m, {0, 0, 0, 4, 4, 4, 8, 8, 8});
  Tensor q = counting({6}, DType::float32);
  q *= q;  // the same elements: no copy is needed
  expect_values(q, {0, 1, 4, 9, 16, 25});
}

TEST(HighRank, CopiesAndReductionsOfMoreThanEightAxes) {
  Dims shape(11, 2), axes(11, 0);
  for (int i = 0; i < 11; ++i) axes[i] = (7 * i + 3) % 11;
  const Tensor t = counting(shape, DType::float32), p = t.permute_dims(axes);
  // Offsets by hand: axis i of p is axis axes[i] of t.
  std::vector<double> expected;
  for (int at = 0; at < 2048; ++at) {
    int64_t offset = 0;
    for (int i = 0; i < 11; ++i) offset += (at >> (10 - i) & 1) * (int64_t{1} << (10 - axes[i]));
    expected.push_back(static_cast<double>(offset));
  }
  expect_values(p, expected);
  expect_values(p.clone(), expected);
  expect_values(p.contiguous() + p, [&] {
    std::vector<double> twice = expected;
    for (double& x : twice) x *= 2;
    return twice;
  }());
  Tensor w = zeros(shape, DType::float32, test_device());
  w.permute_dims(axes).copy_(p);
  EXPECT_EQ(values(w), values(t));
  EXPECT_EQ(sum(flip(p)).item(), 2048 * 2047 / 2);
}

}  // namespace
}  // namespace tenon
