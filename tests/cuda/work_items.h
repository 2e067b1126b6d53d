// A grid of work items on one thread of this machine: how generated kernels and those of
// backends/cuda run in tests.
//
// A work item runs until its end or its first barrier. Groups without barriers are plain loops;
// where one meets a barrier, every item of the group gets a stack of its own and they take turns.
#ifndef TENON_TESTS_CUDA_WORK_ITEMS_H_
#define TENON_TESTS_CUDA_WORK_ITEMS_H_

#include <cstdint>
#include <functional>

// Seen by the kernels that the fake NVRTC compiles.
#pragma GCC visibility push(default)
namespace work_items {

// Where the calling thread stands in the launch.
struct Item {
  int64_t group = 0, groups = 1;
  int32_t local = 0, locals = 1;
};
extern thread_local Item item;

// Waits for the other items of the group.
void Barrier();

// Calls `body` for every item of `groups` groups of `locals`, group after group.
void RunGrid(const std::function<void()>& body, int64_t groups, int32_t locals);

}  // namespace work_items
#pragma GCC visibility pop

#endif  // TENON_TESTS_CUDA_WORK_ITEMS_H_
