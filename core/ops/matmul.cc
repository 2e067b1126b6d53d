#include "tenon/ops/matmul.h"

#include <algorithm>

#include "tenon/device/plan.h"
#include "tenon/ops/reduce.h"
#include "tenon/ops/views.h"
#include "tenon/tensor/launch.h"

namespace tenon {
namespace {

constexpr int kMaxBatchAxes = TENON_ABI_MAX_RANK - 2;

void pack(TenonTensor* out, const Tensor& t, DimsView batch) {
  const TensorImpl* i = t.impl();
  const int n_batch = static_cast<int>(batch.size()), own = i->rank - 2;
  out->buffer = i->storage->memory.buffer;
  out->offset = i->byte_offset();
  out->dtype = static_cast<uint32_t>(i->dtype);
  out->rank = static_cast<uint32_t>(n_batch + 2);
  out->reserved = 0;
  for (int k = 0; k < n_batch; ++k) {
    const int from = k - (n_batch - own);
    const bool repeats = from < 0 || i->sizes[from] == 1;
    out->sizes[k] = batch[static_cast<size_t>(k)];
    out->strides[k] = repeats ? 0 : i->strides[from];
  }
  for (int k = 0; k < 2; ++k) {
    out->sizes[n_batch + k] = i->sizes[own + k];
    out->strides[n_batch + k] = i->strides[own + k];
  }
}

// c = a @ b (+ bias over the rows), a and b of at least two axes and one dtype on one device; no
// record.
Tensor raw_matmul(const Tensor& a, const Tensor& b, const Tensor* bias = nullptr) {
  const DimsView sa = a.shape(), sb = b.shape();
  const Dims batch = broadcast_shapes("matmul", sa.first(sa.size() - 2), sb.first(sb.size() - 2));
  Dims shape = batch;
  shape.push_back(sa[sa.size() - 2]);
  shape.push_back(sb[sb.size() - 1]);
  DeviceState& device = a.impl()->device();
  Tensor c = new_tensor(device, a.dtype(), shape);
  if (c.size() == 0) return c;
  if (sa.back() == 0) {
    if (bias) {
      raw_copy(c, *bias);
    } else {
      raw_fill(c, 0);
    }
    return c;
  }
  if (batch.size() > kMaxBatchAxes) {
    // More batch axes than an entry takes: one of all of them, on copies.
    NoGradScope no_record;
    Dims full_a = batch, full_b = batch;
    for (size_t k = 2; k > 0; --k) {
      full_a.push_back(sa[sa.size() - k]);
      full_b.push_back(sb[sb.size() - k]);
    }
    const int64_t flat_a[] = {-1, sa[sa.size() - 2], sa.back()},
                  flat_b[] = {-1, sb[sb.size() - 2], sb.back()};
    return reshape(raw_matmul(reshape(broadcast_to(a, full_a), flat_a),
                              reshape(broadcast_to(b, full_b), flat_b), bias),
                   shape);
  }
  StreamState& stream = current_stream(device);
  TenonMatmulArgs args;
  args.size = sizeof args;
  args.flags = 0;
  args.epilogue = TENON_EPILOGUE_NONE;
  args.reserved = 0;
  args.alpha = 1;
  args.beta = 0;
  pack(&args.a, a, batch);
  pack(&args.b, b, batch);
  pack(&args.c, c, batch);
  args.bias.buffer = 0;
  if (bias) {
    args.bias = args.c;
    const TensorImpl* t = bias->impl();
    args.bias.buffer = t->storage->memory.buffer;
    args.bias.offset = t->byte_offset();
    for (uint32_t k = 0; k + 1 < args.bias.rank; ++k) args.bias.strides[k] = 0;
    args.bias.strides[args.bias.rank - 1] = t->strides[0];
    use_on_stream(*t->storage, stream);
  }
  const Tensor* used[] = {&a, &b, &c};
  for (const Tensor* t : used) use_on_stream(*t->impl()->storage, stream);
  run_matmul(stream, args);
  return c;
}

void matmul_vjp(const VjpCall& call) {
  const Tensor& g = call.gradients[0];
  if (!g.defined()) return;
  // Gradients of a broadcast batch are summed over it.
  if (call.node.wants(0)) {
    const Tensor b = unpack(call.node, 1);
    call.results[0] = sum_to(matmul(g, matrix_transpose(b)), call.node.payload_as<Dims[2]>()[0]);
  }
  if (call.node.wants(1)) {
    const Tensor a = unpack(call.node, 0);
    call.results[1] = sum_to(matmul(matrix_transpose(a), g), call.node.payload_as<Dims[2]>()[1]);
  }
}
void destroy_shapes(void* payload) {
  auto* shapes = static_cast<Dims*>(payload);
  shapes[0].~Dims();
  shapes[1].~Dims();
}
constexpr OpInfo kMatmul{"matmul", &matmul_vjp, &destroy_shapes};

void linear_vjp(const VjpCall& call) {
  const Tensor& g = call.gradients[0];
  if (!g.defined()) return;
  if (call.node.wants(0)) call.results[0] = matmul(g, unpack(call.node, 1));
  if (call.node.wants(1)) {
    const Tensor x = unpack(call.node, 0);
    const DimsView batch = x.shape().first(x.shape().size() - 1);
    const int64_t rows = element_count("linear", batch);
    const auto flat = [rows](const Tensor& t) {
      const int64_t shape[] = {rows, t.shape().back()};
      return t.ndim() == 2 ? t : reshape(t, shape);
    };
    // In the weight's own layout, so that optimizers read both in one run.
    call.results[1] = matmul(matrix_transpose(flat(g)), flat(x));
  }
  if (call.node.n_inputs > 2 && call.node.wants(2)) {
    const int64_t shape[] = {g.shape().back()};
    call.results[2] = sum_to(g, shape);
  }
}
constexpr OpInfo kLinear{"linear", &linear_vjp, nullptr};

[[gnu::cold]] void check_operands(const char* name, const Tensor& a, const Tensor& b) {
  if (!a.defined() || !b.defined())
    fail(ErrorCode::kInvalidArgument, name, "an argument is an undefined tensor");
  if (&a.impl()->device() != &b.impl()->device()) {
    fail(ErrorCode::kDevice, name, "Expected all tensors to be on the same device, but found ",
         describe(a), " and ", describe(b), ". Move one with to()");
  }
}

}  // namespace

Tensor matmul(const Tensor& a, const Tensor& b) {
  check_operands("matmul", a, b);
  if (a.ndim() == 0 || b.ndim() == 0) {
    fail(ErrorCode::kShape, "matmul", "both arguments need at least 1 dimension, not ", describe(a),
         " and ", describe(b), "; use multiply()");
  }
  const int64_t inner_a = a.shape().back();
  const int64_t inner_b = b.shape()[b.ndim() == 1 ? 0 : static_cast<size_t>(b.ndim() - 2)];
  if (inner_a != inner_b) {
    fail(ErrorCode::kShape, "matmul", "mat1 and mat2 shapes cannot be multiplied (",
         shape_text(a.shape()), " and ", shape_text(b.shape()), "): the last axis of the first is ",
         inner_a, ", the ", b.ndim() == 1 ? "only" : "second-last", " axis of the second is ",
         inner_b, "; transpose() one of them?");
  }
  const DType d = promote(a.dtype(), b.dtype());
  if (d == DType::none || d == DType::bool_ || is_float8(d)) {
    fail(ErrorCode::kDType, "matmul", "is not defined for ", describe(a), " and ", describe(b),
         "; ", promotion_advice(a.dtype(), b.dtype()));
  }
  if (a.dtype() != d) return matmul(a.to(d), b);
  if (b.dtype() != d) return matmul(a, b.to(d));
  if (a.ndim() == 1) {
    const Tensor y = matmul(expand_dims(a, 0), b);
    const int64_t axis[] = {b.ndim() == 1 ? 0 : y.ndim() - 2};
    return squeeze(y, axis);
  }
  if (b.ndim() == 1) {
    const int64_t axis[] = {-1};
    return squeeze(matmul(a, expand_dims(b, 1)), axis);
  }
  Tensor c = raw_matmul(a, b);
  if ((wants_grad(a) || wants_grad(b)) && is_floating(d)) {
    Node* node = new_node(kMatmul, 2, 2, 2 * sizeof(Dims));
    new (node->payload) Dims(a.shape());
    new (static_cast<Dims*>(node->payload) + 1) Dims(b.shape());
    set_edge(*node, 0, a);
    set_edge(*node, 1, b);
    // Each is kept only for the other's gradient.
    if (node->wants(1)) save_input(*node, 0, a);
    if (node->wants(0)) save_input(*node, 1, b);
    if (node->wants(0) || node->wants(1)) set_node(c, *node, 0);
    release(node);
  }
  return c;
}

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  check_operands("linear", x, weight);
  if (bias.defined()) check_operands("linear", x, bias);
  if (weight.ndim() != 2 || x.ndim() < 1 || x.shape().back() != weight.shape()[1] ||
      (bias.defined() && (bias.ndim() != 1 || bias.shape()[0] != weight.shape()[0]))) {
    fail(ErrorCode::kShape, "linear", "mat1 and mat2 shapes cannot be multiplied: x is ",
         describe(x), ", weight ", describe(weight), ", bias ", describe(bias),
         "; they need to be [..., in], [out, in] and [out]");
  }
  DType d = promote(x.dtype(), weight.dtype());
  if (bias.defined()) d = promote(d, bias.dtype());
  if (!is_floating(d))
    fail(ErrorCode::kDType, "linear", "needs floating dtypes, not ", describe(x), " and ",
         describe(weight), "; use astype()");
  if (x.dtype() != d || weight.dtype() != d || (bias.defined() && bias.dtype() != d)) {
    return linear(x.to(d), weight.to(d), bias.defined() ? bias.to(d) : bias);
  }
  Tensor y;
  {
    NoGradScope raw;
    const Tensor rows = x.ndim() == 1 ? expand_dims(x, 0) : x;
    y = raw_matmul(rows, matrix_transpose(weight), bias.defined() ? &bias : nullptr);
  }
  if (x.ndim() == 1) {
    const int64_t shape[] = {weight.shape()[0]};
    y = alias(y, y.dtype(), shape, contiguous_strides(shape), y.impl()->offset);
  }
  if (wants_grad(x) || wants_grad(weight) || (bias.defined() && wants_grad(bias))) {
    Node* node = new_node(kLinear, bias.defined() ? 3 : 2, 2, 0);
    set_edge(*node, 0, x);
    set_edge(*node, 1, weight);
    if (bias.defined()) set_edge(*node, 2, bias);
    if (node->wants(1)) save_input(*node, 0, x);
    if (node->wants(0)) save_input(*node, 1, weight);
    set_node(y, *node, 0);
    release(node);
  }
  return y;
}

}  // namespace tenon
