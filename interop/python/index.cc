// t[...] and t[...] = v, as NumPy reads them.
#include "tenon/ops/index.h"

#include <atomic>
#include <cstring>

#include "interop/python/numpy_array.h"
#include "interop/python/scalars.h"
#include "tenon/ops/views.h"
#include "tenon/tensor/impl.h"

namespace tenon::python {
namespace {

int64_t slice_end(PyObject* o) {
  if (o == Py_None) return kUnset;
  if (PyLong_CheckExact(o)) {
    const Py_ssize_t end = PyLong_AsSsize_t(o);
    if (end != -1 || PyErr_Occurred() == nullptr) return end;
    PyErr_Clear();
  }
  if (!PyIndex_Check(o)) type_error("index", "slice ends must be integers, not ", type_name(o));
  // Beyond int64 means beyond the end.
  const Py_ssize_t value = PyNumber_AsSsize_t(o, nullptr);
  if (value == -1 && PyErr_Occurred()) throw nb::python_error();
  return value == kUnset ? kUnset + 1 : value;
}

[[noreturn]] void refuse(PyObject* o) {
  fail(ErrorCode::kAxis, "index",
       "only integers, slices (`:`), ellipsis (`...`), None and integer or boolean tensors and "
       "arrays are valid indices, got ",
       type_name(o));
}

// Where o means a view: an integer, a slice, None or an ellipsis.
std::optional<Index> basic_item(PyObject* o) {
  if (PyLong_CheckExact(o)) return Index(int_argument("index", "an index", o));
  if (PySlice_Check(o)) {
    const auto* s = reinterpret_cast<PySliceObject*>(o);
    return Index(Slice{slice_end(s->start), slice_end(s->stop),
                       s->step == Py_None ? 1 : slice_end(s->step)});
  }
  if (o == Py_None) return Index::new_axis();
  if (o == Py_Ellipsis) return Index::ellipsis();
  if (PyBool_Check(o) || is_tensor(o) || PyList_Check(o)) return std::nullopt;
  if (is_numpy_scalar(o)) {
    const nb::object dtype = nb::handle(o).attr("dtype");
    if (nb::cast<std::string>(dtype.attr("kind")) == "b") return std::nullopt;
  } else if (is_array_like(o)) {
    return std::nullopt;
  }
  if (PyIndex_Check(o)) return Index(int_argument("index", "an index", o));
  return std::nullopt;
}

// The others: bools, tensors, arrays, lists.
IndexItem advanced_item(PyObject* o) {
  if (PyBool_Check(o)) return IndexItem(o == Py_True);
  if (is_tensor(o)) return IndexItem(tensor_of(o));
  if (is_array_like(o)) return IndexItem(tensor_argument("index", o));
  if (PyList_Check(o)) {
    // An empty list picks nothing; it has no floats to refuse.
    return IndexItem(
        tensor_of_sequence(o, PyList_GET_SIZE(o) == 0 ? kDefaultInt : DType::none, std::nullopt));
  }
  refuse(o);
}

// What stands between the brackets.
struct Key {
  explicit Key(PyObject* key) {
    if (PyTuple_Check(key)) {
      const Py_ssize_t n = PyTuple_GET_SIZE(key);
      for (Py_ssize_t i = 0; i < n; ++i) add(PyTuple_GET_ITEM(key, i));
    } else {
      add(key);
    }
  }
  bool is_basic() const { return advanced.empty(); }

  std::vector<Index> basic;
  std::vector<IndexItem> advanced;  // all items, as soon as one of them is no view

