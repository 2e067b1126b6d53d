// x[items] = value and x[items] += value.
#include <algorithm>

#include "tenon/ops/elementwise.h"
#include "tenon/ops/index.h"
#include "tenon/ops/index_resolve.h"
#include "tenon/ops/reduce.h"
#include "tenon/ops/views.h"
#include "tenon/tensor/launch.h"

namespace tenon {
namespace {

constexpr char kName[] = "index_put_";

// Payload of the record; what it saves are the selection's tensors.
struct PutRecord {
  Dims target, value;  // shapes
  Dims axes, shape;
  int position;
  bool distinct, accumulate;
};
void destroy_put(void* payload) { static_cast<PutRecord*>(payload)->~PutRecord(); }

// Which positions of the selection's shape had the last word about their element.
Tensor had_last_word(const Selection& s, const PutRecord& r, Device device) {
  Selection on_board = s;
  Dims sizes;
  for (int k = 0; k < r.axes.size(); ++k) {
    sizes.push_back(r.target[static_cast<int>(r.axes[k])]);
    on_board.axes[k] = k;
  }
  on_board.position = 0;
  const int64_t count = element_count(kName, s.shape);
  const Tensor numbers = reshape(arange(0, count, 1, DType::int64, device), s.shape);
  const Tensor board = zeros(sizes, DType::int64, device);
  scatter(kName, board, on_board, numbers, false);
  return equal(gather(kName, board, on_board), numbers);
}

void put_vjp(const VjpCall& call) {
  const Tensor& g = call.gradients[0];
  if (!g.defined()) return;
  const auto& r = call.node.payload_as<PutRecord>();
  Selection s{r.axes, {}, r.shape, r.position, true, r.distinct};
  for (int i = 0; i < r.axes.size(); ++i) s.indices.push_back(unpack(call.node, i));
  if (call.node.wants(0)) {
    call.results[0] = g;
    if (!r.accumulate) {
      const Tensor kept = ones(r.target, DType::bool_, g.device());
      const Tensor gone = zeros({}, DType::bool_, g.device());
      scatter(kName, kept, s, broadcast_to(gone, selected_shape(r.target, s)), false);
      call.results[0] = where(kept, g, 0);
    }
  }
  if (call.node.wants(1)) {
    Tensor part = gather(kName, g, s);
    if (!r.accumulate && !r.distinct) {
      Tensor last = had_last_word(s, r, g.device());
      for (int k = r.target.size() - r.axes.size() - r.position; k > 0; --k)
        last = expand_dims(last, -1);
      part = where(last, part, 0);
    }
    call.results[1] = sum_to(part, r.value);
  }
}
constexpr OpInfo kPut{kName, &put_vjp, &destroy_put};

// The number or tensor in x's dtype, on x's device, with no more dimensions than `shape`, to which
// it broadcasts.
Tensor value_for(const Tensor& x, const Operand& value, DimsView shape, bool accumulate) {
  if (accumulate) check_computes(kName, x);
  if (!value.is_tensor()) {
    const Scalar& number = value.scalar();
    if (!number.is_floating() && !number.fits(x.dtype())) {
      fail(ErrorCode::kDType, kName, "integer ", number.to_int64(), " out of bounds for ",
           describe(x));
    }
    if (accumulate && number.dtype_beside(x.dtype()) != x.dtype()) {
      fail(ErrorCode::kDType, kName, "a number of a higher kind cannot be added to ", describe(x),
           "; convert one with astype()");
    }
    return full({}, number, x.dtype(), x.device());
  }
  Tensor v = value.tensor();
  if (!v.defined()) fail(ErrorCode::kInvalidArgument, kName, "the value is an undefined tensor");
  // The rule of add_(): integers wrap, a higher kind is refused.
  const DType sum = promote(x.dtype(), v.dtype());
  if (accumulate &&
      (is_floating(sum) != is_floating(x.dtype()) || is_complex(sum) != is_complex(x.dtype()))) {
    fail(ErrorCode::kDType, kName, describe(v), " cannot be added to ", describe(x),
         "; convert one with astype()");
  }
  const int ndim = static_cast<int>(shape.size());
  const DimsView own = v.shape();
  bool fits = true;
  for (int k = 1; k <= v.ndim(); ++k) {
    const int64_t size = v.size(-k);
    fits = fits && (size == 1 || (k <= ndim && size == shape[static_cast<size_t>(ndim - k)]));
  }
  if (!fits) {
    fail(ErrorCode::kShape, kName, "shape mismatch: value tensor of shape ", shape_text(own),
         " cannot be broadcast to indexing result of shape ", shape_text(shape));
  }
  // As in NumPy, sizes of 1 in front of the result's are no obstacle.
  if (v.ndim() > ndim) v = reshape(v, own.subspan(static_cast<size_t>(v.ndim() - ndim)));
  return v.to(x.device()).to(x.dtype());
}

// The write is done: `y` (or nothing that wants a gradient, if undefined) is what stands in
// `target` now.
void finish_put(const Tensor& target, Node* node, uint32_t output) {
  note_write(target, kName);
  if (node || (detail::grad_mode && target.requires_grad())) rebase_history(target, node, output);
}

// Under one mask, one value: chosen where it lies, so that the mask is not read.
bool put_under_mask(const IndexParts& parts, const Operand& value) {
  const bool one_value =
      !value.is_tensor() || (value.tensor().defined() && value.tensor().size() == 1);
  if (!one_value || parts.tensors.size() != 1) return false;
  const IndexParts::Picked& p = parts.tensors[0];
  if (p.tensor.dtype() != DType::bool_ || p.tensor.size() == 0) return false;
  const Tensor& target = parts.view;
  const Tensor v = value_for(target, value, {}, false);
  Dims shape(p.tensor.shape());
  shape.resize(target.ndim() - p.axis);
  std::fill(shape.begin() + p.axes, shape.end(), 1);
  const Tensor y = where(reshape(p.tensor.to(target.device()), shape), bits_of_float8(v),
                         bits_of_float8(target));
  raw_copy(bits_of_float8(target), y);
  finish_put(target, y.impl()->node, y.impl()->output_index);
  return true;
}

void put(const Tensor& x, IndexParts& parts, const Operand& value, bool accumulate) {
  const Selection s = select_parts(kName, x, parts);
  const Tensor& target = parts.view;
  Tensor v = value_for(target, value, selected_shape(target.shape(), s), accumulate);
  check_bounds(kName, target, s);  // a backend writes somewhere else when an index is out of range
  Node* node = nullptr;
  if (is_floating(target.dtype()) && (wants_grad(target) || wants_grad(v))) {
    node = new_node(kPut, 2, s.axes.size(), sizeof(PutRecord));
    new (node->payload) PutRecord{Dims(target.shape()), Dims(v.shape()), s.axes,    s.shape,
                                  s.position,           s.distinct,      accumulate};
    set_edge(*node, 0, target);
    set_edge(*node, 1, v);
  }
  struct Release {
    Node* node;
    ~Release() {
      if (node) release(node);
    }
  } guard{node};
  Selection safe = s;  // what is read must not be what is written
  for (Tensor& t : safe.indices) {
    if (t.shares_storage_with(target)) t = contiguous_copy(t);
  }
  if (v.shares_storage_with(target)) v = contiguous_copy(v);
  if (node) {
    for (int i = 0; i < s.axes.size(); ++i)
      save_input(*node, i, safe.indices[static_cast<size_t>(i)]);
  }
  scatter(kName, target, safe, broadcast_to(v, selected_shape(target.shape(), s)), accumulate);
  finish_put(target, node, 0);
}

}  // namespace

Tensor& index_put_(Tensor& x, std::span<const IndexItem> items, const Operand& value,
                   bool accumulate) {
  IndexParts parts = split_index(kName, x, items);
  Tensor& target = parts.view;
  check_writable(kName, target);
  if (parts.tensors.empty()) {
    const Tensor v = value_for(target, value, target.shape(), accumulate);
    accumulate ? add_(target, v) : target.copy_(v);
  } else if (accumulate || !put_under_mask(parts, value)) {
    put(x, parts, value, accumulate);
  }
  return x;
}

Tensor& index_put_(Tensor& x, std::initializer_list<IndexItem> items, const Operand& value,
                   bool accumulate) {
  return index_put_(x, std::span<const IndexItem>(items.begin(), items.size()), value, accumulate);
}

}  // namespace tenon
