#include "tenon/interop/doors.h"

#include <cstdint>
#include <memory>
#include <string>

#include "interop/conversion.h"
#include "tenon/tensor/alias_check.h"

namespace tenon {
namespace {

using interop::check_conversion;
using interop::check_range;
using interop::is_whole;
using interop::NdArray;
using interop::Obstacle;
using interop::Obstacles;
using interop::Report;

void fill_report(Report* report, bool shared, std::string_view why, DType before, Device from,
                 const Tensor& result) {
  if (report == nullptr) return;
  *report = {.shared = shared,
             .why = std::string(why),
             .bytes = result.size() * item_size(result.dtype()),
             .dtype_before = before,
             .dtype_after = result.dtype(),
             .device_before = from.text(),
             .device_after = result.device().text()};
}

// A new contiguous tensor on the host with the array's elements and dtype.
Tensor host_copy(const NdArray& array) {
  Tensor t = empty(array.shape(), array.dtype());
  if (array.size() != 0) array.copy_to(static_cast<std::byte*>(t.raw_mutable_data()));
  return t;
}

// A contiguous tensor on the host as the caller wants it; values that do not fit are refused.
Tensor converted(std::string_view operation, const Tensor& dense, DType dtype, Device device) {
  const NoGradScope no_grad;
  if (dtype == DType::none || dtype == dense.dtype()) return dense.to(device);
  check_conversion(operation, dense.dtype(), dtype);
  if (is_whole(dtype)) check_range(operation, to_numpy(dense), dtype);
  return dense.to(dtype).to(device);
}

Tensor copy_in(std::string_view operation, const NdArray& array, DType dtype, Device device) {
  if (array.dtype() == DType::none)
    fail(ErrorCode::kInvalidArgument, operation, "the array is empty of everything");
  return converted(operation, host_copy(array), dtype, device);
}

// What was there is now the tensor's, too.
Tensor share_in(const NdArray& array) {
  Dims strides = contiguous_strides(array.shape());  // without elements any strides will do
  for (int i = 0; i < array.rank() && array.size() != 0; ++i) {
    strides[i] = array.byte_strides()[i] / item_size(array.dtype());
  }
  using Owner = std::shared_ptr<const void>;
  auto owner = std::make_unique<Owner>(array.owner());
  Tensor t = from_memory(
      const_cast<std::byte*>(array.data()), array.dtype(), array.shape(), strides,
      array.read_only(), [](void* context) { delete static_cast<Owner*>(context); }, owner.get());
  (void)owner.release();
  return t;
}

// " of float32[2, 3]" for refusals.
std::string of_array(const NdArray& array) {
  return concat_text(" (", dtype_name(array.dtype()), shape_text(array.shape()), ")");
}

}  // namespace

Tensor tensor(const NdArray& array, const TensorOptions& options, Report* report) {
  Tensor t = copy_in("tensor", array, options.dtype, options.device);
  if (options.requires_grad) t.requires_grad_();
  fill_report(report, false, "tensor() always copies", array.dtype(), Device(), t);
  return t;
}

Tensor tensor(std::span<const NdArray> arrays, const TensorOptions& options, Report* report) {
  if (arrays.empty()) return tensor(NdArray::zeros(DType::float32, {0}), options, report);
  const NdArray& first = arrays[0];
  if (first.dtype() == DType::none)
    fail(ErrorCode::kInvalidArgument, "tensor", "the array is empty of everything");
  for (size_t i = 1; i < arrays.size(); ++i) {
    if (arrays[i].shape() != first.shape()) {
      fail(ErrorCode::kShape, "tensor", "arrays of different shapes cannot be stacked: number ", i,
           " is ", shape_text(arrays[i].shape()), ", the first is ", shape_text(first.shape()));
    }
    if (arrays[i].dtype() != first.dtype()) {
      fail(ErrorCode::kDType, "tensor", "arrays of different dtypes cannot be stacked: number ", i,
           " is ", dtype_name(arrays[i].dtype()), ", the first is ", dtype_name(first.dtype()),
           "; convert them to one dtype");
    }
  }
  Dims shape = first.shape();
  shape.insert(0, static_cast<int64_t>(arrays.size()));
  Tensor all = empty(shape, first.dtype());
  auto* to = static_cast<std::byte*>(all.raw_mutable_data());
  for (size_t i = 0; i < arrays.size() && all.size() != 0; ++i) {
    arrays[i].copy_to(to);
    to += first.nbytes();
  }
  Tensor t = converted("tensor", all, options.dtype, options.device);
  if (options.requires_grad) t.requires_grad_();
  fill_report(report, false, "tensor() always copies", first.dtype(), Device(), t);
  return t;
}

Tensor as_tensor(const NdArray& array, const AsTensorOptions& options, Report* report) {
  const Obstacles obstacles = interop::obstacles_to_share(array, options.dtype, options.device);
  if (obstacles.any() && options.copy == false) {
    fail(ErrorCode::kInvalidArgument, "as_tensor", "can't alias the array", of_array(array),
         " into ", dtype_name(options.dtype == DType::none ? array.dtype() : options.dtype), " on ",
         options.device.text(), " without a copy: ", obstacles.text(),
         ". Leave copy unset to copy where needed");
  }
  const bool share = !obstacles.any() && options.copy != true;
  Tensor t = share ? share_in(array) : copy_in("as_tensor", array, options.dtype, options.device);
  if (report != nullptr) {
    fill_report(report, share,
                share             ? "dtype, device and layout allow it"
                : obstacles.any() ? obstacles.text()
                                  : "copy = true asked for it",
                array.dtype(), Device(), t);
  }
  return t;
}

Tensor as_tensor(const Tensor& x, const AsTensorOfTensorOptions& options, Report* report) {
  if (!x.defined()) fail(ErrorCode::kInvalidArgument, "as_tensor", "the tensor is undefined");
  const DType dtype = options.dtype == DType::none ? x.dtype() : options.dtype;
  const Device device = options.device.value_or(x.device());
  Obstacles obstacles;
  if (dtype != x.dtype()) obstacles.add(Obstacle::kDType);
  if (!(device == x.device())) obstacles.add(Obstacle::kDevice);
  if (obstacles.any() && options.copy == false) {
    fail(ErrorCode::kInvalidArgument, "as_tensor", "can't alias tensor with dtype '",
         dtype_name(x.dtype()), "' on ", x.device().text(), " into dtype '", dtype_name(dtype),
         "' on ", device.text(), " without a copy: ", obstacles.text(),
         ". Leave copy unset to copy where needed");
  }
  Tensor t = x;
  if (obstacles.has(Obstacle::kDType)) {
    check_conversion("as_tensor", x.dtype(), dtype);
    if (is_whole(dtype)) check_range("as_tensor", to_numpy(x, /*force=*/true).contiguous(), dtype);
    t = t.to(dtype);
  }
  t = t.to(device);
  if (!obstacles.any() && options.copy == true) t = t.clone();
  const bool shared = t.shares_storage_with(x);
  fill_report(report, shared,
              shared            ? "dtype and device are the tensor's own"
              : obstacles.any() ? obstacles.text()
                                : "copy = true asked for it",
              x.dtype(), x.device(), t);
  return t;
}

Tensor from_numpy(const NdArray& array, Report* report) {
  if (array.dtype() == DType::none)
    fail(ErrorCode::kInvalidArgument, "from_numpy", "the array is undefined");
  const Obstacles obstacles = interop::obstacles_to_share(array, DType::none, Device());
  if (obstacles.any()) {
    const std::string_view opening =
        obstacles.has(Obstacle::kByteOrder)
            ? "given numpy array has byte order different from the native byte order"
        : obstacles.has(Obstacle::kOddStrides)
            ? "given numpy array strides not a multiple of the element byte size"
            : "given numpy array is not aligned";
    fail(ErrorCode::kInvalidArgument, "from_numpy", opening, of_array(array),
         ", and from_numpy never copies (", obstacles.text(),
         "): use tensor() or as_tensor(), which copy");
  }
  Tensor t = share_in(array);
  fill_report(report, true,
              array.read_only() ? "from_numpy() always shares; the memory is read-only"
                                : "from_numpy() always shares",
              array.dtype(), Device(), t);
  return t;
}

NdArray to_numpy(const Tensor& tensor, bool force, Report* report) {
  if (!tensor.defined()) fail(ErrorCode::kInvalidArgument, "to_numpy", "the tensor is undefined");
  const Obstacles obstacles = interop::obstacles_to_share(tensor);
  if (obstacles.any() && !force) {
    const bool gradient = obstacles.has(Obstacle::kGradient),
               device = obstacles.has(Obstacle::kDevice);
    const std::string where =
        concat_text("can't convert ", tensor.device().text(), " device type tensor to numpy");
    fail(gradient ? ErrorCode::kAutograd : ErrorCode::kDevice, "to_numpy",
         gradient ? concat_text("Can't call numpy() on Tensor that requires grad",
                                device ? ", and " + where : "")
                  : where,
         ". Use to_numpy(t", gradient ? ".detach()" : "", device ? ".cpu()" : "",
         "), or force = true");
  }
  // Its own handle to the storage, so that the array outlives the tensor and carries no graph.
  auto kept = std::make_shared<Tensor>(tensor.detach().cpu());
  Dims byte_strides(kept->strides());
  for (int64_t& s : byte_strides) s *= item_size(kept->dtype());
  const void* data = kept->size() == 0 ? nullptr : kept->raw_data();
  mark_externally_writable(*kept);
  if (report != nullptr) {
    const bool shared = kept->shares_storage_with(tensor);
    fill_report(report, shared,
                !shared                    ? obstacles.text()
                : force && obstacles.any() ? "to_numpy() shares; the graph is left behind"
                                           : "to_numpy() always shares",
                tensor.dtype(), tensor.device(), *kept);
  }
  return NdArray::over({.data = const_cast<void*>(data),
                        .owner = kept,
                        .dtype = kept->dtype(),
                        .shape = Dims(kept->shape()),
                        .byte_strides = byte_strides,
                        .read_only = kept->read_only()});
}

}  // namespace tenon
