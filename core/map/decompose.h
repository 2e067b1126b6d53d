// Rewriting optional opcodes with required ones, for devices that lack them.
#ifndef TENON_MAP_DECOMPOSE_H_
#define TENON_MAP_DECOMPOSE_H_

#include <cstdint>

#include "tenon/map/program.h"

namespace tenon::map {

// The same function without the opcodes whose bit is off in `available` (as
// TenonDeviceProps.opcodes). Accurate to a few ulp of the dtype. False if some opcode has no
// rewriting (the program then runs elsewhere).
bool decompose(const Program& program, const uint64_t available[4], Program* result);

}  // namespace tenon::map

#endif  // TENON_MAP_DECOMPOSE_H_
