// backward() and grad(): values, accumulation, freed graphs, unused inputs, hooks.
#include <gtest/gtest.h>

#include "tenon/tenon.h"
#include "tests/tensor_values.h"

namespace tenon {
namespace {

TEST(Backward, OfTheTextbook) {
  Tensor x = leaf({1, 2, 3});
  sum(x * x).backward();
  expect_values(x.grad(), {2, 4, 6});
  EXPECT_TRUE(x.is_leaf());
  EXPECT_EQ(x.grad_fn_name(), nullptr);
  EXPECT_STREQ((x * x).grad_fn_name(), "multiply");
  EXPECT_FALSE((x * x).grad().defined());
}

TEST(Backward, NeedsAGradientForMoreThanOneElement) {
  Tensor x = leaf({1, 2, 3});
  const Tensor y = x * x;
  EXPECT_TRUE(has(error_of(ErrorCode::kAutograd, [&] { y.backward(); }),
                  "grad can be implicitly created only for scalar outputs"));
  error_of(ErrorCode::kShape, [&] { y.backward(make({1, 2})); });
  error_of(ErrorCode::kShape, [&] { y.backward(make({1, 2, 3}, DType::float32)); });
  y.backward(make({1, 10, 100}));
  expect_values(x.grad(), {2, 40, 600});
  Tensor one = leaf({3}, {1, 1, 1});
  (one * one).backward();  // one element of any shape will do
  expect_values(one.grad(), {6});
}

TEST(Backward, ASecondTimeSaysSo) {
  Tensor x = leaf({1, 2, 3});
  const Tensor y = sum(x * x);
  y.backward();
  const std::string text = error_of(ErrorCode::kAutograd, [&] { y.backward(); });
  EXPECT_TRUE(has(text, "Trying to backward through the graph a second time") &&
              has(text, "retain_graph"))
      << text;
  expect_values(x.grad(), {2, 4, 6});
  const Tensor z = sum(x * x);
  z.backward(Tensor(), true);
  z.backward(Tensor(), true);
  z.backward();
  expect_values(x.grad(), {8, 16, 24});
  // A leaf itself may be asked as often as one likes.
  Tensor w = leaf({5}, {});
  w.backward();
  w.backward();
  expect_values(w.grad(), {2});
}

TEST(Backward, TheSameGradientTensorGrows) {
  Tensor x = leaf({1, 2});
  sum(x * 2.0).backward();
  const Tensor held = x.grad();
  sum(x * 3.0).backward();
  expect_values(held, {5, 5});
  EXPECT_TRUE(held.shares_storage_with(x.grad()));
  EXPECT_EQ(held.impl(), x.grad().impl());
  x.set_grad(Tensor());
  EXPECT_FALSE(x.grad().defined());
  sum(x).backward();
  expect_values(x.grad(), {1, 1});
  expect_values(held, {5, 5});
}

TEST(Backward, LeavesDoNotShareTheirGradients) {
  Tensor a = leaf({1, 2}), b = leaf({3, 4});
  const Tensor seed = make({1, 1});
  (a + b).backward(seed);
  EXPECT_FALSE(a.grad().shares_storage_with(b.grad()));
  EXPECT_FALSE(a.grad().shares_storage_with(seed));
  EXPECT_FALSE(b.grad().shares_storage_with(seed));
  (a + b).backward(seed);
  expect_values(a.grad(), {2, 2});
  expect_values(b.grad(), {2, 2});
  expect_values(seed, {1, 1});
  Tensor c = leaf({0, 0});
  c.backward(seed);
  c.backward(seed);
  expect_values(seed, {1, 1});
  Tensor m = leaf({1, 2, 3, 4}, {2, 2}), n = leaf({1, 2, 3, 4}, {2, 2});
  sum(m.transpose() + n.reshape({4}).reshape({2, 2})).backward();
  EXPECT_FALSE(m.grad().shares_storage_with(n.grad()));
  m.grad().fill_(7);
  expect_values(n.grad(), {1, 1, 1, 1});
}

TEST(Backward, AccumulatesIntoWhatTheUserSet) {
  Tensor x = leaf({1, 2, 3});
  // Neither of these can be written in place.
  x.set_grad(make({10}).broadcast_to({3}));
  sum(x).backward();
  expect_values(x.grad(), {11, 11, 11});
  Tensor y = zeros({2}, DType::float64).requires_grad_();
  static const double kConstant[2] = {1, 2};
  y.set_grad(from_memory(const_cast<double*>(kConstant), DType::float64, {2}, {1}, true, nullptr,
                         nullptr));
  sum(y).backward();
  expect_values(y.grad(), {2, 3});
  EXPECT_TRUE(has(error_of(ErrorCode::kShape, [&] { x.set_grad(make({1, 2})); }), "must agree"));
  error_of(ErrorCode::kShape, [&] { x.set_grad(make({1, 2, 3}, DType::float32)); });
  error_of(ErrorCode::kAutograd, [&] { make({1, 2}).set_grad(make({1, 2})); });
  make({1}).set_grad(Tensor());
}

TEST(Backward, OfSeveralRoots) {
  Tensor x = leaf({1, 2});
  const Tensor square_sum = sum(x * x), y = x * 3.0;
  const Tensor roots[] = {square_sum, y, square_sum}, seeds[] = {Tensor(), make({1, 10}), Tensor()};
  backward(roots, seeds);
  expect_values(x.grad(), {2 + 3 + 2, 4 + 30 + 4});
  const Tensor other = sum(x);
  error_of(ErrorCode::kInvalidArgument,
           [&] { backward(std::span<const Tensor>(&other, 1), seeds); });
}

TEST(Backward, WithoutAHistoryIsRefused) {
  EXPECT_TRUE(has(error_of(ErrorCode::kAutograd,
                           [] {
                             sum(make({1, 2})).backward();
                           }),
                  "does not require grad and does not have a grad_fn"));
  error_of(ErrorCode::kInvalidArgument, [] { Tensor().backward(); });
  Tensor x = leaf({1, 2});
  error_of(ErrorCode::kAutograd, [&] { sum(x).detach().backward(); });
}

TEST(Backward, ManyUsesOfOneTensor) {
  // A diamond of 40 floors has 2^40 paths and 80 records.
  Tensor x = leaf({1}, {1});
  Tensor y = x;
  for (int i = 0; i < 40; ++i) y = y * 0.5 + y * 0.5;
  y.backward();
  expect_values(x.grad(), {1});
  // And one tensor used 1000 times.
  Tensor z = leaf({2}, {1});
  Tensor total = z;
  for (int i = 0; i < 999; ++i) total = total + z;
  total.backward();
  expect_values(z.grad(), {1000});
}

TEST(Backward, BranchesThatMeetLate) {
  // Records of very different ages, visited newest first.
  Tensor x = leaf({3}, {1});
  const Tensor early = x * 2.0;
  Tensor late = early;
  for (int i = 0; i < 50; ++i) late = late * 1.0;
  const Tensor f = early * late;  // 4 x^2
  f.backward();
  expect_values(x.grad(), {24});
}

TEST(Grad, LeavesTheLeavesAlone) {
  Tensor x = leaf({1, 2}), w = leaf({3, 4});
  const Tensor y = x * w, f = sum(y * y);
  const std::vector<Tensor> g = grad({f}, {x, w, y}, {.retain_graph = true});
  expect_values(g[0], {2 * 9, 2 * 2 * 16});
  expect_values(g[1], {2 * 3, 2 * 4 * 4});
  expect_values(g[2], {6, 16});
  EXPECT_FALSE(x.grad().defined());
  EXPECT_FALSE(g[0].requires_grad());
  expect_values(grad({f}, {f})[0], {1});
}

TEST(Grad, OfUnusedInputs) {
  Tensor x = leaf({1, 2}), unused = leaf({3});
  EXPECT_TRUE(has(error_of(ErrorCode::kAutograd,
                           [&] {
                             grad({sum(x)}, {x, unused});
                           }),
                  "appears to not have been used in the graph: input 1"));
  const std::vector<Tensor> g = grad({sum(x)}, {unused, x}, {.allow_unused = true});
  EXPECT_FALSE(g[0].defined());
  expect_values(g[1], {1, 1});
  EXPECT_TRUE(has(error_of(ErrorCode::kAutograd, [&] { grad({sum(x)}, {make({1})}); }),
                  "does not require grad: input 0"));
  error_of(ErrorCode::kAutograd, [&] { grad({sum(x)}, {Tensor()}); });
  error_of(ErrorCode::kInvalidArgument, [&] { grad({sum(x)}, {}); });
}

TEST(Grad, OfGradOfGrad) {
  Tensor x = leaf({2}, {});
  const Tensor y = x * x * x * x;
  const Tensor first = grad({y}, {x}, {.create_graph = true})[0];
  const Tensor second = grad({first}, {x}, {.create_graph = true})[0];
  const Tensor third = grad({second}, {x}, {.create_graph = true})[0];
  const Tensor fourth = grad({third}, {x})[0];
  EXPECT_EQ(first.item(), 32);
  EXPECT_EQ(second.item(), 48);
  EXPECT_EQ(third.item(), 48);
  EXPECT_EQ(fourth.item(), 24);
}

TEST(Grad, PenaltyOnAGradient) {
  // d/dw of |d(w x^2)/dx|^2 = d/dw (2 w x)^2 = 8 w x^2
  Tensor x = leaf({3}, {1}), w = leaf({0.5}, {1});
  const Tensor g = grad({sum(w * x * x)}, {x}, {.create_graph = true})[0];
  sum(g * g).backward();
  expect_values(w.grad(), {8 * 0.5 * 9});
  expect_values(x.grad(), {8 * 0.25 * 3});
}

TEST(Grad, RunsRecordedInsideANoGradScope) {
  Tensor x = leaf({2}, {1});
  const Tensor y = x * x * x;
  const NoGradScope scope;
  const Tensor first = grad({y}, {x}, {.create_graph = true})[0];
  expect_values(grad({first}, {x})[0], {12});
}

struct Calls {
  std::vector<int> order;
  std::vector<double> seen;
};

TEST(Hooks, ObserveInOrderOfRegistration) {
  Tensor x = leaf({1, 2});
  const Tensor y = x * 3.0;
  Calls calls;
  y.register_hook(
      [](const Tensor& g, void* c) {
        static_cast<Calls*>(c)->order.push_back(1);
        static_cast<Calls*>(c)->seen = values(g);
        return Tensor();
      },
      &calls);
  y.register_hook(
      [](const Tensor&, void* c) {
        static_cast<Calls*>(c)->order.push_back(2);
        return Tensor();
      },
      &calls);
  x.register_hook(
      [](const Tensor&, void* c) {
        static_cast<Calls*>(c)->order.push_back(3);
        return Tensor();
      },
      &calls);
  (sum(y * y) + sum(y)).backward();  // each hook sees the whole gradient, once
  EXPECT_EQ(calls.order, (std::vector<int>{1, 2, 3}));
  EXPECT_EQ(calls.seen, (std::vector<double>{7, 13}));
  expect_values(x.grad(), {21, 39});
}

TEST(Hooks, Replace) {
  Tensor x = leaf({1, 2});
  const Tensor y = x * 3.0;
  y.register_hook([](const Tensor& g, void*) { return g * 10.0; }, nullptr);
  y.register_hook([](const Tensor& g, void*) { return g + 1.0; }, nullptr);
  x.register_hook([](const Tensor& g, void*) { return -g; }, nullptr);
  sum(y).backward();
  expect_values(x.grad(), {-33, -33});
  Tensor z = leaf({2}, {1});
  z.register_hook([](const Tensor& g, void*) { return g * 2.0; }, nullptr);
  expect_values(grad({z * z}, {z})[0], {8});
}

TEST(Hooks, AReplacementHasTheGradientsShapeAndDType) {
  Tensor x = tensor({1.0f, 2.0f, 3.0f}, test_device()).requires_grad_();
  const auto refused = [](const Tensor& y) {
    try {
      sum(y).backward();
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kAutograd);
      return std::string(e.what());
    }
    return std::string();
  };
  Tensor y = x * x;
  y.register_hook([](const Tensor& g, void*) { return sum(g); }, nullptr);
  const std::string text = refused(y);
  EXPECT_NE(text.find("the hook of the result of multiply returned float32[]"), std::string::npos)
      << text;
  EXPECT_NE(text.find("for the gradient float32[3]"), std::string::npos) << text;
  Tensor z = x * x;
  z.register_hook([](const Tensor& g, void*) { return g.to(DType::float64); }, nullptr);
  EXPECT_NE(refused(z).find("float64[3]"), std::string::npos);
  x.register_hook([](const Tensor& g, void*) { return g[0]; }, nullptr);
  EXPECT_NE(refused(x * 2).find("a leaf"), std::string::npos);
  EXPECT_FALSE(x.grad().defined());
}

TEST(Hooks, AreRemovedAndDestroyed) {
  Calls calls;
  const auto count = [](const Tensor&, void* c) {
    static_cast<Calls*>(c)->order.push_back(0);
    return Tensor();
  };
  const auto destroyed = [](void* c) { static_cast<Calls*>(c)->seen.push_back(1); };
  {
    Tensor x = leaf({1}, {1});
    const int64_t first = x.register_hook(count, &calls, destroyed),
                  second = x.register_hook(count, &calls, destroyed);
    EXPECT_NE(first, second);
    x.remove_hook(first);
    x.remove_hook(first);
    x.remove_hook(12345);
    EXPECT_EQ(calls.seen.size(), 1u);
    sum(x).backward();
    EXPECT_EQ(calls.order.size(), 1u);
    EXPECT_EQ(calls.seen.size(), 1u);
  }
  EXPECT_EQ(calls.seen.size(), 2u);
  EXPECT_TRUE(has(error_of(ErrorCode::kAutograd, [&] { make({1}).register_hook(count, &calls); }),
                  "no hook would ever be called"));
  make({1}).remove_hook(1);
}

TEST(Hooks, MayThrow) {
  Tensor x = leaf({1}, {1});
  const int64_t id = x.register_hook(
      [](const Tensor&, void*) -> Tensor { throw std::runtime_error("mine"); }, nullptr);
  const Tensor y = x * x;
  EXPECT_THROW(y.backward(Tensor(), true), std::runtime_error);
  EXPECT_TRUE(grad_enabled()) << "the scopes of the walk are left";
  x.remove_hook(id);
  y.backward();
  expect_values(x.grad(), {2});
}

TEST(RequiresGrad, OfLeavesAndFloatsOnly) {
  Tensor i = make({1, 2}, DType::int64), x = leaf({1, 2});
  EXPECT_TRUE(has(error_of(ErrorCode::kDType, [&] { i.requires_grad_(); }),
                  "only Tensors of floating point dtype can require gradients"));
  Tensor y = x * 2.0;
  EXPECT_TRUE(has(error_of(ErrorCode::kAutograd, [&] { y.requires_grad_(false); }),
                  "you can only change requires_grad flags of leaf variables"));
  y.requires_grad_();
  EXPECT_FALSE((x > 0.0).requires_grad());
  EXPECT_FALSE(argmax(x).requires_grad());
  x.requires_grad_(false);
  EXPECT_FALSE((x * 2.0).requires_grad());
}

}  // namespace
}  // namespace tenon
