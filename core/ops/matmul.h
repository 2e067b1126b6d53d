// Matrix products.
#ifndef TENON_OPS_MATMUL_H_
#define TENON_OPS_MATMUL_H_

#include "tenon/tensor/tensor.h"

namespace tenon {

// a @ b: [..., m, k] @ [..., k, n] -> [..., m, n]. Batch axes broadcast; a 1-d argument is a row (a) or a column (b)
// whose axis disappears from the result. dtypes promote; any strides (transposed and reversed views are not copied
// where the device can read them). Differentiable to any order.
Tensor matmul(const Tensor& a, const Tensor& b);

}  // namespace tenon

#endif  // TENON_OPS_MATMUL_H_
