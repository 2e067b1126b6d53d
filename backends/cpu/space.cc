#include "backends/cpu/space.h"

#include <cstdlib>

#include "tenon/abi/tenon_plugin_kit.h"

namespace tenon_cpu {

bool Space::IsDense(int operand, int64_t item) const {
  int64_t expected = item;
  for (int d = rank; d-- > 0;) {
    if (strides[operand][d] != expected) return false;
    expected *= sizes[d];
  }
  return true;
}

bool Space::IsBroadcast(int operand) const {
  for (int d = 0; d < rank; ++d) {
    if (strides[operand][d] != 0) return false;
  }
  return true;
}

int64_t Space::Offset(int operand, int64_t position) const {
  int64_t offset = 0;
  for (int d = rank; d-- > 0 && position != 0;) {
    offset += position % sizes[d] * strides[operand][d];
    position /= sizes[d];
  }
  return offset;
}

int64_t Space::Index(int64_t position) const {
  int64_t index = 0;
  for (int d = rank; d-- > 0 && position != 0;) {
    index += position % sizes[d] * index_strides[d];
    position /= sizes[d];
  }
  return index;
}

void MakeSpace(const TenonLaunch& launch, uint32_t mask, uint32_t lead, bool indexed,
               Space* space) {
  Space& s = *space;
  s.n_operands = static_cast<int>(launch.n_operands);
  int order[TENON_ABI_MAX_RANK];
  int axes = 0;
  s.count = 1;
  for (uint32_t d = 0; d < launch.rank; ++d) {
    s.count *= (mask >> d & 1) != 0 ? launch.sizes[d] : 1;
    if ((mask >> d & 1) == 0 || launch.sizes[d] == 1) continue;
    const int64_t* strides = launch.operands[lead].strides;
    int at = axes++;
    for (; at > 0 && std::llabs(strides[order[at - 1]]) < std::llabs(strides[d]); --at)
      order[at] = order[at - 1];
    order[at] = static_cast<int>(d);
  }
  if (axes <= 1) {  // the usual case: core has merged what can be merged
    s.rank = axes;
    if (axes == 0) return;
    const int d = order[0];
    s.sizes[0] = launch.sizes[d];
    s.index_strides[0] = indexed ? launch.index_strides[d] : 0;
    for (int k = 0; k < s.n_operands; ++k) {
      const TenonOperand& operand = launch.operands[k];
      s.strides[k][0] = operand.strides[d] * tenon_dtype_size(operand.dtype);
    }
    return;
  }
  int64_t items[kMaxOperands];
  for (int k = 0; k < s.n_operands; ++k) items[k] = tenon_dtype_size(launch.operands[k].dtype);
  // Innermost first; an axis is merged into the one inside it when its strides just go on where
  // that one ends.
  int64_t reversed_sizes[TENON_ABI_MAX_RANK];
  int from[TENON_ABI_MAX_RANK];  // the axis of the launch that gives the strides
  int rank = 0;
  for (int i = axes; i-- > 0;) {
    const int d = order[i];
    bool merge = rank > 0;
    if (merge) {
      const int inner = from[rank - 1];
      const int64_t size = reversed_sizes[rank - 1];
      for (int k = 0; merge && k < s.n_operands; ++k) {
        merge = launch.operands[k].strides[d] == launch.operands[k].strides[inner] * size;
      }
      if (merge && indexed) merge = launch.index_strides[d] == launch.index_strides[inner] * size;
    }
    if (merge) {
      reversed_sizes[rank - 1] *= launch.sizes[d];
    } else {
      reversed_sizes[rank] = launch.sizes[d];
      from[rank++] = d;
    }
  }
  s.rank = rank;
  for (int i = 0; i < rank; ++i) {
    const int d = from[rank - 1 - i];
    s.sizes[i] = reversed_sizes[rank - 1 - i];
    s.index_strides[i] = indexed ? launch.index_strides[d] : 0;
    for (int k = 0; k < s.n_operands; ++k)
      s.strides[k][i] = launch.operands[k].strides[d] * items[k];
  }
}

void JoinSpaces(const Space& outer, const Space& inner, Space* both) {
  const Space* const parts[] = {&outer, &inner};
  both->rank = 0;
  both->count = outer.count * inner.count;
  both->n_operands = outer.n_operands;
  for (const Space* part : parts) {
    for (int d = 0; d < part->rank; ++d) {
      const int to = both->rank++;
      both->sizes[to] = part->sizes[d];
      both->index_strides[to] = part->index_strides[d];
      for (int k = 0; k < both->n_operands; ++k) both->strides[k][to] = part->strides[k][d];
    }
  }
}

}  // namespace tenon_cpu
