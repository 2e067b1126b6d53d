#include "tenon/ops/join.h"

#include <algorithm>

#include "tenon/ops/gather.h"
#include "tenon/ops/views.h"
#include "tenon/tensor/launch.h"

namespace tenon {
namespace {

// ---- concat
// --------------------------------------------------------------------------------------------------------

// Each input's gradient is its part. Payload: the axis, then the bounds of the parts along it.
void concat_vjp(const VjpCall& call) {
  if (!call.gradients[0].defined()) return;
  const auto* bounds = static_cast<const int64_t*>(call.node.payload);
  const int64_t axis = bounds[0];
  for (int i = 0; i < call.node.n_inputs; ++i) {
    if (call.node.wants(i))
      call.results[i] = slice(call.gradients[0], axis, bounds[1 + i], bounds[2 + i]);
  }
}
constexpr OpInfo kConcat{"concat", &concat_vjp, nullptr};

int check_indexed(const char* name, const Tensor& x, const Tensor& indices, int64_t axis) {
  if (!x.defined() || !indices.defined())
    fail(ErrorCode::kInvalidArgument, name, "an argument is an undefined tensor");
  if (!(indices.device() == x.device())) {
    fail(ErrorCode::kDevice, name, "Expected all tensors to be on the same device, but found ",
         describe(x), " and indices ", describe(indices), ". Move one with to()");
  }
  return normalize_axis(name, axis, x.ndim());
}

}  // namespace

Tensor concat(std::span<const Tensor> tensors, int64_t axis) {
  if (tensors.empty())
    fail(ErrorCode::kInvalidArgument, "concat", "expected a non-empty list of Tensors");
  for (const Tensor& t : tensors) {
    if (!t.defined())
      fail(ErrorCode::kInvalidArgument, "concat", "one of the tensors is undefined");
  }
  const Tensor& first = tensors[0];
  const int at = normalize_axis("concat", axis, first.ndim());
  DType d = first.dtype();
  Dims shape(first.shape());
  shape[at] = 0;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const Tensor& t = tensors[i];
    bool fits = t.ndim() == first.ndim();
    for (int k = 0; fits && k < t.ndim(); ++k)
      fits = k == at || t.impl()->sizes[k] == first.impl()->sizes[k];
    if (!fits) {
      fail(ErrorCode::kShape, "concat", "sizes of tensors must match except in axis ", at,
           ": number 0 is ", describe(first), ", number ", static_cast<int64_t>(i), " ",
           describe(t));
    }
    if (!(t.device() == first.device())) {
      fail(ErrorCode::kDevice, "concat",
           "Expected all tensors to be on the same device, but found ", describe(first), " and ",
           describe(t), ". Move one with to()");
    }
    if (promote(d, t.dtype()) == DType::none) {
      fail(ErrorCode::kDType, "concat", dtype_name(d), " and ", dtype_name(t.dtype()),
           " have no common dtype; ", promotion_advice(d, t.dtype()));
    }
    d = promote(d, t.dtype());
    shape[at] += t.impl()->sizes[at];
  }
  Tensor y = new_tensor(first.impl()->device(), d, shape);
  bool wanted = false;
  int64_t position = 0;
  for (const Tensor& t : tensors) {
    Dims strides(y.strides());
    raw_copy(alias(y, d, t.shape(), strides, position * strides[at]), t);
    position += t.impl()->sizes[at];
    wanted |= wants_grad(t);
  }
  if (wanted && is_floating(d)) {
    const int n = static_cast<int>(tensors.size());
    // A cast is its own record, so that concat's deals with one dtype.
    Node* node = new_node(kConcat, n, 0, sizeof(int64_t) * static_cast<size_t>(n + 2));
    auto* bounds = static_cast<int64_t*>(node->payload);
    bounds[0] = at;
    bounds[1] = 0;
    bool any_edge = false;
    for (int i = 0; i < n; ++i) {
      const Tensor& t = tensors[static_cast<size_t>(i)];
      bounds[i + 2] = bounds[i + 1] + t.impl()->sizes[at];
      if (is_floating(t.dtype())) set_edge(*node, i, wants_grad(t) ? t.to(d) : t);
      any_edge |= node->wants(i);
    }
    if (any_edge) set_node(y, *node, 0);
    release(node);
  }
  return y;
}

Tensor stack(std::span<const Tensor> tensors, int64_t axis) {
  if (tensors.empty())
    fail(ErrorCode::kInvalidArgument, "stack", "expected a non-empty list of Tensors");
  std::vector<Tensor> expanded;
  expanded.reserve(tensors.size());
  for (const Tensor& t : tensors) {
    if (!t.defined()) fail(ErrorCode::kInvalidArgument, "stack", "one of the tensors is undefined");
    if (!std::equal(t.shape().begin(), t.shape().end(), tensors[0].shape().begin(),
                    tensors[0].shape().end())) {
      fail(ErrorCode::kShape, "stack", "expects each tensor to be equal size, but found ",
           describe(tensors[0]), " and ", describe(t));
    }
    expanded.push_back(expand_dims(t, axis));
  }
  return concat(expanded, normalize_axis("stack", axis, tensors[0].ndim() + 1));
}

Tensor take(const Tensor& x, const Tensor& indices, int64_t axis) {
  const int at = check_indexed("take", x, indices, axis);
  if (indices.ndim() != 1)
    fail(ErrorCode::kShape, "take", "indices have 1 dimension, not ", describe(indices),
         "; reshape({-1}) them");
  Selection s{{at}, {as_indices("take", "indices", indices)}, Dims(indices.shape()), at};
  return gather("take", x, s);
}

Tensor take_along_axis(const Tensor& x, const Tensor& indices, int64_t axis) {
  const int at = check_indexed("take_along_axis", x, indices, axis);
  bool fits = x.ndim() == indices.ndim();
  for (int k = 0; fits && k < x.ndim(); ++k)
    fits = k == at || x.impl()->sizes[k] == indices.impl()->sizes[k];
  if (!fits) {
    fail(ErrorCode::kShape, "take_along_axis", "indices need the shape of x except in axis ", at,
         ": ", describe(x), " and ", describe(indices));
  }
  return gather_along("take_along_axis", x, as_indices("take_along_axis", "indices", indices), at);
}

}  // namespace tenon
