#include "backends/cuda/rows_plan.h"

#include <iterator>

#include "tenon/abi/tenon_plugin.hpp"

namespace tenon_cuda {
namespace {

using tenon::plugin::Failure;

// One group walks along a row. Of fewer and longer rows than these, groups that share a row make
// more of the device, which is what core's own kernels do. By reckoning; not measured.
constexpr int64_t kLongRow = int64_t{1} << 17, kFewRows = 32;

// What an operand is to the rows.
enum Role {
  kIn,
  kOut,
  kParameter,  // the same for all rows; may be absent
  kStatisticIn,
  kStatisticOut
};

std::string SizesOf(const TenonTensor& t) {
  std::string text = "[";
  for (uint32_t d = 0; d < t.rank && d < TENON_ABI_MAX_RANK; ++d)
    text += (d != 0 ? ", " : "") + std::to_string(t.sizes[d]);
  return text + "]";
}

class Planner {
 public:
  // `x` gives the sizes and the dtype of all.
  Planner(const char* name, const TenonTensor& x) : name_(name), x_(x) {
    if (x.rank == 0 || x.rank > TENON_ABI_MAX_RANK)
      Refuse(TENON_INVALID_ARGUMENT, "x has rank " + std::to_string(x.rank));
    for (uint32_t d = 0; d < x.rank; ++d) {
      if (x.sizes[d] <= 0) Refuse(TENON_INVALID_ARGUMENT, "x is " + SizesOf(x));
    }
    if (!tenon_dtype_is_float(x.dtype))
      Refuse(TENON_UNSUPPORTED, std::string("rows of ") + tenon_dtype_name(x.dtype));
    wide_ = x.dtype == TENON_F64 ? TENON_F64 : TENON_F32;
  }

  [[noreturn]] void Refuse(TenonStatus status, const std::string& why) const {
    throw Failure(status, "cuda: " + name_ + ": " + why);
  }
  void RefuseFlags(uint32_t flags) const {
    if (flags != 0) Refuse(TENON_UNSUPPORTED, "unknown flags");
  }

  uint32_t dtype() const { return x_.dtype; }
  uint32_t wide() const { return wide_; }  // in which is computed
  RowLaunch& launch() { return plan_.launch; }

  // In the order of the kernel's operands.
  void Add(const char* what, Role role, const TenonTensor& t, uint32_t dtype) {
    Operand& own = operands_[n_++];
    own = {t, false, false};
    if (role == kParameter && t.buffer == 0) return;
    if (t.buffer == 0) Refuse(TENON_INVALID_ARGUMENT, std::string(what) + " has no buffer");
    if (t.dtype != dtype)
      Refuse(TENON_INVALID_ARGUMENT, std::string(what) + " is " + tenon_dtype_name(t.dtype) +
                                         ", not " + tenon_dtype_name(dtype));
    const bool statistic = role == kStatisticIn || role == kStatisticOut;
    bool agrees = t.rank == x_.rank;
    for (uint32_t d = 0; agrees && d < t.rank; ++d) {
      const bool last = d + 1 == t.rank;
      agrees = t.sizes[d] == (last && statistic ? 1 : x_.sizes[d]);
      if (t.sizes[d] == 1) continue;
      if (role == kParameter && !last && t.strides[d] != 0)
        Refuse(TENON_INVALID_ARGUMENT, std::string(what) + " is not the same for every row");
      if ((role == kOut || role == kStatisticOut) && t.strides[d] == 0)
        Refuse(TENON_INVALID_ARGUMENT, std::string(what) + " overlaps itself");
    }
    if (!agrees)
      Refuse(TENON_INVALID_ARGUMENT,
             std::string(what) + " is " + SizesOf(t) + ", for x " + SizesOf(x_));
    own.present = true;
    own.statistic = statistic;
  }

  RowsPlan Plan() {
    RowLaunch& launch = plan_.launch;
    launch.length = x_.sizes[x_.rank - 1];
    launch.rows = 1;
    for (uint32_t d = 0; d + 1 < x_.rank; ++d) AddAxis(d);
    for (uint32_t k = 0; k < n_; ++k) {
      const Operand& from = operands_[k];
      if (!from.present) continue;
      launch.operands[k].address = from.tensor.buffer + from.tensor.offset;
      const bool moves = !from.statistic && launch.length > 1;
      launch.operands[k].stride = moves ? from.tensor.strides[x_.rank - 1] : 0;
    }
    if (launch.length > kLongRow && launch.rows < kFewRows) {
      Refuse(TENON_UNSUPPORTED, std::to_string(launch.rows) + " rows of " +
                                    std::to_string(launch.length) +
                                    " elements are too few for so long ones");
    }
    const RowTier& tier = ChooseTier();
    plan_.kernel = name_ + "_" + tenon_dtype_name(x_.dtype) + "_" + tier.name;
    plan_.threads = RowThreads(tier.lanes);
    const long long together = plan_.threads / tier.lanes;
    plan_.groups = (launch.rows + together - 1) / together;
    return std::move(plan_);
  }

 private:
  struct Operand {
    TenonTensor tensor;
    bool present, statistic;
  };

  long long Stride(uint32_t k, uint32_t d) const {
    return operands_[k].present ? operands_[k].tensor.strides[d] : 0;
  }

