#include "tenon/device/launch_list.h"

#include "absl/cleanup/cleanup.h"
#include "tenon/device/stream.h"

namespace tenon {

void LaunchList::collect(const Plan& plan, StreamState& stream, const TenonLaunch& launch) {
  if (plan_ != &plan || stream_ != &stream) flush();
  plan_ = &plan;
  stream_ = &stream;
  operands_.insert(operands_.end(), launch.operands, launch.operands + launch.n_operands);
  if (launch.n_scalars != 0) {
    scalars_.insert(scalars_.end(), launch.scalars, launch.scalars + launch.n_scalars);
  }
  launches_.push_back(launch);
}

void LaunchList::flush() {
  // Only now do the arrays stay where they are.
  const TenonOperand* operands = operands_.data();
  const uint64_t* scalars = scalars_.data();
  for (TenonLaunch& l : launches_) {
    l.operands = operands;
    l.scalars = scalars;
    operands += l.n_operands;
    scalars += l.n_scalars;
  }
  const absl::Cleanup clear = [this] {
    launches_.clear();
    operands_.clear();
    scalars_.clear();
  };
  if (launches_.size() > 1) {
    const DeviceState& device = *plan_->device;
    const TenonStatus status =
        enqueue(*stream_, plan_->name, [&](TenonStream s, TenonError* error) {
          return device.tables->fused.launch_list(device.handle, s, plan_->kernel, launches_.data(),
                                                  static_cast<uint32_t>(launches_.size()), error);
        });
    if (status == TENON_OK) return;
  }
  for (const TenonLaunch& l : launches_) run(*plan_, *stream_, l);
}

}  // namespace tenon
