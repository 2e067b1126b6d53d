#include "tenon/ops/softmax.h"

#include "tenon/ops/elementwise.h"
#include "tenon/ops/map_op.h"
#include "tenon/ops/reduce.h"
#include "tenon/ops/views.h"

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

// The maximum along axis, and the sum of exp(x - maximum); constants for backward, which uses the
// result.
struct Normalizer {
  Tensor maximum, sum;
};
Normalizer normalizer(const Tensor& x, int axis) {
  Normalizer n;
  const int64_t axes[] = {axis};
  n.maximum = max(x, axes, true);
  // A row of -inf would give inf - inf; there any shift does.
  n.maximum = where(isfinite(n.maximum), n.maximum, 0);
  n.sum = call_sum2(exp_shifted, x, n.maximum, n.maximum.shape());
  return n;
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
    const Normalizer n = normalizer(x, at);
    y = call3(op, x, n.maximum, n.sum);
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

// INDEX counts axis 1 only: it is the class of an element.
constinit MapOp picked(
    "cross_entropy", 2, 1, DTypeClass::floating,
    [](const Value* x, Value* y, Builder& b, const void*) {
      // The target came through the promotion as a float: classes below 2^24 are exact.
      y[0] = select(eq(cast(b.index(), x[1].dtype()), x[1]), x[0], 0.0);
    },
    nullptr, 0b10);
constinit MapOp entropy_slope(
    "cross_entropy_backward", 4, 1, DTypeClass::floating,
    [](const Value* x, Value* y, Builder& b, const void*) {
      // (softmax(x) - onehot) * g: x[0] logits, x[1] log of the normaliser, x[2] target, x[3] g
      const Value p = exp(x[0] - x[1]);
      y[0] = select(eq(cast(b.index(), x[2].dtype()), x[2]), p - 1.0, p) * x[3];
    },
    nullptr, 0b10);
constinit MapOp row_loss("cross_entropy", 4, 1,
                         DTypeClass::floating,  // m + log s, minus the target's logit; and its mean
                         [](const Value* x, Value* y, Builder&, const void*) {
                           y[0] = (x[0] + log(x[1]) - x[2]) / x[3];
                         });
constinit MapOp log_sum("cross_entropy", 2, 1, DTypeClass::floating,
                        [](const Value* x, Value* y, Builder&, const void*) {
                          y[0] = x[0] + log(x[1]);
                        });

void cross_entropy_vjp(const VjpCall& call) {
  const Tensor& g = call.gradients[0];
  if (!g.defined()) return;
  const Tensor x = unpack(call.node, 0), target = unpack(call.node, 1),
               log_normaliser = unpack(call.node, 2);
  const double scale = 1.0 / static_cast<double>(x.size(0));
  // To be differentiated again, the normaliser must be a function of x.
  const int64_t axis[] = {1};
  const Tensor lse =
      grad_enabled() && x.requires_grad() ? logsumexp(x, axis, true) : log_normaliser;
  const Tensor scaled = multiply(g, scale);  // named: an operand only refers to its tensor
  const Operand operands[] = {x, lse, target, scaled};
  Tensor out;
  entropy_slope.call(operands, &out);
  call.results[0] = out;
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
  Tensor m;
  {
    NoGradScope constant;
    m = max(x, axes, true);
    m = where(isfinite(m), m, 0);
  }
  const Tensor s = call_sum2(exp_shifted, x, m, m.shape());
  const Tensor y = call2(log_sum, m, s);
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
  const bool needs_grad = wants_grad(logits);
  Tensor loss, log_normaliser, column;
  {
    NoGradScope constant;
    column = expand_dims(targets, 1);
    const Normalizer n = normalizer(logits, 1);
    const Tensor chosen = call_sum2(picked, logits, column, n.maximum.shape());
    const Operand operands[] = {n.maximum, n.sum, chosen, static_cast<double>(logits.shape()[0])};
    row_loss.call_sum(operands, {}, &loss);
    if (needs_grad) log_normaliser = call2(log_sum, n.maximum, n.sum);
  }
  if (needs_grad) {
    Node* node = new_node(kCrossEntropy, 1, 3, 0);
    set_edge(*node, 0, logits);
    if (node->wants(0)) {
      save_input(*node, 0, logits);
      save_input(*node, 1, column);
      save_input(*node, 2, log_normaliser);
      set_node(loss, *node, 0);
    }
    release(node);
  }
  return loss;
}

}  // namespace tenon
