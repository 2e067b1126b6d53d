#include "backends/cuda/indexing_plan.h"

#include <algorithm>

#include "tenon/abi/tenon_plugin.hpp"

namespace tenon_cuda {
namespace {

using tenon::plugin::Failure;

[[noreturn]] void Refuse(TenonStatus status, const char* name, const std::string& why) {
  throw Failure(status, std::string("cuda: ") + name + ": " + why);
}

bool SameSizes(const TenonTensor& a, const TenonTensor& b, uint32_t except) {
  for (uint32_t d = 0; d < a.rank; ++d) {
    if (d != except && a.sizes[d] != b.sizes[d]) return false;
  }
  return true;
}

void Check(const TenonIndexArgs& args, bool scatter) {
  const char* const name = scatter ? "scatter" : "gather";
  if (args.flags != 0 || args.reserved != 0 || args.mode > TENON_INDEX_ALONG ||
      args.combine > TENON_SCATTER_ADD)
    Refuse(TENON_UNSUPPORTED, name, "unknown flags, mode or combination");
  const TenonTensor &walked = scatter ? args.src : args.dst,
                    &chosen = scatter ? args.dst : args.src;
  const uint32_t rank = walked.rank;
  if (rank == 0 || rank > TENON_ABI_MAX_RANK || chosen.rank != rank || args.axis >= rank)
    Refuse(TENON_INVALID_ARGUMENT, name, "ranks or the axis do not agree");
  if (walked.dtype != chosen.dtype || tenon_dtype_size(walked.dtype) == 0)
    Refuse(TENON_INVALID_ARGUMENT, name, "dtypes do not agree");
  if (args.index.dtype != TENON_I32 && args.index.dtype != TENON_I64)
    Refuse(TENON_INVALID_ARGUMENT, name, "the index is neither i32 nor i64");
  const bool agrees =
      args.mode == TENON_INDEX_ROWS
          ? args.index.rank == 1 && args.index.sizes[0] == walked.sizes[args.axis]
          : args.index.rank == rank && SameSizes(args.index, walked, TENON_ABI_MAX_RANK);
  if (!agrees || !SameSizes(walked, chosen, args.axis))
    Refuse(TENON_INVALID_ARGUMENT, name, "sizes do not agree");
  for (uint32_t d = 0; d < rank; ++d) {
    if (walked.sizes[d] <= 0 || chosen.sizes[d] <= 0)
      Refuse(TENON_INVALID_ARGUMENT, name, "an axis has no elements");
  }
  if (scatter && args.combine == TENON_SCATTER_ADD && walked.dtype == TENON_BOOL)
    Refuse(TENON_UNSUPPORTED, name, "bools are not added");
}

bool Joins(const IndexAxis& outer, const IndexAxis& inner) {
  return outer.walked == inner.walked * inner.size && outer.chosen == inner.chosen * inner.size &&
         outer.index == inner.index * inner.size && outer.position == inner.position * inner.size;
}

class Planner {
 public:
  Planner(const TenonIndexArgs& args, bool scatter)
      : args_(args),
        walked_(scatter ? args.src : args.dst),
        chosen_(scatter ? args.dst : args.src),
        scatter_(scatter),
        item_(tenon_dtype_size(walked_.dtype)) {}

  IndexingPlan Plan() {
    IndexLaunch& launch = plan_.index;
    plan_.adds = scatter_ && args_.combine == TENON_SCATTER_ADD;
    launch.walked = walked_.buffer + walked_.offset;
    launch.chosen = chosen_.buffer + chosen_.offset;
    launch.index = args_.index.buffer + args_.index.offset;
    launch.out_of_range = args_.out_of_range + args_.out_of_range_offset;
    launch.bound = chosen_.sizes[args_.axis];
    launch.step = chosen_.strides[args_.axis];
    launch.wide_index = args_.index.dtype == TENON_I64;
    Axes();
    if (plan_.adds) {
      Sums();
    } else {
      Widen();
      plan_.suffix = std::to_string(item_);
    }
    launch.count = 1;
    for (uint32_t d = 0; d < launch.rank; ++d) launch.count *= launch.axes[d].size;
    if (scatter_) Slots();
    return std::move(plan_);
  }

 private:
  void Add(const IndexAxis& axis, bool own) {
    IndexLaunch& launch = plan_.index;
    const bool behind_own = launch.rank != 0 && launch.axis + 1 == launch.rank && has_own_;
    if (!own && axis.size == 1) return;
    if (!own && launch.rank != 0 && !behind_own && Joins(launch.axes[launch.rank - 1], axis)) {
      const long long size = launch.axes[launch.rank - 1].size;
      launch.axes[launch.rank - 1] = axis;
      launch.axes[launch.rank - 1].size *= size;
      return;
    }
    if (own) {
      launch.axis = launch.rank;
      has_own_ = true;
    }
    launch.axes[launch.rank++] = axis;
  }

