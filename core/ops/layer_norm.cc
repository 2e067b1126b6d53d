#include "tenon/ops/layer_norm.h"

#include <bit>

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

// ---- without the device's own entry: passes that each read their operands once

// Of each row: mean, and 1 / sqrt(variance + eps). One pass (Welford's).
constinit KernelTable statistics_kernels;
map::Kernel statistics_kernel(DType d) {
  Builder b, e;
  map::Kernel k;
  k.name = "layer_norm";
  k.program = b.finish({b.input(d)});
  TenonReducer reducer{};
  reducer.kind = TENON_MOMENTS;
  reducer.acc_dtype = static_cast<uint16_t>(d);
  reducer.value = static_cast<uint16_t>(k.program.outputs[0]);
  k.program.outputs.clear();
  k.program.scalars = {d};
  k.reducers = {reducer};
  const Value count = e.input(d), mean = e.input(d), squares = e.input(d);
  k.epilogue = e.finish({mean, 1.0 / sqrt(squares / count + e.scalar(d))});
  return k;
}

constinit MapOp normalized("layer_norm", 3, 1, DTypeClass::floating,  // (x - mean) * rstd
                           [](const Value* x, Value* y, Builder&, const void*) {
                             y[0] = (x[0] - x[1]) * x[2];
                           });
constinit MapOp scaled("layer_norm", 4, 1, DTypeClass::floating,  // .. * weight
                       [](const Value* x, Value* y, Builder&, const void*) {
                         y[0] = (x[0] - x[1]) * x[2] * x[3];
                       });
constinit MapOp shifted("layer_norm", 5, 1, DTypeClass::floating,  // .. * weight + bias
                        [](const Value* x, Value* y, Builder&, const void*) {
                          y[0] = (x[0] - x[1]) * x[2] * x[3] + x[4];
                        });

// With n = (x - mean) * rstd and h = g * weight.
constinit MapOp row_sums("layer_norm_backward", 5, 2,
                         DTypeClass::floating,  // h, h * n: to be summed
                         [](const Value* x, Value* y, Builder&, const void*) {
                           y[0] = x[3] * x[4];
                           y[1] = y[0] * ((x[0] - x[1]) * x[2]);
                         });
constinit MapOp slope("layer_norm_backward", 8, 1,
                      DTypeClass::floating,  // rstd * (h - (sum(h) + n sum(h n)) / count)
                      [](const Value* x, Value* y, Builder&, const void*) {
                        const Value n = (x[0] - x[1]) * x[2];
                        y[0] = x[2] * (x[3] * x[4] - (x[5] + n * x[6]) * x[7]);
                      });
constinit MapOp parameter_terms("layer_norm_backward", 4, 2, DTypeClass::floating,  // g n, g
                                [](const Value* x, Value* y, Builder&, const void*) {
                                  y[0] = x[3] * ((x[0] - x[1]) * x[2]);
                                  y[1] = x[3];
                                });

// ---- calls on rows: x [.., n], weight and bias [n], statistics [.., 1]

struct Statistics {
  Tensor mean, rstd;
};

Dims with_last_one(DimsView shape) {
  Dims out(shape);
  out[out.size() - 1] = 1;
  return out;
}

Statistics statistics_of(const Tensor& x, double eps) {
  DeviceState& device = x.impl()->device();
  const Dims shape = with_last_one(x.shape());
  Statistics s{new_tensor(device, x.dtype(), shape), new_tensor(device, x.dtype(), shape)};
  LaunchOperand operands[3];
  operands[0].spread("layer_norm", x, x.shape());
  operands[1].spread("layer_norm", s.mean, x.shape());
  operands[2].spread("layer_norm", s.rstd, x.shape());
  PlanSlots& slots =
      statistics_kernels.get(x.dtype(), x.dtype(), [&] { return statistics_kernel(x.dtype()); });
  const uint64_t scalars[] = {x.dtype() == DType::float64
                                  ? std::bit_cast<uint64_t>(eps)
                                  : std::bit_cast<uint32_t>(static_cast<float>(eps))};
  launch(slots.on(device), {.sizes = x.shape(), .reduce_axes = uint64_t{1} << (x.ndim() - 1)},
         operands, scalars);
  return s;
}

// weight or bias, as an entry takes it.
void describe_parameter(TenonTensor* out, const Tensor& p, const TenonTensor& x,
                        StreamState& stream) {
  *out = {};
  if (!p.defined()) return;
  *out = x;
  const TensorImpl* i = p.impl();
  use_on_stream(*i->storage, stream);
  out->buffer = i->storage->memory.buffer;
  out->offset = i->byte_offset();
  for (uint32_t k = 0; k + 1 < out->rank; ++k) out->strides[k] = 0;
  out->strides[out->rank - 1] = i->strides[0];
}

