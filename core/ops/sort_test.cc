// Sorting against std::stable_sort over numbers; NaN, ties, every dtype, axis and layout;
// gradients.
#include "tenon/ops/sort.h"

#include <numeric>

#include "core/ops/index_reference.h"
#include "tenon/ops/elementwise.h"

namespace tenon {
namespace {

TEST(Sort, EveryDTypeAxisAndLayout) {
  IndexMaker maker(5);
  for (DType d :
       {DType::bool_, DType::uint8, DType::int8, DType::int16, DType::uint32, DType::int64,
        DType::uint64, DType::float16, DType::bfloat16, DType::float32, DType::float64}) {
    for (Layout layout : kLayouts) {
      const Counts shape = {3, 5, 4};
      Reals numbers;  // with ties, so that stability shows
      for (int i = 0; i < 60; ++i)
        numbers.push_back(d == DType::bool_ ? maker.below(2) : maker.below(4));
      const Tensor x = make_as(layout, d, Dims(shape), numbers);
      for (int axis = 0; axis < 3; ++axis) {
        for (bool descending : {false, true}) {
          Reals positions(60), sorted(60);
          Counts rest = shape;
          rest[static_cast<size_t>(axis)] = 1;
          for_each_position(rest, [&](Counts at) {
            const auto flat = [&](int64_t k) {
              at[static_cast<size_t>(axis)] = k;
              return static_cast<size_t>(flat_position(shape, at));
            };
            Counts order(static_cast<size_t>(shape[static_cast<size_t>(axis)]));
            std::iota(order.begin(), order.end(), 0);
            std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
              return descending ? numbers[flat(a)] > numbers[flat(b)]
                                : numbers[flat(a)] < numbers[flat(b)];
            });
            for (size_t k = 0; k < order.size(); ++k) {
              positions[flat(static_cast<int64_t>(k))] = order[k];
              sorted[flat(static_cast<int64_t>(k))] = numbers[flat(order[k])];
            }
          });
          const Tensor got = argsort(x, axis - (descending ? 3 : 0), descending);
          ASSERT_EQ(got.dtype(), DType::int64);
          ASSERT_TRUE(near(got, positions)) << dtype_name(d) << axis << descending;
          ASSERT_TRUE(near(sort(x, axis, descending), sorted))
              << dtype_name(d) << axis << descending;
        }
      }
    }
  }
}

TEST(Sort, Corners) {
  const Tensor x = make({6}, {kNan, 1, -kInfinity, kInfinity, kNan, -1});
  EXPECT_TRUE(near(sort(x), {-kInfinity, -1, 1, kInfinity, kNan, kNan}));
  EXPECT_TRUE(near(argsort(x), {2, 5, 1, 3, 0, 4}));
  EXPECT_TRUE(near(sort(x, 0, true), {kNan, kNan, kInfinity, 1, -1, -kInfinity}));
  EXPECT_TRUE(near(argsort(make({3}, {0.0L, -0.0L, 0.0L})), {0, 1, 2}));
  EXPECT_TRUE(near(sort(make(DType::uint64, {2}, {18446744073709551615.0L, 1})),
                   {1, 18446744073709551615.0L}));
  EXPECT_EQ(shape_of(sort(make({0, 3}, {}), 0)), (Dims{0, 3}));
  EXPECT_EQ(shape_of(sort(make({3, 0}, {}), 0)), (Dims{3, 0}));
  error_of(ErrorCode::kAxis, [] { sort(make({}, {1})); });
  error_of(ErrorCode::kAxis, [&] { sort(x, 1); });
  error_of(ErrorCode::kDType, [] { sort(make(DType::complex64, {1}, {1})); });
  error_of(ErrorCode::kInvalidArgument, [] { argsort(Tensor()); });
}

TEST(Sort, Gradient) {
  EXPECT_GRADIENTS([](std::span<const Tensor> in) { return exp(sort(in[0], 0, true)) * in[0]; },
                   {leaf({4, 2}, {0.3L, -1, 2, 0.1L, -0.5L, 0.7L, 1, 0.2L})});
}

}  // namespace
}  // namespace tenon
