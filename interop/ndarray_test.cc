// Layouts, checks and copies of host arrays, against values written out by hand.
#include "tenon/interop/ndarray.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "tenon/interop/crafted_files.h"

namespace tenon::interop {
namespace {

using crafted::error_of;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

NdArray view_of(const NdArray& base, int64_t offset, Dims shape, Dims strides,
                bool swapped = false) {
  return NdArray::over({.data = const_cast<std::byte*>(base.data()) + offset,
                        .owner = base.owner(),
                        .dtype = base.dtype(),
                        .shape = std::move(shape),
                        .byte_strides = std::move(strides),
                        .byte_swapped = swapped});
}

TEST(NdArray, OwnedMemoryIsAlignedAndInCOrder) {
  const NdArray a = NdArray::zeros(DType::int16, {2, 3, 4});
  EXPECT_EQ(a.byte_strides(), (Dims{24, 8, 2}));
  EXPECT_EQ(reinterpret_cast<uintptr_t>(a.data()) % 64, 0u);
  EXPECT_EQ(a.size(), 24);
  EXPECT_EQ(a.nbytes(), 48);
  EXPECT_TRUE(a.is_c_contiguous());
  EXPECT_FALSE(a.is_f_contiguous());
  EXPECT_FALSE(a.read_only());
  for (int16_t v : a.values<int16_t>()) EXPECT_EQ(v, 0);
}

TEST(NdArray, CopiesShareAndCopyDoesNot) {
  NdArray a = NdArray::from_vector<float>({2}, {1, 2});
  NdArray same = a, other = a.copy();
  a.set<float>({-1}, 7);
  EXPECT_EQ(same.at<float>({1}), 7);
  EXPECT_EQ(other.at<float>({1}), 2);
  EXPECT_EQ(a.contiguous().data(), a.data());
}

TEST(NdArray, OwnerLivesAsLongAsAnyView) {
  auto owner = std::make_shared<std::vector<int32_t>>(4, 5);
  std::weak_ptr<std::vector<int32_t>> watch = owner;
  NdArray a =
      NdArray::over({.data = owner->data(), .owner = owner, .dtype = DType::int32, .shape = {4}});
  owner.reset();
  NdArray b = a;
  a = NdArray();
  EXPECT_EQ(b.at<int32_t>({3}), 5);
  b = NdArray();
  EXPECT_TRUE(watch.expired());
}

TEST(NdArray, AnyStrides) {
  std::vector<int32_t> v(24);
  std::iota(v.begin(), v.end(), 0);
  const NdArray a = NdArray::from_vector<int32_t>({2, 3, 4}, v);
  // a.transpose(2, 0, 1)[::-1, :, ::2], by NumPy: shape (4, 2, 2).
  const NdArray t = view_of(a, 12, {4, 2, 2}, {-4, 48, 32});
  EXPECT_EQ(t.extent().low, -12);
  EXPECT_EQ(t.extent().high, 48 + 32 + 4);
  EXPECT_THAT(t.copy().values<int32_t>(),
              ElementsAre(3, 11, 15, 23, 2, 10, 14, 22, 1, 9, 13, 21, 0, 8, 12, 20));
  EXPECT_EQ(t.at<int32_t>({3, 1, 0}), 12);
  // np.broadcast_to(a[0, 0], (2, 4)): stride 0.
  EXPECT_THAT(view_of(a, 0, {2, 4}, {0, 4}).copy().values<int32_t>(),
              ElementsAre(0, 1, 2, 3, 0, 1, 2, 3));
  // a.T: Fortran order.
  const NdArray f = view_of(a, 0, {4, 3, 2}, {4, 16, 48});
  EXPECT_TRUE(f.is_f_contiguous());
  EXPECT_FALSE(f.is_c_contiguous());
  EXPECT_TRUE(f.is_aligned());
}

TEST(NdArray, AxesOfLengthOneHaveAnyStride) {
  const NdArray a = NdArray::zeros(DType::float64, {2, 1, 3});
  EXPECT_TRUE(view_of(a, 0, {2, 1, 3}, {24, -7, 8}).is_c_contiguous());
  EXPECT_TRUE(view_of(a, 0, {2, 1, 3}, {24, -7, 8}).is_aligned());
  EXPECT_TRUE(view_of(a, 0, {0, 5}, {3, 1}).is_c_contiguous());
  EXPECT_TRUE(view_of(a, 0, {0, 5}, {3, 1}).is_f_contiguous());
}

TEST(NdArray, PackedRecordsHaveOddStrides) {  // a field of NumPy's packed struct {u1, <f4}
  std::vector<uint8_t> bytes = {9, 0, 0, 0x80, 0x3f, 9, 0, 0, 0, 0x40};
  const NdArray a = NdArray::over(
      {.data = bytes.data() + 1, .dtype = DType::float32, .shape = {2}, .byte_strides = {5}});
  EXPECT_FALSE(a.is_aligned());
  EXPECT_FALSE(a.has_element_strides());
  EXPECT_EQ(a.at<float>({1}), 2);
  EXPECT_THAT(a.contiguous().values<float>(), ElementsAre(1, 2));
}

TEST(NdArray, ForeignByteOrder) {
  const NdArray a = NdArray::from_vector<uint16_t>({2}, {0x0102, 0x0304});
  NdArray swapped = view_of(a, 0, {2}, {2}, true);
  EXPECT_EQ(swapped.at<uint16_t>({0}), 0x0201);
  EXPECT_THAT(swapped.contiguous().values<uint16_t>(), ElementsAre(0x0201, 0x0403));
  swapped.set<uint16_t>({1}, 0x0506);
  EXPECT_EQ(a.at<uint16_t>({1}), 0x0605);
  EXPECT_FALSE(view_of(NdArray::zeros(DType::int8, {1}), 0, {1}, {1}, true).byte_swapped());
}

TEST(NdArray, Bools) {
  EXPECT_THAT(NdArray::from_vector<bool>({3}, {true, false, true}).values<bool>(),
              ElementsAre(true, false, true));
  uint8_t foreign[] = {0, 2};
  const NdArray a = NdArray::over({.data = foreign, .dtype = DType::bool_, .shape = {2}});
  EXPECT_TRUE(a.at<bool>({1}));
}

TEST(NdArray, Refusals) {
  NdArray a = NdArray::from_vector<float>({2, 3}, {1, 2, 3, 4, 5, 6});
  EXPECT_THAT(error_of([&] {
                a.at<double>({0, 0});
              }),
              HasSubstr("holds float32, asked for float64"));
  EXPECT_THAT(error_of([&] { a.at<float>({0}); }),
              HasSubstr("array is 2-dimensional, but 1 were indexed"));
  EXPECT_THAT(error_of([&] {
                a.at<float>({2, 0});
              }),
              HasSubstr("index 2 is out of bounds for axis 0 with size 2"));
  EXPECT_THAT(error_of([&] {
                a.at<float>({0, -4});
              }),
              HasSubstr("index -4 is out of bounds for axis 1"));
  EXPECT_THAT(error_of([&] {
                (void)view_of(a, 0, {3, 2}, {4, 12}).values<float>();
              }),
              HasSubstr("contiguous() first"));
  NdArray frozen = NdArray::over({.data = a.mutable_data(),
                                  .owner = a.owner(),
                                  .dtype = a.dtype(),
                                  .shape = a.shape(),
                                  .read_only = true});
  EXPECT_THAT(error_of([&] { frozen.mutable_data(); }), HasSubstr("read-only"));
  EXPECT_THAT(error_of([&] { frozen.mutable_values<float>(); }), HasSubstr("read-only"));
  EXPECT_FALSE(frozen.copy().read_only());
  EXPECT_THAT(error_of([&] {
                NdArray::zeros(DType::int8, {2, -1});
              }),
              HasSubstr("negative dimensions"));
  EXPECT_THAT(error_of([&] {
                NdArray::zeros(DType::int8, {1LL << 40, 1LL << 40});
              }),
              HasSubstr("array is too big"));
  EXPECT_THAT(error_of([&] { NdArray::zeros(DType::none, {1}); }), HasSubstr("needs a dtype"));
  EXPECT_THAT(error_of([&] {
                NdArray::from_vector<float>({2, 2}, {1});
              }),
              HasSubstr("invalid for input of size 1"));
  EXPECT_THAT(error_of([&] { NdArray::over({.dtype = DType::int8, .shape = {1}}); }),
              HasSubstr("null memory"));
  EXPECT_THAT(error_of([&] {
                view_of(a, 0, {2}, {4, 4});
              }),
              HasSubstr("needs 1 byte strides, got 2"));
  EXPECT_THAT(error_of([&] { view_of(a, 0, {3}, {INT64_MAX}); }), HasSubstr("beyond any memory"));
  EXPECT_THAT(error_of([&] { view_of(a, 0, {2}, {INT64_MAX}); }), HasSubstr("beyond any memory"));
}

}  // namespace
}  // namespace tenon::interop
