// Losses: one number that says how wrong predictions are; the mean over all elements.
//
//   Tensor loss = nn::mse_loss(model(x), y);
//   loss.backward();
//
// cross_entropy, for classes, is in tenon/ops/softmax.h. The elementwise part is one fused pass
// over memory, its gradient another. prediction and target have one shape: kShape otherwise, since
// a broadcast here ([n, 1] against [n]) is nearly always a mistake; reshape one of them. Floating
// dtypes. Differentiable in both, to any order.
#ifndef TENON_NN_LOSS_H_
#define TENON_NN_LOSS_H_

#include "tenon/tensor/tensor.h"

namespace tenon::nn {

// mean((prediction - target)^2)
Tensor mse_loss(const Tensor& prediction, const Tensor& target);
// mean(|prediction - target|)
Tensor l1_loss(const Tensor& prediction, const Tensor& target);
// The mean of d^2 / 2 for |d| <= delta and delta * (|d| - delta / 2) beyond, d = prediction -
// target. Huber 1964.
Tensor huber_loss(const Tensor& prediction, const Tensor& target, double delta = 1);
// The mean of -(t * log(p) + (1 - t) * log(1 - p)) with p = sigmoid(logits) and t in [0, 1],
// without overflow.
Tensor binary_cross_entropy_with_logits(const Tensor& logits, const Tensor& target);

}  // namespace tenon::nn

#endif  // TENON_NN_LOSS_H_
