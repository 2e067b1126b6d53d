// From tensors to Python's numbers and lists, NumPy's arrays, other devices and dtypes.
#include <cmath>
#include <cstring>

#include "interop/python/numpy_array.h"
#include "interop/python/scalars.h"
#include "tenon/tensor/impl.h"

namespace tenon::python {

PyObject* element_object(DType d, const void* p) {
  return visit_dtype(d, [&]<class T>() -> PyObject* {
    T value;
    std::memcpy(static_cast<void*>(&value), p, sizeof value);
    if constexpr (std::is_same_v<T, bool>) {
      unsigned char byte;
      std::memcpy(&byte, p, 1);  // memory of others may hold other bytes than 0 and 1
      return checked(PyBool_FromLong(byte != 0));
    } else if constexpr (std::is_same_v<T, Complex64> || std::is_same_v<T, Complex128>) {
      return checked(PyComplex_FromDoubles(value.real, value.imag));
    } else if constexpr (std::is_unsigned_v<T>) {
      return checked(PyLong_FromUnsignedLongLong(value));
    } else if constexpr (std::is_integral_v<T>) {
      return checked(PyLong_FromLongLong(value));
    } else {
      return checked(PyFloat_FromDouble(static_cast<double>(value)));
    }
  });
}

PyObject* item_object(const Tensor& t) {
  const TensorImpl* i = t.impl();
  if (i->size == 1 && i->device().host_addressable) {
    const void* p = reinterpret_cast<const void*>(i->storage->memory.buffer + i->byte_offset());
    if (i->dtype == DType::float32) {
      float value;
      std::memcpy(&value, p, sizeof value);
      return checked(PyFloat_FromDouble(static_cast<double>(value)));
    }
    return element_object(i->dtype, p);
  }
  alignas(16) std::byte element[16];
  in_long_call(true, [&] {
    if (is_complex(t.dtype())) {
      const Complex128 value = t.item<Complex128>();
      std::memcpy(element, &value, sizeof value);
    } else if (is_floating(t.dtype()) || t.size() != 1) {
      const double value = t.item();
      std::memcpy(element, &value, sizeof value);
    } else {
      const Tensor host = t.detach().cpu();
      std::memcpy(element, host.raw_data(), static_cast<size_t>(item_size(t.dtype())));
    }
    return 0;
  });
  return element_object(is_complex(t.dtype())    ? DType::complex128
                        : is_floating(t.dtype()) ? DType::float64
                                                 : t.dtype(),
                        element);
}

namespace {

// ---- item, tolist ----

// The element at a flat position or a full index, without tensors between.
PyObject* item_at(const Tensor& t, PyObject* const* arguments, Py_ssize_t n) {
  int64_t offset = 0;
  if (n == 1 && !PyTuple_Check(arguments[0])) {
    int64_t flat = int_argument("item", "the position", arguments[0]);
    if (flat < -t.size() || flat >= t.size()) {
      fail(ErrorCode::kAxis, "item", "position ", flat, " is out of range for ", t.size(),
           " elements");
    }
    if (flat < 0) flat += t.size();
    for (int axis = t.ndim() - 1; axis >= 0; --axis) {
      offset += flat % t.shape()[axis] * t.strides()[axis];
      flat /= t.shape()[axis];
    }
  } else {
    if (n == 1) {
      PyObject* tuple = arguments[0];
      n = PyTuple_GET_SIZE(tuple);
      arguments = reinterpret_cast<PyTupleObject*>(tuple)->ob_item;
    }
    if (n != t.ndim()) fail(ErrorCode::kAxis, "item", n, " indices for ", t.ndim(), " dimensions");
    for (int axis = 0; axis < n; ++axis) {
      int64_t i = int_argument("item", "an index", arguments[axis]);
      const int64_t size = t.shape()[axis];
      if (i < -size || i >= size) {
        fail(ErrorCode::kAxis, "item", "index ", i, " is out of range for axis ", axis, " of size ",
             size);
      }
      offset += (i < 0 ? i + size : i) * t.strides()[axis];
    }
  }
  if (!t.device().host_addressable()) {
    return item_object(alias(t, t.dtype(), {}, {}, t.impl()->offset + offset));
  }
  return element_object(
      t.dtype(), static_cast<const std::byte*>(t.raw_data()) + offset * item_size(t.dtype()));
}

PyObject* item(PyObject* self, PyObject* const* arguments, Py_ssize_t n) {
  return guarded([&] {
    return n == 0 ? item_object(tensor_of(self)) : item_at(tensor_of(self), arguments, n);
  });
}

PyObject* nested_list(const Tensor& t, const std::byte* data, int axis) {
  if (axis == t.ndim()) return element_object(t.dtype(), data);
  const int64_t size = t.shape()[axis], step = t.strides()[axis] * item_size(t.dtype());
  nb::object list = steal(PyList_New(size));
  const auto fill = [&](auto make) {
    for (int64_t i = 0; i < size; ++i)
      PyList_SET_ITEM(list.ptr(), i, checked(make(data + i * step)));
  };
  if (axis + 1 < t.ndim()) {
    fill([&](const std::byte* p) { return nested_list(t, p, axis + 1); });
  } else {
    visit_dtype(t.dtype(), [&]<class T>() {
      if constexpr (std::is_floating_point_v<T>) {
        fill([](const std::byte* p) {
          T value;
          std::memcpy(&value, p, sizeof value);
          return PyFloat_FromDouble(static_cast<double>(value));
        });
      } else {
        fill([&](const std::byte* p) { return element_object(dtype_of<T>(), p); });
      }
    });
  }
  return list.release().ptr();
}

nb::object tolist(Self self) {
  const Tensor host = in_long_call(*self, [&] { return self->detach().cpu(); });
  return nb::steal(nested_list(
      host, host.size() != 0 ? static_cast<const std::byte*>(host.raw_data()) : nullptr, 0));
}

// ---- Python's numbers ----

[[noreturn]] void not_one_element(const char* operation, const Tensor& t) {
  fail(ErrorCode::kShape, operation,
       "only one element tensors can be converted to Python scalars, this one has shape ",
       shape_text(t.shape()));
}

PyObject* to_number(const char* operation, PyObject* self, PyObject* (*convert)(PyObject*)) {
  return guarded([&]() -> PyObject* {
    const Tensor& t = tensor_of(self);
    if (t.size() != 1) not_one_element(operation, t);
    const nb::object value = nb::steal(item_object(t));
    if (PyComplex_Check(value.ptr())) {
      if (PyComplex_ImagAsDouble(value.ptr()) != 0) {
        fail(ErrorCode::kDType, operation, "the element ", nb::cast<std::string>(nb::str(value)),
             " is complex with an imaginary part; use complex()");
      }
      const nb::object real = steal(PyFloat_FromDouble(PyComplex_RealAsDouble(value.ptr())));
      return checked(convert(real.ptr()));
    }
    return checked(convert(value.ptr()));
  });
}
PyObject* as_float(PyObject* self) { return to_number("float", self, &PyNumber_Float); }
PyObject* as_int(PyObject* self) { return to_number("int", self, &PyNumber_Long); }

PyObject* as_index(PyObject* self) {
  return guarded([&]() -> PyObject* {
    const Tensor& t = tensor_of(self);
    if (t.size() != 1 || !(is_integral(t.dtype()) || t.dtype() == DType::bool_)) {
      type_error(
          "index",
          "only integer tensors of a single element can be converted to an index, this one is ",
          describe(t));
    }
    const nb::object value = nb::steal(item_object(t));
    return checked(PyNumber_Long(value.ptr()));
  });
}

int as_bool(PyObject* self) {
  return guarded([&]() -> int {
    const Tensor& t = tensor_of(self);
    if (t.size() != 1) {
      fail(ErrorCode::kShape, "bool", "Boolean value of Tensor with ",
           t.size() == 0 ? "no values" : "more than one value",
           " is ambiguous; use tenon.any(t) or tenon.all(t), this one has shape ",
           shape_text(t.shape()));
    }
    const nb::object value = nb::steal(item_object(t));
    return checked(PyObject_IsTrue(value.ptr()));
  });
}

// ---- numpy, to ----

PyObject* numpy(PyObject* self, PyObject* const* arguments, Py_ssize_t n, PyObject* keywords) {
  return guarded([&] {
    const Tensor& t = tensor_of(self);
    bool force = false;
    if (n != 0 || keywords != nullptr) {
      constexpr const char* kNames[] = {"force"};
      force = bool_argument(Arguments("numpy", kNames, 1, arguments, n, keywords)[0]);
    }
    if (PyObject* shared = share_plain_tensor(self)) return shared;
    // Only a forced call may copy, from a device.
    return make_numpy_array(in_long_call(force && !t.device().host_addressable(),
                                         [&] { return array_of_tensor(t, force); }));
  });
}

// to(dtype), to(device), to(other), to(device, dtype), with keywords; differentiable.
TensorResult to(Self self, nb::args arguments, nb::kwargs keywords) {
  nb::object device_object = nb::none(), dtype_object = nb::none(), copy = nb::bool_(false);
  bool non_blocking = false;
  for (nb::handle a : arguments) {
    if (is_tensor(a.ptr())) {
      device_object = python::device_object(tensor_of(a.ptr()).device());
      dtype_object = nb::borrow(python::dtype_object(tensor_of(a.ptr()).dtype()));
    } else if (nb::isinstance<Device>(a) ||
               (nb::isinstance<nb::str>(a) &&
                dtype_from_name(nb::cast<std::string_view>(a)) == DType::none)) {
      device_object = nb::borrow(a);
    } else if (PyBool_Check(a.ptr())) {
      copy = nb::borrow(a);
    } else if (!a.is_none()) {
      dtype_object = nb::borrow(a);
    }
  }
  for (auto [key, value] : keywords) {
    const std::string name = nb::cast<std::string>(key);
    if (name == "device") {
      device_object = nb::borrow(value);
    } else if (name == "dtype") {
      dtype_object = nb::borrow(value);
    } else if (name == "copy") {
      copy = nb::borrow(value);
    } else if (name == "non_blocking") {
      non_blocking = bool_argument(value.ptr());
    } else {
      type_error("to", "there is no argument '", name,
                 "'; there are device, dtype, copy and non_blocking");
    }
  }
  const DType dtype = dtype_argument(dtype_object.ptr());
  const std::optional<Device> device = optional_device_argument(device_object.ptr());
  const bool asked_copy = bool_argument(copy.ptr());
  Tensor t = in_long_call(is_long(*self) || device.has_value(), [&] {
    Tensor moved = *self;
    if (dtype != DType::none) moved = moved.to(dtype);
    if (device.has_value()) moved = moved.to(*device, false, non_blocking);
    return asked_copy && moved.impl() == self->impl() ? moved.clone() : moved;
  });
  return wrapped_or_self(self.object(), std::move(t));
}

TensorResult as_dtype(Self self, DType d) {
  return wrapped_or_self(self.object(), in_long_call(*self, [&] { return self->to(d); }));
}

PyObject* detach(PyObject* self, PyObject*) {
  return guarded([&] { return wrap(tensor_of(self).detach()); });
}
PyObject* clone(PyObject* self, PyObject*) {
  return guarded([&] {
    const Tensor& t = tensor_of(self);
    return wrap(in_long_call(t, [&] { return t.clone(); }));
  });
}

PyMethodDef methods[] = {
    {"item", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(&item)), METH_FASTCALL,
     "item(*index) -> bool | int | float | complex\n\nThe one element (or the one at the index) as "
     "a Python number, from any device."},
    {"numpy", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(&numpy)),
     METH_FASTCALL | METH_KEYWORDS,
     "numpy(force=False) -> numpy.ndarray\n\nThe same memory as a NumPy array. Refuses what would "
     "need a copy or lose a gradient;\n"
     "force=True does detach() and cpu() first."},
    {"detach", &detach, METH_NOARGS,
     "The same memory without history: a later write is noticed by backward()."},
    {"clone", &clone, METH_NOARGS, "A copy that stays in the graph."},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

void add_conversion_slots(std::vector<PyType_Slot>& slots) {
  slots.push_back({Py_nb_float, reinterpret_cast<void*>(&as_float)});
  slots.push_back({Py_nb_int, reinterpret_cast<void*>(&as_int)});
  slots.push_back({Py_nb_index, reinterpret_cast<void*>(&as_index)});
  slots.push_back({Py_nb_bool, reinterpret_cast<void*>(&as_bool)});
}

void bind_convert(nb::module_& m) {
  add_methods(methods);
  method("tolist", &tolist, "Nested lists of Python numbers; a number for a tensor without axes.");
  method("__complex__", [](Self self) {
    if (self->size() != 1) not_one_element("complex", *self);
    nb::object value = nb::steal(item_object(*self));
    if (PyComplex_Check(value.ptr())) return value;
    return steal(PyComplex_FromDoubles(PyFloat_AsDouble(value.ptr()), 0));
  });
  method("to", &to,
         nb::sig("def to(self, *args, device=None, dtype=None, copy: bool = False, non_blocking: "
                 "bool = False) -> Tensor"),
         "With another dtype, on another device; itself if it is so already (unless copy). "
         "Differentiable.");
  method(
      "to_device",
      [](Self self, nb::handle device, nb::handle stream) {
        const Device d = device_argument(device.ptr());
        return wrapped_or_self(self.object(), in_long_call(true, [&] { return self->to(d); }));
      },
      nb::arg("device"), nb::kw_only(), nb::arg("stream") = nb::none(),
      "On another device; itself if it is there. Differentiable.");
  method(
      "astype",
      [](Self self, nb::handle dtype, bool copy) {
        const DType d = dtype_argument(dtype.ptr());
        return wrapped_or_self(self.object(),
                               in_long_call(*self, [&] { return self->to(d, copy); }));
      },
      nb::arg("dtype"), nb::arg("copy") = true,
      "Converted; floats become integers towards zero, saturating. Differentiable.");
  method(
      "cpu",
      [](Self self) {
        return wrapped_or_self(self.object(), in_long_call(!self->device().host_addressable(),
                                                           [&] { return self->cpu(); }));
      },
      "On the host; itself if it is there. Differentiable.");
  method(
      "cuda",
      [](Self self, nb::handle device) {
        int64_t index = 0;
        if (!device.is_none() && PyIndex_Check(device.ptr())) {
          index = int_argument("cuda", "the device", device.ptr());
        } else if (!device.is_none()) {
          index = device_argument(device.ptr()).index();
        }
        return wrapped_or_self(
            self.object(), in_long_call(true, [&] { return self->cuda(static_cast<int>(index)); }));
      },
      nb::arg("device") = nb::none(), "On a CUDA device; itself if it is there. Differentiable.");
  method(
      "pin_memory",
      [](Self self, nb::handle device) {
        const Device d = device.is_none() ? Device("cuda") : device_argument(device.ptr());
        return wrapped_or_self(self.object(),
                               in_long_call(true, [&] { return self->pin_memory(d); }));
      },
      nb::arg("device") = nb::none(),
      "A copy in host memory from which the device copies without staging; itself if it is in such "
      "memory.");
  method(
      "is_pinned", [](Self self) { return self->is_pinned(); }, "Is it in pinned host memory?");
  method(
      "float", [](Self self) { return as_dtype(self, DType::float32); },
      "As float32; itself if it is.");
  method(
      "double", [](Self self) { return as_dtype(self, DType::float64); },
      "As float64; itself if it is.");
  method(
      "half", [](Self self) { return as_dtype(self, DType::float16); },
      "As float16; itself if it is.");
  method(
      "bfloat16", [](Self self) { return as_dtype(self, DType::bfloat16); },
      "As bfloat16; itself if it is.");
  method(
      "int", [](Self self) { return as_dtype(self, DType::int32); }, "As int32; itself if it is.");
  method(
      "long", [](Self self) { return as_dtype(self, DType::int64); }, "As int64; itself if it is.");
  method(
      "bool", [](Self self) { return as_dtype(self, DType::bool_); },
      "Is not 0, as bool; itself if it is.");
  method(
      "contiguous",
      [](Self self) {
        return wrapped_or_self(self.object(),
                               in_long_call(*self, [&] { return self->contiguous(); }));
      },
      "In row-major order; itself if it is. Differentiable.");
  method(
      "is_contiguous", [](Self self) { return self->is_contiguous(); },
      "Do the elements lie in row-major order?");
  method(
      "stride", [](Self self) { return nb::steal(shape_tuple(self->strides())); },
      "Strides in elements.");
  method(
      "element_size", [](Self self) { return item_size(self->dtype()); }, "Bytes of an element.");
  method(
      "numel", [](Self self) { return self->size(); }, "Number of elements.");
  method(
      "dim", [](Self self) { return self->ndim(); }, "Number of axes.");
  method(
      "data_ptr",
      [](Self self) {
        return static_cast<int64_t>(self->impl()->storage->memory.buffer +
                                    self->impl()->byte_offset());
      },
      "The address (or the device's handle) of the first element.");
  m.def(
      "shares_memory", [](Self a, Self b) { return a->shares_storage_with(*b); }, nb::arg("a"),
      nb::arg("b"), "Do both tensors look at the same storage?");
}

}  // namespace tenon::python
