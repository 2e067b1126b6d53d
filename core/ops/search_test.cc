// Positions and counts, against loops.
#include "tenon/ops/search.h"

#include "core/ops/index_reference.h"

namespace tenon {
namespace {

TEST(Nonzero, PositionsInRowMajorOrder) {
  IndexMaker maker(7);
  for (DType d : {DType::bool_, DType::uint8, DType::int32, DType::float16, DType::bfloat16,
                  DType::float32, DType::float64, DType::complex64, DType::complex128}) {
    for (int round = 0; round < 40; ++round) {
      Counts shape = maker.shape();
      if (shape.empty()) shape = {maker.below(40)};
      Reals numbers;
      std::vector<Reals> want(shape.size());
      for_each_position(shape, [&](const Counts& p) {
        numbers.push_back(maker.chance(30) ? 1 : 0);
        if (numbers.back() == 0) return;
        for (size_t k = 0; k < p.size(); ++k) want[k].push_back(p[k]);
      });
      const Tensor x = make_as(kLayouts[round % 4], d, Dims(shape), numbers);
      const std::vector<Tensor> got = nonzero(x);
      ASSERT_EQ(got.size(), shape.size());
      for (size_t k = 0; k < got.size(); ++k) {
        ASSERT_EQ(got[k].dtype(), DType::int64);
        ASSERT_TRUE(near(got[k], want[k])) << dtype_name(d);
      }
      EXPECT_TRUE(near(count_nonzero(x), {static_cast<Real>(want[0].size())}));
    }
  }
  EXPECT_TRUE(near(nonzero(make({3}, {kNan, -0.0L, -kInfinity}))[0], {0, 2}));
  error_of(ErrorCode::kShape, [] { nonzero(make({}, {1})); });
  error_of(ErrorCode::kInvalidArgument, [] { nonzero(Tensor()); });
  EXPECT_TRUE(near(count_nonzero(make({2, 3}, {0, 1, 2, 0, 0, 3}), {0}), {0, 1, 2}));
  EXPECT_EQ(shape_of(count_nonzero(make({2, 3}, counting(6)), {1}, true)), (Dims{2, 1}));
  EXPECT_EQ(count_nonzero(make({1}, {1})).dtype(), DType::int64);
}

TEST(SearchSorted, AgreesWithLowerAndUpperBound) {
  IndexMaker maker(3);
  for (DType d : {DType::int64, DType::uint8, DType::float32, DType::float64, DType::bfloat16}) {
    for (int64_t size : {0, 1, 2, 3, 7, 8, 9, 64, 100}) {
      Reals list, wanted, left, right;
      for (int64_t i = 0; i < size; ++i) list.push_back(maker.below(30));
      std::sort(list.begin(), list.end());
      for (int64_t i = 0; i < 33; ++i) wanted.push_back(maker.below(32));
      for (Real w : wanted) {
        left.push_back(std::lower_bound(list.begin(), list.end(), w) - list.begin());
        right.push_back(std::upper_bound(list.begin(), list.end(), w) - list.begin());
      }
      const Tensor sorted = make_as(kLayouts[size % 2], d, {size}, list);
      const Tensor values = make_as(kLayouts[size % 4], d, {3, 11}, wanted);
      const Tensor got = searchsorted(sorted, values);
      EXPECT_EQ(got.dtype(), DType::int64);
      EXPECT_EQ(shape_of(got), (Dims{3, 11}));
      EXPECT_TRUE(near(got, left)) << dtype_name(d) << ' ' << size;
      EXPECT_TRUE(near(searchsorted(sorted, values, true), right)) << dtype_name(d) << ' ' << size;
    }
  }
}

TEST(SearchSorted, CornersFromNumPy) {
  // np.searchsorted([-inf, 1, 1, inf, nan, nan], [nan, inf, -inf, 1, 2], side)
  const Tensor list = make({6}, {-kInfinity, 1, 1, kInfinity, kNan, kNan});
  const Tensor wanted = make({5}, {kNan, kInfinity, -kInfinity, 1, 2});
  EXPECT_TRUE(near(searchsorted(list, wanted), {4, 3, 0, 1, 3}));
  EXPECT_TRUE(near(searchsorted(list, wanted, true), {6, 4, 1, 3, 3}));
  EXPECT_TRUE(near(searchsorted(make(DType::int32, {3}, {1, 2, 3}), make({}, {2.5})), {2}));
  EXPECT_TRUE(searchsorted(make({2}, {1, 2}), make({0, 3}, {})).size() == 0);
  error_of(ErrorCode::kShape, [] { searchsorted(make({1, 2}, {1, 2}), make({1}, {1})); });
  error_of(ErrorCode::kDType,
           [] { searchsorted(make(DType::uint64, {1}, {1}), make(DType::int8, {1}, {1})); });
  error_of(ErrorCode::kInvalidArgument, [] { searchsorted(Tensor(), make({1}, {1})); });
}

}  // namespace
}  // namespace tenon
