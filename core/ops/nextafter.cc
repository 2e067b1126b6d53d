// By the bits, which integers of the same size read: the numbers of one sign are in the order of
// their bits, and neighbours differ by 1. So it is exact for every dtype on every device.
#include "tenon/ops/nextafter.h"

#include "tenon/ops/map_op.h"
#include "tenon/ops/views.h"
#include "tenon/tensor/impl.h"

namespace tenon {
namespace {

constexpr char kName[] = "nextafter";

DType bits_dtype(DType d) {
  switch (item_size(d)) {
    case 2:
      return DType::int16;
    case 4:
      return DType::int32;
    default:
      return DType::int64;
  }
}

// (bits of x, bits of y)
template <uint64_t kInfinity>
void record(const map::Value* in, map::Value* out, map::Builder& b, const void*) {
  const map::Value x = in[0], y = in[1];
  const DType d = x.dtype();
  const map::Value infinity = b.constant_bits(kInfinity, d),
                   sign = b.constant_bits(uint64_t{1} << (8 * item_size(d) - 1), d),
                   zero = b.constant_bits(0, d), one = b.constant_bits(1, d);
  const map::Value x_size = x & ~sign, y_size = y & ~sign;
  // Numbers in order: the negative ones below 0.
  const map::Value from = select(x < zero, -x_size, x_size), to = select(y < zero, -y_size, y_size);
  const map::Value next = select(from < to, from + one, from - one);
  const map::Value negative = (next < zero) | (eq(next, zero) & (x < zero));
  const map::Value bits = select(next < zero, -next, next) | select(negative, sign, zero);
  const map::Value regular = select(eq(from, to), y, bits);
  out[0] = select(infinity < x_size, x, select(infinity < y_size, y, regular));
}

constinit MapOp half_op(kName, 2, 1, DTypeClass::bits, &record<0x7c00>);
constinit MapOp bfloat_op(kName, 2, 1, DTypeClass::bits, &record<0x7f80>);
constinit MapOp single_op(kName, 2, 1, DTypeClass::bits, &record<0x7f800000>);
constinit MapOp double_op(kName, 2, 1, DTypeClass::bits, &record<0x7ff0000000000000>);

MapOp& op_for(DType d) {
  switch (d) {
    case DType::float16:
      return half_op;
    case DType::bfloat16:
      return bfloat_op;
    case DType::float32:
      return single_op;
    default:
      return double_op;
  }
}

Tensor bits_of(const Tensor& x) {
  return alias(x, bits_dtype(x.dtype()), x.shape(), x.strides(), x.impl()->offset);
}

}  // namespace

Tensor nextafter(const Operand& x, const Operand& y) {
  DType d = DType::none;
  const Tensor* first = nullptr;
  for (const Operand* o : {&x, &y}) {
    if (!o->is_tensor()) continue;
    const Tensor& t = o->tensor();
    if (!t.defined())
      fail(ErrorCode::kInvalidArgument, kName, "an argument is an undefined tensor");
    if (!is_floating(t.dtype()))
      fail(ErrorCode::kDType, kName, "is of floating numbers, not of ", describe(t),
           "; use astype()");
    if (wants_grad(t)) {
      fail(ErrorCode::kAutograd, kName, describe(t),
           " requires a gradient, which does not go through it; detach() it");
    }
    first = first ? first : &t;
    d = d == DType::none ? t.dtype() : promote(d, t.dtype());
  }
  if (!first)
    fail(ErrorCode::kInvalidArgument, kName, "needs at least one tensor; make one with full()");
  Tensor bits[2];
  for (int k = 0; k < 2; ++k) {
    const Operand& o = k == 0 ? x : y;
    bits[k] = bits_of(o.is_tensor() ? o.tensor().to(d) : full({}, o.scalar(), d, first->device()));
  }
  const Operand operands[] = {bits[0], bits[1]};
  Tensor out;
  op_for(d).call(operands, &out);
  return alias(out, d, out.shape(), out.strides(), out.impl()->offset);
}

}  // namespace tenon
