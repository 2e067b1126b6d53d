// clone, contiguous, to (device or dtype), copy_, fill_: moves of values, with their gradients.
#include <algorithm>

#include "tenon/ops/elementwise.h"
#include "tenon/ops/map_op.h"
#include "tenon/ops/reduce.h"
#include "tenon/ops/views.h"
#include "tenon/tensor/launch.h"

namespace tenon {
namespace {

void record_move(const OpInfo& op, const Tensor& x, const Tensor& y, size_t payload_bytes = 0,
                 const void* payload = nullptr) {
  if (!wants_grad(x) || !is_floating(y.dtype())) return;
  Node* node = new_node(op, 1, 0, payload_bytes);
  if (payload_bytes)
    std::copy_n(static_cast<const std::byte*>(payload), payload_bytes,
                static_cast<std::byte*>(node->payload));
  set_edge(*node, 0, x);
  if (node->edges[0].node) set_node(y, *node, 0);
  release(node);
}

void clone_vjp(const VjpCall& call) { call.results[0] = call.gradients[0]; }
constexpr OpInfo kClone{"clone", &clone_vjp, nullptr};
constexpr OpInfo kPinMemory{"pin_memory", &clone_vjp, nullptr};
constexpr OpInfo kContiguous{"contiguous", &clone_vjp, nullptr};

void dtype_vjp(const VjpCall& call) {  // payload: the input's dtype
  if (call.gradients[0].defined())
    call.results[0] = call.gradients[0].to(call.node.payload_as<DType>());
}
constexpr OpInfo kToDType{"astype", &dtype_vjp, nullptr};

void device_vjp(const VjpCall& call) {  // payload: the input's device
  if (call.gradients[0].defined())
    call.results[0] = call.gradients[0].to(Device(*call.node.payload_as<DeviceState*>()));
}
constexpr OpInfo kToDevice{"to", &device_vjp, nullptr};

// x.copy_(source): x's old value is gone, the gradient goes to the source.
struct CopyRecord {
  Dims shape;
  DType dtype;
  DeviceState* device;
};
void copy_vjp(const VjpCall& call) {
  if (!call.gradients[0].defined()) return;
  const auto& record = call.node.payload_as<CopyRecord>();
  call.results[0] =
      sum_to(call.gradients[0], record.shape).to(record.dtype).to(Device(*record.device));
}
void destroy_copy(void* payload) { static_cast<CopyRecord*>(payload)->~CopyRecord(); }
constexpr OpInfo kCopy{"copy_", &copy_vjp, &destroy_copy};

// A float8 has no gradient, so a conversion that should pass one on is a mistake.
void check_no_gradient_into_float8(const char* operation, const Tensor& x, DType dtype) {
  if (__builtin_expect(is_float8(dtype), 0) && wants_grad(x)) {
    fail(ErrorCode::kAutograd, operation, describe(x), " requires a gradient, which ",
         dtype_name(dtype), " cannot have; use detach() first");
  }
}

[[gnu::cold]] void check_defined(const char* operation, const Tensor& x) {
  if (!x.defined()) fail(ErrorCode::kInvalidArgument, operation, "the tensor is undefined");
}

}  // namespace

Tensor Tensor::clone() const {
  check_defined("clone", *this);
  Tensor y = is_dense(shape(), strides())
                 ? new_tensor_strided(impl_->device(), dtype(), shape(), strides())
                 : new_tensor(impl_->device(), dtype(), shape());
  raw_copy(y, *this);
  record_move(kClone, *this, y);
  return y;
}

Tensor Tensor::contiguous() const {
  check_defined("contiguous", *this);
  if (is_contiguous()) return *this;
  Tensor y = contiguous_copy(*this);
  record_move(kContiguous, *this, y);
  return y;
}

Tensor Tensor::to(DType dtype, bool copy) const {
  check_defined("to", *this);
  if (dtype == DType::none) fail(ErrorCode::kDType, "to", "no dtype was given");
  const DType own = this->dtype();
  if (own == dtype) return copy ? clone() : *this;
  check_no_gradient_into_float8("to", *this, dtype);
  Tensor y = is_dense(shape(), strides())
                 ? new_tensor_strided(impl_->device(), dtype, shape(), strides())
                 : new_tensor(impl_->device(), dtype, shape());
  raw_copy(y, *this);
  record_move(kToDType, *this, y, sizeof own, &own);
  return y;
}

Tensor Tensor::to(Device device, bool copy, bool non_blocking) const {
  check_defined("to", *this);
  DeviceState* own = &impl_->device();
  if (own == &device.state()) return copy ? clone() : *this;
  Tensor y = copy_to_device(*this, device.state(), non_blocking);
  // NOLINTNEXTLINE(bugprone-sizeof-expression): the pointer is what is kept
  record_move(kToDevice, *this, y, sizeof own, &own);
  return y;
}

Tensor Tensor::pin_memory(Device device) const {
  check_defined("pin_memory", *this);
  if (!impl_->device().host_addressable) {
    fail(ErrorCode::kDevice, "pin_memory", "only tensors in host memory can be pinned, this is ",
         describe(*this), "; use .cpu() first");
  }
  if (is_pinned()) return *this;
  Tensor y = pinned_copy(*this, device.state());
  record_move(kPinMemory, *this, y);
  return y;
}

Tensor Tensor::cpu() const { return to(Device()); }

Tensor Tensor::cuda(int index) const { return to(Device("cuda:" + std::to_string(index))); }

Tensor& Tensor::copy_(const Tensor& source) {
  check_writable("copy_", *this);
  check_defined("copy_", source);
  if (!std::equal(shape().begin(), shape().end(), source.shape().begin(), source.shape().end())) {
    broadcast_strides("copy_", source.shape(), source.strides(),
                      shape());  // says what does not fit
  }
  check_no_gradient_into_float8("copy_", source, dtype());
  Tensor from = source;
  if (&from.impl()->device() != &impl_->device()) from = copy_to_device(from, impl_->device());
  const bool same_elements =
      shares_storage_with(from) && from.impl()->offset == impl_->offset &&
      from.dtype() == dtype() &&
      std::equal(strides().begin(), strides().end(), from.strides().begin(), from.strides().end());
  if (!same_elements) {
    if (shares_storage_with(from)) from = contiguous_copy(from);  // they may overlap
    raw_copy(*this, from);
  }
  note_write(*this, "copy_");
  if (!detail::grad_mode) return *this;
  if (wants_grad(source) && is_floating(dtype())) {
    Node* node = new_node(kCopy, 1, 0, sizeof(CopyRecord));
    new (node->payload) CopyRecord{Dims(source.shape()), source.dtype(), &source.impl()->device()};
    set_edge(*node, 0, source);
    rebase_history(*this, node->edges[0].node ? node : nullptr, 0);
    tenon::release(node);
  } else if (requires_grad()) {
    rebase_history(*this, nullptr, 0);
  }
  return *this;
}

Tensor& Tensor::fill_(Scalar value) {
  check_writable("fill_", *this);
  raw_fill(*this, value);
  note_write(*this, "fill_");
  if (detail::grad_mode && requires_grad()) rebase_history(*this, nullptr, 0);
  return *this;
}

}  // namespace tenon
