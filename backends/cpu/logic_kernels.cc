// AND OR XOR NOT, shifts, comparisons, SELECT, MULHI, fills, ramps.
#include "backends/cpu/kernels.h"
#include "backends/cpu/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/logic_kernels.cc"
#include "hwy/foreach_target.h"
// after foreach_target
#include "backends/cpu/loops-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace tenon_cpu {
namespace HWY_NAMESPACE {
namespace {

template <class Op>
ArrayFn Bitwise(uint32_t dtype) {
  return dtype == TENON_BOOL ? &Binary<Op, uint8_t> : IntegerBinary<Op>(dtype);
}

template <class Op>
ArrayFn Compare(uint32_t dtype) {
  switch (dtype) {
    case TENON_BOOL:
      return &Binary<Op, uint8_t, uint8_t>;
#define TENON_KERNEL(T) Binary<Op, T, uint8_t>
      TENON_INTEGER_CASES(TENON_KERNEL)
#undef TENON_KERNEL
    case TENON_F16:
      return &Half<F16, &Binary<Op, float, uint8_t>, 2, false>;
    case TENON_BF16:
      return &Half<BF16, &Binary<Op, float, uint8_t>, 2, false>;
    case TENON_F32:
      return &Binary<Op, float, uint8_t>;
    case TENON_F64:
      return &Binary<Op, double, uint8_t>;
    default:
      return nullptr;
  }
}

// Only the size matters: values are moved, not read.
template <class T>
void Select(void* dst, const void* a, const void* b, const void* c, int64_t n, uint32_t) {
  T* d = static_cast<T*>(dst);
  const uint8_t* condition = static_cast<const uint8_t*>(a);
  const T* x = static_cast<const T*>(b);
  const T* y = static_cast<const T*>(c);
  TENON_IVDEP
  for (int64_t i = 0; i < n; ++i) {
    const T yes = x[i];
    const T no = y[i];  // both read, so that the loop has no branch
    d[i] = condition[i] != 0 ? yes : no;
  }
}

template <class T>
void Fill(void* dst, const void* a, const void*, const void*, int64_t n, uint32_t) {
  T* d = static_cast<T*>(dst);
  const T value = *static_cast<const T*>(a);
  TENON_IVDEP
  for (int64_t i = 0; i < n; ++i) d[i] = value;
}

struct Wide {
  uint64_t low, high;
};

void Ramp(int64_t* dst, int64_t first, int64_t step, int64_t n) {
  for (int64_t i = 0; i < n; ++i)
    dst[i] = static_cast<int64_t>(static_cast<uint64_t>(first) +
                                  static_cast<uint64_t>(i) * static_cast<uint64_t>(step));
}

}  // namespace

RampFn Ramps() { return &Ramp; }

ArrayFn Logic(uint32_t op, uint32_t dtype) {
  switch (op) {
    case TENON_OP_AND:
      return Bitwise<And>(dtype);
    case TENON_OP_OR:
      return Bitwise<Or>(dtype);
    case TENON_OP_XOR:
      return Bitwise<Xor>(dtype);
    case TENON_OP_NOT:
      return dtype == TENON_BOOL ? &Unary<LogicalNot, uint8_t> : IntegerUnary<Not>(dtype);
    case TENON_OP_SHL:
      return IntegerBinary<Shl>(dtype);
    case TENON_OP_SHR:
      return IntegerBinary<Shr>(dtype);
    case TENON_OP_EQ:
      return Compare<Eq>(dtype);
    case TENON_OP_NE:
      return Compare<Ne>(dtype);
    case TENON_OP_LT:
      return Compare<Lt>(dtype);
    case TENON_OP_LE:
      return Compare<Le>(dtype);
    case TENON_OP_MULHI:
      if (dtype == TENON_U32) return &Binary<MulHigh, uint32_t>;
      return dtype == TENON_U64 ? &Binary<MulHigh, uint64_t> : nullptr;
    case TENON_OP_SELECT:
      switch (dtype) {
        case TENON_BOOL:
        case TENON_U8:
        case TENON_I8:
          return &Select<uint8_t>;
        case TENON_U16:
        case TENON_I16:
        case TENON_F16:
        case TENON_BF16:
          return &Select<uint16_t>;
        case TENON_U32:
        case TENON_I32:
        case TENON_F32:
          return &Select<uint32_t>;
        case TENON_U64:
        case TENON_I64:
        case TENON_F64:
          return &Select<uint64_t>;
        default:
          return nullptr;
      }
    default:
      return nullptr;
  }
}

ArrayFn Fills(uint32_t item) {
  switch (item) {
    case 1:
      return &Fill<uint8_t>;
    case 2:
      return &Fill<uint16_t>;
    case 4:
      return &Fill<uint32_t>;
    case 8:
      return &Fill<uint64_t>;
    case 16:
      return &Fill<Wide>;
    default:
      return nullptr;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace tenon_cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tenon_cpu {
ArrayFn FindLogic(uint32_t op, uint32_t dtype) { return TENON_BEST_TARGET(Logic)(op, dtype); }
ArrayFn FindFill(uint32_t item) { return TENON_BEST_TARGET(Fills)(item); }
RampFn FindRamp() { return TENON_BEST_TARGET(Ramps)(); }
}  // namespace tenon_cpu
#endif
