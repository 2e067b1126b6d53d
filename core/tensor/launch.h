// From tensors to a launch: axes sorted and merged, ranks above the ABI's 8 run as a loop.
//
// For the floors above. A fast path for "everything contiguous, one shape" stands in
// core/ops/map_op.cc; this is the general one.
#ifndef TENON_TENSOR_LAUNCH_H_
#define TENON_TENSOR_LAUNCH_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>

#include "tenon/device/plan.h"
#include "tenon/tensor/impl.h"

namespace tenon {

// One operand of a launch: a tensor read (or written) with these strides over the launch's common
// shape.
struct LaunchOperand {
  const TensorImpl* tensor = nullptr;
  Dims strides;
  // t, broadcast to `target`; throws kShape naming the operation.
  void spread(std::string_view operation, const Tensor& t, DimsView target) {
    tensor = t.impl();
    broadcast_strides(operation, t.shape(), t.strides(), target, &strides);
  }
};

struct LaunchShape {
  DimsView sizes;            // common to all operands
  uint64_t reduce_axes = 0;  // bit per axis; outputs have stride 0 there
  uint32_t flags = 0;        // TENON_LAUNCH_*
  bool indexed = false;      // the program reads INDEX: number elements row-major over `sizes` ...
  uint64_t index_axes = ~0ull;  // ... counting only these axes (argmax counts the reduced ones)
};

// Enqueues the plan on the current stream of its device. No-op if a size is 0.
void launch(const Plan& plan, const LaunchShape& shape, std::span<LaunchOperand> operands,
            std::span<const uint64_t> scalars = {});

// One kernel's plan on every device, found without hashing once it was found.
class PlanSlots {
 public:
  explicit PlanSlots(map::Kernel kernel) : kernel_(std::move(kernel)) {}
  const Plan& on(DeviceState& device) {
    const Plan* plan = plans_[device.ordinal].load(std::memory_order_acquire);
    return __builtin_expect(plan != nullptr, 1) ? *plan : find(device);
  }
  const map::Kernel& kernel() const { return kernel_; }

 private:
  const Plan& find(DeviceState& device);
  map::Kernel kernel_;
  std::atomic<const Plan*> plans_[kMaxDevices] = {};
};

// Kernels made on demand, by up to two dtypes: get(a, b, make) calls make() -> map::Kernel once.
// Never freed.
class KernelTable {
 public:
  template <class Make>
  PlanSlots& get(DType a, DType b, Make make) {
    std::atomic<PlanSlots*>& place = slots_[static_cast<int>(a)][static_cast<int>(b)];
    PlanSlots* found = place.load(std::memory_order_acquire);
    if (__builtin_expect(found != nullptr, 1)) return *found;
    auto* made = new PlanSlots(make());
    if (place.compare_exchange_strong(found, made, std::memory_order_acq_rel)) return *made;
    delete made;
    return *found;
  }

 private:
  std::atomic<PlanSlots*> slots_[kDTypeCount][kDTypeCount] = {};
};

// ---- raw moves: no record, no version; same device
// ----------------------------------------------------------------

// dst = cast(src), src broadcast to dst's shape. They must not overlap, unless they are the same
// elements.
void raw_copy(const Tensor& dst, const Tensor& src);
void raw_fill(const Tensor& dst, Scalar value);
// dst[i] = start + i * step, in dst's dtype (computed in float64 or int64).
void raw_arange(const Tensor& dst, Scalar start, Scalar step);
// src's elements in a fresh contiguous tensor on its device.
Tensor contiguous_copy(const Tensor& src);
// The bytes of a contiguous tensor to or from host memory; waits.
void read_bytes(const Tensor& src, void* dst);
void write_bytes(const Tensor& dst, const void* src);
// src's elements in a fresh contiguous tensor on another device (transfer.cc). With non_blocking
// the host does not wait: see Tensor::to.
Tensor copy_to_device(const Tensor& src, DeviceState& device, bool non_blocking = false);
// src's elements in a fresh contiguous cpu tensor, in memory that `device` has pinned.
Tensor pinned_copy(const Tensor& src, DeviceState& device);

}  // namespace tenon

#endif  // TENON_TENSOR_LAUNCH_H_
