#include "interop/conversion.h"

#include <cstdint>
#include <limits>
#include <type_traits>

namespace tenon::interop {
namespace {

// The least and greatest value of an integral or bool dtype.
struct Range {
  int64_t least;
  uint64_t greatest;
};
template <class T>
constexpr Range range_of() {
  if constexpr (std::is_same_v<T, bool>) {
    return {0, 1};
  } else if constexpr (std::is_integral_v<T>) {
    return {static_cast<int64_t>(std::numeric_limits<T>::min()),
            static_cast<uint64_t>(std::numeric_limits<T>::max())};
  } else {
    return {0, 0};
  }
}

}  // namespace

bool is_whole(DType d) { return is_integral(d) || d == DType::bool_; }

void check_conversion(std::string_view operation, DType from, DType to) {
  if (is_whole(to) && !is_whole(from)) {
    fail(ErrorCode::kDType, operation, "converting ", dtype_name(from), " to ", dtype_name(to),
         " would drop what is behind the point: convert with astype(), after rounding as you need "
         "it");
  }
  if (is_complex(from) && !is_complex(to)) {
    fail(ErrorCode::kDType, operation, "converting ", dtype_name(from), " to ", dtype_name(to),
         " would discard the imaginary part: take the real part first");
  }
}

void check_range(std::string_view operation, const NdArray& dense, DType to) {
  const Range range = visit_dtype(to, []<class T>() { return range_of<T>(); });
  visit_dtype(dense.dtype(), [&]<class T>() {
    if constexpr (std::is_integral_v<T>) {
      for (T v : dense.values<T>()) {
        const bool fits = v < T(0) ? static_cast<int64_t>(v) >= range.least
                                   : static_cast<uint64_t>(v) <= range.greatest;
        if (!fits) {
          fail(ErrorCode::kDType, operation, "value cannot be converted to type ", dtype_name(to),
               " without overflow: ", v, " of the ", dtype_name(dense.dtype()),
               " array; choose a wider dtype, or convert with astype() to wrap");
        }
      }
    }
  });
}

}  // namespace tenon::interop
