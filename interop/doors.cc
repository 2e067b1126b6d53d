#include "tenon/interop/doors.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>

namespace tenon {
namespace {

using interop::NdArray;
using interop::Obstacle;
using interop::Obstacles;
using interop::Report;

void fill_report(Report* report, bool shared, std::string why, DType before, Device from,
                 const Tensor& result) {
  if (report == nullptr) return;
  *report = {.shared = shared,
             .why = std::move(why),
             .bytes = result.size() * item_size(result.dtype()),
             .dtype_before = before,
             .dtype_after = result.dtype(),
             .device_before = from.text(),
             .device_after = result.device().text()};
}

// The least and greatest value of an integral or bool dtype.
struct Range {
  int64_t least;
  uint64_t greatest;
};
template <class T>
constexpr Range range_of() {
  if constexpr (std::is_same_v<T, bool>) {
    return {0, 1};
  } else if constexpr (std::is_integral_v<T>) {
    return {static_cast<int64_t>(std::numeric_limits<T>::min()),
            static_cast<uint64_t>(std::numeric_limits<T>::max())};
  } else {
    return {0, 0};
  }
}

// Throws unless every integer of `dense` is one of `to` as well.
void check_range(std::string_view operation, const NdArray& dense, DType to) {
  const Range range = visit_dtype(to, []<class T>() { return range_of<T>(); });
  visit_dtype(dense.dtype(), [&]<class T>() {
    if constexpr (std::is_integral_v<T>) {
      for (T v : dense.values<T>()) {
        const bool fits = v < T(0) ? static_cast<int64_t>(v) >= range.least
                                   : static_cast<uint64_t>(v) <= range.greatest;
        if (!fits) {
          fail(ErrorCode::kDType, operation, "value cannot be converted to type ", dtype_name(to),
               " without overflow: ", v, " of the ", dtype_name(dense.dtype()),
               " array; choose a wider dtype, or convert with astype() to wrap");
        }
      }
    }
  });
}

bool is_whole(DType d) { return is_integral(d) || d == DType::bool_; }

// Which conversions a door does by itself.
void check_conversion(std::string_view operation, DType from, DType to) {
  if (is_whole(to) && !is_whole(from)) {
    fail(ErrorCode::kDType, operation, "converting ", dtype_name(from), " to ", dtype_name(to),
         " would drop what is behind the point: convert with astype(), after rounding as you need "
         "it");
  }
  if (is_complex(from) && !is_complex(to)) {
    fail(ErrorCode::kDType, operation, "converting ", dtype_name(from), " to ", dtype_name(to),
         " would discard the imaginary part: take the real part first");
  }
}

// A new contiguous tensor on the host with the array's elements and dtype.
Tensor host_copy(const NdArray& array) {
  Tensor t = empty(array.shape(), array.dtype());
  if (array.size() != 0) array.copy_to(static_cast<std::byte*>(t.raw_mutable_data()));
  return t;
}

Tensor copy_in(std::string_view operation, const NdArray& array, DType dtype, Device device) {
  if (array.dtype() == DType::none)
    fail(ErrorCode::kInvalidArgument, operation, "the array is empty of everything");
  const NoGradScope no_grad;
  if (dtype == DType::none || dtype == array.dtype()) return host_copy(array).to(device);
  check_conversion(operation, array.dtype(), dtype);
  if (is_whole(dtype)) check_range(operation, array.contiguous(), dtype);
  return host_copy(array).to(dtype).to(device);
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
  Dims shape = first.shape();
  shape.insert(0, static_cast<int64_t>(arrays.size()));
  NdArray all = NdArray::uninitialized(first.dtype(), shape);
  std::byte* to = all.mutable_data();
  for (size_t i = 0; i < arrays.size(); ++i) {
    if (arrays[i].shape() != first.shape()) {
      fail(ErrorCode::kShape, "tensor", "arrays of different shapes cannot be stacked: number ", i,
           " is ", shape_text(arrays[i].shape()), ", the first is ", shape_text(first.shape()));
    }
    if (arrays[i].dtype() != first.dtype()) {
      fail(ErrorCode::kDType, "tensor", "arrays of different dtypes cannot be stacked: number ", i,
           " is ", dtype_name(arrays[i].dtype()), ", the first is ", dtype_name(first.dtype()),
           "; convert them to one dtype");
    }
    arrays[i].copy_to(to);
    to += first.nbytes();
  }
  return tensor(all, options, report);
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
  fill_report(report, share,
              share             ? "dtype, device and layout allow it"
              : obstacles.any() ? obstacles.text()
                                : "copy = true asked for it",
              array.dtype(), Device(), t);
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
