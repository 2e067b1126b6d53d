// Normalization over the last axes.
#ifndef TENON_OPS_LAYER_NORM_H_
#define TENON_OPS_LAYER_NORM_H_

#include "tenon/tensor/tensor.h"

namespace tenon {

// (x - mean) / sqrt(var + eps) * weight + bias, with mean and variance (divided by n) of each slice
// over the last axes, whose sizes are `normalized_shape`. weight and bias (either may be undefined)
// have that shape. Floating dtypes; float16 and bfloat16 compute in float32. Ba et al. 2016, "Layer
// Normalization"; as PyTorch's. kShape if the sizes do not fit, or are none.
Tensor layer_norm(const Tensor& x, DimsView normalized_shape, const Tensor& weight = {},
                  const Tensor& bias = {}, double eps = 1e-5);

}  // namespace tenon

#endif  // TENON_OPS_LAYER_NORM_H_
