#include "tenon/ops/join.h"

#include <algorithm>

#include "tenon/device/copy.h"
#include "tenon/device/memory.h"
#include "tenon/device/plan.h"
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

// ---- indexed access
// ------------------------------------------------------------------------------------------------

void describe_to(TenonTensor* out, const Tensor& t) {
  const TensorImpl* i = t.impl();
  out->buffer = i->storage->memory.buffer;
  out->offset = i->byte_offset();
  out->dtype = static_cast<uint32_t>(i->dtype);
  out->rank = i->rank;
  out->reserved = 0;
  std::copy_n(i->sizes, i->rank, out->sizes);
  std::copy_n(i->strides, i->rank, out->strides);
}

// gather (dst from src) or scatter-add (dst += src), reporting indices out of range.
void run_indexed(const char* name, bool scatter, const Tensor& src, const Tensor& index,
                 const Tensor& dst, int axis, uint32_t mode) {
  DeviceState& device = src.impl()->device();
  if (src.ndim() > TENON_ABI_MAX_RANK) {
    fail(ErrorCode::kUnsupported, name, describe(src), " has more than ", TENON_ABI_MAX_RANK,
         " dimensions; reshape() it to fewer");
  }
  TenonIndexArgs args;
  args.size = sizeof args;
  args.flags = 0;
  describe_to(&args.src, src);
  describe_to(&args.index, index);
  describe_to(&args.dst, dst);
  args.axis = static_cast<uint32_t>(axis);
  args.mode = mode;
  args.combine = TENON_SCATTER_ADD;
  args.reserved = 0;
  const Tensor flag = zeros({}, DType::int64, Device(device));
  args.out_of_range = flag.impl()->storage->memory.buffer;
  args.out_of_range_offset = flag.impl()->byte_offset();
  StreamState& stream = current_stream(device);
  const Tensor* used[] = {&src, &index, &dst};
  for (const Tensor* t : used) use_on_stream(*t->impl()->storage, stream);
  if (scatter) {
    run_scatter(stream, args);
  } else {
    run_gather(stream, args);
  }
  if (const int64_t bad = flag.item<int64_t>(); bad != 0) {
    const int64_t flat[] = {-1};
    const int64_t value = reshape(index, flat)[bad - 1].to(DType::int64).item<int64_t>();
    const Tensor& target = scatter ? dst : src;
    fail(ErrorCode::kAxis, name, "index ", value, " (position ", bad - 1,
         " of the indices) is out of bounds for axis ", axis, " with size ", target.size(axis),
         " of ", describe(target));
  }
}

struct IndexRecord {
  Dims shape;  // of x
  int axis;
  uint32_t mode;
};
void destroy_index(void* payload) { static_cast<IndexRecord*>(payload)->~IndexRecord(); }

Tensor scatter_into_zeros(const Tensor& g, const Tensor& indices, const IndexRecord& r);
Tensor gather(const char* name, const Tensor& x, const Tensor& indices, int axis, uint32_t mode);

void gather_vjp(const VjpCall& call) {
  if (!call.gradients[0].defined()) return;
  call.results[0] = scatter_into_zeros(call.gradients[0], unpack(call.node, 0),
                                       call.node.payload_as<IndexRecord>());
}
void scatter_vjp(const VjpCall& call) {
  if (!call.gradients[0].defined()) return;
  const auto& r = call.node.payload_as<IndexRecord>();
  call.results[0] = gather("take", call.gradients[0], unpack(call.node, 0), r.axis, r.mode);
}
constexpr OpInfo kTake{"take", &gather_vjp, &destroy_index};
constexpr OpInfo kTakeAlong{"take_along_axis", &gather_vjp, &destroy_index};
constexpr OpInfo kScatter{"take_backward", &scatter_vjp, &destroy_index};

void record_indexed(const OpInfo& op, const Tensor& x, const Tensor& indices, const Tensor& y,
                    IndexRecord payload) {
  if (!wants_grad(x) || !is_floating(x.dtype())) return;
  Node* node = new_node(op, 1, 1, sizeof(IndexRecord));
  new (node->payload) IndexRecord(std::move(payload));
  set_edge(*node, 0, x);
  if (node->edges[0].node) {
    save_input(*node, 0, indices);
    set_node(y, *node, 0);
  }
  release(node);
}

Tensor scatter_into_zeros(const Tensor& g, const Tensor& indices, const IndexRecord& r) {
  Tensor y = zeros(r.shape, g.dtype(), g.device());
  if (g.size() > 0) run_indexed("take", true, g, indices, y, r.axis, r.mode);
  record_indexed(kScatter, g, indices, y, r);
  return y;
}

Tensor gather(const char* name, const Tensor& x, const Tensor& indices, int axis, uint32_t mode) {
  Dims shape(mode == TENON_INDEX_ROWS ? x.shape() : indices.shape());
  if (mode == TENON_INDEX_ROWS) shape[axis] = indices.size();
  Tensor y = new_tensor(x.impl()->device(), x.dtype(), shape);
  if (y.size() > 0 && x.size(axis) == 0) {
    fail(ErrorCode::kAxis, name, "every index is out of bounds for axis ", axis, " with size 0 of ",
         describe(x));
  }
  if (y.size() > 0) run_indexed(name, false, x, indices, y, axis, mode);
  record_indexed(mode == TENON_INDEX_ROWS ? kTake : kTakeAlong, x, indices, y,
                 IndexRecord{Dims(x.shape()), axis, mode});
  return y;
}

int check_indexed(const char* name, const Tensor& x, const Tensor& indices, int64_t axis) {
  if (!x.defined() || !indices.defined())
    fail(ErrorCode::kInvalidArgument, name, "an argument is an undefined tensor");
  if (indices.dtype() != DType::int32 && indices.dtype() != DType::int64) {
    fail(ErrorCode::kDType, name, "indices are int32 or int64, not ", describe(indices),
         "; convert them with astype()");
  }
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
           " have no common dtype; convert with astype()");
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
  return gather("take", x, indices, at, TENON_INDEX_ROWS);
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
  return gather("take_along_axis", x, indices, at, TENON_INDEX_ALONG);
}

}  // namespace tenon
