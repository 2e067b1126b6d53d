// Activations as layers, for Sequential. Each is a row of core/ops/elementwise.def, where its
// formula stands.
//
//   nn::Sequential model(nn::Linear(64, 128), nn::Relu(), nn::Linear(128, 10));
//
// In a forward() of your own, call the function: relu(x).
#ifndef TENON_NN_ACTIVATION_H_
#define TENON_NN_ACTIVATION_H_

#include "tenon/nn/module.h"
#include "tenon/ops/elementwise.h"
#include "tenon/ops/softmax.h"

namespace tenon::nn {

template <Tensor (*kFunction)(const Tensor&)>
class Activation : public Layer {
 public:
  Tensor forward(const Tensor& x) override { return kFunction(x); }
};

using Relu = Activation<relu>;
using Gelu = Activation<gelu>;
using GeluTanh = Activation<gelu_tanh>;
using Silu = Activation<silu>;
using Mish = Activation<mish>;
using Elu = Activation<elu>;
using Selu = Activation<selu>;
using Softplus = Activation<softplus>;
using Tanh = Activation<tanh>;
using Sigmoid = Activation<sigmoid>;
using HardSigmoid = Activation<hard_sigmoid>;
using HardSwish = Activation<hard_swish>;

// x for x > 0, else slope * x.
class LeakyRelu : public Layer {
 public:
  explicit LeakyRelu(double slope = 0.01) : slope_(slope) {}
  Tensor forward(const Tensor& x) override { return leaky_relu(x, slope_); }

 private:
  double slope_;
};

// exp(x) / sum(exp(x)) along an axis. Not before cross_entropy, which takes logits.
class Softmax : public Layer {
 public:
  explicit Softmax(int64_t axis = -1) : axis_(axis) {}
  Tensor forward(const Tensor& x) override { return softmax(x, axis_); }

 private:
  int64_t axis_;
};

}  // namespace tenon::nn

#endif  // TENON_NN_ACTIVATION_H_
