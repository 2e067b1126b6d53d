#include "tenon/ops/gather.h"

#include <algorithm>

#include "tenon/device/memory.h"
#include "tenon/device/plan.h"
#include "tenon/ops/elementwise.h"
#include "tenon/ops/map_op.h"
#include "tenon/ops/views.h"
#include "tenon/tensor/launch.h"

namespace tenon {
namespace {

// ---- one call of the backend's entry
// -------------------------------------------------------------------------------

void describe_to(TenonTensor* out, const Tensor& t) {
  const TensorImpl* i = t.impl();
  out->buffer = i->storage->memory.buffer;
  out->offset = i->byte_offset();
  out->dtype = static_cast<uint32_t>(is_float8(i->dtype) ? DType::uint8 : i->dtype);  // its bits
  out->rank = std::min<uint32_t>(i->rank, TENON_ABI_MAX_RANK);
  out->reserved = 0;
  std::copy_n(i->sizes, out->rank, out->sizes);
  std::copy_n(i->strides, out->rank, out->strides);
}

// What the entry is called with. `axis` is the indexed one; index is 1-d, or has dst's rank if
// `along`.
struct IndexedCall {
  bool scatter, along, accumulate;
  const Tensor &src, &index, &dst;
  int axis;
};

// More axes than the ABI has: neighbours that all tensors walk as one are merged, the rest is
// looped over.
void run_many_axes(StreamState& stream, const IndexedCall& c, TenonIndexArgs& args) {
  Dims sizes, strides[3];
  const Tensor* tensors[] = {&c.src, &c.dst, &c.index};
  TenonTensor* targets[] = {&args.src, &args.dst, &args.index};
  const int n = c.along ? 3 : 2;
  for (int k = 0; k < c.dst.ndim(); ++k) {
    if (k == c.axis) continue;
    sizes.push_back(c.dst.impl()->sizes[k]);
    for (int t = 0; t < n; ++t) strides[t].push_back(tensors[t]->impl()->strides[k]);
  }
  int64_t* lists[] = {strides[0].data(), strides[1].data(), strides[2].data()};
  const int rank = collapse_axes(sizes.size(), sizes.data(), n, lists, nullptr);
  const int looped = std::max(0, rank + 1 - TENON_ABI_MAX_RANK);
  // The indexed axis comes first, then those that are not looped over.
  args.axis = 0;
  for (int t = 0; t < n; ++t) {
    TenonTensor& out = *targets[t];
    out.rank = static_cast<uint32_t>(rank - looped + 1);
    out.sizes[0] = tensors[t]->impl()->sizes[c.axis];
    out.strides[0] = tensors[t]->impl()->strides[c.axis];
    std::copy(sizes.begin() + looped, sizes.begin() + rank, out.sizes + 1);
    std::copy(lists[t] + looped, lists[t] + rank, out.strides + 1);
  }
  const uint64_t start[] = {args.src.offset, args.dst.offset, args.index.offset};
  int64_t at[kMaxRank] = {};
  for (int k = 0; k >= 0;) {
    for (int t = 0; t < n; ++t) {
      int64_t elements = 0;
      for (int i = 0; i < looped; ++i) elements += at[i] * lists[t][i];
      targets[t]->offset =
          start[t] + static_cast<uint64_t>(elements * item_size(tensors[t]->dtype()));
    }
    c.scatter ? run_scatter(stream, args) : run_gather(stream, args);
    for (k = looped - 1; k >= 0 && ++at[k] == sizes[k]; --k) at[k] = 0;
  }
}

// No element is missing: sizes are positive. False if an index was out of range; not asked (which
// would wait for the device) if `checked`.
bool run_indexed(const IndexedCall& c, bool checked) {
  DeviceState& device = c.src.impl()->device();
  TenonIndexArgs args;
  args.size = sizeof args;
  args.flags = 0;
  describe_to(&args.src, c.src);
  describe_to(&args.index, c.index);
  describe_to(&args.dst, c.dst);
  args.axis = static_cast<uint32_t>(c.axis);
  args.mode = c.along ? TENON_INDEX_ALONG : TENON_INDEX_ROWS;
  args.combine = c.accumulate ? TENON_SCATTER_ADD : TENON_SCATTER_ASSIGN;
  args.reserved = 0;
  // A host device is done when the call returns, and takes any address.
  int64_t flag_here = 0;
  Tensor flag_there;
  if (device.host_addressable) {
    args.out_of_range = reinterpret_cast<TenonBuffer>(&flag_here);
    args.out_of_range_offset = 0;
  } else {
    flag_there = zeros({}, DType::int64, Device(device));
    args.out_of_range = flag_there.impl()->storage->memory.buffer;
    args.out_of_range_offset = flag_there.impl()->byte_offset();
  }
  StreamState& stream = current_stream(device);
  for (const Tensor* t : {&c.src, &c.index, &c.dst}) use_on_stream(*t->impl()->storage, stream);
  if (c.dst.ndim() > TENON_ABI_MAX_RANK) {
    run_many_axes(stream, c, args);
  } else {
    c.scatter ? run_scatter(stream, args) : run_gather(stream, args);
  }
  if (checked) return true;
  return (flag_there.defined() ? flag_there.item<int64_t>() : flag_here) == 0;
}

// Throws if an index is out of range, naming the first.
void find_bad_index(const char* name, const Tensor& x, int64_t axis, int64_t size,
                    const Tensor& indices) {
  const int64_t flat[] = {-1};
  const Tensor host = reshape(indices, flat).to(DType::int64).cpu().contiguous();
  const int64_t* values = host.data<int64_t>();
  for (int64_t i = 0; i < host.size(); ++i) {
    if (values[i] >= -size && values[i] < size) continue;
    fail(ErrorCode::kAxis, name, "index ", values[i], " (position ", i,
         " of the indices) is out of bounds for axis ", axis, " with size ", size, " of ",
         describe(x));
  }
}
void find_bad_index(const char* name, const Tensor& x, const Selection& s, int i) {
  find_bad_index(name, s.indexed ? *s.indexed : x, s.indexed ? s.named[i] : s.axes[i],
                 x.size(s.axes[i]), s.indices[static_cast<size_t>(i)]);
}

// How many of (indices, low, high) are out of range.
constinit MapOp out_of_range_op("index", 3, 1, DTypeClass::any,
                                [](const map::Value* in, map::Value* out, map::Builder&,
                                   const void*) {
                                  out[0] = cast((in[0] < in[1]) | (in[0] > in[2]), DType::int64);
                                });
// (distance, indices, size, stride): the distance so far and that of one more axis, in elements.
constinit MapOp distance_op("index", 4, 1, DTypeClass::any,
                            [](const map::Value* in, map::Value* out, map::Builder&, const void*) {
                              out[0] = in[0] + select(in[1] < 0.0, in[1] + in[2], in[1]) * in[3];
                            });

// x with the selected axes as ONE axis at s.position, and a 1-d index into it. No data moves: a
// single axis is itself; several are the run of memory that they span, and the index counts
// elements there.
struct OneAxis {
  Tensor x, index;
};
OneAxis as_one_axis(const Tensor& x, const Selection& s) {
  const TensorImpl* t = x.impl();
  Dims sizes, strides;
  for (int k = 0; k < t->rank; ++k) {
    if (std::find(s.axes.begin(), s.axes.end(), k) != s.axes.end()) continue;
    sizes.push_back(t->sizes[k]);
    strides.push_back(t->strides[k]);
  }
  const int64_t flat[] = {-1};
  NoGradScope constant;
  if (s.axes.size() == 1) {
    sizes.insert(s.position, t->sizes[s.axes[0]]);
    strides.insert(s.position, t->strides[s.axes[0]]);
    const Tensor& indices = s.indices[0];
    const bool is_flat = indices.ndim() == 1 && s.shape.size() == 1 && indices.size() == s.shape[0];
    return {alias(x, t->dtype, sizes, strides, t->offset),
            is_flat ? indices : reshape(broadcast_to(indices, s.shape), flat)};
  }
  int64_t span = 1, low = 0;
  Tensor distance = zeros({}, DType::int64, x.device());
  for (int i = 0; i < s.axes.size(); ++i) {
    const int64_t size = t->sizes[s.axes[i]], stride = t->strides[s.axes[i]],
                  reach = (size - 1) * stride;
    span += std::abs(reach);
    low += std::min<int64_t>(reach, 0);
    const Operand operands[] = {distance, s.indices[static_cast<size_t>(i)], size, stride};
    Tensor next;
    distance_op.call(operands, &next);
    distance = next;
  }
  if (low != 0) distance = subtract(distance, low);
  sizes.insert(s.position, span);
  strides.insert(s.position, 1);
  return {alias(x, t->dtype, sizes, strides, t->offset + low),
          reshape(broadcast_to(distance, s.shape), flat)};
}

// The selection's own shape as one size.
Dims flat_shape(DimsView shape, const Selection& s) {
  return selected_shape(shape, {s.axes, {}, Dims{element_count("index", s.shape)}, s.position});
}

// ---- records
// -------------------------------------------------------------------------------------------------------

// The selection but for its tensors, which are saved.
struct GatherRecord {
  Dims input, axes, shape;
  int position;
};
void destroy_record(void* payload) { static_cast<GatherRecord*>(payload)->~GatherRecord(); }

Selection selection_of(const Node& node) {
  const auto& r = node.payload_as<GatherRecord>();
  Selection s{r.axes, {}, r.shape, r.position, true};
  for (int i = 0; i < r.axes.size(); ++i) s.indices.push_back(unpack(node, i));
  return s;
}

void gather_vjp(const VjpCall& call) {
  if (!call.gradients[0].defined()) return;
  call.results[0] =
      scatter_into_zeros(call.node.op->name, call.node.payload_as<GatherRecord>().input,
                         selection_of(call.node), call.gradients[0]);
}
void scatter_vjp(const VjpCall& call) {
  if (!call.gradients[0].defined()) return;
  call.results[0] = gather("index", call.gradients[0], selection_of(call.node));
}
constexpr OpInfo kTake{"take", &gather_vjp, &destroy_record};
constexpr OpInfo kIndex{"index", &gather_vjp, &destroy_record};
constexpr OpInfo kScatter{"index_backward", &scatter_vjp, &destroy_record};

void record(const OpInfo& op, const Tensor& x, DimsView input, const Selection& s,
            const Tensor& y) {
  if (!wants_grad(x) || !is_floating(x.dtype())) return;
  Node* node = new_node(op, 1, s.axes.size(), sizeof(GatherRecord));
  new (node->payload) GatherRecord{Dims(input), s.axes, s.shape, s.position};
  set_edge(*node, 0, x);
  if (node->edges[0].node) {
    for (int i = 0; i < s.axes.size(); ++i) save_input(*node, i, s.indices[static_cast<size_t>(i)]);
    set_node(y, *node, 0);
  }
  release(node);
}

}  // namespace

Dims selected_shape(DimsView shape, const Selection& s) {
  Dims out;
  for (int k = 0; k < static_cast<int>(shape.size()); ++k) {
    if (std::find(s.axes.begin(), s.axes.end(), k) == s.axes.end())
      out.push_back(shape[static_cast<size_t>(k)]);
  }
  for (int k = s.shape.size(); k-- > 0;) out.insert(s.position, s.shape[k]);
  return out;
}

Tensor as_indices(const char* name, const char* what, const Tensor& t) {
  if (!is_integral(t.dtype())) {
    fail(ErrorCode::kDType, name, what, " are integers, not ", describe(t),
         "; convert them with astype()");
  }
  if (t.dtype() == DType::int32 || t.dtype() == DType::int64) return t;
  // What int64 cannot hold is out of range, and stays so.
  return (t.dtype() == DType::uint64 ? minimum(t, INT64_MAX) : t).to(DType::int64);
}

void check_bounds(const char* name, const Tensor& x, const Selection& s) {
  if (s.checked || element_count(name, s.shape) == 0) return;
  NoGradScope constant;
  for (int i = 0; i < s.axes.size(); ++i) {
    const Tensor indices = s.indices[static_cast<size_t>(i)].to(DType::int64);
    const int64_t size = x.size(s.axes[i]);
    const Operand operands[] = {indices, -size, size - 1};
    Tensor count;
    out_of_range_op.call_sum(operands, {}, &count);
    if (count.item<int64_t>() != 0) find_bad_index(name, x, s, i);
  }
}

Tensor gather(const char* name, const Tensor& x, const Selection& s) {
  // The entry itself checks a single axis, unless it has nothing to do.
  const bool entry_checks = s.axes.size() == 1 && x.size() > 0;
  if (!entry_checks) check_bounds(name, x, s);
  Tensor y = new_tensor(x.impl()->device(), x.dtype(), selected_shape(x.shape(), s));
  if (y.size() > 0) {
    const OneAxis from = as_one_axis(x, s);
    const Dims flat = flat_shape(x.shape(), s);
    const Tensor to = alias(y, y.dtype(), flat, contiguous_strides(flat), y.impl()->offset);
    if (!run_indexed({false, false, false, from.x, from.index, to, s.position},
                     s.checked || !entry_checks))
      find_bad_index(name, x, s, 0);
  }
  record(std::string_view(name) == "take" ? kTake : kIndex, x, x.shape(), s, y);
  return y;
}

void scatter(const char* name, const Tensor& x, const Selection& s, const Tensor& value,
             bool accumulate) {
  if (value.size() == 0) return;
  if (accumulate && x.dtype() == DType::bool_)
    fail(ErrorCode::kDType, name, "bools of ", describe(x), " cannot be added to");
  const OneAxis to = as_one_axis(x, s);
  NoGradScope raw;
  const Tensor from = reshape(value, flat_shape(x.shape(), s));
  run_indexed({true, false, accumulate, from, to.index, to.x, s.position}, true);
}

Tensor scatter_into_zeros(const char* name, DimsView shape, const Selection& s,
                          const Tensor& value) {
  Tensor y = zeros(shape, value.dtype(), value.device());
  scatter(name, y, s, value, true);
  record(kScatter, value, shape, s, y);
  return y;
}

// ---- take_along_axis
// -----------------------------------------------------------------------------------------------

namespace {

struct AlongRecord {
  Dims shape;  // of x
  int axis;
};
void destroy_along(void* payload) { static_cast<AlongRecord*>(payload)->~AlongRecord(); }

Tensor scatter_along(const Tensor& g, const Tensor& indices, const AlongRecord& r);

void gather_along_vjp(const VjpCall& call) {
  if (!call.gradients[0].defined()) return;
  call.results[0] =
      scatter_along(call.gradients[0], unpack(call.node, 0), call.node.payload_as<AlongRecord>());
}
void scatter_along_vjp(const VjpCall& call) {
  if (!call.gradients[0].defined()) return;
  call.results[0] = gather_along("take_along_axis", call.gradients[0], unpack(call.node, 0),
                                 call.node.payload_as<AlongRecord>().axis);
}
constexpr OpInfo kGatherAlong{"take_along_axis", &gather_along_vjp, &destroy_along};
constexpr OpInfo kScatterAlong{"take_along_axis_backward", &scatter_along_vjp, &destroy_along};

void record_along(const OpInfo& op, const Tensor& x, const Tensor& indices, const Tensor& y,
                  AlongRecord payload) {
  if (!wants_grad(x) || !is_floating(x.dtype())) return;
  Node* node = new_node(op, 1, 1, sizeof(AlongRecord));
  new (node->payload) AlongRecord(std::move(payload));
  set_edge(*node, 0, x);
  if (node->edges[0].node) {
    save_input(*node, 0, indices);
    set_node(y, *node, 0);
  }
  release(node);
}

Tensor scatter_along(const Tensor& g, const Tensor& indices, const AlongRecord& r) {
  Tensor y = zeros(r.shape, g.dtype(), g.device());
  if (g.size() > 0) run_indexed({true, true, true, g, indices, y, r.axis}, true);
  record_along(kScatterAlong, g, indices, y, r);
  return y;
}

}  // namespace

Tensor gather_along(const char* name, const Tensor& x, const Tensor& indices, int axis) {
  Tensor y = new_tensor(x.impl()->device(), x.dtype(), indices.shape());
  if (y.size() > 0 &&
      (x.size(axis) == 0 || !run_indexed({false, true, false, x, indices, y, axis}, false)))
    find_bad_index(name, x, axis, x.size(axis), indices);
  record_along(kGatherAlong, x, indices, y, AlongRecord{Dims(x.shape()), axis});
  return y;
}

}  // namespace tenon
