// ADD SUB MUL DIV REM MIN MAX NEG ABS, integer POW, FMA, SQRT and its kin, rounding, SIGN,
// COPYSIGN.
#include "backends/cpu/kernels.h"
#include "backends/cpu/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/arithmetic_kernels.cc"
#include "hwy/foreach_target.h"
// after foreach_target
#include "backends/cpu/loops-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace tenon_cpu {
namespace HWY_NAMESPACE {
namespace {

template <class Op>
ArrayFn NumericBinary(uint32_t dtype) {
  const ArrayFn floats = FloatBinary<Op>(dtype);
  return floats != nullptr ? floats : IntegerBinary<Op>(dtype);
}

template <class Op>
ArrayFn NumericUnary(uint32_t dtype) {
  const ArrayFn floats = FloatUnary<Op>(dtype);
  return floats != nullptr ? floats : IntegerUnary<Op>(dtype);
}

ArrayFn FindFma(uint32_t dtype) {
  switch (dtype) {
    case TENON_F16:
      return &Half<F16, &Ternary<Fma, float>, 3>;
    case TENON_BF16:
      return &Half<BF16, &Ternary<Fma, float>, 3>;
    case TENON_F32:
      return &Ternary<Fma, float>;
    case TENON_F64:
      return &Ternary<Fma, double>;
    default:
      return nullptr;
  }
}

}  // namespace

ArrayFn Arithmetic(uint32_t op, uint32_t dtype) {
  // A bool has minimum and maximum, nothing else here.
  if (dtype == TENON_BOOL) {
    if (op == TENON_OP_MIN) return &Binary<Min, uint8_t>;
    return op == TENON_OP_MAX ? &Binary<Max, uint8_t> : nullptr;
  }
  switch (op) {
    case TENON_OP_ADD:
      return NumericBinary<Add>(dtype);
    case TENON_OP_SUB:
      return NumericBinary<Sub>(dtype);
    case TENON_OP_MUL:
      return NumericBinary<Mul>(dtype);
    case TENON_OP_DIV:
      return NumericBinary<Div>(dtype);
    case TENON_OP_REM:
      return NumericBinary<Rem>(dtype);
    case TENON_OP_MIN:
      return NumericBinary<Min>(dtype);
    case TENON_OP_MAX:
      return NumericBinary<Max>(dtype);
    case TENON_OP_NEG:
      return NumericUnary<Neg>(dtype);
    case TENON_OP_ABS:
      return NumericUnary<Abs>(dtype);
    case TENON_OP_SIGN:
      return NumericUnary<Sign>(dtype);
    case TENON_OP_POW:
      return IntegerBinary<PowInt>(dtype);
    case TENON_OP_FMA:
      return FindFma(dtype);
    case TENON_OP_FLOOR:
      return FloatUnary<Floor>(dtype);
    case TENON_OP_CEIL:
      return FloatUnary<Ceil>(dtype);
    case TENON_OP_TRUNC:
      return FloatUnary<Trunc>(dtype);
    case TENON_OP_RINT:
      return FloatUnary<Rint>(dtype);
    case TENON_OP_SQRT:
      return FloatUnary<Sqrt>(dtype);
    case TENON_OP_RSQRT:
      return FloatUnary<Rsqrt>(dtype);
    case TENON_OP_RECIP:
      return FloatUnary<Recip>(dtype);
    case TENON_OP_COPYSIGN:
      return FloatBinary<CopySign>(dtype);
    default:
      return nullptr;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace tenon_cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tenon_cpu {
ArrayFn FindArithmetic(uint32_t op, uint32_t dtype) {
  return TENON_BEST_TARGET(Arithmetic)(op, dtype);
}
}  // namespace tenon_cpu
#endif
