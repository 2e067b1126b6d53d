// What other libraries ask a Tensor for: the buffer protocol, __array__, __array_interface__, and
// the Array API's namespace. All of it reads the memory through the
// door to_numpy(), which refuses what cannot be shared.
#include <cfloat>
#include <cstring>
#include <limits>

#include "interop/python/numpy_array.h"
#include "tenon/tensor/alias_check.h"
#include "tenon/tensor/impl.h"

namespace tenon::python {
namespace {

using interop::NdArray;

// Readers want an address even of no elements (NumPy 2.3 in __array_interface__, for one).
std::byte nothing;

// ---- the buffer protocol ----

// The struct module's code; empty where it has none.
std::string_view format_of(DType d) {
  constexpr std::string_view kSigned[] = {"b", "h", "", "i", "", "", "", "q"},
                             kUnsigned[] = {"B", "H", "", "I", "", "", "", "Q"};
  const DTypeInfo& info = dtype_info(d);
  switch (info.kind) {
    case DTypeKind::Bool:
      return "?";
    case DTypeKind::Int:
      return kSigned[info.item_size - 1];
    case DTypeKind::UInt:
      return kUnsigned[info.item_size - 1];
    case DTypeKind::Float:
      return info.numpy_descr.empty() ? ""
             : info.item_size == 2    ? "e"
             : info.item_size == 4    ? "f"
                                      : "d";
    case DTypeKind::Complex:
      return info.item_size == 8 ? "Zf" : "Zd";
    case DTypeKind::Float8:
    case DTypeKind::None:
      break;
  }
  return "";
}

bool is_f_contiguous(const TensorImpl& t) {
  int64_t step = 1;
  for (int i = 0; i < t.rank && t.size != 0; ++i) {
    if (t.sizes[i] != 1 && t.strides[i] != step) return false;
    step *= t.sizes[i];
  }
  return true;
}

// The shape is the tensor's own, which never changes and which the view keeps. Strides in bytes are
// those in elements where an element is a byte, the item size alone where there is one dense axis,
// else the view's own memory.
int fill_buffer(PyObject* self, Py_buffer* view, int flags) {
  const Tensor& t = tensor_of(self);
  const TensorImpl* impl = t.impl();
  if (interop::obstacles_to_share(t).any()) array_of_tensor(t);  // refuses
  const std::string_view format = format_of(impl->dtype);
  if (format.empty()) {
    type_error("buffer", "the buffer protocol has no ", dtype_name(impl->dtype),
               "; convert with .float(), or use DLPack");
  }
  const bool read_only = impl->storage->read_only;
  if ((flags & PyBUF_WRITABLE) != 0 && read_only) {
    fail(ErrorCode::kReadOnly, "buffer",
         "the tensor is read-only; clone() it for a writable buffer");
  }
  const bool c = impl->contiguous, f = is_f_contiguous(*impl);
  if (((flags & PyBUF_STRIDES) != PyBUF_STRIDES && !c) ||
      ((flags & PyBUF_C_CONTIGUOUS) == PyBUF_C_CONTIGUOUS && !c) ||
      ((flags & PyBUF_F_CONTIGUOUS) == PyBUF_F_CONTIGUOUS && !f) ||
      ((flags & PyBUF_ANY_CONTIGUOUS) == PyBUF_ANY_CONTIGUOUS && !c && !f)) {
    fail(ErrorCode::kInvalidArgument, "buffer",
         "the tensor's strides are not what the reader asks for; use contiguous()");
  }
  static_assert(sizeof(Py_ssize_t) == sizeof(int64_t));
  view->itemsize = item_size(impl->dtype);
  view->buf =
      impl->size == 0 ? &nothing : impl->storage->host_data() + impl->offset * view->itemsize;
  view->len = impl->size * view->itemsize;
  view->readonly = read_only;
  view->ndim = impl->rank;
  view->format = (flags & PyBUF_FORMAT) != 0 ? const_cast<char*>(format.data()) : nullptr;
  view->shape = (flags & PyBUF_ND) != 0 && impl->rank > 0 ? impl->sizes : nullptr;
  view->strides = nullptr;
  view->suboffsets = nullptr;
  view->internal = nullptr;
  if ((flags & PyBUF_STRIDES) == PyBUF_STRIDES && impl->rank > 0) {
    if (view->itemsize == 1) {
      view->strides = impl->strides;
    } else if (impl->rank == 1 && c) {
      view->strides = &view->itemsize;
    } else {
      const auto bytes = sizeof(Py_ssize_t) * static_cast<size_t>(impl->rank);
      view->strides = static_cast<Py_ssize_t*>(view->internal = PyMem_Malloc(bytes));
      if (view->internal == nullptr) checked(PyErr_NoMemory());
      for (int i = 0; i < impl->rank; ++i) view->strides[i] = impl->strides[i] * view->itemsize;
    }
  }
  mark_externally_writable(t);
  Py_INCREF(self);
  view->obj = self;
  return 0;
}

int get_buffer(PyObject* self, Py_buffer* view, int flags) {
  view->obj = nullptr;
  return guarded(
      [&] { return with_buffer_errors([&] { return fill_buffer(self, view, flags); }); });
}
void release_buffer(PyObject*, Py_buffer* view) { PyMem_Free(view->internal); }

// ---- NumPy ----

// np.asarray(t), np.array(t): shares unless the dtype changes or copy=True.
nb::object array(Self self, nb::handle dtype, nb::handle copy) {
  const std::optional<bool> asked = optional_bool_argument("__array__", copy.ptr());
  nb::object made = nb::steal(make_numpy_array(array_of_tensor(*self)));
  if (!dtype.is_none() && !made.attr("dtype").equal(dtype)) {
    if (asked == false) {
      fail(ErrorCode::kInvalidArgument, "__array__", "a copy is needed to change ",
           dtype_name(self->dtype()), " to another dtype, and copy=False forbids one");
    }
    return made.attr("astype")(dtype);
  }
  return asked == true ? made.attr("copy")() : made;
}

nb::dict array_interface(Self self) {
  if (dtype_info(self->dtype()).numpy_descr.empty()) {
    // NumPy asks __array__ then.
    PyErr_SetString(PyExc_AttributeError, "__array_interface__: the protocol has no such dtype");
    throw nb::python_error();
  }
  const NdArray a = array_of_tensor(*self);
  const nb::object dtype = nb::steal(numpy_dtype("__array_interface__", a.dtype()));
  nb::dict interface;
  interface["version"] = 3;
  interface["shape"] = nb::steal(shape_tuple(a.shape()));
  interface["strides"] = nb::steal(shape_tuple(a.byte_strides()));
  interface["typestr"] = dtype.attr("str");
  const std::byte* const data = a.size() == 0 ? &nothing : a.data();
  interface["data"] = nb::make_tuple(reinterpret_cast<intptr_t>(data), a.read_only());
  return interface;
}

// ---- the standard's facts about dtypes ----

nb::object facts(nb::dict values) {
  return nb::module_::import_("types").attr("SimpleNamespace")(**values);
}

template <class T>
void float_facts(nb::dict& f) {
  f["eps"] = static_cast<double>(std::numeric_limits<T>::epsilon());
  f["max"] = static_cast<double>(std::numeric_limits<T>::max());
  f["min"] = static_cast<double>(std::numeric_limits<T>::lowest());
  f["smallest_normal"] = static_cast<double>(std::numeric_limits<T>::min());
}

// IEEE binary16, and bfloat16: 11 and 8 bits of significand; OCP's 8-bit floats: 4 and 3.
struct NarrowFacts {
  DType dtype;
  double eps, max, smallest_normal;
};
constexpr NarrowFacts kNarrowFacts[] = {
    {DType::float16, 0x1p-10, 65504, 0x1p-14},
    {DType::bfloat16, 0x1p-7, 0x1.fep127, 0x1p-126},
    {DType::float8_e4m3fn, 0x1p-3, 448, 0x1p-6},
    {DType::float8_e5m2, 0x1p-2, 57344, 0x1p-14},
};
const NarrowFacts& narrow_facts(DType d) {
  const NarrowFacts* row = kNarrowFacts;
  while (row->dtype != d) ++row;
  return *row;
}

nb::object finfo(nb::handle type) {
  DType d = is_tensor(type.ptr()) ? tensor_of(type.ptr()).dtype() : dtype_argument(type.ptr());
  const DType real = d == DType::complex64    ? DType::float32
                     : d == DType::complex128 ? DType::float64
                                              : d;
  if (!is_floating(real) && !is_float8(real))
    type_error("finfo", dtype_name(d), " is not a floating dtype; iinfo() knows integers");
  nb::dict f;
  f["bits"] = item_size(real) * 8;
  f["dtype"] = nb::borrow(dtype_object(real));
  if (real == DType::float32) {
    float_facts<float>(f);
  } else if (real == DType::float64) {
    float_facts<double>(f);
  } else {
    const NarrowFacts& n = narrow_facts(real);
    f["eps"] = n.eps;
    f["max"] = n.max;
    f["min"] = -n.max;
    f["smallest_normal"] = n.smallest_normal;
  }
  return facts(f);
}

nb::object iinfo(nb::handle type) {
  const DType d =
      is_tensor(type.ptr()) ? tensor_of(type.ptr()).dtype() : dtype_argument(type.ptr());
  if (!is_integral(d))
    type_error("iinfo", dtype_name(d), " is not an integer dtype; finfo() knows floats");
  nb::dict f;
  f["bits"] = item_size(d) * 8;
  f["dtype"] = nb::borrow(dtype_object(d));
  visit_dtype(d, [&]<class T>() {
    if constexpr (std::is_integral_v<T>) {
      f["max"] = std::numeric_limits<T>::max();
      f["min"] = std::numeric_limits<T>::min();
    }
  });
  return facts(f);
}

}  // namespace

void add_buffer_slots(std::vector<PyType_Slot>& slots) {
  slots.push_back({Py_bf_getbuffer, reinterpret_cast<void*>(&get_buffer)});
  slots.push_back({Py_bf_releasebuffer, reinterpret_cast<void*>(&release_buffer)});
}

void bind_array_protocols(nb::module_& m) {
  method("__array__", &array, nb::arg("dtype") = nb::none(), nb::arg("copy") = nb::none(),
         "NumPy's array of the tensor: shares unless the dtype changes or copy=True.");
  property("__array_interface__", nb::cpp_function(&array_interface),
           "NumPy's description of the memory.");
  method(
      "__array_namespace__",
      [](Self, nb::handle api_version) {
        if (!api_version.is_none()) {
          const std::string version = nb::cast<std::string>(api_version);
          if (version < "2021.12" || version > "2025.12") {
            fail(ErrorCode::kInvalidArgument, "__array_namespace__", "version '", version,
                 "' of the standard is not known");
          }
        }
        return nb::module_::import_("tenon");
      },
      nb::kw_only(), nb::arg("api_version") = nb::none(), "The module tenon.");
  m.def("finfo", &finfo, nb::arg("type"), "Limits of a floating dtype.");
  m.def("iinfo", &iinfo, nb::arg("type"), "Limits of an integer dtype.");
}

}  // namespace tenon::python
