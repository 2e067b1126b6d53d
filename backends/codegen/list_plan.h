// PlanList: several launches of one map kernel as few launches of its list variants, for backends
// whose buffers are addresses: an optimizer's step over all parameters.
//
//   for (const ListPlan& p : PlanList(info, launches, n))   // empty: launch them one by one
//     // p.words.data(): the launch, by value; p.blocks groups of any size
//
// All operands of all launches must be contiguous, of rank 1, and the program without INDEX.
// Operands are found through the launch, not through arguments of their own.
#ifndef TENON_BACKENDS_CODEGEN_LIST_PLAN_H_
#define TENON_BACKENDS_CODEGEN_LIST_PLAN_H_

#include <cstdint>
#include <vector>

#include "tenon/abi/tenon_backend.h"
#include "tenon/backends/codegen/emit.h"

namespace tenon_codegen {

inline constexpr int64_t kListBlock = 4096;  // elements that a group takes at once

// So many launches fit into one: into 4,096 bytes, what every device offers for arguments.
inline int64_t ListCapacity(const KernelInfo& kernel) {
  const auto words = static_cast<int64_t>(2 + kernel.operand_dtypes.size() + kernel.n_scalars);
  return (4096 / 8 - 2) / words;
}

struct ListPlan {
  Variant variant;  // kList
  int64_t blocks = 0;
  std::vector<uint64_t> words;
};

// Those whose operands are all aligned to 16 bytes come first, in vectors.
std::vector<ListPlan> PlanList(const KernelInfo& kernel, const TenonLaunch* launches, uint32_t n);

}  // namespace tenon_codegen

#endif  // TENON_BACKENDS_CODEGEN_LIST_PLAN_H_
