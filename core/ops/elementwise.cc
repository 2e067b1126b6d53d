// The functions of elementwise.def, generated.
#include "tenon/ops/elementwise.h"

#include "tenon/ops/complex_form.h"
#include "tenon/ops/map_op.h"
#include "tenon/ops/rows.h"

namespace tenon {
namespace {

using map::Builder;
using map::Value;

// One operation per row. Constant-initialised: nothing runs before main().
#define TENON_UNARY(name, dtype_class, value, slope, low, high, doc)                 \
  constinit MapOp name##_op(#name, 1, 1, DTypeClass::dtype_class,                    \
                            [](const Value* in, Value* out, Builder&, const void*) { \
                              out[0] = rows::apply_row<rows::name##_row>(in[0]);     \
                            });
#define TENON_BINARY(name, dtype_class, value, slope_x, slope_y, low, high, doc)        \
  constinit MapOp name##_op(#name, 2, 1, DTypeClass::dtype_class,                       \
                            [](const Value* in, Value* out, Builder&, const void*) {    \
                              out[0] = rows::apply_row<rows::name##_row>(in[0], in[1]); \
                            });
#define TENON_TERNARY(name, dtype_class, value, low, high, doc)                                \
  constinit MapOp name##_op(#name, 3, 1, DTypeClass::dtype_class,                              \
                            [](const Value* in, Value* out, Builder&, const void*) {           \
                              out[0] = rows::apply_row<rows::name##_row>(in[0], in[1], in[2]); \
                            });
#include TENON_ELEMENTWISE_DEF
#undef TENON_UNARY
#undef TENON_BINARY
#undef TENON_TERNARY

constinit MapOp where_op("where", 3, 1, DTypeClass::condition,
                         [](const Value* in, Value* out, Builder&, const void*) {
                           out[0] = select(in[0], in[1], in[2]);
                         });

// A cheaper row for the same call, where one is known before recording; null for none.
template <class Row>
Tensor (*rewritten(const Operand&, const Operand&))(const Tensor&) {
  return nullptr;
}
// Powers that are one instruction.
template <>
Tensor (*rewritten<rows::pow_row>(const Operand& x, const Operand& y))(const Tensor&) {
  if (y.is_tensor() || !x.is_tensor() || dtype_info(x.tensor().dtype()).kind == DTypeKind::Bool)
    return nullptr;
  const double exponent = y.scalar().to_double();
  if (exponent == 2)
    return y.scalar().is_floating() && !is_floating(x.tensor().dtype()) ? nullptr : &square;
  if (!is_floating(x.tensor().dtype())) return nullptr;
  if (exponent == -1) return &reciprocal;
  if (exponent == 1) return &positive;
  return nullptr;  // sqrt differs from pow(x, 0.5) at -inf and -0
}

template <class Row>
constexpr bool kTakesComplex = false;
#define TENON_UNARY(...)
#define TENON_BINARY(...)
#define TENON_TERNARY(...)
#define TENON_COMPLEX(name) \
  template <>               \
  constexpr bool kTakesComplex<rows::name##_row> = true;
#include TENON_ELEMENTWISE_DEF
#undef TENON_UNARY
#undef TENON_BINARY
#undef TENON_TERNARY

// How the row runs on these operands if one of them is complex; null else, or if it does not.
template <class Row, size_t n>
const ComplexForm* complex_form_for([[maybe_unused]] const Operand (&operands)[n]) {
  if constexpr (kTakesComplex<Row>) {
    if (__builtin_expect(any_complex(operands), 0)) return &complex_form<Row, n>();
  }
  return nullptr;
}

}  // namespace

#define TENON_UNARY(name, dtype_class, value, slope, low, high, doc) \
  Tensor name(const Tensor& x) {                                     \
    const Operand operands[] = {x};                                  \
    if (auto* form = complex_form_for<rows::name##_row>(operands))   \
      return call_complex(#name, *form, operands);                   \
    Tensor y;                                                        \
    name##_op.call(operands, &y);                                    \
    return y;                                                        \
  }                                                                  \
  Tensor& name##_(Tensor& x) {                                       \
    const Operand operands[] = {x};                                  \
    if (auto* form = complex_form_for<rows::name##_row>(operands))   \
      call_complex_inplace(#name "_", *form, x, operands);           \
    else                                                             \
      name##_op.call_inplace(#name "_", x, operands);                \
    return x;                                                        \
  }
#define TENON_BINARY(name, dtype_class, value, slope_x, slope_y, low, high, doc)   \
  Tensor name(const Operand& x, const Operand& y) {                                \
    if (auto* other = rewritten<rows::name##_row>(x, y)) return other(x.tensor()); \
    const Operand operands[] = {x, y};                                             \
    if (auto* form = complex_form_for<rows::name##_row>(operands))                 \
      return call_complex(#name, *form, operands);                                 \
    Tensor z;                                                                      \
    name##_op.call(operands, &z);                                                  \
    return z;                                                                      \
  }                                                                                \
  Tensor& name##_(Tensor& x, const Operand& y) {                                   \
    const Operand operands[] = {x, y};                                             \
    if (auto* form = complex_form_for<rows::name##_row>(operands))                 \
      call_complex_inplace(#name "_", *form, x, operands);                         \
    else                                                                           \
      name##_op.call_inplace(#name "_", x, operands);                              \
    return x;                                                                      \
  }
#define TENON_TERNARY(name, dtype_class, value, low, high, doc)       \
  Tensor name(const Operand& x, const Operand& y, const Operand& z) { \
    const Operand operands[] = {x, y, z};                             \
    Tensor w;                                                         \
    name##_op.call(operands, &w);                                     \
    return w;                                                         \
  }
#include TENON_ELEMENTWISE_DEF
#undef TENON_UNARY
#undef TENON_BINARY
#undef TENON_TERNARY

Tensor where(const Tensor& condition, const Operand& x, const Operand& y) {
  if (condition.defined() && condition.dtype() != DType::bool_) {
    fail(ErrorCode::kDType, "where", "expected condition to be a boolean tensor, but got ",
         describe(condition), "; compare it (not_equal(x, 0)), or use astype()");
  }
  const Operand operands[] = {condition, x, y};
  if (any_complex(operands)) return where_complex(condition, x, y);
  Tensor z;
  where_op.call(operands, &z);
  return z;
}

std::span<const ElementwiseRow> elementwise_rows() {
  static constexpr ElementwiseRow kRows[] = {
#define TENON_UNARY(name, dtype_class, value, slope, low, high, doc) \
  {#name, #dtype_class, doc, 1, low, high, &name##_op},
#define TENON_BINARY(name, dtype_class, value, slope_x, slope_y, low, high, doc) \
  {#name, #dtype_class, doc, 2, low, high, &name##_op},
#define TENON_TERNARY(name, dtype_class, value, low, high, doc) \
  {#name, #dtype_class, doc, 3, low, high, &name##_op},
#include TENON_ELEMENTWISE_DEF
#undef TENON_UNARY
#undef TENON_BINARY
#undef TENON_TERNARY
  };
  return kRows;
}

}  // namespace tenon
