#include "backends/cuda/product_plan.h"

#include <algorithm>
#include <string>
#include <utility>

#include "tenon/abi/tenon_plugin.hpp"

namespace tenon_cuda {
namespace {

using tenon::plugin::Failure;

constexpr uint64_t kAlignment = 256;

// An operand with the batch axes of the whole product in front of its two own ones.
struct View {
  Place place;
  int64_t strides[TENON_ABI_MAX_RANK] = {};
  int64_t row(uint32_t rank) const { return strides[rank - 2]; }
  int64_t column(uint32_t rank) const { return strides[rank - 1]; }
};

View ViewOf(const TenonTensor& t) {
  View view;
  view.place.address = t.buffer + t.offset;
  std::copy_n(t.strides, t.rank, view.strides);
  return view;
}

bool IsRowMajor(int64_t rows, int64_t columns, int64_t row_stride, int64_t column_stride) {
  return (columns == 1 || column_stride == 1) && (rows == 1 || row_stride >= columns);
}

class Planner {
 public:
  explicit Planner(const TenonMatmulArgs& args) : args_(args), rank_(args.c.rank) {
    plan_.dtype = args.c.dtype;
    plan_.item = tenon_dtype_size(args.c.dtype);
    plan_.alpha = args.alpha;
    plan_.beta = args.beta;
    plan_.relu = args.epilogue == TENON_EPILOGUE_RELU;
    plan_.m = args.c.sizes[rank_ - 2];
    plan_.n = args.c.sizes[rank_ - 1];
    plan_.k = args.a.sizes[rank_ - 1];
  }

  ProductPlan Plan() {
    View a = ViewOf(args_.a), b = ViewOf(args_.b), c = ViewOf(args_.c), bias;
    const bool has_bias = args_.bias.buffer != 0;
    if (has_bias) bias = ViewOf(args_.bias);
    Dense(a, plan_.m, plan_.k, /*result=*/false);
    Dense(b, plan_.k, plan_.n, false);
    Dense(c, plan_.m, plan_.n, true);
    if (!IsRowMajor(plan_.m, plan_.n, c.row(rank_), c.column(rank_))) {
      // c^T = b^T a^T
      std::swap(a, b);
      std::swap(plan_.m, plan_.n);
      for (View* view : {&a, &b, &c, &bias})
        std::swap(view->strides[rank_ - 2], view->strides[rank_ - 1]);
    }
    if (has_bias) Bias(bias, c);
    Batch(a, b, c, bias);
    plan_.a = FactorOf(a, plan_.m, plan_.k, plan_.a.batch_stride);
    plan_.b = FactorOf(b, plan_.k, plan_.n, plan_.b.batch_stride);
    plan_.c = FactorOf(c, plan_.m, plan_.n, plan_.c.batch_stride);
    return std::move(plan_);
  }

 private:
  Place Reserve(uint64_t elements) {
    const Place place = {plan_.workspace, true};
    plan_.workspace += (elements * plan_.item + kAlignment - 1) / kAlignment * kAlignment;
    return place;
  }

  // Copies what is neither row-major nor the transpose of that.
  void Dense(View& view, int64_t rows, int64_t columns, bool result) {
    if (IsRowMajor(rows, columns, view.row(rank_), view.column(rank_)) ||
        IsRowMajor(columns, rows, view.column(rank_), view.row(rank_))) {
      return;
    }
    CopyStep copy = {};
    copy.rank = rank_;
    View dense;
    int64_t elements = 1;
    for (uint32_t d = rank_; d-- > 0;) {
      const bool batch = d + 2 < rank_;
      const int64_t size = batch ? args_.c.sizes[d] : d + 1 == rank_ ? columns : rows;
      const bool repeats = batch && view.strides[d] == 0;
      copy.sizes[d] = repeats ? 1 : size;
      dense.strides[d] = repeats ? 0 : elements;
      copy.to_strides[d] = dense.strides[d];
      copy.from_strides[d] = view.strides[d];
      elements *= copy.sizes[d];
    }
    dense.place = Reserve(static_cast<uint64_t>(elements));
    copy.to = dense.place;
    copy.from = view.place;
    if (!result || plan_.beta != 0) plan_.copies_before.push_back(copy);
    if (result) {
      std::swap(copy.to, copy.from);
      std::swap(copy.to_strides, copy.from_strides);
      plan_.copies_after.push_back(copy);
    }
    view = dense;
  }

  // A row is the BLAS's to add (in f64 and complex there is no such epilogue); anything else is put
  // into c first and added by beta.
  void Bias(const View& bias, const View& c) {
    bool is_row = plan_.dtype == TENON_F16 || plan_.dtype == TENON_BF16 || plan_.dtype == TENON_F32;
    is_row = is_row && bias.place.address % 16 == 0;  // its kernels read 16 bytes at a time
    is_row = is_row && (plan_.n == 1 || bias.column(rank_) == 1);
    is_row = is_row && (plan_.m == 1 || bias.row(rank_) == 0);
    for (uint32_t d = 0; d + 2 < rank_; ++d)
      is_row = is_row && (args_.c.sizes[d] == 1 || bias.strides[d] == 0);
    if (is_row) {
      plan_.bias = bias.place;
      return;
    }
    if (plan_.beta != 0) {
      throw Failure(TENON_UNSUPPORTED,
                    "cuda: matmul with beta and a bias that is not one row in f16, bf16 or f32");
    }
    CopyStep copy = {};
    copy.rank = rank_;
    for (uint32_t d = 0; d < rank_; ++d) {
      copy.sizes[d] = d + 1 == rank_ ? plan_.n : d + 2 == rank_ ? plan_.m : args_.c.sizes[d];
      copy.to_strides[d] = c.strides[d];
      copy.from_strides[d] = bias.strides[d];
    }
    copy.to = c.place;
    copy.from = bias.place;
    plan_.copies_before.push_back(copy);
    plan_.beta = 1;
  }

