// Views: other shapes and orders of the same memory. No data moves (reshape alone copies when it
// must).
//
// All are differentiable. Errors name the axis, the shape and the way out. Writing to a view writes
// the base.
#ifndef TENON_OPS_VIEWS_H_
#define TENON_OPS_VIEWS_H_

#include <span>
#include <vector>

#include "tenon/tensor/tensor.h"

namespace tenon {

// Same elements in row-major order, another shape; one size may be -1. A view where strides allow,
// else a copy.
Tensor reshape(const Tensor& x, DimsView shape);
// Axis i of the result is axis axes[i] of x.
Tensor permute_dims(const Tensor& x, DimsView axes);
// The last two axes swapped (x of at least two dimensions).
Tensor matrix_transpose(const Tensor& x);
Tensor expand_dims(const Tensor& x, int64_t axis);
// Without the named axes, which must have size 1; an empty list names all of size 1.
Tensor squeeze(const Tensor& x, DimsView axes = {});
// x read as `shape`: axes of size 1 repeat (stride 0).
Tensor broadcast_to(const Tensor& x, DimsView shape);
// x reversed along axes (all, if empty): negative strides, no copy.
Tensor flip(const Tensor& x, DimsView axes = {});
// One axis from start to stop by step, by Python's rules; kUnset leaves an end open.
Tensor slice(const Tensor& x, int64_t axis, int64_t start = kUnset, int64_t stop = kUnset,
             int64_t step = 1);
// Position `index` of an axis, which disappears.
Tensor select(const Tensor& x, int64_t axis, int64_t index);
// NumPy's basic indexing: integers, slices, new axes and one ellipsis.
Tensor index(const Tensor& x, std::span<const Index> items);

}  // namespace tenon

#endif  // TENON_OPS_VIEWS_H_
