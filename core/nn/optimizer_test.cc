// Proves the optimizers against the published rules written out as loops in double, over many
// steps; that state can be saved and taken up again bit for bit; and what is refused.
#include "tenon/nn/optimizer.h"

#include <cmath>
#include <functional>

#include "core/nn/layer_testing.h"
#include "tenon/nn/linear.h"
#include "tenon/ops/elementwise.h"
#include "tenon/ops/matmul.h"
#include "tenon/ops/reduce.h"

namespace tenon::nn {
namespace {

constexpr int kCount = 12, kSteps = 40;

// Gradients of step t, as many numbers as a parameter has; some of them 0, some large.
std::vector<double> gradient_at(int t) {
  std::vector<double> g = numbers(kCount, static_cast<uint64_t>(t) + 17);
  g[3] = 0;
  g[5] *= 1e4;
  return g;
}

double lr_at(double lr, int t) { return t < kSteps / 2 ? lr : lr / 10; }

// p <- rule(p, g, t) for every element and step; state is what the rule captures, one number per
// element.
using Rule = std::function<double(double p, double g, double lr, size_t i)>;
std::vector<double> by_loop(std::vector<double> p, double lr, const Rule& rule) {
  for (int t = 0; t < kSteps; ++t) {
    const std::vector<double> g = gradient_at(t);
    for (size_t i = 0; i < p.size(); ++i) p[i] = rule(p[i], g[i], lr_at(lr, t), i);
  }
  return p;
}

using Make = std::function<std::unique_ptr<Optimizer>(std::vector<Tensor>)>;
void expect_follows(const Make& make, double lr, const Rule& rule, DType dtype, double relative) {
  const std::vector<double> start = numbers(kCount);
  Tensor p = parameter(start, {3, 4}, dtype);
  const auto optimizer = make({p});
  for (int t = 0; t < kSteps; ++t) {
    p.set_grad(on_device(gradient_at(t), {3, 4}, dtype));
    optimizer->set_lr(lr_at(lr, t));
    optimizer->step();
  }
  expect_near(p, by_loop(start, lr, rule), relative, relative);
  EXPECT_EQ(p.dtype(), dtype);
  EXPECT_TRUE(p.is_leaf() && p.requires_grad());
}

// Both precisions; a float32 result is good to some ulps of the largest intermediate.
void expect_follows(const Make& make, double lr, const std::function<Rule()>& fresh_rule,
                    double relative32) {
  expect_follows(make, lr, fresh_rule(), DType::float64, 1e-12);
  expect_follows(make, lr, fresh_rule(), DType::float32, relative32);
}

TEST(SgdTest, PlainFollowsTheRule) {
  for (double decay : {0.0, 0.1}) {
    expect_follows(
        [decay](auto p) {
          return std::make_unique<Sgd>(p, SgdOptions{.lr = 0.01, .weight_decay = decay});
        },
        0.01,
        [decay]() -> Rule {
          return
              [decay](double p, double g, double lr, size_t) { return p - lr * (g + decay * p); };
        },
        1e-5);
  }
}

TEST(SgdTest, MomentumFollowsTheRule) {
  for (bool nesterov : {false, true}) {
    const SgdOptions options{
        .lr = 0.01, .momentum = 0.9, .weight_decay = 0.05, .nesterov = nesterov};
    expect_follows([&](auto p) { return std::make_unique<Sgd>(p, options); }, options.lr,
                   [&]() -> Rule {
                     return [=, v = std::vector<double>(kCount, 0.0)](double p, double g, double lr,
                                                                      size_t i) mutable {
                       g += 0.05 * p;
                       v[i] = 0.9 * v[i] + g;
                       return p - lr * (nesterov ? g + 0.9 * v[i] : v[i]);
                     };
                   },
                   1e-5);
  }
}

// Loshchilov and Hutter 2019, algorithm 2, line by line, with eta_t * alpha = lr and eta_t * lambda
// = lr * decay.
Rule adamw_rule(AdamWOptions o) {
  struct State {
    double m = 0, v = 0;
    int t = 0;
  };
  return [=, state = std::vector<State>(kCount)](double p, double g, double lr, size_t i) mutable {
    auto& [m, v, t] = state[i];
    ++t;
    m = o.beta1 * m + (1 - o.beta1) * g;
    v = o.beta2 * v + (1 - o.beta2) * g * g;
    const double m_hat = m / (1 - std::pow(o.beta1, t));
    const double v_hat = v / (1 - std::pow(o.beta2, t));
    return p - (lr * m_hat / (std::sqrt(v_hat) + o.eps) + lr * o.weight_decay * p);
  };
}

TEST(AdamWTest, FollowsTheRule) {
  for (const AdamWOptions& o :
       {AdamWOptions{}, AdamWOptions{.lr = 0.05, .weight_decay = 0},
        AdamWOptions{.lr = 0.02, .beta1 = 0.5, .beta2 = 0.9, .eps = 1e-3, .weight_decay = 0.3},
        AdamWOptions{.beta1 = 0, .beta2 = 0}}) {
    expect_follows([&](auto p) { return std::make_unique<AdamW>(p, o); }, o.lr,
                   [&] { return adamw_rule(o); }, 1e-5);
  }
}

TEST(AdamWTest, FirstStepIsLrWhateverTheGradientsSize) {
  Tensor p = parameter({1, 1, 1, 1}, {4});
  AdamW optimizer({p}, {.lr = 0.1, .eps = 1e-12, .weight_decay = 0});
  p.set_grad(on_device({1e-6, -1e6, 5, 0}, {4}));
  optimizer.step();
  expect_near(p, {0.9, 1.1, 0.9, 1}, 1e-5);
}

TEST(AdamWTest, DecayIsDecoupledFromTheGradient) {
  Tensor p = parameter({2}, {1});
  AdamW optimizer({p}, {.lr = 0.1, .weight_decay = 0.5});
  for (int i = 0; i < 3; ++i) {
    p.set_grad(zeros_like(p.detach()));
    optimizer.step();
  }
  expect_near(p, {2 * std::pow(1 - 0.1 * 0.5, 3)}, 1e-14);
}

TEST(AdamWTest, HalfParametersKeepFullState) {
  for (DType dtype : {DType::float16, DType::bfloat16}) {
    Tensor p = parameter({1, -1}, {2}, dtype);
    AdamW optimizer({p}, {.lr = 0.25, .weight_decay = 0});
    p.set_grad(on_device({1e-5, -1e-5}, {2}, dtype));  // squared: no float16
    optimizer.step();
    // eps = 1e-8 makes the step 0.25 * (1 - 0.001).
    expect_near(p, {0.75, -0.75}, 1e-3);
    EXPECT_EQ(p.dtype(), dtype);
    for (const auto& [name, tensor] : optimizer.state_dict()) {
      if (name == "0.exp_avg_sq") {
        EXPECT_EQ(tensor.dtype(), DType::float32);
        expect_near(tensor, {1e-13, 1e-13}, 1e-2);
      }
    }
  }
}

TEST(OptimizerTest, ParametersWithoutGradientAreSkipped) {
  Tensor a = parameter({1}, {1}), b = parameter({1}, {1});
  AdamW optimizer({a, b}, {.lr = 0.1, .weight_decay = 0.5});
  a.set_grad(on_device({1}, {1}));
  optimizer.step();
  expect_near(b, {1}, 0);
  EXPECT_LT(values(a)[0], 0.9);
  EXPECT_EQ(optimizer.state_dict().size(), 4u);  // lr, 0.steps, 0.exp_avg, 0.exp_avg_sq
  // b's first step is a first step: its bias is corrected by its own count.
  b.set_grad(on_device({7}, {1}));
  optimizer.step();
  expect_near(b, {1 - 0.1 * 0.5 - 0.1}, 1e-8);
}

TEST(OptimizerTest, MomentumOfADeadParameterDoesNotBecomeSubnormal) {
  const auto state_after = [](auto make) {
    Tensor p = parameter({1}, {1}, DType::float32);
    const auto optimizer = make(std::vector<Tensor>{p});
    for (int t = 0; t < 2000; ++t) {
      p.set_grad(on_device({t == 0 ? 1.0 : 0.0}, {1}, DType::float32));
      optimizer->step();
    }
    EXPECT_TRUE(std::isfinite(values(p)[0]));
    return values(optimizer->state_dict()[2].tensor)[0];
  };
  // Nor does a product with a small learning rate.
  const auto expect_harmless = [](double m) {
    EXPECT_TRUE(m == 0 || std::abs(m) > 1e-30) << m;
    EXPECT_LT(std::abs(m), 1e-25);
  };
  expect_harmless(state_after([](auto p) { return std::make_unique<AdamW>(p); }));
  expect_harmless(
      state_after([](auto p) { return std::make_unique<Sgd>(p, SgdOptions{.momentum = 0.9}); }));
}

TEST(OptimizerTest, StepsAreTheSameForAnyLayout) {
  // The gradient of w in w^T @ x comes transposed.
  const std::vector<double> start = numbers(6), x = numbers(3, 5);
  Tensor w = parameter(start, {3, 2});
  Sgd optimizer({w}, {.lr = 1});
  sum(matmul(w.transpose(), on_device(x, {3, 1}))).backward();
  optimizer.step();
  std::vector<double> expected = start;
  for (size_t i = 0; i < 6; ++i) expected[i] -= x[i / 2];
  expect_near(w, expected, 1e-14);
  // The parameter is a transposed view's copy that kept its strides.
  Tensor v = on_device(start, {2, 3}).transpose().clone();
  v.requires_grad_();
  AdamW adam({v}, {.lr = 0.5, .weight_decay = 0});
  v.set_grad(on_device(numbers(6, 9), {3, 2}));
  adam.step();
  for (size_t i = 0; i < 3; ++i) {
    for (size_t j = 0; j < 2; ++j) {
      const double g = numbers(6, 9)[i * 2 + j];
      EXPECT_NEAR(values(v)[i * 2 + j], start[j * 3 + i] - (g > 0 ? 0.5 : -0.5), 1e-6);
    }
  }
}

// Devices that can update all of these in one launch: several dtypes and layouts, a parameter
// without gradient between them.
TEST(OptimizerTest, ManyParametersAreEachUpdatedAsIfAlone) {
  const auto make = [] {
    std::vector<Tensor> all;
    for (const int64_t n : {1, 7, 64, 1000, 4099}) {
      all.push_back(parameter(numbers(static_cast<size_t>(n), static_cast<uint64_t>(n)), {n},
                              n == 64 ? DType::float64 : DType::float32));
    }
    Tensor turned = on_device(numbers(6), {2, 3}).transpose();
    all.push_back(turned.requires_grad_());
    for (size_t i = 0; i < all.size(); ++i) {
      if (i == 2) continue;
      all[i].set_grad(on_device(numbers(static_cast<size_t>(all[i].size()), i + 5),
                                Dims(all[i].shape()), all[i].dtype()));
    }
    return all;
  };
  const auto check = [&](const auto& optimizer_of) {
    const std::vector<Tensor> together = make(), alone = make();
    const auto one = optimizer_of(together);
    std::vector<std::unique_ptr<Optimizer>> each;
    for (const Tensor& p : alone) each.push_back(optimizer_of({p}));
    for (int t = 0; t < 3; ++t) {
      one->step();
      for (const auto& optimizer : each) optimizer->step();
    }
    for (size_t i = 0; i < together.size(); ++i) {
      EXPECT_EQ(values(together[i]), values(alone[i])) << i;
      EXPECT_EQ(values(together[i]) == values(make()[i]), i == 2) << i;
    }
  };
  check([](std::vector<Tensor> p) {
    return std::make_unique<AdamW>(std::move(p), AdamWOptions{.lr = 0.1});
  });
  check([](std::vector<Tensor> p) {
    return std::make_unique<Sgd>(std::move(p), SgdOptions{.lr = 0.1, .momentum = 0.5});
  });
}

// Then the order counts, so they are not updated in one launch.
TEST(OptimizerTest, ParametersThatShareMemoryAreUpdatedInOrder) {
  const Tensor base = on_device({1, 2, 3, 4}, {4});
  Tensor left = base.detach(), right = base.detach();
  left.requires_grad_();
  right.requires_grad_();
  left.set_grad(on_device({1, 1, 1, 1}, {4}));
  right.set_grad(on_device({2, 2, 2, 2}, {4}));
  Sgd({left, right}, {.lr = 1, .weight_decay = 0.5}).step();
  expect_near(base, {-2.25, -2, -1.75, -1.5}, 1e-14);  // (x - (1 + x / 2)) / 2 - 2
  // A gradient that is another parameter.
  Tensor p = on_device({1, 2}, {2}), q = on_device({10, 20}, {2});
  p.requires_grad_();
  q.requires_grad_();
  p.set_grad(on_device({1, 1}, {2}));
  q.set_grad(p.detach());
  Sgd({p, q}, {.lr = 1}).step();
  expect_near(q, {10, 19}, 1e-14);
}

TEST(OptimizerTest, WhatCameBeforeAFailureIsUpdated) {
  double memory[2] = {5, 6};
  const int64_t shape[] = {2}, strides[] = {1};
  Tensor p = on_device({1, 2}, {2});
  Tensor q =
      from_memory(memory, DType::float64, shape, strides, /*read_only=*/true, nullptr, nullptr);
  p.requires_grad_();
  q.requires_grad_();
  p.set_grad(on_device({1, 1}, {2}));
  q.set_grad(ones(Dims{2}, DType::float64));
  Sgd optimizer({p, q}, {.lr = 1});
  error_of(ErrorCode::kReadOnly, [&] { optimizer.step(); });
  EXPECT_EQ(memory[0], 5);
  expect_near(p, {0, 1}, 1e-14);
}

// Steps [from, to); returns the parameter's values.
std::vector<double> run_steps(Optimizer& optimizer, const Tensor& p, int from, int to) {
  Tensor leaf_p = p;
  for (int t = from; t < to; ++t) {
    leaf_p.set_grad(on_device(gradient_at(t), {3, 4}, DType::float32));
    optimizer.step();
  }
  return values(leaf_p);
}

TEST(OptimizerTest, StateDictTakesUpWhereItStopped) {
  const auto resumed = [](auto make) {
    Tensor p = parameter(numbers(kCount), {3, 4}, DType::float32);
    const auto first = make(p);
    const std::vector<double> middle = run_steps(*first, p, 0, 5);
    first->set_lr(0.125);
    StateDict saved = first->state_dict();
    for (NamedTensor& entry : saved) entry.tensor = entry.tensor.clone().cpu();
    const std::vector<double> uninterrupted = run_steps(*first, p, 5, 10);

    Tensor q = parameter(middle, {3, 4}, DType::float32);
    const auto second = make(q);
    second->load_state_dict(saved);
    EXPECT_EQ(second->lr(), 0.125);
    EXPECT_EQ(run_steps(*second, q, 5, 10), uninterrupted);
    // Without the state the way is another.
    Tensor r = parameter(middle, {3, 4}, DType::float32);
    const auto fresh = make(r);
    fresh->set_lr(0.125);
    EXPECT_NE(run_steps(*fresh, r, 5, 10), uninterrupted);
  };
  resumed([](const Tensor& p) { return std::make_unique<AdamW>(std::vector<Tensor>{p}); });
  resumed([](const Tensor& p) {
    return std::make_unique<Sgd>(std::vector<Tensor>{p}, SgdOptions{.momentum = 0.9});
  });
}

TEST(OptimizerTest, AStateThatDoesNotFitChangesNothing) {
  Tensor p = parameter({1, 2}, {2});
  AdamW optimizer({p}, {.lr = 0.5});
  const StateDict state = {{"lr", tensor(0.25)},
                           {"0.steps", tensor(int64_t{3})},
                           {"0.exp_avg", tensor({1.0, 2.0, 3.0})},
                           {"1.exp_avg", tensor({1.0})}};
  const std::string what =
      error_of(ErrorCode::kInvalidArgument, [&] { optimizer.load_state_dict(state); });
  EXPECT_TRUE(has(what, "shape: 0.exp_avg has [3] where [2] is expected")) << what;
  EXPECT_TRUE(has(what, "missing: 0.exp_avg_sq")) << what;
  EXPECT_TRUE(has(what, "unexpected: 1.exp_avg")) << what;
  EXPECT_EQ(optimizer.lr(), 0.5);
  EXPECT_EQ(optimizer.state_dict().size(), 1u);
  error_of(ErrorCode::kInvalidArgument, [&] { optimizer.load_state_dict({{"lr", tensor(-1.0)}}); });
  EXPECT_EQ(optimizer.lr(), 0.5);
}

TEST(OptimizerTest, WrongArgumentsAreRefused) {
  Tensor p = parameter({1}, {1});
  const auto code = ErrorCode::kInvalidArgument;
  error_of(code, [&] { Sgd({}); });
  error_of(code, [&] { Sgd({p, p}); });
  error_of(code, [&] { Sgd({Tensor()}); });
  error_of(code, [&] { Sgd({p}, {.lr = -1}); });
  error_of(code, [&] { Sgd({p}, {.lr = std::nan("")}); });
  error_of(code, [&] { Sgd({p}, {.momentum = 1}); });
  error_of(code, [&] { Sgd({p}, {.nesterov = true}); });
  error_of(code, [&] { Sgd({p}, {.weight_decay = -0.1}); });
  error_of(code, [&] { AdamW({p}, {.beta1 = 1}); });
  error_of(code, [&] { AdamW({p}, {.beta2 = -0.5}); });
  error_of(code, [&] { AdamW({p}, {.eps = -1}); });
  error_of(ErrorCode::kDType, [&] { Sgd({ones(Dims{2}, DType::int64)}); });
  const std::string what = error_of(ErrorCode::kAutograd, [&] { Sgd({p * 2}); });
  EXPECT_TRUE(has(what, "the result of multiply")) << what;
}

TEST(OptimizerTest, AnOldGraphNoticesTheStep) {
  Tensor p = parameter({3}, {1});
  const Tensor y = sum(p * p);
  Sgd optimizer({p}, {.lr = 0.1});
  y.backward(Tensor(), /*retain_graph=*/true);
  optimizer.step();
  error_of(ErrorCode::kAutograd, [&] { y.backward(); });
}

TEST(OptimizerTest, FindsAMinimum) {
  // sum((w - c)^2): every rule gets there.
  const std::vector<double> c = numbers(6);
  const auto distance = [&](auto make) {
    Tensor w = parameter({0, 0, 0, 0, 0, 0}, {6}, DType::float32);
    const auto optimizer = make(w);
    const Tensor target = on_device(c, {6}, DType::float32);
    for (int i = 0; i < 300; ++i) {
      optimizer->zero_grad();
      sum(square(w - target)).backward();
      optimizer->step();
    }
    double worst = 0;
    for (size_t i = 0; i < 6; ++i) worst = std::max(worst, std::abs(values(w)[i] - c[i]));
    return worst;
  };
  using List = std::vector<Tensor>;
  EXPECT_LT(distance([](const Tensor& w) {
              return std::make_unique<Sgd>(List{w}, SgdOptions{.lr = 0.1});
            }),
            1e-5);
  EXPECT_LT(distance([](const Tensor& w) {
              return std::make_unique<Sgd>(
                  List{w}, SgdOptions{.lr = 0.02, .momentum = 0.8, .nesterov = true});
            }),
            1e-5);
  EXPECT_LT(distance([](const Tensor& w) {
              return std::make_unique<AdamW>(List{w}, AdamWOptions{.lr = 0.1, .weight_decay = 0});
            }),
            1e-2);
}

}  // namespace
}  // namespace tenon::nn
