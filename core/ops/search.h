// Finding elements. Not differentiable: the results are positions and counts.
#ifndef TENON_OPS_SEARCH_H_
#define TENON_OPS_SEARCH_H_

#include <vector>

#include "tenon/tensor/tensor.h"

namespace tenon {

// The positions of the elements that are not 0, in row-major order: one int64 tensor per axis. x
// has at least one dimension. Found on the host (a counted fallback on other devices), because the
// shape depends on the values.
std::vector<Tensor> nonzero(const Tensor& x);
// How many elements are not 0, int64.
Tensor count_nonzero(const Tensor& x, DimsView axes = {}, bool keepdims = false);
// For each value the position where it would have to be inserted into `sorted` (1-d, ascending) to
// keep it sorted: before equal elements, or after them with `right`. int64, of values' shape. NaN
// counts as larger than everything.
Tensor searchsorted(const Tensor& sorted, const Tensor& values, bool right = false);

}  // namespace tenon

#endif  // TENON_OPS_SEARCH_H_
