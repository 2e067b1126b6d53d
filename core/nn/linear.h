// Linear: y = x @ weight^T + bias, over the last axis of x.
//
//   nn::Linear layer(64, 128);
//   Tensor y = layer(x);          // x: [.., 64]  ->  y: [.., 128]
//
// weight is [out, in] and bias [out], float32 on the cpu until to() moves them; the names and
// shapes are PyTorch's, so that state dicts are exchanged. Both start uniform in +-1 / sqrt(in),
// drawn from `generator` (weight first). Errors: kShape when x's last axis is not `in`.
#ifndef TENON_NN_LINEAR_H_
#define TENON_NN_LINEAR_H_

#include "tenon/nn/module.h"
#include "tenon/ops/random.h"

namespace tenon::nn {

class Linear : public Layer {
 public:
  Linear(int64_t in, int64_t out, bool with_bias = true,
         Generator& generator = default_generator());

  void members(Members& list) override { list("weight", weight), list("bias", bias); }
  Tensor forward(const Tensor& x) override;

  Tensor weight;
  Tensor bias;  // undefined without
};

}  // namespace tenon::nn

#endif  // TENON_NN_LINEAR_H_
