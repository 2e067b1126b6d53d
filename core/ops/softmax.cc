#include "tenon/ops/softmax.h"

#include "tenon/ops/elementwise.h"
#include "tenon/ops/map_op.h"
#include "tenon/ops/reduce.h"
#include "tenon/ops/views.h"
#include "tenon/tensor/launch.h"

namespace tenon {
namespace {

using map::Builder;
using map::Value;

// The fused passes. Each reads its operands once.
constinit MapOp exp_shifted("softmax", 2, 1, DTypeClass::floating,  // exp(x - m), to be summed
                            [](const Value* x, Value* y, Builder&, const void*) {
                              y[0] = exp(x[0] - x[1]);
                            });
constinit MapOp normalized("softmax", 3, 1, DTypeClass::floating,  // exp(x - m) / s
                           [](const Value* x, Value* y, Builder&, const void*) {
                             y[0] = exp(x[0] - x[1]) / x[2];
                           });
constinit MapOp log_normalized("log_softmax", 3, 1, DTypeClass::floating,  // x - m - log s
                               [](const Value* x, Value* y, Builder&, const void*) {
                                 y[0] = (x[0] - x[1]) - log(x[2]);
                               });
constinit MapOp product("softmax_backward", 2, 1, DTypeClass::floating,
                        [](const Value* x, Value* y, Builder&, const void*) {
                          y[0] = x[0] * x[1];
                        });
constinit MapOp softmax_slope("softmax_backward", 3, 1, DTypeClass::floating,  // y * (g - sum(g y))
                              [](const Value* x, Value* y, Builder&, const void*) {
                                y[0] = x[0] * (x[1] - x[2]);
                              });
constinit MapOp log_softmax_slope("log_softmax_backward", 3, 1,
                                  DTypeClass::floating,  // g - exp(y) * sum(g)
                                  [](const Value* x, Value* y, Builder&, const void*) {
                                    y[0] = x[1] - exp(x[0]) * x[2];
                                  });

Tensor call2(MapOp& op, const Operand& a, const Operand& b) {
  const Operand operands[] = {a, b};
  Tensor y;
  op.call(operands, &y);
  return y;
}
Tensor call3(MapOp& op, const Operand& a, const Operand& b, const Operand& c) {
  const Operand operands[] = {a, b, c};
  Tensor y;
  op.call(operands, &y);
  return y;
}
Tensor call_sum2(MapOp& op, const Operand& a, const Operand& b, DimsView shape) {
  const Operand operands[] = {a, b};
  Tensor y;
  op.call_sum(operands, shape, &y);
  return y;
}

Dims with_one(DimsView shape, int axis) {
  Dims out(shape);
  out[axis] = 1;
  return out;
}

void softmax_vjp(const VjpCall& call) {  // payload: the axis
  const Tensor& g = call.gradients[0];
  if (!g.defined()) return;
  const Tensor y = unpack(call.node, 0);
  const Tensor dot = call_sum2(product, g, y, with_one(y.shape(), call.node.payload_as<int>()));
  call.results[0] = call3(softmax_slope, y, g, dot);
}
constexpr OpInfo kSoftmax{"softmax", &softmax_vjp, nullptr};

void log_softmax_vjp(const VjpCall& call) {
  const Tensor& g = call.gradients[0];
  if (!g.defined()) return;
  const Tensor y = unpack(call.node, 0);
  const int64_t axis[] = {call.node.payload_as<int>()};
  call.results[0] = call3(log_softmax_slope, y, g, sum(g, axis, true));
}
constexpr OpInfo kLogSoftmax{"log_softmax", &log_softmax_vjp, nullptr};

// The sum of exp(x - shift) along the axes where shift has size 1.
Tensor exp_sum(const Tensor& x, const Tensor& shift) {
  return call_sum2(exp_shifted, x, shift, shift.shape());
}

Tensor softmax_along(const char* name, MapOp& op, const OpInfo& info, const Tensor& x,
                     int64_t axis) {
  if (!x.defined()) fail(ErrorCode::kInvalidArgument, name, "the tensor is undefined");
  if (!is_floating(x.dtype()))
    fail(ErrorCode::kDType, name, "needs a floating dtype, not ", describe(x),
         "; convert it with astype()");
  const int at = normalize_axis(name, axis, x.ndim());
  if (x.size() == 0) return x.clone();
  Tensor y;
  {
    NoGradScope constant;
    const int64_t axes[] = {at};
    const Tensor shift = finite_max(x, axes);
    y = call3(op, x, shift, exp_sum(x, shift));
  }
  if (wants_grad(x)) {
    Node* node = new_node(info, 1, 1, sizeof(int));
    new (node->payload) int(at);
    set_edge(*node, 0, x);
    if (node->wants(0)) {
      save_output(*node, 0, y);
      set_node(y, *node, 0);
    }
    release(node);
  }
  return y;
}

// ---- cross entropy
// -------------------------------------------------------------------------------------------------

// One pass over logits, their row's shift and target: the loss of each row, and the sum of
// exp(x - shift). INDEX counts axis 1 only: it is the class of an element.
constexpr uint64_t kClassAxis = 0b10;
constinit KernelTable row_kernels;
map::Kernel row_kernel(DType d, DType target_dtype) {
  Builder b, e;
  const Value x = b.input(d), shift = b.input(d), target = b.input(target_dtype);
  const Value shifted = x - shift;
  const Value terms[] = {exp(shifted),
                         select(eq(b.index(), cast(target, DType::int64)), shifted, 0.0)};
  map::Kernel k;
  k.name = "cross_entropy";
  k.program = b.finish(terms);
  for (const uint32_t value : k.program.outputs) {
    TenonReducer reducer{};
    reducer.kind = TENON_SUM;
    reducer.acc_dtype = static_cast<uint16_t>(d);
    reducer.value = static_cast<uint16_t>(value);
    k.reducers.push_back(reducer);
  }
  k.program.outputs.clear();
  const Value sum = e.input(d), chosen = e.input(d);
  k.epilogue = e.finish({log(sum) - chosen, sum});
  return k;
}

struct Rows {
  Tensor loss, exp_sum;  // [n, 1]
};
Rows rows_of(const Tensor& x, const Tensor& shift, const Tensor& target) {
  DeviceState& device = x.impl()->device();
  const Rows rows{new_tensor(device, x.dtype(), shift.shape()),
                  new_tensor(device, x.dtype(), shift.shape())};
  LaunchOperand operands[5];
  const Tensor* const tensors[] = {&x, &shift, &target, &rows.loss, &rows.exp_sum};
  for (int i = 0; i < 5; ++i) operands[i].spread("cross_entropy", *tensors[i], x.shape());
  PlanSlots& slots = row_kernels.get(x.dtype(), target.dtype(),
                                     [&] { return row_kernel(x.dtype(), target.dtype()); });
  launch(slots.on(device),
         {.sizes = x.shape(), .reduce_axes = kClassAxis, .indexed = true, .index_axes = kClassAxis},
         operands);
  return rows;
}

constinit MapOp entropy_slope(
    "cross_entropy_backward", 6, 1, DTypeClass::floating,
    [](const Value* x, Value* y, Builder& b, const void*) {
      // (softmax(x) - onehot) * g / n: logits, their shift and sum of exp, target, g, 1 / n. The
      // target came through the promotion as a float: classes below 2^24 are exact.
      const Value p = exp(x[0] - x[1]) / x[2];
      y[0] = select(eq(cast(b.index(), x[3].dtype()), x[3]), p - 1.0, p) * (x[4] * x[5]);
    },
    nullptr, kClassAxis);
constinit MapOp log_sum("cross_entropy", 2, 1, DTypeClass::floating,
                        [](const Value* x, Value* y, Builder&, const void*) {
                          y[0] = x[0] + log(x[1]);
                        });

void cross_entropy_vjp(const VjpCall& call) {
  const Tensor& g = call.gradients[0];
  if (!g.defined()) return;
  const Tensor x = unpack(call.node, 0), target = unpack(call.node, 1),
               shift = unpack(call.node, 2);
  // To be differentiated again, the sum must be a function of x.
  const Tensor sum = grad_enabled() && x.requires_grad() ? exp_sum(x, shift) : unpack(call.node, 3);
  const Operand operands[] = {x, shift, sum, target, g, 1.0 / static_cast<double>(x.size(0))};
  entropy_slope.call(operands, call.results);
}
constexpr OpInfo kCrossEntropy{"cross_entropy", &cross_entropy_vjp, nullptr};

}  // namespace

Tensor softmax(const Tensor& x, int64_t axis) {
  return softmax_along("softmax", normalized, kSoftmax, x, axis);
}
Tensor log_softmax(const Tensor& x, int64_t axis) {
  return softmax_along("log_softmax", log_normalized, kLogSoftmax, x, axis);
}

Tensor logsumexp(const Tensor& x, DimsView axes, bool keepdims) {
  if (!x.defined()) fail(ErrorCode::kInvalidArgument, "logsumexp", "the tensor is undefined");
  if (!is_floating(x.dtype()))
    fail(ErrorCode::kDType, "logsumexp", "needs a floating dtype, not ", describe(x),
         "; convert it with astype()");
  const Tensor m = finite_max(x, axes);
  const Tensor y = call2(log_sum, m, exp_sum(x, m));
  if (keepdims) return y;
  const Dims dropped = normalize_axes("logsumexp", axes, x.ndim(), true);
  return squeeze(y, dropped);
}

Tensor cross_entropy(const Tensor& logits, const Tensor& targets) {
  if (!logits.defined() || !targets.defined())
    fail(ErrorCode::kInvalidArgument, "cross_entropy", "an argument is an undefined tensor");
  if (logits.ndim() != 2 || targets.ndim() != 1 || logits.shape()[0] != targets.shape()[0] ||
      logits.size() == 0) {
    fail(ErrorCode::kShape, "cross_entropy", "needs logits [n, classes] and targets [n], not ",
         describe(logits), " and ", describe(targets));
  }
  if (!is_floating(logits.dtype()))
    fail(ErrorCode::kDType, "cross_entropy", "needs floating logits, not ", describe(logits),
         "; use astype()");
  if (targets.dtype() != DType::int32 && targets.dtype() != DType::int64) {
    fail(ErrorCode::kDType, "cross_entropy", "targets are class numbers, int32 or int64, not ",
         describe(targets), "; use astype()");
  }
  if (!(logits.device() == targets.device())) {
    fail(ErrorCode::kDevice, "cross_entropy",
         "Expected all tensors to be on the same device, but found ", describe(logits), " and ",
         describe(targets), ". Move one with to()");
  }
  // Class numbers pass through the logits' dtype, and float16 and bfloat16 count too short a way.
  if (logits.dtype() != compute_dtype(logits.dtype())) {
    return cross_entropy(logits.to(compute_dtype(logits.dtype())), targets).to(logits.dtype());
  }
  Tensor loss, column, shift;
  Rows rows;
  {
    NoGradScope constant;
    const int64_t classes[] = {1};
    column = expand_dims(targets, 1);
    shift = finite_max(logits, classes);
    rows = rows_of(logits, shift, column);
    loss = mean(rows.loss);
  }
  if (wants_grad(logits)) {
    Node* node = new_node(kCrossEntropy, 1, 4, 0);
    set_edge(*node, 0, logits);
    if (node->wants(0)) {
      save_input(*node, 0, logits);
      save_input(*node, 1, column);
      save_input(*node, 2, shift);
      save_input(*node, 3, rows.exp_sum);
      set_node(loss, *node, 0);
    }
    release(node);
  }
  return loss;
}

}  // namespace tenon
