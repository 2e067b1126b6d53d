// Writing in place: who refuses, what versions say, and what happens to the gradients of views.
// Values are PyTorch's, worked out by hand; chains are judged by finite differences in
// inplace_chains_test.cc.
#include <gtest/gtest.h>

#include <cmath>
#include <thread>

#include "tenon/tenon.h"
#include "tests/tensor_values.h"

namespace tenon {
namespace {

TEST(Version, IsSharedByAllThatLook) {
  Tensor x = make({1, 2, 3});
  Tensor view = slice(x, 0, 1), detached = x.detach(), copy = x.clone();
  x += 1;
  EXPECT_EQ(x.version(), 1u);
  EXPECT_EQ(view.version(), 1u);
  EXPECT_EQ(detached.version(), 1u);
  EXPECT_EQ(copy.version(), 0u);
  view.fill_(0);
  EXPECT_EQ(x.version(), 2u);
  detached.zero_();
  EXPECT_EQ(x.version(), 3u);
  x = x * 2.0;
  EXPECT_EQ(x.version(), 0u) << "a new tensor";
}

TEST(Leaf, RefusesWritesUnlessNothingIsRecorded) {
  Tensor w = leaf({1, 2, 3, 4}, {2, 2});
  EXPECT_TRUE(has(error_of(ErrorCode::kAutograd, [&] { w += 1.0; }),
                  "a leaf Variable that requires grad is being used in an in-place operation"));
  EXPECT_TRUE(has(error_of(ErrorCode::kAutograd, [&] { w.fill_(1); }), "NoGradScope"));
  error_of(ErrorCode::kAutograd, [&] { w.copy_(w * 2.0); });
  error_of(ErrorCode::kAutograd, [&] { exp_(w); });
  EXPECT_TRUE(
      has(error_of(ErrorCode::kAutograd, [&] { w[0].fill_(1); }), "a view of a leaf Variable"));
  error_of(ErrorCode::kAutograd, [&] {
    Tensor t = w.transpose();
    t += make({1, 2});
  });
  error_of(ErrorCode::kAutograd, [&] { flip(w)[0].copy_(make({1, 2})); });
  expect_values(w, {1, 2, 3, 4});
  EXPECT_EQ(w.version(), 0u);

  {
    const NoGradScope scope;
    w -= 0.5;
    w[1].fill_(9);
  }
  expect_values(w, {0.5, 1.5, 9, 9});
  EXPECT_TRUE(w.is_leaf());
  EXPECT_TRUE(w.requires_grad());
  sum(w * w).backward();
  expect_values(w.grad(), {1, 3, 18, 18});
}

// A view that nobody has named may stand on the left.
TEST(Temporary, MayBeWritten) {
  Tensor x = make({1, 2, 3, 4}, {2, 2}), w = leaf({10, 20});
  x[0] *= w;
  x[1] -= 1.0;
  Tensor kept = tanh_(slice(x, 0, 1).clone());
  exp_(x.at({1, Slice{0, 1}}));
  expect_values(x, {10, 40, std::exp(2.0), 3});
  expect_values(kept, {std::tanh(2.0), std::tanh(3.0)});
  sum(x).backward();
  expect_values(w.grad(), {1, 2});
  EXPECT_TRUE(has(error_of(ErrorCode::kAutograd, [&] { w[0] += 1.0; }), "add_:"));
}

TEST(Overlap, IsRefused) {
  const Tensor row = make({1, 2, 3});
  Tensor repeated = row.broadcast_to({2, 3});
  for (auto write : {+[](Tensor& t) { t += 1.0; }, +[](Tensor& t) { t.fill_(0); },
                     +[](Tensor& t) {
                       t.copy_(make({1, 2, 3}));
                     },
                     +[](Tensor& t) { tanh_(t); }}) {
    const std::string text = error_of(ErrorCode::kInvalidArgument, [&] { write(repeated); });
    EXPECT_TRUE(has(
        text, "more than one element of the written-to tensor refers to a single memory location"))
        << text;
    EXPECT_TRUE(has(text, "float64[2, 3]") && has(text, "strides [0, 1]") && has(text, "clone()"))
        << text;
  }
  expect_values(row, {1, 2, 3});
  row.broadcast_to({1, 3}).fill_(5);  // repeats nothing
  expect_values(row, {5, 5, 5});
}

TEST(Result, MustFitTheTarget) {
  Tensor i = make({1, 2, 3}, DType::int32);
  EXPECT_TRUE(has(error_of(ErrorCode::kDType, [&] { i += 0.5; }),
                  "result type float32 can't be cast to the desired output type int32"));
  error_of(ErrorCode::kDType, [&] { i += make({1, 2, 3}); });
  error_of(ErrorCode::kDType, [&] { divide_(i, 2); });
  i += make({1, 2, 3}, DType::int64);  // integers of any width wrap into place, as in PyTorch
  expect_values(i, {2, 4, 6});
  Tensor f = make({1, 2, 3}, DType::float16);
  f += make({1, 2, 3});
  EXPECT_EQ(f.dtype(), DType::float16);
  expect_values(f, {2, 4, 6});
  Tensor b = make({1, 0, 1}, DType::bool_);
  error_of(ErrorCode::kDType, [&] { b += make({1, 2, 3}, DType::int32); });
  EXPECT_TRUE(has(error_of(ErrorCode::kShape,
                           [&] {
                             f += zeros({2, 3}, DType::float16, test_device());
                           }),
                  "does not fit into"));
  error_of(ErrorCode::kShape, [&] { f += zeros({2}, DType::float16, test_device()); });
  expect_values(f, {2, 4, 6});
  expect_values(i, {2, 4, 6});
}

TEST(Gradient, OfAWriteToAView) {
  // x = torch.tensor([[1., 2.], [3., 4.]], requires_grad=True); z = x.clone(); v = z[0]; v.mul_(3);
  // z.sum().backward()
  Tensor x = leaf({1, 2, 3, 4}, {2, 2});
  Tensor z = x.clone(), v = z[0];
  v *= 3.0;
  EXPECT_STREQ(z.grad_fn_name(), "set_slice");
  sum(z).backward();
  expect_values(x.grad(), {3, 3, 1, 1});
}

TEST(Gradient, OfAnOldViewAfterAWriteToItsBase) {
  Tensor x = leaf({1, 2, 3, 4}, {2, 2});
  Tensor z = x.clone();
  const Tensor v = z[1], t = z.transpose(), far = flip(t)[0];
  z *= make({2, 3, 4, 5}, {2, 2});
  expect_values(v, {12, 20});
  sum(v).backward(Tensor(), true);
  expect_values(x.grad(), {0, 0, 4, 5});
  sum(t).backward(Tensor(), true);
  expect_values(x.grad(), {2, 3, 8, 10});
  sum(far).backward();
  expect_values(x.grad(), {2, 6, 8, 15});
}

TEST(Gradient, OfAnOldViewAfterAWriteThroughAnother) {
  Tensor x = leaf({1, 2, 3, 4}, {2, 2});
  Tensor z = x * 1.0, row = z[0], column = select(z, 1, 0);
  row *= 10.0;     // z = [[10a, 10b], [c, d]]
  column *= 10.0;  // z = [[100a, 10b], [10c, d]]
  expect_values(z, {100, 20, 30, 4});
  sum(row).backward(Tensor(), true);
  expect_values(x.grad(), {100, 10, 0, 0});
  sum(column).backward(Tensor(), true);
  sum(z).backward();
  expect_values(x.grad(), {300, 20, 20, 1});
}

TEST(Gradient, OfAViewThatHadNoneBeforeItsBaseGotOne) {
  Tensor x = leaf({2, 3});
  Tensor z = zeros({4}, DType::float64, test_device()), view = slice(z, 0, 0, 3),
         part = slice(view, 0, 1);
  EXPECT_FALSE(part.requires_grad());
  slice(z, 0, 1, 3).copy_(x);
  EXPECT_TRUE(z.requires_grad());
  EXPECT_TRUE(view.requires_grad());
  EXPECT_TRUE(part.requires_grad());
  sum(part * make({5, 7})).backward();
  expect_values(x.grad(), {5, 7});
}

TEST(Gradient, OverwrittenValuesHaveNone) {
  Tensor x = leaf({1, 2, 3, 4});
  Tensor z = x * 2.0;
  slice(z, 0, 1, 3).fill_(9);
  sum(z * z).backward();
  expect_values(x.grad(), {8, 0, 0, 32});
  Tensor y = x * 2.0;
  y.zero_();
  EXPECT_FALSE(y.requires_grad()) << "nothing of x is left";
  Tensor c = x * 2.0;
  c.copy_(make({1, 2, 3, 4}));
  EXPECT_FALSE(c.requires_grad());
}

TEST(Gradient, GoesToTheSourceOfACopy) {
  Tensor x = leaf({1, 2, 3, 4, 5, 6}, {2, 3}), row = leaf({7, 8, 9}),
         half = leaf({1, 2}, {2}, DType::float32);
  Tensor z = x.clone();
  z[0].copy_(row);
  select(z, 1, 2).copy_(half);  // of another dtype
  sum(z * make({1, 2, 3, 4, 5, 6}, {2, 3})).backward();
  expect_values(x.grad(), {0, 0, 0, 4, 5, 0});
  expect_values(row.grad(), {1, 2, 0});
  expect_values(half.grad(), {3, 6});
  EXPECT_EQ(half.grad().dtype(), DType::float32);
  Tensor b = leaf({5}, {1});
  Tensor all = zeros({2, 3}, DType::float64, test_device());
  all.copy_(b);
  sum(all).backward();
  expect_values(b.grad(), {6});
}

TEST(Gradient, SecondOrderThroughAWrite) {
  // z = x.clone(); z[0] = x[0]^3 by writing; f = sum(z^2): f'' = 30 x0^4, 2
  Tensor x = leaf({2, 5});
  Tensor z = x.clone(), v = slice(z, 0, 0, 1);
  v *= square(slice(x, 0, 0, 1).detach());  // z0 = x0 * c, c = 4
  const Tensor first = grad({sum(z * z * z)}, {x}, {.create_graph = true})[0];
  expect_values(first, {3 * 64 * 4, 75});                       // 3 (c x0)^2 c
  expect_values(grad({sum(first)}, {x})[0], {6 * 64 * 2, 30});  // 6 c^3 x0
}

TEST(Saved, ChangeIsNoticedAndTheWriterNamed) {
  struct Case {
    const char* name;
    void (*write)(Tensor& x);
  };
  const Case cases[] = {
      {"multiply_", [](Tensor& x) { x *= 2.0; }},
      {"fill_", [](Tensor& x) { x.fill_(1); }},
      {"copy_", [](Tensor& x) { x.copy_(ones({2}, DType::float64, test_device())); }},
      {"tanh_", [](Tensor& x) { tanh_(x); }},
      {"add_",
       [](Tensor& x) {
         Tensor v = slice(x, 0, 0, 1);
         v += 1.0;
       }},
      {"subtract_",
       [](Tensor& x) {
         Tensor d = x.detach();
         d -= 1.0;
       }},
      {"divide_", [](Tensor& x) {
         const NoGradScope scope;
         x /= 2.0;
       }}};
  for (const Case& c : cases) {
    Tensor w = leaf({3, 4}), x = make({1, 2});
    const Tensor y = sum(w * x);
    c.write(x);
    const std::string text = error_of(ErrorCode::kAutograd, [&] { y.backward(); });
    EXPECT_EQ(text.rfind("multiply:", 0), 0u) << text;
    EXPECT_TRUE(has(text,
                    "one of the variables needed for gradient computation has been modified by an "
                    "inplace operation"))
        << text;
    EXPECT_TRUE(has(text, "float64[2] on " + test_device().text()) &&
                has(text, "saved at version 0 and is at version 1"))
        << text;
    EXPECT_TRUE(has(text, std::string("last written by ") + c.name)) << text;
    EXPECT_TRUE(has(text, "clone()")) << text;
    EXPECT_FALSE(w.grad().defined());
  }
}

TEST(Saved, OwnOutputIsCheckedToo) {
  Tensor x = leaf({1, 2});
  Tensor y = exp(x);
  y += 1.0;
  EXPECT_TRUE(
      has(error_of(ErrorCode::kAutograd, [&] { sum(y).backward(); }), "last written by add_"));
  Tensor z = x * 1.0;
  exp_(z);
  sum(z).backward();
  expect_values(x.grad(), values(exp(x)), 1e-12);
  Tensor again = x * 1.0;
  exp_(again);
  exp_(again);
  error_of(ErrorCode::kAutograd, [&] { sum(again).backward(); });
}

TEST(Saved, WritesThatNobodyNeedsAreFree) {
  Tensor x = leaf({1, 2});
  Tensor y = x + 1.0;  // saves nothing
  y *= 3.0;            // nor does a product with a number
  sum(y).backward();
  expect_values(x.grad(), {3, 3});
}

TEST(NoGrad, WritesKeepTheGraphOfTheOthers) {
  Tensor x = leaf({1, 2, 3});
  Tensor y = x * 2.0;
  {
    const NoGradScope scope;
    y += 10.0;
    EXPECT_FALSE((y * 2.0).requires_grad());
    EXPECT_FALSE(y[0].requires_grad());
  }
  EXPECT_TRUE(y.requires_grad());
  sum(y).backward();
  expect_values(x.grad(), {2, 2, 2});
  expect_values(y, {12, 14, 16});
}

TEST(NoGrad, ScopesNestAndAreOfOneThread) {
  EXPECT_TRUE(grad_enabled());
  {
    const NoGradScope off;
    EXPECT_FALSE(grad_enabled());
    {
      const EnableGradScope on;
      EXPECT_TRUE(grad_enabled());
    }
    EXPECT_FALSE(grad_enabled());
  }
  EXPECT_TRUE(grad_enabled());
}

TEST(Views, OfDetachedDataCarryNoGradientAcrossAWrite) {
  Tensor x = leaf({1, 2, 3});
  Tensor z = x.clone(), d = z.detach();
  d.fill_(5);  // seen by version, not by the graph, as in PyTorch
  expect_values(z, {5, 5, 5});
  EXPECT_FALSE(d.requires_grad());
  sum(z).backward();
  expect_values(x.grad(), {1, 1, 1});
}

// Reading is safe from several threads, also where the first reader of a view has to make its
// record anew (run under TSan).
TEST(Threads, ReadersOfAViewThatIsOutOfDate) {
  for (int round = 0; round < 200; ++round) {
    Tensor w = leaf({1, 2, 3, 4});
    Tensor x = w * 2.0;
    const Tensor view = slice(x, 0, 1, 3);
    x *= 10.0;  // the view's record is the old one
    const char* name = nullptr;
    Tensor product;
    std::thread other([&] { product = view * 3.0; });
    name = view.grad_fn_name();
    other.join();
    EXPECT_STREQ(name, "slice");
    sum(product).backward();
    expect_values(w.grad(), {0, 60, 60, 0});
  }
}

}  // namespace
}  // namespace tenon
