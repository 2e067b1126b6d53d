// Joining tensors and picking from them by integer tensors.
#ifndef TENON_OPS_JOIN_H_
#define TENON_OPS_JOIN_H_

#include <span>

#include "tenon/tensor/tensor.h"

namespace tenon {

// Along an existing axis; the other sizes are equal, dtypes promote. Differentiable.
Tensor concat(std::span<const Tensor> tensors, int64_t axis = 0);
// Along a new axis; equal shapes. Differentiable.
Tensor stack(std::span<const Tensor> tensors, int64_t axis = 0);
// x[.., indices, ..] along axis; indices is a 1-d integer tensor, negative from the end.
// Differentiable in x (indices named twice add up). An index out of range raises kAxis naming it.
Tensor take(const Tensor& x, const Tensor& indices, int64_t axis = 0);
// result[i.., j, k..] = x[i.., indices[i.., j, k..], k..]; shapes equal but for `axis`.
// Differentiable in x.
Tensor take_along_axis(const Tensor& x, const Tensor& indices, int64_t axis);

}  // namespace tenon

#endif  // TENON_OPS_JOIN_H_
