// Sorting along an axis. NaN counts as larger than everything, equal elements keep their order
// (also when descending). No complex dtypes. Done on the host: a counted fallback on other devices.
#ifndef TENON_OPS_SORT_H_
#define TENON_OPS_SORT_H_

#include "tenon/tensor/tensor.h"

namespace tenon {

// The positions (int64) of the elements in ascending (descending) order. Not differentiable.
Tensor argsort(const Tensor& x, int64_t axis = -1, bool descending = false);
// The elements in that order. Differentiable.
Tensor sort(const Tensor& x, int64_t axis = -1, bool descending = false);

}  // namespace tenon

#endif  // TENON_OPS_SORT_H_
