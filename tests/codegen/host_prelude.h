// The language's own part of the prelude (tenon/backends/codegen/prelude.h) for the host: generated
// kernels as C++ functions, a thread per work item.
#ifndef TENON_TESTS_CODEGEN_HOST_PRELUDE_H_
#define TENON_TESTS_CODEGEN_HOST_PRELUDE_H_

#include <cmath>
#include <condition_variable>
#include <cstdint>
#include <cstring>
#include <mutex>

#include "tenon/abi/tenon_half.h"
#include "tenon/abi/tenon_kit_special.h"

namespace host_kernels {

// std::barrier spins, which costs seconds where there are fewer processors than work items.
class Barrier {
 public:
  explicit Barrier(int count) : count_(count) {}
  void Wait() {
    std::unique_lock lock(mutex_);
    const int round = round_;
    if (++waiting_ == count_) {
      waiting_ = 0;
      ++round_;
      all_.notify_all();
    } else {
      all_.wait(lock, [&] { return round_ != round; });
    }
  }

 private:
  const int count_;
  int waiting_ = 0, round_ = 0;
  std::mutex mutex_;
  std::condition_variable all_;
};

// Where the calling thread stands in the launch.
struct WorkItem {
  int64_t group = 0, groups = 1;
  int32_t local = 0, locals = 1;
  Barrier* barrier = nullptr;
};
inline thread_local WorkItem work_item;

#include "tests/codegen/host_language.inc"

#define KERNEL static void
#define LOCAL static
#define GLOBAL_ID ((i64)work_item.group * work_item.locals + work_item.local)
#define GLOBAL_SIZE ((i64)work_item.groups * work_item.locals)
#define GROUP_ID ((i64)work_item.group)
#define GROUP_COUNT ((i64)work_item.groups)
#define LOCAL_ID (work_item.local)
#define LOCAL_SIZE (work_item.locals)
#define BARRIER() work_item.barrier->Wait()

// Calls the kernel as a driver does: pointers to the arguments.
struct HostKernel {
  const char* name;
  void (*call)(void* const* arguments);
};

}  // namespace host_kernels

#endif  // TENON_TESTS_CODEGEN_HOST_PRELUDE_H_
