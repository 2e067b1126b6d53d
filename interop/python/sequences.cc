// Nested lists of numbers as tensors.
//
// One pass that hopes for floats (or whatever the first number is), straight into the new tensor's
// memory; where another kind turns up, a look at all of them decides, then a second pass. Lists
// with arrays or tensors in them are stacked.
#include <algorithm>
#include <cstring>

#include "interop/python/numpy_array.h"
#include "interop/python/scalars.h"
#include "tenon/interop/nested.h"

namespace tenon::python {
namespace {

using interop::NdArray;

bool is_sequence(PyObject* o) {
  if (PyList_Check(o) || PyTuple_Check(o)) return true;
  if (PyUnicode_Check(o) || PyBytes_Check(o) || is_tensor(o)) return false;
  return PySequence_Check(o) && !is_array_like(o) && !PyDict_Check(o);
}

// A list or tuple as it is; other sequences as a list.
nb::object items_of(PyObject* o) { return steal(PySequence_Fast(o, "tensor: not a sequence")); }

// Code of an element's own (__index__, __getattr__, __len__) may change the lists that are read,
// and so may other threads where there is no GIL. Then copies are read: tuples, as deep as the
// tensor will be.
nb::object frozen(PyObject* o, int levels) {
  if (levels == 0 || !is_sequence(o)) return nb::borrow(o);
  nb::object items = steal(PySequence_Tuple(o));
  if (levels == 1) return items;
  const Py_ssize_t n = PyTuple_GET_SIZE(items.ptr());
  nb::object copy = steal(PyTuple_New(n));
  for (Py_ssize_t i = 0; i < n; ++i) {
    PyTuple_SET_ITEM(copy.ptr(), i,
                     frozen(PyTuple_GET_ITEM(items.ptr(), i), levels - 1).release().ptr());
  }
  return copy;
}
bool is_plain_number(PyObject* o) {
  return PyFloat_CheckExact(o) || PyLong_CheckExact(o) || PyBool_Check(o) ||
         PyComplex_CheckExact(o);
}

[[noreturn]] void refuse_element(PyObject* o) {
  if (PyUnicode_Check(o) || PyBytes_Check(o)) {
    type_error("tensor", "new(): invalid data type '", type_name(o),
               "': text is no number; convert it with float()");
  }
  type_error("tensor", "Could not infer dtype of ", type_name(o),
             ": elements are numbers, arrays, tensors or lists of them");
}

enum Kind { kBool, kInt, kFloat, kComplex, kNumbers, kArray };  // kNumbers: of several kinds

Kind kind_of(PyObject* o) {
  if (PyFloat_CheckExact(o)) return kFloat;
  if (PyBool_Check(o)) return kBool;
  if (PyLong_CheckExact(o)) return kInt;
  if (is_tensor(o) || is_array_like(o)) return kArray;
  if (PyFloat_Check(o)) return kFloat;
  if (PyLong_Check(o)) return kInt;
  if (PyComplex_Check(o)) return kComplex;
  if (PyIndex_Check(o)) return kInt;
  refuse_element(o);
}

DType default_dtype(Kind kind) {
  return kind == kBool      ? DType::bool_
         : kind == kInt     ? kDefaultInt
         : kind == kComplex ? DType::complex64
                            : kDefaultFloat;
}

struct Shape {
  Dims sizes;
  Kind first = kFloat;  // of the first element; kFloat where there is none
};

// Along the first elements; the rest is compared with this later.
Shape shape_of(PyObject* o) {
  Shape shape;
  nb::object kept = nb::borrow(o);
  while (is_sequence(o)) {
    const Py_ssize_t n = PySequence_Size(o);
    if (n < 0) throw nb::python_error();
    if (shape.sizes.size() == kMaxRank) {
      fail(ErrorCode::kShape, "tensor", "too many dimensions 'list': at most ", kMaxRank,
           "; does a list contain itself?");
    }
    shape.sizes.push_back(n);
    if (n == 0) return shape;
    kept = steal(PySequence_GetItem(o, 0));
    o = kept.ptr();
  }
  shape.first = kind_of(o);
  return shape;
}

[[noreturn]] void refuse_ragged(int64_t wanted, int depth, PyObject* got) {
  if (!is_sequence(got)) {
    type_error("tensor", "not a sequence: dim ", depth, " has lists of length ", wanted, " and a ",
               type_name(got));
  }
  fail(ErrorCode::kShape, "tensor", "expected sequence of length ", wanted, " at dim ", depth,
       " (got ", static_cast<int64_t>(PySequence_Size(got)),
       "): all lists of a dimension need one length");
}

// Calls visit(PyObject* const* elements, n) for each innermost list, in order; stops where it
// returns false, or where reading might run code (sets *stopped; null: all is frozen()).
template <class Visit>
bool walk(PyObject* o, const Dims& sizes, int depth, bool* stopped, Visit& visit) {
  if (sizes.empty()) return visit(&o, 1);
  if (stopped != nullptr && !PyList_CheckExact(o) && !PyTuple_CheckExact(o) &&
      !is_plain_number(o)) {
    *stopped = true;
    return false;
  }
  if (!is_sequence(o)) refuse_ragged(sizes[depth], depth, o);
  const nb::object items = items_of(o);
  const Py_ssize_t n = PySequence_Fast_GET_SIZE(items.ptr());
  if (n != sizes[depth]) refuse_ragged(sizes[depth], depth, o);
  PyObject** elements = PySequence_Fast_ITEMS(items.ptr());
  if (depth + 1 == sizes.size()) return visit(elements, n);
  for (Py_ssize_t i = 0; i < n; ++i) {
    if (!walk(elements[i], sizes, depth + 1, stopped, visit)) return false;
  }
  return true;
}

[[noreturn]] void refuse_list_element(PyObject* o) {
  if (PyList_Check(o) || PyTuple_Check(o)) {
    fail(ErrorCode::kShape, "tensor", "expected numbers at the innermost dim (got a ", type_name(o),
         " of length ", static_cast<int64_t>(PySequence_Size(o)), "): all elements need one depth");
  }
  refuse_element(o);
}

template <class T>
void store_float(T* to, double value) {
  if constexpr (NarrowFloat<T>) {
    to->bits = narrow_bits<T>(value);
  } else {
    *to = static_cast<T>(value);
  }
}

[[noreturn]] void refuse_fraction(DType d, PyObject* o) {
  type_error("tensor", "the number ", nb::cast<std::string>(nb::str(nb::handle(o))),
             " cannot be converted to ", dtype_name(d),
             " without losing what is behind the point; round it first, or leave dtype out");
}

// One number as T. Exact, or refused.
template <class T>
void store(T* to, PyObject* o) {
  if constexpr (std::is_same_v<T, Complex64> || std::is_same_v<T, Complex128>) {
    const Py_complex value = PyComplex_AsCComplex(o);
    if (value.real == -1 && PyErr_Occurred()) throw nb::python_error();
    to->real = static_cast<decltype(to->real)>(value.real);
    to->imag = static_cast<decltype(to->imag)>(value.imag);
  } else if constexpr (std::is_same_v<T, bool>) {
    *to = bool_argument(o);
  } else if constexpr (std::is_integral_v<T>) {
    if (PyFloat_Check(o) || PyComplex_Check(o)) refuse_fraction(dtype_of<T>(), o);
    const Scalar value = scalar_argument("tensor", o);
    if (!value.fits(dtype_of<T>())) {
      fail(ErrorCode::kDType, "tensor", "value cannot be converted to type ",
           dtype_name(dtype_of<T>()),
           " without overflow: ", nb::cast<std::string>(nb::str(nb::handle(o))),
           "; choose a wider dtype");
    }
    *to = static_cast<T>(value.to_int64());
  } else {
    if (PyComplex_Check(o)) {
      type_error("tensor", "the complex number ", nb::cast<std::string>(nb::str(nb::handle(o))),
                 " cannot be converted to ", dtype_name(dtype_of<T>()),
                 " without losing its imaginary part; choose complex64");
    }
    const double value = PyFloat_AsDouble(o);
    if (value == -1 && PyErr_Occurred()) throw nb::python_error();
    store_float(to, value);
  }
}

// Fills `t` (on the host, row-major) from the numbers; false at one that is not of `kind`
// (kNumbers: any), and where walk() stops.
bool fill(const Tensor& t, PyObject* o, const Dims& sizes, Kind kind, bool* stopped) {
  return visit_dtype(t.dtype(), [&]<class T>() {
    auto* to = static_cast<T*>(const_cast<void*>(t.raw_data()));
    auto visit = [&](PyObject* const* elements, Py_ssize_t n) {
      for (Py_ssize_t i = 0; i < n; ++i, ++to) {
        PyObject* e = elements[i];
        if constexpr (std::is_floating_point_v<T>) {
          if (__builtin_expect(PyFloat_CheckExact(e), 1)) {
            *to = static_cast<T>(PyFloat_AS_DOUBLE(e));
            continue;
          }
        }
        if (PyList_CheckExact(e) || PyTuple_CheckExact(e)) refuse_list_element(e);
        if (stopped != nullptr && !is_plain_number(e)) {
          *stopped = true;
          return false;
        }
        if (kind != kNumbers && kind_of(e) != kind) return false;
        store(to, e);
      }
      return true;
    };
    return walk(o, sizes, 0, stopped, visit);
  });
}

// All kinds there are: the widest decides. Arrays among the numbers are told apart.
Kind widest_kind(PyObject* o, const Dims& sizes) {
  Kind widest = kBool;
  auto visit = [&](PyObject* const* elements, Py_ssize_t n) {
    for (Py_ssize_t i = 0; i < n; ++i) {
      if (PyList_CheckExact(elements[i]) || PyTuple_CheckExact(elements[i]))
        refuse_list_element(elements[i]);
      const Kind k = kind_of(elements[i]);
      if (k > widest) widest = k;
    }
    return widest != kArray;
  };
  walk(o, sizes, 0, nullptr, visit);
  return widest;
}

// Arrays and tensors (and numbers among them), stacked along a new first axis.
Tensor stack_sequence(PyObject* o, DType dtype, std::optional<Device> device) {
  const nb::object items = items_of(o);
  const Py_ssize_t n = PySequence_Fast_GET_SIZE(items.ptr());
  PyObject** elements = PySequence_Fast_ITEMS(items.ptr());
  if (dtype == DType::none) {
    const Tensor t = stack_plain_arrays(elements, n);
    if (t.defined()) return device.has_value() ? t.to(*device) : t;
  }
  if (std::all_of(elements, elements + n, &is_numpy_scalar)) {
    const nb::object array = numpy_module("tensor").attr("array")(items);
    return tensor(array_argument("tensor", array.ptr()),
                  {.dtype = dtype, .device = device.value_or(Device())});
  }
  if (std::all_of(elements, elements + n, &is_numpy_array)) {
    std::vector<NdArray> parts;
    parts.reserve(static_cast<size_t>(n));
    for (Py_ssize_t i = 0; i < n; ++i) parts.push_back(array_argument("tensor", elements[i]));
    const bool one_dtype = std::all_of(parts.begin(), parts.end(), [&](const NdArray& a) {
      return a.dtype() == parts[0].dtype();
    });
    if (one_dtype) {
      return in_long_call(n * parts[0].size() >= kLongCall, [&] {
        return tensor(std::span<const NdArray>(parts),
                      {.dtype = dtype, .device = device.value_or(Device())});
      });
    }
  }
  std::vector<Tensor> parts;
  for (Py_ssize_t i = 0; i < n; ++i) {
    PyObject* e = elements[i];
    parts.push_back(is_tensor(e) || is_array_like(e)
                        ? tensor_argument("tensor", e)
                        : tensor_of_sequence(e, DType::none, std::nullopt));
  }
  return in_long_call(n * parts[0].size() >= kLongCall, [&] {
    return tensor(std::span<const Tensor>(parts), {.dtype = dtype, .device = device});
  });
}

}  // namespace

Tensor tensor_of_sequence(PyObject* o, DType dtype, std::optional<Device> device) {
#ifdef Py_GIL_DISABLED
  // The shape is that of what is read.
  const nb::object outermost = is_sequence(o) ? steal(PySequence_Tuple(o)) : nb::borrow(o);
  o = outermost.ptr();
#endif
  const Shape shape = shape_of(o);
  Kind kind = shape.first;
  nb::object items;
  const auto freeze = [&] {
    items = frozen(o, shape.sizes.size());
    o = items.ptr();
  };
#ifdef Py_GIL_DISABLED
  freeze();
#endif
  if (kind != kArray) {
    const bool as_asked = dtype != DType::none;
    Tensor t = empty(shape.sizes, as_asked ? dtype : default_dtype(kind));
    const auto filled = [&](Kind wanted) {
      bool stopped = false;
      if (fill(t, o, shape.sizes, wanted, items.is_valid() ? nullptr : &stopped)) return true;
      if (!stopped) return false;
      freeze();
      return fill(t, o, shape.sizes, wanted, nullptr);
    };
    if (filled(as_asked ? kNumbers : kind)) return device.has_value() ? t.to(*device) : t;
    if (!items.is_valid()) freeze();
    kind = widest_kind(o, shape.sizes);
    if (kind != kArray) {
      t = empty(shape.sizes, default_dtype(kind));
      fill(t, o, shape.sizes, kNumbers, nullptr);
      return device.has_value() ? t.to(*device) : t;
    }
  }
  if (!items.is_valid()) freeze();
  return stack_sequence(o, dtype, device);
}

}  // namespace tenon::python
