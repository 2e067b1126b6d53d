// Dropout: in training each element is 0 with probability p and the others grow by 1 / (1 - p);
// else x itself.
//
//   nn::Sequential model(nn::Linear(64, 128), nn::Relu(), nn::Dropout(0.2), nn::Linear(128, 10));
//   model.eval();    // nothing is dropped any more
//
// Srivastava et al. 2014, "Dropout: A Simple Way to Prevent Neural Networks from Overfitting". The
// mask is drawn anew at every call from `generator`, which must outlive the layer. Errors:
// kInvalidArgument unless 0 <= p < 1.
#ifndef TENON_NN_DROPOUT_H_
#define TENON_NN_DROPOUT_H_

#include "tenon/nn/module.h"
#include "tenon/ops/random.h"

namespace tenon::nn {

class Dropout : public Layer {
 public:
  explicit Dropout(double p = 0.5, Generator& generator = default_generator())
      : p_(p), generator_(&generator) {
    if (!(p >= 0 && p < 1)) {
      fail(ErrorCode::kInvalidArgument, "Dropout", "p is ", p,
           "; it must be at least 0 and below 1");
    }
  }
  Tensor forward(const Tensor& x) override { return training() ? dropout(x, p_, *generator_) : x; }

 private:
  double p_;
  Generator* generator_;
};

}  // namespace tenon::nn

#endif  // TENON_NN_DROPOUT_H_
