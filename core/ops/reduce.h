// Reductions over axes. An empty list of axes means all; keepdims leaves them with size 1.
//
// sum and prod of bool and small integers are int64 (uint64 for unsigned), of floats the same dtype
// (float16 and bfloat16 accumulate in float32). Differentiable except any, all, argmax, argmin.
// max, min, argmax and argmin of an empty axis raise kShape; sum is 0 and prod 1 there, mean and
// var NaN. sum, prod and mean of complex tensors are complex; the others refuse them.
#ifndef TENON_OPS_REDUCE_H_
#define TENON_OPS_REDUCE_H_

#include "tenon/tensor/tensor.h"

namespace tenon {

Tensor sum(const Tensor& x, DimsView axes = {}, bool keepdims = false);
Tensor prod(const Tensor& x, DimsView axes = {}, bool keepdims = false);
Tensor mean(const Tensor& x, DimsView axes = {},
            bool keepdims = false);  // floating dtypes; others become float32
// Sum of squared deviations divided by (n - correction); one pass (Welford).
Tensor var(const Tensor& x, DimsView axes = {}, double correction = 0, bool keepdims = false);
Tensor std(const Tensor& x, DimsView axes = {}, double correction = 0, bool keepdims = false);
// NaN if there is a NaN. The gradient is shared equally by the elements that are the extreme.
Tensor max(const Tensor& x, DimsView axes = {}, bool keepdims = false);
Tensor min(const Tensor& x, DimsView axes = {}, bool keepdims = false);
Tensor any(const Tensor& x, DimsView axes = {}, bool keepdims = false);
Tensor all(const Tensor& x, DimsView axes = {}, bool keepdims = false);
// Position (int64) of the first extreme along `axis`; of the flattened tensor if axis is kUnset.
// NaN wins.
Tensor argmax(const Tensor& x, int64_t axis = kUnset, bool keepdims = false);
Tensor argmin(const Tensor& x, int64_t axis = kUnset, bool keepdims = false);

// The maximum along axes, kept with size 1; 0 where it is not finite. No record: what softmax
// shifts by, so that a row of -inf does not give inf - inf.
Tensor finite_max(const Tensor& x, DimsView axes);

// Sums x down to a shape that broadcasts to x's: the gradient of broadcast_to.
Tensor sum_to(const Tensor& x, DimsView shape);

}  // namespace tenon

#endif  // TENON_OPS_REDUCE_H_
