// A tensor's elements as bytes and back: what tenon/_pickle.py stands on.
#include "interop/python/numpy_array.h"
#include "tenon/tensor/impl.h"

namespace tenon::python {

void bind_pickle(nb::module_& m) {
  m.def(
      "_bytes_of",
      [](Self self) {
        const Tensor& t = *self;
        if (!t.is_contiguous())
          fail(ErrorCode::kInvalidArgument, "pickle", "the tensor is not contiguous");
        const int64_t item = item_size(t.dtype()), bytes = t.size() * item;
        const nb::object as_bytes =
            wrapped(alias(t, DType::uint8, DimsView(&bytes, 1), {1}, t.impl()->offset * item));
        return steal(PyMemoryView_FromObject(as_bytes.ptr()));
      },
      "The bytes of a contiguous tensor, sharing its memory.");
  m.def(
      "_from_bytes",
      [](nb::handle buffer, nb::handle shape, nb::handle dtype) {
        const interop::NdArray bytes = array_argument("unpickle", buffer.ptr());
        const DType d = dtype_argument(dtype.ptr());
        const Dims sizes = shape_argument("unpickle", shape.ptr());
        if (bytes.nbytes() != interop::checked_nbytes("unpickle", d, sizes) ||
            !bytes.is_c_contiguous()) {
          fail(ErrorCode::kFormat, "unpickle", bytes.nbytes(), " bytes are not a ", dtype_name(d),
               " tensor of shape ", shape_text(sizes));
        }
        return tensor(interop::NdArray::over({.data = const_cast<std::byte*>(bytes.data()),
                                              .owner = bytes.owner(),
                                              .dtype = d,
                                              .shape = sizes,
                                              .read_only = true}));
      },
      "A tensor with a copy of these bytes.");
}

}  // namespace tenon::python
