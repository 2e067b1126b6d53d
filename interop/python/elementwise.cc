// The elementwise functions, one per row of core/ops/elementwise.def: tenon.exp(x), t.exp(),
// t.exp_(); docstrings from the table. And where NumPy's functions meet them: np.exp(t) is a
// Tensor.
#include "tenon/ops/elementwise.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <unordered_map>

#include "interop/python/numpy_array.h"
#include "tenon/ops/matmul.h"
#include "tenon/ops/reduce.h"

namespace tenon::python {
namespace {

using Unary = Tensor (*)(const Tensor&);
using Binary = Tensor (*)(const Operand&, const Operand&);
using Ternary = Tensor (*)(const Operand&, const Operand&, const Operand&);

// The table as Python's side needs it.
struct UnaryRow {
  const char *name, *doc, *function_signature, *method_signature;
  Unary call;
  const char *inplace_name, *inplace_signature;
  Tensor& (*inplace)(Tensor&);
};
struct BinaryRow {
  const char *name, *doc, *function_signature, *method_signature;
  Binary call;
  const char *inplace_name, *inplace_signature;
  Tensor& (*inplace)(Tensor&, const Operand&);
};
struct TernaryRow {
  const char* name;
  Ternary call;
};
const UnaryRow kUnary[] = {
#define TENON_UNARY(name, dtype_class, value, slope, low, high, doc) \
  {#name,                                                            \
   doc,                                                              \
   "def " #name "(x: Tensor, /) -> Tensor",                          \
   "def " #name "(self) -> Tensor",                                  \
   &tenon::name,                                                     \
   #name "_",                                                        \
   "def " #name "_(self) -> Tensor",                                 \
   &tenon::name##_},
#define TENON_BINARY(...)
#define TENON_TERNARY(...)
#include "tenon/ops/elementwise.def"
#undef TENON_UNARY
#undef TENON_BINARY
};
const BinaryRow kBinary[] = {
#define TENON_UNARY(...)
#define TENON_BINARY(name, dtype_class, value, slope_x, slope_y, low, high, doc) \
  {#name,                                                                        \
   doc,                                                                          \
   "def " #name "(x1: Tensor | float, x2: Tensor | float, /) -> Tensor",         \
   "def " #name "(self, other: Tensor | float, /) -> Tensor",                    \
   &tenon::name,                                                                 \
   #name "_",                                                                    \
   "def " #name "_(self, other: Tensor | float, /) -> Tensor",                   \
   &tenon::name##_},
#include "tenon/ops/elementwise.def"
#undef TENON_BINARY
#undef TENON_TERNARY
};
const TernaryRow kTernary[] = {
#define TENON_BINARY(...)
#define TENON_TERNARY(name, dtype_class, value, low, high, doc) {#name, &tenon::name},
#include "tenon/ops/elementwise.def"
#undef TENON_UNARY
#undef TENON_BINARY
#undef TENON_TERNARY
};

Tensor call(const UnaryRow& row, PyObject* a) {
  const Argument x(row.name, a);
  if (!x.is_tensor()) {
    type_error(row.name,
               "expected a Tensor or an array, got a number; Python's math module serves numbers");
  }
  return in_long_call(x.is_long(), [&] { return row.call(x.tensor()); });
}
Tensor call(const BinaryRow& row, PyObject* a, PyObject* b) {
  Argument x(row.name, a), y(row.name, b);
  settle(x, y);
  if (!x.is_tensor() && !y.is_tensor()) {
    type_error(row.name, "expected a Tensor or an array on one side at least, got two numbers");
  }
  return in_long_call(x.is_long() || y.is_long(),
                      [&] { return row.call(x.operand(), y.operand()); });
}
Tensor call(const TernaryRow& row, PyObject* a, PyObject* b, PyObject* c) {
  const Argument x(row.name, a), y(row.name, b), z(row.name, c);
  if (!x.is_tensor() && !y.is_tensor() && !z.is_tensor())
    type_error(row.name, "expected a Tensor, got three numbers");
  return in_long_call(x.is_long() || y.is_long() || z.is_long(),
                      [&] { return row.call(x.operand(), y.operand(), z.operand()); });
}

// ---- NumPy's ufuncs ----

// What NumPy calls differently.
struct Alias {
  const char *numpy, *ours;
};
constexpr Alias kAliases[] = {
    {"true_divide", "divide"},
    {"power", "pow"},
    {"float_power", "pow"},
    {"absolute", "abs"},
    {"fabs", "abs"},
    {"invert", "bitwise_invert"},
    {"bitwise_not", "bitwise_invert"},
    {"left_shift", "bitwise_left_shift"},
    {"right_shift", "bitwise_right_shift"},
    {"arcsin", "asin"},
    {"arccos", "acos"},
    {"arctan", "atan"},
    {"arctan2", "atan2"},
    {"arcsinh", "asinh"},
    {"arccosh", "acosh"},
    {"arctanh", "atanh"},
    {"rint", "round"},
    {"mod", "remainder"},
    {"fmax", "maximum"},
    {"fmin", "minimum"},
};

// What a ufunc means: a row of the table, or the matrix product.
struct Meaning {
  std::string name;  // NumPy's
  int operands = 0;  // 0: none
  const void* row = nullptr;
};
Meaning meaning_of(const std::string& numpy_name) {
  std::string_view name = numpy_name;
  for (const Alias& alias : kAliases) {
    if (name == alias.numpy) name = alias.ours;
  }
  for (const UnaryRow& r : kUnary) {
    if (name == r.name) return {numpy_name, 1, &r};
  }
  for (const BinaryRow& r : kBinary) {
    if (name == r.name) return {numpy_name, 2, &r};
  }
  for (const TernaryRow& r : kTernary) {
    if (name == r.name) return {numpy_name, 3, &r};
  }
  return {numpy_name};
}
// Ufuncs are kept for ever, so that their addresses are names.
const Meaning& meaning_of_ufunc(PyObject* ufunc) {
  static auto* const known = new std::unordered_map<PyObject*, Meaning>;
  {
    const ModuleLock lock;
    const auto found = known->find(ufunc);
    if (found != known->end()) return found->second;
  }
  const nb::object name = steal(PyObject_GetAttrString(ufunc, "__name__"));
  const Meaning meaning = meaning_of(nb::cast<std::string>(name));
  const ModuleLock lock;
  const auto [place, is_new] = known->try_emplace(ufunc, meaning);
  if (is_new) Py_INCREF(ufunc);
  return place->second;
}

[[noreturn]] void refuse_ufunc(const std::string& name, const char* why) {
  type_error("__array_ufunc__", "numpy.", name, " ", why,
             " for a tenon.Tensor; give it t.detach().cpu().numpy(), or use tenon's own functions");
}

using Reduction = Tensor (*)(const Tensor&, DimsView, bool);
Reduction reduction_of(const std::string& ufunc) {
  if (ufunc == "add") return &tenon::sum;
  if (ufunc == "multiply") return &tenon::prod;
  if (ufunc == "maximum") return &tenon::max;
  if (ufunc == "minimum") return &tenon::min;
  if (ufunc == "logical_and") return &tenon::all;
  if (ufunc == "logical_or") return &tenon::any;
  return nullptr;
}

nb::object into(nb::handle out, Tensor&& result) {
  nb::object target = nb::borrow(out);
  if (nb::isinstance<nb::tuple>(out)) target = nb::borrow<nb::tuple>(out)[0];
  if (target.is_none()) return wrapped(std::move(result));
  const NoGradScope no_grad;
  Tensor to = is_tensor(target.ptr()) ? tensor_of(target.ptr())
                                      : from_numpy(array_argument("__array_ufunc__", target.ptr()));
  if (promote(result.dtype(), to.dtype()) != to.dtype() &&
      dtype_info(result.dtype()).kind > dtype_info(to.dtype()).kind) {
    type_error("__array_ufunc__", "the result is ", dtype_name(result.dtype()), " and out= is ",
               dtype_name(to.dtype()), "; give an array of a dtype that holds it");
  }
  to.copy_(result);
  return target;
}

PyObject* array_ufunc(PyObject*, PyObject* const* a, Py_ssize_t n, PyObject* names) {
  return guarded([&]() -> PyObject* {
    if (n < 3) type_error("__array_ufunc__", "expected ufunc, method and inputs");
    const Meaning& meaning = meaning_of_ufunc(a[0]);
    const std::string& name = meaning.name;
    if (!PyUnicode_Check(a[1])) type_error("__array_ufunc__", "the method is text");
    const bool is_call = PyUnicode_CompareWithASCIIString(a[1], "__call__") == 0;
    const std::string method = is_call ? "" : nb::cast<std::string>(nb::handle(a[1]));
    nb::object out = nb::none(), axis, keepdims;
    for (Py_ssize_t i = 0; names != nullptr && i < PyTuple_GET_SIZE(names); ++i) {
      const std::string key = nb::cast<std::string>(nb::handle(PyTuple_GET_ITEM(names, i)));
      const nb::object value = nb::borrow(a[n + i]);
      if (key == "out") {
        out = value;
      } else if (key == "axis" && method == "reduce") {
        axis = value;
      } else if (key == "keepdims" && method == "reduce") {
        keepdims = value;
      } else if (!value.is_none() && !(key == "where" && value.ptr() == Py_True)) {
        refuse_ufunc(name, concat_text("takes no ", key, "=").c_str());
      }
    }
    a += 2, n -= 2;
    if (method == "reduce" && n == 1) {
      const Reduction reduce = reduction_of(name);
      if (reduce == nullptr) refuse_ufunc(name, "has no reduce()");
      const Tensor x = tensor_argument(name, a[0]);
      // NumPy's reduce() is along the first axis unless it is told.
      const Dims axes = axis.is_valid() ? axes_argument(name, axis.ptr()) : Dims{0};
      const bool keep = keepdims.is_valid() && bool_argument(keepdims.ptr());
      return into(out, in_long_call(x, [&] { return reduce(x, axes, keep); })).release().ptr();
    }
    if (!is_call) refuse_ufunc(name, concat_text("has no ", method, "()").c_str());
    if (name == "matmul" && n == 2) {
      const Tensor x = tensor_argument(name, a[0]), y = tensor_argument(name, a[1]);
      return into(out, in_long_call(true, [&] { return matmul(x, y); })).release().ptr();
    }
    if (meaning.operands == 0 || meaning.operands != n) refuse_ufunc(name, "is not defined");
    Tensor result = n == 1   ? call(*static_cast<const UnaryRow*>(meaning.row), a[0])
                    : n == 2 ? call(*static_cast<const BinaryRow*>(meaning.row), a[0], a[1])
                             : call(*static_cast<const TernaryRow*>(meaning.row), a[0], a[1], a[2]);
    return into(out, std::move(result)).release().ptr();
  });
}

PyMethodDef ufunc_method[] = {
    {"__array_ufunc__", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(&array_ufunc)),
     METH_FASTCALL | METH_KEYWORDS,
     "np.sin(t), np.add(array, t), array + t: the same function of Tenon's, differentiable."},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

void bind_elementwise(nb::module_& m) {
  // The same few lambdas for all rows, each with its row.
  for (const UnaryRow& row : kUnary) {
    m.def(
        row.name, [&row](nb::handle x) { return call(row, x.ptr()); }, nb::arg("x"),
        nb::sig(row.function_signature), row.doc);
    method(
        row.name, [&row](Self self) { return call(row, self.object()); },
        nb::sig(row.method_signature), row.doc);
    method(
        row.inplace_name,
        [&row](Self self) {
          in_long_call(*self, [&] { return &row.inplace(*self); });
          return self.itself();
        },
        nb::sig(row.inplace_signature), "The same, in place.");
  }
  for (const BinaryRow& row : kBinary) {
    m.def(
        row.name, [&row](nb::handle x, nb::handle y) { return call(row, x.ptr(), y.ptr()); },
        nb::arg("x1"), nb::arg("x2"), nb::sig(row.function_signature), row.doc);
    method(
        row.name, [&row](Self self, nb::handle y) { return call(row, self.object(), y.ptr()); },
        nb::arg("other"), nb::sig(row.method_signature), row.doc);
    method(
        row.inplace_name,
        [&row](Self self, nb::handle other) {
          const Argument y(row.inplace_name, other.ptr());
          in_long_call(*self, [&] { return &row.inplace(*self, y.operand()); });
          return self.itself();
        },
        nb::arg("other"), nb::sig(row.inplace_signature), "The same, in place.");
  }
  const auto ternary = [&m](const char* name, const char* z, const char* doc) {
    const TernaryRow* row =
        std::find_if(std::begin(kTernary), std::end(kTernary),
                     [&](const TernaryRow& r) { return std::string_view(r.name) == name; });
    m.def(
        name,
        [row](nb::handle x, nb::handle y, nb::handle w) {
          return call(*row, x.ptr(), y.ptr(), w.ptr());
        },
        nb::arg("x"), nb::arg("y"), nb::arg(z), doc);
  };
  ternary("lerp", "weight", "x + weight * (y - x)");
  ternary("addcmul", "z", "x + y * z in one pass");
  // An end left open is a one-sided bound.
  const auto clip = [](nb::handle x, nb::handle low, nb::handle high) -> TensorResult {
    if (low.is_none() && high.is_none()) return wrapped(tensor_argument("clip", x.ptr()).clone());
    if (high.is_none())
      return wrapped(call({.name = "clip", .call = &tenon::maximum}, x.ptr(), low.ptr()));
    if (low.is_none())
      return wrapped(call({.name = "clip", .call = &tenon::minimum}, x.ptr(), high.ptr()));
    return wrapped(call({"clip", &tenon::clip}, x.ptr(), low.ptr(), high.ptr()));
  };
  m.def("clip", clip, nb::arg("x"), nb::arg("min") = nb::none(), nb::arg("max") = nb::none(),
        "x bounded to [min, max]; a bound that is None is open.");
  m.def(
      "where",
      [](nb::handle condition, nb::handle x, nb::handle y) {
        const Argument a("where", x.ptr()), b("where", y.ptr());
        const Tensor c = tensor_argument("where", condition.ptr());
        return in_long_call(is_long(c) || a.is_long() || b.is_long(),
                            [&] { return where(c, a.operand(), b.operand()); });
      },
      nb::arg("condition"), nb::arg("x1"), nb::arg("x2"), "Where the condition holds x1, else x2.");
  add_methods(ufunc_method);
}

}  // namespace tenon::python
