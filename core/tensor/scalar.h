// Scalar: one number of a kind -- bool, integer, floating -- without a dtype of its own.
//
//   add(t, 2), mul(t, 0.5), full({3}, true)
//
// Scalars are weak: next to a tensor they take the tensor's dtype, unless their kind is higher (0.5
// next to an integer tensor gives the default float32). They travel in run-time slots, so that a
// changed number never compiles anything.
#ifndef TENON_TENSOR_SCALAR_H_
#define TENON_TENSOR_SCALAR_H_

#include <concepts>
#include <cstdint>
#include <type_traits>

#include "tenon/base/dtype.h"

namespace tenon {

inline constexpr DType kDefaultFloat = DType::float32;
inline constexpr DType kDefaultInt = DType::int64;

class Scalar {
 public:
  Scalar() : Scalar(0) {}
  template <class T>
  requires std::is_arithmetic_v<T> Scalar(T value) {  // NOLINT(google-explicit-constructor)
    if constexpr (std::is_same_v<T, bool>) {
      kind_ = DTypeKind::Bool;
      integer_ = value;
    } else if constexpr (std::is_integral_v<T>) {
      kind_ = std::is_unsigned_v<T> ? DTypeKind::UInt : DTypeKind::Int;
      integer_ = static_cast<int64_t>(value);
    } else {
      kind_ = DTypeKind::Float;
      real_ = static_cast<double>(value);
    }
  }
  Scalar(Half value) : Scalar(static_cast<float>(value)) {}  // NOLINT(google-explicit-constructor)
  // NOLINTNEXTLINE(google-explicit-constructor)
  Scalar(BFloat16 value) : Scalar(static_cast<float>(value)) {}

  DTypeKind kind() const { return kind_; }
  bool is_floating() const { return kind_ == DTypeKind::Float; }
  // As a C++ number; floats convert to integers as the ABI's CAST does (saturating, NaN to 0).
  double to_double() const {
    if (is_floating()) return real_;
    return kind_ == DTypeKind::UInt ? static_cast<double>(static_cast<uint64_t>(integer_))
                                    : static_cast<double>(integer_);
  }
  int64_t to_int64() const;
  bool to_bool() const { return is_floating() ? real_ != 0 : integer_ != 0; }

  // The dtype it has where there is no tensor to take one from.
  DType default_dtype() const {
    return kind_ == DTypeKind::Bool ? DType::bool_ : is_floating() ? kDefaultFloat : kDefaultInt;
  }
  // The dtype of an operation between a tensor of `dtype` and this.
  DType dtype_beside(DType dtype) const {
    const DTypeKind tensor = dtype_info(dtype).kind;
    if (is_floating())
      return tensor == DTypeKind::Float || tensor == DTypeKind::Complex ? dtype : kDefaultFloat;
    if (kind_ != DTypeKind::Bool && tensor == DTypeKind::Bool) return kDefaultInt;
    return dtype;
  }
  // Can an integer dtype hold this bool or integer? (A floating number never meets one: it raises
  // the dtype.)
  bool fits(DType dtype) const;
  // Raw bits of the value as `dtype`, in the low bytes: an ABI scalar slot or constant.
  uint64_t bits_as(DType dtype) const;

 private:
  DTypeKind kind_;
  union {
    int64_t integer_;
    double real_;
  };
};

}  // namespace tenon

#endif  // TENON_TENSOR_SCALAR_H_
