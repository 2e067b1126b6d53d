#include <algorithm>
#include <cmath>
#include <limits>

#include "tenon/tensor/alias_check.h"
#include "tenon/tensor/launch.h"

namespace tenon {

Tensor empty(DimsView shape, DType dtype, Device device) {
  return new_tensor(device.state(), dtype, shape);
}

Tensor full(DimsView shape, Scalar value, DType dtype, Device device) {
  Tensor t = empty(shape, dtype == DType::none ? value.default_dtype() : dtype, device);
  raw_fill(t, value);
  return t;
}

Tensor zeros(DimsView shape, DType dtype, Device device) { return full(shape, 0, dtype, device); }
Tensor ones(DimsView shape, DType dtype, Device device) { return full(shape, 1, dtype, device); }
Tensor empty_like(const Tensor& t) { return empty(t.shape(), t.dtype(), t.device()); }
Tensor zeros_like(const Tensor& t) { return zeros(t.shape(), t.dtype(), t.device()); }
Tensor ones_like(const Tensor& t) { return ones(t.shape(), t.dtype(), t.device()); }

Tensor arange(Scalar start, Scalar stop, Scalar step, DType dtype, Device device) {
  if (step.to_double() == 0) fail(ErrorCode::kInvalidArgument, "arange", "step cannot be zero");
  const bool floating = start.is_floating() || stop.is_floating() || step.is_floating();
  const bool chosen = dtype != DType::none;
  if (!chosen) dtype = floating ? kDefaultFloat : kDefaultInt;
  int64_t count = 0;
  if (floating) {
    const double n = std::ceil((stop.to_double() - start.to_double()) / step.to_double());
    if (!(n < 9.0e18))
      fail(ErrorCode::kInvalidArgument, "arange", "the range is infinite or has a NaN in it");
    count = n > 0 ? static_cast<int64_t>(n) : 0;
  } else {
    // In 128 bits: stop - start may exceed int64, and so may an unsigned stop.
    const auto wide = [](const Scalar& number) -> __int128 {
      if (number.kind() == DTypeKind::UInt) return static_cast<uint64_t>(number.to_int64());
      return number.to_int64();
    };
    const __int128 a = wide(start), b = wide(stop), s = wide(step);
    const __int128 n = s > 0 ? (b - a + s - 1) / s : (a - b - s - 1) / -s;
    if (n > INT64_MAX)
      fail(ErrorCode::kInvalidArgument, "arange", "the range has more elements than int64 counts");
    count = n > 0 ? static_cast<int64_t>(n) : 0;
    if (!chosen && count > 0 && std::max(a, a + (count - 1) * s) > INT64_MAX) {
      fail(ErrorCode::kDType, "arange", "the range goes beyond int64; name a dtype that holds it");
    }
  }
  const int64_t shape[] = {count};
  Tensor t = empty(shape, dtype, device);
  raw_arange(t, start, step);
  return t;
}

Tensor from_host(DType dtype, DimsView shape, const void* data, Device device) {
  Tensor t = empty(shape, dtype, device);
  write_bytes(t, data);
  return t;
}

namespace {

// In elements, from the first one: a storage is what the strides reach, and the first element may
// be in its middle.
struct Reach {
  int64_t low = 0, count = 0;
};
Reach reach_of(std::string_view operation, DimsView shape, DimsView strides) {
  if (shape.size() != strides.size()) {
    fail(ErrorCode::kShape, operation, "shape ", shape_text(shape), " and strides ",
         shape_text(strides), " differ in length");
  }
  if (element_count(operation, shape) == 0) return {};
  int64_t low = 0, high = 0;
  for (size_t i = 0; i < shape.size(); ++i) {
    int64_t reach = 0, bytes;
    int64_t& end = shape[i] > 1 && strides[i] < 0 ? low : high;
    if ((shape[i] > 1 && __builtin_mul_overflow(shape[i] - 1, strides[i], &reach)) ||
        __builtin_add_overflow(end, reach, &end) || __builtin_sub_overflow(high, low, &bytes) ||
        __builtin_mul_overflow(bytes, int64_t{32}, &bytes)) {
      fail(ErrorCode::kShape, operation, "shape ", shape_text(shape), " with strides ",
           shape_text(strides), " reaches further than memory does");
    }
  }
  return {low, high - low + 1};
}

// A tensor on a storage of others, which has no owner yet: the caller keeps the memory when this
// throws.
Tensor on_foreign(Storage* s, const Reach& reach, DType dtype, DimsView shape, DimsView strides,
                  void (*release_owner)(void* context), void* context) {
  Tensor t;
  try {
    t = adopt_storage(s, dtype, shape, strides, -reach.low);
  } catch (...) {
    tenon::release(s);
    throw;
  }
  set_owner(*s, release_owner, context);
  mark_externally_writable(t);
  return t;
}

}  // namespace

Tensor from_memory(void* data, DType dtype, DimsView shape, DimsView strides, bool read_only,
                   void (*release)(void* context), void* context) {
  const Device host;
  const Reach reach = reach_of("from_memory", shape, strides);
  const int64_t item = item_size(dtype);
  Storage* s =
      new_external_storage(host.state(), static_cast<std::byte*>(data) + reach.low * item,
                           static_cast<uint64_t>(reach.count * item), read_only, nullptr, nullptr);
  return on_foreign(s, reach, dtype, shape, strides, release, context);
}

Tensor from_device_memory(Device device, void* memory, int64_t offset, DType dtype, DimsView shape,
                          DimsView strides, bool read_only, void (*release)(void* context),
                          void* context, std::string_view operation) {
  const Reach reach = reach_of(operation, shape, strides);
  const int64_t item = item_size(dtype);
  const uint64_t bytes = static_cast<uint64_t>(reach.count * item);
  Storage* s = bytes == 0
                   ? new_external_storage(device.state(), nullptr, 0, read_only, nullptr, nullptr)
                   : new_imported_storage(device.state(), memory, offset + reach.low * item, bytes,
                                          read_only, operation);
  return on_foreign(s, reach, dtype, shape, strides, release, context);
}

}  // namespace tenon
