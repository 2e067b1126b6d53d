// Reductions against plain loops in long double: every set of axes, dtype and memory order, NaN,
// ties, empty axes, more than eight dimensions, and gradients by finite differences to second
// order.
#include "tenon/ops/reduce.h"

#include "tenon/ops/elementwise.h"
#include "tenon/ops/tensor_testing.h"

namespace tenon {
namespace {

// The reference: `numbers` of `shape` grouped by the kept coordinates, each group in row-major
// order.
std::vector<Reals> groups_of(const Dims& shape, const Reals& numbers,
                             const std::vector<int>& axes) {
  std::vector<char> reduced(static_cast<size_t>(shape.size()), axes.empty());
  for (int a : axes) reduced[static_cast<size_t>(a)] = 1;
  int64_t results = 1;
  for (int i = 0; i < shape.size(); ++i) results *= reduced[static_cast<size_t>(i)] ? 1 : shape[i];
  std::vector<Reals> groups(static_cast<size_t>(results));
  std::vector<int64_t> at(static_cast<size_t>(shape.size()), 0);
  for (Real number : numbers) {
    int64_t group = 0;
    for (int i = 0; i < shape.size(); ++i) {
      if (!reduced[static_cast<size_t>(i)]) group = group * shape[i] + at[static_cast<size_t>(i)];
    }
    groups[static_cast<size_t>(group)].push_back(number);
    for (int i = shape.size(); i-- > 0;) {
      if (++at[static_cast<size_t>(i)] < shape[i]) break;
      at[static_cast<size_t>(i)] = 0;
    }
  }
  return groups;
}

Real total(const Reals& x) {
  Real s = 0;
  for (Real v : x) s += v;
  return s;
}
Real variance(const Reals& x, Real correction) {
  const auto n = static_cast<Real>(x.size());
  const Real mean = total(x) / n;
  Real s = 0;
  for (Real v : x) s += (v - mean) * (v - mean);
  return s / (n - correction);
}
Real product(const Reals& x) {
  Real p = 1;
  for (Real v : x) p *= v;
  return p;
}
Real extreme(const Reals& x, int sign) {
  Real e = x[0];
  for (Real v : x) {
    if (std::isnan(v)) return v;
    if (sign * v > sign * e) e = v;
  }
  return e;
}
Real position(const Reals& x, int sign) {
  size_t best = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    if (std::isnan(x[i])) return static_cast<Real>(i);
    if (sign * x[i] > sign * x[best]) best = i;
  }
  return static_cast<Real>(best);
}

struct Case {
  const char* name;
  Tensor (*run)(const Tensor&, DimsView, bool);
  Real (*judge)(const Reals&);
  DType (*result)(DType);
  bool exact;  // no rounding beyond the dtype's own
};
DType same(DType d) { return d; }
DType summed(DType d) {
  if (is_floating(d)) return d;
  return dtype_info(d).kind == DTypeKind::UInt ? DType::uint64 : DType::int64;
}
DType floating(DType d) { return is_floating(d) ? d : DType::float32; }
DType truth(DType) { return DType::bool_; }
constexpr Case kCases[] = {
    {"sum", &sum, &total, &summed, false},
    {"prod", &prod, &product, &summed, false},
    {"mean", &mean, [](const Reals& x) { return total(x) / static_cast<Real>(x.size()); },
     &floating, false},
    {"var", [](const Tensor& x, DimsView a, bool k) { return var(x, a, 0, k); },
     [](const Reals& x) { return variance(x, 0); }, &floating, false},
    {"std", [](const Tensor& x, DimsView a, bool k) { return tenon::std(x, a, 1, k); },
     [](const Reals& x) { return std::sqrt(variance(x, 1)); }, &floating, false},
    {"max", &max, [](const Reals& x) { return extreme(x, 1); }, &same, true},
    {"min", &min, [](const Reals& x) { return extreme(x, -1); }, &same, true},
    {"any", &any,
     [](const Reals& x) {
       return static_cast<Real>(std::any_of(x.begin(), x.end(), [](Real v) { return v != 0; }));
     },
     &truth, true},
    {"all", &all,
     [](const Reals& x) {
       return static_cast<Real>(std::all_of(x.begin(), x.end(), [](Real v) { return v != 0; }));
     },
     &truth, true},
};
constexpr DType kDTypes[] = {DType::bool_,  DType::uint8,   DType::int8,     DType::uint16,
                             DType::int16,  DType::uint32,  DType::int32,    DType::uint64,
                             DType::int64,  DType::float16, DType::bfloat16, DType::float32,
                             DType::float64};

// Small numbers, zeros among them: sums and products are exact in integers and harmless in floats.
Reals numbers_for(DType d, int64_t count) {
  Reals x = random_reals(count, is_floating(d) ? -2 : 0, 2.99, 7);
  if (!is_floating(d)) {
    for (Real& v : x) v = d == DType::bool_ ? std::floor(v / 1.5L) : std::floor(v);
  }
  return values(make(d, {count}, x));
}

void check(const Case& c, DType d, Layout layout, const Dims& shape, const std::vector<int>& axes) {
  SCOPED_TRACE(std::string(c.name) + " " + std::string(dtype_name(d)) + shape_text(shape) +
               " layout " + std::to_string(static_cast<int>(layout)) + " axes " +
               testing::PrintToString(axes));
  const Reals numbers = numbers_for(d, element_count("", shape));
  const Tensor x = make_as(layout, d, shape, numbers);
  Reals want;
  Real size = 0;
  for (const Reals& g : groups_of(shape, numbers, axes)) {
    want.push_back(c.judge(g));
    Real magnitude = 0;
    for (Real v : g) magnitude += std::abs(v);
    size = std::max(size, magnitude);
  }
  Dims named, kept = shape, dropped;
  for (int a : axes) named.push_back(a % 2 == 0 ? a : a - shape.size());  // from either end
  for (int i = 0; i < shape.size(); ++i) {
    const bool gone = axes.empty() || std::find(axes.begin(), axes.end(), i) != axes.end();
    if (gone) kept[i] = 1;
    if (!gone) dropped.push_back(shape[i]);
  }
  const DType result = c.result(d);
  const Real compute = c.exact || !is_floating(result) ? 0 : 16 * epsilon_of(compute_dtype(result));
  const Real last = compute_dtype(result) == result ? 0 : epsilon_of(result);
  for (bool keepdims : {false, true}) {
    const Tensor y = c.run(x, named, keepdims);
    EXPECT_EQ(y.dtype(), result);
    EXPECT_EQ(shape_of(y), keepdims ? kept : dropped);
    EXPECT_TRUE(
        near(y, want, compute + last, compute * size + (result == DType::float16 ? 0x1p-25L : 0)));
  }
}

TEST(Reduce, EverySetOfAxesAndMemoryOrder) {
  const Dims shape = {3, 4, 5};
  for (const Case& c : kCases) {
    for (Layout layout : kLayouts) {
      for (const std::vector<int>& axes :
           {std::vector<int>{}, {0}, {1}, {2}, {0, 1}, {0, 2}, {1, 2}, {2, 0, 1}}) {
        check(c, DType::float64, layout, shape, axes);
      }
    }
  }
}

TEST(Reduce, EveryDType) {
  for (const Case& c : kCases) {
    for (DType d : kDTypes) {
      check(c, d, Layout::kContiguous, {5, 6}, {1});
      check(c, d, Layout::kTransposed, {5, 6}, {1});
      check(c, d, Layout::kReversed, {7}, {});
    }
  }
}

TEST(Reduce, ScalarsOddSizesAndManyElements) {
  for (const Case& c : kCases) {
    const bool grows = std::string_view(c.name) == "prod";
    if (std::string_view(c.name) != "std")
      check(c, DType::float64, Layout::kContiguous, {}, {});  // std of one: 0 / 0
    for (int64_t n : {2, 17, 63, 65}) check(c, DType::float32, Layout::kStepped, {n}, {});
    if (grows) continue;
    check(c, DType::float64, Layout::kContiguous, {100003}, {});
    check(c, DType::float32, Layout::kContiguous, {257, 129}, {0});
    check(c, DType::float32, Layout::kTransposed, {257, 129}, {1});
    check(c, DType::float64, Layout::kReversed, {33, 65, 9}, {0, 2});
  }
}

TEST(Reduce, MoreThanEightDimensions) {
  const Dims shape = {2, 1, 2, 3, 1, 2, 2, 1, 2, 2};
  for (const Case& c : kCases) {
    for (Layout layout : {Layout::kContiguous, Layout::kTransposed, Layout::kReversed}) {
      check(c, DType::float64, layout, shape, {0, 3, 9});
      check(c, DType::float64, layout, shape, {2, 5, 8});
      check(c, DType::float64, layout, shape, {});
    }
  }
}

TEST(Reduce, IntegersSumIn64Bits) {
  const Tensor bytes = make(DType::uint8, {1000}, Reals(1000, 200));
  EXPECT_EQ(sum(bytes).dtype(), DType::uint64);
  EXPECT_TRUE(near(sum(bytes), {200000}));
  EXPECT_TRUE(near(sum(make(DType::bool_, {300}, Reals(300, 1))), {300}));
  EXPECT_TRUE(near(prod(make(DType::int8, {4}, {100, 100, 100, -3})), {-3000000}));
  EXPECT_TRUE(near(sum(make(DType::int64, {2}, {INT64_MAX, 1})), {static_cast<Real>(INT64_MIN)}));
  EXPECT_EQ(mean(bytes).dtype(), DType::float32);
  EXPECT_TRUE(near(mean(bytes), {200}));
}

TEST(Reduce, SixteenBitFloatsAccumulateIn32) {
  // In float16, 2048 + 1 is 2048: only a wider accumulator gives 4000.
  EXPECT_TRUE(near(sum(make(DType::float16, {4000}, Reals(4000, 1))), {4000}));
  EXPECT_TRUE(near(mean(make(DType::bfloat16, {4000}, Reals(4000, 1))), {1}));
  EXPECT_TRUE(near(var(make(DType::float16, {3}, {60000, 60000, 60000})), {0}));
  EXPECT_TRUE(near(mean(make(DType::float16, {3}, {60000, 60000, 60000})), {60000}, 0x1p-11L));
}

TEST(Reduce, VarianceDoesNotCancel) {
  // A large mean: E[x^2] - E[x]^2 would lose everything. Var of {4, 7, 13, 16} is 22.5, 30 with
  // correction 1.
  const Tensor x = make({4}, {1e9 + 4, 1e9 + 7, 1e9 + 13, 1e9 + 16});
  EXPECT_TRUE(near(var(x), {22.5}, 1e-12L));
  EXPECT_TRUE(near(var(x, {}, 1), {30}, 1e-12L));
  EXPECT_TRUE(near(tenon::std(x, {}, 1), {std::sqrt(30.0L)}, 1e-12L));
  EXPECT_TRUE(near(var(make({1}, {3}), {}, 1), {kNan}));
}

TEST(Reduce, NanIsNeverLost) {
  const Tensor x = make({2, 3}, {1, kNan, 3, 4, 5, 6});
  for (auto* f : {&max, &min, &sum, &prod, &mean})
    EXPECT_TRUE(std::isnan(values((*f)(x, {1}, false))[0]));
  EXPECT_TRUE(near(max(x, {1}), {kNan, 6}));
  EXPECT_TRUE(near(argmax(x, 1), {1, 2}));
  EXPECT_TRUE(near(argmin(x, 1), {1, 0}));
  EXPECT_TRUE(near(any(make({1}, {kNan})), {1}));
  // In a long line, at any place.
  for (int64_t at : {0, 5, 511, 998}) {
    Reals line(999, 1);
    line[static_cast<size_t>(at)] = kNan;
    EXPECT_TRUE(near(max(make(DType::float32, {999}, line)), {kNan})) << at;
    EXPECT_TRUE(near(argmin(make(DType::float32, {999}, line)), {static_cast<Real>(at)})) << at;
  }
}

TEST(Arg, FirstExtremeInEveryOrder) {
  const Dims shape = {4, 3, 5};
  for (DType d : kDTypes) {
    const Reals numbers = numbers_for(d, 60);
    for (Layout layout : kLayouts) {
      SCOPED_TRACE(std::string(dtype_name(d)) + " layout " +
                   std::to_string(static_cast<int>(layout)));
      const Tensor x = make_as(layout, d, shape, numbers);
      for (int axis = -1; axis < 3; ++axis) {  // -1: the flattened tensor
        Reals high, low;
        for (const Reals& g :
             groups_of(shape, numbers, axis < 0 ? std::vector<int>{} : std::vector<int>{axis})) {
          high.push_back(position(g, 1));
          low.push_back(position(g, -1));
        }
        EXPECT_TRUE(near(argmax(x, axis < 0 ? kUnset : axis), high)) << axis;
        EXPECT_TRUE(near(argmin(x, axis < 0 ? kUnset : axis), low)) << axis;
      }
    }
  }
  EXPECT_EQ(shape_of(argmax(make(shape, counting(60)), 1, true)), (Dims{4, 1, 5}));
  EXPECT_EQ(argmax(make(shape, counting(60))).dtype(), DType::int64);
  EXPECT_TRUE(near(argmax(make({100003}, counting(100003))), {100002}));
  EXPECT_TRUE(near(argmax(make(DType::int64, {2}, {(1ll << 53), (1ll << 53) + 1})), {1}));
}

TEST(Reduce, EmptyAxes) {
  const Tensor x = make({0, 3}, {});
  EXPECT_TRUE(near(sum(x, {0}), {0, 0, 0}));
  EXPECT_TRUE(near(prod(x, {0}), {1, 1, 1}));
  EXPECT_TRUE(near(mean(x, {0}), {kNan, kNan, kNan}));
  EXPECT_TRUE(near(var(x, {0}), {kNan, kNan, kNan}));
  EXPECT_TRUE(near(any(x, {0}), {0, 0, 0}));
  EXPECT_TRUE(near(all(x, {0}), {1, 1, 1}));
  EXPECT_TRUE(near(sum(make(DType::int32, {0}, {})), {0}));
  // No element to reduce, and none to give: fine even for max.
  EXPECT_EQ(shape_of(max(x, {1})), (Dims{0}));
  for (auto* f : {&max, &min})
    EXPECT_TRUE(has(error_of(ErrorCode::kShape, [&] { (*f)(x, {0}, false); }), "[0, 3]"));
  error_of(ErrorCode::kShape, [&] { argmax(x, 0); });
  const Tensor leaf_x = leaf({0, 3}, {});
  EXPECT_EQ(shape_of(grad({sum(leaf_x)}, {leaf_x})[0]), (Dims{0, 3}));
}

TEST(Reduce, Errors) {
  const Tensor x = make({2, 3}, counting(6));
  EXPECT_TRUE(has(error_of(ErrorCode::kAxis, [&] { sum(x, {2}); }), "sum"));
  error_of(ErrorCode::kAxis, [&] { sum(x, {0, 0}); });
  error_of(ErrorCode::kAxis, [&] { sum(x, {0, -2}); });
  error_of(ErrorCode::kAxis, [&] { argmax(x, -3); });
  error_of(ErrorCode::kInvalidArgument, [&] { max(Tensor()); });
  error_of(ErrorCode::kDType, [&] { max(make(DType::complex64, {1}, {1})); });
}

TEST(SumTo, UndoesBroadcasting) {
  const Tensor x = make({2, 3, 4}, counting(24));
  EXPECT_TRUE(near(sum_to(x, {3, 1}), {60, 92, 124}));
  EXPECT_TRUE(near(sum_to(x, {}), {276}));
  EXPECT_EQ(shape_of(sum_to(x, {1, 1, 4})), (Dims{1, 1, 4}));
  error_of(ErrorCode::kShape, [&] { sum_to(x, {2}); });
}

// ---- gradients
// -------------------------------------------------------------------------------------------------------

TEST(ReduceGradient, SecondOrderOverAxes) {
  for (const Case& c : kCases) {
    if (c.result(DType::float64) == DType::bool_) continue;
    for (const Dims& axes : {Dims{}, Dims{0}, Dims{-1}, Dims{0, 2}}) {
      for (bool keepdims : {false, true}) {
        SCOPED_TRACE(std::string(c.name) + " axes " + shape_text(axes) + (keepdims ? " kept" : ""));
        const std::vector<Tensor> x = {leaf({2, 3, 2}, random_reals(12, 0.5, 2, 3))};
        EXPECT_GRADIENTS(
            [&](std::span<const Tensor> in) { return square(c.run(in[0], axes, keepdims)); }, x);
      }
    }
  }
}

TEST(ReduceGradient, TransposedAndReversedInputs) {
  const std::vector<Tensor> x = {leaf({2, 3}, random_reals(6, 0.5, 2, 3))};
  for (const Case& c : kCases) {
    if (c.result(DType::float64) == DType::bool_) continue;
    EXPECT_GRADIENTS(
        [&](std::span<const Tensor> in) {
          return square(c.run(flip(in[0].transpose()), {1}, false));
        },
        x)
        << c.name;
  }
}

TEST(ReduceGradient, TiesShareEqually) {
  const Tensor x = leaf({2, 3}, {1, 3, 3, 2, 2, 2});
  EXPECT_TRUE(
      near(grad({max(x, {1}).sum()}, {x})[0], {0, 0.5, 0.5, 1 / 3.0L, 1 / 3.0L, 1 / 3.0L}, 1e-16L));
  EXPECT_TRUE(
      near(grad({min(x, {1}).sum()}, {x})[0], {1, 0, 0, 1 / 3.0L, 1 / 3.0L, 1 / 3.0L}, 1e-16L));
}

// A product with one zero, two zeros and none, to second order: the others' product has no division
// by zero in it.
TEST(ReduceGradient, ProductWithZeros) {
  for (const Reals& numbers : {Reals{2, 3, 4}, Reals{2, 0, 4}, Reals{0, 3, 0}, Reals{0, 0, 0}}) {
    const std::vector<Tensor> x = {leaf({3}, numbers)};
    EXPECT_GRADIENTS([](std::span<const Tensor> in) { return prod(in[0]); }, x)
        << static_cast<double>(numbers[0]);
  }
  const Tensor x = leaf({3}, {2, 0, 4});
  EXPECT_TRUE(near(grad({prod(x)}, {x})[0], {0, 8, 0}));
}

}  // namespace
}  // namespace tenon
