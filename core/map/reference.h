// evaluate(): what a program means, computed slowly and exactly; the judge of tests in this
// directory.
//
//   std::vector<Element> out = evaluate(program, {real(DType::float32, 0.5L)}, {}, 0,
//   Rounding::kNone);
//
// One element at a time. Floats are carried as long double, either never rounded (what the program
// would give in real arithmetic, nearly) or rounded to their dtype after each instruction (what a
// device must give for the exact opcodes). Integers wrap exactly. It shares no code with the ABI
// kit's interpreter but Philox.
#ifndef TENON_MAP_REFERENCE_H_
#define TENON_MAP_REFERENCE_H_

#include <cstdint>
#include <span>
#include <vector>

#include "tenon/map/element.h"
#include "tenon/map/program.h"

namespace tenon::map {

enum class Rounding { kNone, kToDType };

// Output values for the element whose logical index is `index`.
std::vector<Element> evaluate(const Program& program, std::span<const Element> inputs,
                              std::span<const Element> scalars, int64_t index, Rounding rounding);

// Values of any instructions, also of programs without outputs (a reduction's).
std::vector<Element> evaluate_values(const Program& program, std::span<const Element> inputs,
                                     std::span<const Element> scalars, int64_t index,
                                     Rounding rounding);

// Functions that libm lacks, to about 17 digits (digamma: of its terms).
long double erfinv_reference(long double x);
long double digamma_reference(long double x);

}  // namespace tenon::map

#endif  // TENON_MAP_REFERENCE_H_
