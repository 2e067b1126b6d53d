// What the parts of the Python module share: Tensor as a Python object, arguments and results,
// errors. (The GIL: gil.h.)
//
//   PyObject* add(PyObject* a, PyObject* b) {         // a function that Python calls directly
//     return guarded([&] {
//       const Argument x("add", a), y("add", b);      // tensors, numbers, arrays
//       return wrap(in_long_call(x, y, [&] { return add(x.operand(), y.operand()); }));
//     });
//   }
//
// The Tensor type is made by hand (tensor_class.cc): a bare object of a handle, three times cheaper
// to make than nanobind's own. Functions and methods are nanobind's; those that must be fast stand
// in the type's slots.
//
// Everything here needs the GIL unless it says otherwise. Errors: nb::python_error and
// tenon::Error, which nanobind and guarded() turn into Python's.
#ifndef TENON_INTEROP_PYTHON_OBJECT_H_
#define TENON_INTEROP_PYTHON_OBJECT_H_

#include <nanobind/nanobind.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/vector.h>

#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "interop/python/gil.h"
#include "tenon/ops/operand.h"
#include "tenon/tensor/tensor.h"

namespace tenon::interop {
struct Report;
}

namespace tenon::python {

namespace nb = nanobind;

// --- Tensor ---

struct TensorObject {
  PyObject ob_base;
  Tensor tensor;  // never assigned to: exported memory and layout rely on the object alone
  PyObject* weak_references;
};
extern PyTypeObject* tensor_type;

inline bool is_tensor(PyObject* o) {
  return Py_TYPE(o) == tensor_type || PyType_IsSubtype(Py_TYPE(o), tensor_type);
}
inline Tensor& tensor_of(PyObject* o) { return reinterpret_cast<TensorObject*>(o)->tensor; }
// A new reference; None for an undefined tensor.
PyObject* wrap(Tensor&& t);
// The same as an instance of a subclass of Tensor.
PyObject* wrap_as(PyTypeObject* type, Tensor&& t);
// `self` itself where the result is the same tensor ("itself if already there").
PyObject* wrap_or_self(PyObject* self, Tensor&& t);

// A result that signatures call a Tensor.
using TensorResult = nb::typed<nb::object, Tensor>;
inline TensorResult wrapped(Tensor&& t) { return TensorResult(nb::steal(wrap(std::move(t)))); }
inline TensorResult wrapped_or_self(PyObject* self, Tensor&& t) {
  return TensorResult(nb::steal(wrap_or_self(self, std::move(t))));
}

// `self` of a method.
class Self {
 public:
  Self() = default;
  explicit Self(PyObject* o) : object_(o) {}
  PyObject* object() const { return object_; }
  Tensor& operator*() const { return tensor_of(object_); }
  Tensor* operator->() const { return &tensor_of(object_); }
  // For in-place methods, which give back what they changed.
  TensorResult itself() const { return TensorResult(nb::borrow(object_)); }

 private:
  PyObject* object_ = nullptr;
};

// --- errors ---

// The Python exception of what is being thrown; call it in a catch block.
void set_python_error() noexcept;
// Calls f; an exception becomes a Python error and nullptr (or -1 for integers).
template <class F>
auto guarded(F&& f) noexcept -> decltype(f()) {
  try {
    return f();
  } catch (abi::__forced_unwind&) {
    for (;;) pause();  // see or_sleep()
  } catch (...) {
    set_python_error();
    if constexpr (std::is_pointer_v<decltype(f())>) {
      return nullptr;
    } else {
      return static_cast<decltype(f())>(-1);
    }
  }
}
// Throws nb::python_error where the C API reported one.
inline PyObject* checked(PyObject* o) {
  if (o == nullptr) throw nb::python_error();
  return o;
}
inline int checked(int status) {
  if (status < 0) throw nb::python_error();
  return status;
}
// A tenon.Error of the kind of TypeError, for arguments of a wrong type: "tensor: <text>".
template <class... Pieces>
[[noreturn]] void type_error(std::string_view operation, const Pieces&... pieces) {
  fail(ErrorCode::kDType, operation, pieces...);
}
inline std::string type_name(PyObject* o) { return Py_TYPE(o)->tp_name; }
// Calls f; a tenon::Error becomes a BufferError, as the buffer protocol and DLPack want refusals.
[[noreturn]] void rethrow_as_buffer_error(const Error& e);
template <class F>
auto with_buffer_errors(F&& f) {
  try {
    return f();
  } catch (const Error& e) {
    rethrow_as_buffer_error(e);
  }
}
// Once per process and `text`, from the caller's line.
void warn_once(PyObject* category, const char* text);

// --- long calls ---

// Elements from which on a call lets other threads run: below, switching costs more than the work.
inline constexpr int64_t kLongCall = 1 << 15;

// Does work on x take long enough (or wait for a device)?
inline bool is_long(const Tensor& x) {
  return x.size() >= kLongCall || !x.device().host_addressable();
}
template <class F>
auto in_long_call(bool is_long, F&& f) {
  if (__builtin_expect(!is_long, 1)) return f();
  const WithoutGil released;
  return f();
}
template <class F>
auto in_long_call(const Tensor& x, F&& f) {
  return in_long_call(is_long(x), std::forward<F>(f));
}

// --- arguments ---

// A tensor, a number, or anything that becomes a tensor without a copy where possible.
class Argument {
 public:
  // Throws where o is none of these.
  Argument(std::string_view operation, PyObject* o) {
    if (!parse(o)) refuse(operation, o);
  }
  // For operators, which answer NotImplemented: test valid().
  explicit Argument(PyObject* o) { valid_ = parse(o); }
  bool valid() const { return valid_; }
  // Python's complex numbers take their dtype from what stands beside them.
  bool is_complex_number() const { return complex_; }
  void make_complex_tensor(const Argument& beside);
  bool is_tensor() const { return tensor_ != nullptr; }
  const Tensor& tensor() const { return *tensor_; }
  Operand operand() const { return tensor_ != nullptr ? Operand(*tensor_) : Operand(scalar_); }
  bool is_long() const { return tensor_ != nullptr && python::is_long(*tensor_); }

