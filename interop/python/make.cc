// Making tensors: tensor, as_tensor, from_numpy, the legacy constructor, and the Array API's
// creation functions.
//
// Python objects become interop::NdArray here and go through the doors of interop/doors.h, which
// decide what is shared, copied or refused.
#include "interop/python/numpy_array.h"
#include "interop/python/scalars.h"
#include "tenon/interop/doors.h"
#include "tenon/interop/nested.h"
#include "tenon/ops/complex.h"
#include "tenon/ops/create.h"
#include "tenon/ops/elementwise.h"
#include "tenon/ops/random.h"

namespace tenon::python {
namespace {

using interop::Report;

Tensor make_tensor(PyObject* o, DType dtype, std::optional<Device> device, bool requires_grad,
                   Report* report = nullptr) {
  const TensorOptions options = {
      .dtype = dtype, .device = device.value_or(Device()), .requires_grad = requires_grad};
  if (is_tensor(o) || is_foreign(o)) {
    const Tensor other = is_tensor(o) ? tensor_of(o) : foreign_argument("tensor", o);
    return in_long_call(other, [&] {
      return tensor(other, {.dtype = dtype, .device = device, .requires_grad = requires_grad},
                    report);
    });
  }
  if (is_array_like(o)) {
    const interop::NdArray array = array_argument("tensor", o);
    return in_long_call(array.size() >= kLongCall, [&] { return tensor(array, options, report); });
  }
  Tensor t = tensor_of_sequence(o, dtype, device);
  if (requires_grad) t.requires_grad_();
  if (report != nullptr) {
    *report = {.shared = false,
               .why = "Python's numbers are always copied",
               .bytes = t.size() * item_size(t.dtype()),
               .dtype_before = t.dtype(),
               .dtype_after = t.dtype(),
               .device_before = Device().text(),
               .device_after = t.device().text()};
  }
  return t;
}

TensorResult make_as_tensor(PyObject* o, DType dtype, std::optional<Device> device,
                            std::optional<bool> copy, Report* report = nullptr) {
  if (is_tensor(o)) {
    return wrapped_or_self(
        o, in_long_call(tensor_of(o), [&] {
          return as_tensor(tensor_of(o), {.dtype = dtype, .device = device, .copy = copy}, report);
        }));
  }
  if (is_foreign(o)) {
    Report taken;
    const Tensor other = foreign_argument("as_tensor", o, report != nullptr ? &taken : nullptr);
    Tensor t = in_long_call(other, [&] {
      return as_tensor(other, {.dtype = dtype, .device = device, .copy = copy}, report);
    });
    // What nothing was added to is told as it came in: the producer may have copied.
    if (report != nullptr && report->shared) *report = taken;
    return wrapped(std::move(t));
  }
  if (is_array_like(o)) {
    const interop::NdArray array = array_argument("as_tensor", o);
    const AsTensorOptions options = {
        .dtype = dtype, .device = device.value_or(Device()), .copy = copy};
    return wrapped(
        in_long_call(array.size() >= kLongCall, [&] { return as_tensor(array, options, report); }));
  }
  if (copy == false) {
    fail(ErrorCode::kInvalidArgument, "as_tensor",
         "can't alias arbitrary sequence into a tensor: a ", type_name(o),
         " has no memory to share. Leave copy unset to copy");
  }
  return wrapped(make_tensor(o, dtype, device, false, report));
}

Tensor make_from_numpy(PyObject* o, Report* report = nullptr) {
  if (!is_numpy_array(o)) {
    type_error("from_numpy", "expected np.ndarray (got ", type_name(o),
               "); as_tensor() takes everything");
  }
  return from_numpy(array_argument("from_numpy", o), report);
}

PyObject* tensor_function(PyObject*, PyObject* const* given, Py_ssize_t n, PyObject* keywords) {
  return guarded([&] {
    constexpr const char* kNames[] = {"data", "dtype", "device", "requires_grad"};
    const Arguments a("tensor", kNames, 1, given, n, keywords);
    return wrap(make_tensor(a[0], dtype_argument(a[1]), optional_device_argument(a[2]),
                            a[3] != Py_None && bool_argument(a[3])));
  });
}

PyObject* as_tensor_function(PyObject*, PyObject* const* given, Py_ssize_t n, PyObject* keywords) {
  return guarded([&]() -> PyObject* {
    if (n == 1 && keywords == nullptr) {
      Tensor t = share_plain_array(given[0]);
      if (t.defined()) return wrap(std::move(t));
    }
    constexpr const char* kNames[] = {"data", "dtype", "device", "copy"};
    const Arguments a("as_tensor", kNames, 3, given, n, keywords);
    return make_as_tensor(a[0], dtype_argument(a[1]), optional_device_argument(a[2]),
                          optional_bool_argument("as_tensor", a[3]))
        .release()
        .ptr();
  });
}

PyObject* from_numpy_function(PyObject*, PyObject* o) {
  return guarded([&] {
    Tensor t = share_plain_array(o);
    return wrap(t.defined() ? std::move(t) : make_from_numpy(o));
  });
}

PyMethodDef functions[] = {
    {"tensor", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(&tensor_function)),
     METH_FASTCALL | METH_KEYWORDS,
     "tensor(data, *, dtype=None, device=None, requires_grad=False) -> Tensor\n\n"
     "A new leaf with a copy of the data: numbers, nested lists, arrays of any layout, tensors. "
     "Python's floats become\n"
     "float32, integers int64; arrays keep their dtype. A list of tensors that require grad stays "
     "in the graph."},
    {"as_tensor", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(&as_tensor_function)),
     METH_FASTCALL | METH_KEYWORDS,
     "as_tensor(data, dtype=None, device=None, copy=None) -> Tensor\n\n"
     "Shares the data's memory where dtype, device and layout allow, else copies. copy=False "
     "raises rather than copies,\n"
     "copy=True copies. A tensor stays in its graph, and is given back itself where nothing "
     "changes."},
    {"from_numpy", &from_numpy_function, METH_O,
     "from_numpy(array) -> Tensor\n\n"
     "Shares the array's memory, always; refuses, with the way out, what cannot be shared. A "
     "read-only array gives a\n"
     "read-only tensor."},
    {nullptr, nullptr, 0, nullptr},
};

