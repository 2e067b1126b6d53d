#include "tenon/ops/region.h"

#include <algorithm>

#include "tenon/ops/elementwise.h"
#include "tenon/ops/reduce.h"
#include "tenon/ops/views.h"
#include "tenon/tensor/launch.h"

namespace tenon {
namespace {

void destroy_region(void* payload) { static_cast<Region*>(payload)->~Region(); }

Tensor extract(const Tensor& x, const Region& region);
Tensor embed(const Tensor& g, const Region& region);

void embed_vjp(const VjpCall& call) {
  if (call.gradients[0].defined())
    call.results[0] = extract(call.gradients[0], call.node.payload_as<Region>());
}
void extract_vjp(const VjpCall& call) {
  if (call.gradients[0].defined())
    call.results[0] = embed(call.gradients[0], call.node.payload_as<Region>());
}
constexpr OpInfo kEmbed{"embed", &embed_vjp, &destroy_region};
constexpr OpInfo kExtract{"slice", &extract_vjp, &destroy_region};

Tensor in_order(const Tensor& x, const Dims& order) {
  return order.empty() ? x : permute_dims(x, order);
}
Tensor out_of_order(const Tensor& x, const Dims& order) {
  Dims inverse(order.size(), 0);
  for (int i = 0; i < order.size(); ++i) inverse[static_cast<int>(order[i])] = i;
  return in_order(x, inverse);
}

// The elements of region in x, which is read as contiguous (copied if it is not).
Tensor extract(const Tensor& x, const Region& region) {
  const Tensor packed = in_order(x, region.order).contiguous();
  Tensor y =
      alias(packed, x.dtype(), region.sizes, region.strides, packed.impl()->offset + region.offset);
  record_region(packed, y, {region.shape, region.sizes, region.strides, region.offset, {}});
  return y;
}

// Zeros with g added into the region; axes that repeat (stride 0) are summed first.
Tensor embed(const Tensor& g, const Region& region) {
  Tensor source = g;
  Dims sizes = region.sizes;
  for (int i = 0; i < sizes.size(); ++i) {
    if (region.strides[i] == 0 && sizes[i] > 1) {
      const int64_t axis[] = {i};
      source = sum(source, axis, true);
      sizes[i] = 1;
    }
  }
  Tensor y = zeros(region.shape, g.dtype(), g.device());
  raw_copy(alias(y, y.dtype(), sizes, region.strides, region.offset), source);
  record_view(kEmbed, source, y, Region{region.shape, sizes, region.strides, region.offset, {}});
  return out_of_order(y, region.order);
}

// Where view's elements lie in base, were base packed. False if base's own layout folds: then no
// packed copy says it.
bool region_in(const TensorImpl& base, const TensorImpl& view, Region* region) {
  if (may_self_overlap(base.shape_view(), base.strides_view())) return false;
  const int rank = base.rank;
  Dims order(rank, 0);
  for (int i = 0; i < rank; ++i) order[i] = i;
  // Packed in the order of memory, every run of the base is a run of the copy.
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return (base.sizes[a] == 1 ? INT64_MAX : std::abs(base.strides[a])) >
           (base.sizes[b] == 1 ? INT64_MAX : std::abs(base.strides[b]));
  });
  region->shape.resize(rank);
  for (int i = 0; i < rank; ++i) region->shape[i] = base.sizes[order[i]];
  const Dims packed = contiguous_strides(region->shape);
  region->sizes = Dims(view.shape_view());
  region->strides.resize(view.rank);
  // A distance in base's memory is a sum of its steps: peel them off from the largest down.
  // `forward`: the distance is measured from the lowest address, else between any two elements.
  const auto translate = [&](int64_t distance, bool forward, int64_t* out) {
    *out = 0;
    for (int k = 0; k < rank && (distance != 0 || forward); ++k) {
      const int64_t size = base.sizes[order[k]], step = base.strides[order[k]];
      if (size == 1) continue;
      int64_t count = distance / (forward ? std::abs(step) : step);
      distance -= count * (forward ? std::abs(step) : step);
      if (forward && step < 0) count = size - 1 - count;
      *out += count * packed[k];
    }
    return distance == 0;
  };
  int64_t start = view.offset - base.offset, low = 0, high = 0;
  for (int i = 0; i < rank; ++i) {
    if (base.strides[i] < 0) start -= base.strides[i] * (base.sizes[i] - 1);
  }
  if (view.size == 0) start = 0;
  if (!translate(start, true, &region->offset)) return false;
  for (int i = 0; i < view.rank; ++i) {
    region->strides[i] = 0;
    if (view.sizes[i] <= 1) continue;
    if (!translate(view.strides[i], false, &region->strides[i])) return false;
    (region->strides[i] < 0 ? low : high) += region->strides[i] * (view.sizes[i] - 1);
  }
  if (!std::is_sorted(order.begin(), order.end())) region->order = order;
  return view.size == 0 || (region->offset + low >= 0 && region->offset + high < base.size);
}

[[noreturn]] void fail_region(const Tensor& base) {
  fail(ErrorCode::kAutograd, "in-place write", "the history of a view of ", describe(base),
       " with overlapping strides cannot be followed after a write to its base; clone() the base "
       "first");
}

Node* as_strided_node(const Tensor& base, const Tensor& view) {
  Region region;
  if (!region_in(*base.impl(), *view.impl(), &region)) fail_region(base);
  Node* node = new_node(kExtract, 1, 0, sizeof(Region));
  new (node->payload) Region(std::move(region));
  EnableGradScope record;
  set_edge(*node, 0, base);
  return node;
}

// base with the region replaced: the old base's gradient is cut out there, the new value's is what
// lies there.
void set_slice_vjp(const VjpCall& call) {
  const Tensor& g = call.gradients[0];
  if (!g.defined()) return;
  const Region& region = call.node.payload_as<Region>();
  if (call.node.wants(0)) {
    // 1 outside the region, 0 inside: a constant, so that the product can be differentiated again.
    Tensor mask = ones(region.shape, g.dtype(), g.device());
    raw_fill(alias(mask, mask.dtype(), region.sizes, region.strides, region.offset), 0);
    call.results[0] = where(not_equal(out_of_order(mask, region.order), 0), g, 0);
  }
  if (call.node.wants(1)) call.results[1] = extract(g, region);
}
constexpr OpInfo kSetSlice{"set_slice", &set_slice_vjp, &destroy_region};

Node* set_slice_node(const Tensor& base, const Tensor& view, Node* value, uint32_t index) {
  Region region;
  if (!region_in(*base.impl(), *view.impl(), &region)) fail_region(base);
  Node* node = new_node(kSetSlice, 2, 0, sizeof(Region));
  new (node->payload) Region(std::move(region));
  EnableGradScope record;
  set_edge(*node, 0, base);
  if (value) {
    retain(value);
    node->edges[1] = {value, index};
  }
  return node;
}

}  // namespace

constinit const ViewOps kViewOps{&as_strided_node, &set_slice_node};

void record_region(const Tensor& x, const Tensor& y, Region region) {
  record_view(kExtract, x, y, std::move(region));
}

}  // namespace tenon
