// Random kernels: map programs, and reductions with several reducers between random programs. What
// one is depends on its seed alone.
#ifndef TENON_TESTS_CODEGEN_RANDOM_SAMPLES_H_
#define TENON_TESTS_CODEGEN_RANDOM_SAMPLES_H_

#include <cstdint>

#include "tests/codegen/samples.h"

Sample RandomMap(unsigned seed);
Sample RandomReduction(unsigned seed);

// What both lists of samples know of opcodes. Is the result of `op` on this dtype one correctly
// rounded value?
bool IsExact(uint32_t op, uint32_t dtype);
bool HasNoOperands(uint32_t op);
uint16_t ResultDtype(uint32_t op, uint32_t dtype);

#endif  // TENON_TESTS_CODEGEN_RANDOM_SAMPLES_H_
