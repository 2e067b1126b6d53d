// Shared or copied, shown by writing through one side; and every refusal with its way out.
#include "tenon/interop/doors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tenon/interop/crafted_files.h"

namespace tenon {
namespace {

using interop::NdArray;
using interop::Report;
using interop::crafted::error_of;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

NdArray six() { return NdArray::from_vector<float>({2, 3}, {1, 2, 3, 4, 5, 6}); }
NdArray view_of(const NdArray& base, int64_t offset, Dims shape, Dims strides) {
  return NdArray::over({.data = const_cast<std::byte*>(base.data()) + offset,
                        .owner = base.owner(),
                        .dtype = base.dtype(),
                        .shape = std::move(shape),
                        .byte_strides = std::move(strides)});
}
std::vector<float> floats(const Tensor& t) {
  const NdArray a = to_numpy(t, /*force=*/true).contiguous();
  return {a.values<float>().begin(), a.values<float>().end()};
}
// The reversed, byte-swapped, odd-strided and read-only spellings of {1, 2}.
NdArray big_endian_array() {
  static uint8_t bytes[] = {0x3f, 0x80, 0, 0, 0x40, 0, 0, 0};
  return NdArray::over(
      {.data = bytes, .dtype = DType::float32, .shape = {2}, .byte_swapped = true});
}
NdArray odd_strided() {
  static uint8_t bytes[] = {0, 0, 0x80, 0x3f, 9, 0, 0, 0, 0x40};
  return NdArray::over({.data = bytes, .dtype = DType::float32, .shape = {2}, .byte_strides = {5}});
}

TEST(TensorDoor, AlwaysCopiesEveryLayout) {
  NdArray a = six();
  Report report;
  const Tensor t = tensor(a, {}, &report);
  a.set<float>({0, 0}, 9);
  EXPECT_THAT(floats(t), ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_FALSE(report.shared);
  EXPECT_EQ(report.bytes, 24);
  EXPECT_EQ(report.text(),
            "copied 24 bytes: tensor() always copies (float32 on cpu -> float32 on cpu)");
  EXPECT_THAT(floats(tensor(view_of(six(), 20, {2, 3}, {-12, -4}))), ElementsAre(6, 5, 4, 3, 2, 1));
  EXPECT_TRUE(tensor(view_of(six(), 0, {3, 2}, {4, 12})).is_contiguous());
  EXPECT_THAT(floats(tensor(big_endian_array())), ElementsAre(1, 2));
  EXPECT_THAT(floats(tensor(odd_strided())), ElementsAre(1, 2));
  EXPECT_TRUE(tensor(six(), {.requires_grad = true}).requires_grad());
  EXPECT_EQ(tensor(NdArray::zeros(DType::complex128, {0, 3})).dtype(), DType::complex128);
}

TEST(TensorDoor, DtypeIsCheckedBeforeItChanges) {
  const NdArray wide = NdArray::from_vector<int64_t>({2}, {-1, 300});
  EXPECT_THAT(floats(tensor(wide, {.dtype = DType::float32})), ElementsAre(-1, 300));
  EXPECT_EQ(tensor(wide, {.dtype = DType::int16}).dtype(), DType::int16);
  EXPECT_THAT(error_of([&] { tensor(wide, {.dtype = DType::uint8}); }),
              HasSubstr("value cannot be converted to type uint8 without overflow: -1"));
  EXPECT_THAT(error_of([&] { tensor(wide, {.dtype = DType::int8}); }), HasSubstr("overflow: 300"));
  EXPECT_THAT(error_of([&] { tensor(wide, {.dtype = DType::bool_}); }),
              HasSubstr("without overflow"));
  const NdArray large = NdArray::from_vector<uint64_t>({1}, {UINT64_MAX});
  EXPECT_THAT(error_of([&] { tensor(large, {.dtype = DType::int64}); }),
              HasSubstr("overflow: 18446744073709551615"));
  EXPECT_THAT(error_of([&] { tensor(six(), {.dtype = DType::int32}); }),
              HasSubstr("convert with astype()"));
  EXPECT_THAT(
      error_of([&] { tensor(NdArray::zeros(DType::complex64, {1}), {.dtype = DType::float32}); }),
      HasSubstr("imaginary part"));
}

TEST(TensorDoor, StacksArrays) {
  const NdArray arrays[] = {six(), view_of(six(), 20, {2, 3}, {-12, -4})};
  const Tensor t = tensor(arrays);
  EXPECT_EQ(Dims(t.shape()), (Dims{2, 2, 3}));
  EXPECT_THAT(floats(t), ElementsAre(1, 2, 3, 4, 5, 6, 6, 5, 4, 3, 2, 1));
  EXPECT_EQ(tensor(std::span<const NdArray>()).dtype(), DType::float32);
  const NdArray ragged[] = {six(), NdArray::zeros(DType::float32, {3})};
  EXPECT_THAT(error_of([&] { tensor(ragged); }), HasSubstr("number 1 is [3], the first is [2, 3]"));
  const NdArray mixed[] = {six(), NdArray::zeros(DType::float64, {2, 3})};
  EXPECT_THAT(error_of([&] { tensor(mixed); }), HasSubstr("convert them to one dtype"));
}

TEST(FromNumpy, SharesBothWays) {
  NdArray a = six();
  Report report;
  Tensor t = from_numpy(a, &report);
  a.set<float>({0, 1}, 20);
  EXPECT_EQ(t.at({0, 1}).item<float>(), 20);
  t.fill_(7);
  EXPECT_EQ(a.at<float>({1, 2}), 7);
  EXPECT_TRUE(report.shared);
  EXPECT_EQ(report.dtype_after, DType::float32);
}

TEST(FromNumpy, SharesReversedZeroAndGappedStrides) {
  const NdArray a = six();
  Tensor reversed = from_numpy(view_of(a, 20, {2, 3}, {-12, -4}));
  EXPECT_EQ(Dims(reversed.strides()), (Dims{-3, -1}));
  EXPECT_THAT(floats(reversed), ElementsAre(6, 5, 4, 3, 2, 1));
  EXPECT_THAT(floats(from_numpy(view_of(a, 4, {2, 2}, {12, 4}))), ElementsAre(2, 3, 5, 6));
  EXPECT_THAT(floats(from_numpy(view_of(a, 0, {2, 3}, {0, 4}))), ElementsAre(1, 2, 3, 1, 2, 3));
}

TEST(FromNumpy, MemoryLivesAsLongAsAnyView) {
  auto owner = std::make_shared<std::vector<float>>(4, 5.0f);
  std::weak_ptr<std::vector<float>> watch = owner;
  Tensor view;
  {
    const Tensor t = from_numpy(NdArray::over(
        {.data = owner->data(), .owner = owner, .dtype = DType::float32, .shape = {4}}));
    view = t.at({Slice{.step = -1}});
  }
  owner.reset();
  EXPECT_THAT(floats(view), ElementsAre(5, 5, 5, 5));
  view = Tensor();
  EXPECT_TRUE(watch.expired());
}

TEST(FromNumpy, ReadOnlyStaysReadOnly) {
  const NdArray a = six();
  const NdArray frozen = NdArray::over({.data = const_cast<std::byte*>(a.data()),
                                        .owner = a.owner(),
                                        .dtype = a.dtype(),
                                        .shape = a.shape(),
                                        .read_only = true});
  Tensor t = from_numpy(frozen);
  EXPECT_TRUE(t.read_only());
  EXPECT_NE(error_of([&] { t.fill_(0); }), "");
  EXPECT_EQ(a.at<float>({0, 0}), 1);
  EXPECT_TRUE(to_numpy(t).read_only());
  EXPECT_FALSE(to_numpy(t.clone()).read_only());
  EXPECT_FALSE(tensor(frozen).read_only());
  EXPECT_TRUE(as_tensor(frozen).read_only());
}

TEST(FromNumpy, Refusals) {
  EXPECT_THAT(
      error_of([] { from_numpy(big_endian_array()); }),
      HasSubstr(
          "given numpy array has byte order different from the native byte order (float32[2])"));
  EXPECT_THAT(error_of([] { from_numpy(odd_strided()); }),
              HasSubstr("given numpy array strides not a multiple of the element byte size"));
  alignas(8) static std::byte bytes[12] = {};
  const NdArray misaligned =
      NdArray::over({.data = bytes + 1, .dtype = DType::float64, .shape = {1}});
  EXPECT_THAT(error_of([&] { from_numpy(misaligned); }), HasSubstr("not aligned"));
  EXPECT_THAT(error_of([&] { from_numpy(misaligned); }), HasSubstr("use tensor() or as_tensor()"));
  EXPECT_THAT(error_of([] { from_numpy(NdArray()); }), HasSubstr("undefined"));
}

TEST(AsTensor, SharesWhereItCanAndSaysWhyNot) {
  NdArray a = six();
  Report report;
  Tensor t = as_tensor(a, {}, &report);
  EXPECT_TRUE(report.shared);
  a.set<float>({0, 0}, 8);
  EXPECT_EQ(t.at({0, 0}).item<float>(), 8);
  t = as_tensor(a, {.dtype = DType::float64}, &report);
  EXPECT_FALSE(report.shared);
  EXPECT_EQ(report.why, "the dtype changes");
  EXPECT_EQ(report.bytes, 48);
  as_tensor(a, {.copy = true}, &report);
  EXPECT_EQ(report.why, "copy = true asked for it");
  EXPECT_THAT(floats(as_tensor(big_endian_array(), {}, &report)), ElementsAre(1, 2));
  EXPECT_THAT(report.why, HasSubstr("byte order"));
  EXPECT_TRUE(as_tensor(a, {.copy = false}).defined());
  EXPECT_THAT(error_of([&] { as_tensor(a, {.dtype = DType::float64, .copy = false}); }),
              HasSubstr("without a copy: the dtype changes. Leave copy unset"));
}

TEST(AsTensor, OfATensorKeepsTheGraph) {
  const Tensor x = tensor(six(), {.requires_grad = true});
  Report report;
  EXPECT_EQ(as_tensor(x, {}, &report).impl(), x.impl());
  EXPECT_TRUE(report.shared);
  EXPECT_TRUE(as_tensor(x, {.dtype = DType::float64}, &report).requires_grad());
  EXPECT_FALSE(report.shared);
  EXPECT_FALSE(as_tensor(x, {.copy = true}).shares_storage_with(x));
  EXPECT_THAT(error_of([&] { as_tensor(x, {.dtype = DType::float64, .copy = false}); }),
              HasSubstr("can't alias tensor with dtype 'float32' on cpu into dtype 'float64'"));
}

TEST(ToNumpy, SharesAndOutlivesTheTensor) {
  NdArray a;
  {
    Tensor t = tensor({1.0f, 2.0f, 3.0f});
    Report report;
    a = to_numpy(t, false, &report);
    EXPECT_TRUE(report.shared);
    t.fill_(4);
    EXPECT_EQ(a.at<float>({2}), 4);
    a.set<float>({0}, 6);
    EXPECT_EQ(t.at({0}).item<float>(), 6);
    EXPECT_EQ(to_numpy(t.at({Slice{.step = -2}})).byte_strides(), (Dims{-8}));
  }
  EXPECT_EQ(a.at<float>({0}), 6);
  EXPECT_EQ(to_numpy(zeros(Dims{0, 2})).shape(), (Dims{0, 2}));
}

TEST(ToNumpy, OneMessageForAllObstacles) {
  const Tensor x = tensor(six(), {.requires_grad = true});
  EXPECT_THAT(error_of([&] { to_numpy(x); }),
              HasSubstr("Can't call numpy() on Tensor that requires grad. Use "
                        "to_numpy(t.detach()), or force = true"));
  Report report;
  EXPECT_EQ(to_numpy(x, true, &report).at<float>({1, 2}), 6);
  EXPECT_TRUE(report.shared);
}

TEST(Doors, RoundTripOfEveryDtype) {
  for (int i = 1; i < kDTypeCount; ++i) {
    const DType d = static_cast<DType>(i);
    NdArray a = NdArray::zeros(d, {3, 2});
    for (int64_t b = 0; b < a.nbytes(); ++b)
      a.mutable_data()[b] = std::byte(d == DType::bool_ ? b % 2 : 7 * b + 1);
    for (const Tensor& t : {tensor(a), as_tensor(a), from_numpy(a)}) {
      const NdArray back = to_numpy(t);
      EXPECT_EQ(back.dtype(), d);
      EXPECT_EQ(std::memcmp(back.data(), a.data(), static_cast<size_t>(a.nbytes())), 0)
          << dtype_name(d);
    }
  }
}

}  // namespace
}  // namespace tenon
