#include "tenon/interop/nested.h"

#include "interop/conversion.h"
#include "tenon/interop/doors.h"
#include "tenon/ops/join.h"

namespace tenon {
namespace {

// `t` as asked for; keeps the graph.
Tensor changed(Tensor t, const TensorOfTensorsOptions& options) {
  if (options.dtype != DType::none && options.dtype != t.dtype()) {
    interop::check_conversion("tensor", t.dtype(), options.dtype);
    if (interop::is_whole(options.dtype)) {
      interop::check_range("tensor", to_numpy(t, /*force=*/true).contiguous(), options.dtype);
    }
    t = t.to(options.dtype);
  }
  if (options.device) t = t.to(*options.device);
  if (options.requires_grad && !t.requires_grad()) t.requires_grad_();
  return t;
}

void fill_report(interop::Report* report, DType before, Device from, const Tensor& result) {
  if (report == nullptr) return;
  *report = {.shared = false,
             .why = result.grad_fn_name() != nullptr ? "tensor() always copies; the graph is kept"
                                                     : "tensor() always copies",
             .bytes = result.size() * item_size(result.dtype()),
             .dtype_before = before,
             .dtype_after = result.dtype(),
             .device_before = from.text(),
             .device_after = result.device().text()};
}

void check_defined(const Tensor& t) {
  if (!t.defined()) fail(ErrorCode::kInvalidArgument, "tensor", "the tensor is undefined");
}

}  // namespace

Tensor tensor(std::span<const Tensor> tensors, const TensorOfTensorsOptions& options,
              interop::Report* report) {
  for (const Tensor& t : tensors) check_defined(t);
  const Tensor stacked = tensors.empty()
                             ? zeros({0}, DType::float32, options.device.value_or(Device()))
                             : stack(tensors);
  Tensor t = changed(stacked, options);
  fill_report(report, tensors.empty() ? DType::float32 : tensors[0].dtype(), stacked.device(), t);
  return t;
}

Tensor tensor(const Tensor& other, const TensorOfTensorsOptions& options, interop::Report* report) {
  check_defined(other);
  const Tensor alone = other.detach();
  Tensor copy = alone.contiguous();
  if (copy.shares_storage_with(alone)) copy = alone.clone();
  Tensor t = changed(copy, options);
  fill_report(report, other.dtype(), other.device(), t);
  return t;
}

}  // namespace tenon
