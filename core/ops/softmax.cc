#include "tenon/ops/softmax.h"

#include "tenon/ops/elementwise.h"
#include "tenon/ops/map_op.h"
#include "tenon/ops/reduce.h"
#include "tenon/ops/row_entry.h"
#include "tenon/ops/views.h"
#include "tenon/tensor/launch.h"

namespace tenon {
namespace {

using map::Builder;
using map::Value;

// Without the device's own entry: passes that each read their operands once.
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

// The device's own entry, one pass over the rows; undefined if it has none for this.
Tensor fused_softmax(const Tensor& x, int axis, bool log) {
  if (!has_entry_rank(x)) return {};
  DeviceState& device = x.impl()->device();
  Tensor y = new_tensor(device, x.dtype(), x.shape());
  StreamState& stream = current_stream(device);
  TenonSoftmaxArgs args;
  args.size = sizeof args;
  args.flags = 0;
  args.log = log;
  args.reserved = 0;
  describe_rows(&args.x, x, axis, stream);
  describe_rows(&args.y, y, axis, stream);
  return run_softmax(stream, args) ? y : Tensor();
}

// Likewise for the gradient, which is not recorded: undefined if it has to be.
Tensor fused_softmax_backward(const Tensor& y, const Tensor& g, int axis, bool log) {
  if (wants_grad(y) || wants_grad(g) || y.dtype() != g.dtype() || !has_entry_rank(y)) return {};
  DeviceState& device = y.impl()->device();
  Tensor dx = new_tensor(device, y.dtype(), y.shape());
  StreamState& stream = current_stream(device);
  TenonSoftmaxBackwardArgs args;
  args.size = sizeof args;
  args.flags = 0;
  args.log = log;
  args.reserved = 0;
  describe_rows(&args.y, y, axis, stream);
  describe_rows(&args.g, g, axis, stream);
  describe_rows(&args.dx, dx, axis, stream);
  return run_softmax_backward(stream, args) ? dx : Tensor();
}

void softmax_vjp(const VjpCall& call) {  // payload: the axis
  const Tensor& g = call.gradients[0];
  if (!g.defined()) return;
  const Tensor y = unpack(call.node, 0);
  const int axis = call.node.payload_as<int>();
  call.results[0] = fused_softmax_backward(y, g, axis, false);
  if (call.results[0].defined()) return;
  const Tensor dot = call_sum2(product, g, y, with_one(y.shape(), axis));
  call.results[0] = call3(softmax_slope, y, g, dot);
}
constexpr OpInfo kSoftmax{"softmax", &softmax_vjp, nullptr};

void log_softmax_vjp(const VjpCall& call) {
  const Tensor& g = call.gradients[0];
  if (!g.defined()) return;
  const Tensor y = unpack(call.node, 0);
  const int axis = call.node.payload_as<int>();
  call.results[0] = fused_softmax_backward(y, g, axis, true);
  if (call.results[0].defined()) return;
  const int64_t axes[] = {axis};
  call.results[0] = call3(log_softmax_slope, y, g, sum(g, axes, true));
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
  Tensor y = fused_softmax(x, at, &info == &kLogSoftmax);
  if (!y.defined()) {
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

constinit MapOp log_sum("logsumexp", 2, 1, DTypeClass::floating,  // m + log s
                        [](const Value* x, Value* y, Builder&, const void*) {
                          y[0] = x[0] + log(x[1]);
                        });

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
  Tensor y = call2(log_sum, m, exp_sum(x, m));
  if (keepdims) return y;
  const Dims dropped = normalize_axes("logsumexp", axes, x.ndim(), true);
  return squeeze(y, dropped);
}

}  // namespace tenon
