#include <cstdint>
#include <string>
#include <utility>

#include "tenon/interop/dlpack.h"
#include "tenon/interop/doors.h"
#include "tenon/interop/ndarray.h"
#include "tenon/tensor/impl.h"

namespace tenon {
namespace {

using dlpack::DLDataType;
using dlpack::DLManagedTensor;
using dlpack::DLManagedTensorVersioned;
using dlpack::DLTensor;
using dlpack::kDLCPU;
using dlpack::kDLFloat8_e3m4;
using dlpack::kDLFloat8_e8m0fnu;
using dlpack::kIsCopied;
using dlpack::kMajorVersion;
using dlpack::kMinorVersion;
using dlpack::kReadOnly;
using interop::NdArray;
using interop::Report;

constexpr std::string_view kOperation = "from_dlpack";

// A DLTensor whose every statement was checked.
struct Checked {
  Device device;
  void* memory = nullptr;  // with the offset the element at index 0, .., 0; null without elements
  int64_t offset = 0;      // bytes
  DType dtype = DType::none;
  Dims shape;
  Dims strides;  // in elements
  int64_t bytes = 0;
  bool aligned = true;
};

// Of any kind.
bool has_8_bit_float(DLDataType t) {
  return t.code >= kDLFloat8_e3m4 && t.code <= kDLFloat8_e8m0fnu && t.bits == 8 && t.lanes == 1;
}

DType check_dtype(DLDataType given, const FromDlpackOptions& options) {
  const DType dtype = dtype_from_dlpack(given);
  const bool foreign_float8 = dtype == DType::none && has_8_bit_float(given);
  if (foreign_float8 && options.float8_as_uint8) return DType::uint8;
  if (dtype == DType::none) {
    fail(ErrorCode::kDType, kOperation, "Unsupported dtype in DLTensor: ", dlpack_dtype_text(given),
         foreign_float8 ? "; take its bits with float8_as_uint8 = true, or convert it to float32 "
                          "in the producer"
         : given.lanes != 1
             ? "; vector types of several lanes are not elements: give the lanes an axis of their "
               "own"
             : "; convert it in the producer to a dtype that Tenon has, for example float32");
  }
  return dtype;
}

void check_shape(const DLTensor& t, Checked* out) {
  if (t.ndim < 0 || t.ndim > kMaxRank) {
    fail(ErrorCode::kShape, kOperation, "the struct says ", t.ndim,
         " dimensions; a tensor has 0 to ", kMaxRank);
  }
  if (t.ndim > 0 && t.shape == nullptr) {
    fail(ErrorCode::kInvalidArgument, kOperation, "the struct has ", t.ndim,
         " dimensions and a null shape: the producer is wrong");
  }
  out->shape.resize(t.ndim);
  for (int i = 0; i < t.ndim; ++i) {
    out->shape[i] = t.shape[i];
    if (t.shape[i] < 0) {
      fail(ErrorCode::kShape, kOperation, "negative dimensions are not allowed: size ", t.shape[i],
           " of axis ", i);
    }
  }
  if (!interop::count_nbytes(out->dtype, out->shape, &out->bytes)) {
    fail(ErrorCode::kShape, kOperation, "array is too big: shape ", shape_text(out->shape), " of ",
         dtype_name(out->dtype), " has more bytes than an address can count");
  }
}

// Strides where they matter, row-major ones elsewhere. Then first and last byte that they reach,
// from the element at index 0, .., 0.
struct Reach {
  int64_t low = 0, high = 0;
};
Reach check_strides(const DLTensor& t, Checked* out) {
  const int64_t item = item_size(out->dtype);
  out->strides = contiguous_strides(out->shape);
  Reach reach{0, item};
  if (out->bytes == 0 || t.strides == nullptr) {
    reach.high = out->bytes;
    return reach;
  }
  for (int i = 0; i < t.ndim; ++i) {
    if (t.shape[i] <= 1) continue;
    out->strides[i] = t.strides[i];
    int64_t far = 0;
    int64_t& end = t.strides[i] < 0 ? reach.low : reach.high;
    if (__builtin_mul_overflow(t.strides[i], item, &far) ||
        __builtin_mul_overflow(far, t.shape[i] - 1, &far) ||
        __builtin_add_overflow(end, far, &end) || end > INT64_MAX / 2 || end < INT64_MIN / 2) {
      fail(ErrorCode::kShape, kOperation, "shape ", shape_text(out->shape), " with strides ",
           shape_text({t.strides, static_cast<size_t>(t.ndim)}), " of ", dtype_name(out->dtype),
           " reaches further than memory does");
    }
  }
  return reach;
}

// The bytes that the strides reach lie between the first and the last address there is.
void check_memory(const DLTensor& t, const Reach& reach, Checked* out) {
  if (out->bytes == 0) return;  // nothing is ever read
  if (t.data == nullptr) {
    fail(ErrorCode::kInvalidArgument, kOperation, "null memory for shape ", shape_text(out->shape),
         " of ", dtype_name(out->dtype), ": the producer is wrong");
  }
  uint64_t first = 0, end = 0;
  const auto base = reinterpret_cast<uint64_t>(t.data);
  const bool wrong = __builtin_add_overflow(base, t.byte_offset, &first) ||
                     first < static_cast<uint64_t>(-reach.low) ||
                     __builtin_add_overflow(first, static_cast<uint64_t>(reach.high), &end) ||
                     t.byte_offset > INT64_MAX;
  if (wrong) {
    fail(ErrorCode::kInvalidArgument, kOperation, "byte_offset ", t.byte_offset, " and strides of ",
         shape_text(out->shape), " reach beyond any address: the producer is wrong");
  }
  out->memory = t.data;
  out->offset = static_cast<int64_t>(t.byte_offset);
  // Where `data` is a handle it is the address of an object, which is aligned for every dtype.
  const int64_t part = item_size(out->dtype) / (is_complex(out->dtype) ? 2 : 1);
  out->aligned = first % static_cast<uint64_t>(part) == 0;
}

// All checks, in an order in which each may rely on those before.
Checked check(const DLTensor& t, const FromDlpackOptions& options) {
  Checked out;
  out.dtype = check_dtype(t.dtype, options);
  check_shape(t, &out);
  const Reach reach = check_strides(t, &out);
  check_memory(t, reach, &out);
  if (t.device.device_type != kDLCPU) out.device = device_from_dlpack(t.device);
  return out;
}

NdArray as_array(const Checked& c, bool read_only) {
  Dims byte_strides(c.strides);
  for (int64_t& s : byte_strides) s *= item_size(c.dtype);  // checked not to overflow
  return NdArray::over({.data = static_cast<std::byte*>(c.memory) + c.offset,
                        .owner = nullptr,
                        .dtype = c.dtype,
                        .shape = c.shape,
                        .byte_strides = byte_strides,
                        .read_only = read_only});
}

// A tensor over the memory, which nobody owns yet.
Tensor borrow(const Checked& c, bool read_only) {
  if (c.device.host_addressable()) {
    return from_memory(static_cast<std::byte*>(c.memory) + c.offset, c.dtype, c.shape, c.strides,
                       read_only, nullptr, nullptr);
  }
  return from_device_memory(c.device, c.memory, c.offset, c.dtype, c.shape, c.strides, read_only,
                            nullptr, nullptr, kOperation);
}

void check_copy_can_read(const Checked& c) {
  if (c.aligned || c.device.host_addressable()) return;
  fail(ErrorCode::kInvalidArgument, kOperation, "the memory of ", dtype_name(c.dtype),
       shape_text(c.shape), " on ", c.device.text(),
       " is not aligned for the dtype, and a device cannot read it: let the producer copy it");
}

// Of host memory: as_tensor copes with every alignment. Of other memory: `shared`.
Tensor copy_of(const Checked& c, const Tensor& shared, const FromDlpackOptions& options) {
  const Device target = options.device.value_or(c.device);
  if (c.device.host_addressable())
    return as_tensor(as_array(c, true), {.device = target, .copy = true});
  return shared.to(target, /*copy=*/true);
}

void fill_report(Report* report, bool shared, std::string_view why, const Checked& c,
                 const Tensor& t) {
  if (report == nullptr) return;
  *report = {.shared = shared,
             .why = std::string(why),
             .bytes = c.bytes,
             .dtype_before = c.dtype,
             .dtype_after = c.dtype,
             .device_before = c.device.text(),
             .device_after = t.device().text()};
}

template <class Managed>
Tensor import(Managed* managed, bool read_only, bool copied_before,
              const FromDlpackOptions& options, Report* report) {
  const Checked c = check(managed->dl_tensor, options);
  check_copy_can_read(c);
  const bool moves = options.device && !(*options.device == c.device);
  const bool copies = options.copy == true || moves || !c.aligned;
  if (copies && options.copy == false) {
    fail(ErrorCode::kInvalidArgument, kOperation, "cannot take ", dtype_name(c.dtype),
         shape_text(c.shape), " without a copy (copy=False): ",
         moves ? "the memory is on another device than " + options.device->text()
               : "it is not aligned for the dtype",
         "; leave copy unset to copy where needed");
  }
  // Host memory that is copied need not be aligned.
  const Tensor shared = copies && c.device.host_addressable() ? Tensor() : borrow(c, read_only);
  Tensor t = copies ? copy_of(c, shared, options) : shared;
  // Only now: a refusal leaves the struct to the caller.
  if (shared.defined()) {
    set_owner(
        *shared.impl()->storage,
        [](void* context) { DlpackDeleter()(static_cast<Managed*>(context)); }, managed);
  } else {
    DlpackDeleter()(managed);
  }
  fill_report(report, !copies && !copied_before,
              options.copy == true ? "copy = true asked for it"
              : !c.aligned         ? "the memory is not aligned for the dtype"
              : moves              ? "the memory is on another device"
              : copied_before      ? "the producer made a copy and gave it away"
              : read_only          ? "dtype, device and layout allow it; the memory is read-only"
                                   : "dtype, device and layout allow it",
              c, t);
  return t;
}

void check_not_null(const void* managed) {
  if (managed == nullptr)
    fail(ErrorCode::kInvalidArgument, kOperation, "the struct is null: nothing was exported");
}

}  // namespace

Tensor from_dlpack(DLManagedTensorVersioned* managed, const FromDlpackOptions& options,
                   Report* report) {
  check_not_null(managed);
  if (managed->version.major != kMajorVersion) {
    fail(ErrorCode::kUnsupported, kOperation, "the struct is of DLPack version ",
         managed->version.major, ".", managed->version.minor, ", and this Tenon reads version ",
         kMajorVersion, ": ask the producer for max_version (", kMajorVersion, ", ", kMinorVersion,
         ")");
  }
  const bool copied = (managed->flags & kIsCopied) != 0;
  return import(managed, (managed->flags & kReadOnly) != 0, copied, options, report);
}

Tensor from_dlpack(DLManagedTensor* managed, const FromDlpackOptions& options, Report* report) {
  check_not_null(managed);
  return import(managed, false, false, options, report);
}

Tensor copy_dlpack(const DLTensor& borrowed, const FromDlpackOptions& options, Report* report) {
  if (options.copy == false) {
    fail(ErrorCode::kInvalidArgument, kOperation,
         "a bare DLTensor says nothing of its lifetime and is always copied; leave copy unset");
  }
  const Checked c = check(borrowed, options);
  check_copy_can_read(c);
  const Tensor shared = c.device.host_addressable() ? Tensor() : borrow(c, true);
  Tensor t = copy_of(c, shared, options);
  // The memory is the caller's again when this returns.
  if (shared.defined()) Stream::current(c.device).synchronize();
  const bool moves = !(t.device() == c.device);
  fill_report(report, false,
              options.copy == true ? "copy = true asked for it"
              : !c.aligned         ? "the memory is not aligned for the dtype"
              : moves              ? "the memory is on another device"
                                   : "a bare DLTensor says nothing of its lifetime",
              c, t);
  return t;
}

}  // namespace tenon
