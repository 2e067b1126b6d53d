// Elementwise functions: one per row of elementwise.def, where their formulas stand.
//
//   add(a, b)  a + b  multiply(a, 0.5)  exp(x)  where(x > 0, x, 0.0)
//   add_(x, b)  exp_(x)                          the same, written into x
//
// Arguments are tensors or numbers (at least one tensor), all on one device; shapes broadcast by
// NumPy's rule; dtypes promote as the row's class says. Differentiable in every floating argument,
// to any order. Results are new contiguous tensors, or keep the layout where all arguments share
// one dense layout. The in-place forms keep x's dtype and shape and return x. They refuse
// (tenon::Error, nothing written) a leaf that requires a gradient, a read-only or self-overlapping
// x, and a result that x's dtype cannot hold (floating into integer). x may be a temporary view:
// y[0] *= w, exp_(y[0]).
#ifndef TENON_OPS_ELEMENTWISE_H_
#define TENON_OPS_ELEMENTWISE_H_

#include <span>

#include "tenon/ops/operand.h"

// Tests compile a copy of the table with a row more.
#ifndef TENON_ELEMENTWISE_DEF
#define TENON_ELEMENTWISE_DEF "tenon/ops/elementwise.def"
#endif

namespace tenon {

#define TENON_UNARY(name, dtype_class, value, slope, low, high, doc) \
  Tensor name(const Tensor& x);                                      \
  Tensor& name##_(Tensor& x);                                        \
  inline Tensor name##_(Tensor&& x) { return name##_(x); }
#define TENON_BINARY(name, dtype_class, value, slope_x, slope_y, low, high, doc) \
  Tensor name(const Operand& x, const Operand& y);                               \
  Tensor& name##_(Tensor& x, const Operand& y);                                  \
  inline Tensor name##_(Tensor&& x, const Operand& y) { return name##_(x, y); }
#define TENON_TERNARY(name, dtype_class, value, low, high, doc) \
  Tensor name(const Operand& x, const Operand& y, const Operand& z);
#include TENON_ELEMENTWISE_DEF
#undef TENON_UNARY
#undef TENON_BINARY
#undef TENON_TERNARY

class MapOp;
// What the table says of a row; for tests and documentation.
struct ElementwiseRow {
  const char* name;
  const char* dtype_class;
  const char* doc;
  int operands;
  double low, high;
  MapOp* op;
};
std::span<const ElementwiseRow> elementwise_rows();

// condition (bool) ? x : y, elementwise.
Tensor where(const Tensor& condition, const Operand& x, const Operand& y);

// Operators; at least one side is a tensor.
#define TENON_OPERATOR(symbol, name)                                                     \
  inline Tensor operator symbol(const Tensor& x, const Tensor& y) { return name(x, y); } \
  inline Tensor operator symbol(const Tensor& x, Scalar y) { return name(x, y); }        \
  inline Tensor operator symbol(Scalar x, const Tensor& y) { return name(x, y); }
TENON_OPERATOR(+, add)
TENON_OPERATOR(-, subtract)
TENON_OPERATOR(*, multiply)
TENON_OPERATOR(/, divide)
TENON_OPERATOR(<, less)
TENON_OPERATOR(<=, less_equal)
TENON_OPERATOR(>, greater)
TENON_OPERATOR(>=, greater_equal)
TENON_OPERATOR(==, equal)
TENON_OPERATOR(!=, not_equal)
TENON_OPERATOR(&, bitwise_and)
TENON_OPERATOR(|, bitwise_or)
TENON_OPERATOR(^, bitwise_xor)
#undef TENON_OPERATOR
inline Tensor operator-(const Tensor& x) { return negative(x); }
inline Tensor operator~(const Tensor& x) { return bitwise_invert(x); }
#define TENON_OPERATOR(symbol, name)                                                 \
  inline Tensor& operator symbol(Tensor& x, const Operand& y) { return name(x, y); } \
  inline Tensor operator symbol(Tensor&& x, const Operand& y) { return name(x, y); }
TENON_OPERATOR(+=, add_)
TENON_OPERATOR(-=, subtract_)
TENON_OPERATOR(*=, multiply_)
TENON_OPERATOR(/=, divide_)
#undef TENON_OPERATOR

}  // namespace tenon

#endif  // TENON_OPS_ELEMENTWISE_H_
