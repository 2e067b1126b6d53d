#include "tenon/tensor/launch.h"

#include <algorithm>
#include <mutex>

#include "tenon/device/copy.h"

namespace tenon {
namespace {

constexpr int kMaxLaunchOperands = 64;

int64_t magnitude(int64_t stride) { return stride < 0 ? -stride : stride; }

// Axes in the order of the first output's strides (of the first input's for a reduction), largest
// first, so that permuted layouts merge into long runs. INDEX keeps its meaning through its own
// strides.
void sort_axes(int rank, int64_t* sizes, int n, int64_t* const* strides, int leader,
               uint64_t* mask) {
  const int64_t* key = strides[leader];
  int sorted = 1;
  while (sorted < rank && magnitude(key[sorted - 1]) >= magnitude(key[sorted])) ++sorted;
  if (sorted >= rank) return;
  int order[kMaxRank];
  for (int i = 0; i < rank; ++i) order[i] = i;
  std::stable_sort(order, order + rank,
                   [&](int a, int b) { return magnitude(key[a]) > magnitude(key[b]); });
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

// Row-major strides over the axes that INDEX counts.
void index_strides(const LaunchShape& shape, int64_t* strides) {
  int64_t step = 1;
  for (size_t i = shape.sizes.size(); i-- > 0;) {
    const bool counts = shape.index_axes >> i & 1;
    strides[i] = counts ? step : 0;
    if (counts) step *= shape.sizes[i];
  }
}

// Which axes stay for the loop of more than the ABI's rank: the outermost ones, `outer` of them. A
// reduction is never cut: its reduced axes are made the innermost ones first.
void split_axes(const char* name, int rank, int outer, uint64_t mask, int* order) {
  int at = 0;
  for (int i = 0; i < rank; ++i) {
    if (!(mask >> i & 1)) order[at++] = i;
  }
  for (int i = 0; i < rank; ++i) {
    if (mask >> i & 1) order[at++] = i;
  }
  for (int i = 0; i < outer; ++i) {
    if (mask >> order[i] & 1) {
      fail(ErrorCode::kUnsupported, name, "reduces more than ", TENON_ABI_MAX_RANK,
           " axes that cannot be merged; make the tensor contiguous() first");
    }
  }
}

}  // namespace

void launch(const Plan& plan, const LaunchShape& shape, std::span<LaunchOperand> operands,
            std::span<const uint64_t> scalars) {
  const int n = static_cast<int>(operands.size());
  TENON_ASSERT(n > 0 && n <= kMaxLaunchOperands);
  StreamState& stream = current_stream(*plan.device);
  int64_t sizes[kMaxRank], index[kMaxRank];
  int rank = static_cast<int>(shape.sizes.size());
  for (int i = 0; i < rank; ++i) {
    sizes[i] = shape.sizes[static_cast<size_t>(i)];
    if (sizes[i] == 0) return;
  }
  int64_t* strides[kMaxLaunchOperands + 1];
  for (int k = 0; k < n; ++k) {
    strides[k] = operands[k].strides.data();
    use_on_stream(*operands[k].tensor->storage, stream);
  }
  int n_strides = n;
  if (shape.indexed) {
    index_strides(shape, index);
    strides[n_strides++] = index;
  }
  uint64_t mask = shape.reduce_axes;
  const int n_in = static_cast<int>(plan.source.input_count());
  if (rank > 1) {
    sort_axes(rank, sizes, n_strides, strides, mask ? 0 : std::min(n_in, n - 1), &mask);
    rank = collapse_axes(rank, sizes, n_strides, strides, &mask);
  }

  TenonOperand packed[kMaxLaunchOperands];
  TenonLaunch l;
  l.size = sizeof l;
  l.flags = shape.flags;
  l.n_operands = static_cast<uint32_t>(n);
  l.n_scalars = static_cast<uint32_t>(scalars.size());
  l.operands = packed;
  l.scalars = scalars.data();
  l.index_base = 0;
  for (int k = 0; k < n; ++k) {
    const TensorImpl* t = operands[k].tensor;
    packed[k].buffer = t->storage->memory.buffer;
    packed[k].offset = t->byte_offset();
    packed[k].dtype = static_cast<uint32_t>(t->dtype);
    packed[k].flags = 0;
  }
  if (__builtin_expect(rank <= TENON_ABI_MAX_RANK, 1)) {
    l.rank = static_cast<uint32_t>(rank);
    l.reduce_axes = static_cast<uint32_t>(mask);
    for (int i = 0; i < rank; ++i) {
      l.sizes[i] = sizes[i];
      for (int k = 0; k < n; ++k) packed[k].strides[i] = strides[k][i];
    }
    for (int i = 0; shape.indexed && i < rank; ++i) l.index_strides[i] = index[i];
    run(plan, stream, l);
    return;
  }

  // The innermost axes go to the device, the rest is a loop here.
  const int inner = TENON_ABI_MAX_RANK, outer = rank - inner;
  int order[kMaxRank];
  split_axes(plan.name, rank, outer, mask, order);
  l.rank = static_cast<uint32_t>(inner);
  l.reduce_axes = 0;
  for (int i = 0; i < inner; ++i) {
    const int axis = order[outer + i];
    l.sizes[i] = sizes[axis];
    l.reduce_axes |= static_cast<uint32_t>(mask >> axis & 1) << i;
    if (shape.indexed) l.index_strides[i] = index[axis];
    for (int k = 0; k < n; ++k) packed[k].strides[i] = strides[k][axis];
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
