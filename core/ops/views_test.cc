// Views: values as NumPy's indexing gives them, memory that is truly shared (shown by writing
// through one side), and gradients to second order.
#include "tenon/ops/views.h"

#include "tenon/ops/elementwise.h"
#include "tenon/ops/tensor_testing.h"

namespace tenon {
namespace {

Reals ten() { return counting(10); }

// [2, 3, 4] with 0 .. 23.
Tensor cube() { return make({2, 3, 4}, counting(24)); }

// y is a view of x: a write to y is seen at the same elements through x.
void expect_shared(const Tensor& x, Tensor y) {
  EXPECT_TRUE(y.shares_storage_with(x));
  const Reals before = values(x), chosen = values(y);
  const uint32_t version = x.version();
  add_(y, 1000);
  EXPECT_NE(x.version(), version);
  Reals want = before;
  for (Real v : chosen)
    want[static_cast<size_t>(std::find(before.begin(), before.end(), v) - before.begin())] =
        v + 1000;
  EXPECT_TRUE(near(x, want));
}

TEST(Slice, PythonsRules) {
  const Tensor x = make({10}, ten());
  const auto cut = [&](int64_t a, int64_t b, int64_t s) { return values(slice(x, 0, a, b, s)); };
  EXPECT_EQ(cut(2, 5, 1), (Reals{2, 3, 4}));
  EXPECT_EQ(cut(-3, kUnset, 1), (Reals{7, 8, 9}));
  EXPECT_EQ(cut(kUnset, -8, 1), (Reals{0, 1}));
  EXPECT_EQ(cut(kUnset, kUnset, 3), (Reals{0, 3, 6, 9}));
  EXPECT_EQ(cut(kUnset, kUnset, -1), (Reals{9, 8, 7, 6, 5, 4, 3, 2, 1, 0}));
  EXPECT_EQ(cut(8, 1, -3), (Reals{8, 5, 2}));
  EXPECT_EQ(cut(-1, -11, -4), (Reals{9, 5, 1}));
  EXPECT_EQ(cut(5, 2, 1), Reals{});
  EXPECT_EQ(cut(2, 5, -1), Reals{});
  EXPECT_EQ(cut(-100, 100, 4), (Reals{0, 4, 8}));
  EXPECT_EQ(cut(100, -100, -4), (Reals{9, 5, 1}));
  error_of(ErrorCode::kInvalidArgument, [&] { slice(x, 0, 0, 5, 0); });
  error_of(ErrorCode::kAxis, [&] { slice(x, 1, 0, 5); });
}

TEST(Index, IntegersSlicesNewAxesEllipsis) {
  const Tensor x = cube();
  EXPECT_TRUE(near(x.at({1, 2, 3}), {23}));
  EXPECT_EQ(x.at({1, 2, 3}).ndim(), 0);
  EXPECT_TRUE(near(x.at({-1, 0}), {12, 13, 14, 15}));
  EXPECT_TRUE(near(x.at({Index::ellipsis(), 1}), {1, 5, 9, 13, 17, 21}));
  EXPECT_EQ(shape_of(x.at({Index::ellipsis(), 1})), (Dims{2, 3}));
  const Tensor y = x.at({Index::new_axis(), 0, Index::ellipsis(), Index::new_axis(),
                         Slice{.start = 3, .stop = 0, .step = -2}});
  EXPECT_EQ(shape_of(y), (Dims{1, 3, 1, 2}));
  EXPECT_TRUE(near(y, {3, 1, 7, 5, 11, 9}));
  const Tensor z = x.at({Slice{}, Index::new_axis(), Slice{.step = -1}, Index::new_axis()});
  EXPECT_EQ(shape_of(z), (Dims{2, 1, 3, 1, 4}));
  EXPECT_TRUE(near(z.at({0, 0, 0, 0}), {8, 9, 10, 11}));
  EXPECT_EQ(shape_of(x.at({Index::ellipsis()})), (Dims{2, 3, 4}));
  EXPECT_TRUE(near(x[1][2], {20, 21, 22, 23}));
  EXPECT_TRUE(near(select(x, -1, -1), {3, 7, 11, 15, 19, 23}));
  EXPECT_EQ(shape_of(x.at({Slice{.start = 2}})), (Dims{0, 3, 4}));
  EXPECT_TRUE(has(error_of(ErrorCode::kAxis, [&] { x.at({2}); }), "size 2"));
  EXPECT_TRUE(has(error_of(ErrorCode::kAxis, [&] { x.at({0, 0, 0, 0}); }), "too many indices"));
  error_of(ErrorCode::kInvalidArgument, [&] { x.at({Index::ellipsis(), Index::ellipsis()}); });
}

TEST(Shape, ReshapePermuteSqueezeExpand) {
  const Tensor x = cube();
  EXPECT_EQ(shape_of(x.reshape({4, -1})), (Dims{4, 6}));
  EXPECT_TRUE(near(x.reshape({-1}), counting(24)));
  EXPECT_TRUE(x.reshape({6, 4}).shares_storage_with(x));
  const Tensor p = permute_dims(x, {2, 0, 1});
  EXPECT_EQ(shape_of(p), (Dims{4, 2, 3}));
  EXPECT_TRUE(near(p[1], {1, 5, 9, 13, 17, 21}));
  // Not sayable in strides: row-major order of what is seen, copied.
  EXPECT_FALSE(p.reshape({-1}).shares_storage_with(x));
  EXPECT_TRUE(near(p.reshape({8, 3})[1], {12, 16, 20}));
  EXPECT_TRUE(near(flip(x).reshape({24}), [] {
    Reals r = counting(24);
    std::reverse(r.begin(), r.end());
    return r;
  }()));
  EXPECT_TRUE(flip(x).reshape({24}).shares_storage_with(x));  // one negative stride says it
  EXPECT_EQ(shape_of(permute_dims(x, {-1, 0, -2})), (Dims{4, 2, 3}));
  EXPECT_TRUE(near(matrix_transpose(x)[0], {0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11}));
  const Tensor one = make({1, 3, 1}, {1, 2, 3});
  EXPECT_EQ(shape_of(squeeze(one)), Dims{3});
  EXPECT_EQ(shape_of(squeeze(one, {-1})), (Dims{1, 3}));
  EXPECT_EQ(shape_of(expand_dims(one, -1)), (Dims{1, 3, 1, 1}));
  EXPECT_EQ(shape_of(expand_dims(make({}, {5}), 0)), Dims{1});
  EXPECT_EQ(shape_of(make({0, 3}, {}).reshape({3, 0, 7})), (Dims{3, 0, 7}));
  EXPECT_EQ(shape_of(make({}, {5}).reshape({1, 1})), (Dims{1, 1}));
  EXPECT_TRUE(has(error_of(ErrorCode::kShape, [&] { x.reshape({5, 5}); }), "[5, 5]"));
  error_of(ErrorCode::kShape, [&] { x.reshape({-1, -1}); });
  error_of(ErrorCode::kAxis, [&] { permute_dims(x, {0, 1}); });
  error_of(ErrorCode::kAxis, [&] { permute_dims(x, {0, 1, 1}); });
  EXPECT_TRUE(has(error_of(ErrorCode::kShape, [&] { squeeze(one, {1}); }), "size 3"));
  error_of(ErrorCode::kShape, [&] { matrix_transpose(make({3}, {1, 2, 3})); });
}

TEST(Shape, BroadcastTo) {
  const Tensor x = make({3, 1}, {1, 2, 3});
  EXPECT_TRUE(near(broadcast_to(x, {2, 3, 2}), {1, 1, 2, 2, 3, 3, 1, 1, 2, 2, 3, 3}));
  EXPECT_TRUE(broadcast_to(x, {2, 3, 2}).shares_storage_with(x));
  EXPECT_TRUE(near(broadcast_to(x, {3, 0}), {}));
  error_of(ErrorCode::kShape, [&] { broadcast_to(x, {2, 2}); });
  error_of(ErrorCode::kShape, [&] { broadcast_to(x, {3}); });
  Tensor repeated = broadcast_to(x, {3, 2});
  EXPECT_TRUE(has(error_of(ErrorCode::kInvalidArgument, [&] { repeated.fill_(0); }), "clone()"));
}

TEST(Shape, Flip) {
  const Tensor x = make({2, 3}, counting(6));
  EXPECT_TRUE(near(flip(x), {5, 4, 3, 2, 1, 0}));
  EXPECT_TRUE(near(flip(x, {0}), {3, 4, 5, 0, 1, 2}));
  EXPECT_TRUE(near(flip(x, {-1}), {2, 1, 0, 5, 4, 3}));
  EXPECT_LT(flip(x).strides()[0], 0);
  EXPECT_TRUE(near(flip(make({0}, {})), {}));
}

TEST(Sharing, EveryViewWritesItsBase) {
  const std::function<Tensor(const Tensor&)> views[] = {
      [](const Tensor& x) {
        return x.reshape({6, 4});
      },
      [](const Tensor& x) {
        return permute_dims(x, {2, 0, 1});
      },
      [](const Tensor& x) { return slice(x, 2, 3, kUnset, -2); },
      [](const Tensor& x) { return flip(x); },
      [](const Tensor& x) { return x[1][0]; },
      [](const Tensor& x) { return expand_dims(x, 1); },
      [](const Tensor& x) {
        return x.at({Index::ellipsis(), Index::new_axis(), 2});
      },
      [](const Tensor& x) { return slice(flip(x.transpose()), 1, 0, 4, 2); },
      [](const Tensor& x) { return x.detach(); }};
  for (const auto& view : views) {
    const Tensor x = cube();
    expect_shared(x, view(x));
  }
}

TEST(Sharing, CopiesDoNot) {
  const Tensor x = cube();
  for (Tensor y :
       {x.clone(), flip(x).contiguous(), x.to(DType::float64, true), x.to(DType::float32)}) {
    EXPECT_FALSE(y.shares_storage_with(x));
    y.fill_(-1);
    EXPECT_TRUE(near(x, counting(24)));
  }
  EXPECT_TRUE(x.contiguous().shares_storage_with(x));
}

TEST(Sharing, OverlappingCopyReadsFirst) {
  const Tensor x = make({10}, ten());
  Tensor later = slice(x, 0, 2);
  later.copy_(slice(x, 0, 0, 8));
  EXPECT_TRUE(near(x, {0, 1, 0, 1, 2, 3, 4, 5, 6, 7}));
  Tensor y = make({6}, counting(6));
  y.copy_(flip(y));
  EXPECT_TRUE(near(y, {5, 4, 3, 2, 1, 0}));
}

// ---- gradients
// -------------------------------------------------------------------------------------------------------

TEST(ViewGradient, SecondOrder) {
  const std::function<Tensor(const Tensor&)> views[] = {
      [](const Tensor& x) {
        return x.reshape({3, 4});
      },
      [](const Tensor& x) {
        return permute_dims(x, {2, 0, 1});
      },
      [](const Tensor& x) {
        return permute_dims(x, {2, 0, 1}).reshape({-1});
      },  // a copy in between
      [](const Tensor& x) { return slice(x, 1, kUnset, kUnset, -2); },
      [](const Tensor& x) { return flip(x); },
      [](const Tensor& x) { return x[1]; },
      [](const Tensor& x) { return squeeze(expand_dims(x, 1), {1}); },
      [](const Tensor& x) {
        return broadcast_to(x, {2, 2, 3, 2});
      },
      [](const Tensor& x) {
        return x.at({Index::ellipsis(), Index::new_axis(), 1});
      },
      [](const Tensor& x) { return slice(flip(x.transpose()), 1, 0, 2, 1); },
      [](const Tensor& x) { return x.at({Slice{.start = 2}}); },
      [](const Tensor& x) {
        return slice(broadcast_to(x.at({0, 0}), {3, 2}), 0, 0, kUnset, 2);
      }};
  int number = 0;
  for (const auto& view : views) {
    const std::vector<Tensor> x = {leaf({2, 3, 2}, random_reals(12, 0.5, 2))};
    EXPECT_GRADIENTS([&](std::span<const Tensor> in) { return exp(view(in[0])); }, x)
        << "view " << number;
    ++number;
  }
}

// A write through a view is part of the base's history, and of other views' made before.
TEST(ViewGradient, WritesThroughViews) {
  const std::vector<Tensor> x = {leaf({2, 3}, random_reals(6, 0.5, 2)),
                                 leaf({3}, random_reals(3, 0.5, 2, 5))};
  EXPECT_GRADIENTS(
      [](std::span<const Tensor> in) {
        Tensor base = in[0] * 2.0;
        const Tensor column = base.at({Slice{}, 0});
        Tensor row = flip(base[1]);
        multiply_(row, in[1]);
        Tensor corner = base.at({0, Slice{.step = 2}});
        corner.copy_(exp(in[1].at({Slice{.start = 1}})));
        return square(base) * column.reshape({2, 1});
      },
      x);
}

}  // namespace
}  // namespace tenon