  void Batch(View& a, View& b, View& c, const View& bias) {
    std::vector<Axis>& axes = plan_.outer;
    for (uint32_t d = 0; d + 2 < rank_; ++d) {
      const Axis axis = {args_.c.sizes[d], a.strides[d], b.strides[d], c.strides[d],
                         plan_.bias.address != 0 ? bias.strides[d] : 0};
      if (axis.size == 1) continue;
      if (!axes.empty() && axes.back().a == axis.a * axis.size &&
          axes.back().b == axis.b * axis.size && axes.back().c == axis.c * axis.size) {
        const int64_t size = axes.back().size;
        axes.back() = axis;
        axes.back().size *= size;
      } else {
        axes.push_back(axis);
      }
    }
    while (!axes.empty() && BecomesRows(axes.back(), a, c)) {
      plan_.m *= axes.back().size;
      axes.pop_back();
    }
    if (axes.empty()) return;
    plan_.batch = axes.back().size;
    plan_.a.batch_stride = axes.back().a;
    plan_.b.batch_stride = axes.back().b;
    plan_.c.batch_stride = axes.back().c;
    axes.pop_back();
  }

  // Are a and c along this axis just more rows, where b is the same for all of them?
  bool BecomesRows(const Axis& axis, View& a, View& c) {
    if (axis.b != 0 || (plan_.k != 1 && a.column(rank_) != 1) ||
        (plan_.n != 1 && c.column(rank_) != 1)) {
      return false;
    }
    if (plan_.m == 1) {  // the stride of an only row may be anything: it is the batch's now
      if (axis.a < plan_.k || axis.c < plan_.n) return false;
      a.strides[rank_ - 2] = axis.a;
      c.strides[rank_ - 2] = axis.c;
      return true;
    }
    return axis.a == plan_.m * a.row(rank_) && axis.c == plan_.m * c.row(rank_);
  }

  Factor FactorOf(const View& view, int64_t rows, int64_t columns, int64_t batch_stride) const {
    Factor factor;
    factor.place = view.place;
    factor.batch_stride = batch_stride;
    factor.transposed = !IsRowMajor(rows, columns, view.row(rank_), view.column(rank_));
    const int64_t lines = factor.transposed ? columns : rows,
                  length = factor.transposed ? rows : columns,
                  stride = factor.transposed ? view.column(rank_) : view.row(rank_);
    factor.ld = lines == 1 ? length : stride;
    return factor;
  }

  const TenonMatmulArgs& args_;
  const uint32_t rank_;
  ProductPlan plan_;
};

[[noreturn]] void Refuse(TenonStatus status, const std::string& why) {
  throw Failure(status, "cuda: matmul " + why);
}

}  // namespace

void CheckMatmul(const TenonMatmulArgs& args) {
  if (args.flags != 0 || args.reserved != 0 || args.epilogue > TENON_EPILOGUE_RELU)
    Refuse(TENON_UNSUPPORTED, "with unknown flags or epilogue " + std::to_string(args.epilogue));
  const uint32_t rank = args.c.rank, dtype = args.c.dtype;
  if (rank < 2 || rank > TENON_ABI_MAX_RANK || args.a.rank != rank || args.b.rank != rank)
    Refuse(TENON_INVALID_ARGUMENT, "of ranks that differ or are not 2 to 8");
  if (args.a.dtype != dtype || args.b.dtype != dtype ||
      (args.bias.buffer != 0 && (args.bias.dtype != dtype || args.bias.rank != rank)))
    Refuse(TENON_INVALID_ARGUMENT, "of several dtypes or ranks");
  if (dtype < TENON_F16 || dtype > TENON_C128)
    Refuse(TENON_UNSUPPORTED, std::string("in ") + tenon_dtype_name(dtype) +
                                  ": cuBLASLt has floating and complex dtypes only");
  for (uint32_t d = 0; d < rank; ++d) {
    const int64_t size = args.c.sizes[d];
    const bool batch = d + 2 < rank;
    if (size <= 0 || (batch && (args.a.sizes[d] != size || args.b.sizes[d] != size)) ||
        (args.bias.buffer != 0 && args.bias.sizes[d] != size))
      Refuse(TENON_INVALID_ARGUMENT, "of sizes that do not agree on axis " + std::to_string(d));
  }
  if (args.a.sizes[rank - 2] != args.c.sizes[rank - 2] ||
      args.b.sizes[rank - 1] != args.c.sizes[rank - 1] ||
      args.a.sizes[rank - 1] != args.b.sizes[rank - 2] || args.a.sizes[rank - 1] <= 0)
    Refuse(TENON_INVALID_ARGUMENT, "of matrices whose sizes do not agree");
}

ProductPlan PlanProduct(const TenonMatmulArgs& args) { return Planner(args).Plan(); }

}  // namespace tenon_cuda
