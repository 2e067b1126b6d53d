// nextafter against libm's, and for half precision against the neighbours in a list of all numbers.
#include "tenon/ops/nextafter.h"

#include <algorithm>
#include <cmath>

#include "tenon/ops/tensor_testing.h"

namespace tenon {
namespace {

// Also the sign of zeros.
testing::AssertionResult same(const Tensor& got, const Reals& want) {
  const Reals numbers = values(got);
  for (size_t i = 0; i < want.size(); ++i) {
    if (std::isnan(want[i])
            ? !std::isnan(numbers[i])
            : numbers[i] != want[i] || std::signbit(numbers[i]) != std::signbit(want[i])) {
      return testing::AssertionFailure()
             << "element " << i << ": " << static_cast<double>(numbers[i]) << ", not "
             << static_cast<double>(want[i]);
    }
  }
  return testing::AssertionSuccess();
}

template <class T>
void against_libm(DType d) {
  using Limits = std::numeric_limits<T>;
  const Reals numbers = {0,
                         -0.0L,
                         1,
                         -1,
                         1.5,
                         -3e30L,
                         Limits::denorm_min(),
                         -Limits::denorm_min(),
                         Limits::min(),
                         -Limits::min(),
                         Limits::max(),
                         Limits::lowest(),
                         kInfinity,
                         -kInfinity,
                         kNan};
  Reals x, y, want;
  for (Real a : numbers) {
    for (Real b : numbers) {
      x.push_back(a);
      y.push_back(b);
      want.push_back(std::nextafter(static_cast<T>(a), static_cast<T>(b)));
    }
  }
  const auto n = static_cast<int64_t>(x.size());
  for (Layout layout : kLayouts) {
    const Tensor got = nextafter(make_as(layout, d, {n}, x), make_as(layout, d, {n}, y));
    EXPECT_EQ(got.dtype(), d);
    EXPECT_TRUE(same(got, want));
  }
}
TEST(Nextafter, Libm) {
  against_libm<float>(DType::float32);
  against_libm<double>(DType::float64);
}

// All finite numbers and infinities of a 16-bit dtype in order, without -0.
Reals all_numbers(DType d) {
  Reals out;
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    const Real x = values(from_host(d, Dims{}, &half, Device()))[0];
    if (!std::isnan(x) && bits != 0x8000) out.push_back(x);
  }
  std::sort(out.begin(), out.end());
  return out;
}
TEST(Nextafter, HalfPrecision) {
  for (DType d : {DType::float16, DType::bfloat16}) {
    const Reals list = all_numbers(d);
    const auto n = static_cast<int64_t>(list.size());
    const Tensor x = make(d, {n}, list);
    Reals above(list.begin() + 1, list.end()), below(list.begin(), list.end() - 1);
    above.push_back(kInfinity);
    below.insert(below.begin(), -kInfinity);
    EXPECT_TRUE(near(nextafter(x, make(d, {}, {kInfinity})), above)) << dtype_name(d);
    EXPECT_TRUE(near(nextafter(x, make(d, {}, {-kInfinity})), below)) << dtype_name(d);
    EXPECT_TRUE(same(nextafter(make(d, {2}, {0, -0.0L}), make(d, {2}, {-0.0L, 0})), {-0.0L, 0}));
  }
}

TEST(Nextafter, BroadcastsPromotesAndTakesNumbers) {
  const Tensor x = make(DType::float32, {2, 1}, {1, -1});
  const Tensor y = nextafter(x, make({3}, {2, 1, -2}));
  EXPECT_EQ(y.dtype(), DType::float64);
  EXPECT_EQ(shape_of(y), (Dims{2, 3}));
  EXPECT_TRUE(
      near(y, {1 + 0x1p-52L, 1, 1 - 0x1p-53L, -1 + 0x1p-53L, -1 + 0x1p-53L, -1 - 0x1p-52L}));
  EXPECT_TRUE(near(nextafter(x, 7), {1 + 0x1p-23L, -1 + 0x1p-24L}));
  EXPECT_TRUE(near(nextafter(0.0, x), {0x1p-149L, -0x1p-149L}));
  EXPECT_EQ(shape_of(nextafter(make({0, 2}, {}), 1)), (Dims{0, 2}));
}

TEST(Nextafter, Errors) {
  error_of(ErrorCode::kInvalidArgument, [] { nextafter(1, 2); });
  error_of(ErrorCode::kInvalidArgument, [] { nextafter(Tensor(), 2); });
  error_of(ErrorCode::kDType, [] { nextafter(make(DType::int32, {1}, {1}), 2); });
  error_of(ErrorCode::kDType, [] { nextafter(make(DType::complex64, {1}, {1}), 2); });
  error_of(ErrorCode::kShape, [] { nextafter(make({2}, {1, 2}), make({3}, {1, 2, 3})); });
  EXPECT_TRUE(has(error_of(ErrorCode::kAutograd, [] { nextafter(leaf({1}, {1}), 2); }), "detach"));
}

}  // namespace
}  // namespace tenon
