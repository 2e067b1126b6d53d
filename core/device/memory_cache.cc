#include "tenon/device/memory_cache.h"

#include <algorithm>
#include <mutex>

#include "tenon/device/asan.h"
#include "tenon/device/stream_pool.h"

namespace tenon {

MemoryCache::MemoryCache(DeviceState& device)
    : device_(device),
      alignment_(std::max<uint64_t>(64, device.props.min_alignment)),
      carve_small_(!device.host_addressable),
      bounded_(device.host_addressable) {}

// ---- with the lock held
// ------------------------------------------------------------------------------

MemoryCache::Lists& MemoryCache::lists_of(uint32_t slot) {
  while (lists_.size() <= slot) lists_.push_back(std::make_unique<Lists>());
  return *lists_[slot];
}

void MemoryCache::unlink_large(MemoryBlock* b) {
  (b->older ? b->older->newer : oldest_) = b->newer;
  (b->newer ? b->newer->older : newest_) = b->older;
  b->older = b->newer = nullptr;
}

MemoryBlock* MemoryCache::take(uint32_t slot, unsigned c) {
  if (slot >= lists_.size()) return nullptr;
  MemoryBlock*& head = lists_[slot]->free[c];
  MemoryBlock* b = head;
  if (!b) return nullptr;
  head = b->next;
  const uint64_t bytes = class_bytes(c);
  idle_ -= bytes;
  if (bytes >= kLarge) unlink_large(b);
  if (b->slab) ++b->slab->live;
  count_out(*b);
  return b;
}

void MemoryCache::count_out(const MemoryBlock& b) {
  stats_.in_use += class_bytes(b.size_class);
  if (stats_.in_use > stats_.peak_in_use) stats_.peak_in_use = stats_.in_use;
  ++stats_.allocations;
  ++blocks_in_use_;
}

// Into its stream's free list. What is counted as in use was subtracted by the caller.
void MemoryCache::push(MemoryBlock* b) {
  MemoryBlock*& head = lists_of(b->stream->slot).free[b->size_class];
  b->next = head;
  head = b;
  if (b->slab) --b->slab->live;
  const uint64_t bytes = class_bytes(b->size_class);
  idle_ += bytes;
  if (bytes >= kLarge) {
    b->older = newest_;
    (newest_ ? newest_->newer : oldest_) = b;
    newest_ = b;
  }
}

void MemoryCache::evict_beyond_limit(std::vector<MemoryBlock*>* victims) {
  const uint64_t limit = std::max(kKeptAtLeast, stats_.peak_in_use / 2);
  while (idle_ > limit && oldest_) {
    MemoryBlock* b = oldest_;
    unlink_large(b);
    MemoryBlock** link = &lists_[b->stream->slot]->free[b->size_class];
    while (*link != b) link = &(*link)->next;
    *link = b->next;
    idle_ -= class_bytes(b->size_class);
    victims->push_back(b);
  }
}

MemoryBlock* MemoryCache::carve(StreamState& stream, unsigned c) {
  Slab* slab = lists_of(stream.slot).slab;
  const uint64_t bytes = class_bytes(c);
  if (!slab || slab->bytes - slab->used < bytes) return nullptr;
  auto* b = new MemoryBlock{this, &stream, slab, slab->buffer, slab->used, c};
  slab->used += bytes;
  ++slab->live;
  count_out(*b);
  return b;
}

// ---- the two calls that matter
// -----------------------------------------------------------------------

Memory MemoryCache::allocate(StreamState& stream, uint64_t bytes) {
  // Rounded, a size keeps its alignment through its class: blocks cut one behind the other stay
  // aligned.
  const uint64_t rounded = (bytes + alignment_ - 1) & ~(alignment_ - 1);
  if (__builtin_expect(bytes == 0 || rounded < bytes || rounded > kMaxBlockBytes, 0)) {
    TenonError error = new_error();
    throw_out_of_memory(bytes, error);
  }
  const unsigned c = size_class(rounded);
  MemoryBlock* b;
  {
    std::lock_guard<SpinLock> lock(lock_);
    b = take(stream.slot, c);
  }
  if (!b) b = allocate_slowly(stream, c, bytes);
  if (device_.host_addressable) asan_unpoison(b->buffer, bytes);
  return {b->buffer, b->offset, b};
}

void MemoryCache::release(MemoryBlock* b) noexcept {
  if (device_.host_addressable) asan_poison(b->buffer, class_bytes(b->size_class));
  if (b->users) return release_after_events(b);
  const uint64_t bytes = class_bytes(b->size_class);
  const bool may_evict = bounded_ && bytes >= kLarge;
  std::vector<MemoryBlock*> victims;
  {
    std::lock_guard<SpinLock> lock(lock_);
    stats_.in_use -= bytes;
    --blocks_in_use_;
    push(b);
    if (may_evict) evict_beyond_limit(&victims);
  }
  for (MemoryBlock* victim : victims) free_block(victim);
}

// ---- other streams
// -----------------------------------------------------------------------------------

void MemoryCache::record_use(MemoryBlock* b, StreamState& stream) {
  if (&stream == b->stream || device_.synchronous) return;
  std::lock_guard<SpinLock> lock(lock_);
  if (std::find(b->used_on.begin(), b->used_on.end(), &stream) == b->used_on.end())
    b->used_on.push_back(&stream);
  b->users = static_cast<uint32_t>(b->used_on.size());
}

std::vector<StreamState*> MemoryCache::users_of(const MemoryBlock& b) {
  std::lock_guard<SpinLock> lock(lock_);
  std::vector<StreamState*> streams = b.used_on;
  if (!b.imported) streams.insert(streams.begin(), b.stream);
  return streams;
}

void MemoryCache::release_after_events(MemoryBlock* b) noexcept {
  if (b->imported) return release_imported(b);
  // In a forked child, or of a lost device: nobody will use the block again, and no plugin may be
  // called.
  if (device_.unusable.load(std::memory_order_relaxed)) return;
  for (StreamState* stream : b->used_on) {
    TenonEvent event = 0;
    try {
      event = device_.streams->take_event();
      TenonError error = new_error();
      // A stream that failed reports its error at its own next call; here its work only has to be
      // over.
      if (record_event(*stream, event, &error) != TENON_OK) {
        device_.streams->give_event(event);
        event = 0;
      }
    } catch (...) {
    }
    b->events.push_back(event);
  }
  std::lock_guard<SpinLock> lock(lock_);
  stats_.in_use -= class_bytes(b->size_class);
  --blocks_in_use_;
  pending_.push_back(b);
  any_pending_.store(true, std::memory_order_relaxed);
}

// Moves pending blocks whose events are done to their free lists; does not wait.
void MemoryCache::reclaim_finished() {
  if (!any_pending_.load(std::memory_order_relaxed)) return;
  std::vector<MemoryBlock*> looked_at;
  {
    std::lock_guard<SpinLock> lock(lock_);
    looked_at.swap(pending_);
  }
  for (MemoryBlock* b : looked_at) {
    for (size_t i = 0; i < b->events.size();) {
      TenonError error = new_error();
      TenonStatus status = TENON_NOT_READY;
      if (b->events[i] != 0) {
        CallGuard guard(device_);
        status = device_.tables->streams.event_query(device_.handle, b->events[i], &error);
      }
      if (status == TENON_NOT_READY) {
        ++i;
        continue;
      }
      // Done, or failed: either way the work before it is over.
      device_.streams->give_event(b->events[i]);
      b->events.erase(b->events.begin() + static_cast<ptrdiff_t>(i));
      b->used_on.erase(b->used_on.begin() + static_cast<ptrdiff_t>(i));
    }
  }
  std::lock_guard<SpinLock> lock(lock_);
  for (MemoryBlock* b : looked_at) {
    if (b->events.empty()) {
      b->users = 0;
      push(b);
    } else {
      pending_.push_back(b);
    }
  }
  any_pending_.store(!pending_.empty(), std::memory_order_relaxed);
}

MemoryStats MemoryCache::stats() {
  std::lock_guard<SpinLock> lock(lock_);
  return stats_;
}

// ---- memory.h
// ----------------------------------------------------------------------------------------

Memory allocate(DeviceState& device, StreamState& stream, uint64_t bytes) {
  if (__builtin_expect(device.unusable.load(std::memory_order_relaxed), 0))
    check_usable(device, "allocate");
  return device.memory->allocate(stream, bytes);
}

void record_use(const Memory& memory, StreamState& stream) {
  if (memory.block) memory.block->cache->record_use(memory.block, stream);
}

void release(const Memory& memory) noexcept {
  if (memory.block) memory.block->cache->release(memory.block);
}

std::vector<StreamState*> users_of(const Memory& memory) {
  if (!memory.block) return {};
  return memory.block->cache->users_of(*memory.block);
}

MemoryStats memory_stats(Device device) { return device.state().memory->stats(); }

void empty_cache(Device device) {
  check_usable(device.state(), "empty_cache");
  device.state().memory->trim();
}

}  // namespace tenon
