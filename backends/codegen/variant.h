// Variant: what of a launch a generated kernel is compiled for. A launch decides it (PlanLaunch,
// launch_plan.h), EmitKernel writes the kernel; a backend keeps one compiled kernel per variant.
//
// Most programs see one or two in their life: all operands contiguous, and perhaps a broadcast one.
#ifndef TENON_BACKENDS_CODEGEN_VARIANT_H_
#define TENON_BACKENDS_CODEGEN_VARIANT_H_

#include <compare>
#include <cstdint>
#include <string>

namespace tenon_codegen {

// Work items of a group that shares outputs of a reduction. With 16 reducers of 24 bytes the
// accumulators fill 48 KiB, what GPUs have of local memory.
inline constexpr int kGroupSize = 128;

enum class Method : uint8_t {
  kMap,     // a work item per element, or per `vector` elements
  kList,    // several launches of a map over contiguous operands (list_plan.h)
  kThread,  // a work item per output of a reduction
  kGroup,   // a work group per output
  kSlice,   // work items per output, each leaves its accumulators in a scratch buffer ...
  kPart,    // work groups per output, likewise ...
  kMerge    // ... which a group per output then merges, always in the same order
};

struct Variant {
  Method method = Method::kMap;
  uint8_t outer_rank = 1;  // axes of the outputs, 1 or more
  uint8_t inner_rank = 0;  // reduced axes; 1 or more in a reduction
  uint8_t vector = 1;      // elements that a work item of kMap loads and stores at once
  bool packed = false;     // kMap: along the last axis every operand has stride 1, or 0 ...
  uint64_t repeated = 0;   // ... namely these (bit k: operand k): read once, kept in a register
  bool wide = false;       // indices of 64 bits, else of 32
  bool in_memory = false;  // the launch is too long for an argument and comes in a buffer

  auto operator<=>(const Variant&) const = default;

  // Part of the kernel's name: "flat4", "map2_r4", "group1x1_wide".
  std::string suffix() const;
};

// What of a device matters to the text of a kernel.
struct Target {
  bool f64 = true;  // without, float sums are kept in f32 and no operand is f64
  int vector = 4;   // elements of a map that a work item loads and stores at once
  // A CPU: a few work items take a run of neighbouring elements each, which the compiler makes
  // vectors of; groups are used for nothing but merging. Then `vector` is 1.
  bool runs = false;
  uint32_t max_argument_bytes = 4096;  // of all arguments together
};

}  // namespace tenon_codegen

#endif  // TENON_BACKENDS_CODEGEN_VARIANT_H_
