// Which changes of dtype a door makes by itself, so that no value changes silently. Private to the
// doors.
#ifndef TENON_INTEROP_CONVERSION_H_
#define TENON_INTEROP_CONVERSION_H_

#include <string_view>

#include "tenon/interop/ndarray.h"

namespace tenon::interop {

// bool and integers.
bool is_whole(DType d);

// Throws kDType for floating to whole and for complex to real: astype() says how it rounds.
void check_conversion(std::string_view operation, DType from, DType to);

// Throws kDType unless every integer of `dense`, an array in C order, is one of `to` as well.
// Nothing to check if `dense` holds no integers.
void check_range(std::string_view operation, const NdArray& dense, DType to);

}  // namespace tenon::interop

#endif  // TENON_INTEROP_CONVERSION_H_
