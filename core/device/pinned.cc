#include "tenon/device/pinned.h"

#include <algorithm>

#include "tenon/device/size_class.h"

namespace tenon {

void* PinnedCache::allocate(uint64_t bytes) {
  check_usable(device_, "pin_memory");
  if (!available()) {
    fail(ErrorCode::kUnsupported, "pin_memory", device_.text,
         " has no pinned host memory: its backend offers none; copy without pinning");
  }
  if (bytes > kMaxBlockBytes) {
    fail(ErrorCode::kOutOfMemory, "pin_memory", bytes, " bytes are beyond any machine");
  }
  const uint64_t rounded = class_bytes(size_class(std::max<uint64_t>(bytes, 4096)));
  {
    std::lock_guard<std::mutex> lock(mutex_);
    for (size_t i = idle_.size(); i-- > 0;) {
      if (idle_[i].bytes != rounded) continue;
      void* const found = idle_[i].memory;
      idle_.erase(idle_.begin() + static_cast<std::ptrdiff_t>(i));
      idle_bytes_ -= rounded;
      return found;
    }
  }
  for (int attempt = 0;; ++attempt) {
    TenonError error = new_error();
    void* memory = nullptr;
    TenonStatus status;
    {
      CallGuard guard(device_);
      status = device_.tables->memory.pinned_alloc(device_.handle, rounded, &memory, &error);
    }
    if (status == TENON_OK) return memory;
    if (status != TENON_OUT_OF_MEMORY || attempt > 0)
      throw_status(device_, "pin_memory", status, error);
    trim();
  }
}

void PinnedCache::release(void* memory, uint64_t bytes) noexcept {
  // After fork or loss the backend may not be called: the memory is lost with the device.
  if (device_.unusable.load(std::memory_order_relaxed)) return;
  const uint64_t rounded = class_bytes(size_class(std::max<uint64_t>(bytes, 4096)));
  bool kept = false;
  try {
    std::lock_guard<std::mutex> lock(mutex_);
    if (idle_bytes_ + rounded <= kIdleBytes) {
      idle_.push_back({memory, rounded});
      idle_bytes_ += rounded;
      kept = true;
    }
  } catch (...) {  // no memory for the list: give it back to the device
  }
  if (!kept) raw_free(memory);
}

void PinnedCache::trim() noexcept {
  std::vector<Idle> freed;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    freed.swap(idle_);
    idle_bytes_ = 0;
  }
  for (const Idle& i : freed) raw_free(i.memory);
}

void PinnedCache::raw_free(void* memory) noexcept {
  CallGuard guard(device_);
  device_.tables->memory.pinned_free(device_.handle, memory);
}

}  // namespace tenon
