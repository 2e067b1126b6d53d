#include "backends/opencl/typed_entries.h"

namespace tenon_opencl {

// Before it stand: T (an element), NAME, and for a scatter SCATTER and ADD(old, x) (what becomes of
// an element).
//
// Both pair the places of one tensor, enumerated, with places of the other, selected by the index
// along one axis. A gather has a work item per element; a scatter one per line along the axis,
// which it walks in order: several sources for one element meet in a fixed order, without atomics.
const char kIndexSource[] = R"source(
typedef struct {
  i64 rank, axis, others, bound, wide_index, flag, sizes[8], positions[8];
  struct { i64 start, strides[8]; } enumerated, selected, index;
} Indexed;

// Element `at` of the index, in range; `position` is what a wrong one is reported as.
DEVICE i64 read_index(GLOBAL const i32* narrow, GLOBAL i64* flag, i64 at, i64 position, i64 wide,
                      i64 bound) {
  const i64 raw = wide ? ((GLOBAL const i64*)narrow)[at] : narrow[at];
  const i64 index = raw < 0 ? raw + bound : raw;
  if (index >= 0 && index < bound) return index;
  *flag = position + 1;  // of several wrong ones any
  return index < 0 ? 0 : bound - 1;
}

KERNEL NAME(GLOBAL T* enumerated, GLOBAL T* selected, GLOBAL const i32* index, GLOBAL i64* flag,
            const Indexed x) {
  const i64 length = x.sizes[x.axis];
#ifdef SCATTER
  for (i64 i = GLOBAL_ID; i < x.others; i += GLOBAL_SIZE) {
#else
  for (i64 number = GLOBAL_ID; number < x.others * length; number += GLOBAL_SIZE) {
    const i64 i = number / length, j = number % length;
#endif
    i64 e = x.enumerated.start, s = x.selected.start, at = x.index.start, position = 0, rest = i;
    for (i32 d = (i32)x.rank; d-- > 0;) {
      if (d == x.axis) continue;
      const i64 place = rest % x.sizes[d];
      rest /= x.sizes[d];
      e += place * x.enumerated.strides[d];
      s += place * x.selected.strides[d];
      at += place * x.index.strides[d];
      position += place * x.positions[d];
    }
#ifdef SCATTER
    for (i64 j = 0; j < length; ++j)
#endif
    {
      const i64 k = read_index(index, flag + x.flag, at + j * x.index.strides[x.axis],
                               position + j * x.positions[x.axis], x.wide_index, x.bound);
      GLOBAL T* to = selected + s + k * x.selected.strides[x.axis];
      GLOBAL T* from = enumerated + e + j * x.enumerated.strides[x.axis];
#ifdef SCATTER
      *to = ADD(*to, *from);
#else
      *from = *to;
#endif
    }
  }
}
)source";

}  // namespace tenon_opencl
