// Device: the memory, streams, events and kernels of one simulated device, by handle, and the
// faults ordered for it.
//
// Every function throws tenon::plugin::Failure for what the ABI answers with a status. Thread-safe.
#ifndef TENON_TESTS_PLUGINS_SIMDEV_DEVICE_H_
#define TENON_TESTS_PLUGINS_SIMDEV_DEVICE_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "tenon/abi/tenon_kit_program.h"
#include "tests/plugins/simdev/inner.h"
#include "tests/plugins/simdev/region.h"
#include "tests/plugins/simdev/stream.h"

namespace simdev {

// A kernel of the backend inside. Work in flight keeps it; that core destroyed it meanwhile is an
// error of core's.
struct Kernel {
  Kernel(const Inner& on, const TenonKernelDesc* desc);
  ~Kernel();
  Kernel(const Kernel&) = delete;
  Kernel& operator=(const Kernel&) = delete;

  const Inner& inner;
  TenonKernel handle = 0;
  TenonKernelCopy* copy = nullptr;
  std::atomic<bool> destroyed{false};
};

class Device {
 public:
  Device(uint32_t index, const Inner& inner, const Delay& delay, uint64_t total_bytes);
  void Close();  // ends the streams

  uint32_t index() const { return index_; }
  const Inner& inner() const { return inner_; }
  void CheckNotLost() const;

  TenonBuffer Allocate(uint64_t bytes);
  void Free(TenonBuffer buffer);
  std::shared_ptr<Region> FindRegion(TenonBuffer buffer, const char* what);
  // Memory of a region, by an address that mem_export gave out: of this device, whoever allocated
  // it.
  TenonBuffer Import(char* first, uint64_t bytes, uint64_t* buffer_offset);
  bool Owns(const char* address);
  char* Export(TenonBuffer buffer, uint64_t buffer_offset);
  void MemoryInfo(uint64_t* free_bytes, uint64_t* total_bytes);

  TenonStream CreateStream();
  void DestroyStream(TenonStream stream);
  TenonStream ImportStream(void* native);
  std::shared_ptr<Stream> FindStream(TenonStream stream);  // 0: the default stream

  TenonEvent CreateEvent();
  void DestroyEvent(TenonEvent event);
  std::shared_ptr<Event> FindEvent(TenonEvent event);

  TenonKernel CreateKernel(const TenonKernelDesc* desc);
  void DestroyKernel(TenonKernel kernel);
  std::shared_ptr<Kernel> FindKernel(TenonKernel kernel);

  // Enqueues work on regions, which are open while it runs and only then.
  void EnqueueCopy(Stream& stream, std::vector<std::shared_ptr<Region>> regions,
                   std::function<Fault()> work);
  void EnqueueLaunch(Stream& stream, std::vector<std::shared_ptr<Region>> regions,
                     std::function<Fault()> work);

  void FailAllocAfter(int64_t n);
  void FailLaunchAfter(int64_t n, TenonStatus code);
  void SetMemoryLimit(uint64_t bytes);
  void Counters(uint64_t* launches, uint64_t* copies, uint64_t* live_buffers);

 private:
  uint64_t NewHandle(uint64_t kind);
  std::shared_ptr<Region> RegionAt(const char* address);  // NULL: none

  const uint32_t index_;
  const Inner& inner_;
  const Delay delay_;
  const uint64_t total_bytes_;
  const std::shared_ptr<std::atomic<bool>> lost_ = std::make_shared<std::atomic<bool>>(false);

  std::mutex mutex_;  // of all below
  uint64_t last_serial_ = 0;
  std::unordered_set<uint64_t> imported_;  // handles of regions and streams that have another one
  std::unordered_map<uint64_t, std::shared_ptr<Region>> regions_;
  std::unordered_map<uint64_t, std::shared_ptr<Stream>> streams_;
  std::unordered_map<uint64_t, std::shared_ptr<Event>> events_;
  std::unordered_map<uint64_t, std::shared_ptr<Kernel>> kernels_;
  uint64_t used_bytes_ = 0, memory_limit_ = 0, launches_ = 0, copies_ = 0;
  int64_t allocs_to_failure_ = -1, launches_to_failure_ = -1;
  TenonStatus launch_failure_ = TENON_INTERNAL;
};

}  // namespace simdev

#endif  // TENON_TESTS_PLUGINS_SIMDEV_DEVICE_H_
