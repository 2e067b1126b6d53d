// How a row of elementwise.def runs on complex tensors: recorded once more with pairs of values in
// the place of values, it is an elementwise operation on the parts, which are real views with twice
// the strides. Devices never see a complex number. Inside ops.
#ifndef TENON_OPS_COMPLEX_FORM_H_
#define TENON_OPS_COMPLEX_FORM_H_

#include <span>
#include <type_traits>

#include "tenon/ops/complex_functions.h"
#include "tenon/ops/map_op.h"
#include "tenon/tensor/impl.h"

namespace tenon {
// The operation on parts: inputs re, im, re, im, ..; outputs re, im, or one that is real or bool.
struct ComplexForm {
  MapOp* op;
  bool gives_complex;
};

template <class Row, int kOperands>
struct ComplexFormOf {
  static auto value(const map::Value* in) {
    using complex_rows::Pair;
    if constexpr (kOperands == 1) {
      return Row::value(Pair{in[0], in[1]});
    } else {
      return Row::value(Pair{in[0], in[1]}, Pair{in[2], in[3]});
    }
  }
  static void record(const map::Value* in, map::Value* out, map::Builder&, const void*) {
    const auto y = value(in);
    if constexpr (std::is_same_v<decltype(y), const complex_rows::Pair>) {
      out[0] = y.re;
      out[1] = y.im;
    } else {
      out[0] = y;
    }
  }
};
template <class Row, int kOperands>
const ComplexForm& complex_form() {
  using Form = ComplexFormOf<Row, kOperands>;
  constexpr bool kGivesComplex = std::is_same_v<decltype(Form::value(nullptr)), complex_rows::Pair>;
  static constinit MapOp op(Row::kName, 2 * kOperands, kGivesComplex ? 2 : 1, DTypeClass::any,
                            &Form::record);
  static constexpr ComplexForm form{&op, kGivesComplex};
  return form;
}

inline bool is_complex_operand(const Operand& o) {
  if (!o.is_tensor() || !o.tensor().defined()) return false;
  const DType d = o.tensor().impl()->dtype;
  return d == DType::complex64 || d == DType::complex128;
}
inline bool any_complex(std::span<const Operand> operands) {
  for (const Operand& o : operands) {
    if (is_complex_operand(o)) return true;
  }
  return false;
}

// The form on operands of which at least one is complex.
Tensor call_complex(const char* name, const ComplexForm& form, std::span<const Operand> operands);
// ... into operand 0, which is `x`.
void call_complex_inplace(const char* name, const ComplexForm& form, Tensor& x,
                          std::span<const Operand> operands);
// condition ? x : y where x or y is complex.
Tensor where_complex(const Tensor& condition, const Operand& x, const Operand& y);

}  // namespace tenon

#endif  // TENON_OPS_COMPLEX_FORM_H_
