// Rearranging: against loops over elements and numbers typed in from NumPy; gradients to second
// order.
#include "tenon/ops/manipulate.h"

#include "core/ops/index_reference.h"
#include "tenon/ops/elementwise.h"

namespace tenon {
namespace {

Tensor grid(const Dims& shape, DType d = DType::float64) {
  return make(d, shape, counting(element_count("grid", shape)));
}
// The element of x at each position of `shape` that `source` names.
template <class F>
Reals picked(const Counts& x, const Counts& shape, F source) {
  Reals out;
  for_each_position(shape, [&](const Counts& at) { out.push_back(flat_position(x, source(at))); });
  return out;
}

TEST(MoveAxis, PutsAxesWhereTheyAreAsked) {
  const Tensor x = grid({2, 3, 4, 5});
  EXPECT_EQ(shape_of(moveaxis(x, {0}, {-1})), (Dims{3, 4, 5, 2}));
  EXPECT_EQ(shape_of(moveaxis(x, {0, 1}, {-1, -2})), (Dims{4, 5, 3, 2}));
  EXPECT_EQ(shape_of(moveaxis(x, {3, 1}, {0, 2})), (Dims{5, 2, 3, 4}));
  EXPECT_EQ(shape_of(moveaxis(x, {}, {})), (Dims{2, 3, 4, 5}));
  EXPECT_TRUE(moveaxis(x, {2}, {0}).shares_storage_with(x));
  EXPECT_TRUE(near(moveaxis(x, {2}, {0}), picked({2, 3, 4, 5}, {4, 2, 3, 5}, [](const Counts& at) {
                     return Counts{at[1], at[2], at[0], at[3]};
                   })));
  error_of(ErrorCode::kAxis, [&] { moveaxis(x, {0, 1}, {0}); });
  error_of(ErrorCode::kAxis, [&] { moveaxis(x, {0, 0}, {0, 1}); });
  error_of(ErrorCode::kAxis, [&] { moveaxis(x, {4}, {0}); });
}

TEST(Unstack, GivesEverySlice) {
  const Tensor x = grid({2, 3});
  const auto rows = unstack(x), columns = unstack(x, -1);
  ASSERT_EQ(rows.size(), 2u);
  ASSERT_EQ(columns.size(), 3u);
  EXPECT_TRUE(near(rows[1], {3, 4, 5}));
  EXPECT_TRUE(near(columns[2], {2, 5}));
  EXPECT_TRUE(columns[2].shares_storage_with(x));
  EXPECT_TRUE(unstack(grid({0, 3})).empty());
  error_of(ErrorCode::kAxis, [] { unstack(make({}, {1})); });
}

TEST(BroadcastArrays, HaveOneShape) {
  const Tensor in[] = {grid({3, 1}), grid({2}, DType::int8), make({}, {7})};
  const auto out = broadcast_arrays(in);
  ASSERT_EQ(out.size(), 3u);
  for (const Tensor& t : out) EXPECT_EQ(shape_of(t), (Dims{3, 2}));
  EXPECT_TRUE(near(out[0], {0, 0, 1, 1, 2, 2}));
  EXPECT_EQ(out[1].dtype(), DType::int8);
  EXPECT_TRUE(near(out[2], Reals(6, 7)));
  EXPECT_TRUE(broadcast_arrays({}).empty());
  const Tensor wrong[] = {grid({3}), grid({2})};
  error_of(ErrorCode::kShape, [&] { broadcast_arrays(wrong); });
}

TEST(Split, AtBounds) {
  const Tensor x = grid({2, 5});
  const auto parts = split(x, {1, 1, 3}, 1);
  ASSERT_EQ(parts.size(), 4u);
  EXPECT_TRUE(near(parts[0], {0, 5}));
  EXPECT_EQ(shape_of(parts[1]), (Dims{2, 0}));
  EXPECT_TRUE(near(parts[2], {1, 2, 6, 7}));
  EXPECT_TRUE(near(parts[3], {3, 4, 8, 9}));
  EXPECT_EQ(split(x, {}).size(), 1u);
  error_of(ErrorCode::kInvalidArgument, [&] { split(x, {3, 1}, 1); });
  error_of(ErrorCode::kInvalidArgument, [&] { split(x, {-1}, 1); });
}

TEST(Roll, ShiftsAndBringsBack) {
  for (Layout layout : kLayouts) {
    const Tensor x = make_as(layout, DType::int16, {3, 4}, counting(12));
    for (int64_t shift : {-9, -4, -1, 0, 1, 3, 4, 13}) {
      EXPECT_TRUE(near(roll(x, {shift}, {1}), picked({3, 4}, {3, 4}, [&](const Counts& at) {
                         return Counts{at[0], ((at[1] - shift) % 4 + 4) % 4};
                       })));
      EXPECT_TRUE(near(roll(x, {shift}), picked({12}, {12}, [&](const Counts& at) {
                         return Counts{((at[0] - shift) % 12 + 12) % 12};
                       })));
    }
    EXPECT_TRUE(near(roll(x, {1, -1}, {0, 1}), {9, 10, 11, 8, 1, 2, 3, 0, 5, 6, 7, 4}));
    EXPECT_TRUE(near(roll(x, {1}, {0, 1}), {11, 8, 9, 10, 3, 0, 1, 2, 7, 4, 5, 6}));
  }
  EXPECT_EQ(shape_of(roll(grid({0, 2}), {3}, {0})), (Dims{0, 2}));
  EXPECT_TRUE(near(roll(make({}, {5}), {2}), {5}));
  error_of(ErrorCode::kInvalidArgument, [] { roll(grid({2, 2}), {1, 2}); });
  error_of(ErrorCode::kInvalidArgument, [] { roll(grid({2, 2}), {1, 2, 3}, {0, 1}); });
  error_of(ErrorCode::kAxis, [] { roll(grid({2}), {1}, {1}); });
}

TEST(Tile, RepeatsTheWhole) {
  for (Layout layout : kLayouts) {
    const Tensor x = make_as(layout, DType::float32, {2, 3}, counting(6));
    EXPECT_TRUE(near(tile(x, {2}), {0, 1, 2, 0, 1, 2, 3, 4, 5, 3, 4, 5}));
    EXPECT_TRUE(near(tile(x, {2, 1, 2}), picked({2, 3}, {2, 2, 6}, [](const Counts& at) {
                       return Counts{at[1], at[2] % 3};
                     })));
    EXPECT_EQ(shape_of(tile(x, {2, 1, 2})), (Dims{2, 2, 6}));
    EXPECT_EQ(shape_of(tile(x, {0, 2})), (Dims{0, 6}));
    const Tensor once = tile(x, {1, 1});
    EXPECT_TRUE(near(once, counting(6)));
    EXPECT_FALSE(once.shares_storage_with(x));
  }
  Tensor one = tile(make({1}, {4}), {3});
  one[0].fill_(5);  // its own memory, each element
  EXPECT_TRUE(near(one, {5, 4, 4}));
  EXPECT_TRUE(near(tile(make({}, {4}), {}), {4}));
  error_of(ErrorCode::kInvalidArgument, [] { tile(grid({2}), {-1}); });
}

TEST(Repeat, RepeatsInPlace) {
  const Tensor x = grid({2, 3}, DType::int32);
  EXPECT_TRUE(near(repeat(x, 2), {0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5}));
  EXPECT_TRUE(near(repeat(x, 2, 0), {0, 1, 2, 0, 1, 2, 3, 4, 5, 3, 4, 5}));
  EXPECT_TRUE(near(repeat(x.transpose(), 2, -1), {0, 0, 3, 3, 1, 1, 4, 4, 2, 2, 5, 5}));
  EXPECT_EQ(shape_of(repeat(x, 0, 1)), (Dims{2, 0}));
  Tensor one = repeat(make({1}, {4}), 3);
  one[0].fill_(5);
  EXPECT_TRUE(near(one, {5, 4, 4}));
  const Tensor counts = make(DType::uint8, {3}, {2, 0, 1});
  EXPECT_TRUE(near(repeat(x, counts, 1), {0, 0, 2, 3, 3, 5}));
  EXPECT_TRUE(
      near(repeat(x, make(DType::int64, {1}, {2}), 0), {0, 1, 2, 0, 1, 2, 3, 4, 5, 3, 4, 5}));
  EXPECT_EQ(shape_of(repeat(x, make(DType::int64, {3}, {0, 0, 0}), 1)), (Dims{2, 0}));
  error_of(ErrorCode::kShape, [&] { repeat(x, counts, 0); });
  error_of(ErrorCode::kDType, [&] { repeat(x, make({3}, {1, 1, 1}), 1); });
  error_of(ErrorCode::kInvalidArgument, [&] { repeat(x, -1); });
  error_of(ErrorCode::kInvalidArgument, [&] { repeat(x, make(DType::int8, {3}, {1, -1, 1}), 1); });
}

TEST(Manipulate, Undefined) {
  error_of(ErrorCode::kInvalidArgument, [] { moveaxis(Tensor(), {0}, {0}); });
  error_of(ErrorCode::kInvalidArgument, [] { unstack(Tensor()); });
  error_of(ErrorCode::kInvalidArgument, [] { split(Tensor(), {}); });
  error_of(ErrorCode::kInvalidArgument, [] { roll(Tensor(), {1}); });
  error_of(ErrorCode::kInvalidArgument, [] { tile(Tensor(), {1}); });
  error_of(ErrorCode::kInvalidArgument, [] { repeat(Tensor(), 1); });
}

TEST(ManipulateGradient, SecondOrder) {
  const Tensor x = leaf({2, 3}, random_reals(6, -1, 1));
  const auto check = [&](Tensor (*f)(const Tensor&)) {
    EXPECT_GRADIENTS([&](std::span<const Tensor> in) { return exp(f(in[0])); }, {x});
  };
  check([](const Tensor& t) { return moveaxis(t, {0}, {1}); });
  check([](const Tensor& t) { return unstack(t, 1)[1] * unstack(t, 1)[2]; });
  check([](const Tensor& t) { return split(t, {1}, 1)[1]; });
  check([](const Tensor& t) { return roll(t, {1, 1}, {0, 1}); });
  check([](const Tensor& t) { return tile(t, {2, 2, 1}); });
  check([](const Tensor& t) { return repeat(t, 3, 0); });
  check([](const Tensor& t) { return repeat(t, make(DType::int64, {3}, {2, 0, 1}), 1); });
  check([](const Tensor& t) {
    const Tensor both[] = {t, t[0]};
    const auto out = broadcast_arrays(both);
    return out[0] * out[1];
  });
}

}  // namespace
}  // namespace tenon
