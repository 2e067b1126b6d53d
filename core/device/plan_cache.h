// PlanCache: the plans of one device by content. Inside the device floor; plan.h is its face.
#ifndef TENON_DEVICE_PLAN_CACHE_H_
#define TENON_DEVICE_PLAN_CACHE_H_

#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "tenon/device/once.h"
#include "tenon/device/plan.h"
#include "tenon/map/partition.h"

namespace tenon {

// How a device runs a kernel that it does not take whole.
struct Plan::Steps {
  struct Part {
    TenonKernel kernel;
    map::Part part;
  };
  std::vector<Part> parts;  // empty: the host runs it
  std::vector<DType> temporaries;
  std::string reason;  // why the device does not, for warnings and errors
};

class PlanCache {
 public:
  explicit PlanCache(DeviceState& device);
  const Plan& find(const map::Kernel& kernel);
  void destroy() noexcept;                // for shutdown(): destroys the device's kernels
  std::mutex& mutex() { return mutex_; }  // for fork.cc

 private:
  struct Entry {
    Once making;
    Plan plan;
  };
  void make(Plan* plan);
  bool make_on_device(const map::Kernel& kernel, const map::Limits& limits, Plan* plan,
                      std::string* reason);
  bool rewrite(const map::Kernel& kernel, const uint64_t available[4], map::Kernel* result,
               std::string* reason);
  std::shared_ptr<const Plan::Steps> split(const map::Kernel& kernel, const map::Limits& limits,
                                           std::string* reason);
  TenonKernel create(const map::Kernel& kernel, std::string* reason);

  DeviceState& device_;
  uint64_t available_[4];  // opcodes: the required ones, the device's optional ones, less the
                           // masked ones
  bool masked_ = false;
  std::mutex mutex_;  // guards the table; held neither while hashing nor in the plugin
  std::unordered_multimap<uint64_t, std::unique_ptr<Entry>> entries_;
};

}  // namespace tenon

#endif  // TENON_DEVICE_PLAN_CACHE_H_
