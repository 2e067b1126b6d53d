// Adding an elementwise operation is adding one line: this program is compiled with a copy of
// elementwise.def that has the row `square_tanh` more (see BUILD), and nothing else was written.
// The function, its in-place form, dtypes, first and second derivative and its place in the table
// are all there.
#include "tenon/ops/elementwise.h"
#include "tenon/ops/map_op.h"
#include "tenon/ops/tensor_testing.h"

namespace tenon {
namespace {

constexpr Real kAt[] = {-2.5L, -1, 0, 0.3L, 2};
Reals mapped(Real (*f)(Real)) {
  Reals out;
  for (Real x : kAt) out.push_back(f(x));
  return out;
}
Real value(Real x) { return x * x * std::tanh(x); }
Real slope(Real x) { return 2 * x * std::tanh(x) + x * x / (std::cosh(x) * std::cosh(x)); }
Real curvature(Real x) {
  const Real s = 1 / (std::cosh(x) * std::cosh(x));
  return 2 * std::tanh(x) + 4 * x * s - 2 * x * x * std::tanh(x) * s;
}

Tensor points(DType d = DType::float64) { return make(d, {5}, Reals(kAt, kAt + 5)); }

TEST(OneMoreRow, ValueInEveryForm) {
  EXPECT_TRUE(near(square_tanh(points()), mapped(&value), 1e-14L));
  EXPECT_TRUE(near(square_tanh(points(DType::float32)), mapped(&value), 1e-6L, 1e-7L));
  EXPECT_TRUE(near(
      square_tanh(flip(points())),
      [] {
        Reals r = mapped(&value);
        std::reverse(r.begin(), r.end());
        return r;
      }(),
      1e-14L));
  Tensor x = points();
  EXPECT_EQ(square_tanh_(x).impl(), x.impl());
  EXPECT_TRUE(near(x, mapped(&value), 1e-14L));
  const Tensor whole = square_tanh(make(DType::int32, {2}, {0, 2}));
  EXPECT_EQ(whole.dtype(), DType::float32);
  EXPECT_TRUE(near(whole, {0, value(2)}, 1e-6L));
}

TEST(OneMoreRow, FirstAndSecondDerivative) {
  const Derivatives d =
      derivatives([](const Tensor& x) { return square_tanh(x); }, points().requires_grad_());
  EXPECT_TRUE(near(d.first, mapped(&slope), 1e-13L, 1e-15L));
  EXPECT_TRUE(near(d.second, mapped(&curvature), 1e-13L, 1e-14L));
  EXPECT_GRADIENTS([](std::span<const Tensor> x) { return square_tanh(x[0]); },
                   {leaf({5}, Reals(kAt, kAt + 5))});
}

TEST(OneMoreRow, StandsInTheTableWithTheOthers) {
  const ElementwiseRow& last = elementwise_rows().back();
  EXPECT_STREQ(last.name, "square_tanh");
  EXPECT_STREQ(last.dtype_class, "floating");
  EXPECT_EQ(last.operands, 1);
  EXPECT_STREQ(last.op->name(), "square_tanh");
  EXPECT_GE(elementwise_rows().size(), 41u);
  EXPECT_TRUE(near(
      exp(points()) + 1,
      [] {
        Reals r;
        for (Real x : kAt) r.push_back(std::exp(x) + 1);
        return r;
      }(),
      1e-14L));
}

}  // namespace
}  // namespace tenon
