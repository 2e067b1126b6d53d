// Errors: one Python class per kind, each a tenon.Error and a RuntimeError (as PyTorch's are) and,
// where Python has a better name for it (as NumPy's have), that too.
#include <algorithm>

#include "interop/python/object.h"

namespace tenon::python {
namespace {

PyObject *error_type, *buffer_error_type;

struct Kind {
  ErrorCode code;
  const char* name;
  PyObject** base;  // beside tenon.Error; null: none
  const char* doc;
};
// Row i is code i + 1.
const Kind kKinds[] = {
    {ErrorCode::kInvalidArgument, "InvalidArgumentError", &PyExc_ValueError,
     "A value that no tensor could make right."},
    {ErrorCode::kShape, "ShapeError", &PyExc_ValueError, "Sizes that do not fit each other."},
    {ErrorCode::kDType, "DTypeError", &PyExc_TypeError,
     "A dtype or type that the operation does not take."},
    {ErrorCode::kDevice, "DeviceError", nullptr,
     "Tensors on different devices, or a device that is not there."},
    {ErrorCode::kAxis, "AxisError", &PyExc_IndexError, "An axis or index out of range."},
    {ErrorCode::kAutograd, "AutogradError", nullptr,
     "The graph forbids it: freed, changed in place, a leaf, no gradient."},
    {ErrorCode::kReadOnly, "ReadOnlyError", &PyExc_ValueError,
     "A write to memory that may only be read."},
    {ErrorCode::kOutOfMemory, "OutOfMemoryError", &PyExc_MemoryError,
     "The device has no such amount of memory."},
    {ErrorCode::kUnsupported, "UnsupportedError", &PyExc_NotImplementedError,
     "No device, nor the host, can do this."},
    {ErrorCode::kBackend, "BackendError", nullptr, "A backend failed."},
    {ErrorCode::kFormat, "FormatError", &PyExc_ValueError, "A file that is not what it should be."},
    {ErrorCode::kIo, "FileError", &PyExc_OSError, "The operating system refused."},
};
PyObject* kind_types[std::size(kKinds)];

void set_error(const Error& e) {
  const auto i = static_cast<size_t>(e.code()) - 1;
  PyErr_SetString(i < std::size(kKinds) ? kind_types[i] : error_type, e.what());
}

}  // namespace

void set_python_error() noexcept {
  try {
    throw;
  } catch (nb::python_error& e) {
    e.restore();
  } catch (const Error& e) {
    set_error(e);
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  } catch (const std::exception& e) {
    PyErr_SetString(error_type, e.what());
  } catch (...) {
    PyErr_SetString(error_type, "an exception of an unknown type");
  }
}

void rethrow_as_buffer_error(const Error& e) {
  PyErr_SetString(buffer_error_type, e.what());
  throw nb::python_error();
}

void warn_once(PyObject* category, const char* text) {
  // Each text is a literal: its address is its name.
  static auto* const warned = new std::vector<const char*>;
  {
    const ModuleLock lock;
    if (std::find(warned->begin(), warned->end(), text) != warned->end()) return;
  }
  if (PyErr_WarnEx(category, text, 1) < 0) throw nb::python_error();  // runs anything
  const ModuleLock lock;
  warned->push_back(text);
}

void bind_errors(nb::module_& m) {
  error_type = checked(PyErr_NewExceptionWithDoc(
      "tenon.Error",
      "Whatever Tenon refuses; subclasses are also Python's ValueError, TypeError, IndexError ...",
      PyExc_RuntimeError, nullptr));
  m.attr("Error") = nb::handle(error_type);
  for (size_t i = 0; i < std::size(kKinds); ++i) {
    const Kind& kind = kKinds[i];
    nb::object bases = nb::borrow(error_type);
    if (kind.base != nullptr)
      bases = nb::make_tuple(nb::handle(error_type), nb::handle(*kind.base));
    kind_types[i] = checked(PyErr_NewExceptionWithDoc(concat_text("tenon.", kind.name).c_str(),
                                                      kind.doc, bases.ptr(), nullptr));
    m.attr(kind.name) = nb::handle(kind_types[i]);
  }
  buffer_error_type = checked(PyErr_NewExceptionWithDoc(
      "tenon.BufferError", "Memory that cannot be handed out or taken.",
      nb::make_tuple(nb::handle(error_type), nb::handle(PyExc_BufferError)).ptr(), nullptr));
  m.attr("BufferError") = nb::handle(buffer_error_type);
  nb::register_exception_translator([](const std::exception_ptr& thrown, void*) {
    try {
      std::rethrow_exception(thrown);
    } catch (const Error& e) {
      set_error(e);
    }
  });
}

}  // namespace tenon::python
