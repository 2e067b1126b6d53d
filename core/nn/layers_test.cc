// Proves the layers: values against closed forms in double, gradients against differences, errors.
#include <cmath>
#include <functional>

#include "core/nn/layer_testing.h"
#include "tenon/autograd/autograd.h"
#include "tenon/nn/activation.h"
#include "tenon/nn/dropout.h"
#include "tenon/nn/layer_norm.h"
#include "tenon/nn/linear.h"
#include "tenon/nn/sequential.h"
#include "tenon/ops/reduce.h"

namespace tenon::nn {
namespace {

TEST(LinearTest, IsXTimesWeightTransposedPlusBias) {
  constexpr int kRows = 5, kIn = 7, kOut = 3;
  Linear layer(kIn, kOut);
  layer.to(DType::float64);
  layer.to(test_device());
  const std::vector<double> w = values(layer.weight), b = values(layer.bias),
                            x = numbers(kRows * kIn);
  std::vector<double> expected;
  for (int i = 0; i < kRows; ++i) {
    for (int o = 0; o < kOut; ++o) {
      double sum = b[o];
      for (int k = 0; k < kIn; ++k) sum += x[i * kIn + k] * w[o * kIn + k];
      expected.push_back(sum);
    }
  }
  const Tensor y = layer(on_device(x, {kRows, kIn}));
  EXPECT_EQ(Dims(y.shape()), (Dims{kRows, kOut}));
  expect_near(y, expected, 1e-13, 1e-13);
  // More axes, and one.
  expect_near(layer(on_device(x, {1, kRows, kIn})), expected, 1e-13, 1e-13);
  const std::vector<double> first(x.begin(), x.begin() + kIn);
  const Tensor row = layer(on_device(first, {kIn}));
  EXPECT_EQ(Dims(row.shape()), Dims{kOut});
  expect_near(row, {expected[0], expected[1], expected[2]}, 1e-13, 1e-13);
}

TEST(LinearTest, StartsUniformAsPyTorchDoes) {
  Generator generator(3), again(3);
  const Linear layer(400, 100, true, generator), same(400, 100, true, again);
  double square = 0, largest = 0;
  const std::vector<double> w = values(layer.weight);
  for (double v : w) square += v * v, largest = std::max(largest, std::abs(v));
  EXPECT_LE(largest, 0.05);  // 1 / sqrt(400)
  EXPECT_GT(largest, 0.0499);
  EXPECT_NEAR(square / static_cast<double>(w.size()), 0.05 * 0.05 / 3, 2e-5);
  EXPECT_EQ(w, values(same.weight));
  EXPECT_EQ(values(layer.bias), values(same.bias));
}

TEST(LinearTest, GradientsAgreeWithDifferences) {
  Linear layer(4, 3);
  layer.to(DType::float64);
  layer.to(test_device());
  const Tensor inputs[] = {parameter(numbers(8), {2, 4}), layer.weight, layer.bias};
  const auto function = [](std::span<const Tensor> t) {
    Linear copy(1, 1);
    copy.weight = t[1], copy.bias = t[2];
    return sum(square(copy(t[0])));
  };
  EXPECT_EQ(gradcheck(function, inputs, {.second_order = true}), "");
}

TEST(LinearTest, ErrorsSayWhatFits) {
  Linear layer(4, 3);
  const std::string what = error_of(ErrorCode::kShape, [&] { layer(zeros(Dims{2, 5})); });
  EXPECT_TRUE(has(what, "linear: ") && has(what, "[2, 5]") && has(what, "[3, 4]")) << what;
  error_of(ErrorCode::kShape, [&] { layer(zeros({})); });
  error_of(ErrorCode::kInvalidArgument, [] { Linear(0, 3); });
}

TEST(LayerNormTest, NormalizesScalesAndShifts) {
  LayerNorm layer({3});
  EXPECT_EQ(values(layer.weight), (std::vector<double>{1, 1, 1}));
  EXPECT_EQ(values(layer.bias), (std::vector<double>{0, 0, 0}));
  layer.to(DType::float64);
  layer.to(test_device());
  const Tensor x = on_device({1, 2, 6}, {1, 3});  // mean 3, variance 14/3
  const double r = 1 / std::sqrt(14.0 / 3 + 1e-5);
  expect_near(layer(x), {-2 * r, -r, 3 * r}, 1e-14, 1e-15);
  EXPECT_EQ(layer.parameters().size(), 2u);
  EXPECT_EQ(LayerNorm({2, 3}, 1e-5, true, false).parameters().size(), 1u);
  EXPECT_EQ(LayerNorm({2, 3}, 1e-5, false).parameters().size(), 0u);
  sum(square(layer(x))).backward();
  EXPECT_TRUE(layer.weight.grad().defined() && layer.bias.grad().defined());
  EXPECT_TRUE(has(error_of(ErrorCode::kShape, [&] { layer(zeros(Dims{2, 4})); }), "layer_norm"));
  error_of(ErrorCode::kInvalidArgument, [] { LayerNorm({}); });
  error_of(ErrorCode::kInvalidArgument, [] { LayerNorm({3, 0}); });
}

TEST(ActivationTest, LayersAreTheirFunctions) {
  const std::vector<double> x = {-30, -2.5, -1, -0.25, 0, 0.25, 1, 2.5, 30};
  struct Case {
    const char* name;
    std::shared_ptr<Layer> layer;
    std::function<double(double)> formula;
  };
  const auto sigmoid_of = [](double v) { return 1 / (1 + std::exp(-v)); };
  const std::vector<Case> cases = {
      {"Relu", std::make_shared<Relu>(), [](double v) { return v > 0 ? v : 0; }},
      {"LeakyRelu", std::make_shared<LeakyRelu>(0.1), [](double v) { return v > 0 ? v : 0.1 * v; }},
      {"Gelu", std::make_shared<Gelu>(),
       [](double v) { return v / 2 * std::erfc(-v / std::sqrt(2)); }},
      {"GeluTanh", std::make_shared<GeluTanh>(),
       [](double v) {
         return v / 2 * (1 + std::tanh(std::sqrt(2 / M_PI) * (v + 0.044715 * v * v * v)));
       }},
      {"Silu", std::make_shared<Silu>(), [&](double v) { return v * sigmoid_of(v); }},
      {"Mish", std::make_shared<Mish>(),
       [](double v) { return v * std::tanh(std::log1p(std::exp(v))); }},
      {"Elu", std::make_shared<Elu>(), [](double v) { return v > 0 ? v : std::expm1(v); }},
      {"Selu", std::make_shared<Selu>(),
       [](double v) {
         return 1.0507009873554805 * (v > 0 ? v : 1.6732632423543772 * std::expm1(v));
       }},
      {"Softplus", std::make_shared<Softplus>(), [](double v) { return std::log1p(std::exp(v)); }},
      {"Tanh", std::make_shared<Tanh>(), [](double v) { return std::tanh(v); }},
      {"Sigmoid", std::make_shared<Sigmoid>(), sigmoid_of},
      {"HardSigmoid", std::make_shared<HardSigmoid>(),
       [](double v) { return std::min(std::max(v + 3, 0.0), 6.0) / 6; }},
      {"HardSwish", std::make_shared<HardSwish>(),
       [](double v) { return v * std::min(std::max(v + 3, 0.0), 6.0) / 6; }},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    std::vector<double> expected;
    expected.reserve(x.size());
    for (double v : x) expected.push_back(c.formula(v));
    expect_near((*c.layer)(on_device(x, {9})), expected, 1e-12, 1e-15);
  }
}

TEST(ActivationTest, SoftmaxSumsToOneAlongItsAxis) {
  Softmax over_rows(0);
  const double a = 1 / (1 + std::exp(2.0)), b = 1 - a;
  expect_near(over_rows(on_device({1, 5, 3, 3}, {2, 2})),
              {a, 1 / (1 + std::exp(-2.0)), b, 1 - 1 / (1 + std::exp(-2.0))}, 1e-12);
}

TEST(SequentialTest, AppliesInOrder) {
  Linear twice(1, 1);
  const NoGradScope no_grad;
  twice.weight.fill_(-2), twice.bias.fill_(1);
  twice.to(test_device());
  Sequential model(twice, Relu());
  const Tensor x = on_device({-3, 3}, {2, 1}, DType::float32);
  expect_near(model(x), {7, 0}, 0);
  expect_near(Sequential(Relu(), twice)(x), {1, -5}, 0);
  model.add(twice);
  EXPECT_EQ(model.size(), 3u);
  expect_near(model(x), {-13, 1}, 0);
  EXPECT_EQ(Sequential()(x).impl(), x.impl());
  Sequential nested(model, Relu());
  EXPECT_EQ(nested.size(), 2u);
  expect_near(nested(x), {0, 1}, 0);
}

TEST(DropoutTest, DropsAndScalesInTrainingOnly) {
  Generator generator(5);
  Dropout layer(0.25, generator);
  const Tensor x = ones(Dims{10000}).to(test_device());
  int dropped = 0;
  for (double v : values(layer(x))) {
    if (v == 0) {
      ++dropped;
    } else {
      EXPECT_EQ(v, static_cast<double>(1 / 0.75f));
    }
  }
  EXPECT_NEAR(dropped, 2500, 4 * std::sqrt(10000 * 0.25 * 0.75));
  EXPECT_NE(values(layer(x)), values(layer(x)));
  layer.eval();
  EXPECT_EQ(layer(x).impl(), x.impl());
  for (double bad : {-0.1, 1.0, std::nan("")}) {
    error_of(ErrorCode::kInvalidArgument, [&] { Dropout d(bad); });
  }
}

TEST(DropoutTest, GradientUsesTheSameMask) {
  Generator generator(5);
  Dropout layer(0.5, generator);
  const Tensor x = parameter(std::vector<double>(64, 1.0), {64}, DType::float32);
  const Tensor y = layer(x);
  sum(y).backward();
  EXPECT_EQ(values(x.grad()), values(y));
}

}  // namespace
}  // namespace tenon::nn
