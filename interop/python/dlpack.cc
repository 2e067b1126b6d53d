// DLPack between Python libraries: __dlpack__, __dlpack_device__, from_dlpack and the table of C
// functions.
//
// interop/dlpack.h decides what is shared, copied and refused; here are the capsules. Refusals are
// BufferErrors, as the standard wants them. https://dmlc.github.io/dlpack/latest/python_spec.html
#include "tenon/interop/dlpack.h"

#include "interop/python/numpy_array.h"
#include "tenon/device/stream.h"

namespace tenon::python {
namespace {

using dlpack::DLManagedTensor;
using dlpack::DLManagedTensorVersioned;

constexpr const char *kVersioned = "dltensor_versioned", *kUnversioned = "dltensor";
constexpr const char *kUsedVersioned = "used_dltensor_versioned",
                     *kUsedUnversioned = "used_dltensor";

template <class Managed>
constexpr const char* capsule_name() {
  return std::is_same_v<Managed, DLManagedTensor> ? kUnversioned : kVersioned;
}

// A capsule that nobody took calls the deleter; a consumer renames it.
template <class Managed>
void destroy_capsule(PyObject* capsule) {
  if (!PyCapsule_IsValid(capsule, capsule_name<Managed>())) return;
  auto* managed = static_cast<Managed*>(PyCapsule_GetPointer(capsule, capsule_name<Managed>()));
  if (managed->deleter != nullptr) managed->deleter(managed);
}
template <class Owner>
nb::object make_capsule(Owner&& managed) {
  using Managed = std::remove_pointer_t<decltype(managed.get())>;
  PyObject* capsule =
      checked(PyCapsule_New(managed.get(), capsule_name<Managed>(), &destroy_capsule<Managed>));
  (void)managed.release();
  return nb::steal(capsule);
}

std::optional<dlpack::DLDevice> device_pair(nb::handle o) {
  if (o.is_none()) return std::nullopt;
  const auto pair = nb::cast<nb::tuple>(o);
  if (pair.size() != 2) type_error("__dlpack__", "dl_device is a pair of integers");
  return dlpack::DLDevice{static_cast<dlpack::DLDeviceType>(int_argument(
                              "__dlpack__", "the device type", nb::object(pair[0]).ptr())),
                          static_cast<int32_t>(int_argument("__dlpack__", "the device's number",
                                                            nb::object(pair[1]).ptr()))};
}

// The consumer's stream as ToDlpackOptions has it: None is CUDA's legacy default stream, which has
// the number 1; on other devices the host waits.
std::optional<int64_t> stream_argument(const Tensor& t, nb::handle stream) {
  if (!stream.is_none()) return int_argument("__dlpack__", "stream", stream.ptr());
  if (dlpack_device(t.device()).device_type == dlpack::kDLCUDA) return 1;
  return std::nullopt;
}

nb::object export_capsule(Self self, nb::handle stream, nb::handle max_version,
                          nb::handle dl_device, nb::handle copy) {
  return with_buffer_errors([&] {
    const Tensor& t = *self;
    const ToDlpackOptions options = {.device = device_pair(dl_device),
                                     .copy = optional_bool_argument("__dlpack__", copy.ptr()),
                                     .stream = stream_argument(t, stream)};
    bool versioned = false;
    if (!max_version.is_none()) {
      const nb::object major = max_version[0];
      versioned = int_argument("__dlpack__", "max_version", major.ptr()) >= dlpack::kMajorVersion;
    }
    const bool waits = !t.device().host_addressable();
    if (versioned) return make_capsule(in_long_call(waits, [&] { return to_dlpack(t, options); }));
    return make_capsule(in_long_call(waits, [&] { return to_dlpack_unversioned(t, options); }));
  });
}

// ---- importing ----

bool is_dlpack(PyObject* o) {
  return !PyType_Check(o) && PyObject_HasAttrString(o, "__dlpack__") != 0;
}

template <class Managed>
Tensor consume(PyObject* capsule, const char* used_name, const FromDlpackOptions& options,
               interop::Report* report) {
  auto* managed = static_cast<Managed*>(PyCapsule_GetPointer(capsule, capsule_name<Managed>()));
  if (managed == nullptr) throw nb::python_error();
  // On failure the capsule keeps its name and calls the deleter.
  const bool waits = managed->dl_tensor.device.device_type != dlpack::kDLCPU;
  Tensor t = in_long_call(waits, [&] { return from_dlpack(managed, options, report); });
  checked(PyCapsule_SetName(capsule, used_name));
  return t;
}

Tensor import_capsule(PyObject* capsule, const FromDlpackOptions& options,
                      interop::Report* report) {
  if (PyCapsule_IsValid(capsule, kVersioned))
    return consume<DLManagedTensorVersioned>(capsule, kUsedVersioned, options, report);
  if (PyCapsule_IsValid(capsule, kUnversioned))
    return consume<DLManagedTensor>(capsule, kUsedUnversioned, options, report);
  const char* name =
      PyCapsule_CheckExact(capsule) ? PyCapsule_GetName(capsule) : Py_TYPE(capsule)->tp_name;
  fail(ErrorCode::kInvalidArgument, "from_dlpack", "received an invalid capsule ('",
       name != nullptr ? name : "no name",
       "'). Note that DLTensor capsules can be consumed only once, so you might have already "
       "constructed a tensor from it once");
}

// The stream that the producer is to make wait for its work: our current one on the device, as a
// number. DLPack defines numbers for CUDA's and ROCm's streams; others' producers finish their
// work.
nb::object stream_for(PyObject* producer) {
  if (PyObject_HasAttrString(producer, "__dlpack_device__") == 0) return nb::none();
  const nb::object pair = nb::handle(producer).attr("__dlpack_device__")();
  const std::optional<dlpack::DLDevice> where = device_pair(pair);
  if (!where || (where->device_type != dlpack::kDLCUDA && where->device_type != dlpack::kDLROCM))
    return nb::none();
  const Device device = device_from_dlpack(*where);
  if (device.state().synchronous) return nb::none();
  return nb::int_(reinterpret_cast<intptr_t>(Stream::current(device).native()));
}

// Made at import: a local static would be made under a lock that a collection of garbage in another
// thread may wait for.
PyObject *newest_version, *version_names, *dlpack_name;

// Asks the producer in the newest words, then in the oldest.
nb::object capsule_of(PyObject* producer, nb::handle dl_device, nb::handle copy,
                      nb::handle stream) {
  nb::dict oldest;
  if (!stream.is_none()) oldest["stream"] = stream;
  if (dl_device.is_none() && copy.is_none() && stream.is_none()) {
    PyObject* arguments[] = {producer, newest_version};
    PyObject* capsule = PyObject_VectorcallMethod(dlpack_name, arguments, 1, version_names);
    if (capsule != nullptr) return nb::steal(capsule);
  } else {
    nb::dict keywords = nb::steal<nb::dict>(checked(PyDict_Copy(oldest.ptr())));
    keywords["max_version"] = nb::handle(newest_version);
    if (!dl_device.is_none()) keywords["dl_device"] = dl_device;
    if (!copy.is_none()) keywords["copy"] = copy;
    PyObject* capsule = PyObject_Call(nb::object(nb::handle(producer).attr("__dlpack__")).ptr(),
                                      nb::tuple().ptr(), keywords.ptr());
    if (capsule != nullptr) return nb::steal(capsule);
  }
  if (!PyErr_ExceptionMatches(PyExc_TypeError)) throw nb::python_error();
  PyErr_Clear();
  return nb::handle(producer).attr("__dlpack__")(**oldest);
}

Tensor from_producer(nb::handle x, nb::handle device, nb::handle copy, interop::Report* report) {
  if (device.is_none() && copy.is_none() && report == nullptr) {
    // The capsule of an ordinary ndarray would say no more than its struct.
    Tensor t = share_plain_array(x.ptr());
    if (t.defined()) return t;
  }
  FromDlpackOptions options = {.device = optional_device_argument(device.ptr()),
                               .copy = optional_bool_argument("from_dlpack", copy.ptr())};
  if (PyCapsule_CheckExact(x.ptr())) return import_capsule(x.ptr(), options, report);
  if (!is_dlpack(x.ptr()) && is_cuda_array(x.ptr())) {
    return as_tensor(cuda_array_argument("from_dlpack", x.ptr(), nullptr),
                     {.device = options.device, .copy = options.copy}, report);
  }
  nb::object dl_device = nb::none();
  if (options.device.has_value()) {
    const dlpack::DLDevice d = dlpack_device(*options.device);
    dl_device = nb::make_tuple(static_cast<int>(d.device_type), static_cast<int>(d.device_id));
  }
  // Who is asked for a copy on the host waits himself.
  const bool to_host = options.device && options.device->host_addressable();
  const nb::object stream = to_host ? nb::none() : stream_for(x.ptr());
  const nb::object capsule = capsule_of(x.ptr(), dl_device, copy, stream);
  return import_capsule(capsule.ptr(), options, report);
}

// ---- __dlpack_c_exchange_api__: the same without calls of Python ----

extern "C" {
int exchange_allocate(dlpack::DLTensor* prototype, DLManagedTensorVersioned** out, void* context,
                      void (*set_error)(void*, const char*, const char*)) {
  try {
    const DType d = dtype_from_dlpack(prototype->dtype);
    if (d == DType::none)
      fail(ErrorCode::kDType, "dlpack", "no dtype for ", dlpack_dtype_text(prototype->dtype));
    *out = to_dlpack(empty(DimsView(prototype->shape, static_cast<size_t>(prototype->ndim)), d,
                           device_from_dlpack(prototype->device)),
                     {.stream = kNoWait})
               .release();
    return 0;
  } catch (const std::exception& e) {
    set_error(context, "RuntimeError", e.what());
  } catch (...) {
    set_error(context, "RuntimeError", "unknown error");
  }
  return -1;
}
int exchange_export(void* object, DLManagedTensorVersioned** out) {
  return guarded([&] {
    return with_buffer_errors([&] {
      if (!is_tensor(static_cast<PyObject*>(object))) type_error("dlpack", "not a tenon.Tensor");
      *out = to_dlpack(tensor_of(static_cast<PyObject*>(object)), {.stream = kNoWait}).release();
      return 0;
    });
  });
}
int exchange_import(DLManagedTensorVersioned* managed, void** out) {
  return guarded([&] {
    return with_buffer_errors([&] {
      *out = wrap(from_dlpack(managed));
      return 0;
    });
  });
}
int exchange_borrow(void* object, dlpack::DLTensor* out) {
  return guarded([&] {
    return with_buffer_errors([&] {
      if (!is_tensor(static_cast<PyObject*>(object))) type_error("dlpack", "not a tenon.Tensor");
      *out = borrow_dlpack(tensor_of(static_cast<PyObject*>(object)));
      return 0;
    });
  });
}
// Null where nothing is ever in flight.
int exchange_stream(dlpack::DLDeviceType type, int32_t id, void** out) {
  return guarded([&] {
    return with_buffer_errors([&] {
      const Device device = device_from_dlpack({type, id});
      *out = device.state().synchronous ? nullptr : Stream::current(device).native();
      return 0;
    });
  });
}
}  // extern "C"

dlpack::DLPackExchangeAPI exchange = {
    .header = {.version = {dlpack::kMajorVersion, dlpack::kMinorVersion}, .prev_api = nullptr},
    .managed_tensor_allocator = &exchange_allocate,
    .managed_tensor_from_py_object_no_sync = &exchange_export,
    .managed_tensor_to_py_object_no_sync = &exchange_import,
    .dltensor_from_py_object_no_sync = &exchange_borrow,
    .current_work_stream = &exchange_stream,
};

}  // namespace

bool is_foreign(PyObject* o) {
  return is_array_like(o) && !is_numpy_array(o) && (is_dlpack(o) || is_cuda_array(o));
}

Tensor foreign_argument(std::string_view operation, PyObject* o, interop::Report* report) {
  if (!is_dlpack(o)) return cuda_array_argument(operation, o, report);
  return from_producer(o, nb::none(), nb::none(), report);
}

void bind_dlpack(nb::module_& m) {
  newest_version = checked(Py_BuildValue("(ii)", static_cast<int>(dlpack::kMajorVersion),
                                         static_cast<int>(dlpack::kMinorVersion)));
  version_names = checked(PyTuple_Pack(1, nb::str("max_version").release().ptr()));
  dlpack_name = checked(PyUnicode_InternFromString("__dlpack__"));
  method(
      "__dlpack__", &export_capsule, nb::kw_only(), nb::arg("stream") = nb::none(),
      nb::arg("max_version") = nb::none(), nb::arg("dl_device") = nb::none(),
      nb::arg("copy") = nb::none(),
      "A capsule of the memory for other array libraries: versioned where max_version allows it.");
  method(
      "__dlpack_device__",
      [](Self self) {
        const dlpack::DLDevice d = dlpack_device(self->device());
        return nb::make_tuple(static_cast<int>(d.device_type), static_cast<int>(d.device_id));
      },
      "The kind and number of the device, as DLPack numbers them.");
  m.def(
      "from_dlpack",
      [](nb::handle x, nb::handle device, nb::handle copy) {
        return with_buffer_errors([&] { return from_producer(x, device, copy, nullptr); });
      },
      nb::arg("x"), nb::kw_only(), nb::arg("device") = nb::none(), nb::arg("copy") = nb::none(),
      "Shares the memory of any object with __dlpack__ (or of a capsule). copy=True copies, "
      "copy=False raises rather than copies.");
  const nb::object table = steal(PyCapsule_New(&exchange, "dlpack_exchange_api", nullptr));
  checked(PyObject_SetAttrString(reinterpret_cast<PyObject*>(tensor_type),
                                 "__dlpack_c_exchange_api__", table.ptr()));
}

}  // namespace tenon::python
