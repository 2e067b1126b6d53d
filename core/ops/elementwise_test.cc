// Every row of elementwise.def against libm in long double: over dtypes, layouts, broadcasting and
// sizes, in place, and its gradients by finite differences to second order. A row added to the
// table is tested by being there, and fails until elementwise_reference.h says what it means.
#include "tenon/ops/elementwise.h"

#include "core/ops/elementwise_reference.h"
#include "tenon/ops/map_op.h"
#include "tenon/ops/tensor_testing.h"

namespace tenon {
namespace {

using Inputs = std::vector<Tensor>;

Tensor call(const ElementwiseRow& row, std::span<const Tensor> inputs) {
  std::vector<Operand> operands(inputs.begin(), inputs.end());
  Tensor out;
  row.op->call(operands.data(), &out);
  return out;
}

bool has_class(const ElementwiseRow& row, std::initializer_list<std::string_view> classes) {
  return std::find(classes.begin(), classes.end(), row.dtype_class) != classes.end();
}
bool gives_bool(const ElementwiseRow& row) {
  return has_class(row, {"compare", "predicate", "logic"});
}
bool takes(const ElementwiseRow& row, DType d) {
  if (is_floating(d)) return !has_class(row, {"bits", "integer"});
  if (d == DType::bool_) return has_class(row, {"any", "bits", "logic", "compare"});
  return has_class(row, {"any", "real", "bits", "integer", "logic", "compare"});
}

Reference reference_of(const ElementwiseRow& row) {
  const auto found = elementwise_references().find(row.name);
  if (found != elementwise_references().end()) return found->second;
  ADD_FAILURE() << "row " << row.name
                << " has no reference: add what it means to core/ops/elementwise_reference.h";
  return {};
}

// Numbers of the row's domain that `d` holds.
Reals samples(const ElementwiseRow& row, DType d, int64_t count, uint64_t seed) {
  if (is_floating(d)) return random_reals(count, row.low, row.high, seed);
  double low = std::ceil(row.low), high = std::floor(row.high);
  if (dtype_info(d).kind != DTypeKind::Int) low = std::max(low, 0.0);
  if (d == DType::bool_) high = 1;
  Reals out = random_reals(count, low, high + 1, seed);
  for (Real& x : out) x = std::min(std::floor(x), static_cast<Real>(high));
  return out;
}

// What an integer dtype keeps of a number.
Real wrapped(DType d, Real x) {
  if (is_floating(d)) return x;
  const int bits = d == DType::bool_ ? 1 : static_cast<int>(8 * item_size(d));
  const Real size = std::ldexp(Real{1}, bits);
  Real r = x - std::floor(x / size) * size;
  if (dtype_info(d).kind == DTypeKind::Int && r >= size / 2) r -= size;
  return r;
}

// The row at the numbers that the inputs hold after rounding to their dtype; the inputs broadcast
// to `count`.
Reals expected(const Reference& f, DType d, const Inputs& inputs, bool is_bool) {
  Reals columns[3], out;
  for (size_t k = 0; k < inputs.size(); ++k) columns[k] = values(inputs[k]);
  for (size_t i = 0; i < columns[0].size(); ++i) {
    const auto at = [&](size_t k) { return columns[k].empty() ? 0 : columns[k][i]; };
    const Real y = f(at(0), at(1), at(2));
    out.push_back(is_bool ? y : wrapped(d, y));
  }
  return out;
}

// One rounding to `d`, after some in the dtype that is computed in. 40 units: what a composed row
// may lose.
testing::AssertionResult close(DType d, const Tensor& got, const Reals& want) {
  const Real compute = 40 * epsilon_of(compute_dtype(d)),
             last = compute_dtype(d) == d ? 0 : epsilon_of(d);
  return near(got, want, compute + last, compute + (d == DType::float16 ? 0x1p-25L : 0));
}

constexpr DType kAllDTypes[] = {DType::bool_,  DType::uint8,   DType::int8,     DType::uint16,
                                DType::int16,  DType::uint32,  DType::int32,    DType::uint64,
                                DType::int64,  DType::float16, DType::bfloat16, DType::float32,
                                DType::float64};

class Row : public testing::TestWithParam<int> {
 protected:
  const ElementwiseRow& row() const { return elementwise_rows()[static_cast<size_t>(GetParam())]; }
};

// Value, dtype and shape for every dtype the class admits; the others are refused.
TEST_P(Row, ValueInEveryDType) {
  const Reference f = reference_of(row());
  if (!f) return;
  for (DType d : kAllDTypes) {
    SCOPED_TRACE(dtype_name(d));
    Inputs inputs;
    for (int k = 0; k < row().operands; ++k)
      inputs.push_back(make(d, {3, 7}, samples(row(), d, 21, 5 + static_cast<uint64_t>(k))));
    if (!takes(row(), d)) {
      if (has_class(row(), {"floating", "predicate"})) {  // bool and integers become float32
        EXPECT_EQ(call(row(), inputs).dtype(), gives_bool(row()) ? DType::bool_ : DType::float32);
      } else {
        error_of(ErrorCode::kDType, [&] { call(row(), inputs); });
      }
      continue;
    }
    const Tensor y = call(row(), inputs);
    EXPECT_EQ(y.dtype(), gives_bool(row()) ? DType::bool_ : d);
    EXPECT_EQ(shape_of(y), (Dims{3, 7}));
    EXPECT_TRUE(close(d, y, expected(f, d, inputs, gives_bool(row()))));
  }
}

// The operands in different memory orders each, 0-d and empty ones, and a large one that is split
// among threads.
TEST_P(Row, LayoutsAndSizes) {
  const Reference f = reference_of(row());
  if (!f) return;
  const DType wide = takes(row(), DType::float64) ? DType::float64 : DType::int64;
  const DType narrow = takes(row(), DType::float32) ? DType::float32 : DType::int32;
  for (const Dims& shape : {Dims{}, Dims{1}, Dims{5, 3}, Dims{2, 3, 5}, Dims{0, 4}, Dims{100003}}) {
    for (size_t l = 0; l < (shape == Dims{100003} ? 1u : 4u); ++l) {
      for (DType d : {wide, narrow}) {
        SCOPED_TRACE(shape_text(shape) + " layout " + std::to_string(l) + " " +
                     std::string(dtype_name(d)));
        Inputs inputs;
        for (size_t k = 0; k < static_cast<size_t>(row().operands); ++k) {
          const int64_t count = element_count("", shape);
          inputs.push_back(
              make_as(kLayouts[(l + k) % 4], d, shape, samples(row(), d, count, 11 + k)));
        }
        const Tensor y = call(row(), inputs);
        EXPECT_EQ(shape_of(y), shape);
        EXPECT_TRUE(close(d, y, expected(f, d, inputs, gives_bool(row()))));
      }
    }
  }
}

// Operands of different shapes meet by NumPy's rule; numbers are weak; an operand may overlap
// itself (stride 0).
TEST_P(Row, Broadcasts) {
  const Reference f = reference_of(row());
  if (!f) return;
  const DType d = takes(row(), DType::float64) ? DType::float64 : DType::int64;
  const Dims shapes[] = {Dims{4, 1, 3}, Dims{2, 1}, Dims{}};
  Inputs inputs, wide;
  for (size_t k = 0; k < static_cast<size_t>(row().operands); ++k) {
    inputs.push_back(make(d, shapes[k], samples(row(), d, element_count("", shapes[k]), 3 + k)));
    wide.push_back(broadcast_to(inputs[k], row().operands == 1 ? Dims{4, 2, 3} : Dims{4, 2, 3}));
  }
  const Reals want = expected(f, d, wide, gives_bool(row()));
  EXPECT_TRUE(close(d, call(row(), wide), want));
  if (row().operands == 1) return;
  const Tensor y = call(row(), inputs);
  EXPECT_EQ(shape_of(y), (Dims{4, 2, 3}));
  EXPECT_TRUE(close(d, y, want));
  if (row().operands == 2) {  // a number for the second operand
    const auto number = static_cast<double>(samples(row(), d, 1, 9)[0]);
    const Operand operands[] = {
        inputs[0], is_floating(d) ? Scalar(number) : Scalar(static_cast<int64_t>(number))};
    Tensor with_number;
    row().op->call(operands, &with_number);
    const Inputs same = {inputs[0], make(d, shapes[0], Reals(12, number))};
    EXPECT_EQ(with_number.dtype(), gives_bool(row()) ? DType::bool_ : d);
    EXPECT_TRUE(close(d, with_number, expected(f, d, same, gives_bool(row()))));
  }
}

// x_(..) writes what (..) gives into x, in any layout, through its base; also where an operand
// overlaps x.
TEST_P(Row, InPlaceIsOutOfPlace) {
  const DType d = takes(row(), DType::float64) ? DType::float64 : DType::int64;
  for (Layout layout : kLayouts) {
    Inputs inputs;
    for (size_t k = 0; k < static_cast<size_t>(row().operands); ++k) {
      inputs.push_back(
          make_as(k == 0 ? layout : Layout::kContiguous, d, {3, 4}, samples(row(), d, 12, 21 + k)));
    }
    const Reals want = values(call(row(), inputs));
    std::vector<Operand> operands(inputs.begin(), inputs.end());
    Tensor x = inputs[0];
    const uint32_t version = x.version();
    row().op->call_inplace("in_place", x, operands.data());
    EXPECT_TRUE(near(x, want));
    EXPECT_EQ(x.dtype(), d);
    EXPECT_NE(x.version(), version);
  }
  if (row().operands != 2) return;
  // x = f(x, x reversed): every element is read before it is overwritten.
  const Tensor base = make(d, {9}, samples(row(), d, 9, 31)), copy = base.clone();
  Tensor x = base;
  Tensor want;
  const Tensor reversed = flip(copy), own = flip(base);
  const Operand separate[] = {copy, reversed}, overlapping[] = {x, own};
  row().op->call(separate, &want);
  row().op->call_inplace("in_place", x, overlapping);
  EXPECT_TRUE(near(x, values(want)));
}

// Gradients of every differentiable row, of one shape and broadcast, by central differences to
// second order.
TEST_P(Row, GradientsToSecondOrder) {
  if (gives_bool(row()) || !takes(row(), DType::float64)) return;
  const Dims shapes[2][3] = {{Dims{7}, Dims{7}, Dims{7}}, {Dims{2, 3}, Dims{3}, Dims{2, 1}}};
  for (int s = 0; s < (row().operands == 1 ? 1 : 2); ++s) {
    Inputs inputs;
    for (int k = 0; k < row().operands; ++k) {
      const Dims& shape = shapes[s][k];
      inputs.push_back(leaf(shape, random_reals(element_count("", shape), row().low, row().high,
                                                41 + static_cast<uint64_t>(k))));
    }
    EXPECT_GRADIENTS([&](std::span<const Tensor> x) { return call(row(), x); }, inputs);
  }
}

INSTANTIATE_TEST_SUITE_P(Elementwise, Row,
                         testing::Range(0, static_cast<int>(elementwise_rows().size())),
                         [](const auto& row) {
                           return elementwise_rows()[static_cast<size_t>(row.param)].name;
                         });

TEST(ElementwiseTable, HasFortyRowsAndEachIsDocumented) {
  EXPECT_GE(elementwise_rows().size(), 40u);
  for (const ElementwiseRow& row : elementwise_rows()) {
    EXPECT_STRNE(row.doc, "") << row.name;
    EXPECT_STREQ(row.op->name(), row.name);
    EXPECT_EQ(row.op->n_operands(), row.operands) << row.name;
    EXPECT_LT(row.low, row.high) << row.name;
  }
}

// The generated C++ functions call their rows: one of each arity, and the operators.
TEST(ElementwiseTable, FunctionsAndOperators) {
  const Tensor a = make({3}, {1, 2, 3}), b = make({3}, {3, 2, 1});
  EXPECT_TRUE(near(exp(a), {std::exp(1.0L), std::exp(2.0L), std::exp(3.0L)}, 1e-15L));
  EXPECT_TRUE(near(a + b * 2 - 1 / a, {6, 5.5L, 5 - 1 / 3.0L}, 1e-15L));
  EXPECT_TRUE(near(clip(a, 1.5, b), {1.5L, 2, 1}));
  EXPECT_TRUE(near(-a, {-1, -2, -3}));
  EXPECT_TRUE(near((a < b) | (a == 3), {1, 0, 1}));
  EXPECT_TRUE(near(~(a >= b) ^ (b != 2), {0, 0, 1}));
  EXPECT_TRUE(near(2 < a, {0, 0, 1}));
  EXPECT_TRUE(near(where(a > b, a, -1), {-1, -1, 3}));
  Tensor c = a.clone();
  c += b;
  c *= 2;
  c -= 1;
  c /= 7;
  EXPECT_TRUE(near(c, {1, 1, 1}));
}

}  // namespace
}  // namespace tenon