// ---- the tutorial's old constructors ----

// Tensor(data): float32, a copy. Never sizes, never uninitialised memory.
PyObject* legacy_new(PyTypeObject* type, PyObject* arguments, PyObject* keywords) {
  return guarded([&]() -> PyObject* {
    const Py_ssize_t n = PyTuple_GET_SIZE(arguments);
    if (keywords != nullptr && PyDict_GET_SIZE(keywords) > 0) {
      type_error(
          "Tensor",
          "the legacy constructor takes data only; tensor(data, dtype=, device=) takes more");
    }
    PyObject* data = n == 1 ? PyTuple_GET_ITEM(arguments, 0) : nullptr;
    if (data == nullptr || PyIndex_Check(data) || PyNumber_Check(data)) {
      // Tensors and arrays are numbers to Python, too.
      if (data == nullptr || !(is_tensor(data) || is_array_like(data)) || is_numpy_scalar(data)) {
        type_error("Tensor", "new(): data must be a sequence (got ",
                   data == nullptr ? std::to_string(n) + " arguments" : type_name(data),
                   "): Tensor(2, 3) would be uninitialised memory. Use tenon.zeros(shape) or "
                   "tenon.empty(shape) for a "
                   "size and tenon.tensor(x) for values");
      }
    }
    warn_once(PyExc_FutureWarning,
              "Tensor(data) always makes float32 and is not recommended; call tenon.tensor(data), "
              "which keeps the dtype");
    return wrap_as(type, make_tensor(data, DType::float32, std::nullopt, false));
  });
}

TensorResult variable(nb::handle data, bool requires_grad) {
  if (!is_tensor(data.ptr())) {
    type_error("Variable", "Variable data has to be a tensor, but got ", type_name(data.ptr()),
               "; make one with tenon.tensor()");
  }
  warn_once(PyExc_DeprecationWarning,
            "Variable is not needed: a Tensor carries its own gradient; call t.requires_grad_() "
            "where you want one");
  if (requires_grad) tensor_of(data.ptr()).requires_grad_();
  return TensorResult(nb::borrow(data));
}

