// Making tensors, and reading single elements.
#include <gtest/gtest.h>

#include <bit>
#include <limits>

#include "tenon/tenon.h"
#include "tests/tensor_values.h"

namespace tenon {
namespace {

const double kInfinity = std::numeric_limits<double>::infinity();
const double kNaN = std::numeric_limits<double>::quiet_NaN();

std::vector<DType> all_dtypes() {
  std::vector<DType> list;
#define TENON_DTYPE(name, ...) list.push_back(DType::name);
#include "tenon/base/dtype.def"
#undef TENON_DTYPE
  return list;
}

// Complex numbers of a tensor, from any device.
std::vector<Complex128> complex_values(const Tensor& t) {
  const Tensor host = t.cpu().to(DType::complex128).contiguous();
  return {host.data<Complex128>(), host.data<Complex128>() + host.size()};
}

TEST(Create, EveryDtypeEveryShape) {
  const std::vector<Dims> shapes{
      {}, {0}, {1}, {3}, {2, 0, 3}, {2, 3}, {1, 2, 1, 3, 1, 1, 2, 1, 1, 2}, Dims(64, 1)};
  for (DType d : all_dtypes()) {
    for (const Dims& shape : shapes) {
      const Tensor t = ones(shape, d, test_device());
      EXPECT_EQ(t.dtype(), d);
      EXPECT_EQ(dims(t.shape()), dims(shape));
      EXPECT_EQ(t.ndim(), shape.size());
      EXPECT_EQ(t.size(), element_count("test", shape));
      EXPECT_TRUE(t.is_contiguous());
      EXPECT_EQ(dims(t.strides()), dims(contiguous_strides(shape)));
      EXPECT_EQ(t.device(), test_device());
      EXPECT_FALSE(t.requires_grad());
      EXPECT_FALSE(t.read_only());
      EXPECT_EQ(t.version(), 0u);
      EXPECT_EQ(zeros_like(t).dtype(), d);
      EXPECT_EQ(dims(empty_like(t).shape()), dims(shape));
      for (const Complex128& c : complex_values(t)) EXPECT_TRUE(c.real == 1 && c.imag == 0);
      for (const Complex128& c : complex_values(zeros_like(t)))
        EXPECT_TRUE(c.real == 0 && c.imag == 0);
    }
  }
}

TEST(Create, SizesAroundTheEmbeddedLimit) {
  for (int64_t n : {1, 63, 64, 127, 128, 129, 130, 1000, 100000}) {
    const Tensor t = counting({n}, DType::float32);
    const std::vector<double> v = values(t);
    for (int64_t i = 0; i < n; ++i) ASSERT_EQ(v[static_cast<size_t>(i)], static_cast<double>(i));
  }
}

TEST(Create, FullTakesTheDtypeOfTheNumberUnlessToldOtherwise) {
  const Device d = test_device();
  EXPECT_EQ(full({2}, 3, DType::none, d).dtype(), DType::int64);
  EXPECT_EQ(full({2}, 0.5, DType::none, d).dtype(), DType::float32);
  EXPECT_EQ(full({2}, true, DType::none, d).dtype(), DType::bool_);
  // Floats become integers as the ABI's cast does: to zero, saturating, NaN to 0.
  expect_values(full({1}, 3.9, DType::int8, d), {3});
  expect_values(full({1}, -3.9, DType::int8, d), {-3});
  expect_values(full({1}, 1e9, DType::int8, d), {127});
  expect_values(full({1}, -1e9, DType::uint8, d), {0});
  expect_values(full({1}, kNaN, DType::int32, d), {0});
  EXPECT_EQ(full({}, kInfinity, DType::int64, d).item<int64_t>(), INT64_MAX);
  EXPECT_EQ(full({}, -kInfinity, DType::int64, d).item<int64_t>(), INT64_MIN);
  EXPECT_EQ(full({}, INT64_MIN, DType::int64, d).item<int64_t>(), INT64_MIN);
  expect_values(full({1}, UINT64_MAX, DType::float64, d), {18446744073709551616.0});
  expect_values(full({1}, 1e300, DType::float32, d), {kInfinity});
  expect_values(full({1}, 65520.0, DType::float16, d), {kInfinity});
  expect_values(full({1}, 0.1, DType::bfloat16, d), {0.10009765625});
  EXPECT_TRUE(std::isnan(full({}, kNaN, DType::float16, d).item()));
  expect_values(full({2}, kNaN, DType::bool_, d), {1, 1});
}

TEST(Create, FromNumbers) {
  const Device d = test_device();
  expect_values(tensor({1.5f, -2.0f}, d), {1.5, -2});
  const Tensor m = tensor({{1, 2, 3}, {4, 5, 6}}, d);
  EXPECT_EQ(m.dtype(), DType::int32);
  EXPECT_EQ(dims(m.shape()), (std::vector<int64_t>{2, 3}));
  expect_values(m, {1, 2, 3, 4, 5, 6});
  EXPECT_EQ(tensor(true, d).item<bool>(), true);
  EXPECT_EQ(tensor(2.5, d).ndim(), 0);
  EXPECT_TRUE(has(error_of(ErrorCode::kShape,
                           [&] {
                             tensor({{1, 2}, {3}}, d);
                           }),
                  "rows of 2 and 1 elements"));
  const std::vector<float> five(5);
  EXPECT_TRUE(has(error_of(ErrorCode::kShape,
                           [&] {
                             tensor(std::span<const float>(five), {2, 3}, d);
                           }),
                  "5 values do not fill shape [2, 3]"));
}

TEST(Create, RefusesImpossibleShapes) {
  const int64_t big = int64_t{1} << 62;
  error_of(ErrorCode::kShape, [] { empty({2, -1}, DType::float32, test_device()); });
  error_of(ErrorCode::kShape, [&] { empty({big, 4}, DType::float32, test_device()); });
  EXPECT_TRUE(
      has(error_of(ErrorCode::kOutOfMemory, [&] { empty({big}, DType::float32, test_device()); }),
          "exceeds 2^63 bytes"));
  EXPECT_TRUE(has(error_of(ErrorCode::kOutOfMemory,
                           [] { empty({int64_t{1} << 55}, DType::uint8, test_device()); }),
                  "memory"));
  const std::vector<int64_t> long_shape(65, 1);
  EXPECT_TRUE(
      has(error_of(ErrorCode::kShape, [&] { empty(long_shape, DType::float32, test_device()); }),
          "at most 64 dimensions, not 65"));
  EXPECT_EQ(empty({big, 0, big}, DType::float32, test_device()).size(), 0);
}

TEST(Arange, HasPythonsElements) {
  const Device d = test_device();
  for (int start = -4; start <= 4; ++start) {
    for (int stop = -4; stop <= 4; ++stop) {
      for (int step : {-3, -2, -1, 1, 2, 3}) {
        std::vector<double> expected;
        for (int i = start; step > 0 ? i < stop : i > stop; i += step) expected.push_back(i);
        const Tensor t = arange(start, stop, step, DType::none, d);
        EXPECT_EQ(t.dtype(), DType::int64);
        expect_values(t, expected);
        expect_values(arange(static_cast<double>(start), stop, step, DType::none, d), expected);
      }
    }
  }
  EXPECT_EQ(arange(0, 1, 0.25, DType::none, d).dtype(), DType::float32);
  // Each element is start + i * step, rounded once: no sum drifts away.
  const Tensor tenths = arange(0.0, 100.0, 0.1, DType::float64, d);
  const std::vector<double> v = values(tenths);
  ASSERT_EQ(v.size(), 1000u);
  for (size_t i = 0; i < v.size(); ++i) EXPECT_EQ(v[i], 0.0 + static_cast<double>(i) * 0.1);
  expect_values(arange(0, 5, 2, DType::float16, d), {0, 2, 4});
  expect_values(arange(250, 260, 3, DType::uint8, d),
                {250, 253, 0, 3});  // wraps, as a cast of an integer does
}

TEST(Arange, Extremes) {
  const Device d = test_device();
  EXPECT_EQ(arange(INT64_MAX - 2, INT64_MAX, 1, DType::none, d)[1].item<int64_t>(), INT64_MAX - 1);
  EXPECT_EQ(arange(INT64_MIN, INT64_MIN + 3, 2, DType::none, d)[1].item<int64_t>(), INT64_MIN + 2);
  const Tensor far = arange(INT64_MIN, INT64_MAX, INT64_MAX, DType::none, d);
  ASSERT_EQ(far.size(), 3);
  EXPECT_EQ(far[2].item<int64_t>(), INT64_MAX - 1);
  const Tensor back = arange(INT64_MAX, INT64_MIN, INT64_MIN, DType::none, d);
  ASSERT_EQ(back.size(), 2);
  EXPECT_EQ(back[1].item<int64_t>(), -1);
  EXPECT_EQ(arange(INT64_MAX, INT64_MIN, 1, DType::none, d).size(), 0);
  error_of(ErrorCode::kInvalidArgument, [&] { arange(0, 5, 0, DType::none, d); });
  error_of(ErrorCode::kInvalidArgument, [&] { arange(0, 5, 0.0, DType::none, d); });
  error_of(ErrorCode::kInvalidArgument, [&] { arange(0, kNaN, 1, DType::none, d); });
  error_of(ErrorCode::kInvalidArgument, [&] { arange(0, kInfinity, 1, DType::none, d); });
  error_of(ErrorCode::kInvalidArgument, [&] { arange(0, 1, 1e-300, DType::none, d); });
  EXPECT_THROW(arange(INT64_MIN, INT64_MAX, 1, DType::none, d), Error);
  EXPECT_EQ(arange(0.0, -kInfinity, 1, DType::none, d).size(), 0);
  // An unsigned number is not a negative one.
  EXPECT_EQ(arange(UINT64_MAX, 3, 1, DType::none, d).size(), 0);
  EXPECT_THROW(arange(0, UINT64_MAX, 1, DType::none, d), Error);
  const Tensor high = arange(UINT64_MAX - 5, UINT64_MAX, 2, DType::uint64, d);
  ASSERT_EQ(high.size(), 3);
  EXPECT_EQ(high.cpu().data<uint64_t>()[2], UINT64_MAX - 1);
  EXPECT_EQ(arange(0, UINT64_MAX, INT64_MAX, DType::uint64, d).size(), 3);
  error_of(ErrorCode::kDType,
           [&] { arange(uint64_t{1} << 63, (uint64_t{1} << 63) + 3, 1, DType::none, d); });
}

TEST(Arange, RefusesComplex) {
  EXPECT_THROW(arange(0, 3, 1, DType::complex64, test_device()), Error);
}

TEST(Item, ConvertsExactlyOrRefuses) {
  const Device d = test_device();
  EXPECT_EQ(tensor(7, d).item<int64_t>(), 7);
  EXPECT_EQ(tensor(7, d).item<double>(), 7.0);
  EXPECT_EQ(tensor(7.0, d).item<int32_t>(), 7);
  EXPECT_EQ(tensor(0.1f, d).item(), static_cast<double>(0.1f));
  EXPECT_EQ(tensor(true, d).item<int64_t>(), 1);
  EXPECT_EQ(tensor(1, d).item<bool>(), true);
  EXPECT_EQ(tensor(INT64_MIN, d).item<int64_t>(), INT64_MIN);
  EXPECT_EQ(full({1, 1, 1}, -2.5, DType::float16, d).item<float>(), -2.5f);
  EXPECT_EQ(tensor(-0x1p63, d).item<int64_t>(), INT64_MIN);
  EXPECT_TRUE(std::signbit(tensor(-0.0, d).item()));

  error_of(ErrorCode::kDType, [&] { (void)tensor(7.5, d).item<int64_t>(); });
  error_of(ErrorCode::kDType, [&] { (void)tensor(kNaN, d).item<int64_t>(); });
  error_of(ErrorCode::kDType, [&] { (void)tensor(kInfinity, d).item<int32_t>(); });
  error_of(ErrorCode::kDType, [&] { (void)tensor(300, d).item<uint8_t>(); });
  error_of(ErrorCode::kDType, [&] { (void)tensor(-1, d).item<uint8_t>(); });
  error_of(ErrorCode::kDType, [&] { (void)tensor(2, d).item<bool>(); });
  error_of(ErrorCode::kDType, [&] { (void)tensor(UINT64_MAX, d).item<int64_t>(); });
  error_of(ErrorCode::kDType, [&] { (void)tensor(INT64_MAX, d).item<int32_t>(); });
  error_of(ErrorCode::kDType, [&] { (void)tensor(0x1p63, d).item<int64_t>(); });
  EXPECT_TRUE(has(error_of(ErrorCode::kShape,
                           [&] {
                             (void)zeros({2, 3}, DType::float32, d).item();
                           }),
                  "6 elements"));
  error_of(ErrorCode::kShape, [&] { (void)zeros({0}, DType::float32, d).item(); });
  error_of(ErrorCode::kInvalidArgument, [] { (void)Tensor().item(); });
}

TEST(Item, ReadsWhereTheViewPoints) {
  const Tensor t = counting({3, 4}, DType::int32);
  EXPECT_EQ(t.at({1, 2}).item<int32_t>(), 6);
  EXPECT_EQ(flip(t).at({0, 0}).item<int32_t>(), 11);
  EXPECT_EQ(t.transpose().at({2, 1}).item<int32_t>(), 6);
}

TEST(Complex, StoresFillsAndCasts) {
  const Device d = test_device();
  const std::vector<Complex64> numbers{{1, 2}, {3, -4}, {0, 5}, {6, 0}, {-7, 8}, {9, 10}};
  const Tensor z = tensor(std::span<const Complex64>(numbers), {2, 3}, d);
  const auto check = [](const Tensor& t, const std::vector<Complex64>& expected) {
    const std::vector<Complex128> got = complex_values(t);
    ASSERT_EQ(got.size(), expected.size());
    for (size_t i = 0; i < got.size(); ++i) {
      EXPECT_EQ(got[i].real, expected[i].real) << i;
      EXPECT_EQ(got[i].imag, expected[i].imag) << i;
    }
  };
  check(z, numbers);
  check(z.clone(), numbers);
  check(z.to(DType::complex128), numbers);
  const std::vector<Complex64> swapped{{1, 2}, {6, 0}, {3, -4}, {-7, 8}, {0, 5}, {9, 10}};
  check(z.transpose().contiguous(), swapped);
  check(z.transpose().clone(), swapped);
  check(z.transpose().to(DType::complex128).contiguous(), swapped);
  check(flip(z).contiguous(), {{9, 10}, {-7, 8}, {6, 0}, {0, 5}, {3, -4}, {1, 2}});
  check(z.at({Slice{}, Slice{.start = 1}}).reshape({4}), {{3, -4}, {0, 5}, {-7, 8}, {9, 10}});
  check(full({2}, 2.5, DType::complex64, d), {{2.5, 0}, {2.5, 0}});
  check(tensor({1, 2}, d).to(DType::complex64), {{1, 0}, {2, 0}});

  Tensor w = z.clone();
  w.transpose().copy_(tensor({{1.0f, 2.0f}, {3.0f, 4.0f}, {5.0f, 6.0f}}, d));
  check(w, {{1, 0}, {3, 0}, {5, 0}, {2, 0}, {4, 0}, {6, 0}});
  w.at({0}).fill_(7);
  check(w, {{7, 0}, {7, 0}, {7, 0}, {2, 0}, {4, 0}, {6, 0}});
  w.copy_(z.at({1}));
  check(w, {{6, 0}, {-7, 8}, {9, 10}, {6, 0}, {-7, 8}, {9, 10}});

  EXPECT_EQ(z.at({0, 1}).item<Complex64>().imag, -4);
  EXPECT_EQ(z.at({1, 0}).item(), 6);
  EXPECT_EQ(tensor(2.5, d).item<Complex128>().real, 2.5);
  error_of(ErrorCode::kDType, [&] { (void)z.at({0, 0}).item(); });
  EXPECT_TRUE(has(error_of(ErrorCode::kDType, [&] { z.to(DType::float32); }), "imaginary"));
  error_of(ErrorCode::kDType, [&] { zeros({2, 3}, DType::float32, d).copy_(z); });
  check(z + z, {{2, 4}, {6, -8}, {0, 10}, {12, 0}, {-14, 16}, {18, 20}});
  error_of(ErrorCode::kDType, [&] { z.clone().requires_grad_(); });
}

}  // namespace
}  // namespace tenon
