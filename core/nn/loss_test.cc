// Proves losses against loops in double, their gradients to second order against differences, and
// the corners.
#include "tenon/nn/loss.h"

#include <cmath>
#include <functional>

#include "core/nn/layer_testing.h"
#include "tenon/autograd/autograd.h"

namespace tenon::nn {
namespace {

using Loss = Tensor (*)(const Tensor&, const Tensor&);
Tensor huber_half(const Tensor& a, const Tensor& b) { return huber_loss(a, b, 0.5); }

struct Case {
  const char* name;
  Loss loss;
  std::function<double(double, double)> formula;
};
const std::vector<Case>& cases() {
  static const auto* const list =
      new std::vector<Case>{{"mse", mse_loss, [](double p, double t) { return (p - t) * (p - t); }},
                            {"l1", l1_loss, [](double p, double t) { return std::abs(p - t); }},
                            {"huber", huber_half,
                             [](double p, double t) {
                               const double d = std::abs(p - t);
                               return d <= 0.5 ? d * d / 2 : 0.5 * (d - 0.25);
                             }},
                            {"bce", binary_cross_entropy_with_logits, [](double x, double t) {
                               const double p = 1 / (1 + std::exp(-x));
                               return -(t * std::log(p) + (1 - t) * std::log(1 - p));
                             }}};
  return *list;
}

TEST(LossTest, ValuesAreMeansOfTheFormula) {
  const std::vector<double> p = numbers(12), t = numbers(12, 7);
  for (const Case& c : cases()) {
    SCOPED_TRACE(c.name);
    double expected = 0;
    for (size_t i = 0; i < p.size(); ++i) expected += c.formula(p[i], t[i]) / 12;
    expect_near(c.loss(on_device(p, {3, 4}), on_device(t, {3, 4})), {expected}, 1e-13);
    expect_near(c.loss(on_device(p, {3, 4}, DType::float32), on_device(t, {3, 4}, DType::float32)),
                {expected}, 1e-5);
  }
}

TEST(LossTest, GradientsAgreeWithDifferences) {
  for (const Case& c : cases()) {
    SCOPED_TRACE(c.name);
    const Tensor inputs[] = {parameter(numbers(6), {2, 3}), parameter(numbers(6, 7), {2, 3})};
    const auto function = [&c](std::span<const Tensor> x) { return c.loss(x[0], x[1]); };
    EXPECT_EQ(gradcheck(function, inputs, {.second_order = true}), "");
  }
}

TEST(LossTest, Corners) {
  // huber is smooth where its pieces meet: slopes -delta, 0 and delta.
  const Tensor p = parameter({-0.5, 0, 0.5}, {3});
  huber_half(p, zeros_like(p.detach())).backward();
  expect_near(p.grad(), {-0.5 / 3, 0, 0.5 / 3}, 1e-14);

  // Large logits neither overflow nor lose the loss.
  const Tensor x = parameter({-1000, 1000, 1000}, {3}, DType::float32);
  const Tensor t = on_device({0, 1, 0}, {3}, DType::float32);
  const Tensor loss = binary_cross_entropy_with_logits(x, t);
  expect_near(loss, {1000.0 / 3}, 1e-6);
  loss.backward();
  expect_near(x.grad(), {0, 0, 1.0 / 3}, 1e-6);
}

TEST(LossTest, OtherShapesAreRefused) {
  for (const Case& c : cases()) {
    SCOPED_TRACE(c.name);
    const std::string what = error_of(ErrorCode::kShape, [&] {
      c.loss(zeros(Dims{4, 1}).to(test_device()), zeros(Dims{4}).to(test_device()));
    });
    EXPECT_TRUE(has(what, "[4, 1]") && has(what, "[4];") && has(what, "reshape")) << what;
  }
  const Tensor one = zeros(Dims{1}).to(test_device());
  error_of(ErrorCode::kInvalidArgument, [&] { huber_loss(one, one, 0); });
}

}  // namespace
}  // namespace tenon::nn