  void Axes() {
    const bool rows = args_.mode == TENON_INDEX_ROWS;
    int64_t positions[TENON_ABI_MAX_RANK] = {};
    int64_t position = 1;
    for (uint32_t d = walked_.rank; d-- > 0; position *= walked_.sizes[d]) positions[d] = position;
    for (uint32_t d = 0; d < walked_.rank; ++d) {
      const bool own = d == args_.axis;
      IndexAxis axis = {};
      axis.size = walked_.sizes[d];
      axis.walked = walked_.strides[d];
      axis.chosen = own ? 0 : chosen_.strides[d];
      axis.index = !rows ? args_.index.strides[d] : own ? args_.index.strides[0] : 0;
      axis.position = !rows ? positions[d] : own;
      Add(axis, own);
    }
  }

  // Moves of several neighbouring elements at once, where the last axis is dense in both tensors
  // and one index stands for all of it.
  void Widen() {
    IndexLaunch& launch = plan_.index;
    IndexAxis& last = launch.axes[launch.rank - 1];
    if (launch.axis + 1 == launch.rank || last.walked != 1 || last.chosen != 1 || last.index != 0)
      return;
    while (item_ < 16 && Divides(2, last)) {
      item_ *= 2;
      last.size /= 2;
      last.position *= 2;
      launch.step /= 2;
      for (uint32_t d = 0; d + 1 < launch.rank; ++d) {
        launch.axes[d].walked /= 2;
        launch.axes[d].chosen /= 2;
      }
    }
  }
  bool Divides(long long factor, const IndexAxis& last) const {
    const IndexLaunch& launch = plan_.index;
    const unsigned long long bytes = 2ull * item_;
    bool divides = last.size % factor == 0 && launch.step % factor == 0 &&
                   launch.walked % bytes == 0 && launch.chosen % bytes == 0;
    for (uint32_t d = 0; d + 1 < launch.rank; ++d) {
      divides =
          divides && launch.axes[d].walked % factor == 0 && launch.axes[d].chosen % factor == 0;
    }
    return divides;
  }

  void Sums() {
    uint32_t dtype = walked_.dtype;
    IndexLaunch& launch = plan_.index;
    if (dtype == TENON_C64 || dtype == TENON_C128) {
      // Two real numbers on an axis of their own.
      if (launch.rank == TENON_ABI_MAX_RANK)
        Refuse(TENON_UNSUPPORTED, "scatter", "complex numbers on 8 axes");
      for (uint32_t d = 0; d < launch.rank; ++d) {
        launch.axes[d].walked *= 2;
        launch.axes[d].chosen *= 2;
      }
      launch.step *= 2;
      launch.axes[launch.rank++] = {2, 1, 1, 0, 0, 0};
      dtype = dtype == TENON_C64 ? TENON_F32 : TENON_F64;
    }
    // Signed integers wrap as unsigned ones do.
    if (tenon_dtype_is_signed(dtype) && !tenon_dtype_is_float(dtype)) --dtype;
    plan_.suffix = tenon_dtype_name(dtype);
    plan_.sum_bytes = std::max(4u, tenon_dtype_size(dtype));
  }

  void Slots() {
    IndexLaunch& launch = plan_.index;
    const bool rows = args_.mode == TENON_INDEX_ROWS;
    const long long own = launch.axes[launch.axis].size;
    plan_.entries = rows ? own : launch.count;
    plan_.lanes = launch.count / plan_.entries;
    plan_.slots = launch.bound;
    for (uint32_t d = launch.rank; !rows && d-- > 0;) {
      if (d == launch.axis) continue;
      launch.axes[d].slot = plan_.slots;
      plan_.slots *= launch.axes[d].size;
    }
    constexpr long long kMost = 0xffffffffll;  // the kernels count in u32
    if (plan_.entries >= kMost || plan_.slots >= kMost)
      Refuse(TENON_UNSUPPORTED, "scatter", "more than 2^32 - 1 places");
  }

  const TenonIndexArgs& args_;
  const TenonTensor &walked_, &chosen_;
  const bool scatter_;
  uint32_t item_;
  bool has_own_ = false;
  IndexingPlan plan_;
};

}  // namespace

IndexingPlan PlanIndexing(const TenonIndexArgs& args, bool scatter) {
  Check(args, scatter);
  return Planner(args, scatter).Plan();
}

}  // namespace tenon_cuda