// The device's own entry; an undefined tensor if it has none for this.
Tensor fused_layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps,
                        Statistics& s) {
  if (!has_entry_rank(x)) return {};
  DeviceState& device = x.impl()->device();
  const Dims shape = with_last_one(x.shape());
  Tensor y = new_tensor(device, x.dtype(), x.shape());
  s.mean = new_tensor(device, compute_dtype(x.dtype()), shape);
  s.rstd = new_tensor(device, compute_dtype(x.dtype()), shape);
  StreamState& stream = current_stream(device);
  TenonLayerNormArgs args;
  args.size = sizeof args;
  args.flags = 0;
  args.eps = eps;
  const int last = x.ndim() - 1;
  describe_rows(&args.x, x, last, stream);
  describe_rows(&args.y, y, last, stream);
  describe_rows(&args.mean, s.mean, last, stream);
  describe_rows(&args.rstd, s.rstd, last, stream);
  describe_parameter(&args.weight, weight, args.x, stream);
  describe_parameter(&args.bias, bias, args.x, stream);
  return run_layer_norm(stream, args) ? y : Tensor();
}

Tensor fused_layer_norm_backward(const Tensor& x, const Tensor& weight, const Statistics& s,
                                 const Tensor& g) {
  if (!has_entry_rank(x) || g.dtype() != x.dtype()) return {};
  DeviceState& device = x.impl()->device();
  Tensor dx = new_tensor(device, x.dtype(), x.shape());
  StreamState& stream = current_stream(device);
  TenonLayerNormBackwardArgs args;
  args.size = sizeof args;
  args.flags = 0;
  const int last = x.ndim() - 1;
  describe_rows(&args.x, x, last, stream);
  describe_rows(&args.g, g, last, stream);
  describe_rows(&args.dx, dx, last, stream);
  describe_rows(&args.mean, s.mean, last, stream);
  describe_rows(&args.rstd, s.rstd, last, stream);
  describe_parameter(&args.weight, weight, args.x, stream);
  return run_layer_norm_backward(stream, args) ? dx : Tensor();
}

// ---- gradients

// Inputs x, weight, bias; saved x, mean, rstd and, if there is one, weight.
struct Payload {
  double eps;
  bool has_weight;
};

Tensor slope_of(const Tensor& x, const Tensor& weight, const Statistics& s, const Tensor& g) {
  if (Tensor dx = fused_layer_norm_backward(x, weight, s, g); dx.defined()) return dx;
  const Operand w = weight.defined() ? Operand(weight) : Operand(1.0);
  const Operand terms[] = {x, s.mean, s.rstd, g, w};
  Tensor sums[2], dx;
  row_sums.call_sum(terms, with_last_one(x.shape()), sums);
  const Operand operands[] = {x, s.mean,  s.rstd,  g,
                              w, sums[0], sums[1], 1.0 / static_cast<double>(x.shape().back())};
  slope.call(operands, &dx);
  return dx.dtype() == x.dtype() ? dx : dx.to(x.dtype());
}

// The same from operations that are recorded, for a gradient that is differentiated again.
void recorded_gradients(const VjpCall& call, const Tensor& x, const Tensor& weight,
                        const Tensor& g) {
  const int64_t last[] = {-1};
  const Tensor centred = x - mean(x, last, true);
  const Tensor rstd =
      1.0 / sqrt(mean(centred * centred, last, true) + call.node.payload_as<Payload>().eps);
  const Tensor n = centred * rstd;
  if (call.node.wants(0)) {
    const Tensor h = weight.defined() ? g * weight : g;
    call.results[0] = rstd * (h - mean(h, last, true) - n * mean(h * n, last, true));
  }
  const int64_t shape[] = {x.shape().back()};
  if (call.node.wants(1)) call.results[1] = sum_to(g * n, shape);
  if (call.node.wants(2)) call.results[2] = sum_to(g, shape);
}

void layer_norm_vjp(const VjpCall& call) {
  const Tensor& g = call.gradients[0];
  if (!g.defined()) return;
  const Tensor x = unpack(call.node, 0);
  const Tensor weight =
      call.node.payload_as<Payload>().has_weight ? unpack(call.node, 3) : Tensor();
  if (wants_grad(g) || wants_grad(x) || (weight.defined() && wants_grad(weight))) {
    return recorded_gradients(call, x, weight, g);
  }
  const Statistics s{unpack(call.node, 1), unpack(call.node, 2)};
  if (call.node.wants(0)) call.results[0] = slope_of(x, weight, s, g);
  if (call.node.wants(1) || call.node.wants(2)) {
    const Operand operands[] = {x, s.mean, s.rstd, g};
    const int64_t shape[] = {x.shape().back()};
    Tensor sums[2];
    parameter_terms.call_sum(operands, shape, sums);
    if (call.node.wants(1)) call.results[1] = sums[0].to(x.dtype());
    if (call.node.wants(2)) call.results[2] = sums[1].to(x.dtype());
  }
}
constexpr OpInfo kLayerNorm{"layer_norm", &layer_norm_vjp, nullptr};

