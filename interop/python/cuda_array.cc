// __cuda_array_interface__, version 3: memory on a CUDA device described by a dict, for libraries
// that do not speak DLPack. https://nvidia.github.io/numba-cuda/user/cuda_array_interface.html
//
// It says less than DLPack: not which device (the driver knows that of an address), and no dtype
// that NumPy has not. The stream of the exporter is named, and whoever takes the memory waits for
// it.
#include "interop/python/numpy_array.h"
#include "tenon/device/stream.h"
#include "tenon/interop/sharing.h"
#include "tenon/tensor/impl.h"

namespace tenon::python {
namespace {

constexpr const char* kProtocol = "__cuda_array_interface__";

nb::dict export_interface(Self self) {
  const Tensor& t = *self;
  if (t.device().backend() != "cuda") {
    PyErr_SetString(
        PyExc_AttributeError,
        "__cuda_array_interface__: the tensor is not on a CUDA device; use cuda() first");
    throw nb::python_error();
  }
  if (t.requires_grad()) {
    fail(ErrorCode::kAutograd, kProtocol,
         "the tensor requires grad, which would be lost: use t.detach()");
  }
  if (dtype_info(t.dtype()).numpy_descr.empty()) {
    type_error(kProtocol, "the protocol has no ", dtype_name(t.dtype()),
               "; convert with .float(), or use DLPack");
  }
  const TensorImpl& impl = *t.impl();
  uint64_t address = 0;  // without elements
  if (t.size() != 0) {
    const NativeMemory first =
        export_memory(impl.device(), impl.storage->memory,
                      static_cast<uint64_t>(impl.offset * item_size(impl.dtype)), kProtocol);
    address = reinterpret_cast<uintptr_t>(first.memory) + first.offset;
  }
  const Stream stream = Stream::current(t.device());
  wait_for_uses(*impl.storage, stream.state());
  Dims byte_strides(t.strides());
  for (int64_t& s : byte_strides) s *= item_size(t.dtype());
  const bool one_byte = item_size(t.dtype()) == 1;
  nb::dict interface;
  interface["version"] = 3;
  interface["shape"] = nb::steal(shape_tuple(t.shape()));
  interface["strides"] = t.is_contiguous() ? nb::none() : nb::steal(shape_tuple(byte_strides));
  interface["typestr"] =
      nb::steal(text_object(concat_text(one_byte ? "|" : "<", dtype_info(t.dtype()).numpy_descr)));
  interface["data"] = nb::make_tuple(address, t.read_only());
  interface["stream"] = reinterpret_cast<intptr_t>(stream.native());
  return interface;
}

// The protocol does not say which device the memory is on: the first that takes it.
template <class Take>
Tensor on_its_device(std::string_view operation, PyObject* o, Take&& take) {
  const int count = device_count("cuda");
  if (count == 0) {
    fail(ErrorCode::kDevice, operation, "the memory of ", type_name(o),
         " is on a CUDA device, and Tenon finds none: see tenon.devices(); bring it to the host "
         "first");
  }
  for (int i = 0;; ++i) {
    try {
      return take(Device(concat_text("cuda:", i)));
    } catch (const Error& e) {
      if (e.code() != ErrorCode::kDevice || i + 1 == count) throw;
    }
  }
}

}  // namespace

bool is_cuda_array(PyObject* o) {
  return !PyType_Check(o) && PyObject_HasAttrString(o, kProtocol) != 0;
}

Tensor cuda_array_argument(std::string_view operation, PyObject* o, interop::Report* report) {
  const nb::object interface = nb::handle(o).attr(kProtocol);
  const interop::NdArray array =
      interface_argument(operation, o, interface, DType::none, kProtocol);
  const nb::object mask = nb::borrow(PyDict_GetItemString(interface.ptr(), "mask")),
                   stream = nb::borrow(PyDict_GetItemString(interface.ptr(), "stream"));
  if (mask.is_valid() && !mask.is_none()) {
    fail(ErrorCode::kUnsupported, operation, type_name(o),
         " has a mask, which a tensor cannot keep: fill the masked elements first");
  }
  interop::Obstacles obstacles = interop::obstacles_to_share(array, DType::none, Device());
  if (obstacles.any()) {
    fail(ErrorCode::kInvalidArgument, operation, "cannot share the memory of ", type_name(o), ": ",
         obstacles.text(), ". Convert it in its own library, or bring it to the host first");
  }
  int64_t native = -1;  // none
  if (stream.is_valid() && !stream.is_none())
    native = int_argument(operation, "stream", stream.ptr());
  if (native == 0) {
    fail(ErrorCode::kInvalidArgument, operation, "stream 0 of ", type_name(o),
         " is ambiguous and forbidden by the protocol: 1 is the legacy default stream");
  }
  Dims strides = contiguous_strides(array.shape());
  for (int i = 0; i < array.rank() && array.size() != 0; ++i)
    strides[i] = array.byte_strides()[i] / item_size(array.dtype());
  using Owner = std::shared_ptr<const void>;
  auto owner = std::make_unique<Owner>(array.owner());
  Tensor t = on_its_device(operation, o, [&](Device device) {
    Tensor shared = from_device_memory(
        device, const_cast<std::byte*>(array.data()), 0, array.dtype(), array.shape(), strides,
        array.read_only(), [](void* context) { delete static_cast<Owner*>(context); }, owner.get(),
        operation);
    (void)owner.release();
    // What we enqueue from now on comes after the work there.
    if (native != -1) Stream::current(device).wait_native(reinterpret_cast<void*>(native));
    return shared;
  });
  if (report != nullptr) {
    *report = {.shared = true,
               .why = array.read_only()
                          ? "dtype, device and layout allow it; the memory is read-only"
                          : "dtype, device and layout allow it",
               .bytes = array.nbytes(),
               .dtype_before = t.dtype(),
               .dtype_after = t.dtype(),
               .device_before = t.device().text(),
               .device_after = t.device().text()};
  }
  return t;
}

void bind_cuda_array(nb::module_&) {
  property(kProtocol, nb::cpp_function(&export_interface),
           "The description of CUDA memory, version 3.");
}

}  // namespace tenon::python
