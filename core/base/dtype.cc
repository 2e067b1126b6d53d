#include "tenon/base/dtype.h"

#include <algorithm>

namespace tenon {

DType promote(DType a, DType b) {
  if (a == b) return a;
  const DTypeInfo &ia = dtype_info(a), &ib = dtype_info(b);
  if (ia.kind == DTypeKind::None || ib.kind == DTypeKind::None) return DType::none;
  if (ia.kind == DTypeKind::Float8 || ib.kind == DTypeKind::Float8) return DType::none;
  const auto is_int = [](DTypeKind k) { return k == DTypeKind::Int || k == DTypeKind::UInt; };
  if (is_int(ia.kind) && is_int(ib.kind)) {
    if (ia.kind == ib.kind) return ia.item_size > ib.item_size ? a : b;
    const DType s = ia.kind == DTypeKind::Int ? a : b, u = ia.kind == DTypeKind::Int ? b : a;
    if (item_size(s) > item_size(u)) return s;
    switch (item_size(u)) {
      case 1:
        return DType::int16;
      case 2:
        return DType::int32;
      case 4:
        return DType::int64;
      default:
        return DType::none;
    }
  }
  if (ia.kind == DTypeKind::Float && ib.kind == DTypeKind::Float) {
    if (ia.item_size == ib.item_size) return DType::float32;  // float16 and bfloat16
    return ia.item_size > ib.item_size ? a : b;
  }
  if (ia.kind == DTypeKind::Complex || ib.kind == DTypeKind::Complex) {
    return a == DType::complex128 || b == DType::complex128 || a == DType::float64 ||
                   b == DType::float64
               ? DType::complex128
               : DType::complex64;
  }
  return ia.kind > ib.kind ? a : b;
}

std::string_view promotion_advice(DType a, DType b) {
  return is_float8(a) || is_float8(b) ? kFloat8Advice : "convert one of them with astype()";
}

DType dtype_from_name(std::string_view name) {
  if (name == "bool_") return DType::bool_;
  for (int i = 1; i < kDTypeCount; ++i) {
    if (detail::kDTypes[i].name == name) return static_cast<DType>(i);
  }
  return DType::none;
}

}  // namespace tenon
