#include "tenon/backends/codegen/launch_plan.h"

#include <algorithm>
#include <cstdlib>

#include "tenon/abi/tenon_plugin_kit.h"

namespace tenon_codegen {
namespace {

// Below this many elements per output a group would be mostly idle.
constexpr int64_t kGroupFrom = kGroupSize / 2;
// So many groups, or work items, keep all processors busy; a CPU's: so many work items.
constexpr int64_t kEnoughGroups = 512, kEnoughItems = 1 << 16, kEnoughRuns = 64;
// A part of an output is at least so many elements: of a group, a GPU's work item, a CPU's.
constexpr int64_t kGroupPart = 8192, kItemPart = 64, kRunPart = 4096;
// Positions and what is added to them in one step stay below 2^31.
constexpr int64_t kNarrow = (int64_t{1} << 31) - (int64_t{1} << 27);

struct Axis {
  int64_t size = 1, index_stride = 0;
  std::vector<int64_t> strides;  // of each operand
};

// Is a step along `outer` what `inner.size` steps along `inner` are?
bool Joins(const Axis& outer, const Axis& inner) {
  if (outer.index_stride != inner.index_stride * inner.size) return false;
  for (size_t k = 0; k < outer.strides.size(); ++k) {
    if (outer.strides[k] != inner.strides[k] * inner.size) return false;
  }
  return true;
}

void Add(std::vector<Axis>& axes, Axis axis) {
  if (axis.size == 1) return;
  if (!axes.empty() && Joins(axes.back(), axis)) {
    axis.size *= axes.back().size;
    axes.back() = std::move(axis);
  } else {
    axes.push_back(std::move(axis));
  }
}

int64_t Product(const std::vector<Axis>& axes) {
  int64_t product = 1;
  for (const Axis& axis : axes) product *= axis.size;
  return product;
}

// Elements from the first to the last one that an operand names, or the count of positions.
bool FitsNarrow(const std::vector<Axis>& axes, size_t operands) {
  if (Product(axes) > kNarrow) return false;
  for (size_t k = 0; k < operands; ++k) {
    int64_t extent = 0;
    for (const Axis& axis : axes) extent += std::abs(axis.strides[k]) * (axis.size - 1);
    if (extent > kNarrow) return false;
  }
  return true;
}

// Along the last axis, is every operand's stride 1 or 0? Then `repeated` tells which are 0.
bool IsPacked(const Axis& last, uint64_t* repeated) {
  *repeated = 0;
  for (size_t k = 0; k < last.strides.size(); ++k) {
    if (last.strides[k] == 0) *repeated |= uint64_t{1} << k;
    if (last.strides[k] != 0 && last.strides[k] != 1) return false;
  }
  return true;
}

// May every operand that moves be read and written `vector` elements at a time? Buffers begin at
// multiples of 64 bytes.
bool Vectors(const KernelInfo& kernel, const TenonLaunch& launch, const std::vector<Axis>& axes,
             uint64_t repeated, int64_t vector) {
  if (axes.size() > 1 && axes.back().size % vector != 0) return false;
  for (size_t k = 0; k < kernel.operand_dtypes.size(); ++k) {
    if ((repeated >> k & 1u) != 0) continue;
    const uint64_t item = tenon_dtype_size(kernel.operand_dtypes[k]);
    const uint64_t alignment = std::min<uint64_t>(16, item * static_cast<uint64_t>(vector));
    if (launch.operands[k].offset % alignment != 0) return false;
    for (size_t d = 0; d + 1 < axes.size(); ++d) {
      if (axes[d].strides[k] % vector != 0) return false;
    }
  }
  return true;
}

// Do neighbouring outputs lie closer together in the inputs than neighbours along the reduced axes?
bool OutputsAreClose(const Axis& outer, const Axis& inner, uint32_t inputs) {
  int64_t along_outer = 0, along_inner = 0;
  for (uint32_t k = 0; k < inputs; ++k) {
    along_outer += std::abs(outer.strides[k]);
    along_inner += std::abs(inner.strides[k]);
  }
  return along_outer < along_inner;
}

void ChooseReduction(const Target& target, const Axis& outer, const Axis& inner, uint32_t inputs,
                     LaunchPlan* plan) {
  const auto parts = [&](int64_t least, int64_t enough) {
    return std::max<int64_t>(1, std::min(plan->inner / least, enough / plan->outer));
  };
  Method& method = plan->variant.method;
  const bool close = OutputsAreClose(outer, inner, inputs);
  if (close || target.runs || plan->inner < kGroupFrom) {
    plan->parts =
        close || !target.runs ? parts(kItemPart, kEnoughItems) : parts(kRunPart, kEnoughRuns);
    method = plan->parts > 1 ? Method::kSlice : Method::kThread;
  } else {
    plan->parts = parts(kGroupPart, kEnoughGroups);
    method = plan->parts > 1 ? Method::kPart : Method::kGroup;
  }
}

std::vector<uint64_t> Words(const KernelInfo& kernel, const TenonLaunch& launch,
                            const LaunchPlan& plan, const std::vector<Axis>& axes) {
  std::vector<uint64_t> words;
  words.reserve(4 + 2 * axes.size() + launch.n_operands * (1 + axes.size()) + kernel.n_scalars);
  const auto put = [&](int64_t word) { words.push_back(static_cast<uint64_t>(word)); };
  put(plan.outer);
  put(plan.inner);
  put(plan.parts);
  put(kernel.uses_index ? launch.index_base : 0);
  for (const Axis& axis : axes) put(axis.size);
  for (const Axis& axis : axes) put(axis.index_stride);
  for (uint32_t k = 0; k < launch.n_operands; ++k) {
    put(static_cast<int64_t>(launch.operands[k].offset /
                             tenon_dtype_size(kernel.operand_dtypes[k])));
    for (const Axis& axis : axes) put(axis.strides[k]);
  }
  words.insert(words.end(), launch.scalars, launch.scalars + kernel.n_scalars);
  return words;
}

}  // namespace

Variant LaunchPlan::merge() const {
  Variant merge = variant;
  merge.method = Method::kMerge;
  return merge;
}

LaunchPlan PlanLaunch(const KernelInfo& kernel, const Target& target, const TenonLaunch& launch) {
  std::vector<Axis> outer, inner;
  for (uint32_t d = 0; d < launch.rank; ++d) {
    const bool reduced = (launch.reduce_axes >> d & 1u) != 0;
    Axis axis;
    axis.size = launch.sizes[d];
    if (kernel.uses_index) axis.index_stride = launch.index_strides[d];
    for (uint32_t k = 0; k < launch.n_operands; ++k)
      axis.strides.push_back(launch.operands[k].strides[d]);
    Add(reduced ? inner : outer, std::move(axis));
  }
  // A kernel has at least one axis. Of one element, every operand is as good as contiguous.
  Axis single;
  single.strides.assign(launch.n_operands, 1);
  if (outer.empty()) outer.push_back(single);
  if (kernel.reduces && inner.empty()) inner.push_back(single);

  LaunchPlan plan;
  Variant& variant = plan.variant;
  plan.outer = Product(outer);
  plan.inner = Product(inner);
  if (!kernel.reduces) {
    variant.packed = IsPacked(outer.back(), &variant.repeated);
    if (!variant.packed) variant.repeated = 0;
    if (variant.packed && target.vector > 1 && plan.outer >= target.vector &&
        Vectors(kernel, launch, outer, variant.repeated, target.vector)) {
      variant.vector = static_cast<uint8_t>(target.vector);
    }
  } else {
    ChooseReduction(target, outer.back(), inner.back(), kernel.n_inputs, &plan);
  }
  variant.outer_rank = static_cast<uint8_t>(outer.size());
  variant.inner_rank = static_cast<uint8_t>(inner.size());
  std::vector<Axis>& axes = outer;
  axes.insert(axes.end(), inner.begin(), inner.end());
  variant.wide = !FitsNarrow(axes, launch.n_operands) || plan.groups() > kNarrow;
  plan.words = Words(kernel, launch, plan, axes);
  const uint64_t pointers = launch.n_operands + (plan.parts > 1 ? 1 : 0);
  variant.in_memory = 8 * (pointers + plan.words.size()) > target.max_argument_bytes;
  return plan;
}

}  // namespace tenon_codegen
