// Element: one number of any dtype, held exactly, for tests that must know the right answer.
//
//   Element x = real(DType::float16, round_to(DType::float16, 0.1L));
//   bits_of(x) == 0x2e66; ulp_distance(DType::float16, x.real, 0.1L) <= 0.5
#ifndef TENON_MAP_ELEMENT_H_
#define TENON_MAP_ELEMENT_H_

#include <cstdint>

#include "tenon/base/dtype.h"

namespace tenon::map {

struct Element {
  DType dtype = DType::none;
  long double real = 0;  // of a float, float8 included
  __int128 integer = 0;  // of an integer, or of a bool (0, 1)
};
inline Element real(DType dtype, long double value) { return {dtype, value, 0}; }
inline Element integer(DType dtype, __int128 value) { return {dtype, 0, value}; }

// Does an Element of this dtype hold a real?
inline bool is_real(DType dtype) { return is_floating(dtype) || is_float8(dtype); }

// Rounded to nearest even once, to a dtype that is_real().
long double round_to(DType dtype, long double x);

// An integer modulo 2^width, as `d` holds it; for bool, whether it is not 0.
__int128 wrap(DType d, __int128 x);

// The raw bits of an element, and back.
uint64_t bits_of(const Element& element);
Element element_of(DType dtype, uint64_t bits);

// |got - expected| in units of the last place of `expected` in `dtype`; 0 if both are NaN or the
// same infinity, infinite if only one of them is.
long double ulp_distance(DType dtype, long double got, long double expected);

}  // namespace tenon::map

#endif  // TENON_MAP_ELEMENT_H_