 private:
  void add(PyObject* o) {
    const std::optional<Index> item = basic_item(o);
    if (item.has_value() && advanced.empty()) {
      basic.push_back(*item);
      return;
    }
    if (advanced.empty()) advanced.assign(basic.begin(), basic.end());
    advanced.push_back(item.has_value() ? IndexItem(*item) : advanced_item(o));
  }
};

// A view by a key of few items, all of them integers, slices, None or an ellipsis, without the
// vectors of a Key; undefined where the key is none.
constexpr Py_ssize_t kFewItems = 4;
Tensor few_items(const Tensor& t, PyObject* key) {
  PyObject* const* from = &key;
  Py_ssize_t n = 1;
  if (PyTuple_Check(key)) {
    n = PyTuple_GET_SIZE(key);
    from = reinterpret_cast<PyTupleObject*>(key)->ob_item;
    if (n > kFewItems) return Tensor();
  }
  Index items[kFewItems] = {0, 0, 0, 0};
  for (Py_ssize_t i = 0; i < n; ++i) {
    const std::optional<Index> item = basic_item(from[i]);
    if (!item.has_value()) return Tensor();
    items[i] = *item;
  }
  return index(t, std::span<const Index>(items, static_cast<size_t>(n)));
}

Tensor get(const Tensor& t, PyObject* o) {
  Tensor view = few_items(t, o);
  if (view.defined()) return view;
  const Key key(o);
  if (key.is_basic()) return index(t, std::span<const Index>(key.basic));
  return in_long_call(t, [&] { return index(t, std::span<const IndexItem>(key.advanced)); });
}

PyObject* get_item(PyObject* self, PyObject* key) {
  return guarded([&] { return wrap(get(tensor_of(self), key)); });
}

// Python's numbers, which have more digits than the default dtypes: a target that has them, too,
// gets them all.
Tensor tensor_of_numbers(PyObject* o, DType target) {
  Tensor t = tensor_of_sequence(o, DType::none, std::nullopt);
  const bool wide = target == DType::float64 || target == DType::complex128;
  if (wide && t.dtype() == DType::float32)
    return tensor_of_sequence(o, DType::float64, std::nullopt);
  if (wide && t.dtype() == DType::complex64)
    return tensor_of_sequence(o, DType::complex128, std::nullopt);
  return t;
}

// The value of an assignment: a number, or a tensor that is broadcast and cast.
struct Value {
  Value(PyObject* o, DType target) {
    if (is_tensor(o)) {
      tensor = tensor_of(o);
    } else if ((PyFloat_Check(o) || PyLong_Check(o)) && !is_numpy_scalar(o)) {
      number = scalar_argument("index", o);
    } else {
      tensor = is_array_like(o) ? tensor_argument("index", o) : tensor_of_numbers(o, target);
    }
  }
  Operand operand() const { return tensor.defined() ? Operand(tensor) : Operand(number); }
  Tensor tensor;
  Scalar number;
};

// t[1, 2] = 3.0 where nothing but the element's memory is concerned; false where anything else may
// be, an error too.
bool store_element(const Tensor& t, PyObject* key, PyObject* value) {
  const TensorImpl* impl = t.impl();
  if (!impl->device().host_addressable || !impl->device().synchronous || impl->storage->read_only ||
      dtype_info(impl->dtype).numpy_descr.empty() || is_complex(impl->dtype) ||
      load_node(*impl) != nullptr || (impl->base != nullptr && load_node(*impl->base) != nullptr)) {
    return false;
  }
  PyObject* const* items = &key;
  Py_ssize_t n = 1;
  if (PyTuple_CheckExact(key)) {
    n = PyTuple_GET_SIZE(key);
    items = reinterpret_cast<PyTupleObject*>(key)->ob_item;
  }
  if (n != impl->rank) return false;
  int64_t at = impl->offset;
  for (Py_ssize_t axis = 0; axis < n; ++axis) {
    if (!PyLong_CheckExact(items[axis])) return false;
    int overflow = 0;
    long long i = PyLong_AsLongLongAndOverflow(items[axis], &overflow);
    if (i < 0) i += impl->sizes[axis];
    if (overflow != 0 || i < 0 || i >= impl->sizes[axis]) return false;
    at += i * impl->strides[axis];
  }
  if (!PyFloat_CheckExact(value) && !PyLong_CheckExact(value)) return false;
  const uint64_t bits = scalar_argument("index", value).bits_as(impl->dtype);
  const int64_t item = item_size(impl->dtype);
  std::memcpy(impl->storage->host_data() + at * item, &bits, static_cast<size_t>(item));
  note_write(t, "fill_");
  return true;
}

int set_item(PyObject* self, PyObject* key_object, PyObject* value_object) {
  return guarded([&] {
    if (value_object == nullptr) type_error("index", "elements of a tensor cannot be deleted");
    Tensor& t = tensor_of(self);
    if (store_element(t, key_object, value_object)) return 0;
    const Value value(value_object, t.dtype());
    Tensor target = few_items(t, key_object);
    if (!target.defined()) {
      const Key key(key_object);
      if (!key.is_basic()) {
        in_long_call(t, [&] { return &index_put_(t, key.advanced, value.operand()); });
        return 0;
      }
      target = index(t, std::span<const Index>(key.basic));
    }
    if (value.tensor.defined()) {
      in_long_call(target, [&] { return &target.copy_(value.tensor); });
    } else {
      in_long_call(target, [&] { return &target.fill_(value.number); });
    }
    return 0;
  });
}

Py_ssize_t length(PyObject* self) {
  return guarded([&]() -> Py_ssize_t {
    const Tensor& t = tensor_of(self);
    if (t.ndim() == 0) type_error("len", "len() of a 0-d tensor");
    return t.shape()[0];
  });
}

// A Python iterator over the first axis.
struct IteratorObject {
  PyObject head;
  PyObject* tensor;
  std::atomic<int64_t> next;  // threads may share an iterator
};
PyTypeObject* iterator_type;

PyObject* iterate(PyObject* self) {
  return guarded([&]() -> PyObject* {
    if (tensor_of(self).ndim() == 0) type_error("iter", "iteration over a 0-d tensor");
    auto* iterator = PyObject_New(IteratorObject, iterator_type);
    if (iterator == nullptr) throw nb::python_error();
    Py_INCREF(self);
    iterator->tensor = self;
    new (&iterator->next) std::atomic<int64_t>(0);
    return reinterpret_cast<PyObject*>(iterator);
  });
}
PyObject* next(PyObject* o) {
  return guarded([&]() -> PyObject* {
    auto* iterator = reinterpret_cast<IteratorObject*>(o);
    const Tensor& t = tensor_of(iterator->tensor);
    const int64_t i = iterator->next.fetch_add(1, std::memory_order_relaxed);
    return i < t.shape()[0] ? wrap(t[i]) : nullptr;
  });
}
void dealloc_iterator(PyObject* o) {
  PyTypeObject* type = Py_TYPE(o);
  Py_DECREF(reinterpret_cast<IteratorObject*>(o)->tensor);
  type->tp_free(o);
  Py_DECREF(type);
}

// value in t: is some element equal to it?
int contains(PyObject* self, PyObject* value) {
  return guarded([&]() -> int {
    const nb::object equal = steal(PyObject_RichCompare(self, value, Py_EQ));
    if (!is_tensor(equal.ptr())) return 0;
    return bool_argument(nb::object(equal.attr("any")()).ptr()) ? 1 : 0;
  });
}

}  // namespace

void add_index_slots(std::vector<PyType_Slot>& slots) {
  slots.push_back({Py_mp_subscript, reinterpret_cast<void*>(&get_item)});
  slots.push_back({Py_mp_ass_subscript, reinterpret_cast<void*>(&set_item)});
  slots.push_back({Py_mp_length, reinterpret_cast<void*>(&length)});
  slots.push_back({Py_tp_iter, reinterpret_cast<void*>(&iterate)});
  slots.push_back({Py_sq_contains, reinterpret_cast<void*>(&contains)});
}

void bind_index(nb::module_&) {
  PyType_Slot slots[] = {
      {Py_tp_dealloc, reinterpret_cast<void*>(&dealloc_iterator)},
      {Py_tp_iter, reinterpret_cast<void*>(&PyObject_SelfIter)},
      {Py_tp_iternext, reinterpret_cast<void*>(&next)},
      {0, nullptr},
  };
  PyType_Spec spec = {"tenon.TensorIterator", sizeof(IteratorObject), 0, Py_TPFLAGS_DEFAULT, slots};
  iterator_type = reinterpret_cast<PyTypeObject*>(checked(PyType_FromSpec(&spec)));
}

}  // namespace tenon::python
