#include "tenon/nn/loss.h"

#include "tenon/ops/elementwise.h"
#include "tenon/ops/fuse.h"
#include "tenon/ops/reduce.h"

namespace tenon::nn {
namespace {

using map::Value;

void check_shapes(std::string_view operation, const Tensor& prediction, const Tensor& target) {
  const Dims a(prediction.shape()), b(target.shape());
  if (a == b) return;
  fail(ErrorCode::kShape, operation, "the prediction has shape ", shape_text(a), " and the target ",
       shape_text(b), "; they must be the same (no broadcasting in a loss): reshape one of them");
}

// One fused function per loss, kept for good: nothing is destroyed when the program exits.
template <class F>
const Fused* make_fused(const char* name, int inputs, F function) {
  return new Fused(fuse(name, inputs, 1, function));
}

}  // namespace

Tensor mse_loss(const Tensor& prediction, const Tensor& target) {
  check_shapes("mse_loss", prediction, target);
  static const Fused* const squared_error = make_fused("mse_loss", 2, [](const Value* x, Value* y) {
    const Value d = x[0] - x[1];
    y[0] = d * d;
  });
  return mean((*squared_error)({prediction, target})[0]);
}

Tensor l1_loss(const Tensor& prediction, const Tensor& target) {
  check_shapes("l1_loss", prediction, target);
  static const Fused* const absolute_error =
      make_fused("l1_loss", 2, [](const Value* x, Value* y) { y[0] = abs(x[0] - x[1]); });
  return mean((*absolute_error)({prediction, target})[0]);
}

Tensor huber_loss(const Tensor& prediction, const Tensor& target, double delta) {
  check_shapes("huber_loss", prediction, target);
  if (!(delta > 0)) {
    fail(ErrorCode::kInvalidArgument, "huber_loss", "delta is ", delta, "; it must be above 0");
  }
  static const Fused* const huber = make_fused("huber_loss", 3, [](const Value* x, Value* y) {
    const Value distance = abs(x[0] - x[1]);
    const Value quadratic_part = min(distance, x[2]);
    y[0] = quadratic_part * (distance - 0.5 * quadratic_part);
  });
  return mean((*huber)({prediction, target, delta})[0]);
}

Tensor binary_cross_entropy_with_logits(const Tensor& logits, const Tensor& target) {
  check_shapes("binary_cross_entropy_with_logits", logits, target);
  // -log(p) = softplus(-x) and -log(1 - p) = softplus(x) = softplus(-x) + x.
  return mean(softplus(logits) - logits * target);
}

}  // namespace tenon::nn
