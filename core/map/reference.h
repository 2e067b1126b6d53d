// evaluate(): what a program means, computed slowly and exactly; the judge of tests in this directory.
//
//   std::vector<Element> out = evaluate(program, {real(DType::float32, 0.5L)}, {}, 0, Rounding::kNone);
//
// One element at a time. Floats are carried as long double, either never rounded (what the program would give in
// real arithmetic, nearly) or rounded to their dtype after each instruction (what a device must give for the
// exact opcodes). Integers wrap exactly. It shares no code with the ABI kit's interpreter but Philox.
#ifndef TENON_MAP_REFERENCE_H_
#define TENON_MAP_REFERENCE_H_

#include <cstdint>
#include <span>
#include <vector>

#include "tenon/map/program.h"

namespace tenon::map {

struct Element {
  DType dtype = DType::none;
  long double real = 0;   // of a float
  __int128 integer = 0;   // of an integer, or of a bool (0, 1)
};
inline Element real(DType dtype, long double value) { return {dtype, value, 0}; }
inline Element integer(DType dtype, __int128 value) { return {dtype, 0, value}; }

enum class Rounding { kNone, kToDType };

// Output values for the element whose logical index is `index`.
std::vector<Element> evaluate(const Program& program, std::span<const Element> inputs, std::span<const Element> scalars,
                              int64_t index, Rounding rounding);

// Values of any instructions, also of programs without outputs (a reduction's).
std::vector<Element> evaluate_values(const Program& program, std::span<const Element> inputs,
                                     std::span<const Element> scalars, int64_t index, Rounding rounding);

// Rounded to nearest even once; f16, bf16, f32, f64.
long double round_to(DType dtype, long double x);

// The raw bits of an element, and back.
uint64_t bits_of(const Element& element);
Element element_of(DType dtype, uint64_t bits);

// Functions that libm lacks, to about 17 digits (digamma: of its terms).
long double erfinv_reference(long double x);
long double digamma_reference(long double x);

// |got - expected| in units of the last place of `expected` in `dtype`; 0 if both are NaN or the same infinity,
// infinite if only one of them is.
long double ulp_distance(DType dtype, long double got, long double expected);

}  // namespace tenon::map

#endif  // TENON_MAP_REFERENCE_H_
