// Rearranging elements: what the Array API has beside views.h and join.h. All are differentiable.
#ifndef TENON_OPS_MANIPULATE_H_
#define TENON_OPS_MANIPULATE_H_

#include <span>
#include <vector>

#include "tenon/tensor/tensor.h"

namespace tenon {

// --- views ---
// Axes `source` moved to the positions `destination`, the others in their order.
Tensor moveaxis(const Tensor& x, DimsView source, DimsView destination);
// The slices of x along axis, without it. Their number is x's size there.
std::vector<Tensor> unstack(const Tensor& x, int64_t axis = 0);
// All as views of the one shape that they broadcast to.
std::vector<Tensor> broadcast_arrays(std::span<const Tensor> tensors);
// Along one axis into parts that end before each of `bounds` (ascending), the last at the end.
std::vector<Tensor> split(const Tensor& x, DimsView bounds, int64_t axis = 0);

// --- copies ---
// Elements shifted along axes, those pushed out at one end coming back at the other. Without axes
// the flattened tensor is rolled. One shift per axis; a single shift serves all axes.
Tensor roll(const Tensor& x, DimsView shift, DimsView axes = {});
// x repeated as a whole: repetitions[i] times along axis i; the shorter of both shapes is filled up
// with ones at the front.
Tensor tile(const Tensor& x, DimsView repetitions);
// Each element (slice along axis) repeated in its place; kUnset: of the flattened tensor.
Tensor repeat(const Tensor& x, int64_t repeats, int64_t axis = kUnset);
// ... slice i as often as repeats[i] says: a 1-d integer tensor of x's size along axis, or of
// size 1. Its values are read, because the shape depends on them.
Tensor repeat(const Tensor& x, const Tensor& repeats, int64_t axis = kUnset);

}  // namespace tenon

#endif  // TENON_OPS_MANIPULATE_H_
