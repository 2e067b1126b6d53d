// Matrix products against triple loops in long double: shapes, batches, memory orders, dtypes,
// gradients.
#include "tenon/ops/matmul.h"

#include "tenon/ops/elementwise.h"
#include "tenon/ops/tensor_testing.h"

namespace tenon {
namespace {

// [batch, m, k] @ [batch, k, n], either batch may be 1; row-major.
Reals product(const Reals& a, const Reals& b, int64_t batch_a, int64_t batch_b, int64_t m,
              int64_t k, int64_t n, Reals* size = nullptr) {
  Reals out;
  for (int64_t t = 0; t < std::max(batch_a, batch_b); ++t) {
    for (int64_t i = 0; i < m; ++i) {
      for (int64_t j = 0; j < n; ++j) {
        Real sum = 0, magnitude = 0;
        for (int64_t l = 0; l < k; ++l) {
          const Real term = a[static_cast<size_t>(((batch_a == 1 ? 0 : t) * m + i) * k + l)] *
                            b[static_cast<size_t>(((batch_b == 1 ? 0 : t) * k + l) * n + j)];
          sum += term;
          magnitude += std::abs(term);
        }
        out.push_back(sum);
        if (size) size->push_back(magnitude);
      }
    }
  }
  return out;
}

// A sum of k products rounds by at most about k units of the sum of their magnitudes; then once to
// the dtype.
testing::AssertionResult close(const Tensor& got, const Reals& want, const Reals& size, int64_t k) {
  const Reals numbers = values(got);
  if (numbers.size() != want.size())
    return testing::AssertionFailure() << numbers.size() << " elements, not " << want.size();
  const DType d = got.dtype();
  for (size_t i = 0; i < want.size(); ++i) {
    const Real bound = static_cast<Real>(k + 2) * epsilon_of(compute_dtype(d)) * size[i] +
                       (compute_dtype(d) == d ? 0 : 1.01L * epsilon_of(d) * std::abs(want[i]));
    if (!(std::abs(numbers[i] - want[i]) <= bound)) {
      return testing::AssertionFailure()
             << "element " << i << ": " << static_cast<double>(numbers[i]) << ", not "
             << static_cast<double>(want[i]);
    }
  }
  return testing::AssertionSuccess();
}

TEST(Matmul, SizesAndMemoryOrders) {
  const int64_t sizes[][3] = {{1, 1, 1},    {2, 3, 4},     {5, 1, 7},   {1, 9, 1},   {17, 31, 13},
                              {64, 64, 64}, {65, 129, 33}, {3, 257, 2}, {130, 5, 70}};
  for (const auto& [m, k, n] : sizes) {
    for (Layout la : kLayouts) {
      for (Layout lb : kLayouts) {
        if (m * k * n > 60000 && la != lb && la != Layout::kTransposed) continue;
        SCOPED_TRACE(std::to_string(m) + "x" + std::to_string(k) + "x" + std::to_string(n) +
                     " layouts " + std::to_string(static_cast<int>(la)) + " " +
                     std::to_string(static_cast<int>(lb)));
        for (DType d : {DType::float64, DType::float32}) {
          const Tensor a = make_as(la, d, {m, k}, random_reals(m * k, -1, 1, 1)),
                       b = make_as(lb, d, {k, n}, random_reals(k * n, -1, 1, 2));
          Reals size;
          const Reals want = product(values(a), values(b), 1, 1, m, k, n, &size);
          const Tensor c = matmul(a, b);
          EXPECT_EQ(shape_of(c), (Dims{m, n}));
          EXPECT_TRUE(close(c, want, size, k));
        }
      }
    }
  }
}

TEST(Matmul, DTypes) {
  for (DType d : {DType::uint8, DType::int8, DType::uint16, DType::int16, DType::uint32,
                  DType::int32, DType::uint64, DType::int64, DType::float16, DType::bfloat16,
                  DType::float32, DType::float64, DType::complex64, DType::complex128}) {
    SCOPED_TRACE(dtype_name(d));
    const Tensor a = make(d, {3, 4}, counting(12)), b = make(d, {4, 2}, {1, 2, 3, 4, 5, 6, 7, 8});
    const Tensor c = matmul(a, b);
    EXPECT_EQ(c.dtype(), d);
    // NumPy: np.arange(12).reshape(3, 4) @ np.arange(1, 9).reshape(4, 2)
    EXPECT_TRUE(near(
        c, d == DType::int8 ? Reals{34, 40, 98, 120, -94, -56} : Reals{34, 40, 98, 120, 162, 200}));
    EXPECT_TRUE(near(matmul(a.transpose(), flip(a, {0})),
                     {16, 28, 40, 52, 28, 43, 58, 73, 40, 58, 76, 94, 52, 73, 94, 115}));
  }
  // Integers wrap; what promotes, promotes; bool has no product.
  EXPECT_TRUE(near(matmul(make(DType::uint8, {1, 2}, {200, 1}), make(DType::uint8, {2, 1}, {2, 3})),
                   {403 - 256}));
  EXPECT_EQ(matmul(make(DType::float32, {1, 1}, {2}), make(DType::float64, {1, 1}, {3})).dtype(),
            DType::float64);
  EXPECT_EQ(matmul(make(DType::int32, {1, 1}, {2}), make(DType::float16, {1, 1}, {3})).dtype(),
            DType::float16);
  error_of(ErrorCode::kDType, [] {
    matmul(make(DType::bool_, {1, 1}, {1}), make(DType::bool_, {1, 1}, {1}));
  });
  error_of(ErrorCode::kDType, [] {
    matmul(make(DType::uint64, {1, 1}, {1}), make(DType::int64, {1, 1}, {1}));
  });
}

// (1 + 2i)(3 - i) + (-i)(2i) = 5 + 5i + 2
TEST(Matmul, ComplexHasBothParts) {
  const Complex128 a[] = {{1, 2}, {0, -1}}, b[] = {{3, -1}, {0, 2}};
  const Tensor c = matmul(tensor<Complex128>(a, {1, 2}, test_device()),
                          tensor<Complex128>(b, {2, 1}, test_device()));
  const auto value = c.item<Complex128>();
  EXPECT_EQ(value.real, 7);
  EXPECT_EQ(value.imag, 5);
}

TEST(Matmul, VectorsAndBatches) {
  const Tensor v = make({3}, {1, 2, 3}), w = make({3}, {4, 5, 6}),
               m = make({2, 3}, {1, 2, 3, 4, 5, 6});
  EXPECT_EQ(shape_of(matmul(v, w)), Dims{});
  EXPECT_TRUE(near(matmul(v, w), {32}));
  EXPECT_TRUE(near(matmul(m, v), {14, 32}));
  EXPECT_TRUE(near(matmul(make({2}, {1, -1}), m), {-3, -3, -3}));
  EXPECT_TRUE(near(matmul(flip(v), m.transpose()), {3 + 4 + 3, 12 + 10 + 6}));
  const Tensor stack = make({2, 1, 2, 3}, counting(12));
  EXPECT_EQ(shape_of(matmul(stack, v)), (Dims{2, 1, 2}));
  EXPECT_TRUE(near(matmul(stack, v), {8, 26, 44, 62}));
  EXPECT_EQ(shape_of(matmul(make({2}, {1, 1}), stack)), (Dims{2, 1, 3}));
  // [2, 1, 2, 3] @ [4, 3, 2] -> [2, 4, 2, 2]
  const Tensor b = make({4, 3, 2}, random_reals(24, -1, 1));
  const Tensor c = matmul(stack, b);
  EXPECT_EQ(shape_of(c), (Dims{2, 4, 2, 2}));
  Reals want;
  const Reals bs = values(b);
  for (int64_t i = 0; i < 2; ++i) {
    const Reals part = product(counting(6, static_cast<Real>(6 * i)), bs, 1, 4, 2, 3, 2);
    want.insert(want.end(), part.begin(), part.end());
  }
  EXPECT_TRUE(near(c, want, 1e-14L, 1e-14L));
  // The batch axes themselves permuted and reversed.
  EXPECT_TRUE(near(
      matmul(flip(permute_dims(make({3, 2, 4}, random_reals(24, -1, 1)), {2, 0, 1}), {0}),
             make({2, 1}, {1, 2})),
      [] {
        const Reals x =
            random_reals(24, -1, 1);  // [3, 2, 4] -> [4, 3, 2], reversed along the first
        Reals out;
        for (int t = 3; t >= 0; --t) {
          for (int i = 0; i < 3; ++i)
            out.push_back(x[static_cast<size_t>(i * 8 + t)] +
                          2 * x[static_cast<size_t>(i * 8 + 4 + t)]);
        }
        return out;
      }(),
      1e-15L, 1e-15L));
}

TEST(Matmul, ManyBatchAxes) {
  Dims shape(9, 1);
  shape[0] = 2;
  shape[4] = 3;
  shape[7] = 2;
  shape[8] = 2;
  const Tensor a = make(shape, counting(24)), b = make({2, 1}, {1, 10});
  EXPECT_TRUE(near(matmul(a, b), [] {
    Reals out;
    for (int i = 0; i < 12; ++i) out.push_back(2 * i + 10 * (2 * i + 1));
    return out;
  }()));
  EXPECT_EQ(matmul(a, b).ndim(), 9);
}

TEST(Matmul, EmptySizes) {
  EXPECT_TRUE(near(matmul(make({2, 0}, {}), make({0, 3}, {})), Reals(6, 0)));
  EXPECT_EQ(shape_of(matmul(make({0, 3}, {}), make({3, 2}, counting(6)))), (Dims{0, 2}));
  EXPECT_EQ(shape_of(matmul(make({0, 2, 3}, {}), make({3, 2}, counting(6)))), (Dims{0, 2, 2}));
  EXPECT_TRUE(near(matmul(make({0}, {}), make({0}, {})), {0}));
  const Tensor a = leaf({2, 0}, {}), b = leaf({0, 3}, {});
  const auto g = grad({matmul(a, b).sum()}, {a, b});
  EXPECT_EQ(shape_of(g[0]), (Dims{2, 0}));
  EXPECT_EQ(shape_of(g[1]), (Dims{0, 3}));
}

TEST(Matmul, Errors) {
  const std::string text = error_of(ErrorCode::kShape, [] {
    matmul(make({2, 3}, counting(6)), make({2, 3}, counting(6)));
  });
  EXPECT_TRUE(has(text, "matmul") && has(text, "[2, 3]") && has(text, "transpose")) << text;
  EXPECT_TRUE(has(error_of(ErrorCode::kShape,
                           [] {
                             matmul(make({}, {1}), make({2}, {1, 2}));
                           }),
                  "multiply"));
  error_of(ErrorCode::kShape, [] { matmul(make({2, 1, 1}, {1, 2}), make({3, 1, 1}, {1, 2, 3})); });
  error_of(ErrorCode::kInvalidArgument, [] { matmul(Tensor(), make({2}, {1, 2})); });
}

TEST(Linear, ValueBiasAndShapes) {
  const Tensor w = make({2, 3}, {1, 2, 3, 4, 5, 6}), b = make({2}, {10, 20});
  EXPECT_TRUE(near(linear(make({2, 3}, {1, 1, 1, 1, 0, -1}), w, b), {16, 35, 8, 18}));
  EXPECT_TRUE(near(linear(make({3}, {1, 0, 0}), w, b), {11, 24}));
  EXPECT_EQ(shape_of(linear(make({3}, {1, 0, 0}), w)), Dims{2});
  EXPECT_EQ(shape_of(linear(make({2, 5, 3}, counting(30)), w, b)), (Dims{2, 5, 2}));
  EXPECT_TRUE(near(linear(make({0, 3}, {}), w, b), {}));
  EXPECT_TRUE(near(linear(make({2, 0}, {}), make({2, 0}, {}), b), {10, 20, 10, 20}));
  EXPECT_TRUE(near(linear(make_as(Layout::kReversed, DType::float32, {2, 3}, {1, 1, 1, 1, 0, -1}),
                          make_as(Layout::kTransposed, DType::float32, {2, 3}, {1, 2, 3, 4, 5, 6}),
                          make_as(Layout::kStepped, DType::float32, {2}, {10, 20})),
                   {16, 35, 8, 18}));
  EXPECT_EQ(
      linear(make(DType::float16, {1, 3}, {1, 2, 3}), make(DType::float16, {2, 3}, counting(6)))
          .dtype(),
      DType::float16);
  EXPECT_TRUE(has(error_of(ErrorCode::kShape, [&] { linear(make({2}, {1, 2}), w); }), "[out, in]"));
  error_of(ErrorCode::kShape, [&] { linear(make({3}, {1, 2, 3}), w, make({3}, {1, 2, 3})); });
  error_of(ErrorCode::kDType, [&] {
    linear(make(DType::int32, {3}, {1, 2, 3}), make(DType::int32, {2, 3}, counting(6)));
  });
}

// ---- gradients
// -------------------------------------------------------------------------------------------------------

Tensor random_leaf(const Dims& shape, uint64_t seed) {
  return leaf(shape, random_reals(element_count("", shape), -1, 1, seed));
}

TEST(MatmulGradient, SecondOrder) {
  const Dims pairs[][2] = {{Dims{2, 3}, Dims{3, 2}},    {Dims{3}, Dims{3}},
                           {Dims{2, 3}, Dims{3}},       {Dims{3}, Dims{3, 2}},
                           {Dims{2, 2, 3}, Dims{3, 2}}, {Dims{2, 1, 2, 2}, Dims{3, 2, 1}},
                           {Dims{2}, Dims{2, 2, 3}},    {Dims{1, 2, 2}, Dims{2, 2}}};
  for (const auto& [a, b] : pairs) {
    const std::vector<Tensor> x = {random_leaf(a, 1), random_leaf(b, 2)};
    EXPECT_GRADIENTS([](std::span<const Tensor> in) { return square(matmul(in[0], in[1])); }, x)
        << shape_text(a) << shape_text(b);
  }
  // Through transposed and reversed views, and one tensor on both sides.
  const std::vector<Tensor> x = {random_leaf({2, 3}, 1)};
  EXPECT_GRADIENTS(
      [](std::span<const Tensor> in) { return square(matmul(in[0].transpose(), flip(in[0]))); }, x);
}

TEST(LinearGradient, SecondOrder) {
  for (const Dims& shape : {Dims{4, 3}, Dims{3}, Dims{2, 2, 3}}) {
    const std::vector<Tensor> x = {random_leaf(shape, 1), random_leaf({2, 3}, 2),
                                   random_leaf({2}, 3)};
    EXPECT_GRADIENTS([](std::span<const Tensor> in) { return tanh(linear(in[0], in[1], in[2])); },
                     x)
        << shape_text(shape);
    const std::vector<Tensor> no_bias = {x[0], x[1]};
    EXPECT_GRADIENTS([](std::span<const Tensor> in) { return square(linear(in[0], in[1])); },
                     no_bias)
        << shape_text(shape);
  }
}

TEST(LinearGradient, LayoutAndWants) {
  const Tensor x = make({4, 3}, counting(12)), w = random_leaf({2, 3}, 1), b = random_leaf({2}, 2);
  linear(x, w, b).sum().backward();
  EXPECT_TRUE(w.grad().is_contiguous());
  EXPECT_TRUE(near(w.grad(), {18, 22, 26, 18, 22, 26}));
  EXPECT_TRUE(near(b.grad(), {4, 4}));
  EXPECT_FALSE(x.requires_grad());
  // Empty features or no rows: gradients of the right shapes.
  const Tensor none = leaf({2, 0}, {}), weight = leaf({3, 0}, {});
  const auto g = grad({linear(none, weight).sum()}, {none, weight});
  EXPECT_EQ(shape_of(g[0]), (Dims{2, 0}));
  EXPECT_EQ(shape_of(g[1]), (Dims{3, 0}));
  EXPECT_TRUE(near(grad({linear(make({0, 3}, {}), w).sum()}, {w})[0], Reals(6, 0)));
}

TEST(MatmulGradient, MixedDTypesComeBackInTheirOwn) {
  const Tensor a = leaf({1, 2}, {1, 2}, DType::float32), b = leaf({2, 1}, {3, 4});
  const auto g = grad({matmul(a, b).sum()}, {a, b});
  EXPECT_EQ(g[0].dtype(), DType::float32);
  EXPECT_TRUE(near(g[0], {3, 4}));
  EXPECT_TRUE(near(g[1], {1, 2}));
}

}  // namespace
}  // namespace tenon
