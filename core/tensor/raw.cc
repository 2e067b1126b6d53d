// Copies, casts, fills and ranges as map programs; bytes between devices.
#include <cstring>
#include <mutex>

#include "tenon/device/copy.h"
#include "tenon/map/builder.h"
#include "tenon/tensor/launch.h"

namespace tenon {
namespace {

constinit KernelTable copy_kernels, fill_kernels, range_kernels;

map::Kernel kernel(const char* name, map::Program program) {
  map::Kernel k;
  k.name = name;
  k.program = std::move(program);
  return k;
}

PlanSlots& copy_kernel(DType from, DType to) {
  return copy_kernels.get(from, to, [&] {
    map::Builder b;
    const map::Value x = b.input(from);
    return kernel("copy", b.finish({from == to ? x : cast(x, to)}));
  });
}

DType real_part(DType d) { return d == DType::complex64 ? DType::float32 : DType::float64; }

// A complex tensor as reals: one more axis of two.
Tensor as_real(const Tensor& x, int64_t part) {
  Dims strides(x.strides());
  for (int64_t& s : strides) s *= 2;
  return alias(x, real_part(x.dtype()), x.shape(), strides, x.impl()->offset * 2 + part);
}

}  // namespace

void raw_copy(const Tensor& dst, const Tensor& src) {
  const DType to = dst.dtype(), from = src.dtype();
  if (is_complex(to)) {
    // Two real copies: programs do not compute in complex.
    raw_copy(as_real(dst, 0), is_complex(from) ? as_real(src, 0) : src);
    if (is_complex(from)) {
      raw_copy(as_real(dst, 1), as_real(src, 1));
    } else {
      raw_fill(as_real(dst, 1), 0);
    }
    return;
  }
  if (to == from && is_float8(to)) return raw_copy(bits_of_float8(dst), bits_of_float8(src));
  if (is_complex(from)) {
    fail(ErrorCode::kDType, "copy", "casting ", dtype_name(from), " to ", dtype_name(to),
         " would discard the imaginary part; take the real part first");
  }
  DeviceState& device = dst.impl()->device();
  const bool same =
      to == from && dst.impl()->contiguous && src.impl()->contiguous && dst.size() == src.size();
  if (same && dst.size() > 0) {
    StreamState& stream = current_stream(device);
    use_on_stream(*dst.impl()->storage, stream);
    use_on_stream(*src.impl()->storage, stream);
    copy_on_device(stream, dst.impl()->storage->memory.buffer, dst.impl()->byte_offset(),
                   src.impl()->storage->memory.buffer, src.impl()->byte_offset(),
                   static_cast<uint64_t>(dst.size() * item_size(to)));
    return;
  }
  LaunchOperand operands[2];
  operands[0].spread("copy", src, dst.shape());
  operands[1].spread("copy", dst, dst.shape());
  launch(copy_kernel(from, to).on(device), {.sizes = dst.shape()}, operands);
}

void raw_fill(const Tensor& dst, Scalar value) {
  const DType d = dst.dtype();
  if (is_complex(d)) {
    raw_fill(as_real(dst, 0), value);
    raw_fill(as_real(dst, 1), 0);
    return;
  }
  if (is_float8(d)) return raw_fill(bits_of_float8(dst), value.bits_as(d));
  PlanSlots& slots = fill_kernels.get(d, DType::none, [&] {
    map::Builder b;
    return kernel("fill", b.finish({b.scalar(d)}));
  });
  LaunchOperand operands[] = {{dst.impl(), Dims(dst.strides())}};
  const uint64_t bits[] = {value.bits_as(d)};
  launch(slots.on(dst.impl()->device()), {.sizes = dst.shape()}, operands, bits);
}

void raw_arange(const Tensor& dst, Scalar start, Scalar step) {
  const DType d = dst.dtype();
  const DType wide = is_floating(d) || is_float8(d) ? DType::float64 : DType::int64;
  PlanSlots& slots = range_kernels.get(d, DType::none, [&] {
    map::Builder b;
    const map::Value first = b.scalar(wide), by = b.scalar(wide);
    return kernel("arange", b.finish({cast(first + cast(b.index(), wide) * by, d)}));
  });
  LaunchOperand operands[] = {{dst.impl(), Dims(dst.strides())}};
  const uint64_t bits[] = {start.bits_as(wide), step.bits_as(wide)};
  launch(slots.on(dst.impl()->device()), {.sizes = dst.shape(), .indexed = true}, operands, bits);
}

Tensor contiguous_copy(const Tensor& src) {
  Tensor dst = new_tensor(src.impl()->device(), src.dtype(), src.shape());
  raw_copy(dst, src);
  return dst;
}

void read_bytes(const Tensor& src, void* dst) {
  const TensorImpl* t = src.impl();
  if (t->size == 0) return;
  StreamState& stream = current_stream(t->device());
  use_on_stream(*t->storage, stream);
  copy_to_host(stream, dst, t->storage->memory.buffer, t->byte_offset(),
               static_cast<uint64_t>(t->size * item_size(t->dtype)));
}

void write_bytes(const Tensor& dst, const void* src) {
  const TensorImpl* t = dst.impl();
  if (t->size == 0) return;
  StreamState& stream = current_stream(t->device());
  use_on_stream(*t->storage, stream);
  copy_from_host(stream, t->storage->memory.buffer, t->byte_offset(), src,
                 static_cast<uint64_t>(t->size * item_size(t->dtype)));
}

}  // namespace tenon
