#include "backends/cpu/element_moves.h"

#include <algorithm>
#include <cstring>

#include "backends/cpu/targets.h"
#include "tenon/abi/tenon_backend.h"
#include "tenon/abi/tenon_half.h"

namespace tenon_cpu {
namespace {

struct Wide {
  uint64_t low, high;
};

template <class T>
TENON_INLINE T Load(const char* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
template <class T>
TENON_INLINE void Store(char* to, T value) {
  std::memcpy(to, &value, sizeof value);
}

template <class T>
struct ToEnumerated {
  static constexpr int64_t kItem = sizeof(T);
  static TENON_INLINE void Do(char* enumerated, char* selected) {
    Store(enumerated, Load<T>(selected));
  }
};

template <class T>
struct ToSelected {
  static constexpr int64_t kItem = sizeof(T);
  static TENON_INLINE void Do(char* enumerated, char* selected) {
    Store(selected, Load<T>(enumerated));
  }
};

template <class T>
TENON_INLINE T Sum(T a, T b) {
  return static_cast<T>(a + b);
}
struct F16 {
  uint16_t bits;
};
TENON_INLINE F16 Sum(F16 a, F16 b) {
  return {tenon_f32_to_f16(tenon_f16_to_f32(a.bits) + tenon_f16_to_f32(b.bits))};
}
struct BF16 {
  uint16_t bits;
};
TENON_INLINE BF16 Sum(BF16 a, BF16 b) {
  return {tenon_f32_to_bf16(tenon_bf16_to_f32(a.bits) + tenon_bf16_to_f32(b.bits))};
}
template <class T>
struct Complex {
  T real, imag;
};
template <class T>
TENON_INLINE Complex<T> Sum(Complex<T> a, Complex<T> b) {
  return {a.real + b.real, a.imag + b.imag};
}

template <class T>
struct AddToSelected {
  static constexpr int64_t kItem = sizeof(T);
  static TENON_INLINE void Do(char* enumerated, char* selected) {
    Store(selected, Sum(Load<T>(selected), Load<T>(enumerated)));
  }
};

template <class Op, class I>
TENON_INLINE int64_t Walk(ElementLine l, int64_t n) {
  int64_t bad = n;
  for (int64_t k = 0; k < n; ++k) {
    bool in_range;
    const int64_t place = PlaceOf(Load<I>(l.index), l.bound, &in_range);
    if (!in_range) [[unlikely]]
      bad = std::min(bad, k);
    Op::Do(l.enumerated, l.selected + place * l.unit);
    l.enumerated += l.enumerated_step;
    l.selected += l.selected_step;
    l.index += l.index_step;
  }
  return bad;
}

template <class Op, class I>
int64_t Move(const ElementLine& line, int64_t n) {
  constexpr int64_t kIndex = sizeof(I);
  const bool is_dense = line.enumerated_step == Op::kItem && line.selected_step == 0 &&
                        line.unit == Op::kItem && line.index_step == kIndex;
  if (!is_dense) return Walk<Op, I>(line, n);
  // The usual case again, with steps that the compiler knows.
  return Walk<Op, I>(
      {line.enumerated, line.selected, line.index, Op::kItem, 0, kIndex, Op::kItem, line.bound}, n);
}

template <class Op>
ElementMove ForIndex(bool wide_index) {
  return wide_index ? &Move<Op, int64_t> : &Move<Op, int32_t>;
}

template <template <class> class Op>
ElementMove ForItem(int64_t item, bool wide_index) {
  switch (item) {
    case 1:
      return ForIndex<Op<uint8_t>>(wide_index);
    case 2:
      return ForIndex<Op<uint16_t>>(wide_index);
    case 4:
      return ForIndex<Op<uint32_t>>(wide_index);
    case 8:
      return ForIndex<Op<uint64_t>>(wide_index);
    default:
      return ForIndex<Op<Wide>>(wide_index);
  }
}

}  // namespace

ElementMove FindElementGather(int64_t item, bool wide_index) {
  return ForItem<ToEnumerated>(item, wide_index);
}

ElementMove FindElementScatter(int64_t item, bool wide_index) {
  return ForItem<ToSelected>(item, wide_index);
}

ElementMove FindElementAdd(uint32_t dtype, bool wide_index) {
  switch (dtype) {
    case TENON_F16:
      return ForIndex<AddToSelected<F16>>(wide_index);
    case TENON_BF16:
      return ForIndex<AddToSelected<BF16>>(wide_index);
    case TENON_F32:
      return ForIndex<AddToSelected<float>>(wide_index);
    case TENON_F64:
      return ForIndex<AddToSelected<double>>(wide_index);
    case TENON_C64:
      return ForIndex<AddToSelected<Complex<float>>>(wide_index);
    case TENON_C128:
      return ForIndex<AddToSelected<Complex<double>>>(wide_index);
    case TENON_I8:
    case TENON_U8:
      return ForIndex<AddToSelected<uint8_t>>(wide_index);
    case TENON_I16:
    case TENON_U16:
      return ForIndex<AddToSelected<uint16_t>>(wide_index);
    case TENON_I32:
    case TENON_U32:
      return ForIndex<AddToSelected<uint32_t>>(wide_index);
    case TENON_I64:
    case TENON_U64:
      return ForIndex<AddToSelected<uint64_t>>(wide_index);
    default:
      return nullptr;
  }
}

}  // namespace tenon_cpu
