#include "tenon/nn/linear.h"

#include <cmath>

#include "tenon/nn/init.h"
#include "tenon/ops/matmul.h"

namespace tenon::nn {

Linear::Linear(int64_t in, int64_t out, bool with_bias, Generator& generator) {
  if (in < 1 || out < 1) {
    fail(ErrorCode::kInvalidArgument, "Linear", in, " inputs and ", out,
         " outputs; both must be at least 1");
  }
  const double bound = 1 / std::sqrt(static_cast<double>(in));
  weight = uniform(Dims{out, in}, -bound, bound, kDefaultFloat, Device(), generator);
  weight.requires_grad_();
  if (with_bias) {
    bias = uniform(Dims{out}, -bound, bound, kDefaultFloat, Device(), generator);
    bias.requires_grad_();
  }
}

Tensor Linear::forward(const Tensor& x) { return linear(x, weight, bias); }

}  // namespace tenon::nn
