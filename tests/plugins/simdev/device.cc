#include "tests/plugins/simdev/device.h"

#include <algorithm>
#include <string>
#include <utility>

#include "tenon/abi/tenon_plugin.hpp"

namespace simdev {
namespace {

using tenon::plugin::Failure;

// Handles are non-canonical addresses on x86-64 and arm64, which fault when dereferenced, and none
// is ever given twice.
constexpr uint64_t kHandleTag = 0x51de;
enum HandleKind : uint64_t { kRegion = 1, kStream = 2, kEvent = 3, kKernel = 4 };

template <class T>
std::shared_ptr<T> Find(std::mutex& mutex,
                        const std::unordered_map<uint64_t, std::shared_ptr<T>>& map,
                        uint64_t handle, const char* what) {
  std::lock_guard lock(mutex);
  const auto found = map.find(handle);
  if (found == map.end()) {
    throw Failure(TENON_INVALID_ARGUMENT,
                  std::string("simdev: no such ") + what + ": " + std::to_string(handle));
  }
  return found->second;
}

template <class T>
std::shared_ptr<T> Take(std::mutex& mutex, std::unordered_map<uint64_t, std::shared_ptr<T>>& map,
                        uint64_t handle) {
  std::lock_guard lock(mutex);
  const auto found = map.find(handle);
  if (found == map.end()) return nullptr;
  std::shared_ptr<T> taken = std::move(found->second);
  map.erase(found);
  return taken;
}

// Opens the regions, runs `work`, closes them; says so if core freed one too early.
Fault RunOnRegions(const std::vector<std::shared_ptr<Region>>& regions,
                   const std::function<Fault()>& work) {
  size_t open = 0;
  while (open < regions.size() && regions[open]->Open()) ++open;
  bool alive = open == regions.size();
  Fault fault = alive ? work() : Fault();
  while (open > 0) alive = regions[--open]->Close() && alive;
  return alive ? fault
               : Fault{TENON_INTERNAL,
                       "simdev: a buffer was freed while work that uses it was in flight"};
}

}  // namespace

Kernel::Kernel(const Inner& on, const TenonKernelDesc* desc) : inner(on) {
  TenonError error = {};
  error.size = sizeof error;
  // Malformed is malformed; whether a kernel is supported is for the backend inside to say.
  TenonStatus status = tenon_check_kernel(desc, &error);
  if (status != TENON_INVALID_ARGUMENT)
    status = inner.backend->core->kernel_create(inner.device, desc, &handle, &error);
  if (status != TENON_OK) throw Failure(status, std::string("simdev: ") + error.message);
  copy = tenon_copy_kernel(desc);
  if (copy == nullptr) {
    inner.backend->core->kernel_destroy(inner.device, handle);
    throw std::bad_alloc();
  }
}

Kernel::~Kernel() {
  inner.backend->core->kernel_destroy(inner.device, handle);
  std::free(copy);
}

Device::Device(uint32_t index, const Inner& inner, const Delay& delay, uint64_t total_bytes)
    : index_(index), inner_(inner), delay_(delay), total_bytes_(total_bytes) {
  streams_[0] = std::make_shared<Stream>(delay_, lost_);
}

void Device::Close() {
  std::unordered_map<uint64_t, std::shared_ptr<Stream>> streams;
  {
    std::lock_guard lock(mutex_);
    for (const uint64_t handle : imported_) streams_.erase(handle);
    streams.swap(streams_);
  }
  for (auto& [handle, stream] : streams) stream->Stop();
}

void Device::CheckNotLost() const {
  if (*lost_)
    throw Failure(TENON_DEVICE_LOST, "simdev: device " + std::to_string(index_) + " is lost");
}

uint64_t Device::NewHandle(uint64_t kind) {  // mutex_ is held
  return kHandleTag << 48 | uint64_t{index_} << 44 | kind << 40 | ++last_serial_;
}

TenonBuffer Device::Allocate(uint64_t bytes) {
  std::lock_guard lock(mutex_);
  if (allocs_to_failure_ > 0 && --allocs_to_failure_ == 0) {
    throw Failure(TENON_OUT_OF_MEMORY, "simdev: this allocation of " + std::to_string(bytes) +
                                           " bytes was told to fail");
  }
  const uint64_t limit = memory_limit_ != 0 ? memory_limit_ : total_bytes_;
  if (bytes > limit || used_bytes_ > limit - bytes) {
    throw Failure(TENON_OUT_OF_MEMORY, "simdev: " + std::to_string(bytes) + " bytes asked for, " +
                                           std::to_string(used_bytes_) + " of " +
                                           std::to_string(limit) + " in use");
  }
  std::shared_ptr<Region> region = Region::Map(bytes);
  if (region == nullptr) {
    throw Failure(TENON_OUT_OF_MEMORY,
                  "simdev: the system has no " + std::to_string(bytes) + " bytes left");
  }
  used_bytes_ += bytes;
  const TenonBuffer buffer = NewHandle(kRegion);
  regions_[buffer] = std::move(region);
  return buffer;
}

void Device::Free(TenonBuffer buffer) {
  const std::shared_ptr<Region> region = Take(mutex_, regions_, buffer);
  if (region == nullptr) return;
  std::lock_guard lock(mutex_);
  if (imported_.erase(buffer) != 0) return;
  region->Free();
  used_bytes_ -= region->bytes();
}

std::shared_ptr<Region> Device::FindRegion(TenonBuffer buffer, const char* what) {
  return Find(mutex_, regions_, buffer, what);
}

std::shared_ptr<Region> Device::RegionAt(const char* address) {  // mutex_ is held
  for (const auto& [handle, region] : regions_) {
    if (imported_.count(handle) == 0 && address >= region->address() &&
        address < region->address() + region->bytes()) {
      return region;
    }
  }
  return nullptr;
}

bool Device::Owns(const char* address) {
  std::lock_guard lock(mutex_);
  return RegionAt(address) != nullptr;
}

TenonBuffer Device::Import(char* first, uint64_t bytes, uint64_t* buffer_offset) {
  std::lock_guard lock(mutex_);
  std::shared_ptr<Region> region = RegionAt(first);
  if (region == nullptr) {
    throw Failure(TENON_INVALID_ARGUMENT,
                  "simdev: device " + std::to_string(index_) + " has no memory there");
  }
  *buffer_offset = static_cast<uint64_t>(first - region->address());
  if (bytes > region->bytes() - *buffer_offset) {
    throw Failure(TENON_INVALID_ARGUMENT, "simdev: only " +
                                              std::to_string(region->bytes() - *buffer_offset) +
                                              " bytes are there, not " + std::to_string(bytes));
  }
  const TenonBuffer buffer = NewHandle(kRegion);
  regions_[buffer] = std::move(region);
  imported_.insert(buffer);
  return buffer;
}

char* Device::Export(TenonBuffer buffer, uint64_t buffer_offset) {
  return FindRegion(buffer, "buffer")->address() + buffer_offset;
}

void Device::MemoryInfo(uint64_t* free_bytes, uint64_t* total_bytes) {
  std::lock_guard lock(mutex_);
  *total_bytes = memory_limit_ != 0 ? memory_limit_ : total_bytes_;
  *free_bytes = *total_bytes - std::min(*total_bytes, used_bytes_);
}

TenonStream Device::CreateStream() {
  std::lock_guard lock(mutex_);
  const TenonStream handle = NewHandle(kStream);
  Delay delay = delay_;
  delay.seed += static_cast<uint32_t>(last_serial_);  // streams differ, runs do not
  streams_[handle] = std::make_shared<Stream>(delay, lost_);
  return handle;
}

void Device::DestroyStream(TenonStream stream) {
  if (stream == 0) return;
  const std::shared_ptr<Stream> taken = Take(mutex_, streams_, stream);
  {
    std::lock_guard lock(mutex_);
    if (imported_.erase(stream) != 0) return;
  }
  if (taken != nullptr) taken->Stop();
}

TenonStream Device::ImportStream(void* native) {
  std::lock_guard lock(mutex_);
  for (const auto& [handle, stream] : streams_) {
    if (stream.get() != native) continue;
    const std::shared_ptr<Stream> found = stream;
    const TenonStream imported = NewHandle(kStream);
    streams_[imported] = found;
    imported_.insert(imported);
    return imported;
  }
  throw Failure(TENON_INVALID_ARGUMENT,
                "simdev: device " + std::to_string(index_) + " has no such native stream");
}

std::shared_ptr<Stream> Device::FindStream(TenonStream stream) {
  return Find(mutex_, streams_, stream, "stream");
}

TenonEvent Device::CreateEvent() {
  std::lock_guard lock(mutex_);
  const TenonEvent handle = NewHandle(kEvent);
  events_[handle] = std::make_shared<Event>();
  return handle;
}

void Device::DestroyEvent(TenonEvent event) { Take(mutex_, events_, event); }

std::shared_ptr<Event> Device::FindEvent(TenonEvent event) {
  return Find(mutex_, events_, event, "event");
}

TenonKernel Device::CreateKernel(const TenonKernelDesc* desc) {
  auto kernel = std::make_shared<Kernel>(inner_, desc);
  std::lock_guard lock(mutex_);
  const TenonKernel handle = NewHandle(kKernel);
  kernels_[handle] = std::move(kernel);
  return handle;
}

void Device::DestroyKernel(TenonKernel kernel) {
  const std::shared_ptr<Kernel> taken = Take(mutex_, kernels_, kernel);
  if (taken != nullptr) taken->destroyed = true;
}

std::shared_ptr<Kernel> Device::FindKernel(TenonKernel kernel) {
  return Find(mutex_, kernels_, kernel, "kernel");
}

void Device::EnqueueCopy(Stream& stream, std::vector<std::shared_ptr<Region>> regions,
                         std::function<Fault()> work) {
  {
    std::lock_guard lock(mutex_);
    ++copies_;
  }
  stream.Enqueue([regions = std::move(regions), work = std::move(work)] {
    return RunOnRegions(regions, work);
  });
}

void Device::EnqueueLaunch(Stream& stream, std::vector<std::shared_ptr<Region>> regions,
                           std::function<Fault()> work) {
  const Fault sticky = stream.Sticky();
  if (sticky.code != TENON_OK) throw Failure(sticky.code, sticky.message);
  {
    std::lock_guard lock(mutex_);
    ++launches_;
    if (launches_to_failure_ > 0 && --launches_to_failure_ == 0) {
      work = [code = launch_failure_] {
        return Fault{code, "simdev: this launch was told to fail"};
      };
    }
  }
  stream.Enqueue([regions = std::move(regions), work = std::move(work)] {
    return RunOnRegions(regions, work);
  });
}

void Device::FailAllocAfter(int64_t n) {
  std::lock_guard lock(mutex_);
  allocs_to_failure_ = n;
}

void Device::FailLaunchAfter(int64_t n, TenonStatus code) {
  std::lock_guard lock(mutex_);
  launches_to_failure_ = n;
  launch_failure_ = code;
}

void Device::SetMemoryLimit(uint64_t bytes) {
  std::lock_guard lock(mutex_);
  memory_limit_ = bytes;
}

void Device::Counters(uint64_t* launches, uint64_t* copies, uint64_t* live_buffers) {
  std::lock_guard lock(mutex_);
  if (launches != nullptr) *launches = launches_;
  if (copies != nullptr) *copies = copies_;
  if (live_buffers != nullptr) *live_buffers = regions_.size();
}

}  // namespace simdev