 private:
  bool parse(PyObject* o) {
    if (__builtin_expect(python::is_tensor(o), 1)) {
      tensor_ = &tensor_of(o);
      return true;
    }
    if (PyFloat_CheckExact(o)) {
      scalar_ = Scalar(PyFloat_AS_DOUBLE(o));
      return true;
    }
    return parse_other(o);
  }
  bool parse_other(PyObject* o);
  [[noreturn]] static void refuse(std::string_view operation, PyObject* o);

  const Tensor* tensor_ = nullptr;
  Scalar scalar_;
  Tensor made_;
  bool valid_ = true, complex_ = false;
  double imaginary_ = 0;  // of a complex number; the real part is scalar_
};
inline void settle(Argument& x, Argument& y) {
  if (__builtin_expect(x.is_complex_number(), 0)) x.make_complex_tensor(y);
  if (__builtin_expect(y.is_complex_number(), 0)) y.make_complex_tensor(x);
}

// An array of another library than NumPy, which may be on a device: DLPack and
// __cuda_array_interface__ say where. Its memory is shared.
bool is_foreign(PyObject* o);
Tensor foreign_argument(std::string_view operation, PyObject* o, interop::Report* report = nullptr);
// The second of the two.
bool is_cuda_array(PyObject* o);
Tensor cuda_array_argument(std::string_view operation, PyObject* o, interop::Report* report);
// A tensor from a tensor or an array (not from a number).
Tensor tensor_argument(std::string_view operation, PyObject* o);
// True, 3, 0.5; throws for others.
Scalar scalar_argument(std::string_view operation, PyObject* o);
int64_t int_argument(std::string_view operation, const char* name, PyObject* o);
// None: `absent`.
int64_t int_argument(std::string_view operation, const char* name, PyObject* o, int64_t absent);
bool bool_argument(PyObject* o);
// 3 or (2, 3) or a list.
Dims shape_argument(std::string_view operation, PyObject* o);
// The same given as one argument or as several: reshape((2, 3)), reshape(2, 3).
Dims shape_arguments(std::string_view operation, PyObject* const* arguments, Py_ssize_t n);
Dims shape_arguments(std::string_view operation, nb::args args);
// None (no axes), an integer or a tuple of them.
Dims axes_argument(std::string_view operation, PyObject* o);
// None (DType::none), tenon.float32, "float32", float, numpy.float32, numpy.dtype.
DType dtype_argument(PyObject* o);
// None (the cpu), tenon.device, "cuda:1".
Device device_argument(PyObject* o);
std::optional<Device> optional_device_argument(PyObject* o);
// None, True, False.
std::optional<bool> optional_bool_argument(std::string_view operation, PyObject* o);
// A list or tuple (or any iterable) of tensors.
std::vector<Tensor> tensors_argument(std::string_view operation, PyObject* o);

// The arguments of a METH_FASTCALL | METH_KEYWORDS function, by its parameters' names; null where
// left out.
template <size_t kCount>
class Arguments {
 public:
  // The first `positional` of the names may be given by position.
  Arguments(const char* operation, const char* const (&names)[kCount], size_t positional,
            PyObject* const* given, Py_ssize_t n, PyObject* keywords) {
    if (static_cast<size_t>(n) > positional) {
      type_error(operation, "takes ", static_cast<int64_t>(positional),
                 " positional arguments, not ", static_cast<int64_t>(n));
    }
    for (Py_ssize_t i = 0; i < n; ++i) values_[i] = given[i];
    for (Py_ssize_t k = 0; keywords != nullptr && k < PyTuple_GET_SIZE(keywords); ++k) {
      PyObject* keyword = PyTuple_GET_ITEM(keywords, k);
      size_t i = 0;
      while (i < kCount && PyUnicode_CompareWithASCIIString(keyword, names[i]) != 0) ++i;
      if (i == kCount || values_[i] != nullptr) {
        type_error(operation,
                   i == kCount ? "there is no argument '" : "two values for the argument '",
                   nb::cast<std::string>(nb::handle(keyword)), "'");
      }
      values_[i] = given[n + k];
    }
    if (values_[0] == nullptr) type_error(operation, "the argument '", names[0], "' is missing");
  }
  PyObject* operator[](size_t i) const { return values_[i] != nullptr ? values_[i] : Py_None; }

