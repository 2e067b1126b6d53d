// Matrix products.
#ifndef TENON_OPS_MATMUL_H_
#define TENON_OPS_MATMUL_H_

#include "tenon/tensor/tensor.h"

namespace tenon {

// a @ b: [..., m, k] @ [..., k, n] -> [..., m, n]. Batch axes broadcast; a 1-d argument is a row
// (a) or a column (b) whose axis disappears from the result. dtypes promote; any strides
// (transposed and reversed views are not copied where the device can read them). Differentiable to
// any order.
Tensor matmul(const Tensor& a, const Tensor& b);

// x @ weight^T + bias, the layer: x [..., in], weight [out, in], bias [out] or undefined -> [...,
// out]. One pass with the bias; the weight's gradient comes in the weight's layout. Differentiable
// to any order.
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias = Tensor());

}  // namespace tenon

#endif  // TENON_OPS_MATMUL_H_
