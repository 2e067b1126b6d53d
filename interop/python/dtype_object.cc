// tenon.dtype: one object per row of dtype.def (tenon.float32 ...), and what is asked of dtypes.
#include "interop/python/numpy_array.h"

namespace tenon::python {
namespace {

struct DTypeObject {
  DType dtype;
};
PyObject* objects[kDTypeCount];

std::string all_names() {
  std::string names;
  for (int i = 1; i < kDTypeCount; ++i)
    names += concat_text(i > 1 ? ", " : "", dtype_name(static_cast<DType>(i)));
  return names;
}

// DType::none if o is no dtype; throws for a name that is none.
DType find_dtype(PyObject* o) {
  if (DTypeObject * d; nb::try_cast(nb::handle(o), d) && d) return d->dtype;
  if (PyUnicode_Check(o)) {
    const std::string name = nb::cast<std::string>(nb::handle(o));
    const DType d = dtype_from_name(name);
    if (d == DType::none)
      type_error("dtype", "there is no dtype '", name, "'; there are ", all_names());
    return d;
  }
  if (o == reinterpret_cast<PyObject*>(&PyFloat_Type)) return kDefaultFloat;
  if (o == reinterpret_cast<PyObject*>(&PyLong_Type)) return kDefaultInt;
  if (o == reinterpret_cast<PyObject*>(&PyBool_Type)) return DType::bool_;
  if (o == reinterpret_cast<PyObject*>(&PyComplex_Type)) return DType::complex64;
  if (PyType_Check(o) || std::string_view(Py_TYPE(o)->tp_name).starts_with("numpy.dtype")) {
    const DType d = dtype_of_numpy(o);
    if (d == DType::none) {
      type_error("dtype", "there is no dtype for ", nb::cast<std::string>(nb::str(nb::handle(o))),
                 "; there are ", all_names());
    }
    return d;
  }
  return DType::none;
}

// "real floating" and the other kinds of the standard's isdtype().
bool is_kind(DType d, std::string_view kind) {
  switch (dtype_info(d).kind) {
    case DTypeKind::Bool:
      return kind == "bool";
    case DTypeKind::Int:
      return kind == "signed integer" || kind == "integral" || kind == "numeric";
    case DTypeKind::UInt:
      return kind == "unsigned integer" || kind == "integral" || kind == "numeric";
    case DTypeKind::Float:
      return kind == "real floating" || kind == "numeric";
    case DTypeKind::Complex:
      return kind == "complex floating" || kind == "numeric";
    case DTypeKind::Float8:  // the standard has no numbers without arithmetic
    case DTypeKind::None:
      break;
  }
  return false;
}

bool is_dtype(DType d, nb::handle kind) {
  if (nb::isinstance<nb::tuple>(kind)) {
    for (nb::handle k : nb::borrow<nb::tuple>(kind)) {
      if (is_dtype(d, k)) return true;
    }
    return false;
  }
  if (nb::isinstance<nb::str>(kind)) {
    const std::string name = nb::cast<std::string>(kind);
    bool known = false;
    for (const char* k : {"bool", "signed integer", "unsigned integer", "integral", "real floating",
                          "complex floating", "numeric"}) {
      known = known || name == k;
    }
    if (!known)
      fail(ErrorCode::kInvalidArgument, "isdtype", "there is no kind '", name, "' of dtypes");
    return is_kind(d, name);
  }
  return dtype_argument(kind.ptr()) == d;
}

const char* kind_name(DType d) {
  if (is_float8(d)) return "float8";
  for (const char* k :
       {"bool", "signed integer", "unsigned integer", "real floating", "complex floating"}) {
    if (is_kind(d, k)) return k;
  }
  return "";
}

// Can every value of `from` be had as `to` by the standard's promotion?
bool can_cast(DType from, DType to) { return promote(from, to) == to; }

DType dtype_of_any(PyObject* o) { return is_tensor(o) ? tensor_of(o).dtype() : dtype_argument(o); }

bool is_number(PyObject* o) {
  return PyBool_Check(o) || PyLong_Check(o) || PyFloat_Check(o) || PyComplex_Check(o);
}

DType result_type(nb::args arguments) {
  DType result = DType::none;
  for (nb::handle a : arguments) {
    if (is_number(a.ptr())) continue;
    const DType d = is_array_like(a.ptr()) ? tensor_argument("result_type", a.ptr()).dtype()
                                           : dtype_of_any(a.ptr());
    const DType before = result;
    result = before == DType::none ? d : promote(before, d);
    if (result == DType::none) {
      type_error("result_type", dtype_name(before), " and ", dtype_name(d),
                 " have no common dtype; ", promotion_advice(before, d));
    }
  }
  if (result == DType::none)
    fail(ErrorCode::kInvalidArgument, "result_type", "at least one tensor or dtype is needed");
  for (nb::handle a : arguments) {  // numbers have no dtype of their own
    if (is_float8(result) && is_number(a.ptr())) {
      type_error("result_type", dtype_name(result), " and a number have no common dtype; ",
                 promotion_advice(result, result));
    }
    if (PyComplex_Check(a.ptr())) {
      result = promote(result, DType::complex64);
    } else if (is_number(a.ptr())) {
      result = scalar_argument("result_type", a.ptr()).dtype_beside(result);
    }
  }
  return result;
}

nb::object as_object(DType d) { return nb::borrow(dtype_object(d)); }

}  // namespace

PyObject* dtype_object(DType d) {
  return d == DType::none ? Py_None : objects[static_cast<int>(d)];
}

DType dtype_argument(PyObject* o) {
  if (o == Py_None) return DType::none;
  const DType d = find_dtype(o);
  if (d == DType::none)
    type_error("dtype", "expected a dtype such as tenon.float32 or its name, got ", type_name(o));
  return d;
}

void bind_dtypes(nb::module_& m) {
  nb::class_<DTypeObject>(
      m, "dtype",
      "What an element of a tensor is: tenon.float32 ... Equal to its name and to NumPy's.")
      .def("__init__",
           [](DTypeObject*, nb::handle) {
             fail(ErrorCode::kInvalidArgument, "dtype",
                  "dtypes are not made; take tenon.float32 ...");
           })
      .def_prop_ro(
          "name", [](const DTypeObject& d) { return nb::steal(text_object(dtype_name(d.dtype))); },
          "\"float32\"")
      .def_prop_ro(
          "itemsize", [](const DTypeObject& d) { return item_size(d.dtype); },
          "Bytes of an element.")
      .def_prop_ro(
          "kind", [](const DTypeObject& d) { return kind_name(d.dtype); },
          "As isdtype() names it: \"real floating\" ..., or \"float8\", which the standard has "
          "not.")
      .def_prop_ro("is_floating_point",
                   [](const DTypeObject& d) { return is_floating(d.dtype) || is_float8(d.dtype); })
      .def_prop_ro("is_complex", [](const DTypeObject& d) { return is_complex(d.dtype); })
      // numpy.dtype(tenon.float32) asks for this.
      .def_prop_ro(
          "dtype", [](const DTypeObject& d) { return nb::steal(numpy_dtype("dtype", d.dtype)); },
          "The numpy.dtype.")
      .def("__repr__",
           [](const DTypeObject& d) {
             return nb::steal(text_object(concat_text("tenon.", dtype_name(d.dtype))));
           })
      .def("__str__",
           [](const DTypeObject& d) {
             return nb::steal(text_object(concat_text("tenon.", dtype_name(d.dtype))));
           })
      .def("__hash__", [](const DTypeObject& d) { return static_cast<int64_t>(d.dtype) + 7919; })
      .def(
          "__eq__",
          [](const DTypeObject& d, nb::handle other) {
            try {
              return find_dtype(other.ptr()) == d.dtype;
            } catch (const Error&) {
              return false;
            }
          },
          nb::arg("other").none())
      .def(
          "__ne__",
          [](const DTypeObject& d, nb::handle other) {
            try {
              return find_dtype(other.ptr()) != d.dtype;
            } catch (const Error&) {
              return true;
            }
          },
          nb::arg("other").none())
      .def("__reduce__",
           [](const DTypeObject& d) { return nb::steal(text_object(dtype_name(d.dtype))); });
  for (int i = 1; i < kDTypeCount; ++i) {
    const DType d = static_cast<DType>(i);
    objects[i] = nb::cast(DTypeObject{d}).release().ptr();
    m.attr(std::string(dtype_name(d)).c_str()) = nb::handle(objects[i]);
  }

  m.def(
      "isdtype",
      [](nb::handle d, nb::handle kind) { return is_dtype(dtype_argument(d.ptr()), kind); },
      nb::arg("dtype"), nb::arg("kind"),
      "Is the dtype of this kind: a dtype, \"real floating\", \"integral\" ..., or a tuple of "
      "them?");
  m.def(
      "can_cast",
      [](nb::handle from, nb::handle to) {
        return can_cast(dtype_of_any(from.ptr()), dtype_argument(to.ptr()));
      },
      nb::arg("from_"), nb::arg("to"), "May a dtype (or a tensor's) become `to` by promotion?");
  m.def(
      "result_type", [](nb::args a) { return as_object(result_type(a)); },
      nb::sig("def result_type(*arrays_and_dtypes) -> dtype"),
      "The dtype of an operation on these tensors, dtypes and numbers.");
}

}  // namespace tenon::python
