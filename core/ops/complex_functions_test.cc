// The functions of complex tensors against libm's in long double (C's Annex G): over the plane, on
// both sides of the branch cuts, far out, close to 0, at infinities, NaN and signed zeros.
#include <complex>

#include "tenon/ops/complex.h"
#include "tenon/ops/elementwise.h"
#include "tenon/ops/tensor_testing.h"

namespace tenon {
namespace {

using Number = std::complex<Real>;
using Numbers = std::vector<Number>;

struct Function {
  const char* name;
  Tensor (*ours)(const Tensor&);
  Number (*judge)(const Number&);
};

Number judge_expm1(const Number& z) {
  const Real x = z.real(), y = z.imag(), half = std::sin(y / 2);
  if (y == 0) return {std::expm1(x) + 0.0L, y};  // the standard: 0 for both zeros
  if (!std::isfinite(y) && std::isinf(x)) return x < 0 ? Number(-1, 0) : Number(x, kNan);
  return {x == 0 ? 0 - 2 * half * half : std::expm1(x) * std::cos(y) - 2 * half * half,
          std::exp(x) * std::sin(y)};
}
Number judge_log1p(const Number& z) {
  const Real x = z.real(), y = z.imag();
  if (std::abs(x) < 0.5L && std::abs(y) < 0.5L)
    return {std::log1p(x * (2 + x) + y * y) / 2, std::atan2(y, 1 + x)};
  return std::log(Number(1 + x, y));
}
Number judge_sign(const Number& z) {
  const Real size = std::max(std::abs(z.real()), std::abs(z.imag()));
  return size == 0 ? Number(0) : z / size / std::abs(z / size);
}
#define TENON_FUNCTION(name)                                   \
  Function {                                                   \
#name, &name, [](const Number& z) { return std::name(z); } \
  }
const Function kFunctions[] = {
    TENON_FUNCTION(exp),
    TENON_FUNCTION(log),
    TENON_FUNCTION(sqrt),
    TENON_FUNCTION(sin),
    TENON_FUNCTION(cos),
    TENON_FUNCTION(tan),
    TENON_FUNCTION(asin),
    TENON_FUNCTION(acos),
    TENON_FUNCTION(atan),
    TENON_FUNCTION(sinh),
    TENON_FUNCTION(cosh),
    TENON_FUNCTION(tanh),
    TENON_FUNCTION(asinh),
    TENON_FUNCTION(acosh),
    TENON_FUNCTION(atanh),
    {"expm1", &expm1, &judge_expm1},
    {"log1p", &log1p, &judge_log1p},
    {"log2", &log2, [](const Number& z) { return std::log(z) / std::log(Real{2}); }},
    {"log10", &log10, [](const Number& z) { return std::log(z) / std::log(Real{10}); }},
};

Tensor make_complex(const Numbers& numbers, DType d) {
  Reals re, im;
  for (const Number& x : numbers) {
    re.push_back(x.real());
    im.push_back(x.imag());
  }
  const auto n = static_cast<int64_t>(numbers.size());
  const DType part = d == DType::complex64 ? DType::float32 : DType::float64;
  return complex(make(part, {n}, re), make(part, {n}, im));
}
Numbers numbers_of(const Tensor& t) {
  const Reals re = values(real(t)), im = values(imag(t));
  Numbers out;
  for (size_t i = 0; i < re.size(); ++i) out.emplace_back(re[i], im[i]);
  return out;
}
std::string text(const Number& z) {
  return std::to_string(static_cast<double>(z.real())) + " + " +
         std::to_string(static_cast<double>(z.imag())) + " i";
}

// Within `units` of the last place of the result's absolute value, in a dtype whose numbers reach
// `largest`; parts that are 0 have the right sign.
void expect_close(const Function& f, const Numbers& at, DType d, Real units) {
  const bool single = d == DType::complex64;
  const Real epsilon = single ? 0x1p-24L : 0x1p-53L, least = single ? 0x1p-126L : 0x1p-1022L;
  const Tensor x = make_complex(at, d);
  const Numbers rounded = numbers_of(x), got = numbers_of(f.ours(x));
  for (size_t i = 0; i < at.size(); ++i) {
    const Number want = f.judge(rounded[i]);
    const Real largest =
        single ? Real{std::numeric_limits<float>::max()} : Real{std::numeric_limits<double>::max()};
    if (std::abs(want) > largest / 2) continue;
    const Real error = std::abs(got[i] - want);
    EXPECT_LE(error, units * epsilon * std::abs(want) + least)
        << f.name << "(" << text(rounded[i]) << ") = " << text(got[i]) << ", not " << text(want);
    for (const auto& [ours, theirs] :
         {std::pair(got[i].real(), want.real()), std::pair(got[i].imag(), want.imag())}) {
      if (theirs == 0 || std::abs(theirs) > 1e-3L * std::abs(want)) {
        EXPECT_EQ(std::signbit(ours), std::signbit(theirs))
            << f.name << "(" << text(rounded[i]) << ") = " << text(got[i]) << ", not "
            << text(want);
      }
    }
  }
}

class ComplexFunction : public testing::TestWithParam<int> {
 protected:
  const Function& function() const { return kFunctions[GetParam()]; }
};

TEST_P(ComplexFunction, OverThePlane) {
  Numbers at;
  const Reals parts = random_reals(4000, -6, 6, 17);
  for (size_t i = 0; i < parts.size(); i += 2) at.emplace_back(parts[i], parts[i + 1]);
  for (DType d : {DType::complex64, DType::complex128}) {
    EXPECT_EQ(function().ours(make_complex(at, d)).dtype(), d);
    expect_close(function(), at, d, 24);
  }
}

TEST_P(ComplexFunction, OnAxesAndCuts) {
  Numbers at;
  for (Real x : {0.0L, 1e-30L, 1e-5L, 0.25L, 0.75L, 1.0L, 1.5L, 3.0L, 10.0L, 30.0L, 1e6L}) {
    for (Real sign : {1.0L, -1.0L}) {
      for (Real zero : {0.0L, -0.0L}) {
        at.emplace_back(sign * x, zero);
        at.emplace_back(zero, sign * x);
      }
    }
  }
  for (DType d : {DType::complex64, DType::complex128}) {
    expect_close(function(), at, d, 24);
  }
}

TEST_P(ComplexFunction, SmallAndLarge) {
  for (DType d : {DType::complex64, DType::complex128}) {
    Numbers at;
    const int range = d == DType::complex64 ? 120 : 1000;
    for (int e = -range; e <= range; e += range / 20) {
      for (Real x : {1.25L, -1.75L}) {
        for (Real y : {1.5L, -0.0625L}) {
          at.emplace_back(std::ldexp(x, e), std::ldexp(y, e));
          at.emplace_back(std::ldexp(x, e), y);
          at.emplace_back(x, std::ldexp(y, e));
        }
      }
    }
    const std::string_view name = function().name;
    const bool of_im = name == "exp" || name == "expm1" || name == "sinh" || name == "cosh" ||
                       name == "tanh",
               of_re = name == "sin" || name == "cos" || name == "tan";
    Numbers fit;  // the angle of a large number is tested with sin and cos
    for (const Number& z : at) {
      if ((of_im && std::abs(z.imag()) > 100) || (of_re && std::abs(z.real()) > 100)) continue;
      fit.push_back(z);
    }
    expect_close(function(), fit, d, 24);
  }
}

TEST_P(ComplexFunction, InfinitiesAndNan) {
  const Real parts[] = {0.0L, -0.0L, 1.0L, -1.0L, 0.5L, kInfinity, -kInfinity, kNan};
  Numbers at;
  for (Real x : parts) {
    for (Real y : parts) {
      if (!std::isfinite(x) || !std::isfinite(y)) at.emplace_back(x, y);
    }
  }
  for (DType d : {DType::complex64, DType::complex128}) {
    const Numbers got = numbers_of(function().ours(make_complex(at, d)));
    for (size_t i = 0; i < at.size(); ++i) {
      const Number want = function().judge(at[i]);
      const std::string what = std::string(function().name) + "(" + text(at[i]) +
                               ") = " + text(got[i]) + ", not " + text(want);
      // Where C leaves a sign open: beside a NaN, or where the angle is not finite.
      const bool open = std::isnan(at[i].real()) || !std::isfinite(at[i].imag()) ||
                        std::isnan(want.real()) || std::isnan(want.imag());
      for (const auto& [ours, theirs] :
           {std::pair(got[i].real(), want.real()), std::pair(got[i].imag(), want.imag())}) {
        EXPECT_EQ(std::isnan(ours), std::isnan(theirs)) << what;
        if (std::isnan(theirs)) continue;
        EXPECT_EQ(std::isinf(ours), std::isinf(theirs)) << what;
        if (!std::isinf(theirs)) {
          EXPECT_NEAR(static_cast<double>(std::abs(ours)), static_cast<double>(std::abs(theirs)),
                      1e-6)
              << what;
        }
        if (!open) {
          EXPECT_EQ(std::signbit(ours), std::signbit(theirs)) << what;
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Functions, ComplexFunction,
                         testing::Range(0, static_cast<int>(std::size(kFunctions))),
                         [](const auto& f) { return kFunctions[f.param].name; });

TEST(ComplexFunctions, SignRoundAndPower) {
  for (DType d : {DType::complex64, DType::complex128}) {
    const Real big = d == DType::complex64 ? 3e38L : 1.5e308L,
               epsilon = d == DType::complex64 ? 0x1p-22L : 0x1p-51L;
    const Numbers at = {{3, -4}, {0, 2}, {-5, 0}, {big, big}, {1e-38L, 1e-38L}};
    const Numbers signs = numbers_of(sign(make_complex(at, d)));
    for (size_t i = 0; i < at.size(); ++i)
      EXPECT_LE(std::abs(signs[i] - judge_sign(at[i])), epsilon) << text(at[i]);
    for (const Number& z : numbers_of(sign(make_complex({{0, 0}, {-0.0L, -0.0L}}, d)))) {
      EXPECT_EQ(z, Number(0));
    }
    EXPECT_EQ(numbers_of(round(make_complex({{0.5, 1.5}, {-2.5, 3.7L}}, d))),
              (Numbers{{0, 2}, {-2, 4}}));
    const Numbers bases = {{1, 2}, {-3, 0.5}, {0, 1}, {2, 0}},
                  exponents = {{2, 0}, {0.5, -1}, {0, 1}, {-1, 0.25}};
    const Numbers powers = numbers_of(pow(make_complex(bases, d), make_complex(exponents, d)));
    for (size_t i = 0; i < bases.size(); ++i) {
      const Number want = std::exp(exponents[i] * std::log(bases[i]));
      EXPECT_LE(std::abs(powers[i] - want), 8 * epsilon * std::abs(want)) << i;
    }
    EXPECT_EQ(numbers_of(pow(make_complex({{0, 0}, {0, 0}}, d), make_complex({{0, 0}, {2, 0}}, d))),
              (Numbers{{1, 0}, {0, 0}}));
    EXPECT_EQ(numbers_of(pow(make_complex({{1, 2}}, d), 2)), (Numbers{{-3, 4}}));
  }
}

TEST(ComplexFunctions, InPlaceAndViews) {
  Tensor z =
      make_complex({{0, 0}, {1, 2}, {0, 3.14159265358979323846L}, {4, 4}}, DType::complex128);
  Tensor part = slice(z, 0, 1, 3);
  exp_(part);
  const Numbers got = numbers_of(z);
  EXPECT_EQ(got[0], Number(0));
  EXPECT_EQ(got[3], Number(4, 4));
  EXPECT_LE(std::abs(got[1] - std::exp(Number(1, 2))), 1e-14L);
  EXPECT_LE(std::abs(got[2] + Number(1)), 1e-14L);
  EXPECT_TRUE(near(real(flip(z)), {4, got[2].real(), got[1].real(), 0}));
}

TEST(ComplexFunctions, Full) {
  const Tensor z = full_complex({2, 1}, 1.5, -2, DType::none, test_device());
  EXPECT_EQ(z.dtype(), DType::complex64);
  EXPECT_EQ(shape_of(z), (Dims{2, 1}));
  EXPECT_EQ(numbers_of(reshape(z, {2})), (Numbers{{1.5, -2}, {1.5, -2}}));
  EXPECT_EQ(full_complex({0}, 1, 1, DType::complex128, test_device()).size(), 0);
  EXPECT_TRUE(
      has(error_of(ErrorCode::kDType, [] { full_complex({1}, 1, 2, DType::float32); }), "float32"));
}

// log of numbers whose absolute value is nearly 1.
TEST(ComplexFunctions, LogBesideTheUnitCircle) {
  Numbers at;
  for (int i = 0; i < 64; ++i) {
    const Real angle = static_cast<Real>(i) / 10;
    at.push_back(std::polar(1 + (i % 2 == 0 ? 1 : -1) * 1e-9L, angle));
  }
  const Tensor x = make_complex(at, DType::complex128);
  const Numbers rounded = numbers_of(x);
  const Reals got = values(real(log(x)));
  for (size_t i = 0; i < at.size(); ++i)
    EXPECT_NEAR(static_cast<double>(got[i]), static_cast<double>(std::log(rounded[i]).real()),
                3e-16);
}

}  // namespace
}  // namespace tenon
