// Complex tensors against std::complex of long double: every function that takes them, mixed
// dtypes, layouts, in place; corners of division; refusals.
#include "tenon/ops/complex.h"

#include <complex>

#include "tenon/ops/elementwise.h"
#include "tenon/ops/index.h"
#include "tenon/ops/linear_algebra.h"
#include "tenon/ops/reduce.h"
#include "tenon/ops/scan.h"
#include "tenon/ops/tensor_testing.h"

namespace tenon {
namespace {

using Number = std::complex<Real>;
using Numbers = std::vector<Number>;

Tensor make_complex(Layout layout, DType d, const Dims& shape, const Numbers& numbers) {
  Reals re, im;
  for (const Number& x : numbers) {
    re.push_back(x.real());
    im.push_back(x.imag());
  }
  Tensor t = make_as(layout, d, shape, re);
  imag(t).copy_(make(DType::float64, shape, im));
  return t;
}
Tensor make_complex(const Numbers& numbers, DType d = DType::complex128) {
  return make_complex(Layout::kContiguous, d, {static_cast<int64_t>(numbers.size())}, numbers);
}
testing::AssertionResult near(const Tensor& got, const Numbers& want, Real relative) {
  const Reals re = values(real(got)), im = values(imag(got));
  if (re.size() != want.size()) return testing::AssertionFailure() << re.size() << " elements";
  for (size_t i = 0; i < re.size(); ++i) {
    if (!(std::abs(Number(re[i], im[i]) - want[i]) <= relative * std::abs(want[i]))) {
      return testing::AssertionFailure()
             << "element " << i << ": " << static_cast<double>(re[i]) << " + "
             << static_cast<double>(im[i]) << " i, not " << static_cast<double>(want[i].real())
             << " + " << static_cast<double>(want[i].imag()) << " i";
    }
  }
  return testing::AssertionSuccess();
}
// Numbers that both precisions hold.
Numbers numbers(int64_t count, uint64_t seed) {
  const Reals parts = random_reals(2 * count, -4, 4, seed);
  Numbers out;
  for (size_t i = 0; i < parts.size(); i += 2)
    out.emplace_back(std::round(parts[i] * 64) / 64, std::round(parts[i + 1] * 64) / 64);
  return out;
}

TEST(Complex, ArithmeticInEveryLayout) {
  const Numbers a = numbers(6, 1), b = numbers(6, 2);
  for (DType d : {DType::complex64, DType::complex128}) {
    const Real epsilon = d == DType::complex64 ? 0x1p-21L : 0x1p-50L;
    for (Layout la : kLayouts) {
      for (Layout lb : kLayouts) {
        const Tensor x = make_complex(la, d, {2, 3}, a), y = make_complex(lb, d, {2, 3}, b);
        Numbers sum, difference, product, quotient;
        for (size_t i = 0; i < 6; ++i) {
          sum.push_back(a[i] + b[i]);
          difference.push_back(a[i] - b[i]);
          product.push_back(a[i] * b[i]);
          quotient.push_back(a[i] / b[i]);
        }
        EXPECT_EQ((x + y).dtype(), d);
        EXPECT_TRUE(near(x + y, sum, epsilon));
        EXPECT_TRUE(near(x - y, difference, epsilon));
        EXPECT_TRUE(near(x * y, product, epsilon));
        EXPECT_TRUE(near(x / y, quotient, epsilon));
      }
      const Tensor x = make_complex(la, d, {2, 3}, a);
      Numbers minus, conjugate, squares, inverse;
      Reals sizes;
      for (const Number& n : a) {
        minus.push_back(-n);
        conjugate.push_back(std::conj(n));
        squares.push_back(n * n);
        inverse.push_back(Number(1) / n);
        sizes.push_back(std::abs(n));
      }
      EXPECT_TRUE(near(-x, minus, 0));
      EXPECT_TRUE(near(conj(x), conjugate, 0));
      EXPECT_TRUE(near(positive(x), a, 0));
      EXPECT_TRUE(near(square(x), squares, epsilon));
      EXPECT_TRUE(near(reciprocal(x), inverse, epsilon));
      EXPECT_TRUE(near(abs(x), sizes, epsilon));
      EXPECT_EQ(abs(x).dtype(), d == DType::complex64 ? DType::float32 : DType::float64);
    }
  }
}

TEST(Complex, MixesWithRealsNumbersAndShapes) {
  const Tensor z = make_complex({{1, 2}, {3, -4}}, DType::complex64);
  EXPECT_TRUE(near(z * 2, Numbers{{2, 4}, {6, -8}}, 0));
  EXPECT_TRUE(near(1 + z, Numbers{{2, 2}, {4, -4}}, 0));
  EXPECT_TRUE(near(z / 0.5, Numbers{{2, 4}, {6, -8}}, 0));
  EXPECT_EQ((z * 0.1).dtype(), DType::complex64);
  EXPECT_TRUE(near(z + make({1}, {1}), Numbers{{2, 2}, {4, -4}}, 0));
  EXPECT_EQ((z + make({1}, {1})).dtype(), DType::complex128);
  EXPECT_EQ((z + make(DType::int64, {1}, {1})).dtype(), DType::complex64);
  EXPECT_EQ((z + make(DType::float16, {1}, {1})).dtype(), DType::complex64);
  EXPECT_EQ((z + make_complex({{0, 1}})).dtype(), DType::complex128);
  const Tensor wide =
      z + make_complex(Layout::kContiguous, DType::complex64, {2, 1}, {{10, 0}, {0, 10}});
  EXPECT_EQ(shape_of(wide), (Dims{2, 2}));
  EXPECT_TRUE(near(wide, Numbers{{11, 2}, {13, -4}, {1, 12}, {3, 6}}, 0));
  EXPECT_EQ(shape_of(make_complex(Numbers{}) + 1), Dims{0});
  EXPECT_TRUE(near(z == make({2}, {1, 3}), {0, 0}));
  EXPECT_TRUE(near(z == conj(conj(z)), {1, 1}));
  EXPECT_TRUE(near(z != make_complex({{1, 2}, {3, 4}}), {0, 1}));
  EXPECT_TRUE(near(where(make(DType::bool_, {2, 1}, {1, 0}), z, 7),
                   Numbers{{1, 2}, {3, -4}, {7, 0}, {7, 0}}, 0));
  EXPECT_TRUE(near(vecdot(z, make_complex({{0, 1}, {1, 1}}, DType::complex64)), Numbers{{1, 8}},
                   0));  // np.vecdot
}

TEST(Complex, CornersOfDivisionAndSize) {
  const double big = 1e300, small = 1e-300;
  EXPECT_TRUE(
      near(make_complex({{big, big}, {small, small}}) / make_complex({{big, big}, {small, small}}),
           Numbers{1, 1}, 1e-15L));
  EXPECT_TRUE(near(abs(make_complex({{3 * big, 4 * big}, {3 * small, -4 * small}, {0, 0}})),
                   Reals{5e300L, 5e-300L, 0}, 1e-15L));
  const Tensor by_zero = make_complex({{1, 0}, {0, -1}, {0, 0}}) / make_complex({{0, 0}});
  EXPECT_TRUE(near(real(by_zero), {kInfinity, kNan, kNan}));
  EXPECT_TRUE(near(imag(by_zero), {kNan, -kInfinity, kNan}));
  const Tensor odd = make_complex({{kNan, 1}, {1, kNan}, {kInfinity, kNan}, {1e300, 1e300}});
  EXPECT_TRUE(near(isnan(odd), {1, 1, 1, 0}));
  EXPECT_TRUE(near(isinf(odd), {0, 0, 1, 0}));
  EXPECT_TRUE(near(isfinite(odd), {0, 0, 0, 1}));
  EXPECT_TRUE(near(abs(odd)[2], {kInfinity}));
}

TEST(Complex, PartsAreViews) {
  const Tensor z =
      make_complex(Layout::kReversed, DType::complex64, {2, 2}, {{1, 2}, {3, 4}, {5, 6}, {7, 8}});
  EXPECT_TRUE(near(real(z), {1, 3, 5, 7}));
  EXPECT_TRUE(near(imag(z), {2, 4, 6, 8}));
  EXPECT_TRUE(imag(z).shares_storage_with(z));
  imag(z).fill_(0);
  EXPECT_TRUE(near(z, Numbers{1, 3, 5, 7}, 0));
  const Tensor x = make({2}, {1, 2});
  EXPECT_TRUE(real(x).shares_storage_with(x));
  EXPECT_TRUE(near(imag(x), {0, 0}));
  EXPECT_TRUE(near(conj(x), {1, 2}));
  EXPECT_TRUE(near(complex(x, make(DType::float32, {}, {3})), Numbers{{1, 3}, {2, 3}}, 0));
  EXPECT_EQ(complex(make(DType::float16, {1}, {1}), make(DType::float32, {1}, {2})).dtype(),
            DType::complex64);
  error_of(ErrorCode::kDType, [&] { complex(x, make(DType::int32, {2}, {1, 2})); });
  error_of(ErrorCode::kInvalidArgument, [&] { complex(x, Tensor()); });
  error_of(ErrorCode::kInvalidArgument, [] { real(Tensor()); });
}

TEST(Complex, InPlace) {
  Tensor z = make_complex({{1, 2}, {3, -4}}, DType::complex64);
  const uint32_t version = z.version();
  z *= make_complex({{0, 1}});  // complex128 into complex64, as floats do
  EXPECT_TRUE(near(z, Numbers{{-2, 1}, {4, 3}}, 0));
  EXPECT_NE(z.version(), version);
  z += z;
  z *= flip(z);
  EXPECT_TRUE(near(z, Numbers{{-44, -8}, {-44, -8}}, 0));
  conj_(z);
  EXPECT_TRUE(near(z, Numbers{{-44, 8}, {-44, 8}}, 0));
  index_put_(z, {make(DType::bool_, {2}, {1, 0})}, make_complex({{1, 1}}));
  EXPECT_TRUE(near(z, Numbers{{1, 1}, {-44, 8}}, 0));
  index_put_(z, {0}, make_complex({{1, 1}}), true);
  EXPECT_TRUE(near(z, Numbers{{2, 2}, {-44, 8}}, 0));
  Tensor x = make({2}, {1, 2});
  error_of(ErrorCode::kDType, [&] { x += z; });
  error_of(ErrorCode::kDType, [&] { abs_(z); });
  error_of(ErrorCode::kShape, [&] {
    z += make_complex(Layout::kContiguous, DType::complex64, {1, 2}, numbers(2, 1));
  });
  EXPECT_TRUE(near(z, Numbers{{2, 2}, {-44, 8}}, 0));
}

TEST(Complex, Reductions) {
  const Numbers a = numbers(12, 3);
  for (DType d : {DType::complex64, DType::complex128}) {
    for (Layout layout : kLayouts) {
      const Tensor x = make_complex(layout, d, {4, 3}, a);
      const Real epsilon = d == DType::complex64 ? 0x1p-20L : 0x1p-49L;
      Numbers sums(3), means, products(4, 1);
      Number all_sum, all_product = 1;
      for (size_t i = 0; i < 12; ++i) {
        sums[i % 3] += a[i];
        products[i / 3] *= a[i];
        all_sum += a[i];
        all_product *= a[i];
      }
      for (const Number& s : sums) means.push_back(s / Real{4});
      EXPECT_EQ(sum(x).dtype(), d);
      EXPECT_TRUE(near(sum(x, {0}), sums, epsilon));
      EXPECT_TRUE(near(mean(x, {0}), means, epsilon));
      EXPECT_TRUE(near(prod(x, {1}), products, epsilon));
      EXPECT_TRUE(near(sum(x), Numbers{all_sum}, 4 * epsilon));
      EXPECT_TRUE(near(prod(x), Numbers{all_product}, 4 * epsilon));
      EXPECT_EQ(shape_of(prod(x, {-1}, true)), (Dims{4, 1}));
      EXPECT_EQ(shape_of(sum(x, {0, 1}, true)), (Dims{1, 1}));
      EXPECT_TRUE(near(cumulative_sum(x, 0)[3], sums, epsilon));
      EXPECT_TRUE(near(cumulative_prod(x, 1)[2][2], Numbers{a[6] * a[7] * a[8]}, epsilon));
    }
    EXPECT_TRUE(near(sum(make_complex(Numbers{}, d)), Numbers{0}, 0));
    EXPECT_TRUE(near(prod(make_complex(Numbers{}, d)), Numbers{1}, 0));
    const Tensor scalar = reshape(make_complex({{1, 2}}, d), {});
    EXPECT_TRUE(near(prod(scalar), Numbers{{1, 2}}, 0));
    EXPECT_FALSE(prod(scalar).shares_storage_with(scalar));
  }
  error_of(ErrorCode::kDType, [] { max(make_complex({{1, 2}})); });
  error_of(ErrorCode::kDType, [] { var(make_complex({{1, 2}})); });
}

TEST(Complex, Refusals) {
  const Tensor z = make_complex({{1, 2}});
  error_of(ErrorCode::kDType, [&] { erf(z); });
  error_of(ErrorCode::kDType, [&] { maximum(z, z); });
  error_of(ErrorCode::kDType, [&] { (void)(z < z); });
  error_of(ErrorCode::kShape, [&] {
    z + make({2, 3}, random_reals(6, 0, 1)) + make_complex(numbers(2, 1));
  });
  error_of(ErrorCode::kInvalidArgument, [&] { z + Tensor(); });
  // A gradient does not get lost on the way.
  const std::string text = error_of(ErrorCode::kAutograd, [&] { z* leaf({1}, {2}); });
  EXPECT_TRUE(has(text, "multiply: float64[1]") && has(text, "detach()")) << text;
}

}  // namespace
}  // namespace tenon
