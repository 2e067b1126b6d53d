// + - * / and the other operators: the type's slots, straight to the elementwise functions.
//
// An operand that is no tensor, number or array makes the operator answer NotImplemented, so that
// Python asks the other side.
#include "interop/python/object.h"
#include "tenon/ops/elementwise.h"
#include "tenon/ops/matmul.h"

namespace tenon::python {
namespace {

using Binary = Tensor (*)(const Operand&, const Operand&);
using Inplace = Tensor& (*)(Tensor&, const Operand&);
using Unary = Tensor (*)(const Tensor&);

template <Binary kFunction>
PyObject* binary(PyObject* a, PyObject* b) {
  return guarded([&]() -> PyObject* {
    Argument x(a), y(b);
    if (!x.valid() || !y.valid()) Py_RETURN_NOTIMPLEMENTED;
    settle(x, y);
    return wrap(in_long_call(x.is_long() || y.is_long(),
                             [&] { return kFunction(x.operand(), y.operand()); }));
  });
}

template <Inplace kFunction>
PyObject* inplace(PyObject* a, PyObject* b) {
  return guarded([&]() -> PyObject* {
    Argument x(a), y(b);
    if (!y.valid()) Py_RETURN_NOTIMPLEMENTED;
    settle(x, y);
    in_long_call(tensor_of(a), [&] { return &kFunction(tensor_of(a), y.operand()); });
    Py_INCREF(a);
    return a;
  });
}

template <Unary kFunction>
PyObject* unary(PyObject* a) {
  return guarded([&] {
    const Tensor& x = tensor_of(a);
    return wrap(in_long_call(x, [&] { return kFunction(x); }));
  });
}

PyObject* power(PyObject* a, PyObject* b, PyObject* modulus) {
  if (modulus != Py_None) Py_RETURN_NOTIMPLEMENTED;
  return binary<&pow>(a, b);
}
PyObject* inplace_power(PyObject* a, PyObject* b, PyObject*) { return inplace<&pow_>(a, b); }

PyObject* matrix_product(PyObject* a, PyObject* b) {
  return guarded([&]() -> PyObject* {
    const Argument x(a), y(b);
    if (!x.valid() || !y.valid() || !x.is_tensor() || !y.is_tensor()) Py_RETURN_NOTIMPLEMENTED;
    const int64_t work = x.tensor().size() * (y.tensor().ndim() > 0 ? y.tensor().size(-1) : 1);
    return wrap(in_long_call(work >= kLongCall || x.is_long() || y.is_long(),
                             [&] { return matmul(x.tensor(), y.tensor()); }));
  });
}

PyObject* compare(PyObject* a, PyObject* b, int operation) {
  switch (operation) {
    case Py_LT:
      return binary<&less>(a, b);
    case Py_LE:
      return binary<&less_equal>(a, b);
    case Py_EQ:
      return binary<&equal>(a, b);
    case Py_NE:
      return binary<&not_equal>(a, b);
    case Py_GT:
      return binary<&greater>(a, b);
    default:
      return binary<&greater_equal>(a, b);
  }
}

}  // namespace

void add_operator_slots(std::vector<PyType_Slot>& slots) {
  const auto add = [&](int slot, auto* function) {
    slots.push_back({slot, reinterpret_cast<void*>(function)});
  };
  add(Py_nb_add, &binary<&tenon::add>);
  add(Py_nb_subtract, &binary<&subtract>);
  add(Py_nb_multiply, &binary<&multiply>);
  add(Py_nb_true_divide, &binary<&divide>);
  add(Py_nb_floor_divide, &binary<&floor_divide>);
  add(Py_nb_remainder, &binary<&tenon::remainder>);
  add(Py_nb_power, &power);
  add(Py_nb_matrix_multiply, &matrix_product);
  add(Py_nb_and, &binary<&bitwise_and>);
  add(Py_nb_or, &binary<&bitwise_or>);
  add(Py_nb_xor, &binary<&bitwise_xor>);
  add(Py_nb_lshift, &binary<&bitwise_left_shift>);
  add(Py_nb_rshift, &binary<&bitwise_right_shift>);
  add(Py_nb_negative, &unary<&negative>);
  add(Py_nb_positive, &unary<&positive>);
  add(Py_nb_absolute, &unary<&tenon::abs>);
  add(Py_nb_invert, &unary<&bitwise_invert>);
  add(Py_nb_inplace_add, &inplace<&add_>);
  add(Py_nb_inplace_subtract, &inplace<&subtract_>);
  add(Py_nb_inplace_multiply, &inplace<&multiply_>);
  add(Py_nb_inplace_true_divide, &inplace<&divide_>);
  add(Py_nb_inplace_floor_divide, &inplace<&floor_divide_>);
  add(Py_nb_inplace_remainder, &inplace<&remainder_>);
  add(Py_nb_inplace_power, &inplace_power);
  add(Py_nb_inplace_and, &inplace<&bitwise_and_>);
  add(Py_nb_inplace_or, &inplace<&bitwise_or_>);
  add(Py_nb_inplace_xor, &inplace<&bitwise_xor_>);
  add(Py_nb_inplace_lshift, &inplace<&bitwise_left_shift_>);
  add(Py_nb_inplace_rshift, &inplace<&bitwise_right_shift_>);
  add(Py_tp_richcompare, &compare);
}

}  // namespace tenon::python
