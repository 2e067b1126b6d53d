// Tensors of a pattern: closed forms and NumPy's numbers, every dtype.
#include "tenon/ops/create.h"

#include "core/ops/index_reference.h"
#include "tenon/ops/elementwise.h"

namespace tenon {
namespace {

constexpr DType kAll[] = {DType::bool_,   DType::uint8,     DType::int8,      DType::uint16,
                          DType::int16,   DType::uint32,    DType::int32,     DType::uint64,
                          DType::int64,   DType::float16,   DType::bfloat16,  DType::float32,
                          DType::float64, DType::complex64, DType::complex128};

TEST(FullLike, KeepsWhatIsNotAsked) {
  const Tensor x = make_as(Layout::kTransposed, DType::int16, {2, 3}, counting(6));
  EXPECT_TRUE(near(full_like(x, 7), Reals(6, 7)));
  EXPECT_EQ(full_like(x, 7).dtype(), DType::int16);
  EXPECT_EQ(full_like(x, 7).device(), test_device());
  EXPECT_TRUE(near(full_like(x, 0.5, DType::float32), Reals(6, 0.5L)));
  error_of(ErrorCode::kInvalidArgument, [] { full_like(Tensor(), 1); });
}

TEST(Eye, EveryDiagonalAndDType) {
  for (DType d : kAll) {
    for (int64_t rows = 0; rows < 4; ++rows) {
      for (int64_t columns = 0; columns < 4; ++columns) {
        for (int64_t k = -4; k <= 4; ++k) {
          Reals want;
          for (int64_t i = 0; i < rows; ++i) {
            for (int64_t j = 0; j < columns; ++j) want.push_back(j - i == k);
          }
          const Tensor t = eye(rows, columns, k, d, test_device());
          ASSERT_EQ(t.dtype(), d);
          ASSERT_EQ(shape_of(t), (Dims{rows, columns}));
          ASSERT_TRUE(near(t, want)) << dtype_name(d) << rows << columns << k;
        }
      }
    }
  }
  EXPECT_EQ(shape_of(eye(3)), (Dims{3, 3}));
  error_of(ErrorCode::kShape, [] { eye(-1); });
}

TEST(Linspace, EndsAreExact) {
  const Device d = test_device();
  EXPECT_TRUE(near(linspace(0, 1, 5, true, DType::float64, d), {0, 0.25L, 0.5L, 0.75L, 1}));
  EXPECT_TRUE(
      near(linspace(0, 1, 5, false, DType::float64, d), {0, 0.2L, 0.4L, 0.6L, 0.8L}, 0x1p-52L));
  EXPECT_EQ(linspace(0, 1, 2, true, DType::none, d).dtype(), DType::float32);
  for (int64_t n : {2, 3, 7, 10, 49, 1000}) {
    const Reals t = values(linspace(0.1, 0.7, n, true, DType::float64, d));
    EXPECT_EQ(t.front(), static_cast<Real>(0.1));
    EXPECT_EQ(t.back(), static_cast<Real>(0.7));
    for (int64_t i = 0; i < n; ++i) {
      const Real want = 0.1L + (0.7L - 0.1L) * i / (n - 1);
      EXPECT_NEAR(static_cast<double>(t[static_cast<size_t>(i)] - want), 0, 3e-16);
    }
  }
  EXPECT_TRUE(near(linspace(5, 1, 5, true, DType::int32, d), {5, 4, 3, 2, 1}));
  EXPECT_TRUE(near(linspace(-1, 1, 4, true, DType::int64, d), {-1, -1, 0, 1}));  // floor, as NumPy
  EXPECT_TRUE(near(linspace(3, 9, 1, true, DType::float32, d), {3}));
  EXPECT_TRUE(near(linspace(3, 9, 1, false, DType::float32, d), {3}));
  EXPECT_EQ(linspace(3, 9, 0, true, DType::float32, d).size(), 0);
  for (DType f : {DType::float16, DType::bfloat16})
    EXPECT_TRUE(near(linspace(0, 2, 3, true, f, d), {0, 1, 2}));
  error_of(ErrorCode::kInvalidArgument, [&] { linspace(0, 1, -1); });
  error_of(ErrorCode::kDType, [&] { linspace(0, 1, 3, true, DType::complex64); });
  error_of(ErrorCode::kDType, [&] { linspace(0, 1, 3, true, DType::bool_); });
}

TEST(Triangles, EveryDiagonalAndDType) {
  for (DType d : kAll) {
    for (Layout layout : kLayouts) {
      const Reals numbers = d == DType::bool_ ? Reals(24, 1) : counting(24, 1);
      const Tensor x = make_as(layout, d, {2, 3, 4}, numbers);
      for (int64_t k = -4; k <= 5; ++k) {
        Reals lower, upper;
        for (int64_t n = 0; n < 24; ++n) {
          const int64_t number = n % 4 - n / 4 % 3;
          lower.push_back(number <= k ? numbers[static_cast<size_t>(n)] : 0);
          upper.push_back(number >= k ? numbers[static_cast<size_t>(n)] : 0);
        }
        ASSERT_TRUE(near(tril(x, k), lower)) << dtype_name(d) << k;
        ASSERT_TRUE(near(triu(x, k), upper)) << dtype_name(d) << k;
        ASSERT_EQ(tril(x, k).dtype(), d);
      }
    }
  }
  EXPECT_EQ(shape_of(tril(make({0, 2, 0}, {}))), (Dims{0, 2, 0}));
  EXPECT_TRUE(near(tril(make({2, 2}, {1, kNan, 3, kInfinity})), {1, 0, 3, kInfinity}));
  error_of(ErrorCode::kShape, [] { tril(make({2}, {1, 2})); });
  error_of(ErrorCode::kInvalidArgument, [] { triu(Tensor()); });
  EXPECT_GRADIENTS(
      [](std::span<const Tensor> in) { return exp(tril(in[0])) + triu(in[0], 1) * in[0]; },
      {leaf({3, 2}, random_reals(6, -1, 1))});
}

TEST(MeshGrid, BothIndexings) {
  const Tensor axes[] = {make({2}, {1, 2}), make({3}, {10, 20, 30}), make({}, {5})};
  const auto xy = meshgrid(axes), ij = meshgrid(axes, "ij");
  ASSERT_EQ(xy.size(), 3u);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(shape_of(xy[static_cast<size_t>(i)]), (Dims{3, 2, 1}));
    EXPECT_EQ(shape_of(ij[static_cast<size_t>(i)]), (Dims{2, 3, 1}));
  }
  EXPECT_TRUE(near(xy[0], {1, 2, 1, 2, 1, 2}));
  EXPECT_TRUE(near(xy[1], {10, 10, 20, 20, 30, 30}));
  EXPECT_TRUE(near(ij[0], {1, 1, 1, 2, 2, 2}));
  EXPECT_TRUE(near(ij[1], {10, 20, 30, 10, 20, 30}));
  EXPECT_TRUE(near(ij[2], Reals(6, 5)));
  EXPECT_EQ(shape_of(meshgrid(std::span(axes, 1))[0]), Dims{2});
  EXPECT_TRUE(meshgrid({}).empty());
  const Tensor wide[] = {make({1, 2}, {1, 2})};
  error_of(ErrorCode::kShape, [&] { meshgrid(wide); });
  error_of(ErrorCode::kInvalidArgument, [&] { meshgrid(axes, "yx"); });
  EXPECT_GRADIENTS(
      [](std::span<const Tensor> in) {
        const auto g = meshgrid(in);
        return g[0] * exp(g[1]);
      },
      {leaf({2}, {0.1L, 0.2L}), leaf({3}, {0.3L, -0.4L, 0.5L})});
}

}  // namespace
}  // namespace tenon