// x [.., n] with n > 0 and at least one row, all of one floating dtype.
Tensor norm_rows(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps) {
  Tensor y;
  Statistics s;
  {
    NoGradScope constant;
    y = fused_layer_norm(x, weight, bias, eps, s);
    if (!y.defined() && x.dtype() == compute_dtype(x.dtype())) {
      s = statistics_of(x, eps);
      const Operand w = weight.defined() ? Operand(weight) : Operand(1.0);
      const Operand operands[] = {x, s.mean, s.rstd, w,
                                  bias.defined() ? Operand(bias) : Operand(0.0)};
      (bias.defined() ? shifted : weight.defined() ? scaled : normalized).call(operands, &y);
    }
  }
  if (!y.defined()) {
    const DType wide = compute_dtype(x.dtype());
    return norm_rows(x.to(wide), weight.defined() ? weight.to(wide) : weight,
                     bias.defined() ? bias.to(wide) : bias, eps)
        .to(x.dtype());
  }
  const bool wants_weight = weight.defined() && wants_grad(weight);
  const bool wants_bias = bias.defined() && wants_grad(bias);
  if (wants_grad(x) || wants_weight || wants_bias) {
    Node* node = new_node(kLayerNorm, 3, weight.defined() ? 4 : 3, sizeof(Payload));
    new (node->payload) Payload{eps, weight.defined()};
    set_edge(*node, 0, x);
    if (weight.defined()) set_edge(*node, 1, weight);
    if (bias.defined()) set_edge(*node, 2, bias);
    save_input(*node, 0, x);
    save_input(*node, 1, s.mean);
    save_input(*node, 2, s.rstd);
    if (weight.defined()) save_input(*node, 3, weight);
    set_node(y, *node, 0);
    release(node);
  }
  return y;
}

void check_parameter(const char* name, const Tensor& p, const Tensor& x, DimsView shape) {
  if (!p.defined()) return;
  if (!equal_shapes(p.shape(), shape)) {
    fail(ErrorCode::kShape, "layer_norm", name, " is ", describe(p), "; it must have the shape ",
         shape_text(shape), " of the normalized axes");
  }
  if (!(p.device() == x.device())) {
    fail(ErrorCode::kDevice, "layer_norm",
         "Expected all tensors to be on the same device, but found ", describe(x), " and ",
         describe(p), ". Move one with to()");
  }
}

}  // namespace

Tensor layer_norm(const Tensor& x, DimsView normalized_shape, const Tensor& weight,
                  const Tensor& bias, double eps) {
  if (!x.defined()) fail(ErrorCode::kInvalidArgument, "layer_norm", "the tensor is undefined");
  const DimsView shape = x.shape();
  const size_t axes = normalized_shape.size();
  if (axes == 0 || axes > shape.size() || !equal_shapes(shape.last(axes), normalized_shape)) {
    fail(ErrorCode::kShape, "layer_norm", "cannot normalize ", describe(x), " over the shape ",
         shape_text(normalized_shape), "; it must be the sizes of the last axes, at least one");
  }
  check_parameter("weight", weight, x, normalized_shape);
  check_parameter("bias", bias, x, normalized_shape);
  DType d = x.dtype();
  for (const Tensor* p : {&weight, &bias}) {
    if (p->defined()) d = promote(d, p->dtype());
  }
  if (!is_floating(d)) {
    fail(ErrorCode::kDType, "layer_norm", "needs floating dtypes, not ", describe(x),
         "; use astype()");
  }
  if (!(eps >= 0)) {
    fail(ErrorCode::kInvalidArgument, "layer_norm", "eps is ", eps, "; it must be at least 0");
  }
  // As rows of all normalized elements, in one dtype.
  const auto as = [d](const Tensor& t) { return t.defined() && t.dtype() != d ? t.to(d) : t; };
  const int64_t flat[] = {element_count("layer_norm", normalized_shape)};
  const auto parameter = [&](const Tensor& p) {
    return p.defined() && axes != 1 ? reshape(as(p), flat) : as(p);
  };
  if (x.size() == 0) return as(x).clone();
  if (axes == 1) return norm_rows(as(x), parameter(weight), parameter(bias), eps);
  Dims rows(shape.first(shape.size() - axes));
  rows.push_back(flat[0]);
  return reshape(norm_rows(reshape(as(x), rows), parameter(weight), parameter(bias), eps), shape);
}

}  // namespace tenon