// ---- the standard's ----

Tensor shaped(const char* operation, nb::handle shape, nb::handle dtype, nb::handle device,
              int value) {
  const Dims sizes = shape_argument(operation, shape.ptr());
  const DType d = dtype.is_none() ? kDefaultFloat : dtype_argument(dtype.ptr());
  const Device where = device_argument(device.ptr());
  return value < 0 ? empty(sizes, d, where) : full(sizes, value, d, where);
}

Tensor like(const char* operation, const Tensor& x, nb::handle dtype, nb::handle device,
            int value) {
  const DType d = dtype.is_none() ? x.dtype() : dtype_argument(dtype.ptr());
  const Device where = optional_device_argument(device.ptr()).value_or(x.device());
  return value < 0 ? empty(x.shape(), d, where) : full(x.shape(), value, d, where);
}

Tensor filled(const char* operation, DimsView shape, nb::handle value, DType dtype, Device device) {
  if (PyComplex_Check(value.ptr())) {
    const Py_complex c = PyComplex_AsCComplex(value.ptr());
    return full_complex(shape, c.real, c.imag, dtype, device);
  }
  return full(shape, scalar_argument(operation, value.ptr()), dtype, device);
}

void bind_creation(nb::module_& m) {
  const auto dtype = [] { return nb::arg("dtype") = nb::none(); };
  const auto device = [] { return nb::arg("device") = nb::none(); };
  m.def(
      "empty",
      [](nb::handle s, nb::handle d, nb::handle v) { return shaped("empty", s, d, v, -1); },
      nb::arg("shape"), nb::kw_only(), dtype(), device(),
      "A tensor of this shape with undefined elements.");
  m.def(
      "zeros", [](nb::handle s, nb::handle d, nb::handle v) { return shaped("zeros", s, d, v, 0); },
      nb::arg("shape"), nb::kw_only(), dtype(), device(), "A tensor of zeros.");
  m.def(
      "ones", [](nb::handle s, nb::handle d, nb::handle v) { return shaped("ones", s, d, v, 1); },
      nb::arg("shape"), nb::kw_only(), dtype(), device(), "A tensor of ones.");
  m.def(
      "full",
      [](nb::handle s, nb::handle value, nb::handle d, nb::handle v) {
        const Dims sizes = shape_argument("full", s.ptr());
        return filled("full", sizes, value, dtype_argument(d.ptr()), device_argument(v.ptr()));
      },
      nb::arg("shape"), nb::arg("fill_value"), nb::kw_only(), dtype(), device(),
      "A tensor of one value.");
  m.def(
      "empty_like",
      [](Self x, nb::handle d, nb::handle v) { return like("empty_like", *x, d, v, -1); },
      nb::arg("x"), nb::kw_only(), dtype(), device());
  m.def(
      "zeros_like",
      [](Self x, nb::handle d, nb::handle v) { return like("zeros_like", *x, d, v, 0); },
      nb::arg("x"), nb::kw_only(), dtype(), device());
  m.def(
      "ones_like",
      [](Self x, nb::handle d, nb::handle v) { return like("ones_like", *x, d, v, 1); },
      nb::arg("x"), nb::kw_only(), dtype(), device());
  m.def(
      "full_like",
      [](Self x, nb::handle value, nb::handle d, nb::handle v) {
        return filled("full_like", x->shape(), value,
                      d.is_none() ? x->dtype() : dtype_argument(d.ptr()),
                      optional_device_argument(v.ptr()).value_or(x->device()));
      },
      nb::arg("x"), nb::arg("fill_value"), nb::kw_only(), dtype(), device());
  m.def(
      "arange",
      [](nb::handle start, nb::handle stop, nb::handle step, nb::handle d, nb::handle v) {
        Scalar from = 0, to = scalar_argument("arange", start.ptr());
        if (!stop.is_none()) from = to, to = scalar_argument("arange", stop.ptr());
        return arange(from, to, scalar_argument("arange", step.ptr()), dtype_argument(d.ptr()),
                      device_argument(v.ptr()));
      },
      nb::arg("start"), nb::arg("stop") = nb::none(), nb::arg("step") = 1, nb::kw_only(), dtype(),
      device(), "start, start + step, ... below stop; from 0 to start where stop is left out.");
  m.def(
      "linspace",
      [](nb::handle start, nb::handle stop, int64_t num, nb::handle d, nb::handle v,
         bool endpoint) {
        return linspace(scalar_argument("linspace", start.ptr()),
                        scalar_argument("linspace", stop.ptr()), num, endpoint,
                        dtype_argument(d.ptr()), device_argument(v.ptr()));
      },
      nb::arg("start"), nb::arg("stop"), nb::arg("num"), nb::kw_only(), dtype(), device(),
      nb::arg("endpoint") = true, "num numbers from start to stop, evenly spaced.");
  m.def(
      "eye",
      [](int64_t rows, nb::handle columns, int64_t k, nb::handle d, nb::handle v) {
        return eye(rows, int_argument("eye", "n_cols", columns.ptr(), rows), k,
                   d.is_none() ? kDefaultFloat : dtype_argument(d.ptr()), device_argument(v.ptr()));
      },
      nb::arg("n_rows"), nb::arg("n_cols") = nb::none(), nb::kw_only(), nb::arg("k") = 0, dtype(),
      device(), "Ones on a diagonal, zeros elsewhere.");

  m.def(
      "manual_seed", [](int64_t seed) { manual_seed(static_cast<uint64_t>(seed)); },
      nb::arg("seed"), "Starts the random numbers again.");
  m.def(
      "rand",
      [](nb::args shape, nb::handle d, nb::handle v) {
        return uniform(shape_arguments("rand", shape), 0, 1,
                       d.is_none() ? kDefaultFloat : dtype_argument(d.ptr()),
                       device_argument(v.ptr()));
      },
      nb::arg("shape"), dtype(), device(), "Uniform in [0, 1): the same bits on every device.");
  m.def(
      "randn",
      [](nb::args shape, nb::handle d, nb::handle v) {
        return normal(shape_arguments("randn", shape), 0, 1,
                      d.is_none() ? kDefaultFloat : dtype_argument(d.ptr()),
                      device_argument(v.ptr()));
      },
      nb::arg("shape"), dtype(), device(), "Normal with mean 0 and deviation 1.");
  m.def(
      "randint",
      [](int64_t low, int64_t high, nb::handle shape, nb::handle d, nb::handle v) {
        return randint(shape_argument("randint", shape.ptr()), low, high,
                       d.is_none() ? kDefaultInt : dtype_argument(d.ptr()),
                       device_argument(v.ptr()));
      },
      nb::arg("low"), nb::arg("high"), nb::arg("shape"), nb::kw_only(), dtype(), device(),
      "Integers in [low, high).");
  m.def(
      "randperm", [](int64_t n, nb::handle v) { return randperm(n, device_argument(v.ptr())); },
      nb::arg("n"), nb::kw_only(), device(), "0 .. n-1 in random order.");
}

