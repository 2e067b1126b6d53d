// The distinct elements of a tensor, in ascending order.
//
// Complex numbers are ordered by real part, then imaginary part. Every NaN is distinct from all
// others; 0.0 and -0.0 are equal, and the first one found stands for both. Not for float8. Sorted
// and counted on the host: a counted fallback on other devices.
#ifndef TENON_OPS_UNIQUE_H_
#define TENON_OPS_UNIQUE_H_

#include "tenon/tensor/tensor.h"

namespace tenon {

struct Unique {
  Tensor values;   // 1-d
  Tensor indices;  // int64: where each value stands first in x, read as one line
  Tensor inverse;  // int64, x's shape: values[inverse] is x
  Tensor counts;   // int64: how often each value occurs
};
// `values` is differentiable: the first element of each value gets the gradient.
Unique unique(const Tensor& x);

// Only the values, which is less work.
Tensor unique_values(const Tensor& x);

}  // namespace tenon

#endif  // TENON_OPS_UNIQUE_H_
