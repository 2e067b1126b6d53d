// LaunchList: launches of one map kernel collected and enqueued together, where the device can.
//
// A training step updates every parameter by the same kernel; on a GPU one launch for all of them
// costs what one for each of a hundred would. A device without TenonFusedOps.launch_list runs each
// launch when it is added, with nothing allocated.
#ifndef TENON_DEVICE_LAUNCH_LIST_H_
#define TENON_DEVICE_LAUNCH_LIST_H_

#include <cstdint>
#include <vector>

#include "tenon/device/plan.h"

namespace tenon {

class LaunchList {
 public:
  LaunchList() = default;
  LaunchList(const LaunchList&) = delete;
  LaunchList& operator=(const LaunchList&) = delete;

  // Now or at flush(). Launches of one list are independent: no output of one overlaps an operand
  // of another. Operands and scalars are copied; their memory stays alive until flush().
  void add(const Plan& plan, StreamState& stream, const TenonLaunch& launch) {
    if (plan.kernel == 0 || !plan.device->tables->fused.launch_list) {
      run(plan, stream, launch);
    } else {
      collect(plan, stream, launch);
    }
  }
  // Enqueues what is left. Without it the rest is forgotten.
  void flush();

 private:
  void collect(const Plan& plan, StreamState& stream, const TenonLaunch& launch);

  const Plan* plan_ = nullptr;
  StreamState* stream_ = nullptr;
  std::vector<TenonLaunch> launches_;
  std::vector<TenonOperand> operands_;
  std::vector<uint64_t> scalars_;
};

}  // namespace tenon

#endif  // TENON_DEVICE_LAUNCH_LIST_H_
