#include "interop/python/numpy_array.h"

#include <atomic>
#include <bit>
#include <cstdlib>
#include <cstring>

#include "interop/python/numpy_abi.h"
#include "tenon/tensor/alias_check.h"
#include "tenon/tensor/impl.h"

namespace tenon::python {
namespace {

using interop::NdArray;
using namespace numpy_abi;

// What is known of the process's NumPy; filled when the first array is met or made. `ready` and
// `fast` are set last: who sees one of them sees all the rest.
struct NumPy {
  std::atomic<bool> ready = false;
  std::atomic<bool> fast = false;  // structs and table passed the trial
  PyTypeObject* array = nullptr;
  PyTypeObject* generic = nullptr;
  DType by_type_num[32] = {};
  int type_num[kDTypeCount];                       // -1: none
  std::atomic<PyObject*> dtype[kDTypeCount] = {};  // numpy.dtype objects, made when first needed
  DescrFromType descr_from_type = nullptr;
  NewFromDescr new_from_descr = nullptr;
  SetBaseObject set_base_object = nullptr;
};
NumPy numpy;

nb::object get(nb::handle o, const char* name) {
  return steal(PyObject_GetAttrString(o.ptr(), name));
}

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

// ---- reading ----

// The dtype of a user-defined numpy.dtype (ml_dtypes') by its name.
DType registered_dtype(nb::handle dtype) {
  const DType d = dtype_from_name(nb::cast<std::string>(get(dtype, "name")));
  if (d == DType::none || nb::cast<int64_t>(get(dtype, "itemsize")) != item_size(d))
    return DType::none;
  const nb::object module = get(get(dtype, "type"), "__module__");
  return nb::cast<std::string>(module).starts_with("ml_dtypes") ? d : DType::none;
}

[[noreturn]] void refuse_dtype(std::string_view operation, nb::handle dtype) {
  const std::string name = nb::cast<std::string>(get(dtype, "name"));
  const std::string kind = nb::cast<std::string>(get(dtype, "kind"));
  const char* way_out = ". Convert it with array.astype() first";
  if (kind == "O") {
    way_out =
        ". Its elements are Python objects: a list of numbers and arrays of one length makes an "
        "array of numbers";
  } else if (kind == "M" || kind == "m") {
    way_out = ". Its integers are array.view('int64')";
  } else if (kind == "V") {
    way_out = ". Take its fields one by one: array['name']";
  } else if (kind == "U" || kind == "S" || kind == "T") {
    way_out = ". Text that spells numbers is converted by array.astype(float)";
  } else if (kind == "f" || kind == "c") {
    way_out = ". Convert it with array.astype('float64') or array.astype('complex128')";
  }
  std::string names;
  for (int i = 1; i < kDTypeCount; ++i) {
    names += concat_text(i > 1 ? ", " : "", dtype_name(static_cast<DType>(i)));
  }
  type_error(operation, "can't convert np.ndarray of type ", kind == "O" ? "numpy.object_" : name,
             ". The supported types are: ", names, way_out);
}

DType checked_dtype(std::string_view operation, nb::handle dtype, bool* swapped) {
  const int number = nb::cast<int>(get(dtype, "num"));
  *swapped = nb::cast<std::string>(get(dtype, "byteorder")) == ">";
  DType d = number < 32 ? numpy.by_type_num[number] : registered_dtype(dtype);
  if (d == DType::none) refuse_dtype(operation, dtype);
  return d;
}

[[noreturn]] void refuse_masked(std::string_view operation) {
  type_error(operation,
             "a masked array's mask would be lost: give array.filled(value), or array.data and "
             "array.mask apart");
}

// Where o is an ndarray (sets numpy.array when one is first met), without importing NumPy.
bool meet_numpy() {
  if (numpy.ready) return true;
  const nb::object module = imported_numpy();
  if (!module.is_valid()) return false;
  prepare(module);
  return true;
}

}  // namespace

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

bool is_numpy_array(PyObject* o) {
  if (!numpy.ready && (std::strcmp(Py_TYPE(o)->tp_name, "numpy.ndarray") == 0 ||
                       Py_TYPE(o)->tp_base != &PyBaseObject_Type)) {
    meet_numpy();
  }
  return numpy.ready && PyObject_TypeCheck(o, numpy.array);
}

bool is_numpy_scalar(PyObject* o) { return meet_numpy() && PyObject_TypeCheck(o, numpy.generic); }

NdArray numpy_array_argument(std::string_view operation, PyObject* o) {
  if (Py_TYPE(o) != numpy.array && PyObject_HasAttrString(o, "mask")) refuse_masked(operation);
  if (!numpy.fast) {
    bool swapped;
    const DType d = checked_dtype(operation, get(o, "dtype"), &swapped);
    return interface_argument(operation, o, get(o, "__array_interface__"), d);
  }
  const auto* a = reinterpret_cast<const Array*>(o);
  bool swapped = a->descr->byteorder == '>';
  DType d = DType::none;
  if (a->descr->type_num >= 0 && a->descr->type_num < 32) d = numpy.by_type_num[a->descr->type_num];
  if (__builtin_expect(d == DType::none, 0)) {
    d = checked_dtype(operation, reinterpret_cast<PyObject*>(a->descr), &swapped);
  }
  return NdArray::over(
      {.data = a->data,
       .owner = keep(o),
       .dtype = d,
       .shape = Dims(std::span<const int64_t>(a->dimensions, static_cast<size_t>(a->nd))),
       .byte_strides = Dims(std::span<const int64_t>(a->strides, static_cast<size_t>(a->nd))),
       .read_only = (a->flags & kWriteable) == 0,
       .byte_swapped = swapped});
}

namespace {

// The dtype of an ndarray that is read through its struct and has nothing unusual about it, or
// none.
DType plain_dtype(PyObject* o) {
  if (!numpy.fast || Py_TYPE(o) != numpy.array) return DType::none;
  const Descr* descr = reinterpret_cast<const Array*>(o)->descr;
  if (descr->byteorder == '>' || static_cast<unsigned>(descr->type_num) >= 32) return DType::none;
  return numpy.by_type_num[descr->type_num];
}

}  // namespace

Tensor share_plain_array(PyObject* o) {
  const DType d = plain_dtype(o);
  if (d == DType::none) return Tensor();
  const auto* a = reinterpret_cast<const Array*>(o);
  const auto item = static_cast<uint64_t>(item_size(d));
  const int shift = std::countr_zero(item);
  // Any odd stride or address, and any size 0, is left to the rules of interop/sharing.h.
  uint64_t bits = reinterpret_cast<uintptr_t>(a->data);
  bool empty = false;
  int64_t strides[kMaxRank];
  const int rank = a->nd;
  if (rank > kMaxRank) return Tensor();
  for (int i = 0; i < rank; ++i) {
    bits |= static_cast<uint64_t>(a->strides[i]);
    strides[i] = a->strides[i] >> shift;
    empty |= a->dimensions[i] == 0;
  }
  if ((bits & (item - 1)) != 0 || empty) return Tensor();
  const auto n = static_cast<size_t>(rank);
  Tensor t = from_memory(
      a->data, d, DimsView(a->dimensions, n), DimsView(strides, n), (a->flags & kWriteable) == 0,
      [](void* array) { drop_anywhere(static_cast<PyObject*>(array)); }, o);
  Py_INCREF(o);
  return t;
}

Tensor stack_plain_arrays(PyObject* const* arrays, Py_ssize_t n) {
  const DType d = n > 0 ? plain_dtype(arrays[0]) : DType::none;
  if (d == DType::none) return Tensor();
  const auto* first = reinterpret_cast<const Array*>(arrays[0]);
  Dims shape(DimsView(first->dimensions, static_cast<size_t>(first->nd)));
  for (Py_ssize_t i = 0; i < n; ++i) {
    if (plain_dtype(arrays[i]) != d) return Tensor();
    const auto* a = reinterpret_cast<const Array*>(arrays[i]);
    if ((a->flags & kContiguous) == 0 || a->nd != first->nd) return Tensor();
    for (int axis = 0; axis < a->nd; ++axis)
      if (a->dimensions[axis] != first->dimensions[axis]) return Tensor();
  }
  if (shape.size() == kMaxRank) return Tensor();
  const int64_t bytes = element_count("tensor", shape) * item_size(d);
  shape.insert(0, n);
  Tensor t = empty(shape, d);
  // Other threads may change the list meanwhile.
  std::vector<nb::object> kept;
  kept.reserve(static_cast<size_t>(n));
  for (Py_ssize_t i = 0; i < n; ++i) kept.push_back(nb::borrow(arrays[i]));
  in_long_call(is_long(t), [&] {
    auto* to = static_cast<std::byte*>(t.raw_mutable_data());
    for (Py_ssize_t i = 0; i < n && bytes != 0; ++i, to += bytes)
      std::memcpy(to, reinterpret_cast<const Array*>(kept[static_cast<size_t>(i)].ptr())->data,
                  static_cast<size_t>(bytes));
    return 0;
  });
  return t;
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

namespace {

// What an ndarray's base is: keeps the memory of an NdArray.
struct OwnerObject {
  PyObject head;
  std::shared_ptr<const void> owner;
};
PyTypeObject* owner_type;

PyObject* owner_object(const std::shared_ptr<const void>& owner) {
  auto* o = PyObject_New(OwnerObject, owner_type);
  if (o == nullptr) throw nb::python_error();
  new (&o->owner) std::shared_ptr<const void>(owner);
  return reinterpret_cast<PyObject*>(o);
}

// NumPy wants an address even where there are no elements.
void* address_of_elements(const NdArray& array) {
  return array.size() != 0 ? const_cast<std::byte*>(array.data()) : static_cast<void*>(&numpy);
}

// The documented way back: an object with __array_interface__, of which numpy.asarray() takes
// memory and life.
PyObject* make_by_interface(const NdArray& array, const nb::object& dtype) {
  nb::dict interface;
  interface["version"] = 3;
  interface["shape"] = nb::steal(shape_tuple(array.shape()));
  interface["strides"] = nb::steal(shape_tuple(array.byte_strides()));
  // NumPy does not read back the name it gives some of ml_dtypes' types: their bytes will do.
  const bool known = !dtype_info(array.dtype()).numpy_descr.empty();
  interface["typestr"] = known
                             ? get(dtype, "str")
                             : nb::steal(text_object(concat_text("|V", item_size(array.dtype()))));
  interface["data"] = nb::make_tuple(
      nb::steal(checked(PyLong_FromVoidPtr(address_of_elements(array)))), array.read_only());
  const nb::object type = nb::module_::import_("types").attr("SimpleNamespace");
  nb::object holder = type(nb::arg("__array_interface__") = interface,
                           nb::arg("owner") = nb::steal(owner_object(array.owner())));
  nb::object made = get(numpy_module("numpy"), "asarray")(holder);
  return get(made, "view")(dtype).release().ptr();
}

}  // namespace

NdArray array_of_tensor(const Tensor& t, bool force) {
  try {
    return to_numpy(t, force);
  } catch (const Error& e) {
    // "Use to_numpy(t.detach()), or force = true" -> "Use t.detach().numpy(), or numpy(force=True)"
    std::string text = e.what();
    const size_t call = text.find("to_numpy(t."), end = text.find("), or force = true");
    if (call == std::string::npos || end == std::string::npos) throw;
    const std::string steps = text.substr(call + 9, end - call - 9);
    text = text.substr(0, call) + steps + ".numpy(), or numpy(force=True)";
    throw Error(e.code(), "numpy", text.substr(e.operation().size() + 2));
  }
}

PyObject* share_plain_tensor(PyObject* o) {
  const Tensor& t = tensor_of(o);
  const TensorImpl* impl = t.impl();
  const int number = numpy.fast ? numpy.type_num[static_cast<int>(impl->dtype)] : -1;
  // A subclass has attributes: one that holds the array would be a cycle that nobody collects.
  if (number < 0 || impl->size == 0 || Py_TYPE(o) != tensor_type ||
      interop::obstacles_to_share(t).any()) {
    return nullptr;
  }
  const int64_t item = item_size(impl->dtype);
  Py_ssize_t strides[kMaxRank];
  for (int i = 0; i < impl->rank && !impl->contiguous; ++i) strides[i] = impl->strides[i] * item;
  void* data = impl->storage->host_data() + impl->offset * item;
  const int flags = (impl->storage->read_only ? 0 : kWriteable) | kAligned;
  // A tensor's memory, layout and place never change, so that the tensor itself may be the base.
  PyObject* made = checked(numpy.new_from_descr(
      numpy.array, checked(numpy.descr_from_type(number)), impl->rank, impl->sizes,
      impl->contiguous ? nullptr : strides, data, flags, nullptr));
  mark_externally_writable(t);
  Py_INCREF(o);
  if (numpy.set_base_object(made, o) < 0) {  // takes the reference, also where it fails
    Py_DECREF(made);
    throw nb::python_error();
  }
  return made;
}

void bind_numpy_arrays(nb::module_&) {
  const auto dealloc = +[](PyObject* o) {
    PyTypeObject* type = Py_TYPE(o);
    reinterpret_cast<OwnerObject*>(o)->owner.~shared_ptr();
    type->tp_free(o);
    Py_DECREF(type);
  };
  PyType_Slot slots[] = {{Py_tp_dealloc, reinterpret_cast<void*>(dealloc)}, {0, nullptr}};
  PyType_Spec spec = {"tenon.Memory", sizeof(OwnerObject), 0, Py_TPFLAGS_DEFAULT, slots};
  owner_type = reinterpret_cast<PyTypeObject*>(checked(PyType_FromSpec(&spec)));
}

PyObject* make_numpy_array(const NdArray& array) {
  if (!numpy.ready) numpy_module("numpy");
  const DType d = array.dtype();
  const int number = numpy.type_num[static_cast<int>(d)];
  void* data = address_of_elements(array);
  if (!numpy.fast) return make_by_interface(array, steal(numpy_dtype("numpy", d)));
  PyObject* descr = number >= 0 ? checked(numpy.descr_from_type(number)) : numpy_dtype("numpy", d);
  const int flags = (array.read_only() ? 0 : kWriteable) | kAligned;
  PyObject* made =
      checked(numpy.new_from_descr(numpy.array, descr, array.rank(), array.shape().data(),
                                   array.byte_strides().data(), data, flags, nullptr));
  nb::object result = nb::steal(made);
  PyObject* base = owner_object(array.owner());
  checked(numpy.set_base_object(made, base));  // takes the reference, also where it fails
  return result.release().ptr();
}

}  // namespace tenon::python
