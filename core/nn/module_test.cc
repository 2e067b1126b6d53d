// Proves names, order, sharing and tying of parameters, that a state is loaded as a whole or not at
// all, and that to() and train() reach every module.
#include "tenon/nn/module.h"

#include "core/nn/layer_testing.h"
#include "tenon/nn/activation.h"
#include "tenon/nn/dropout.h"
#include "tenon/nn/linear.h"
#include "tenon/nn/sequential.h"
#include "tenon/ops/elementwise.h"
#include "tenon/ops/reduce.h"

namespace tenon::nn {
namespace {

struct Block : Layer {
  Linear inner{2, 2};
  Tensor scale = ones(Dims{2}).requires_grad_();
  Dropout drop{0.5};
  void members(Members& list) override {
    list("inner", inner), list("scale", scale), list("drop", drop);
  }
  Tensor forward(const Tensor& x) override { return drop(inner(x) * scale); }
};

struct Tied : Module {
  Linear first{3, 3, false}, second{3, 3, false};
  Tied() { second.weight = first.weight; }
  void members(Members& list) override { list("first", first), list("second", second); }
};

std::vector<std::string> names(const StateDict& entries) {
  std::vector<std::string> result;
  for (const auto& entry : entries) result.push_back(entry.name);
  return result;
}

TEST(ModuleTest, NamesAreJoinedInTheOrderOfMembers) {
  Sequential model(Linear(4, 3), Relu(), Block(), Linear(2, 1, false));
  const std::vector<std::string> expected = {"0.weight",     "0.bias",  "2.inner.weight",
                                             "2.inner.bias", "2.scale", "3.weight"};
  EXPECT_EQ(names(model.named_parameters()), expected);
  EXPECT_EQ(names(model.state_dict()), expected);
  EXPECT_EQ(model.parameters().size(), expected.size());
  for (const Tensor& p : model.parameters()) EXPECT_TRUE(p.requires_grad() && p.is_leaf());
}

TEST(ModuleTest, BadNamesAreRefused) {
  struct Named : Module {
    Tensor a = zeros(Dims{1}), b = zeros(Dims{1});
    std::string x, y;
    void members(Members& list) override { list(x, a), list(y, b); }
  } module;
  const auto refused = [&module](const char* x, const char* y) {
    module.x = x, module.y = y;
    return error_of(ErrorCode::kInvalidArgument, [&] { module.parameters(); });
  };
  EXPECT_TRUE(has(refused("a", "a"), "'a' is listed twice"));
  EXPECT_TRUE(has(refused("a", "b.c"), "'b.c' is empty or has a '.'"));
  EXPECT_TRUE(has(refused("", "b"), "'' is empty or has a '.'"));
}

TEST(ModuleTest, TiedParametersCountOnceAndStayTied) {
  Tied model;
  EXPECT_EQ(names(model.named_parameters()), std::vector<std::string>{"first.weight"});
  EXPECT_EQ(names(model.state_dict()), (std::vector<std::string>{"first.weight", "second.weight"}));
  model.to(DType::float64);
  EXPECT_EQ(model.first.weight.impl(), model.second.weight.impl());
  EXPECT_EQ(model.first.weight.dtype(), DType::float64);
}

TEST(ModuleTest, ACopySharesParameters) {
  Linear a(2, 2);
  Linear b = a;
  EXPECT_EQ(a.weight.impl(), b.weight.impl());
}

TEST(ModuleTest, StateDictSharesMemoryAndKnowsNoGradient) {
  Linear layer(2, 1, false);
  layer.to(test_device());
  const StateDict state = layer.state_dict();
  EXPECT_FALSE(state[0].tensor.requires_grad());
  const NoGradScope no_grad;
  layer.weight.fill_(3);
  expect_near(state[0].tensor, {3, 3}, 0);
}

TEST(ModuleTest, LoadStateDictCopiesIntoTheSameTensors) {
  Sequential model(Linear(2, 2), Relu(), Linear(2, 1));
  model.to(test_device());
  const std::vector<Tensor> handles = model.parameters();
  // Another device, another dtype, another order.
  const StateDict state = {{"2.bias", tensor({7.0})},
                           {"0.weight", tensor({{1.0, 2.0}, {3.0, 4.0}})},
                           {"0.bias", tensor({5.0f, 6.0f})},
                           {"2.weight", tensor({{8.0, 9.0}})}};
  model.load_state_dict(state);
  expect_near(handles[0], {1, 2, 3, 4}, 0);
  expect_near(handles[1], {5, 6}, 0);
  expect_near(handles[2], {8, 9}, 0);
  expect_near(handles[3], {7}, 0);
  for (size_t i = 0; i < handles.size(); ++i) {
    EXPECT_EQ(model.parameters()[i].impl(), handles[i].impl());
    EXPECT_EQ(handles[i].dtype(), DType::float32);
    EXPECT_TRUE(handles[i].requires_grad());
  }
}

TEST(ModuleTest, AStateThatDoesNotFitChangesNothingAndIsExplainedInFull) {
  Sequential model(Linear(2, 2), Linear(2, 1));
  model.to(test_device());
  const std::vector<double> before = values(model.parameters()[0]);
  const StateDict state = {{"0.weight", tensor({{1.0, 2.0}, {3.0, 4.0}})},  // fits, and is first
                           {"0.bias", tensor({1.0, 2.0, 3.0})},
                           {"1.weight", tensor({{1, 2}})},
                           {"2.weight", tensor({1.0})},
                           {"2.weight", tensor({1.0})}};
  const std::string what =
      error_of(ErrorCode::kInvalidArgument, [&] { model.load_state_dict(state); });
  EXPECT_TRUE(has(what, "load_state_dict: ")) << what;
  EXPECT_TRUE(has(what, "shape: 0.bias has [3] where [2] is expected")) << what;
  EXPECT_TRUE(has(what, "dtype: 1.weight has int32 where float32 is expected")) << what;
  EXPECT_TRUE(has(what, "missing: 1.bias")) << what;
  EXPECT_TRUE(has(what, "unexpected: 2.weight")) << what;
  EXPECT_TRUE(has(what, "given twice: 2.weight")) << what;
  expect_near(model.parameters()[0], before, 0);
}

TEST(ModuleTest, ToKeepsWhatIsThereAndMovesTheRest) {
  Linear layer(3, 2);
  layer.bias.requires_grad_(false);
  const std::vector<double> before = values(layer.weight);
  layer.to(test_device());
  EXPECT_EQ(layer.weight.device(), test_device());
  EXPECT_TRUE(layer.weight.requires_grad());
  EXPECT_FALSE(layer.bias.requires_grad());
  EXPECT_TRUE(layer.weight.is_leaf());
  expect_near(layer.weight, before, 0);
  const TensorImpl* same = layer.weight.impl();
  layer.to(test_device());
  layer.to(DType::float32);
  EXPECT_EQ(layer.weight.impl(), same);
  layer.to(DType::float64);
  EXPECT_EQ(layer.weight.dtype(), DType::float64);
  EXPECT_EQ(layer.weight.device(), test_device());
  expect_near(layer.weight, before, 0);
}

TEST(ModuleTest, TrainAndEvalReachEveryModule) {
  Sequential model(Linear(2, 2), Block());
  auto& block = dynamic_cast<Block&>(model[1]);
  EXPECT_TRUE(model.training() && block.training() && block.drop.training());
  model.eval();
  EXPECT_FALSE(model.training() || block.training() || block.drop.training());
  model.train();
  EXPECT_TRUE(model.training() && block.training() && block.drop.training());
}

TEST(ModuleTest, ZeroGradForgetsGradients) {
  Linear layer(2, 1);
  layer.to(test_device());
  sum(layer(on_device({1, 2}, {1, 2}, DType::float32))).backward();
  expect_near(layer.weight.grad(), {1, 2}, 0);
  layer.zero_grad();
  EXPECT_FALSE(layer.weight.grad().defined() || layer.bias.grad().defined());
}

}  // namespace
}  // namespace tenon::nn
