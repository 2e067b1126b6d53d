#include "backends/cuda/staging.h"

#include <string.h>

#include <algorithm>

#include "tenon/backends/cuda/host.h"

namespace tenon_cuda {
namespace {

struct Bytes {
  char* to;
  const char* from;
};

// One thread does not reach the speed of the bus.
void CopyParallel(void* to, const void* from, uint64_t bytes) {
  constexpr int64_t kGrain = 256 << 10;
  Bytes both = {static_cast<char*>(to), static_cast<const char*>(from)};
  if (bytes <= static_cast<uint64_t>(kGrain)) {
    memcpy(to, from, bytes);
    return;
  }
  const auto piece = [](void* given, int64_t begin, int64_t end) {
    const Bytes& b = *static_cast<const Bytes*>(given);
    memcpy(b.to + begin, b.from + begin, static_cast<size_t>(end - begin));
  };
  host->parallel_for(host->ctx, static_cast<int64_t>(bytes), kGrain, piece, &both);
}

}  // namespace

Staging::~Staging() {
  const Driver& driver = device_.driver();
  for (const Slot& slot : slots_) {
    driver.cuEventDestroy_v2(slot.done);
    driver.cuMemFreeHost(slot.memory);
  }
}

Staging::Slot* Staging::Add() {
  const Driver& driver = device_.driver();
  Slot slot;
  if (driver.cuMemHostAlloc(&slot.memory, kSlotBytes, CU_MEMHOSTALLOC_PORTABLE) != CUDA_SUCCESS)
    return nullptr;
  if (driver.cuEventCreate(&slot.done, CU_EVENT_DISABLE_TIMING) != CUDA_SUCCESS) {
    driver.cuMemFreeHost(slot.memory);
    return nullptr;
  }
  slots_.push_back(slot);
  return &slots_.back();
}

Staging::Slot* Staging::Next(Stream& stream) {
  const Driver& driver = device_.driver();
  // An idle one of those there are; else a new one; else the one in use for longest.
  for (Slot& slot : slots_) {
    if (driver.cuEventQuery(slot.done) == CUDA_SUCCESS) return &slot;
  }
  if (slots_.size() < kSlots) {
    Slot* const added = Add();
    if (added != nullptr || slots_.empty()) return added;
  }
  Slot& oldest = slots_[next_++ % slots_.size()];
  device_.Check(driver.cuEventSynchronize(oldest.done), "a copy to the device", &stream);
  return &oldest;
}

void Staging::ToDevice(Stream& stream, CUdeviceptr dst, const void* src, uint64_t bytes) {
  const Driver& driver = device_.driver();
  const char* from = static_cast<const char*>(src);
  const std::lock_guard lock(mutex_);
  for (uint64_t at = 0; at < bytes; at += kSlotBytes) {
    const uint64_t n = std::min(kSlotBytes, bytes - at);
    const Slot* const slot = Next(stream);
    if (slot != nullptr) CopyParallel(slot->memory, from + at, n);
    const void* const source = slot != nullptr ? slot->memory : from + at;
    device_.Check(driver.cuMemcpyHtoDAsync_v2(dst + at, source, n, stream.handle),
                  "copy to the device", &stream);
    if (slot != nullptr)
      device_.Check(driver.cuEventRecord(slot->done, stream.handle), "cuEventRecord", &stream);
  }
}

}  // namespace tenon_cuda