 private:
  PyObject* values_[kCount] = {};
};

// --- results ---

inline nb::object steal(PyObject* o) { return nb::steal(checked(o)); }
PyObject* shape_tuple(DimsView shape);
PyObject* text_object(std::string_view text);
PyObject* dtype_object(DType d);  // borrowed; None for none
nb::object device_object(Device d);
nb::object tensor_list(std::vector<Tensor>&& tensors);

// --- the parts, each in the file of its name ---

void bind_errors(nb::module_& m);
void bind_dtypes(nb::module_& m);
void bind_devices(nb::module_& m);
void bind_tensor_class(nb::module_& m);
void bind_make(nb::module_& m);
void bind_convert(nb::module_& m);
void bind_index(nb::module_& m);
void bind_functions(nb::module_& m);
void bind_elementwise(nb::module_& m);
void bind_standard(nb::module_& m);
void bind_autograd(nb::module_& m);
void bind_nn(nb::module_& m);
void bind_files(nb::module_& m);
void bind_numpy_arrays(nb::module_& m);
void bind_array_protocols(nb::module_& m);
void bind_dlpack(nb::module_& m);
void bind_cuda_array(nb::module_& m);
void bind_pickle(nb::module_& m);

// What the files add to the Tensor type before it is made.
void add_make_slots(std::vector<PyType_Slot>& slots);
void add_conversion_slots(std::vector<PyType_Slot>& slots);
void add_index_slots(std::vector<PyType_Slot>& slots);
void add_operator_slots(std::vector<PyType_Slot>& slots);
void add_buffer_slots(std::vector<PyType_Slot>& slots);

// Adds C functions as methods of Tensor; the list ends with a name of null and lives for ever.
void add_methods(PyMethodDef* list);
// Adds a property of Tensor.
void property(const char* name, nb::object getter, const char* doc);
// Adds a method to Tensor.
template <class F, class... Extra>
void method(const char* name, F&& f, const Extra&... extra) {
  nb::cpp_function_def(std::forward<F>(f), nb::scope(reinterpret_cast<PyObject*>(tensor_type)),
                       nb::name(name), nb::is_method(), extra...);
}

}  // namespace tenon::python

// Tensor in nanobind's signatures.
namespace nanobind::detail {
template <>
struct type_caster<tenon::Tensor> {
  NB_TYPE_CASTER(tenon::Tensor, const_name("tenon.Tensor"))

  bool from_python(handle source, uint32_t, cleanup_list*) noexcept {
    if (!tenon::python::is_tensor(source.ptr())) return false;
    value = tenon::python::tensor_of(source.ptr());
    return true;
  }
  static handle from_cpp(tenon::Tensor&& t, rv_policy, cleanup_list*) noexcept {
    return tenon::python::guarded([&] { return tenon::python::wrap(std::move(t)); });
  }
  static handle from_cpp(const tenon::Tensor& t, rv_policy, cleanup_list*) noexcept {
    return tenon::python::guarded([&] { return tenon::python::wrap(tenon::Tensor(t)); });
  }
};
template <>
struct type_caster<tenon::python::Self> {
  NB_TYPE_CASTER(tenon::python::Self, const_name("tenon.Tensor"))

  bool from_python(handle source, uint32_t, cleanup_list*) noexcept {
    if (!tenon::python::is_tensor(source.ptr())) return false;
    value = tenon::python::Self(source.ptr());
    return true;
  }
};
}  // namespace nanobind::detail

#endif  // TENON_INTEROP_PYTHON_OBJECT_H_
