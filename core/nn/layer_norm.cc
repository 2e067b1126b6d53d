#include "tenon/nn/layer_norm.h"

#include "tenon/ops/layer_norm.h"

namespace tenon::nn {

LayerNorm::LayerNorm(DimsView normalized_shape, double epsilon, bool affine, bool with_bias)
    : eps(epsilon), shape_(normalized_shape) {
  bool positive = !normalized_shape.empty();
  for (const int64_t n : normalized_shape) positive = positive && n > 0;
  if (!positive || !(epsilon >= 0)) {
    fail(ErrorCode::kInvalidArgument, "LayerNorm", "the normalized shape is ",
         shape_text(normalized_shape), " and eps ", epsilon,
         "; it needs at least one axis, sizes of at least 1 and eps of at least 0");
  }
  if (!affine) return;
  weight = ones(shape_).requires_grad_();
  if (with_bias) bias = zeros(shape_).requires_grad_();
}

Tensor LayerNorm::forward(const Tensor& x) { return layer_norm(x, shape_, weight, bias, eps); }

}  // namespace tenon::nn
