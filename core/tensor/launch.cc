#include "tenon/tensor/launch.h"

#include <algorithm>
#include <mutex>

#include "tenon/device/copy.h"

namespace tenon {
namespace {

constexpr int kMaxLaunchOperands = 64;

// Axes in the order of the first output's strides (of the first input's for a reduction), largest
// first, so that permuted layouts merge into long runs. INDEX keeps its meaning through its own
// strides.
void sort_axes(int rank, int64_t* sizes, int n, int64_t* const* strides, int leader,
               uint64_t* mask) {
  int order[kMaxRank];
  for (int i = 0; i < rank; ++i) order[i] = i;
  const int64_t* key = strides[leader];
  const auto magnitude = [&](int axis) { return key[axis] < 0 ? -key[axis] : key[axis]; };
  if (std::is_sorted(order, order + rank,
                     [&](int a, int b) { return magnitude(a) > magnitude(b); }))
    return;
  std::stable_sort(order, order + rank, [&](int a, int b) { return magnitude(a) > magnitude(b); });
  int64_t moved[kMaxRank];
  const auto permute = [&](int64_t* values) {
    for (int i = 0; i < rank; ++i) moved[i] = values[order[i]];
    std::copy_n(moved, rank, values);
  };
  permute(sizes);
  for (int k = 0; k < n; ++k) permute(strides[k]);
  uint64_t new_mask = 0;
  for (int i = 0; i < rank; ++i) new_mask |= (*mask >> order[i] & 1) << i;
  *mask = new_mask;
}

}  // namespace

void launch(const Plan& plan, const LaunchShape& shape, std::span<LaunchOperand> operands,
            std::span<const uint64_t> scalars) {
  const int n = static_cast<int>(operands.size());
  TENON_ASSERT(n > 0 && n <= kMaxLaunchOperands);
  StreamState& stream = current_stream(*plan.device);
  Dims sizes(shape.sizes);
  for (int64_t s : sizes) {
    if (s == 0) return;
  }
  Dims index;
  if (shape.indexed) {
    index.resize(sizes.size());
    int64_t step = 1;
    for (int i = sizes.size() - 1; i >= 0; --i) {
      const bool counts = shape.index_axes >> i & 1;
      index[i] = counts ? step : 0;
      if (counts) step *= sizes[i];
    }
  }
  int64_t* strides[kMaxLaunchOperands + 1];
  for (int k = 0; k < n; ++k) {
    strides[k] = operands[k].strides.data();
    use_on_stream(*operands[k].tensor->storage, stream);
  }
  int n_strides = n;
  if (shape.indexed) strides[n_strides++] = index.data();

  uint64_t mask = shape.reduce_axes;
  const int n_in = static_cast<int>(plan.source.input_count());
  sort_axes(sizes.size(), sizes.data(), n_strides, strides,
            shape.reduce_axes ? 0 : std::min(n_in, n - 1), &mask);
  const int rank = collapse_axes(sizes.size(), sizes.data(), n_strides, strides, &mask);

  TenonOperand packed[kMaxLaunchOperands];
  TenonLaunch l;
  l.size = sizeof l;
  l.flags = shape.flags;
  l.n_operands = static_cast<uint32_t>(n);
  l.n_scalars = static_cast<uint32_t>(scalars.size());
  l.operands = packed;
  l.scalars = scalars.data();
  l.index_base = 0;

  // The innermost 8 axes go to the device, the rest is a loop here. A reduction is never cut: its
  // reduced axes are made the innermost ones first.
  int order[kMaxRank];
  int outer = 0;
  if (__builtin_expect(rank > TENON_ABI_MAX_RANK, 0)) {
    int at = 0;
    for (int i = 0; i < rank; ++i) {
      if (!(mask >> i & 1)) order[at++] = i;
    }
    for (int i = 0; i < rank; ++i) {
      if (mask >> i & 1) order[at++] = i;
    }
    outer = rank - TENON_ABI_MAX_RANK;
    for (int i = 0; i < outer; ++i) {
      if (mask >> order[i] & 1) {
        fail(ErrorCode::kUnsupported, plan.name, "reduces more than ", TENON_ABI_MAX_RANK,
             " axes that cannot be merged; make the tensor contiguous() first");
      }
    }
  } else {
    for (int i = 0; i < rank; ++i) order[i] = i;
  }
  const int inner = rank - outer;
  l.rank = static_cast<uint32_t>(inner);
  l.reduce_axes = 0;
  for (int i = 0; i < inner; ++i) {
    const int axis = order[outer + i];
    l.sizes[i] = sizes[axis];
    l.reduce_axes |= static_cast<uint32_t>(mask >> axis & 1) << i;
    if (shape.indexed) l.index_strides[i] = index[axis];
  }
  for (int k = 0; k < n; ++k) {
    const TensorImpl* t = operands[k].tensor;
    packed[k].buffer = t->storage->memory.buffer;
    packed[k].offset = t->byte_offset();
    packed[k].dtype = static_cast<uint32_t>(t->dtype);
    packed[k].flags = 0;
    for (int i = 0; i < inner; ++i) packed[k].strides[i] = strides[k][order[outer + i]];
  }
  if (outer == 0) {
    run(plan, stream, l);
    return;
  }
  int64_t position[kMaxRank] = {};
  while (true) {
    run(plan, stream, l);
    int i = outer - 1;
    for (; i >= 0; --i) {
      const int axis = order[i];
      const int64_t steps = ++position[i] < sizes[axis] ? 1 : -(sizes[axis] - 1);
      for (int k = 0; k < n; ++k) {
        packed[k].offset +=
            static_cast<uint64_t>(steps * strides[k][axis] * item_size(operands[k].tensor->dtype));
      }
      if (shape.indexed) l.index_base += steps * index[axis];
      if (steps == 1) break;
      position[i] = 0;
    }
    if (i < 0) return;
  }
}

const Plan& PlanSlots::find(DeviceState& device) {
  const Plan& plan = plan_for(device, kernel_);
  plans_[device.ordinal].store(&plan, std::memory_order_release);
  return plan;
}

}  // namespace tenon
