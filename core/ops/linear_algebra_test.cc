// Products of tensors, against sums over elements; gradients to second order.
#include "tenon/ops/linear_algebra.h"

#include "core/ops/index_reference.h"
#include "tenon/ops/elementwise.h"

namespace tenon {
namespace {

Tensor numbers(const Dims& shape, uint64_t seed, DType d = DType::float64,
               Layout layout = Layout::kContiguous) {
  Reals out = random_reals(element_count("numbers", shape), 0, 5, seed);
  for (Real& x : out) x = std::floor(x);
  return make_as(layout, d, shape, out);
}
Real at(const Tensor& x, const Reals& all, const Counts& position) {
  const Counts shape(x.shape().begin(), x.shape().end());
  return all[static_cast<size_t>(flat_position(shape, position))];
}

TEST(TensorDot, SumsOverPairsOfAxes) {
  for (DType d : {DType::float64, DType::float32, DType::int32, DType::int64}) {
    for (Layout layout : kLayouts) {
      const Tensor a = numbers({2, 3, 4}, 1, d, layout), b = numbers({4, 5, 3}, 2, d, layout);
      const Reals va = values(a), vb = values(b);
      Reals want;
      for_each_position({2, 5}, [&](const Counts& p) {
        Real sum = 0;
        for_each_position({3, 4}, [&](const Counts& s) {
          sum += at(a, va, {p[0], s[0], s[1]}) * at(b, vb, {s[1], p[1], s[0]});
        });
        want.push_back(sum);
      });
      const Tensor y = tensordot(a, b, {1, -1}, {-1, 0});
      EXPECT_EQ(shape_of(y), (Dims{2, 5}));
      EXPECT_EQ(y.dtype(), d);
      EXPECT_TRUE(near(y, want)) << dtype_name(d);
    }
  }
  const Tensor a = numbers({2, 3, 4}, 1), b = numbers({3, 4, 2}, 2);
  EXPECT_TRUE(near(tensordot(a, b), values(tensordot(a, b, {1, 2}, {0, 1}))));
  EXPECT_EQ(shape_of(tensordot(a, b, 0)), (Dims{2, 3, 4, 3, 4, 2}));
  EXPECT_EQ(shape_of(tensordot(a, numbers({4}, 3), 1)), (Dims{2, 3}));
  EXPECT_EQ(shape_of(tensordot(a, a, 3)), Dims{});
  EXPECT_TRUE(near(tensordot(make({2, 0}, {}), make({0, 3}, {}), 1), Reals(6, 0)));
  error_of(ErrorCode::kShape, [&] { tensordot(a, a, {0}, {1}); });
  error_of(ErrorCode::kShape, [&] { tensordot(a, a, {0}, {0, 1}); });
  error_of(ErrorCode::kAxis, [&] { tensordot(a, a, 4); });
  error_of(ErrorCode::kAxis, [&] { tensordot(a, a, -1); });
}

TEST(VecDot, AlongAnyAxis) {
  const Tensor a = numbers({2, 3, 4}, 1), b = numbers({3, 1}, 2);
  const Reals va = values(a), vb = values(b);
  Reals want;
  for_each_position({2, 4}, [&](const Counts& p) {
    Real sum = 0;
    for (int64_t k = 0; k < 3; ++k) sum += at(a, va, {p[0], k, p[1]}) * at(b, vb, {k, 0});
    want.push_back(sum);
  });
  EXPECT_TRUE(near(vecdot(a, b, -2), want));
  EXPECT_TRUE(
      near(vecdot(make(DType::int8, {3}, {1, 2, 3}), make(DType::int8, {3}, {4, 5, 6})), {32}));
  EXPECT_EQ(vecdot(make(DType::int8, {1}, {1}), make(DType::int16, {1}, {4})).dtype(),
            DType::int16);
  EXPECT_TRUE(near(vecdot(make({2, 0}, {}), make({0}, {})), {0, 0}));
  EXPECT_EQ(shape_of(vecdot(a, a, 0)), (Dims{3, 4}));
  error_of(ErrorCode::kAxis, [&] { vecdot(a, b, 0); });
  error_of(ErrorCode::kAxis, [&] { vecdot(a, b, -3); });
  error_of(ErrorCode::kShape, [&] { vecdot(a, make({3}, {1, 2, 3})); });
}

TEST(Outer, OfVectors) {
  EXPECT_TRUE(near(outer(make({2}, {2, 3}), make(DType::int32, {3}, {1, 10, 100})),
                   {2, 20, 200, 3, 30, 300}));
  EXPECT_EQ(shape_of(outer(make({0}, {}), make({3}, {1, 2, 3}))), (Dims{0, 3}));
  error_of(ErrorCode::kShape, [] { outer(make({1, 1}, {1}), make({1}, {1})); });
}

TEST(Diagonal, EveryOffset) {
  for (Layout layout : kLayouts) {
    const Tensor x = make_as(layout, DType::float32, {2, 3, 4}, counting(24));
    for (int64_t k = -4; k <= 5; ++k) {
      Reals want, sums;
      int64_t count = 0;
      for (int64_t n = 0; n < 2; ++n) {
        sums.push_back(0);
        count = 0;
        for (int64_t i = 0; i < 3; ++i) {
          if (i + k < 0 || i + k > 3) continue;
          ++count;
          want.push_back(n * 12 + i * 4 + i + k);
          sums.back() += want.back();
        }
      }
      EXPECT_EQ(shape_of(diagonal(x, k)), (Dims{2, count}));
      EXPECT_TRUE(near(diagonal(x, k), want)) << k;
      EXPECT_TRUE(near(trace(x, k), sums)) << k;
    }
  }
  Tensor x = make({3, 3}, counting(9));
  diagonal(x).fill_(0);  // contiguous: a view
  EXPECT_TRUE(near(x, {0, 1, 2, 3, 0, 5, 6, 7, 0}));
  EXPECT_EQ(trace(make(DType::int8, {2, 2}, {100, 0, 0, 100})).dtype(), DType::int64);
  EXPECT_TRUE(near(trace(make(DType::int8, {2, 2}, {100, 0, 0, 100})), {200}));
  EXPECT_EQ(shape_of(diagonal(make({0, 3}, {}))), Dims{0});
  error_of(ErrorCode::kShape, [] { diagonal(make({2}, {1, 2})); });
}

TEST(LinearAlgebraGradient, SecondOrder) {
  const Tensor a = leaf({2, 3}, random_reals(6, -1, 1)),
               b = leaf({3, 2}, random_reals(6, -1, 1, 4));
  const auto check = [&](Tensor (*f)(const Tensor&, const Tensor&)) {
    EXPECT_GRADIENTS([&](std::span<const Tensor> in) { return exp(f(in[0], in[1])); }, {a, b});
  };
  check([](const Tensor& x, const Tensor& y) { return tensordot(x, y, {0, 1}, {1, 0}); });
  check([](const Tensor& x, const Tensor& y) { return tensordot(x, y, 1); });
  check([](const Tensor& x, const Tensor& y) { return vecdot(x, y.transpose(), -1); });
  check([](const Tensor& x, const Tensor& y) { return outer(x[0], y[1]); });
  check([](const Tensor& x, const Tensor& y) { return diagonal(x, 1) * trace(y.transpose()); });
}

}  // namespace
}  // namespace tenon
