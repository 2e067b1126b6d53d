// sum(), mean() and prod() of complex tensors, written with those of real ones. Inside ops:
// reduce.h has the functions to call.
#ifndef TENON_OPS_COMPLEX_REDUCE_H_
#define TENON_OPS_COMPLEX_REDUCE_H_

#include "tenon/tensor/tensor.h"

namespace tenon {

Tensor complex_sum(const Tensor& x, DimsView axes, bool keepdims);
Tensor complex_mean(const Tensor& x, DimsView axes, bool keepdims);
Tensor complex_prod(const Tensor& x, DimsView axes, bool keepdims);

}  // namespace tenon

#endif  // TENON_OPS_COMPLEX_REDUCE_H_
