// Where elementwise functions are easy to get wrong: dtypes that meet, numbers beside tensors,
// kinks, edges, overflow. Expected values are closed forms or what NumPy 2 and Python give.
#include <cstdint>

#include "tenon/ops/elementwise.h"
#include "tenon/ops/fuse.h"
#include "tenon/ops/tensor_testing.h"

namespace tenon {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

Reals first_of(const std::function<Tensor(const Tensor&)>& f, const Reals& at) {
  return derivatives(f, leaf({static_cast<int64_t>(at.size())}, at)).first;
}

// ---- dtypes
// ----------------------------------------------------------------------------------------------------------

TEST(Promotion, TensorsByTheTable) {
  const auto sum = [](DType a, DType b) { return add(make(a, {2}, {1, 2}), make(b, {2}, {3, 4})); };
  const struct {
    DType a, b, sum;
  } cases[] = {{DType::uint8, DType::int8, DType::int16},
               {DType::int32, DType::int64, DType::int64},
               {DType::uint32, DType::int32, DType::int64},
               {DType::int64, DType::float32, DType::float32},
               {DType::float16, DType::bfloat16, DType::float32},
               {DType::float32, DType::float64, DType::float64},
               {DType::bool_, DType::int8, DType::int8},
               {DType::float16, DType::int32, DType::float16}};
  for (const auto& c : cases) {
    EXPECT_EQ(sum(c.a, c.b).dtype(), c.sum) << dtype_name(c.a) << " " << dtype_name(c.b);
    EXPECT_EQ(sum(c.b, c.a).dtype(), c.sum);
    EXPECT_TRUE(near(sum(c.a, c.b),
                     {c.a == DType::bool_ ? 4.0L : 4.0L, c.a == DType::bool_ ? 5.0L : 6.0L}));
  }
  const std::string text = error_of(ErrorCode::kDType, [&] { sum(DType::uint64, DType::int64); });
  EXPECT_TRUE(has(text, "uint64") && has(text, "int64") && has(text, "astype")) << text;
}

TEST(Promotion, NumbersAreWeak) {
  const auto beside = [](DType d, Scalar s) { return add(make(d, {1}, {5}), s).dtype(); };
  EXPECT_EQ(beside(DType::int32, 0.5), DType::float32);
  EXPECT_EQ(beside(DType::int32, 2), DType::int32);
  EXPECT_EQ(beside(DType::uint8, 2), DType::uint8);
  EXPECT_EQ(beside(DType::float16, 2.5), DType::float16);
  EXPECT_EQ(beside(DType::bfloat16, 2), DType::bfloat16);
  EXPECT_EQ(beside(DType::float64, 2.5), DType::float64);
  EXPECT_EQ(beside(DType::bool_, 2), DType::int64);
  EXPECT_EQ(beside(DType::bool_, 2.5), DType::float32);
  EXPECT_EQ(beside(DType::int16, true), DType::int16);
  EXPECT_TRUE(near(add(make(DType::int32, {2}, {1, 2}), 0.5), {1.5L, 2.5L}));
  EXPECT_TRUE(near(subtract(1.5, make(DType::uint8, {2}, {1, 3})), {0.5L, -1.5L}));
  // A float64 tensor sees the number with all its digits, and the same call with another kind of
  // number is another program.
  EXPECT_TRUE(near(add(make(DType::float64, {1}, {0}), 0.1), {0.1}));
  EXPECT_TRUE(near(multiply(make(DType::int64, {1}, {3}), 2), {6}));
  EXPECT_TRUE(near(multiply(make(DType::int64, {1}, {3}), 2.5), {7.5}));
  EXPECT_TRUE(near(multiply(make(DType::int64, {1}, {3}), 2), {6}));
  EXPECT_TRUE(
      near(where(make(DType::bool_, {2}, {1, 0}), make(DType::int32, {2}, {1, 2}), 0.5), {1, 0.5}));
  // A number that the tensor's integer dtype cannot hold is refused, never wrapped.
  EXPECT_THROW(add(make(DType::uint8, {2}, {1, 250}), 300), Error);
  EXPECT_THROW(less(make(DType::uint8, {2}, {1, 250}), -1), Error);
  // Exact where float64 is not.
  const int64_t big = (int64_t{1} << 53) + 1;
  EXPECT_EQ(static_cast<int64_t>(values(add(make(DType::int64, {1}, {1}), big))[0]), big + 1);
}

TEST(Promotion, RefusedDTypes) {
  const Tensor b = make(DType::bool_, {2}, {1, 0}), f = make({2}, {1, 2}),
               c = make(DType::complex64, {2}, {1, 2});
  EXPECT_TRUE(has(error_of(ErrorCode::kDType, [&] { add(b, b); }), "logical_"));
  EXPECT_TRUE(has(error_of(ErrorCode::kDType, [&] { bitwise_and(f, f); }), "astype"));
  EXPECT_TRUE(has(error_of(ErrorCode::kDType, [&] { bitwise_left_shift(b, b); }), "integers"));
  EXPECT_TRUE(has(error_of(ErrorCode::kDType, [&] { erf(c); }), "complex"));
  EXPECT_TRUE(has(error_of(ErrorCode::kInvalidArgument, [&] { add(1, 2); }), "tensor"));
  EXPECT_TRUE(has(error_of(ErrorCode::kInvalidArgument, [&] { add(f, Tensor()); }), "undefined"));
  EXPECT_TRUE(has(error_of(ErrorCode::kShape, [&] { add(f, make({3}, {1, 2, 3})); }), "[3]"));
  Tensor i = make(DType::int32, {2}, {1, 2});
  EXPECT_TRUE(has(error_of(ErrorCode::kDType, [&] { multiply_(i, 0.5); }), "int32"));
  EXPECT_TRUE(near(i, {1, 2}));
  EXPECT_TRUE(has(error_of(ErrorCode::kShape,
                           [&] {
                             add_(i, make(DType::int32, {3, 2}, counting(6)));
                           }),
                  "in place"));
  Tensor repeated = broadcast_to(make({1}, {1}), {3});
  error_of(ErrorCode::kInvalidArgument, [&] { add_(repeated, 1); });
}

// ---- integers
// --------------------------------------------------------------------------------------------------------

TEST(Integers, DivisionHasPythonsSigns) {
  const Reals x = {7, -7, 7, -7, 6, -6, 0}, y = {3, 3, -3, -3, 3, -3, -3};
  const Reals quotient = {2, -3, -3, 2, 2, 2, 0}, rest = {1, 2, -2, -1, 0, 0, 0};
  for (DType d : {DType::int8, DType::int16, DType::int32, DType::int64, DType::float16,
                  DType::bfloat16, DType::float32, DType::float64}) {
    EXPECT_TRUE(near(floor_divide(make(d, {7}, x), make(d, {7}, y)), quotient)) << dtype_name(d);
    EXPECT_TRUE(near(remainder(make(d, {7}, x), make(d, {7}, y)), rest)) << dtype_name(d);
  }
  // Python: -1 // inf is -1.0, -1 % inf is inf, 1e300 % 7 by fmod.
  EXPECT_TRUE(near(floor_divide(make({2}, {-1, 1}), kInf), {-1, 0}));
  EXPECT_TRUE(near(remainder(make({2}, {-1, 1}), kInf), {kInfinity, 1}));
  EXPECT_TRUE(near(remainder(make({2}, {1e300, 5.5}), 7.0), {std::fmod(1e300, 7.0), 5.5}));
  EXPECT_TRUE(near(floor_divide(make({3}, {1, -1, 0}), 0.0), {kInfinity, -kInfinity, kNan}));
  EXPECT_TRUE(near(remainder(make({1}, {1}), 0.0), {kNan}));
}

// Python: the sign of a zero quotient is that of x / y, of a zero remainder that of y.
TEST(Integers, ZerosOfDivisionHaveSigns) {
  const Reals x = {0, -0.0L, 0, -0.0L, 6, -6, 6, -6, 1, -0.0L},
              y = {3, 3, -3, -3, 3, 3, -3, -3, kInfinity, kInfinity};
  const std::vector<bool> quotient = {false, true, true,  false, false,
                                      true,  true, false, false, true},
                          rest = {false, false, true, true, false, false, true, true, false, false};
  for (DType d : {DType::float16, DType::bfloat16, DType::float32, DType::float64}) {
    const Reals q = values(floor_divide(make(d, {10}, x), make(d, {10}, y))),
                r = values(remainder(make(d, {10}, x), make(d, {10}, y)));
    for (size_t i = 0; i < x.size(); ++i) {
      EXPECT_EQ(std::signbit(q[i]), quotient[i]) << dtype_name(d) << " " << i;
      EXPECT_EQ(std::signbit(r[i]), rest[i]) << dtype_name(d) << " " << i;
    }
    for (Real s : values(sign(make(d, {2}, {0, -0.0L})))) EXPECT_FALSE(std::signbit(s));
  }
  // On a multiple of y the remainder's slope is that of its neighbours.
  EXPECT_TRUE(near(first_of([](const Tensor& v) { return remainder(v, 3.0); }, {6, -6, 0, 7}),
                   {1, 1, 1, 1}));
  EXPECT_TRUE(near(first_of([](const Tensor& v) { return remainder(v, -3.0); }, {6, -6, 0, 7}),
                   {1, 1, 1, 1}));
}

TEST(Integers, DivisionByZeroIsZero) {
  for (DType d : {DType::uint8, DType::int8, DType::int32, DType::uint64, DType::int64}) {
    const Tensor x = make(d, {3}, {7, 0, 100}), zero = make(d, {3}, {0, 0, 0});
    EXPECT_TRUE(near(floor_divide(x, zero), {0, 0, 0})) << dtype_name(d);
    EXPECT_TRUE(near(remainder(x, zero), {0, 0, 0})) << dtype_name(d);
    EXPECT_TRUE(near(floor_divide(x, 0), {0, 0, 0})) << dtype_name(d);
  }
  // The one quotient that overflows wraps.
  EXPECT_TRUE(near(floor_divide(make(DType::int32, {1}, {INT32_MIN}), -1), {INT32_MIN}));
  EXPECT_TRUE(near(remainder(make(DType::int32, {1}, {INT32_MIN}), -1), {0}));
  EXPECT_EQ(values(floor_divide(make(DType::int64, {1}, {INT64_MIN}), -1))[0],
            static_cast<Real>(INT64_MIN));
}

TEST(Integers, ShiftsAndPowersAndWrapping) {
  const Tensor x = make(DType::int8, {4}, {-128, -1, 1, 100});
  for (int by : {8, 9, 100}) {
    EXPECT_TRUE(near(bitwise_left_shift(x, by), {0, 0, 0, 0})) << by;
    EXPECT_TRUE(near(bitwise_right_shift(x, by), {-1, -1, 0, 0})) << by;
  }
  EXPECT_TRUE(near(bitwise_left_shift(x, 1), {0, -2, 2, -56}));
  EXPECT_TRUE(near(bitwise_right_shift(make(DType::uint8, {2}, {255, 1}), 7), {1, 0}));
  EXPECT_TRUE(near(pow(make(DType::int32, {6}, {3, -2, 0, 1, -1, 2}), 3), {27, -8, 0, 1, -1, 8}));
  EXPECT_TRUE(near(pow(make(DType::int32, {5}, {3, 1, -1, 0, 2}), -1), {0, 1, -1, 0, 0}));
  EXPECT_TRUE(near(pow(make(DType::int32, {2}, {3, -3}), 2), {9, 9}));
  EXPECT_TRUE(near(pow(make(DType::int32, {2}, {2, 4}), 0.5), {std::sqrt(2.0L), 2}, 1e-7L));
  EXPECT_TRUE(near(pow(make(DType::int32, {2}, {2, 3}), 2.0), {4, 9}));
  EXPECT_EQ(pow(make(DType::int32, {2}, {2, 3}), 2.0).dtype(), DType::float32);
  EXPECT_TRUE(near(square(make(DType::uint8, {1}, {16})), {0}));
  EXPECT_TRUE(near(abs(make(DType::int8, {2}, {-128, -3})), {-128, 3}));
  EXPECT_TRUE(near(negative(make(DType::uint8, {1}, {1})), {255}));
}

// ---- edges of values
// -------------------------------------------------------------------------------------------------

TEST(Edges, NothingOverflowsOnTheWay) {
  for (DType d : {DType::float32, DType::float64}) {
    const Real e = 8 * epsilon_of(d);
    EXPECT_TRUE(near(sigmoid(make(d, {4}, {1e4, -1e4, kInfinity, -kInfinity})), {1, 0, 1, 0}));
    EXPECT_TRUE(
        near(softplus(make(d, {4}, {1e4, -1e4, kInfinity, -kInfinity})), {1e4, 0, kInfinity, 0}));
    EXPECT_TRUE(near(log_sigmoid(make(d, {3}, {1e4, -1e4, -kInfinity})), {0, -1e4, -kInfinity}));
    EXPECT_TRUE(near(logaddexp(make(d, {5}, {-kInfinity, kInfinity, 1e4, -kInfinity, -1e4}),
                               make(d, {5}, {-kInfinity, kInfinity, 1e4, 3, -1e4})),
                     {-kInfinity, kInfinity, 1e4L + std::log(2.0L), 3, -1e4L + std::log(2.0L)}, e));
    const Real big = d == DType::float32 ? 3e37L : 3e307L,
               small = d == DType::float32 ? 3e-30L : 3e-200L;
    EXPECT_TRUE(near(hypot(make(d, {6}, {big, small, 0, kInfinity, -kInfinity, 3}),
                           make(d, {6}, {4 * big / 3, 4 * small / 3, 0, kNan, 1, -4})),
                     {5 * big / 3, 5 * small / 3, 0, kInfinity, kInfinity, 5}, e));
    EXPECT_TRUE(near(expm1(make(d, {1}, {1e-12})),
                     {std::expm1(static_cast<Real>(values(make(d, {1}, {1e-12}))[0]))}, e));
    EXPECT_TRUE(near(tanh(make(d, {2}, {1e4, -1e4})), {1, -1}));
    EXPECT_TRUE(near(silu(make(d, {2}, {1e4, -1e4})), {1e4, 0}));
    EXPECT_TRUE(near(gelu(make(d, {2}, {100, -100})), {100, 0}));
  }
}

TEST(Edges, NanAndSignedZero) {
  const Tensor nan = make({2}, {kNan, 1});
  EXPECT_TRUE(near(maximum(nan, make({2}, {1, kNan})), {kNan, kNan}));
  EXPECT_TRUE(near(minimum(nan, make({2}, {1, kNan})), {kNan, kNan}));
  EXPECT_TRUE(near(clip(make({4}, {kNan, -1, 0, 9}), 0, 2), {kNan, 0, 0, 2}));
  EXPECT_TRUE(near(relu(nan), {kNan, 1}));
  EXPECT_TRUE(near(sign(make({3}, {kNan, -0.0L, -2})), {kNan, 0, -1}));
  EXPECT_TRUE(near(round(make({6}, {0.5, 1.5, 2.5, -0.5, -1.5, 1e300})), {0, 2, 2, 0, -2, 1e300}));
  EXPECT_TRUE(near(copysign(make({2}, {3, 3}), make({2}, {-0.0L, 0})), {-3, 3}));
  EXPECT_TRUE(near(sqrt(make({2}, {-1, 0})), {kNan, 0}));
  EXPECT_TRUE(near(log(make({2}, {0, -1})), {-kInfinity, kNan}));
  EXPECT_TRUE(near(pow(make({4}, {0, 0, kNan, 2}), make({4}, {0, -1, 0, 0.5})),
                   {1, kInfinity, 1, std::sqrt(2.0L)}, 1e-15L));
  EXPECT_TRUE(near(logical_and(make({3}, {kNan, 0, 0.5}), make({3}, {1, 1, 1})), {1, 0, 1}));
  EXPECT_TRUE(near(atan2(make({4}, {0, 0, -0.0L, 1}), make({4}, {1, -1, -1, 0})),
                   {0, std::acos(-1.0L), -std::acos(-1.0L), std::acos(0.0L)}, 1e-15L));
}

// ---- derivatives at the corners
// --------------------------------------------------------------------------------------

TEST(Slopes, SiluAndSoftplusFarOut) {
  const Reals at = {-100, -30, 0, 30, 100};
  Reals silu_slope, softplus_slope, softplus_second, silu_second;
  for (Real x : at) {
    const Real s = 1 / (1 + std::exp(-x)), rest = 1 / (1 + std::exp(x));
    silu_slope.push_back(s * (1 + x * rest));
    silu_second.push_back(s * rest * (2 + x * (1 - 2 * s)));
    softplus_slope.push_back(s);
    softplus_second.push_back(s * rest);
  }
  const Derivatives a = derivatives([](const Tensor& x) { return silu(x); }, leaf({5}, at));
  EXPECT_TRUE(near(a.first, silu_slope, 1e-13L, 1e-15L));
  EXPECT_TRUE(near(a.second, silu_second, 1e-12L, 1e-14L));
  const Derivatives b = derivatives([](const Tensor& x) { return softplus(x); }, leaf({5}, at));
  EXPECT_TRUE(near(b.first, softplus_slope, 1e-14L));
  EXPECT_TRUE(near(b.second, softplus_second, 1e-12L, 1e-15L));
  // In float32 exp(100) is infinite; no derivative may be NaN for it.
  const Derivatives c = derivatives(
      [](const Tensor& x) {
        return silu(x) + softplus(x) + mish(x) + gelu_tanh(x) + log_sigmoid(x) + gelu(x);
      },
      leaf({2}, {-100, 100}, DType::float32));
  EXPECT_TRUE(near(c.first, {1, 5}, 0, 1e-5L));
  EXPECT_TRUE(near(c.second, {0, 0}, 0, 1e-5L));
}

TEST(Slopes, Kinks) {
  EXPECT_TRUE(near(first_of([](const Tensor& x) { return relu(x); }, {-1, 0, 1}), {0, 0, 1}));
  EXPECT_TRUE(near(first_of([](const Tensor& x) { return abs(x); }, {-2, 0, 2}), {-1, 0, 1}));
  EXPECT_TRUE(near(first_of([](const Tensor& x) { return clip(x, 0, 1); }, {-1, 0, 0.5, 1, 2}),
                   {0, 1, 1, 1, 0}));
  EXPECT_TRUE(near(first_of([](const Tensor& x) { return leaky_relu(x, 0.25); }, {-1, 0, 1}),
                   {0.25, 0.25, 1}));
  EXPECT_TRUE(near(first_of([](const Tensor& x) { return elu(x); }, {-1, 0, 1}),
                   {std::exp(-1.0L), 1, 1}, 1e-15L));
  EXPECT_TRUE(
      near(first_of([](const Tensor& x) { return sign(x) + floor(x); }, {-1.5, 0.5}), {0, 0}));
  for (auto* f : {&maximum, &minimum}) {
    const Tensor a = leaf({3}, {1, 2, 3}), b = leaf({3}, {3, 2, 1});
    const auto g = grad({f(a, b).sum()}, {a, b});
    const bool is_max = f == &maximum;
    EXPECT_TRUE(near(g[0], is_max ? Reals{0, 0.5, 1} : Reals{1, 0.5, 0}));
    EXPECT_TRUE(near(g[1], is_max ? Reals{1, 0.5, 0} : Reals{0, 0.5, 1}));
  }
  EXPECT_TRUE(near(first_of([](const Tensor& x) { return hypot(x, 0.0); }, {0, 3}), {0, 1}));
}

TEST(Slopes, PowersAtZero) {
  const auto power = [](double n) {
    return derivatives([n](const Tensor& x) { return pow(x, make({}, {n})); }, leaf({2}, {0, 2}));
  };
  EXPECT_TRUE(near(power(0).first, {0, 0}));
  EXPECT_TRUE(near(power(0).second, {0, 0}));
  EXPECT_TRUE(near(power(1).first, {1, 1}));
  EXPECT_TRUE(near(power(1).second, {0, 0}));
  EXPECT_TRUE(near(power(2).first, {0, 4}));
  EXPECT_TRUE(near(power(2).second, {2, 2}));
  EXPECT_TRUE(near(power(3).first, {0, 12}, 1e-15L));
  EXPECT_TRUE(near(power(3).second, {0, 12}, 1e-15L));
  const Derivatives square =
      derivatives([](const Tensor& x) { return pow(x, 2); }, leaf({2}, {0, 2}));
  EXPECT_TRUE(near(square.first, {0, 4}));
  EXPECT_TRUE(near(square.second, {2, 2}));
  // d 0^y / dy is 0 for positive y, never 0 * log(0).
  EXPECT_TRUE(near(first_of(
                       [](const Tensor& y) {
                         return pow(make({2}, {0, 2}), y);
                       },
                       {2, 2}),
                   {0, 4 * std::log(2.0L)}, 1e-15L));
}

// A slope that is zero everywhere is a zero gradient, not a missing one.
TEST(Slopes, StepsHaveZeroGradients) {
  const Tensor x = leaf({2}, {-1.5, 0.5});
  EXPECT_TRUE(near(grad({floor(x).sum()}, {x})[0], {0, 0}));
  EXPECT_TRUE(near(grad({(sign(x) * 3).sum()}, {x})[0], {0, 0}));
  round(x).sum().backward();
  EXPECT_TRUE(x.grad().defined());
}

// Where a row has a special case for equal arguments, the second derivative must not see it as a
// constant.
TEST(Slopes, LogaddexpAtEqualArguments) {
  const Derivatives d = derivatives(
      [](const Tensor& x) {
        return logaddexp(x, make({2}, {0, 3}));
      },
      leaf({2}, {0, 3}));
  EXPECT_TRUE(near(d.first, {0.5, 0.5}));
  EXPECT_TRUE(near(d.second, {0.25, 0.25}));
  const Tensor nowhere = leaf({1}, {-kInfinity});
  EXPECT_TRUE(near(grad({logaddexp(nowhere, nowhere)}, {nowhere})[0], {1}));
  const Tensor a = leaf({1}, {-kInfinity}), b = leaf({1}, {2});
  const auto g = grad({logaddexp(a, b)}, {a, b});
  EXPECT_TRUE(near(g[0], {0}));
  EXPECT_TRUE(near(g[1], {1}));
}

// The guard of a select travels with the gradient: sqrt's infinite slope at 0 is not taken there,
// to second order, in one fused program as in separate calls' composition of it.
TEST(Slopes, GuardedSquareRootIsFinite) {
  const Fused guarded = fuse("guarded_sqrt", 1, 1, [](const map::Value* x, map::Value* y) {
    y[0] = select(0.0 < x[0], sqrt(x[0]), 0.0);
  });
  const Derivatives d =
      derivatives([&](const Tensor& x) { return guarded({x})[0]; }, leaf({3}, {0, 4, -1}));
  EXPECT_TRUE(near(d.first, {0, 0.25, 0}));
  EXPECT_TRUE(near(d.second, {0, -1 / 32.0L, 0}));
}

}  // namespace
}  // namespace tenon
