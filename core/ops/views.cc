#include "tenon/ops/views.h"

#include <algorithm>

#include "tenon/ops/elementwise.h"
#include "tenon/ops/reduce.h"
#include "tenon/ops/region.h"

namespace tenon {
namespace {

void destroy_dims(void* payload) { static_cast<Dims*>(payload)->~Dims(); }

// ---- backward of the views, each the inverse look at the gradient
// ----------------------------------------------

void reshape_vjp(const VjpCall& call) {  // payload: the input's shape
  if (call.gradients[0].defined())
    call.results[0] = reshape(call.gradients[0], call.node.payload_as<Dims>());
}
void permute_vjp(const VjpCall& call) {  // payload: the inverse permutation
  if (call.gradients[0].defined())
    call.results[0] = permute_dims(call.gradients[0], call.node.payload_as<Dims>());
}
void broadcast_vjp(const VjpCall& call) {  // payload: the input's shape
  if (call.gradients[0].defined())
    call.results[0] = sum_to(call.gradients[0], call.node.payload_as<Dims>());
}
constexpr OpInfo kReshape{"reshape", &reshape_vjp, &destroy_dims};
constexpr OpInfo kPermute{"permute_dims", &permute_vjp, &destroy_dims};
constexpr OpInfo kBroadcast{"broadcast_to", &broadcast_vjp, &destroy_dims};

[[gnu::cold]] void check_defined(const char* operation, const Tensor& x) {
  if (!x.defined()) fail(ErrorCode::kInvalidArgument, operation, "the tensor is undefined");
}

}  // namespace

Tensor reshape(const Tensor& x, DimsView shape) {
  check_defined("reshape", x);
  int64_t count = 1;
  bool plain = true;
  for (const int64_t size : shape)
    plain &= size >= 0 && !__builtin_mul_overflow(count, size, &count);
  if (!plain || count != x.size())  // a -1, or says what is wrong
    return reshape(x, resolve_shape("reshape", shape, x.size()));
  Dims strides;
  if (x.is_contiguous()) {
    strides = contiguous_strides(shape);
  } else if (!view_strides(x.shape(), x.strides(), shape, &strides)) {
    // No strides say it: a copy in row-major order, whose reshape is a view of the copy.
    return reshape(x.contiguous(), shape);
  }
  Tensor y = view_of(x, shape, strides, x.impl()->offset, kViewOps);
  if (wants_grad(x)) record_view(kReshape, x, y, Dims(x.shape()));
  return y;
}

Tensor permute_dims(const Tensor& x, DimsView axes) {
  check_defined("permute_dims", x);
  const int rank = x.ndim();
  const Dims order = normalize_axes("permute_dims", axes, rank, false);
  if (order.size() != rank) {
    fail(ErrorCode::kAxis, "permute_dims", "axes ", shape_text(axes), " do not name each of the ",
         rank, " dimensions once");
  }
  const TensorImpl* t = x.impl();
  int64_t shape[kMaxRank], strides[kMaxRank], inverse[kMaxRank];
  for (int i = 0; i < rank; ++i) {
    const int64_t from = order[i];
    shape[i] = t->sizes[from];
    strides[i] = t->strides[from];
    inverse[from] = i;
  }
  const auto n = static_cast<size_t>(rank);
  Tensor y = view_of(x, DimsView(shape, n), DimsView(strides, n), t->offset, kViewOps);
  if (wants_grad(x)) record_view(kPermute, x, y, Dims(DimsView(inverse, n)));
  return y;
}

Tensor matrix_transpose(const Tensor& x) {
  check_defined("matrix_transpose", x);
  const int rank = x.ndim();
  if (rank < 2)
    fail(ErrorCode::kShape, "matrix_transpose", "needs at least 2 dimensions, not ", describe(x));
  const TensorImpl* t = x.impl();
  Dims shape(t->shape_view()), strides(t->strides_view());
  std::swap(shape[rank - 1], shape[rank - 2]);
  std::swap(strides[rank - 1], strides[rank - 2]);
  Tensor y = view_of(x, shape, strides, t->offset, kViewOps);
  if (wants_grad(x)) {
    Dims inverse(rank, 0);
    for (int i = 0; i < rank; ++i) inverse[i] = i;
    std::swap(inverse[rank - 1], inverse[rank - 2]);
    record_view(kPermute, x, y, std::move(inverse));
  }
  return y;
}

Tensor expand_dims(const Tensor& x, int64_t axis) {
  check_defined("expand_dims", x);
  const int at = normalize_axis("expand_dims", axis, x.ndim() + 1);
  Dims shape(x.shape()), strides(x.strides());
  shape.insert(at, 1);
  strides.insert(at, 1);
  Tensor y = view_of(x, shape, strides, x.impl()->offset, kViewOps);
  if (wants_grad(x)) record_view(kReshape, x, y, Dims(x.shape()));
  return y;
}

Tensor squeeze(const Tensor& x, DimsView axes) {
  check_defined("squeeze", x);
  const Dims named = normalize_axes("squeeze", axes, x.ndim(), false);
  Dims shape, strides;
  for (int i = 0; i < x.ndim(); ++i) {
    const bool asked = axes.empty() || std::find(named.begin(), named.end(), i) != named.end();
    const int64_t size = x.shape()[static_cast<size_t>(i)];
    if (asked && !axes.empty() && size != 1) {
      fail(ErrorCode::kShape, "squeeze", "axis ", i, " of ", describe(x), " has size ", size,
           ", not 1");
    }
    if (asked && size == 1) continue;
    shape.push_back(size);
    strides.push_back(x.strides()[static_cast<size_t>(i)]);
  }
  Tensor y = view_of(x, shape, strides, x.impl()->offset, kViewOps);
  if (wants_grad(x)) record_view(kReshape, x, y, Dims(x.shape()));
  return y;
}

Tensor broadcast_to(const Tensor& x, DimsView shape) {
  check_defined("broadcast_to", x);
  element_count("broadcast_to", shape);
  const Dims strides = broadcast_strides("broadcast_to", x.shape(), x.strides(), shape);
  Tensor y = view_of(x, shape, strides, x.impl()->offset, kViewOps);
  if (wants_grad(x)) record_view(kBroadcast, x, y, Dims(x.shape()));
  return y;
}

namespace {

SliceRange whole(int64_t size) { return {0, 1, size}; }

// A view by start, step and count per axis, then with integer axes dropped.
Tensor sliced(const Tensor& x, const SliceRange* ranges, const bool* drop) {
  const TensorImpl* t = x.impl();
  int64_t shape[kMaxRank], strides[kMaxRank];
  size_t rank = 0;
  int64_t offset = 0;
  for (int i = 0; i < t->rank; ++i) {
    const SliceRange& r = ranges[i];
    if (r.count > 0) offset += r.start * t->strides[i];
    if (drop[i]) continue;
    shape[rank] = r.count;
    strides[rank++] = r.step * t->strides[i];
  }
  Tensor y =
      view_of(x, DimsView(shape, rank), DimsView(strides, rank), t->offset + offset, kViewOps);
  if (!wants_grad(x)) return y;
  Region region{Dims(t->shape_view()), Dims(DimsView(shape, rank)), {}, 0, {}};
  const Dims packed = contiguous_strides(t->shape_view());
  for (int i = 0; i < t->rank; ++i) {
    if (ranges[i].count > 0) region.offset += ranges[i].start * packed[i];
    if (!drop[i]) region.strides.push_back(ranges[i].step * packed[i]);
  }
  record_region(x, y, std::move(region));
  return y;
}

// The same for one axis, the others whole. Where nothing is recorded the layout is written down at
// once: going through ranges took 150 of the 560 instructions of slice().
Tensor sliced_along(const Tensor& x, int axis, SliceRange range, bool drop_axis) {
  const TensorImpl* t = x.impl();
  const int rank = t->rank;
  if (wants_grad(x)) {
    SliceRange ranges[kMaxRank];
    bool drop[kMaxRank] = {};
    for (int i = 0; i < rank; ++i) ranges[i] = whole(t->sizes[i]);
    ranges[axis] = range;
    drop[axis] = drop_axis;
    return sliced(x, ranges, drop);
  }
  int64_t shape[kMaxRank], strides[kMaxRank];
  for (int i = 0, to = 0; i < rank; ++i) {
    if (i == axis && drop_axis) continue;
    shape[to] = t->sizes[i];
    strides[to++] = t->strides[i];
  }
  if (!drop_axis) {
    shape[axis] = range.count;
    strides[axis] *= range.step;
  }
  const auto left = static_cast<size_t>(rank - drop_axis);
  const int64_t start = range.count > 0 ? range.start * t->strides[axis] : 0;
  return view_of(x, DimsView(shape, left), DimsView(strides, left), t->offset + start, kViewOps);
}

int64_t checked_index(const char* name, const Tensor& x, int axis, int64_t index) {
  const int64_t size = x.shape()[static_cast<size_t>(axis)];
  if (index < -size || index >= size) {
    fail(ErrorCode::kAxis, name, "index ", index, " is out of bounds for axis ", axis,
         " with size ", size, " of ", describe(x));
  }
  return index < 0 ? index + size : index;
}

}  // namespace

Tensor slice(const Tensor& x, int64_t axis, int64_t start, int64_t stop, int64_t step) {
  check_defined("slice", x);
  const int at = normalize_axis("slice", axis, x.ndim());
  return sliced_along(x, at, resolve_slice("slice", start, stop, step, x.impl()->sizes[at]), false);
}

Tensor select(const Tensor& x, int64_t axis, int64_t index) {
  check_defined("select", x);
  const int at = normalize_axis("select", axis, x.ndim());
  return sliced_along(x, at, {checked_index("select", x, at, index), 1, 1}, true);
}

Tensor flip(const Tensor& x, DimsView axes) {
  check_defined("flip", x);
  const Dims named = normalize_axes("flip", axes, x.ndim(), true);
  SliceRange ranges[kMaxRank];
  bool drop[kMaxRank] = {};
  for (int i = 0; i < x.ndim(); ++i) {
    const bool reversed = std::find(named.begin(), named.end(), i) != named.end();
    ranges[i] = reversed ? resolve_slice("flip", kUnset, kUnset, -1, x.impl()->sizes[i])
                         : whole(x.impl()->sizes[i]);
  }
  return sliced(x, ranges, drop);
}

Tensor index(const Tensor& x, std::span<const Index> items) {
  check_defined("index", x);
  int used = 0, ellipses = 0;
  for (const Index& i : items) {
    used += i.kind == Index::Kind::kInteger || i.kind == Index::Kind::kSlice;
    ellipses += i.kind == Index::Kind::kEllipsis;
  }
  if (ellipses > 1)
    fail(ErrorCode::kInvalidArgument, "index", "an index can only have a single ellipsis");
  if (used > x.ndim()) {
    fail(ErrorCode::kAxis, "index", "too many indices for tensor of dimension ", x.ndim(), ": ",
         used, " were given");
  }
  SliceRange ranges[kMaxRank];
  bool drop[kMaxRank] = {};
  Dims new_axes;  // positions in the result
  int axis = 0, position = 0;
  for (const Index& i : items) {
    switch (i.kind) {
      case Index::Kind::kInteger:
        ranges[axis] = {checked_index("index", x, axis, i.integer), 1, 1};
        drop[axis++] = true;
        break;
      case Index::Kind::kSlice:
        ranges[axis] = resolve_slice("index", i.slice.start, i.slice.stop, i.slice.step,
                                     x.impl()->sizes[axis]);
        ++axis;
        ++position;
        break;
      case Index::Kind::kNewAxis:
        new_axes.push_back(position++);
        break;
      case Index::Kind::kEllipsis:
        for (int left = x.ndim() - used; left > 0; --left, ++axis, ++position)
          ranges[axis] = whole(x.impl()->sizes[axis]);
        break;
    }
  }
  for (; axis < x.ndim(); ++axis) ranges[axis] = whole(x.impl()->sizes[axis]);
  Tensor y = sliced(x, ranges, drop);
  for (int64_t at : new_axes) y = expand_dims(y, at);
  return y;
}

Tensor Tensor::reshape(DimsView shape) const { return tenon::reshape(*this, shape); }
Tensor Tensor::permute_dims(DimsView axes) const { return tenon::permute_dims(*this, axes); }
Tensor Tensor::transpose() const { return matrix_transpose(*this); }
Tensor Tensor::broadcast_to(DimsView shape) const { return tenon::broadcast_to(*this, shape); }
Tensor Tensor::at(std::initializer_list<Index> items) const {
  return index(*this, std::span<const Index>(items.begin(), items.size()));
}
Tensor Tensor::operator[](int64_t i) const { return select(*this, 0, i); }

}  // namespace tenon
