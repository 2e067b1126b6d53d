#include "interop/python/object.h"

#include <atomic>
#include <cstring>
#include <limits>

#include "interop/python/numpy_array.h"

namespace tenon::python {

// ---- references dropped without the GIL ----

namespace {

struct Waiting {
  PyObject* object;
  Waiting* next;
};
constinit std::atomic<Waiting*> waiting{nullptr};

int drop_waiting_call(void*) {
  drop_waiting();
  return 0;
}

}  // namespace

void drop_anywhere(PyObject* o) noexcept {
  if (!Py_IsInitialized()) return;
  if (PyGILState_Check()) {
    Py_DECREF(o);
    return;
  }
  auto* entry = new (std::nothrow) Waiting{o, nullptr};
  if (entry == nullptr) return;
  // Once the entry is on the list, the thread that empties it may delete it.
  Waiting* before = waiting.load(std::memory_order_relaxed);
  do {
    entry->next = before;
  } while (!waiting.compare_exchange_weak(before, entry, std::memory_order_release));
  // Python's own list is short; where it is full, somebody else's entry will do for this one too,
  // or the next long call.
  if (before == nullptr) Py_AddPendingCall(&drop_waiting_call, nullptr);
}

void drop_waiting() noexcept {
  if (__builtin_expect(waiting.load(std::memory_order_relaxed) == nullptr, 1)) return;
  Waiting* entry = waiting.exchange(nullptr, std::memory_order_acquire);
  while (entry != nullptr) {
    Waiting* next = entry->next;
    Py_DECREF(entry->object);
    delete entry;
    entry = next;
  }
}

std::shared_ptr<const void> keep(PyObject* o) {
  Py_INCREF(o);
  return std::shared_ptr<const void>(o, [](const void* object) {
    drop_anywhere(static_cast<PyObject*>(const_cast<void*>(object)));
  });
}

// ---- arguments ----

namespace {

// An integer, if o is one (numbers with __index__ too).
std::optional<Scalar> integer_scalar(PyObject* o) {
  int overflow = 0;
  const long long value = PyLong_AsLongLongAndOverflow(o, &overflow);
  if (overflow == 0) {
    if (value == -1 && PyErr_Occurred()) throw nb::python_error();
    return Scalar(static_cast<int64_t>(value));
  }
  if (overflow > 0) {
    const unsigned long long large = PyLong_AsUnsignedLongLong(o);
    if (!PyErr_Occurred()) return Scalar(static_cast<uint64_t>(large));
    PyErr_Clear();
  }
  fail(ErrorCode::kDType, "number",
       "value cannot be converted to type int64 or uint64 without overflow: ",
       nb::cast<std::string>(nb::str(nb::handle(o))));
}

// Python's own numbers and their subclasses, without NumPy's scalars.
std::optional<Scalar> number(PyObject* o) {
  if (PyBool_Check(o)) return Scalar(o == Py_True);
  if (PyLong_Check(o)) return integer_scalar(o);
  if (PyFloat_Check(o)) return Scalar(PyFloat_AsDouble(o));
  return std::nullopt;
}

}  // namespace

bool Argument::parse_other(PyObject* o) {
  if (PyLong_CheckExact(o) || PyBool_Check(o)) {
    scalar_ = *number(o);
    return true;
  }
  made_ = share_plain_array(o);
  if (made_.defined()) {
    tensor_ = &made_;
    return true;
  }
  // NumPy's scalars are subclasses of Python's numbers, but have a dtype of their own.
  if (is_array_like(o)) {
    made_ = tensor_argument("operand", o);
    tensor_ = &made_;
    return true;
  }
  if (std::optional<Scalar> s = number(o)) {
    scalar_ = *s;
    return true;
  }
  if (PyComplex_Check(o)) {
    scalar_ = Scalar(PyComplex_RealAsDouble(o));
    imaginary_ = PyComplex_ImagAsDouble(o);
    complex_ = true;
    return true;
  }
  return false;
}

void Argument::make_complex_tensor(const Argument& beside) {
  const DType other = beside.is_tensor() ? beside.tensor().dtype() : DType::float32;
  const Complex128 value{scalar_.to_double(), imaginary_};
  made_ = from_host(DType::complex128, {}, &value);
  if (other != DType::float64 && other != DType::complex128) made_ = made_.to(DType::complex64);
  if (beside.is_tensor()) made_ = made_.to(beside.tensor().device());
  tensor_ = &made_;
  complex_ = false;
}

void Argument::refuse(std::string_view operation, PyObject* o) {
  type_error(operation, "expected a Tensor, a number or an array, got ", type_name(o),
             PySequence_Check(o) ? "; make a tensor of it with tenon.tensor()" : "");
}

Scalar scalar_argument(std::string_view operation, PyObject* o) {
  if (std::optional<Scalar> s = number(o)) return *s;
  if (is_tensor(o)) {
    const Tensor& t = tensor_of(o);
    if (t.size() == 1 && (is_floating(t.dtype()) || is_float8(t.dtype()))) return Scalar(t.item());
    if (t.size() == 1 && !is_complex(t.dtype())) return Scalar(t.item<int64_t>());
  }
  if (PyIndex_Check(o)) {
    const nb::object index = steal(PyNumber_Index(o));
    return *integer_scalar(index.ptr());
  }
  if (Py_TYPE(o)->tp_as_number != nullptr && Py_TYPE(o)->tp_as_number->nb_float != nullptr &&
      !is_tensor(o)) {
    const nb::object real = steal(PyNumber_Float(o));
    return Scalar(PyFloat_AS_DOUBLE(real.ptr()));
  }
  type_error(operation, "expected a number, got ", type_name(o));
}

int64_t int_argument(std::string_view operation, const char* name, PyObject* o) {
  if (PyLong_CheckExact(o)) {
    const Py_ssize_t value = PyLong_AsSsize_t(o);
    if (value != -1 || PyErr_Occurred() == nullptr) return value;
    PyErr_Clear();  // too large: the words of an index
  }
  if (!PyIndex_Check(o)) type_error(operation, name, " must be an integer, not ", type_name(o));
  const Py_ssize_t value = PyNumber_AsSsize_t(o, PyExc_OverflowError);
  if (value == -1 && PyErr_Occurred()) throw nb::python_error();
  return value;
}

int64_t int_argument(std::string_view operation, const char* name, PyObject* o, int64_t absent) {
  return o == Py_None ? absent : int_argument(operation, name, o);
}

bool bool_argument(PyObject* o) { return checked(PyObject_IsTrue(o)) != 0; }

Dims shape_argument(std::string_view operation, PyObject* o) {
  Dims shape;
  if (PyIndex_Check(o)) {
    shape.push_back(int_argument(operation, "a size", o));
    return shape;
  }
  if (!PySequence_Check(o) || PyUnicode_Check(o)) {
    type_error(operation, "a shape is an integer or a tuple of integers, not ", type_name(o));
  }
  const nb::object items = steal(fast_items(o, "a shape is an integer or a tuple of integers"));
  const Py_ssize_t n = PySequence_Fast_GET_SIZE(items.ptr());
  if (n > kMaxRank)
    fail(ErrorCode::kShape, operation, "at most ", kMaxRank, " dimensions, not ", n);
  for (Py_ssize_t i = 0; i < n; ++i) {
    shape.push_back(int_argument(operation, "a size", PySequence_Fast_GET_ITEM(items.ptr(), i)));
  }
  return shape;
}

Dims shape_arguments(std::string_view operation, PyObject* const* arguments, Py_ssize_t n) {
  if (n == 1) return shape_argument(operation, arguments[0]);
  if (n > kMaxRank)
    fail(ErrorCode::kShape, operation, "at most ", kMaxRank, " dimensions, not ",
         static_cast<int64_t>(n));
  Dims shape;
  for (Py_ssize_t i = 0; i < n; ++i)
    shape.push_back(int_argument(operation, "a size", arguments[i]));
  return shape;
}

Dims shape_arguments(std::string_view operation, nb::args args) {
  if (args.size() == 1) return shape_argument(operation, nb::object(args[0]).ptr());
  return shape_argument(operation, args.ptr());
}

Dims axes_argument(std::string_view operation, PyObject* o) {
  if (o == Py_None) return Dims();
  return shape_argument(operation, o);
}

std::optional<bool> optional_bool_argument(std::string_view operation, PyObject* o) {
  if (o == Py_None) return std::nullopt;
  if (!PyBool_Check(o))
    type_error(operation, "copy must be None, True or False, not ", type_name(o));
  return o == Py_True;
}

Tensor tensor_argument(std::string_view operation, PyObject* o) {
  if (is_tensor(o)) return tensor_of(o);
  Tensor plain = share_plain_array(o);
  if (plain.defined()) return plain;
  if (is_foreign(o)) return foreign_argument(operation, o);
  if (is_array_like(o)) return as_tensor(array_argument(operation, o));
  type_error(
      operation, "expected a Tensor or an array, got ", type_name(o),
      PySequence_Check(o) || PyNumber_Check(o) ? "; make a tensor of it with tenon.tensor()" : "");
}

std::vector<Tensor> tensors_argument(std::string_view operation, PyObject* o) {
  if (is_tensor(o)) type_error(operation, "expected a list of tensors, got one Tensor");
  const nb::object items = nb::steal(fast_items(o, ""));
  if (!items.is_valid()) {
    PyErr_Clear();
    type_error(operation, "expected a list of tensors, got ", type_name(o));
  }
  std::vector<Tensor> tensors;
  const Py_ssize_t n = PySequence_Fast_GET_SIZE(items.ptr());
  tensors.reserve(static_cast<size_t>(n));
  for (Py_ssize_t i = 0; i < n; ++i) {
    tensors.push_back(tensor_argument(operation, PySequence_Fast_GET_ITEM(items.ptr(), i)));
  }
  return tensors;
}

// ---- results ----

PyObject* shape_tuple(DimsView shape) {
  nb::object tuple = steal(PyTuple_New(static_cast<Py_ssize_t>(shape.size())));
  for (size_t i = 0; i < shape.size(); ++i) {
    PyTuple_SET_ITEM(tuple.ptr(), static_cast<Py_ssize_t>(i),
                     checked(PyLong_FromLongLong(shape[i])));
  }
  return tuple.release().ptr();
}

PyObject* text_object(std::string_view text) {
  return checked(
      PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "replace"));
}

nb::object tensor_list(std::vector<Tensor>&& tensors) {
  nb::object list = steal(PyList_New(static_cast<Py_ssize_t>(tensors.size())));
  for (size_t i = 0; i < tensors.size(); ++i) {
    PyList_SET_ITEM(list.ptr(), static_cast<Py_ssize_t>(i), wrap(std::move(tensors[i])));
  }
  return list;
}

}  // namespace tenon::python
