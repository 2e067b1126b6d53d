#include "tenon/ops/reduce.h"

#include <algorithm>
#include <limits>

#include "tenon/map/builder.h"
#include "tenon/ops/complex_reduce.h"
#include "tenon/ops/elementwise.h"
#include "tenon/ops/join.h"
#include "tenon/ops/views.h"
#include "tenon/tensor/launch.h"

namespace tenon {
namespace {

// Integers and bools are summed in 64 bits.
DType sum_dtype(DType d) {
  switch (dtype_info(d).kind) {
    case DTypeKind::Bool:
    case DTypeKind::Int:
      return DType::int64;
    case DTypeKind::UInt:
      return DType::uint64;
    default:
      return d;
  }
}
DType floating_dtype(DType d) { return is_floating(d) ? d : kDefaultFloat; }
DType same_dtype(DType d) { return d; }
DType bool_dtype(DType) { return DType::bool_; }
DType index_dtype(DType) { return DType::int64; }

// A reduction: one row. The prologue casts to the accumulator's dtype, the epilogue back.
struct Reduction {
  const char* name;
  uint16_t kind;
  DType (*result)(DType);
  enum class Finish { kNone, kDivideByCount, kVariance, kFinite } finish;
  // What an empty reduction gives; NaN for "refuses".
  double empty;
};
constexpr double kRefuses = std::numeric_limits<double>::quiet_NaN();
enum { kSum, kProd, kMean, kVar, kMax, kMin, kAny, kAll, kArgmax, kArgmin, kShift, kReductions };
constexpr Reduction kTable[kReductions] = {
    {"sum", TENON_SUM, sum_dtype, Reduction::Finish::kNone, 0},
    {"prod", TENON_PROD, sum_dtype, Reduction::Finish::kNone, 1},
    {"mean", TENON_SUM, floating_dtype, Reduction::Finish::kDivideByCount, 0},
    {"var", TENON_MOMENTS, floating_dtype, Reduction::Finish::kVariance, 0},
    {"max", TENON_MAX, same_dtype, Reduction::Finish::kNone, kRefuses},
    {"min", TENON_MIN, same_dtype, Reduction::Finish::kNone, kRefuses},
    {"any", TENON_ANY, bool_dtype, Reduction::Finish::kNone, 0},
    {"all", TENON_ALL, bool_dtype, Reduction::Finish::kNone, 1},
    {"argmax", TENON_ARGMAX, index_dtype, Reduction::Finish::kNone, kRefuses},
    {"argmin", TENON_ARGMIN, index_dtype, Reduction::Finish::kNone, kRefuses},
    {"finite_max", TENON_MAX, same_dtype, Reduction::Finish::kFinite, kRefuses},
};

constinit std::atomic<PlanSlots*> kernels[kReductions][kDTypeCount] = {};

PlanSlots& kernel_for(int which, DType input) {
  std::atomic<PlanSlots*>& place = kernels[which][static_cast<int>(input)];
  PlanSlots* found = place.load(std::memory_order_acquire);
  if (__builtin_expect(found != nullptr, 1)) return *found;
  const Reduction& r = kTable[which];
  const DType result = r.result(input);
  const bool by_key = r.kind == TENON_ARGMAX || r.kind == TENON_ARGMIN;
  const DType acc = by_key ? compute_dtype(input) : compute_dtype(result);
  map::Builder b, e;
  const map::Value x = cast(b.input(input), acc);
  TenonReducer reducer{};
  reducer.kind = r.kind;
  reducer.acc_dtype = static_cast<uint16_t>(by_key ? DType::int64 : acc);
  map::Kernel k;
  k.name = r.name;
  k.program = by_key ? b.finish({x, b.index()}) : b.finish({x});
  reducer.value = static_cast<uint16_t>(k.program.outputs[0]);
  if (by_key) reducer.key = static_cast<uint16_t>(k.program.outputs[1]);
  k.program.outputs.clear();
  k.reducers = {reducer};
  if (r.finish == Reduction::Finish::kVariance) {
    const map::Value count = e.input(acc), mean = e.input(acc), squares = e.input(acc);
    // The correction is a slot; a count below it gives NaN or infinity as 0/0 and x/0 do.
    k.epilogue =
        e.finish({cast(squares / max(count - e.scalar(acc), 0.0), result), cast(mean, result)});
    k.program.scalars = {acc};
  } else if (r.finish == Reduction::Finish::kDivideByCount) {
    k.epilogue = e.finish({cast(e.input(acc) / e.scalar(acc), result)});
    k.program.scalars = {acc};
  } else if (r.finish == Reduction::Finish::kFinite) {
    const map::Value m = e.input(acc);
    k.epilogue =
        e.finish({cast(select(abs(m) < std::numeric_limits<double>::infinity(), m, 0.0), result)});
  } else {
    const DType from = by_key ? DType::int64 : acc;
    k.epilogue = e.finish({cast(e.input(from), result)});
  }
  auto* made = new PlanSlots(std::move(k));
  if (place.compare_exchange_strong(found, made, std::memory_order_acq_rel)) return *made;
  delete made;
  return *found;
}

// The shapes of one reduction.
struct Shapes {
  uint64_t mask = 0;  // reduced axes
  Dims kept;          // with size 1 where reduced
  Dims out;           // as asked
  int64_t count = 1;  // elements per result
};

Shapes shapes_of(const char* name, const Tensor& x, DimsView axes, bool keepdims) {
  if (!x.defined()) fail(ErrorCode::kInvalidArgument, name, "the tensor is undefined");
  if (is_complex(x.dtype())) {
    fail(ErrorCode::kDType, name, "is not defined for ", describe(x),
         ": of complex tensors there are sum, prod and mean; reduce real(), imag() or abs()");
  }
  check_computes(name, x);
  Shapes s;
  const int rank = x.ndim();
  if (axes.empty()) {
    s.mask = rank == 0 ? 0 : ~uint64_t{0} >> (kMaxRank - rank);
  } else if (axes.size() == 1) {
    s.mask = uint64_t{1} << normalize_axis(name, axes[0], rank);
  } else {
    for (int64_t a : normalize_axes(name, axes, rank, true)) s.mask |= uint64_t{1} << a;
  }
  s.kept = Dims(x.shape());
  for (int i = 0; i < rank; ++i) {
    if (s.mask >> i & 1) {
      s.count *= s.kept[i];
      s.kept[i] = 1;
    }
    if (keepdims || !(s.mask >> i & 1)) s.out.push_back(s.kept[i]);
  }
  return s;
}

// Strides of a contiguous tensor of `kept` over the full shape.
void kept_strides(const Shapes& s, Dims* strides) {
  strides->resize(s.kept.size());
  uint64_t step = 1;
  for (int i = s.kept.size() - 1; i >= 0; --i) {
    (*strides)[i] = s.mask >> i & 1 ? 0 : static_cast<int64_t>(step);
    step *= static_cast<uint64_t>(s.kept[i]);
  }
}

void run_reduction(int which, const Tensor& x, const Shapes& s, Tensor* outputs, int n_outputs = 1,
                   std::span<const uint64_t> scalars = {}) {
  const Reduction& r = kTable[which];
  DeviceState& device = x.impl()->device();
  const DType result = r.result(x.dtype());
  for (int j = 0; j < n_outputs; ++j) outputs[j] = new_tensor(device, result, s.out);
  if (outputs[0].size() == 0) return;
  if (s.count == 0) {
    if (r.empty != r.empty) {
      fail(ErrorCode::kShape, r.name, "of an empty axis is undefined: ", describe(x),
           " is reduced to ", shape_text(s.out));
    }
    const bool nan = r.finish != Reduction::Finish::kNone;  // mean and var
    for (int j = 0; j < n_outputs; ++j) raw_fill(outputs[j], nan ? kRefuses : r.empty);
    return;
  }
  const bool by_key = r.kind == TENON_ARGMAX || r.kind == TENON_ARGMIN;
  LaunchOperand args[3];
  args[0].tensor = x.impl();
  args[0].strides = Dims(x.strides());
  for (int j = 0; j < n_outputs; ++j) {
    args[1 + j].tensor = outputs[j].impl();
    kept_strides(s, &args[1 + j].strides);
  }
  launch(kernel_for(which, x.dtype()).on(device),
         {.sizes = x.shape(), .reduce_axes = s.mask, .indexed = by_key, .index_axes = s.mask},
         std::span<LaunchOperand>(args, static_cast<size_t>(1 + n_outputs)), scalars);
}

// ---- backward
// ----------------------------------------------------------------------------------------------------

struct ReduceRecord {
  Dims kept, input;
  uint64_t mask;
  double number;  // mean: 1 / count; var: 2 / (count - correction)
};
void destroy_record(void* payload) { static_cast<ReduceRecord*>(payload)->~ReduceRecord(); }

Tensor kept_shape(const Tensor& g, const ReduceRecord& r) {
  const bool same = g.ndim() == r.kept.size();
  return same ? g : reshape(g, r.kept);
}
// Over the input's shape; where the leading axes were reduced, broadcasting alone says that.
Tensor spread(const Tensor& g, const ReduceRecord& r) {
  const bool leading = (r.mask & (r.mask + 1)) == 0;
  return broadcast_to(leading ? g : kept_shape(g, r), r.input);
}

Dims axes_of(uint64_t mask) {
  Dims axes;
  for (int i = 0; i < kMaxRank; ++i) {
    if (mask >> i & 1) axes.push_back(i);
  }
  return axes;
}

void sum_vjp(const VjpCall& call) {
  if (!call.gradients[0].defined()) return;
  const auto& r = call.node.payload_as<ReduceRecord>();
  call.results[0] = spread(call.gradients[0], r);
}
void mean_vjp(const VjpCall& call) {
  if (!call.gradients[0].defined()) return;
  const auto& r = call.node.payload_as<ReduceRecord>();
  call.results[0] = spread(multiply(call.gradients[0], r.number), r);
}
void var_vjp(const VjpCall& call) {
  if (!call.gradients[0].defined()) return;
  const auto& r = call.node.payload_as<ReduceRecord>();
  const Tensor x = unpack(call.node, 0);
  const Tensor g = multiply(kept_shape(call.gradients[0], r), r.number);
  call.results[0] = multiply(subtract(x, mean(x, axes_of(r.mask), true)), g);
}
// The extreme's gradient, shared by all elements that are it.
void extreme_vjp(const VjpCall& call) {
  if (!call.gradients[0].defined()) return;
  const auto& r = call.node.payload_as<ReduceRecord>();
  const Tensor x = unpack(call.node, 0), y = unpack(call.node, 1);
  Tensor hit, count;
  {
    NoGradScope constant;
    hit = equal(x, kept_shape(y, r));
    count = sum(hit, axes_of(r.mask), true).to(x.dtype());
  }
  call.results[0] = where(hit, divide(kept_shape(call.gradients[0], r), count), 0);
}
// The product of the other elements along the last axis, by pairs of pairs: nothing is divided, so
// that zeros need no care and it can be differentiated again.
Tensor product_of_others(const Tensor& x) {
  const int64_t n = x.shape().back(), half = n / 2;
  if (n <= 1) return ones_like(x);
  const Tensor a = slice(x, -1, 0, half), b = slice(x, -1, half, 2 * half),
               rest = slice(x, -1, 2 * half);
  const Tensor pairs[] = {multiply(a, b), rest};
  const Tensor others = product_of_others(concat(pairs, -1));
  const Tensor head = slice(others, -1, 0, half);
  const Tensor parts[] = {multiply(head, b), multiply(head, a), slice(others, -1, half)};
  return concat(parts, -1);
}
void prod_vjp(const VjpCall& call) {
  if (!call.gradients[0].defined()) return;
  const auto& r = call.node.payload_as<ReduceRecord>();
  const Tensor x = unpack(call.node, 0);
  // The reduced axes last, as one.
  Dims order, inverse(x.ndim(), 0), flat;
  int64_t count = 1;
  for (int64_t i = 0; i < x.ndim(); ++i) {
    if (r.mask >> i & 1) continue;
    order.push_back(i);
    flat.push_back(x.size(i));
  }
  for (int64_t i : axes_of(r.mask)) {
    order.push_back(i);
    count *= x.size(i);
  }
  flat.push_back(count);
  for (int i = 0; i < order.size(); ++i) inverse[static_cast<int>(order[i])] = i;
  const Tensor moved = permute_dims(x, order);
  const Tensor others =
      permute_dims(reshape(product_of_others(reshape(moved, flat)), moved.shape()), inverse);
  call.results[0] = multiply(kept_shape(call.gradients[0], r), others);
}
constexpr OpInfo kSumOp{"sum", &sum_vjp, &destroy_record};
constexpr OpInfo kMeanOp{"mean", &mean_vjp, &destroy_record};
constexpr OpInfo kVarOp{"var", &var_vjp, &destroy_record};
constexpr OpInfo kMaxOp{"max", &extreme_vjp, &destroy_record};
constexpr OpInfo kMinOp{"min", &extreme_vjp, &destroy_record};
constexpr OpInfo kProdOp{"prod", &prod_vjp, &destroy_record};

void record(const OpInfo& op, const Tensor& x, const Tensor& y, const Dims& kept, uint64_t mask,
            bool saves_x, bool saves_y, double number = 0) {
  if (!wants_grad(x) || !is_floating(x.dtype())) return;
  Node* node = new_node(op, 1, saves_x + saves_y, sizeof(ReduceRecord));
  new (node->payload) ReduceRecord{kept, Dims(x.shape()), mask, number};
  set_edge(*node, 0, x);
  if (node->edges[0].node) {
    if (saves_x) save_input(*node, 0, x);
    if (saves_y) save_output(*node, 1, y);
    set_node(y, *node, 0);
  }
  release(node);
}

Tensor reduce(int which, const OpInfo* op, const Tensor& x, DimsView axes, bool keepdims,
              bool saves_x, bool saves_y) {
  const Shapes s = shapes_of(kTable[which].name, x, axes, keepdims);
  Tensor y;
  run_reduction(which, x, s, &y);
  if (op) record(*op, x, y, s.kept, s.mask, saves_x, saves_y);
  return y;
}

bool is_complex_tensor(const Tensor& x) { return x.defined() && is_complex(x.dtype()); }

}  // namespace

Tensor sum(const Tensor& x, DimsView axes, bool keepdims) {
  if (is_complex_tensor(x)) return complex_sum(x, axes, keepdims);
  return reduce(kSum, &kSumOp, x, axes, keepdims, false, false);
}
Tensor prod(const Tensor& x, DimsView axes, bool keepdims) {
  if (is_complex_tensor(x)) return complex_prod(x, axes, keepdims);
  return reduce(kProd, &kProdOp, x, axes, keepdims, true, false);
}
Tensor max(const Tensor& x, DimsView axes, bool keepdims) {
  return reduce(kMax, &kMaxOp, x, axes, keepdims, true, true);
}
Tensor min(const Tensor& x, DimsView axes, bool keepdims) {
  return reduce(kMin, &kMinOp, x, axes, keepdims, true, true);
}
Tensor any(const Tensor& x, DimsView axes, bool keepdims) {
  return reduce(kAny, nullptr, x, axes, keepdims, false, false);
}
Tensor all(const Tensor& x, DimsView axes, bool keepdims) {
  return reduce(kAll, nullptr, x, axes, keepdims, false, false);
}

Tensor finite_max(const Tensor& x, DimsView axes) {
  return reduce(kShift, nullptr, x, axes, true, false, false);
}

Tensor mean(const Tensor& x, DimsView axes, bool keepdims) {
  if (is_complex_tensor(x)) return complex_mean(x, axes, keepdims);
  const Shapes s = shapes_of("mean", x, axes, keepdims);
  const DType result = floating_dtype(x.dtype());
  const uint64_t slots[] = {Scalar(s.count).bits_as(compute_dtype(result))};
  Tensor y;
  run_reduction(kMean, x, s, &y, 1, slots);
  record(kMeanOp, x, y, s.kept, s.mask, false, false, 1.0 / static_cast<double>(s.count));
  return y;
}

Tensor var(const Tensor& x, DimsView axes, double correction, bool keepdims) {
  const Shapes s = shapes_of("var", x, axes, keepdims);
  const DType result = floating_dtype(x.dtype());
  const uint64_t slots[] = {Scalar(correction).bits_as(compute_dtype(result))};
  Tensor y[2];
  run_reduction(kVar, x, s, y, 2, slots);
  record(kVarOp, x, y[0], s.kept, s.mask, true, false,
         2.0 / (static_cast<double>(s.count) - correction));
  return y[0];
}

Tensor std(const Tensor& x, DimsView axes, double correction, bool keepdims) {
  return sqrt(var(x, axes, correction, keepdims));
}

namespace {
Tensor arg_reduce(int which, const Tensor& x, int64_t axis, bool keepdims) {
  if (axis == kUnset) return reduce(which, nullptr, x, {}, keepdims, false, false);
  const int64_t axes[] = {axis};
  if (!x.defined())
    fail(ErrorCode::kInvalidArgument, kTable[which].name, "the tensor is undefined");
  return reduce(which, nullptr, x, axes, keepdims, false, false);
}
}  // namespace

Tensor argmax(const Tensor& x, int64_t axis, bool keepdims) {
  return arg_reduce(kArgmax, x, axis, keepdims);
}
Tensor argmin(const Tensor& x, int64_t axis, bool keepdims) {
  return arg_reduce(kArgmin, x, axis, keepdims);
}

Tensor sum_to(const Tensor& x, DimsView shape) {
  if (equal_shapes(shape, x.shape())) return x;
  Shapes s;
  const int rank = x.ndim(), lead = rank - static_cast<int>(shape.size());
  bool fits = lead >= 0;
  s.kept = Dims(x.shape());
  for (int i = 0; fits && i < rank; ++i) {
    const int64_t size = i < lead ? 1 : shape[static_cast<size_t>(i - lead)];
    if (size == 1) {
      s.mask |= uint64_t{1} << i;
      s.count *= s.kept[i];
      s.kept[i] = 1;
    } else {
      fits = size == s.kept[i];
    }
  }
  if (!fits) broadcast_strides("sum_to", shape, contiguous_strides(shape), x.shape());  // throws
  s.out = Dims(shape);
  Tensor y;
  run_reduction(kSum, x, s, &y);
  record(kSumOp, x, y, s.kept, s.mask, false, false);
  return y;
}

Tensor Tensor::sum(DimsView axes, bool keepdims) const { return tenon::sum(*this, axes, keepdims); }
Tensor Tensor::mean(DimsView axes, bool keepdims) const {
  return tenon::mean(*this, axes, keepdims);
}

}  // namespace tenon
