// LayerNorm: normalizes over the last axes of x, then scales and shifts (ops/layer_norm.h).
//
//   nn::LayerNorm norm({128});
//   Tensor y = norm(x);           // x: [.., 128]
//
// weight (ones) and bias (zeros) have the normalized shape, float32 on the cpu until to() moves
// them; names and shapes are PyTorch's. Errors: kInvalidArgument for an empty shape or a size below
// 1; kShape when x's last sizes are others.
#ifndef TENON_NN_LAYER_NORM_H_
#define TENON_NN_LAYER_NORM_H_

#include "tenon/nn/module.h"

namespace tenon::nn {

class LayerNorm : public Layer {
 public:
  // `affine`: with weight, and with bias too unless `with_bias` is false.
  explicit LayerNorm(DimsView normalized_shape, double eps = 1e-5, bool affine = true,
                     bool with_bias = true);

  void members(Members& list) override { list("weight", weight), list("bias", bias); }
  Tensor forward(const Tensor& x) override;

  Tensor weight, bias;  // undefined without
  double eps;

 private:
  Dims shape_;
};

}  // namespace tenon::nn

#endif  // TENON_NN_LAYER_NORM_H_
