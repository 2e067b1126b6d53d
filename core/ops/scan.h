// Running totals and differences along an axis. Differentiable.
#ifndef TENON_OPS_SCAN_H_
#define TENON_OPS_SCAN_H_

#include "tenon/tensor/tensor.h"

namespace tenon {

// y[i] = x[0] + .. + x[i] along axis, with sum's dtypes. With include_initial a 0 comes first and
// the axis is longer by one. Summed in pairs, over log2(n) passes: more exact than one by one, the
// same bits on every device.
Tensor cumulative_sum(const Tensor& x, int64_t axis = -1, bool include_initial = false);
// The same with products, prod's dtypes and a 1.
Tensor cumulative_prod(const Tensor& x, int64_t axis = -1, bool include_initial = false);
// x[i + 1] - x[i] along axis, n times over. Of bools: do they differ?
Tensor diff(const Tensor& x, int64_t axis = -1, int64_t n = 1);

}  // namespace tenon

#endif  // TENON_OPS_SCAN_H_
