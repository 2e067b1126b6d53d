// Structs made by hand go in, exported ones are read field by field; shared or copied is shown by
// writing through; every refusal leaves the producer's struct alone.
#include "tenon/interop/dlpack.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <vector>

#include "tenon/interop/crafted_files.h"
#include "tenon/interop/doors.h"
#include "tenon/ops/views.h"

namespace tenon {
namespace {

using dlpack::DLDataType;
using dlpack::DLDevice;
using dlpack::DLDeviceType;
using dlpack::DLManagedTensor;
using dlpack::DLManagedTensorVersioned;
using dlpack::DLTensor;
using dlpack::kDLCPU;
using dlpack::kDLCUDA;
using dlpack::kDLCUDAHost;
using dlpack::kDLFloat;
using dlpack::kDLFloat8_e4m3fn;
using dlpack::kDLFloat8_e5m2;
using dlpack::kDLFloat8_e5m2fnuz;
using dlpack::kDLInt;
using dlpack::kDLMetal;
using dlpack::kDLROCMHost;
using dlpack::kIsCopied;
using dlpack::kReadOnly;
using interop::Report;
using interop::crafted::error_of;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A producer of either struct, which counts how often it was released. The test may change any
// field before the import.
template <class Managed>
struct Producer {
  std::vector<float> data{0, 1, 2, 3, 4, 5};
  std::vector<int64_t> shape{2, 3}, strides{3, 1};
  int released = 0;
  Managed managed{};

