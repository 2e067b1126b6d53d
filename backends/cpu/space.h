// The positions that a launch visits: axes put into a good order and merged where all operands
// allow it.
#ifndef TENON_BACKENDS_CPU_SPACE_H_
#define TENON_BACKENDS_CPU_SPACE_H_

#include <cstdint>

#include "backends/cpu/program.h"
#include "tenon/abi/tenon_backend.h"

namespace tenon_cpu {

struct Space {
  int rank = 0;  // axes, the last one innermost
  int64_t count = 1;
  int n_operands = 0;
  int64_t sizes[TENON_ABI_MAX_RANK];
  int64_t index_strides[TENON_ABI_MAX_RANK];
  int64_t strides[kMaxOperands][TENON_ABI_MAX_RANK];  // bytes

  int64_t inner() const { return rank == 0 ? 1 : sizes[rank - 1]; }
  int64_t inner_stride(int operand) const { return rank == 0 ? 0 : strides[operand][rank - 1]; }
  // All elements of the operand lie one after the other in the order of visit.
  bool IsDense(int operand, int64_t item) const;
  bool IsBroadcast(int operand) const;                  // one element for all positions
  int64_t Offset(int operand, int64_t position) const;  // bytes
  int64_t Index(int64_t position) const;                // sum of index strides, without the base
};

inline char* Address(const TenonOperand& operand) {
  return reinterpret_cast<char*>(operand.buffer + operand.offset);
}

// The axes of `mask`. The order is that of descending strides of operand `lead`: its innermost axis
// is its densest.
void MakeSpace(const TenonLaunch& launch, uint32_t mask, uint32_t lead, bool indexed, Space* space);

// For each position of `outer` all of `inner`.
void JoinSpaces(const Space& outer, const Space& inner, Space* both);

}  // namespace tenon_cpu
#endif  // TENON_BACKENDS_CPU_SPACE_H_
