#include <cstddef>
#include <memory>
#include <new>
#include <string>

#include "tenon/interop/dlpack.h"
#include "tenon/tensor/alias_check.h"
#include "tenon/tensor/impl.h"

namespace tenon {
namespace {

using dlpack::DLDataType;
using dlpack::DLDevice;
using dlpack::DLManagedTensor;
using dlpack::DLManagedTensorVersioned;
using dlpack::DLTensor;
using dlpack::kDLCPU;
using dlpack::kIsCopied;
using dlpack::kMajorVersion;
using dlpack::kMinorVersion;
using dlpack::kReadOnly;
using interop::Report;

// One block: the struct that the consumer sees, what it keeps alive, its sizes and strides. The
// consumer may write to shape and strides, so these are not the tensor's own.
template <class Managed>
struct Exported {
  Managed managed;
  Storage* storage;

  int64_t* dims() {
    return reinterpret_cast<int64_t*>(reinterpret_cast<std::byte*>(this) + sizeof(*this));
  }
  static void destroy(Managed* self) noexcept {
    auto* exported = reinterpret_cast<Exported*>(self);
    release(exported->storage);
    ::operator delete(exported);
  }
};

// `data_type` was checked to be as wide as the dtype.
DLTensor describe_memory(const Tensor& t, DLDataType data_type, int64_t* shape, int64_t* strides) {
  const TensorImpl& impl = *t.impl();
  const Storage& storage = *impl.storage;
  const int64_t offset = impl.offset * item_size(impl.dtype);  // bytes
  NativeMemory first;                                          // without elements: null
  if (impl.size != 0 && storage.device->host_addressable) {
    first.memory = storage.host_data() + offset;
  } else if (impl.size != 0) {
    first =
        export_memory(*storage.device, storage.memory, static_cast<uint64_t>(offset), "to_dlpack");
  }
  return {.data = first.memory,
          .device = dlpack_device(t.device()),
          .ndim = t.ndim(),
          .dtype = data_type,
          .shape = shape,
          .strides = strides,
          .byte_offset = first.offset};
}

template <class Managed>
Managed* export_memory_of(const Tensor& t, DLDataType data_type) {
  const size_t rank = static_cast<size_t>(t.ndim());
  struct Free {
    void operator()(Exported<Managed>* e) const { ::operator delete(e); }
  };
  void* block = ::operator new(sizeof(Exported<Managed>) + 2 * rank * sizeof(int64_t));
  std::unique_ptr<Exported<Managed>, Free> exported(new (block) Exported<Managed>);
  int64_t* shape = exported->dims();
  int64_t* strides = shape + rank;
  for (size_t i = 0; i < rank; ++i) {
    shape[i] = t.shape()[i];
    strides[i] = t.strides()[i];
  }
  Managed& m = exported->managed;
  m.dl_tensor = describe_memory(t, data_type, shape, strides);
  m.manager_ctx = exported.get();
  m.deleter = &Exported<Managed>::destroy;
  exported->storage = t.impl()->storage;
  retain(exported->storage);
  return &exported.release()->managed;
}

DLDataType exported_dtype(const Tensor& t, const ToDlpackOptions& options) {
  const DLDataType own = dlpack_dtype(t.dtype());
  if (!options.bits_as) return own;
  if (options.bits_as->bits != own.bits || options.bits_as->lanes != 1) {
    fail(ErrorCode::kDType, "to_dlpack", "bits_as ", dlpack_dtype_text(*options.bits_as), " for ",
         describe(t), ": it must have ", int{own.bits}, " bits and one lane");
  }
  return *options.bits_as;
}

// What an export does.
struct Way {
  bool copies = false;
  bool moves = false;  // to the host
};

// Throws unless the memory may go out; one message for all that is in the way.
Way check_export(const Tensor& t, const ToDlpackOptions& options, bool can_say_read_only) {
  if (!t.defined()) fail(ErrorCode::kInvalidArgument, "to_dlpack", "the tensor is undefined");
  if (t.requires_grad()) {
    fail(ErrorCode::kAutograd, "to_dlpack",
         "Can't export tensors that require gradient, use tensor.detach(): ", describe(t));
  }
  const DLDevice own = dlpack_device(t.device());
  const DLDevice asked = options.device.value_or(own);
  const bool is_host = t.device().host_addressable(), to_host = asked.device_type == kDLCPU;
  if (!to_host && (asked.device_type != own.device_type || asked.device_id != own.device_id)) {
    fail(ErrorCode::kDevice, "to_dlpack", "cannot export ", describe(t), " to ",
         dlpack_device_text(asked),
         ": only to its own device and to the host; move it first, with ", "to()");
  }
  if (options.stream == 0) {
    fail(ErrorCode::kInvalidArgument, "to_dlpack",
         "stream 0 is ambiguous and forbidden by the standard: 1 is the legacy default stream");
  }
  if (options.stream && is_host && options.stream != kNoWait) {
    fail(ErrorCode::kInvalidArgument, "to_dlpack", "stream should be None on ", t.device().text(),
         ", not ", *options.stream);
  }
  const bool moves = to_host && !is_host;
  if (moves && options.copy == false) {
    fail(ErrorCode::kInvalidArgument, "to_dlpack", "cannot move (i.e. copy=False) tensor from ",
         t.device().text(), " to the host without copying: ", describe(t), "; leave copy unset");
  }
  const bool copies = moves || options.copy == true;
  if (t.read_only() && !copies && !can_say_read_only) {
    fail(ErrorCode::kReadOnly, "to_dlpack",
         "Cannot export readonly array since signalling readonly is unsupported by the unversioned "
         "DLPack struct: ",
         describe(t), ". Ask for version 1.0 or newer (max_version), or for a copy");
  }
  return {copies, moves};
}

// The consumer's work comes after what is enqueued on the tensor's memory by now.
void hand_over(const Tensor& t, std::optional<int64_t> stream) {
  if (t.device().state().synchronous || stream == kNoWait) return;
  const Stream ours = Stream::current(t.device());
  wait_for_uses(*t.impl()->storage, ours.state());
  if (!stream) return ours.synchronize();
  ours.native_waits(reinterpret_cast<void*>(*stream));
}

std::string_view reason(const Way& way, bool is_host, bool read_only) {
  if (way.moves) return "the memory is on another device";
  if (way.copies) return "copy = true asked for it";
  if (!is_host) {
    return read_only ? "the device's plug-in names its memory; it is read-only"
                     : "the device's plug-in names its memory";
  }
  return read_only ? "host memory is always shared; it is read-only"
                   : "host memory is always shared";
}

template <class Managed>
Managed* export_tensor(const Tensor& tensor, const ToDlpackOptions& options, bool can_say_read_only,
                       bool* copied, bool* read_only, Report* report) {
  const Way way = check_export(tensor, options, can_say_read_only);
  const DLDataType data_type = exported_dtype(tensor, options);
  Tensor copy;
  if (way.copies) {
    const NoGradScope no_grad;
    copy = way.moves ? tensor.to(Device()) : tensor.clone();
  }
  const Tensor& out = way.copies ? copy : tensor;
  *copied = way.copies;
  *read_only = out.read_only();
  std::unique_ptr<Managed, DlpackDeleter> managed(export_memory_of<Managed>(out, data_type));
  hand_over(out, options.stream);
  if (!way.copies) mark_externally_writable(tensor);
  if (report != nullptr) {
    *report = {.shared = !way.copies,
               .why = std::string(reason(way, out.device().host_addressable(), *read_only)),
               .bytes = tensor.size() * item_size(tensor.dtype()),
               .dtype_before = tensor.dtype(),
               .dtype_after = tensor.dtype(),
               .device_before = tensor.device().text(),
               .device_after = out.device().text()};
  }
  return managed.release();
}

}  // namespace

DlpackVersioned to_dlpack(const Tensor& tensor, const ToDlpackOptions& options, Report* report) {
  bool copied = false, read_only = false;
  DlpackVersioned out(
      export_tensor<DLManagedTensorVersioned>(tensor, options, true, &copied, &read_only, report));
  out->version = {kMajorVersion, kMinorVersion};
  out->flags = (read_only ? kReadOnly : 0) | (copied ? kIsCopied : 0);
  return out;
}

DlpackUnversioned to_dlpack_unversioned(const Tensor& tensor, const ToDlpackOptions& options,
                                        Report* report) {
  bool copied = false, read_only = false;
  return DlpackUnversioned(
      export_tensor<DLManagedTensor>(tensor, options, false, &copied, &read_only, report));
}

DLTensor borrow_dlpack(const Tensor& tensor) {
  check_export(tensor, {.copy = false}, false);
  const TensorImpl& impl = *tensor.impl();
  mark_externally_writable(tensor);
  return describe_memory(tensor, dlpack_dtype(tensor.dtype()), impl.sizes, impl.strides);
}

}  // namespace tenon
