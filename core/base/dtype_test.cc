#include "tenon/base/dtype.h"

#include "gtest/gtest.h"
#include "tenon/abi/tenon_backend.h"

namespace tenon {
namespace {

TEST(DType, NumbersAreTheAbis) {
  EXPECT_EQ(static_cast<int>(DType::bool_), TENON_BOOL);
  EXPECT_EQ(static_cast<int>(DType::uint8), TENON_U8);
  EXPECT_EQ(static_cast<int>(DType::int8), TENON_I8);
  EXPECT_EQ(static_cast<int>(DType::uint16), TENON_U16);
  EXPECT_EQ(static_cast<int>(DType::int16), TENON_I16);
  EXPECT_EQ(static_cast<int>(DType::uint32), TENON_U32);
  EXPECT_EQ(static_cast<int>(DType::int32), TENON_I32);
  EXPECT_EQ(static_cast<int>(DType::uint64), TENON_U64);
  EXPECT_EQ(static_cast<int>(DType::int64), TENON_I64);
  EXPECT_EQ(static_cast<int>(DType::float16), TENON_F16);
  EXPECT_EQ(static_cast<int>(DType::bfloat16), TENON_BF16);
  EXPECT_EQ(static_cast<int>(DType::float32), TENON_F32);
  EXPECT_EQ(static_cast<int>(DType::float64), TENON_F64);
  EXPECT_EQ(static_cast<int>(DType::complex64), TENON_C64);
  EXPECT_EQ(static_cast<int>(DType::complex128), TENON_C128);
  EXPECT_EQ(static_cast<int>(DType::float8_e4m3fn), TENON_F8E4M3FN);
  EXPECT_EQ(static_cast<int>(DType::float8_e5m2), TENON_F8E5M2);
  EXPECT_EQ(kDTypeCount, TENON_DTYPE_COUNT);
}

TEST(DType, RowsStandAtTheirNumbersAndAgreeWithThemselves) {
  for (int i = 1; i < kDTypeCount; ++i) {
    const auto d = static_cast<DType>(i);
    EXPECT_EQ(dtype_from_name(dtype_name(d)), d);
    EXPECT_EQ(dtype_info(d).dlpack_bits, 8 * item_size(d));
    visit_dtype(d, [&]<class T>() {
      EXPECT_EQ(dtype_of<T>(), d);
      EXPECT_EQ(static_cast<int64_t>(sizeof(T)), item_size(d));
    });
  }
  EXPECT_EQ(dtype_from_name("bool"), DType::bool_);
  EXPECT_EQ(dtype_from_name("float8"), DType::none);
}

// The table of the Array API standard, 2023.12, and NumPy's for mixed kinds where they agree with
// PyTorch.
TEST(DType, Promotion) {
  EXPECT_EQ(promote(DType::int8, DType::int16), DType::int16);
  EXPECT_EQ(promote(DType::uint8, DType::int8), DType::int16);
  EXPECT_EQ(promote(DType::uint16, DType::int8), DType::int32);
  EXPECT_EQ(promote(DType::uint32, DType::int32), DType::int64);
  EXPECT_EQ(promote(DType::uint8, DType::int64), DType::int64);
  EXPECT_EQ(promote(DType::uint64, DType::int64), DType::none);
  EXPECT_EQ(promote(DType::float32, DType::float64), DType::float64);
  EXPECT_EQ(promote(DType::float16, DType::bfloat16), DType::float32);
  EXPECT_EQ(promote(DType::float16, DType::float32), DType::float32);
  EXPECT_EQ(promote(DType::int64, DType::float16), DType::float16);
  EXPECT_EQ(promote(DType::bool_, DType::uint8), DType::uint8);
  EXPECT_EQ(promote(DType::float64, DType::complex64), DType::complex128);
  EXPECT_EQ(promote(DType::float32, DType::complex64), DType::complex64);
  EXPECT_EQ(promote(DType::int64, DType::complex64), DType::complex64);
  for (int i = 1; i < kDTypeCount; ++i) {
    for (int j = 1; j < kDTypeCount; ++j) {
      const auto a = static_cast<DType>(i), b = static_cast<DType>(j);
      EXPECT_EQ(promote(a, b), promote(b, a)) << dtype_name(a) << " " << dtype_name(b);
    }
  }
}

// They are for storage: no kind of number to compute with, and no common dtype but their own.
TEST(DType, Float8) {
  for (const DType d : {DType::float8_e4m3fn, DType::float8_e5m2}) {
    EXPECT_TRUE(is_float8(d));
    EXPECT_FALSE(is_floating(d) || is_integral(d) || is_complex(d));
    EXPECT_EQ(item_size(d), 1);
    EXPECT_EQ(compute_dtype(d), d);
    for (int i = 1; i < kDTypeCount; ++i) {
      const auto other = static_cast<DType>(i);
      EXPECT_EQ(promote(d, other), other == d ? d : DType::none) << dtype_name(other);
    }
    EXPECT_NE(promotion_advice(d, DType::float32).find("to(float32)"), std::string_view::npos);
  }
  EXPECT_EQ(dtype_of<Float8E4M3Fn>(), DType::float8_e4m3fn);
  EXPECT_EQ(static_cast<float>(Float8E4M3Fn(0.3f)), 0.3125f);
  EXPECT_EQ(static_cast<float>(Float8E5M2(0.3f)), 0.3125f);
  EXPECT_EQ(narrow_bits<Float8E5M2>(1), 0x3c);
  EXPECT_EQ(narrow_bits<Half>(1), 0x3c00);
  static_assert(NarrowFloat<BFloat16> && !NarrowFloat<float> && !NarrowFloat<Complex64>);
}

}  // namespace
}  // namespace tenon