// What as_tensor(x, dtype=, device=), tensor(x) or the door named by `how` would do; does it, too.
Report explain(nb::handle x, nb::handle to, nb::handle dtype, nb::handle device, nb::handle copy) {
  Report report;
  DType d = dtype_argument(dtype.ptr());
  std::string target = to.is_none() ? "tensor" : "";
  nb::object asked_device = nb::borrow(device);
  if (nb::isinstance<nb::str>(to)) {
    target = nb::cast<std::string>(to);
    if (dtype_from_name(target) != DType::none) {
      d = dtype_from_name(target), target = "tensor";
    } else if (target != "numpy" && target != "tensor") {
      asked_device = nb::borrow(to), target = "tensor";
    }
  } else if (nb::isinstance<Device>(to)) {
    asked_device = nb::borrow(to), target = "tensor";
  } else if (!to.is_none()) {
    const nb::object module = imported_numpy();
    if (module.is_valid() && (to.is(module) || to.is(module.attr("ndarray")))) target = "numpy";
    if (to.is(reinterpret_cast<PyObject*>(tensor_type))) target = "tensor";
    if (target.empty()) d = dtype_argument(to.ptr()), target = "tensor";
  }
  if (target == "numpy") {
    if (!is_tensor(x.ptr()))
      type_error("explain", "to=\"numpy\" explains a Tensor, got ", type_name(x.ptr()));
    to_numpy(tensor_of(x.ptr()), false, &report);
  } else if (target == "tensor") {
    make_as_tensor(x.ptr(), d, optional_device_argument(asked_device.ptr()),
                   optional_bool_argument("explain", copy.ptr()), &report);
  } else {
    type_error("explain", "to is \"numpy\", a device, a dtype, or left out for a Tensor");
  }
  return report;
}

}  // namespace

