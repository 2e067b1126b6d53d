#include "interop/python/numpy_facts.h"

#include <cstdlib>

namespace tenon::python {

NumPy numpy;

namespace {

using namespace numpy_abi;  // NOLINT(google-build-using-namespace): the names of NumPy

// The structs describe this array as __array_interface__ does.
bool trial_passes(nb::handle module) {
  const nb::object two = get(module, "arange")(6, nb::arg("dtype") = "<i2");
  const nb::object a =
      get(two, "reshape")(2, 3)[nb::make_tuple(nb::slice(nb::none(), nb::none(), nb::none()),
                                               nb::slice(nb::none(), nb::none(), nb::int_(-2)))];
  get(a, "setflags")(nb::arg("write") = false);
  const nb::object interface = get(a, "__array_interface__");
  const auto* raw = reinterpret_cast<const Array*>(a.ptr());
  return raw->data ==
             static_cast<char*>(PyLong_AsVoidPtr(nb::object(interface["data"][0]).ptr())) &&
         raw->nd == 2 && raw->dimensions[0] == 2 && raw->dimensions[1] == 2 &&
         raw->strides[0] == 6 && raw->strides[1] == -4 && (raw->flags & kWriteable) == 0 &&
         (raw->flags & kAligned) != 0 && raw->descr->kind == 'i' &&
         raw->descr->type_num == nb::cast<int>(get(get(a, "dtype"), "num")) &&
         raw->descr->byteorder == '=';
}

void try_structs(nb::handle module) {
  const char* asked = std::getenv("TENON_NUMPY");
  if (asked != nullptr && std::string_view(asked) == "interface") return;
  try {
    nb::object umath;
    try {
      umath = nb::module_::import_("numpy._core._multiarray_umath");
    } catch (nb::python_error&) {
      umath = nb::module_::import_("numpy.core._multiarray_umath");  // 1.x
    }
    void** table =
        static_cast<void**>(PyCapsule_GetPointer(get(umath, "_ARRAY_API").ptr(), nullptr));
    if (table == nullptr) throw nb::python_error();
    const unsigned version = reinterpret_cast<GetVersion>(table[kGetVersion])();
    if ((version >> 24) != 1 && (version >> 24) != 2) return;
    numpy.descr_from_type = reinterpret_cast<DescrFromType>(table[kDescrFromType]);
    numpy.new_from_descr = reinterpret_cast<NewFromDescr>(table[kNewFromDescr]);
    numpy.set_base_object = reinterpret_cast<SetBaseObject>(table[kSetBaseObject]);
    numpy.fast = trial_passes(module);
  } catch (nb::python_error&) {
    // The documented way is left.
  }
}

void prepare(nb::handle module) {
  if (numpy.ready) return;
  const ModuleLock lock;
  if (numpy.ready) return;  // by another thread meanwhile
  numpy.array = reinterpret_cast<PyTypeObject*>(get(module, "ndarray").release().ptr());
  numpy.generic = reinterpret_cast<PyTypeObject*>(get(module, "generic").release().ptr());
  std::fill_n(numpy.type_num, kDTypeCount, -1);
  // C types may share a dtype (long and long long): the first one is what NumPy itself gives.
  for (const char* c = "?bBhHiIlLqQefdFD"; *c != '\0'; ++c) {
    const nb::object dtype = get(module, "dtype")(nb::str(c, 1));
    const DType d = dtype_from_descr(nb::cast<std::string>(get(dtype, "str")));
    const int number = nb::cast<int>(get(dtype, "num"));
    if (d == DType::none || number < 0 || number >= 32) continue;
    numpy.by_type_num[number] = d;
    if (numpy.type_num[static_cast<int>(d)] < 0) numpy.type_num[static_cast<int>(d)] = number;
  }
  try_structs(module);
  numpy.ready = true;
}

}  // namespace

bool meet_numpy() {
  if (numpy.ready) return true;
  const nb::object module = imported_numpy();
  if (!module.is_valid()) return false;
  prepare(module);
  return true;
}

DType registered_dtype(nb::handle dtype) {
  const DType d = dtype_from_name(nb::cast<std::string>(get(dtype, "name")));
  if (d == DType::none || nb::cast<int64_t>(get(dtype, "itemsize")) != item_size(d))
    return DType::none;
  const nb::object module = get(get(dtype, "type"), "__module__");
  return nb::cast<std::string>(module).starts_with("ml_dtypes") ? d : DType::none;
}

// "<f4" -> float32: kind and size as dtype.def has them.
DType dtype_from_descr(std::string_view descr) {
  if (descr.empty()) return DType::none;
  for (int i = 1; i < kDTypeCount; ++i) {
    const DType d = static_cast<DType>(i);
    if (!dtype_info(d).numpy_descr.empty() && dtype_info(d).numpy_descr == descr.substr(1))
      return d;
  }
  return DType::none;
}

nb::object imported_numpy() {
  const nb::object module = nb::steal(PyImport_GetModule(nb::str("numpy").ptr()));
  return module.is_none() ? nb::object() : module;  // None forbids the import
}

nb::object numpy_module(std::string_view operation) {
  nb::object module;
  try {
    module = nb::module_::import_("numpy");
  } catch (nb::python_error& e) {
    if (!e.matches(PyExc_ImportError)) throw;
    fail(ErrorCode::kUnsupported, operation,
         "NumPy is not installed: pip install numpy, or use tolist(), memoryview(t) or DLPack, "
         "which do without it");
  }
  prepare(module);
  return module;
}

PyObject* numpy_dtype(std::string_view operation, DType d) {
  std::atomic<PyObject*>& place = numpy.dtype[static_cast<int>(d)];
  PyObject* known = place;
  if (known == nullptr) {
    const nb::object module = numpy_module(operation);
    nb::object type;
    if (!dtype_info(d).numpy_descr.empty()) {
      type = nb::str(dtype_info(d).numpy_descr.data(), dtype_info(d).numpy_descr.size());
    } else {
      try {
        const std::string name(dtype_name(d));
        type = get(nb::module_::import_("ml_dtypes"), name.c_str());
      } catch (nb::python_error&) {
        type_error(
            operation, "Got unsupported ScalarType ", dtype_name(d), ": NumPy has no ",
            dtype_name(d),
            " of its own. Install ml_dtypes (pip install ml_dtypes), or convert with .float()");
      }
    }
    nb::object made = get(module, "dtype")(type);
    if (place.compare_exchange_strong(known, made.ptr())) known = made.release().ptr();
  }
  Py_INCREF(known);
  return known;
}

DType dtype_of_numpy(PyObject* o) {
  if (!meet_numpy()) return DType::none;
  nb::object dtype = nb::borrow(o);
  if (PyType_Check(o)) {
    dtype =
        nb::steal(PyObject_CallFunctionObjArgs(get(imported_numpy(), "dtype").ptr(), o, nullptr));
    if (!dtype.is_valid()) {
      PyErr_Clear();
      return DType::none;
    }
  }
  const int number = nb::cast<int>(get(dtype, "num"));
  if (number < 32) return numpy.by_type_num[number];
  return registered_dtype(dtype);
}

}  // namespace tenon::python
