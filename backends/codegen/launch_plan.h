// PlanLaunch: how a launch is run: by which variant of its kernel, on how many work items, and with
// which struct as its last argument.
//
//   LaunchPlan p = PlanLaunch(info, target, launch);   // launch passed tenon_check_launch
//   // p.words.data(): the launch, p.words.size() * 8 bytes
//
// Axes of size 1 are dropped and axes that lie densely behind one another in every operand become
// one; the reduced axes come after the others. The plan depends on the launch and the target alone,
// so that a reduction gives the same bits every time.
#ifndef TENON_BACKENDS_CODEGEN_LAUNCH_PLAN_H_
#define TENON_BACKENDS_CODEGEN_LAUNCH_PLAN_H_

#include <cstdint>
#include <vector>

#include "tenon/abi/tenon_backend.h"
#include "tenon/backends/codegen/emit.h"

namespace tenon_codegen {

struct LaunchPlan {
  Variant variant;
  int64_t outer = 1, inner = 1;  // elements of the outputs, and per output
  int64_t parts = 1;             // kSlice, kPart: of an output; kMerge follows with the same words
  std::vector<uint64_t> words;

  bool in_groups() const {
    return variant.method == Method::kGroup || variant.method == Method::kPart;
  }
  // Groups of kGroupSize, or work items (kMap, kThread, kSlice), that have something to do. Kernels
  // stride over what a smaller grid does not cover; the grid never changes a result.
  int64_t groups() const { return outer * parts; }
  int64_t items() const { return (outer * parts + variant.vector - 1) / variant.vector; }
  uint64_t scratch_bytes(const KernelInfo& kernel) const {
    return static_cast<uint64_t>(outer * parts) * kernel.state_bytes();
  }
  // The second launch where there are parts: the same words and scratch, a group per output.
  Variant merge() const;
};

LaunchPlan PlanLaunch(const KernelInfo& kernel, const Target& target, const TenonLaunch& launch);

}  // namespace tenon_codegen

#endif  // TENON_BACKENDS_CODEGEN_LAUNCH_PLAN_H_
