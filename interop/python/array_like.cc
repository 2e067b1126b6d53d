// Arrays of other libraries than NumPy: the buffer protocol, __array_interface__, __array__.
#include "interop/python/numpy_array.h"

namespace tenon::python {

using interop::NdArray;

// The documented way: a dict (version 3 of the protocol).
NdArray interface_argument(std::string_view operation, PyObject* owner, nb::handle interface,
                           DType known, const char* protocol) {
  if (!PyDict_Check(interface.ptr()))
    type_error(operation, protocol, " of ", type_name(owner), " is no dict");
  const auto item = [&](const char* key) {
    return nb::borrow(PyDict_GetItemString(interface.ptr(), key));
  };
  const nb::object shape = item("shape"), typestr = item("typestr"), data = item("data"),
                   strides = item("strides");
  if (!shape.is_valid() || !PyTuple_Check(shape.ptr()) || !typestr.is_valid() ||
      !PyUnicode_Check(typestr.ptr())) {
    type_error(operation, protocol, " of ", type_name(owner), " lacks shape or typestr");
  }
  const std::string descr = nb::cast<std::string>(typestr);
  interop::NdArrayMemory memory;
  memory.dtype = known != DType::none ? known : dtype_from_descr(descr);
  if (memory.dtype == DType::none) {
    type_error(operation, protocol, " of ", type_name(owner), " has the typestr '", descr,
               "', for which there is no dtype. Convert the array with astype() first");
  }
  memory.byte_swapped = descr[0] == '>' && item_size(memory.dtype) > 1;
  memory.shape = shape_argument(operation, shape.ptr());
  if (strides.is_valid() && !strides.is_none())
    memory.byte_strides = shape_argument(operation, strides.ptr());
  if (!data.is_valid() || !PyTuple_Check(data.ptr()) || PyTuple_GET_SIZE(data.ptr()) != 2) {
    type_error(operation, protocol, " of ", type_name(owner),
               " gives no address; make an array of it with numpy.asarray()");
  }
  memory.data = PyLong_AsVoidPtr(PyTuple_GET_ITEM(data.ptr(), 0));
  if (memory.data == nullptr && PyErr_Occurred()) throw nb::python_error();
  memory.read_only = bool_argument(PyTuple_GET_ITEM(data.ptr(), 1));
  memory.owner = keep(owner);
  return NdArray::over(std::move(memory));
}

namespace {

// The buffer protocol's format as a dtype: one code of the struct module, native sizes or the
// standard's.
DType dtype_from_format(const char* format, Py_ssize_t itemsize, bool* swapped) {
  if (format == nullptr) return itemsize == 1 ? DType::uint8 : DType::none;
  std::string_view code = format;
  *swapped = false;
  if (!code.empty() && std::string_view("@=<>!").find(code[0]) != std::string_view::npos) {
    *swapped = code[0] == '>' || code[0] == '!';
    code.remove_prefix(1);
  }
  const bool complex = code.size() == 2 && code[0] == 'Z';
  if (complex) code.remove_prefix(1);
  if (code.size() != 1) return DType::none;
  DTypeKind kind = DTypeKind::None;
  if (code == "?") {
    kind = DTypeKind::Bool;
  } else if (std::string_view("bhilqn").find(code) != std::string_view::npos) {
    kind = DTypeKind::Int;
  } else if (std::string_view("BHILQN").find(code) != std::string_view::npos) {
    kind = DTypeKind::UInt;
  } else if (std::string_view("efd").find(code) != std::string_view::npos) {
    kind = complex ? DTypeKind::Complex : DTypeKind::Float;
  }
  for (int i = 1; i < kDTypeCount; ++i) {
    const DTypeInfo& info = dtype_info(static_cast<DType>(i));
    if (info.kind == kind && info.item_size == itemsize && !info.numpy_descr.empty())
      return static_cast<DType>(i);
  }
  return DType::none;
}

NdArray read_buffer(std::string_view operation, PyObject* o) {
  struct Export {
    Py_buffer view;
  };
  // Released through a Python object, which may be dropped anywhere: a memoryview.
  const nb::object memory = steal(PyMemoryView_FromObject(o));
  const Py_buffer* view = PyMemoryView_GET_BUFFER(memory.ptr());
  bool swapped = false;
  const DType d = dtype_from_format(view->format, view->itemsize, &swapped);
  if (d == DType::none || view->suboffsets != nullptr) {
    type_error(operation, "the buffer of ", type_name(o), " has the format '",
               view->format != nullptr ? view->format : "B", "', for which there is no dtype");
  }
  return NdArray::over(
      {.data = view->buf,
       .owner = keep(memory.ptr()),
       .dtype = d,
       .shape = Dims(std::span<const int64_t>(view->shape, static_cast<size_t>(view->ndim))),
       .byte_strides =
           Dims(std::span<const int64_t>(view->strides, static_cast<size_t>(view->ndim))),
       .read_only = view->readonly != 0,
       .byte_swapped = swapped});
}

bool has(PyObject* o, const char* name) { return PyObject_HasAttrString(o, name) != 0; }

}  // namespace

bool is_array_like(PyObject* o) {
  if (PyFloat_CheckExact(o) || PyLong_CheckExact(o) || PyList_CheckExact(o) ||
      PyTuple_CheckExact(o) || PyBool_Check(o) || PyUnicode_Check(o) || o == Py_None ||
      PyComplex_CheckExact(o)) {
    return false;
  }
  if (is_numpy_array(o) || is_numpy_scalar(o)) return true;
  if (PyType_Check(o)) return false;
  return PyObject_CheckBuffer(o) || has(o, "__dlpack__") || has(o, "__array_interface__") ||
         has(o, "__array__") || has(o, "__cuda_array_interface__");
}

NdArray array_argument(std::string_view operation, PyObject* o) {
  if (is_numpy_array(o)) {
    return numpy_array_argument(operation, o);
  }
  if (is_numpy_scalar(o)) {
    const nb::object array = numpy_module(operation).attr("asarray")(nb::handle(o));
    return array_argument(operation, array.ptr());
  }
  if (PyObject_CheckBuffer(o)) return read_buffer(operation, o);
  if (has(o, "__array_interface__"))
    return interface_argument(operation, o, nb::handle(o).attr("__array_interface__"));
  if (has(o, "__array__")) {
    const nb::object array = nb::object(nb::handle(o).attr("__array__"))();
    if (!is_numpy_array(array.ptr()))
      type_error(operation, "__array__ of ", type_name(o), " gave no array");
    return array_argument(operation, array.ptr());
  }
  if (has(o, "__cuda_array_interface__")) {
    fail(ErrorCode::kUnsupported, operation, "the memory of ", type_name(o),
         " is on a CUDA device: share it with as_tensor(), and bring it to the host with cpu()");
  }
  type_error(operation, "expected an array, got ", type_name(o));
}

}  // namespace tenon::python
