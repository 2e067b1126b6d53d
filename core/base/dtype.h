// DType: what an element is. A value of dtype.def's rows; its number is the ABI's.
//
//   DType::float32, dtype_name(d), item_size(d), is_floating(d), promote(a, b), dtype_of<float>()
//
// float8_e4m3fn and float8_e5m2 are storage: tensors of them are made, copied, indexed, converted
// and printed, nothing more. is_floating() is false for them, and they have a common dtype with
// nothing but themselves; convert to compute.
//
// Pure values: nothing here allocates or fails, but for dtype_from_name.
#ifndef TENON_BASE_DTYPE_H_
#define TENON_BASE_DTYPE_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "tenon/base/half.h"

namespace tenon {

// Storage of complex numbers, laid out as std::complex and C's _Complex are. Plain structs, because
// <complex> would cost every user of tensor.h a third of its compile time.
struct Complex64 {
  float real = 0, imag = 0;
};
struct Complex128 {
  double real = 0, imag = 0;
};

enum class DType : uint8_t {
  none = 0,  // of a tensor that holds nothing
#define TENON_DTYPE(name, type, number, ...) name = number,
#include "tenon/base/dtype.def"
#undef TENON_DTYPE
};
inline constexpr int kDTypeCount = 18;  // numbers are below this

enum class DTypeKind : uint8_t { None, Bool, UInt, Int, Float, Complex, Float8 };

struct DTypeInfo {
  std::string_view name;  // "float32"
  DTypeKind kind;
  uint8_t item_size;  // bytes
  uint8_t dlpack_code, dlpack_bits;
  std::string_view numpy_descr;  // "f4"; empty where NumPy has no such type
  std::string_view safetensors_name;
};

namespace detail {
constexpr std::string_view without_underscore(std::string_view name) {
  return name.back() == '_' ? name.substr(0, name.size() - 1) : name;
}
inline constexpr DTypeInfo kDTypes[kDTypeCount] = {
    {"none", DTypeKind::None, 0, 0, 0, "", ""},
#define TENON_DTYPE(name, type, number, kind, code, bits, descr, safetensors) \
  {without_underscore(#name), DTypeKind::kind, sizeof(type), code, bits, descr, safetensors},
#include "tenon/base/dtype.def"
#undef TENON_DTYPE
};
}  // namespace detail

constexpr const DTypeInfo& dtype_info(DType d) { return detail::kDTypes[static_cast<int>(d)]; }
constexpr std::string_view dtype_name(DType d) { return dtype_info(d).name; }
constexpr int64_t item_size(DType d) { return dtype_info(d).item_size; }
constexpr bool is_floating(DType d) { return dtype_info(d).kind == DTypeKind::Float; }
constexpr bool is_complex(DType d) { return dtype_info(d).kind == DTypeKind::Complex; }
constexpr bool is_float8(DType d) { return dtype_info(d).kind == DTypeKind::Float8; }
constexpr bool is_integral(DType d) {  // bool excluded
  return dtype_info(d).kind == DTypeKind::Int || dtype_info(d).kind == DTypeKind::UInt;
}

// The dtype of a C++ type: dtype_of<float>() == DType::float32. Does not compile for other types.
template <class T>
struct DTypeOf;
#define TENON_DTYPE(name, type, ...)            \
  template <>                                   \
  struct DTypeOf<type> {                        \
    static constexpr DType value = DType::name; \
  };
#include "tenon/base/dtype.def"
#undef TENON_DTYPE
template <class T>
constexpr DType dtype_of() {
  return DTypeOf<T>::value;
}

// Calls f.template operator()<T>() with the C++ type of `d`; returns its result. The only switch
// over dtypes.
template <class F>
decltype(auto) visit_dtype(DType d, F&& f) {
  switch (d) {
#define TENON_DTYPE(name, type, ...) \
  case DType::name:                  \
    return f.template operator()<type>();
#include "tenon/base/dtype.def"
#undef TENON_DTYPE
    case DType::none:
      break;
  }
  __builtin_unreachable();
}

// The dtype in which f16 and bf16 compute: their results round once, at the end.
constexpr DType compute_dtype(DType d) {
  return d == DType::float16 || d == DType::bfloat16 ? DType::float32 : d;
}

// The dtype of an operation on `a` and `b`: the Array API's promotion table, extended to mixed
// kinds: of two kinds (bool < integer < floating < complex) the higher one's dtype wins; float64
// with complex64 gives complex128; float16 with bfloat16 gives float32. uint64 with a signed
// integer has no common integer, a float8 no common dtype with another one: DType::none, which
// callers report with promotion_advice().
DType promote(DType a, DType b);
// What to do where there is no common dtype: this of a float8, else "convert one of them ...".
inline constexpr std::string_view kFloat8Advice =
    "float8 is for storage: convert it with to(float32)";
std::string_view promotion_advice(DType a, DType b);

// "float32" -> DType::float32; DType::none for an unknown name. "bool" and "bool_" both are known.
DType dtype_from_name(std::string_view name);

}  // namespace tenon

#endif  // TENON_BASE_DTYPE_H_