  // Axes of size 1 are dropped; those that lie densely behind one another in all operands are one.
  void AddAxis(uint32_t d) {
    RowLaunch& launch = plan_.launch;
    const long long size = x_.sizes[d];
    if (size == 1) return;
    launch.rows *= size;
    bool joins = launch.rank != 0;
    for (uint32_t k = 0; joins && k < n_; ++k)
      joins = launch.operands[k].strides[launch.rank - 1] == Stride(k, d) * size;
    if (joins) {
      launch.sizes[launch.rank - 1] *= size;
    } else {
      launch.sizes[launch.rank++] = size;
    }
    for (uint32_t k = 0; k < n_; ++k) launch.operands[k].strides[launch.rank - 1] = Stride(k, d);
  }

  // Can all that moves along a row be read and written 16 bytes at a time?
  bool Vectors() const {
    const RowLaunch& launch = plan_.launch;
    const long long pack = 16 / tenon_dtype_size(x_.dtype);
    if (launch.length % pack != 0) return false;
    for (uint32_t k = 0; k < n_; ++k) {
      if (!operands_[k].present || operands_[k].statistic) continue;
      const RowOperand& operand = launch.operands[k];
      if (operand.stride != 1 || operand.address % 16 != 0) return false;
      for (uint32_t d = 0; d < launch.rank; ++d) {
        if (operand.strides[d] % pack != 0) return false;
      }
    }
    return true;
  }

  // The first that takes the row: short rows are quicker one element at a time than half empty.
  const RowTier& ChooseTier() const {
    const bool vectors = Vectors();
    for (const RowTier& tier : kRowTiers) {
      const int slots = x_.dtype == TENON_F64 ? tier.slots_f64 : tier.slots;
      const bool fits = !tier.held || plan_.launch.length <= int64_t{tier.lanes} * slots;
      const bool better = vectors && !tier.vectors && tier.lanes > 4;  // there is one of vectors
      if (fits && !better && (vectors || !tier.vectors)) return tier;
    }
    return *std::rbegin(kRowTiers);
  }

  const std::string name_;
  const TenonTensor& x_;
  uint32_t wide_ = 0, n_ = 0;
  Operand operands_[kRowOperands] = {};
  RowsPlan plan_;
};

}  // namespace

RowsPlan PlanRows(const TenonSoftmaxArgs& args) {
  Planner planner(args.log != 0 ? "log_softmax" : "softmax", args.x);
  planner.RefuseFlags(args.flags | args.reserved | args.log >> 1);
  planner.Add("x", kIn, args.x, planner.dtype());
  planner.Add("y", kOut, args.y, planner.dtype());
  return planner.Plan();
}

RowsPlan PlanRows(const TenonSoftmaxBackwardArgs& args) {
  Planner planner(args.log != 0 ? "log_softmax_backward" : "softmax_backward", args.y);
  planner.RefuseFlags(args.flags | args.reserved | args.log >> 1);
  planner.Add("y", kIn, args.y, planner.dtype());
  planner.Add("g", kIn, args.g, planner.dtype());
  planner.Add("dx", kOut, args.dx, planner.dtype());
  return planner.Plan();
}

RowsPlan PlanRows(const TenonCrossEntropyArgs& args) {
  Planner planner("cross_entropy", args.x);
  planner.RefuseFlags(args.flags);
  const bool wide = args.target.dtype == TENON_I64;
  planner.launch().wide_targets = wide;
  planner.Add("x", kIn, args.x, planner.dtype());
  planner.Add("target", kStatisticIn, args.target,
              wide ? static_cast<uint32_t>(TENON_I64) : static_cast<uint32_t>(TENON_I32));
  planner.Add("loss", kStatisticOut, args.loss, planner.dtype());
  planner.Add("shift", kStatisticOut, args.shift, planner.dtype());
  planner.Add("exp_sum", kStatisticOut, args.exp_sum, planner.dtype());
  return planner.Plan();
}

RowsPlan PlanRows(const TenonLayerNormArgs& args) {
  Planner planner("layer_norm", args.x);
  planner.RefuseFlags(args.flags);
  planner.launch().eps = args.eps;
  planner.Add("x", kIn, args.x, planner.dtype());
  planner.Add("weight", kParameter, args.weight, planner.dtype());
  planner.Add("bias", kParameter, args.bias, planner.dtype());
  planner.Add("y", kOut, args.y, planner.dtype());
  planner.Add("mean", kStatisticOut, args.mean, planner.wide());
  planner.Add("rstd", kStatisticOut, args.rstd, planner.wide());
  return planner.Plan();
}

RowsPlan PlanRows(const TenonLayerNormBackwardArgs& args) {
  Planner planner("layer_norm_backward", args.x);
  planner.RefuseFlags(args.flags);
  planner.Add("x", kIn, args.x, planner.dtype());
  planner.Add("g", kIn, args.g, planner.dtype());
  planner.Add("weight", kParameter, args.weight, planner.dtype());
  planner.Add("mean", kStatisticIn, args.mean, planner.wide());
  planner.Add("rstd", kStatisticIn, args.rstd, planner.wide());
  planner.Add("dx", kOut, args.dx, planner.dtype());
  return planner.Plan();
}

}  // namespace tenon_cuda
