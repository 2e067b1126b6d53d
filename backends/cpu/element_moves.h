// Single elements, each moved by itself between a place that is enumerated and one that an index
// selects.
#ifndef TENON_BACKENDS_CPU_ELEMENT_MOVES_H_
#define TENON_BACKENDS_CPU_ELEMENT_MOVES_H_

#include <cstdint>

namespace tenon_cpu {

// The place that an index names: negative ones count from the end, others are clamped.
inline int64_t PlaceOf(int64_t index, int64_t bound, bool* in_range) {
  const int64_t place = index < 0 ? index + bound : index;
  *in_range = static_cast<uint64_t>(place) < static_cast<uint64_t>(bound);
  if (*in_range) [[likely]]
    return place;
  return place < 0 ? 0 : bound - 1;
}

struct ElementLine {
  char* enumerated;
  char* selected;
  const char* index;
  int64_t enumerated_step, selected_step, index_step;  // bytes, from one element to the next
  int64_t unit;                                        // bytes of the selected per unit of index
  int64_t bound;                                       // of the indexed axis
};

// Moves n elements, the first one first. Returns the first whose index is out of range, or n.
using ElementMove = int64_t (*)(const ElementLine& line, int64_t n);

ElementMove FindElementGather(int64_t item, bool wide_index);   // enumerated = selected
ElementMove FindElementScatter(int64_t item, bool wide_index);  // selected = enumerated
ElementMove FindElementAdd(uint32_t dtype, bool wide_index);  // selected += enumerated, or nullptr

}  // namespace tenon_cpu
#endif  // TENON_BACKENDS_CPU_ELEMENT_MOVES_H_
