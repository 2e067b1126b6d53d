// The Tensor type itself: life, attributes, printing. What it can do is added by the other files.
#include <Python.h>
#include <structmember.h>

#include <cstddef>

#include "interop/python/numpy_array.h"
#include "tenon/ops/views.h"
#include "tenon/tensor/impl.h"

namespace tenon::python {

PyTypeObject* tensor_type = nullptr;

PyObject* wrap_as(PyTypeObject* type, Tensor&& t) {
  if (!t.defined()) Py_RETURN_NONE;
  PyObject* o = checked(type->tp_alloc(type, 0));
  new (&reinterpret_cast<TensorObject*>(o)->tensor) Tensor(std::move(t));
  return o;
}

namespace {

// Memory of objects that died, for the next ones: results of small calls die at once. Without a GIL
// Python's allocator alone has such lists, one for each thread.
#ifdef Py_GIL_DISABLED
TensorObject* take_free_object() { return nullptr; }
bool keep_free_object(TensorObject* /*o*/) { return false; }
#else
constexpr int kFreeObjects = 64;
TensorObject* free_objects[kFreeObjects];
int n_free_objects = 0;

TensorObject* take_free_object() {
  return n_free_objects > 0 ? free_objects[--n_free_objects] : nullptr;
}
bool keep_free_object(TensorObject* o) {
  if (n_free_objects == kFreeObjects) return false;
  free_objects[n_free_objects++] = o;
  return true;
}
#endif

}  // namespace

PyObject* wrap(Tensor&& t) {
  if (__builtin_expect(!t.defined(), 0)) Py_RETURN_NONE;
  TensorObject* o = take_free_object();
  if (o != nullptr) {
    PyObject_Init(reinterpret_cast<PyObject*>(o), tensor_type);
  } else {
    o = PyObject_New(TensorObject, tensor_type);
    if (o == nullptr) throw nb::python_error();
  }
  new (&o->tensor) Tensor(std::move(t));
  o->weak_references = nullptr;
  return reinterpret_cast<PyObject*>(o);
}

PyObject* wrap_or_self(PyObject* self, Tensor&& t) {
  if (t.impl() == tensor_of(self).impl()) {
    Py_INCREF(self);
    return self;
  }
  return wrap(std::move(t));
}

namespace {

void dealloc(PyObject* o) {
  auto* self = reinterpret_cast<TensorObject*>(o);
  PyTypeObject* type = Py_TYPE(o);
  if (self->weak_references != nullptr) PyObject_ClearWeakRefs(o);
  self->tensor.~Tensor();
  if (type != tensor_type || !keep_free_object(self)) type->tp_free(o);
  Py_DECREF(type);
}

// ---- attributes ----

template <auto kRead>
PyObject* attribute(PyObject* self, void*) {
  return guarded([&]() -> PyObject* { return kRead(tensor_of(self)); });
}
using Getter = PyObject* (*)(PyObject*, void*);

PyObject* boolean(bool b) { return PyBool_FromLong(b); }

constexpr Getter kShape = &attribute<[](const Tensor& t) { return shape_tuple(t.shape()); }>;
constexpr Getter kStrides = &attribute<[](const Tensor& t) { return shape_tuple(t.strides()); }>;
constexpr Getter kDType = &attribute<[](const Tensor& t) {
  PyObject* d = dtype_object(t.dtype());
  Py_INCREF(d);
  return d;
}>;
constexpr Getter kDevice =
    &attribute<[](const Tensor& t) { return device_object(t.device()).release().ptr(); }>;
constexpr Getter kNdim = &attribute<[](const Tensor& t) { return PyLong_FromLong(t.ndim()); }>;
constexpr Getter kSize = &attribute<[](const Tensor& t) { return PyLong_FromLongLong(t.size()); }>;
constexpr Getter kItemSize =
    &attribute<[](const Tensor& t) { return PyLong_FromLongLong(item_size(t.dtype())); }>;
constexpr Getter kBytes = &attribute<[](const Tensor& t) {
  return PyLong_FromLongLong(t.size() * item_size(t.dtype()));
}>;
constexpr Getter kReadOnly = &attribute<[](const Tensor& t) { return boolean(t.read_only()); }>;
constexpr Getter kVersion =
    &attribute<[](const Tensor& t) { return PyLong_FromUnsignedLong(t.version()); }>;
constexpr Getter kIsLeaf = &attribute<[](const Tensor& t) { return boolean(t.is_leaf()); }>;
constexpr Getter kRequiresGrad =
    &attribute<[](const Tensor& t) { return boolean(t.requires_grad()); }>;
constexpr Getter kGrad = &attribute<[](const Tensor& t) { return wrap(t.grad()); }>;
constexpr Getter kGradFn = &attribute<[](const Tensor& t) -> PyObject* {
  const char* name = t.grad_fn_name();
  if (name == nullptr) Py_RETURN_NONE;
  return PyUnicode_FromString(name);
}>;
constexpr Getter kTransposed = &attribute<[](const Tensor& t) {
  if (t.ndim() != 2) {
    fail(ErrorCode::kShape, "T", "the tensor has ", t.ndim(),
         " dimensions, not 2; use .mT for a stack of matrices or permute_dims()");
  }
  return wrap(t.transpose());
}>;
constexpr Getter kMatrixTransposed =
    &attribute<[](const Tensor& t) { return wrap(matrix_transpose(t)); }>;
constexpr Getter kData = &attribute<[](const Tensor& t) {
  warn_once(PyExc_UserWarning,
            "Tensor.data is detach() in Tenon, so that writes through it are noticed by "
            "backward(); call detach()");
  return wrap(t.detach());
}>;

int set_grad(PyObject* self, PyObject* value, void*) {
  return guarded([&] {
    Tensor gradient;
    if (value != nullptr && value != Py_None) {
      if (!is_tensor(value))
        type_error("grad", "expected a Tensor or None, got ", type_name(value));
      gradient = tensor_of(value);
    }
    tensor_of(self).set_grad(gradient);
    return 0;
  });
}
int set_requires_grad(PyObject* self, PyObject* value, void*) {
  return guarded([&] {
    if (value == nullptr) type_error("requires_grad", "it cannot be deleted");
    tensor_of(self).requires_grad_(bool_argument(value));
    return 0;
  });
}
int set_data(PyObject*, PyObject*, void*) {
  return guarded([]() -> int {
    fail(ErrorCode::kAutograd, "data",
         "assignment to .data would change the tensor behind backward()'s back: write t[...] = "
         "values inside "
         "tenon.no_grad(), or make a new tensor");
  });
}

PyGetSetDef attributes[] = {
    {"shape", kShape, nullptr, "Sizes of the axes, a tuple.", nullptr},
    {"strides", kStrides, nullptr,
     "Elements (not bytes) from one position of an axis to the next; signed.", nullptr},
    {"dtype", kDType, nullptr, "What an element is: tenon.float32 ...", nullptr},
    {"device", kDevice, nullptr, "Where the elements are.", nullptr},
    {"ndim", kNdim, nullptr, "Number of axes.", nullptr},
    {"size", kSize, nullptr, "Number of elements.", nullptr},
    {"itemsize", kItemSize, nullptr, "Bytes of an element.", nullptr},
    {"nbytes", kBytes, nullptr, "Bytes of all elements.", nullptr},
    {"read_only", kReadOnly, nullptr, "Does the tensor share memory that may only be read?",
     nullptr},
    {"_version", kVersion, nullptr, "Counts writes to the memory, through any view.", nullptr},
    {"is_leaf", kIsLeaf, nullptr, "Was it made by the user rather than by a recorded operation?",
     nullptr},
    {"requires_grad", kRequiresGrad, &set_requires_grad, "Is its gradient wanted?", nullptr},
    {"grad", kGrad, &set_grad, "The gradient that backward() accumulated, or None.", nullptr},
    {"grad_fn", kGradFn, nullptr, "Name of the operation that made it; None for a leaf.", nullptr},
    {"T", kTransposed, nullptr, "The transposed matrix (two axes), sharing memory.", nullptr},
    {"mT", kMatrixTransposed, nullptr, "The last two axes swapped, sharing memory.", nullptr},
    {"data", kData, &set_data, "As detach(); detach() is recommended.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyMemberDef members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(TensorObject, weak_references), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr},
};

PyObject* repr(PyObject* self) {
  return guarded([&] { return text_object(tensor_of(self).text()); });
}

PyObject* format(PyObject* self, PyObject* spec) {
  return guarded([&]() -> PyObject* {
    // One number formats as a number: f"{loss:.3f}".
    if (tensor_of(self).ndim() == 0 && PyUnicode_GetLength(spec) > 0) {
      const nb::object item = nb::handle(self).attr("item")();
      return checked(PyObject_Format(item.ptr(), spec));
    }
    const nb::object text = steal(PyObject_Repr(self));
    return checked(PyObject_Format(text.ptr(), spec));
  });
}

PyMethodDef methods[] = {
    {"__format__", &format, METH_O, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

constexpr const char* kDoc =
    "An n-dimensional array on some device, with a gradient if asked.\n\n"
    "Make one with tenon.tensor(), as_tensor(), from_numpy(), zeros() ... Views (slices, reshape) "
    "share memory.\n"
    "Tensor([..]) itself is PyTorch's old constructor: float32, a copy, with a warning.";

}  // namespace

void property(const char* name, nb::object getter, const char* doc) {
  const nb::object made = nb::borrow(reinterpret_cast<PyObject*>(&PyProperty_Type))(
      getter, nb::none(), nb::none(), nb::str(doc));
  checked(PyObject_SetAttrString(reinterpret_cast<PyObject*>(tensor_type), name, made.ptr()));
}

void add_methods(PyMethodDef* list) {
  for (; list->ml_name != nullptr; ++list) {
    const nb::object descriptor = steal(PyDescr_NewMethod(tensor_type, list));
    checked(PyObject_SetAttrString(reinterpret_cast<PyObject*>(tensor_type), list->ml_name,
                                   descriptor.ptr()));
  }
}

void bind_tensor_class(nb::module_& m) {
  std::vector<PyType_Slot> slots = {
      {Py_tp_doc, const_cast<char*>(kDoc)},
      {Py_tp_dealloc, reinterpret_cast<void*>(&dealloc)},
      {Py_tp_getset, attributes},
      {Py_tp_members, members},
      {Py_tp_methods, methods},
      {Py_tp_repr, reinterpret_cast<void*>(&repr)},
      // By identity: == is elementwise.
      {Py_tp_hash, reinterpret_cast<void*>(PyBaseObject_Type.tp_hash)},
  };
  add_make_slots(slots);
  add_conversion_slots(slots);
  add_index_slots(slots);
  add_operator_slots(slots);
  add_buffer_slots(slots);
  slots.push_back({0, nullptr});
  PyType_Spec spec = {"tenon.Tensor", sizeof(TensorObject), 0,
                      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, slots.data()};
  tensor_type = reinterpret_cast<PyTypeObject*>(checked(PyType_FromSpec(&spec)));
  m.attr("Tensor") = nb::handle(reinterpret_cast<PyObject*>(tensor_type));
}

}  // namespace tenon::python
