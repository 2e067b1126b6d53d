#include "tenon/tensor/scalar.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "tenon/base/error.h"

namespace tenon {
namespace {

template <class T>
T saturate(double value) {
  if (std::isnan(value)) return 0;
  if (value <= static_cast<double>(std::numeric_limits<T>::min()))
    return std::numeric_limits<T>::min();
  if (value >= std::ldexp(1.0, std::numeric_limits<T>::digits))
    return std::numeric_limits<T>::max();
  return static_cast<T>(value);
}

}  // namespace

int64_t Scalar::to_int64() const { return is_floating() ? saturate<int64_t>(real_) : integer_; }

bool Scalar::fits(DType dtype) const {
  return visit_dtype(dtype, [&]<class T>() -> bool {
    if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
      if (is_floating()) return false;
      return kind_ == DTypeKind::UInt ? std::in_range<T>(static_cast<uint64_t>(integer_))
                                      : std::in_range<T>(integer_);
    } else {
      return true;
    }
  });
}

uint64_t Scalar::bits_as(DType dtype) const {
  return visit_dtype(dtype, [&]<class T>() -> uint64_t {
    T value;
    if constexpr (std::is_same_v<T, bool>) {
      value = to_bool();
    } else if constexpr (std::is_integral_v<T>) {
      value = is_floating() ? saturate<T>(real_) : static_cast<T>(integer_);
    } else if constexpr (std::is_same_v<T, float> || std::is_same_v<T, double>) {
      value = static_cast<T>(to_double());
    } else if constexpr (NarrowFloat<T>) {
      value.bits = narrow_bits<T>(to_double());
    } else {
      fail(ErrorCode::kDType, "scalar", "a number cannot be written as ", dtype_name(dtype),
           " in a program");
    }
    uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof value);
    return bits;
  });
}

}  // namespace tenon
