// unique against a sorted map, over dtypes, shapes and layouts; NaN, signed zeros, complex numbers,
// nothing at all; gradients.
#include "tenon/ops/unique.h"

#include <cmath>
#include <map>

#include "tenon/ops/complex.h"
#include "tenon/ops/elementwise.h"
#include "tenon/ops/join.h"
#include "tenon/ops/tensor_testing.h"

namespace tenon {
namespace {

TEST(Unique, EveryDTypeShapeAndLayout) {
  for (DType d : {DType::bool_, DType::uint8, DType::int8, DType::uint16, DType::int16,
                  DType::uint32, DType::int32, DType::uint64, DType::int64, DType::float16,
                  DType::bfloat16, DType::float32, DType::float64}) {
    for (const Dims& shape : {Dims{}, Dims{1}, Dims{0}, Dims{3, 0}, Dims{37}, Dims{4, 5, 3}}) {
      for (Layout layout : kLayouts) {
        SCOPED_TRACE(std::string(dtype_name(d)) + " " + shape_text(shape));
        Reals numbers = random_reals(element_count("", shape), 0, 7, 5);
        for (Real& x : numbers) x = d == DType::bool_ ? std::floor(x / 4) : std::floor(x);
        const Tensor x = make_as(layout, d, shape, numbers);
        std::map<Real, std::pair<Real, Real>> seen;  // first position, count
        for (size_t i = 0; i < numbers.size(); ++i) {
          auto& entry = seen.try_emplace(numbers[i], static_cast<Real>(i), 0).first->second;
          ++entry.second;
        }
        Reals keys, first, counts, inverse;
        for (const auto& [key, entry] : seen) {
          keys.push_back(key);
          first.push_back(entry.first);
          counts.push_back(entry.second);
        }
        for (Real n : numbers)
          inverse.push_back(static_cast<Real>(std::distance(seen.begin(), seen.find(n))));
        const Unique u = unique(x);
        EXPECT_EQ(u.values.dtype(), d);
        EXPECT_EQ(u.values.ndim(), 1);
        EXPECT_TRUE(near(u.values, keys));
        EXPECT_TRUE(near(unique_values(x), keys));
        EXPECT_TRUE(near(u.indices, first));
        EXPECT_TRUE(near(u.counts, counts));
        EXPECT_TRUE(near(u.inverse, inverse));
        EXPECT_EQ(shape_of(u.inverse), shape);
        for (const Tensor& t : {u.indices, u.inverse, u.counts}) EXPECT_EQ(t.dtype(), DType::int64);
      }
    }
  }
}

TEST(Unique, NanAndZeros) {
  const Unique u = unique(make({7}, {kNan, 0, -0.0L, 3, kNan, -kInfinity, kInfinity}));
  EXPECT_TRUE(near(u.values, {-kInfinity, 0, 3, kInfinity, kNan, kNan}));
  EXPECT_TRUE(near(u.counts, {1, 2, 1, 1, 1, 1}));
  EXPECT_TRUE(near(u.indices, {5, 1, 3, 6, 0, 4}));
  EXPECT_TRUE(near(u.inverse, {4, 1, 1, 2, 5, 0, 3}));
}

TEST(Unique, Complex) {
  // (1,2) (0,1) (1,2) (0,-1) (1,0) (0,1) (nan,0)
  const Tensor x = complex(make({7}, {1, 0, 1, 0, 1, 0, kNan}), make({7}, {2, 1, 2, -1, 0, 1, 0}));
  const Unique u = unique(x);
  EXPECT_TRUE(near(real(u.values), {0, 0, 1, 1, kNan}));
  EXPECT_TRUE(near(imag(u.values), {-1, 1, 0, 2, 0}));
  EXPECT_TRUE(near(u.counts, {1, 2, 1, 2, 1}));
  EXPECT_TRUE(near(u.indices, {3, 1, 4, 0, 6}));
  EXPECT_TRUE(near(u.inverse, {3, 1, 3, 0, 2, 1, 4}));
}

TEST(Unique, TheFirstOfEachValueGetsTheGradient) {
  const Tensor x = leaf({5}, {2, 1, 2, 3, 1});
  const Tensor y = unique_values(x) * make({3}, {10, 20, 30});
  EXPECT_TRUE(near(grad({y.sum()}, {x})[0], {20, 10, 0, 30, 0}));
}

TEST(Unique, Errors) {
  error_of(ErrorCode::kInvalidArgument, [] { unique(Tensor()); });
  error_of(ErrorCode::kInvalidArgument, [] { unique_values(Tensor()); });
}

}  // namespace
}  // namespace tenon
