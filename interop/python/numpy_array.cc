#include "interop/python/numpy_array.h"

#include <bit>
#include <cstring>

#include "interop/python/numpy_facts.h"
#include "tenon/tensor/alias_check.h"
#include "tenon/tensor/impl.h"

namespace tenon::python {
namespace {

using interop::NdArray;
using namespace numpy_abi;  // NOLINT(google-build-using-namespace): the names of NumPy

// ---- reading ----

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

}  // namespace

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
