#include "tenon/backends/codegen/launch_words.h"

#include "tenon/abi/tenon_plugin_kit.h"

namespace tenon_codegen {
namespace {

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

}  // namespace

LaunchWords PackLaunch(const KernelSource& kernel, const TenonLaunch& launch) {
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

  LaunchWords packed;
  packed.outer_rank = static_cast<int64_t>(outer.size());
  packed.rank = static_cast<int64_t>(outer.size() + inner.size());
  for (const Axis& axis : outer) packed.outer *= axis.size;
  for (const Axis& axis : inner) packed.inner *= axis.size;
  std::vector<Axis>& axes = outer;
  axes.insert(axes.end(), inner.begin(), inner.end());

  std::vector<uint64_t>& words = packed.words;
  words.reserve(CountLaunchWords(launch.n_operands, kernel.n_scalars));
  const auto put = [&](int64_t word) { words.push_back(static_cast<uint64_t>(word)); };
  put(packed.outer);
  put(packed.inner);
  put(packed.outer_rank);
  put(packed.rank);
  for (size_t d = 0; d < 8; ++d) put(d < axes.size() ? axes[d].size : 1);
  put(kernel.uses_index ? launch.index_base : 0);
  for (size_t d = 0; d < 8; ++d) put(d < axes.size() ? axes[d].index_stride : 0);
  for (uint32_t k = 0; k < launch.n_operands; ++k) {
    put(static_cast<int64_t>(launch.operands[k].offset /
                             tenon_dtype_size(kernel.operand_dtypes[k])));
    for (size_t d = 0; d < 8; ++d) put(d < axes.size() ? axes[d].strides[k] : 0);
  }
  for (uint32_t s = 0; s < kernel.n_scalars; ++s) words.push_back(launch.scalars[s]);
  return packed;
}

}  // namespace tenon_codegen
