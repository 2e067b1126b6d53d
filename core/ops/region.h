// Regions: where a view's elements lie in its base, were that packed. The records of slices, and of
// views whose base was written in place, say it so, and differentiate by extracting and embedding.
#ifndef TENON_OPS_REGION_H_
#define TENON_OPS_REGION_H_

#include <utility>

#include "tenon/tensor/impl.h"

namespace tenon {

// A region of a contiguous tensor of `shape`: where a slice's, or any view's, elements lie in it. A
// view that runs over several axes of its base is a region only with the axes in the order of the
// base's memory: `order` names them then, and `shape` is the permuted one; else it is empty.
struct Region {
  Dims shape, sizes, strides;
  int64_t offset;
  Dims order;
};

// y is the region of x: recorded, if x wants a gradient.
void record_region(const Tensor& x, const Tensor& y, Region region);

// What every view is made with, so that writes through it reach the history of its base.
extern const ViewOps kViewOps;

// A record of y, a view of x, whose backward reads `payload`; none if x wants no gradient.
template <class Payload>
void record_view(const OpInfo& op, const Tensor& x, const Tensor& y, Payload payload) {
  if (!wants_grad(x)) return;
  Node* node = new_node(op, 1, 0, sizeof(Payload));
  new (node->payload) Payload(std::move(payload));
  set_edge(*node, 0, x);
  if (node->edges[0].node) set_node(y, *node, 0);
  release(node);
}

}  // namespace tenon

#endif  // TENON_OPS_REGION_H_
