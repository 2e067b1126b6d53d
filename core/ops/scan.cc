#include "tenon/ops/scan.h"

#include <algorithm>

#include "tenon/ops/elementwise.h"
#include "tenon/ops/join.h"
#include "tenon/ops/reduce.h"
#include "tenon/ops/views.h"
#include "tenon/tensor/impl.h"

namespace tenon {
namespace {

int checked_axis(const char* name, const Tensor& x, int64_t axis) {
  if (!x.defined()) fail(ErrorCode::kInvalidArgument, name, "the tensor is undefined");
  return normalize_axis(name, axis, x.ndim());
}

// Along the last axis, in place. Blocks of `kBlock` one element after the other, all blocks at
// once; then the blocks' totals in the same way; then what stood before each block is added to it.
// The work is 2 n additions in kBlock log(n) / log(kBlock) launches.
constexpr int64_t kBlock = 16;
void sum_in_place(const Tensor& x) {
  const int64_t n = x.size(-1), blocks = n <= kBlock ? 0 : n / kBlock;
  const auto step = [](const Tensor& t, int64_t at) {
    Tensor here = select(t, -1, at);
    add_(here, select(t, -1, at - 1));
  };
  if (blocks > 0) {
    Dims shape(x.shape());
    shape[x.ndim() - 1] = blocks;
    shape.push_back(kBlock);
    const Tensor grid = reshape(slice(x, -1, 0, blocks * kBlock), shape);
    for (int64_t i = 1; i < kBlock; ++i) step(grid, i);
    const Tensor totals = select(grid, -1, kBlock - 1).clone().contiguous();
    sum_in_place(totals);
    Tensor behind = slice(grid, -2, 1);
    add_(behind, expand_dims(slice(totals, -1, 0, -1), -1));
  }
  for (int64_t i = std::max<int64_t>(1, blocks * kBlock); i < n; ++i) step(x, i);
}

// The sum's dtype, by sum's own rule.
DType total_dtype(const Tensor& x, int axis) { return sum(slice(x.detach(), axis, 0, 0)).dtype(); }

void cumulative_vjp(const VjpCall& call) {  // payload: the axis
  if (!call.gradients[0].defined()) return;
  const int64_t axis = call.node.payload_as<int64_t>();
  call.results[0] = flip(cumulative_sum(flip(call.gradients[0], {axis}), axis), {axis});
}
constexpr OpInfo kCumulativeSum{"cumulative_sum", &cumulative_vjp, nullptr};

Tensor with_initial(const Tensor& y, int axis, double initial) {
  Dims shape(y.shape());
  shape[axis] = 1;
  const Tensor parts[] = {full(shape, initial, y.dtype(), y.device()), y};
  return concat(parts, axis);
}

}  // namespace

Tensor cumulative_sum(const Tensor& x, int64_t axis, bool include_initial) {
  const int at = checked_axis("cumulative_sum", x, axis);
  const DType d = total_dtype(x, at);
  Dims shape(x.shape());
  std::swap(shape[at], shape[x.ndim() - 1]);
  Dims order(x.ndim(), 0);
  for (int k = 0; k < x.ndim(); ++k) order[k] = k;
  std::swap(order[at], order[x.ndim() - 1]);
  Tensor y;
  {
    NoGradScope raw;
    const Tensor work = permute_dims(x, order).to(compute_dtype(d), true).contiguous();
    if (work.size() > 0) sum_in_place(work);
    y = permute_dims(work, order).to(d).contiguous().detach();
  }
  if (wants_grad(x) && is_floating(d)) {
    Node* node = new_node(kCumulativeSum, 1, 0, sizeof(int64_t));
    *static_cast<int64_t*>(node->payload) = at;
    set_edge(*node, 0, x);
    if (node->edges[0].node) set_node(y, *node, 0);
    release(node);
  }
  return include_initial ? with_initial(y, at, 0) : y;
}

Tensor cumulative_prod(const Tensor& x, int64_t axis, bool include_initial) {
  const int at = checked_axis("cumulative_prod", x, axis);
  Tensor y = x.to(total_dtype(x, at), true);
  // After a pass each element is the product of up to 2 * step elements. No division, so that zeros
  // need no care.
  for (int64_t step = 1; step < x.size(at); step *= 2) {
    const Tensor parts[] = {slice(y, at, 0, step),
                            multiply(slice(y, at, step), slice(y, at, 0, -step))};
    y = concat(parts, at);
  }
  return include_initial ? with_initial(y, at, 1) : y;
}

Tensor diff(const Tensor& x, int64_t axis, int64_t n) {
  const int at = checked_axis("diff", x, axis);
  if (n < 0) fail(ErrorCode::kInvalidArgument, "diff", "the order is not negative, as ", n, " is");
  Tensor y = x;
  for (; n > 0; --n) {
    const Tensor upper = slice(y, at, 1), lower = slice(y, at, 0, -1);
    y = x.dtype() == DType::bool_ ? not_equal(upper, lower) : subtract(upper, lower);
  }
  return y;
}

}  // namespace tenon