void add_make_slots(std::vector<PyType_Slot>& slots) {
  slots.push_back({Py_tp_new, reinterpret_cast<void*>(&legacy_new)});
}

void bind_make(nb::module_& m) {
  for (PyMethodDef* f = functions; f->ml_name != nullptr; ++f) {
    m.attr(f->ml_name) = steal(PyCFunction_NewEx(f, nullptr, nb::str("tenon").release().ptr()));
  }
  m.def(
      "asarray",
      [](nb::handle data, nb::handle dtype, nb::handle device, nb::handle copy) {
        return make_as_tensor(data.ptr(), dtype_argument(dtype.ptr()),
                              optional_device_argument(device.ptr()),
                              optional_bool_argument("asarray", copy.ptr()));
      },
      nb::arg("obj").none(), nb::kw_only(), nb::arg("dtype") = nb::none(),
      nb::arg("device") = nb::none(), nb::arg("copy") = nb::none(),
      "The Array API's name of as_tensor().");
  m.def("Variable", &variable, nb::arg("data").none(), nb::arg("requires_grad") = false,
        "The tensor itself: a Tensor carries its own gradient. Not recommended.");
  nb::class_<Report>(m, "Report", "What a conversion did; prints as a sentence.")
      .def_prop_ro(
          "shared", [](const Report& r) { return r.shared; }, "Do both look at the same memory?")
      .def_prop_ro(
          "why", [](const Report& r) { return r.why; }, "The rule that decided.")
      .def_prop_ro(
          "bytes", [](const Report& r) { return r.bytes; },
          "Of the result's elements; moved if not shared.")
      .def_prop_ro(
          "dtype",
          [](const Report& r) {
            return nb::make_tuple(nb::handle(dtype_object(r.dtype_before)),
                                  nb::handle(dtype_object(r.dtype_after)));
          },
          "Before and after.")
      .def_prop_ro(
          "device", [](const Report& r) { return std::pair(r.device_before, r.device_after); },
          "Before and after.")
      .def_prop_ro("text", [](const Report& r) { return r.text(); })
      .def("__repr__", [](const Report& r) { return r.text(); });
  m.def("explain", &explain, nb::arg("x").none(), nb::arg("to") = nb::none(), nb::kw_only(),
        nb::arg("dtype") = nb::none(), nb::arg("device") = nb::none(), nb::arg("copy") = nb::none(),
        "What a conversion of x does: .shared, .why, .bytes, .dtype and .device (before, after), "
        "and prints as a sentence. `to` is a device, a dtype,\n"
        "\"numpy\", or left out for as_tensor().");
  m.def(
      "_as_subclass",
      [](Self t, nb::handle type) {
        if (!PyType_Check(type.ptr()) ||
            !PyType_IsSubtype(reinterpret_cast<PyTypeObject*>(type.ptr()), tensor_type)) {
          type_error("_as_subclass", "not a subclass of Tensor");
        }
        return nb::steal(wrap_as(reinterpret_cast<PyTypeObject*>(type.ptr()), Tensor(*t)));
      },
      "The same tensor as an instance of a subclass of Tensor.");
  bind_creation(m);
}

}  // namespace tenon::python
