// DLPack: tensors to and from the memory of other array libraries, on any device, without a copy.
//
//   DlpackVersioned out = to_dlpack(t);              // shares; calls its deleter unless release()d
//   consumer_takes(out.release());                   // from here on the consumer calls the deleter
//
//   dlpack::DLManagedTensorVersioned* in = producer();
//   Tensor t = from_dlpack(in);                      // shares; `in` is the tensor's now
//
// What is shared, copied or refused is decided as by the other doors (sharing.h), and told in the
// Report. Strides of any sign, zero and gapped ones go out and come in as they are; those of axes
// of length 0 and 1 do not matter. Read-only memory goes out with the flag and comes in as a
// read-only tensor.
//
// - **A refused import has consumed nothing**: when from_dlpack throws, the struct is as it was,
//   its deleter not called, and still the caller's (a Python capsule keeps its name). When it
//   returns, the struct is consumed, whether the memory was shared or copied, and the caller must
//   not touch it again.
// - Every import is checked before the memory is used: version, rank, sizes, the product and reach
//   of sizes and strides, null pointers, byte_offset, alignment, dtype, lanes, device. What no
//   check can see is whether the memory really is there.
// - Ownership: an exported struct keeps the tensor's storage alive, not the tensor; an imported one
//   lives until the last tensor on its memory goes. Deleters are called exactly once, on whatever
//   thread drops the last use; ours may be called on any thread, never throw and take no lock that
//   another library could hold.
// - Devices: memory is shared where it is, in both directions, if the device's plug-in can name it
//   for others (mem_export, mem_import; CUDA and OpenCL can); else it is refused, with the host as
//   the way out: a copy there can always be asked for.
// - Work in flight: an export names who waits for it (ToDlpackOptions::stream). An import is used
//   by the stream that is current at the call: the producer's work must come before it there, which
//   Python's `stream` argument sees to. When the last tensor on imported memory goes, the
//   producer's deleter is called once our work that uses the memory is done, perhaps in a later
//   call on the device; a consumer of ours calls our deleter when its own work is.
// - Errors: tenon::Error: kInvalidArgument (also: a copy is needed, but copy = false), kShape,
//   kDType, kDevice, kAutograd, kReadOnly, kUnsupported, kOutOfMemory.
#ifndef TENON_INTEROP_DLPACK_H_
#define TENON_INTEROP_DLPACK_H_

#include <memory>
#include <optional>

#include "tenon/interop/dlpack_abi.h"
#include "tenon/interop/sharing.h"
#include "tenon/tensor/tensor.h"

namespace tenon {

// Owns a struct of either kind: calls its deleter, if it has one.
struct DlpackDeleter {
  void operator()(dlpack::DLManagedTensorVersioned* m) const noexcept {
    if (m->deleter != nullptr) m->deleter(m);
  }
  void operator()(dlpack::DLManagedTensor* m) const noexcept {
    if (m->deleter != nullptr) m->deleter(m);
  }
};
using DlpackVersioned = std::unique_ptr<dlpack::DLManagedTensorVersioned, DlpackDeleter>;
using DlpackUnversioned = std::unique_ptr<dlpack::DLManagedTensor, DlpackDeleter>;

struct ToDlpackOptions {
  // Where the consumer wants the memory (Python's dl_device); unset: where it is. The host can
  // always be had, by a copy where needed; any other device than the tensor's own is refused.
  std::optional<dlpack::DLDevice> device = std::nullopt;
  // unset: share if possible, else copy; true: copy, and set the flag IS_COPIED; false: share or
  // throw.
  std::optional<bool> copy = std::nullopt;
  // Says that the elements are of this type instead: float8 values that a uint8 tensor holds as
  // bits. Must have as many bits as the tensor's dtype, and one lane.
  std::optional<dlpack::DLDataType> bits_as = std::nullopt;
  // Who waits for the work on the tensor that is in flight: unset: the host, before the call
  // returns; kNoWait: nobody, the caller has seen to it; else the consumer's native stream (CUDA: a
  // CUstream as a number, 1 the legacy default one), by an event. DLPack's own numbers: 0 is
  // refused. On the host nothing is in flight: unset or kNoWait.
  std::optional<int64_t> stream = std::nullopt;
};
inline constexpr int64_t kNoWait = -1;

// Refuses a tensor that requires a gradient: detach() it.
DlpackVersioned to_dlpack(const Tensor& tensor, const ToDlpackOptions& options = {},
                          interop::Report* report = nullptr);

// For consumers that do not know versions. That struct cannot say read-only, hence a read-only
// tensor is refused (kReadOnly), unless it is copied.
DlpackUnversioned to_dlpack_unversioned(const Tensor& tensor, const ToDlpackOptions& options = {},
                                        interop::Report* report = nullptr);

// The memory that to_dlpack would share, described in a struct that owns nothing: good as long as
// the tensor; nobody waits for work in flight. For calls that hand a tensor down (Python's
// dltensor_from_py_object_no_sync). shape and strides point into the tensor; the consumer must not
// write there. Refuses as to_dlpack does with copy = false; a read-only tensor too, since a bare
// DLTensor cannot say so.
dlpack::DLTensor borrow_dlpack(const Tensor& tensor);

struct FromDlpackOptions {
  // Where the tensor shall be; unset: where the memory is.
  std::optional<Device> device = std::nullopt;
  // unset: share if dtype, device, layout and alignment allow, else copy; true: copy; false: share
  // or throw.
  std::optional<bool> copy = std::nullopt;
  // float8 elements of a kind that Tenon has no dtype for are taken as uint8 of the same bits;
  // else they are refused.
  bool float8_as_uint8 = false;
};

// Consumes `managed` on success only (see above). Writing through the tensor is seen by the
// producer, unless the flag IS_COPIED is set, and is refused if READ_ONLY is.
Tensor from_dlpack(dlpack::DLManagedTensorVersioned* managed, const FromDlpackOptions& options = {},
                   interop::Report* report = nullptr);
Tensor from_dlpack(dlpack::DLManagedTensor* managed, const FromDlpackOptions& options = {},
                   interop::Report* report = nullptr);

// A copy of memory that somebody else describes and keeps: a bare DLTensor says nothing of a
// lifetime, so that it cannot be shared.
Tensor copy_dlpack(const dlpack::DLTensor& borrowed, const FromDlpackOptions& options = {},
                   interop::Report* report = nullptr);

// --- the tables ---------------------------------------------------------------------------------

// As Python's __dlpack_device__ answers.
dlpack::DLDevice dlpack_device(Device device);
// The device of this process with that number, opened if need be; throws kDevice naming those that
// there are. Pinned host memory (kDLCUDAHost, kDLROCMHost) is the host.
Device device_from_dlpack(dlpack::DLDevice device);

dlpack::DLDataType dlpack_dtype(DType dtype);
// DType::none where Tenon has no such dtype, or lanes is not 1.
DType dtype_from_dlpack(dlpack::DLDataType dtype);
// "float8_e4m3fn", "int4", "float32x4", "code 99 with 7 bits": for messages.
std::string dlpack_dtype_text(dlpack::DLDataType dtype);
// "kDLCUDA:0", "device type 99:0".
std::string dlpack_device_text(dlpack::DLDevice device);

}  // namespace tenon

#endif  // TENON_INTEROP_DLPACK_H_
