// Products of tensors beside matmul.h, all written with matmul and differentiable to any order.
#ifndef TENON_OPS_LINEAR_ALGEBRA_H_
#define TENON_OPS_LINEAR_ALGEBRA_H_

#include "tenon/tensor/tensor.h"

namespace tenon {

// The sum over pairs of axes: a's axes_a with b's axes_b, of equal sizes in pairs. The result has
// a's other axes, then b's.
Tensor tensordot(const Tensor& a, const Tensor& b, DimsView axes_a, DimsView axes_b);
// ... over the last n axes of a and the first n of b; 0 is the outer product.
Tensor tensordot(const Tensor& a, const Tensor& b, int64_t n = 2);
// sum(conj(a) * b) along one axis (of both, from the end: -ndim <= axis < 0 as in the Array API, or
// from the front if both have the same number of dimensions); the other axes broadcast.
Tensor vecdot(const Tensor& a, const Tensor& b, int64_t axis = -1);
// a[i] * b[j] of two 1-d tensors.
Tensor outer(const Tensor& a, const Tensor& b);
// The elements of the offset-th diagonal of the last two axes, as the last axis: a view where
// memory walks these two as one, else a copy.
Tensor diagonal(const Tensor& x, int64_t offset = 0);
// The sum of the diagonal of the last two axes, with sum's dtypes.
Tensor trace(const Tensor& x, int64_t offset = 0);

}  // namespace tenon

#endif  // TENON_OPS_LINEAR_ALGEBRA_H_
