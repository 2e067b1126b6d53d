// The doors between host arrays and tensors: tensor, as_tensor, from_numpy, to_numpy.
//
//   Tensor t = tensor(array);            // always copies
//   Tensor t = as_tensor(array);         // shares if dtype, device and layout allow, else copies
//   Tensor t = from_numpy(array);        // always shares, or throws with the way out
//   NdArray a = to_numpy(t);             // always shares, or throws with the way out
//
//   interop::Report report;              // each says what it did, if asked
//   as_tensor(array, {.dtype = DType::float32}, &report);
//   report.text();                       // "copied 24 bytes: the dtype changes (int64 on cpu ...)"
//
// They are called and decide as the Python functions of the same names; sharing.h holds the rules.
// Where both share, a write through one side is seen through the other. Read-only memory makes a
// read-only tensor (an in-place write throws kReadOnly), and out again a read-only array; a copy is
// writable. Negative, zero and gapped strides are shared.
//
// dtypes: kept unless another is asked for. Integers are checked against the range of the dtype
// asked for; floating to integer, and complex to real, are refused (astype() says how it rounds).
//
// - Ownership: memory shared either way lives as long as any tensor, view or array on it.
// - Thread safety: as the tensors and arrays themselves.
// - Errors: kInvalidArgument for layouts that cannot be shared, kDType, kDevice, kAutograd; nothing
//   has changed.
#ifndef TENON_INTEROP_DOORS_H_
#define TENON_INTEROP_DOORS_H_

#include <optional>
#include <span>

#include "tenon/interop/ndarray.h"
#include "tenon/interop/sharing.h"
#include "tenon/tensor/tensor.h"

namespace tenon {

struct TensorOptions {
  DType dtype = DType::none;  // none: the array's
  Device device = Device();
  bool requires_grad = false;
};

// A new leaf in C order, from an array of any layout, byte order and alignment.
Tensor tensor(const interop::NdArray& array, const TensorOptions& options = {},
              interop::Report* report = nullptr);

// Arrays of one shape, stacked along a new first axis; the dtype is the first one's unless given,
// and theirs must agree unless one is given.
Tensor tensor(std::span<const interop::NdArray> arrays, const TensorOptions& options = {},
              interop::Report* report = nullptr);

struct AsTensorOptions {
  DType dtype = DType::none;
  Device device = Device();
  // unset: share if possible, else copy; true: copy; false: share or throw.
  std::optional<bool> copy = std::nullopt;
};
Tensor as_tensor(const interop::NdArray& array, const AsTensorOptions& options = {},
                 interop::Report* report = nullptr);
// Of a tensor: itself where nothing changes, else as Tensor::to; keeps the graph. The device stays
// unless given.
struct AsTensorOfTensorOptions {
  DType dtype = DType::none;
  std::optional<Device> device = std::nullopt;
  std::optional<bool> copy = std::nullopt;
};
Tensor as_tensor(const Tensor& tensor, const AsTensorOfTensorOptions& options = {},
                 interop::Report* report = nullptr);

Tensor from_numpy(const interop::NdArray& array, interop::Report* report = nullptr);

// `force` does what the error would ask for: detach() and cpu().
interop::NdArray to_numpy(const Tensor& tensor, bool force = false,
                          interop::Report* report = nullptr);

}  // namespace tenon

#endif  // TENON_INTEROP_DOORS_H_