  Producer() {
    DLTensor& t = managed.dl_tensor;
    t.data = data.data();
    t.device = {kDLCPU, 0};
    t.ndim = 2;
    t.dtype = {kDLFloat, 32, 1};
    t.shape = shape.data();
    t.strides = strides.data();
    managed.manager_ctx = this;
    managed.deleter = [](Managed* m) { ++static_cast<Producer*>(m->manager_ctx)->released; };
    if constexpr (std::is_same_v<Managed, DLManagedTensorVersioned>) managed.version = {1, 3};
  }
};
using Versioned = Producer<DLManagedTensorVersioned>;
using Unversioned = Producer<DLManagedTensor>;

std::vector<float> floats(const Tensor& t) {
  const interop::NdArray a = to_numpy(t, /*force=*/true).contiguous();
  return {a.values<float>().begin(), a.values<float>().end()};
}

TEST(FromDlpack, SharesAndReleasesOnceWithTheLastView) {
  Versioned v;
  Report report;
  {
    Tensor t = from_dlpack(&v.managed, {}, &report);
    const Tensor row = t.at({1});
    EXPECT_EQ(t.text(), "tensor([[0., 1., 2.],\n        [3., 4., 5.]])");
    t = Tensor();
    EXPECT_EQ(v.released, 0);
    v.data[4] = 40;
    EXPECT_THAT(floats(row), ElementsAre(3, 40, 5));
  }
  EXPECT_EQ(v.released, 1);
  EXPECT_EQ(report.text(),
            "shared 24 bytes: dtype, device and layout allow it (float32 on cpu -> float32 on "
            "cpu)");
  Unversioned u;
  { EXPECT_THAT(floats(from_dlpack(&u.managed)), ElementsAre(0, 1, 2, 3, 4, 5)); }
  EXPECT_EQ(u.released, 1);
  Versioned immortal;
  immortal.managed.deleter = nullptr;
  { EXPECT_EQ(from_dlpack(&immortal.managed).size(), 6); }
}

TEST(FromDlpack, EveryLayout) {
  const auto given = [](std::vector<int64_t> shape, std::vector<int64_t> strides, int64_t first) {
    Versioned v;
    v.shape = std::move(shape);
    v.strides = std::move(strides);
    v.managed.dl_tensor.shape = v.shape.data();
    v.managed.dl_tensor.strides = v.strides.data();
    v.managed.dl_tensor.ndim = static_cast<int32_t>(v.shape.size());
    v.managed.dl_tensor.byte_offset = static_cast<uint64_t>(first) * 4;
    Report report;
    const Tensor t = from_dlpack(&v.managed, {.copy = false}, &report);
    EXPECT_TRUE(report.shared);
    return floats(t);
  };
  EXPECT_THAT(given({3, 2}, {1, 3}, 0), ElementsAre(0, 3, 1, 4, 2, 5));    // transposed
  EXPECT_THAT(given({2, 3}, {-3, -1}, 5), ElementsAre(5, 4, 3, 2, 1, 0));  // reversed
  EXPECT_THAT(given({3}, {2}, 1), ElementsAre(1, 3, 5));                   // gapped
  EXPECT_THAT(given({2, 2}, {0, 1}, 2), ElementsAre(2, 3, 2, 3));          // broadcast
  EXPECT_THAT(given({}, {}, 3), ElementsAre(3));                           // 0-d
  EXPECT_THAT(given({0, 3}, {1, 1}, 0), ElementsAre());
  EXPECT_THAT(given({1, 2}, {INT64_MIN, 1}, 0), ElementsAre(0, 1));  // stride without meaning
  EXPECT_THAT(given({0, 5}, {INT64_MAX, INT64_MIN}, 0), ElementsAre());

  Versioned v;
  v.managed.dl_tensor.strides = nullptr;  // allowed before version 1.2
  EXPECT_THAT(floats(from_dlpack(&v.managed)), ElementsAre(0, 1, 2, 3, 4, 5));
  Versioned empty;
  empty.shape = {0, 3};
  empty.managed.dl_tensor.data = nullptr;
  EXPECT_EQ(Dims(from_dlpack(&empty.managed).shape()), (Dims{0, 3}));
  Versioned scalar;
  scalar.managed.dl_tensor.ndim = 0;
  scalar.managed.dl_tensor.shape = nullptr;
  scalar.managed.dl_tensor.strides = nullptr;
  EXPECT_EQ(from_dlpack(&scalar.managed).item(), 0);
  Versioned many;
  many.shape.assign(64, 1);
  many.strides.assign(64, 7);
  many.managed.dl_tensor.shape = many.shape.data();
  many.managed.dl_tensor.strides = many.strides.data();
  many.managed.dl_tensor.ndim = 64;
  EXPECT_EQ(from_dlpack(&many.managed).ndim(), 64);
}

TEST(FromDlpack, FlagsAreHonoured) {
  Versioned v;
  v.managed.flags = kReadOnly;
  Report report;
  Tensor t = from_dlpack(&v.managed, {}, &report);
  EXPECT_TRUE(t.read_only());
  EXPECT_THAT(error_of([&] { t.fill_(1); }), HasSubstr("read-only"));
  EXPECT_THAT(report.why, HasSubstr("read-only"));
  Versioned w;
  w.managed.flags = kReadOnly;
  Tensor copy = from_dlpack(&w.managed, {.copy = true}, &report);
  EXPECT_EQ(w.released, 1);
  EXPECT_FALSE(copy.read_only() || report.shared);
  copy.fill_(9);
  EXPECT_EQ(w.data[0], 0);
  Versioned gift;
  gift.managed.flags = kIsCopied | uint64_t{1} << 40;  // and a flag of the future
  EXPECT_FALSE(from_dlpack(&gift.managed, {}, &report).read_only());
  EXPECT_FALSE(report.shared);
  EXPECT_EQ(report.why, "the producer made a copy and gave it away");
  Versioned newer;
  newer.managed.version = {1, 99};
  EXPECT_EQ(from_dlpack(&newer.managed).size(), 6);
}

TEST(FromDlpack, MisalignedMemoryIsCopied) {
  for (uint64_t offset : {1, 2, 3}) {
    Versioned v;
    std::vector<std::byte> bytes(32);
    std::memcpy(bytes.data() + offset, v.data.data(), 24);
    v.managed.dl_tensor.data = bytes.data();
    v.managed.dl_tensor.byte_offset = offset;
    EXPECT_THAT(error_of([&] { from_dlpack(&v.managed, {.copy = false}); }),
                HasSubstr("not aligned for the dtype"));
    EXPECT_EQ(v.released, 0);
    Report report;
    EXPECT_THAT(floats(from_dlpack(&v.managed, {}, &report)), ElementsAre(0, 1, 2, 3, 4, 5));
    EXPECT_EQ(v.released, 1);
    EXPECT_EQ(report.why, "the memory is not aligned for the dtype");
  }
}

// Each refusal: the message, nothing released, and the struct still good.
TEST(FromDlpack, RefusalsConsumeNothing) {
  const auto refused = [](auto change, ErrorCode code, const char* message) {
    Versioned v;
    change(v);
    const DLManagedTensorVersioned before = v.managed;
    try {
      from_dlpack(&v.managed);
      ADD_FAILURE() << "accepted; expected: " << message;
    } catch (const Error& e) {
      EXPECT_THAT(e.what(), HasSubstr(message));
      EXPECT_EQ(e.code(), code) << e.what();
      EXPECT_EQ(e.operation(), "from_dlpack");
    }
    EXPECT_EQ(v.released, 0);
    EXPECT_EQ(std::memcmp(&before, &v.managed, sizeof before), 0);
  };
  const auto tensor_of = [](Versioned& v) -> DLTensor& { return v.managed.dl_tensor; };
  refused(
      [](Versioned& v) {
        v.managed.version = {2, 0};
      },
      ErrorCode::kUnsupported, "the struct is of DLPack version 2.0");
  refused([](Versioned& v) { v.managed.version = {0, 8}; }, ErrorCode::kUnsupported, "version 0.8");
  refused([&](Versioned& v) { tensor_of(v).ndim = -1; }, ErrorCode::kShape, "-1 dimensions");
  refused([&](Versioned& v) { tensor_of(v).ndim = 65; }, ErrorCode::kShape, "65 dimensions");
  refused([&](Versioned& v) { tensor_of(v).shape = nullptr; }, ErrorCode::kInvalidArgument,
          "null shape");
  refused([&](Versioned& v) { tensor_of(v).data = nullptr; }, ErrorCode::kInvalidArgument,
          "null memory for shape [2, 3]");
  refused([](Versioned& v) { v.shape[1] = -3; }, ErrorCode::kShape, "size -3 of axis 1");
  refused(
      [](Versioned& v) {
        v.shape = {INT64_MAX, INT64_MAX};
      },
      ErrorCode::kShape, "array is too big");
  refused([](Versioned& v) { v.shape = {0, INT64_MIN}; }, ErrorCode::kShape, "negative");
  refused([](Versioned& v) { v.strides[0] = INT64_MAX; }, ErrorCode::kShape,
          "reaches further than memory does");
  refused([](Versioned& v) { v.strides[0] = INT64_MIN; }, ErrorCode::kShape, "reaches further");
  refused(
      [](Versioned& v) {
        v.strides = {-(int64_t{1} << 58), -(int64_t{1} << 58)};
      },
      ErrorCode::kInvalidArgument, "beyond any address");
  refused([&](Versioned& v) { tensor_of(v).byte_offset = UINT64_MAX - 7; },
          ErrorCode::kInvalidArgument, "byte_offset 18446744073709551608");
  refused(
      [&](Versioned& v) {
        tensor_of(v).dtype = {kDLFloat, 32, 4};
      },
      ErrorCode::kDType, "Unsupported dtype in DLTensor: float32x4; vector types");
  refused([&](Versioned& v) { tensor_of(v).dtype = {kDLInt, 4, 1}; }, ErrorCode::kDType, "int4");
  refused(
      [&](Versioned& v) {
        tensor_of(v).dtype = {kDLFloat8_e5m2fnuz, 8, 1};
      },
      ErrorCode::kDType, "float8_e5m2fnuz; take its bits with float8_as_uint8");
  refused(
      [&](Versioned& v) {
        tensor_of(v).dtype = {99, 7, 1};
      },
      ErrorCode::kDType, "code 99 with 7 bits");
  refused(
      [&](Versioned& v) {
        tensor_of(v).dtype = {kDLFloat, 32, 0};
      },
      ErrorCode::kDType, "float32x0");
  refused(
      [&](Versioned& v) {
        tensor_of(v).device = {kDLMetal, 0};
      },
      ErrorCode::kDevice, "kDLMetal:0, which is no device of this process; it has cpu (kDLCPU:0)");
  refused(
      [&](Versioned& v) {
        tensor_of(v).device = {static_cast<DLDeviceType>(77), 2};
      },
      ErrorCode::kDevice, "device type 77:2");
  EXPECT_THAT(error_of([] { from_dlpack(static_cast<DLManagedTensor*>(nullptr)); }),
              HasSubstr("struct is null"));
}

TEST(FromDlpack, PinnedHostMemoryIsTheHosts) {
  for (DLDeviceType type : {kDLCUDAHost, kDLROCMHost}) {
    Versioned v;
    v.managed.dl_tensor.device = {type, 0};
    EXPECT_THAT(floats(from_dlpack(&v.managed, {.copy = false})), ElementsAre(0, 1, 2, 3, 4, 5));
  }
}

TEST(Dlpack, EveryDtypeBothWays) {
  for (int i = 1; i < kDTypeCount; ++i) {
    const auto dtype = static_cast<DType>(i);
    const Tensor t = ones({3}, dtype);
    DlpackVersioned out = to_dlpack(t);
    EXPECT_EQ(out->dl_tensor.dtype.bits, 8 * item_size(dtype));
    const Tensor back = from_dlpack(out.release());
    EXPECT_EQ(back.dtype(), dtype);
    EXPECT_TRUE(back.raw_data() == t.raw_data());
    EXPECT_EQ(dlpack_dtype_text(dlpack_dtype(dtype)),
              dtype == DType::bool_ ? "bool8" : std::string(dtype_name(dtype)));
  }
  // The numbers of the specification.
  EXPECT_EQ(dlpack_dtype(DType::bfloat16).code, 4);
  EXPECT_EQ(dlpack_dtype(DType::bool_).code, 6);
  EXPECT_EQ(dlpack_dtype(DType::complex64).bits, 64);
  EXPECT_EQ(dlpack_dtype(DType::float8_e4m3fn).code, kDLFloat8_e4m3fn);
  EXPECT_EQ(dlpack_dtype(DType::float8_e5m2).code, kDLFloat8_e5m2);
  // Another float8 as bits, there and back; the bits of one that there is are that one.
  const Tensor bits = full({2}, 0x38, DType::uint8);
  DlpackVersioned known = to_dlpack(bits, {.bits_as = DLDataType{kDLFloat8_e4m3fn, 8, 1}});
  EXPECT_EQ(from_dlpack(known.release(), {.float8_as_uint8 = true}).text(),
            "tensor([1., 1.], dtype=float8_e4m3fn)");
  DlpackVersioned out = to_dlpack(bits, {.bits_as = DLDataType{kDLFloat8_e5m2fnuz, 8, 1}});
  EXPECT_EQ(out->dl_tensor.dtype.code, kDLFloat8_e5m2fnuz);
  const Tensor back = from_dlpack(out.release(), {.float8_as_uint8 = true});
  EXPECT_EQ(back.text(), "tensor([56, 56], dtype=uint8)");
  EXPECT_THAT(error_of([&] {
                to_dlpack(bits, {.bits_as = DLDataType{kDLFloat, 16, 1}});
              }),
              HasSubstr("must have 8 bits"));
}

TEST(ToDlpack, WritesEveryField) {
  Tensor t = from_numpy(interop::NdArray::from_vector<float>({2, 3}, {0, 1, 2, 3, 4, 5}));
  const Tensor v = t.at({Slice{.step = -1}, Slice{.start = 1}});
  Report report;
  const DlpackVersioned out = to_dlpack(v, {}, &report);
  EXPECT_EQ(out->version.major, 1u);
  EXPECT_EQ(out->version.minor, 3u);
  EXPECT_EQ(out->flags, 0u);
  const DLTensor& d = out->dl_tensor;
  EXPECT_TRUE(d.device.device_type == kDLCPU && d.device.device_id == 0);
  EXPECT_EQ(d.ndim, 2);
  EXPECT_THAT(std::vector(d.shape, d.shape + 2), ElementsAre(2, 2));
  EXPECT_THAT(std::vector(d.strides, d.strides + 2), ElementsAre(-3, 1));
  EXPECT_EQ(d.byte_offset, 0u);
  static_cast<float*>(d.data)[0] = 44;
  EXPECT_EQ(t.at({1, 1}).item(), 44);
  EXPECT_TRUE(report.shared);
  const DlpackVersioned scalar = to_dlpack(ones({}));
  EXPECT_EQ(scalar->dl_tensor.ndim, 0);
  const DlpackVersioned none = to_dlpack(ones({0, 2}));
  EXPECT_EQ(none->dl_tensor.data, nullptr);
  EXPECT_EQ(none->dl_tensor.shape[1], 2);
  const DLTensor borrowed = borrow_dlpack(v);
  EXPECT_EQ(borrowed.data, d.data);
  EXPECT_EQ(borrowed.strides[0], -3);
  EXPECT_THAT(floats(copy_dlpack(borrowed)), ElementsAre(44, 5, 1, 2));
  EXPECT_THAT(error_of([&] { copy_dlpack(borrowed, {.copy = false}); }), HasSubstr("lifetime"));
}

TEST(ToDlpack, CopiesOnRequest) {
  const Tensor t = ones({2});
  Report report;
  DlpackVersioned out = to_dlpack(t, {.copy = true}, &report);
  EXPECT_EQ(out->flags, kIsCopied);
  static_cast<float*>(out->dl_tensor.data)[0] = 7;
  EXPECT_EQ(t.at({0}).item(), 1);
  EXPECT_EQ(report.text(),
            "copied 8 bytes: copy = true asked for it (float32 on cpu -> float32 on cpu)");
  EXPECT_NE(to_dlpack_unversioned(t, {.copy = true})->dl_tensor.data, t.raw_data());
  EXPECT_EQ(to_dlpack(t, {.device = DLDevice{kDLCPU, 0}, .copy = false})->dl_tensor.data,
            t.raw_data());
}

TEST(ToDlpack, ReadOnlyGoesOutWithTheFlagOrNotAtAll) {
  Versioned v;
  v.managed.flags = kReadOnly;
  const Tensor t = from_dlpack(&v.managed);
  EXPECT_EQ(to_dlpack(t)->flags, kReadOnly);
  EXPECT_THAT(error_of([&] { to_dlpack_unversioned(t); }),
              HasSubstr("Cannot export readonly array since signalling readonly is unsupported"));
  EXPECT_THAT(error_of([&] { borrow_dlpack(t); }), HasSubstr("readonly"));
  DlpackUnversioned copy = to_dlpack_unversioned(t, {.copy = true});
  EXPECT_FALSE(from_dlpack(copy.release()).read_only());
}

TEST(ToDlpack, Refusals) {
  Tensor t = ones({2});
  t.requires_grad_();
  EXPECT_THAT(error_of([&] { to_dlpack(t); }),
              HasSubstr("to_dlpack: Can't export tensors that require gradient, use "
                        "tensor.detach(): float32[2]"));
  EXPECT_THAT(error_of([&] { to_dlpack(t, {.copy = true}); }), HasSubstr("detach()"));
  EXPECT_EQ(to_dlpack(t.detach())->dl_tensor.data, t.raw_data());
  EXPECT_THAT(error_of([&] { to_dlpack(Tensor()); }), HasSubstr("undefined"));
  EXPECT_THAT(error_of([&] {
                to_dlpack(ones({2}), {.device = DLDevice{kDLCUDA, 0}});
              }),
              HasSubstr("to kDLCUDA:0: only to its own device and to the host"));
}

}  // namespace
}  // namespace tenon
