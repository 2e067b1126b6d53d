// The slow half of the memory cache: raw memory, giving it back, running out of it.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <mutex>

#include "tenon/device/asan.h"
#include "tenon/device/backend.h"
#include "tenon/device/in_flight.h"
#include "tenon/device/memory_cache.h"
#include "tenon/device/stream_pool.h"

namespace tenon {
namespace {

// "1.50 GiB"
std::string bytes_text(uint64_t bytes) {
  static constexpr const char* units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double value = static_cast<double>(bytes);
  int unit = 0;
  while (value >= 1024 && unit < 6) {
    value /= 1024;
    ++unit;
  }
  char text[48];
  snprintf(text, sizeof text, unit == 0 ? "%.0f %s" : "%.2f %s", value, units[unit]);
  return text;
}

}  // namespace

TenonStatus MemoryCache::raw_allocate(uint64_t bytes, TenonBuffer* buffer, TenonError* error) {
  *error = new_error();
  *buffer = 0;
  TenonStatus status;
  {
    CallGuard guard(device_);
    status = device_.tables->core.mem_alloc(device_.handle, bytes, buffer, error);
  }
  if (status != TENON_OK) return status;
  std::lock_guard<SpinLock> lock(lock_);
  ++stats_.raw_allocations;
  stats_.reserved += bytes;
  return TENON_OK;
}

void MemoryCache::raw_free(TenonBuffer buffer, uint64_t bytes) noexcept {
  if (device_.host_addressable) asan_unpoison(buffer, bytes);
  {
    CallGuard guard(device_);
    device_.tables->core.mem_free(device_.handle, buffer);
  }
  std::lock_guard<SpinLock> lock(lock_);
  ++stats_.raw_frees;
  stats_.reserved -= bytes;
}

void MemoryCache::free_block(MemoryBlock* b) noexcept {
  raw_free(b->buffer, class_bytes(b->size_class));
  delete b;
}

// New memory from the device: a block of its own, or a slab and a block of it.
TenonStatus MemoryCache::grow(StreamState& stream, unsigned c, MemoryBlock** block,
                              TenonError* error) {
  const uint64_t bytes = class_bytes(c);
  TenonBuffer buffer;
  if (carve_small_ && bytes <= kCarveLimit) {
    const TenonStatus status = raw_allocate(kSlabBytes, &buffer, error);
    if (status == TENON_OK) {
      auto* slab = new Slab{buffer, kSlabBytes, 0, 0};
      std::lock_guard<SpinLock> lock(lock_);
      slabs_.push_back(slab);
      lists_of(stream.slot).slab = slab;
      *block = carve(stream, c);
      return TENON_OK;
    }
    if (status != TENON_OUT_OF_MEMORY) return status;
    // Not even a slab is left; perhaps the block itself is.
  }
  const TenonStatus status = raw_allocate(bytes, &buffer, error);
  if (status != TENON_OK) return status;
  *block = new MemoryBlock{this, &stream, nullptr, buffer, 0, c};
  std::lock_guard<SpinLock> lock(lock_);
  count_out(**block);
  return TENON_OK;
}

MemoryBlock* MemoryCache::allocate_slowly(StreamState& stream, unsigned c, uint64_t bytes) {
  reclaim_finished();
  {
    std::lock_guard<SpinLock> lock(lock_);
    MemoryBlock* b = take(stream.slot, c);
    if (!b && class_bytes(c) >= kLarge) {
      for (unsigned ahead = 1; !b && ahead <= kClassesAhead && c + ahead < kSizeClasses; ++ahead) {
        b = take(stream.slot, c + ahead);
      }
    }
    if (!b && carve_small_ && class_bytes(c) <= kCarveLimit) b = carve(stream, c);
    if (b) return b;
  }
  MemoryBlock* b = nullptr;
  TenonError error;
  TenonStatus status = grow(stream, c, &b, &error);
  if (status == TENON_OUT_OF_MEMORY) {
    trim();
    {
      std::lock_guard<SpinLock> lock(lock_);
      ++stats_.retries;
    }
    status = grow(stream, c, &b, &error);
  }
  if (status == TENON_OUT_OF_MEMORY) throw_out_of_memory(bytes, error);
  if (status != TENON_OK) throw_status(device_, "allocate", status, error);
  return b;
}

// Blocks whose events are done become idle. Waits; remembers the first failure of the work waited
// for.
void MemoryCache::wait_for_pending(TenonStatus* first, TenonError* first_error,
                                   StreamState** failed) {
  std::vector<MemoryBlock*> waiting;
  {
    std::lock_guard<SpinLock> lock(lock_);
    waiting.swap(pending_);
    any_pending_.store(false, std::memory_order_relaxed);
  }
  for (MemoryBlock* b : waiting) {
    for (size_t i = 0; i < b->events.size(); ++i) {
      TenonError error = new_error();
      TenonStatus status;
      if (b->events[i] == 0) {
        status = wait_for_stream(*b->used_on[i], &error);
      } else {
        CallGuard guard(device_);
        status = device_.tables->streams.event_sync(device_.handle, b->events[i], &error);
      }
      // An event's failure is its stream's, which reports it itself; a sync of the stream has
      // cleared it.
      if (b->events[i] == 0 && status != TENON_OK && *first == TENON_OK) {
        *first = status;
        *first_error = error;
        *failed = b->used_on[i];
      }
      if (b->events[i] != 0) device_.streams->give_event(b->events[i]);
    }
    b->events.clear();
    b->used_on.clear();
    b->users = 0;
  }
  std::lock_guard<SpinLock> lock(lock_);
  for (MemoryBlock* b : waiting) push(b);
}

void MemoryCache::trim() {
  release_finished(device_);
  TenonStatus first = TENON_OK;
  TenonError first_error = new_error();
  StreamState* failed = nullptr;
  wait_for_pending(&first, &first_error, &failed);

  // Out of the lists first, so that nobody takes a block that is about to go.
  std::vector<MemoryBlock*> blocks;
  std::vector<Slab*> slabs;
  std::vector<StreamState*> streams;
  {
    std::lock_guard<SpinLock> lock(lock_);
    for (auto& lists : lists_) {
      if (lists->slab && lists->slab->live == 0) lists->slab = nullptr;
      for (MemoryBlock*& head : lists->free) {
        for (MemoryBlock** link = &head; *link;) {
          MemoryBlock* b = *link;
          if (b->slab && b->slab->live != 0) {
            link = &b->next;
            continue;
          }
          *link = b->next;
          const uint64_t bytes = class_bytes(b->size_class);
          idle_ -= bytes;
          if (bytes >= kLarge) unlink_large(b);
          blocks.push_back(b);
          if (std::find(streams.begin(), streams.end(), b->stream) == streams.end())
            streams.push_back(b->stream);
        }
      }
    }
    const auto empty =
        std::stable_partition(slabs_.begin(), slabs_.end(), [](Slab* s) { return s->live != 0; });
    slabs.assign(empty, slabs_.end());
    slabs_.erase(empty, slabs_.end());
  }
  // Idle means: free for later work of its stream. Earlier work may still be running.
  for (StreamState* stream : streams) {
    TenonError error = new_error();
    const TenonStatus status = wait_for_stream(*stream, &error);
    if (status != TENON_OK && first == TENON_OK) {
      first = status;
      first_error = error;
      failed = stream;
    }
  }
  for (MemoryBlock* b : blocks) {
    if (b->slab) {
      delete b;
    } else {
      free_block(b);
    }
  }
  for (Slab* slab : slabs) {
    raw_free(slab->buffer, slab->bytes);
    delete slab;
  }
  if (failed) throw_status(device_, "asynchronous work", first, first_error);
}

void MemoryCache::destroy() noexcept {
  try {
    trim();
  } catch (...) {  // the work's error has no one left to go to
  }
}

void MemoryCache::throw_out_of_memory(uint64_t bytes, const TenonError& error) {
  MemoryStats now;
  uint64_t blocks, idle;
  {
    std::lock_guard<SpinLock> lock(lock_);
    now = stats_;
    blocks = blocks_in_use_;
    idle = idle_;
  }
  std::string report =
      concat_text("out of memory on ", device_.text, ": asked for ", bytes_text(bytes), " (", bytes,
                  " bytes); in use ", bytes_text(now.in_use), " in ", blocks,
                  blocks == 1 ? " block" : " blocks", ", cached ", bytes_text(idle),
                  ", peak in use ", bytes_text(now.peak_in_use));
  if (device_.tables->memory.mem_info) {
    uint64_t free_bytes = 0, total_bytes = 0;
    TenonError ignored = new_error();
    TenonStatus status;
    {
      CallGuard guard(device_);
      status = device_.tables->memory.mem_info(device_.handle, &free_bytes, &total_bytes, &ignored);
    }
    if (status == TENON_OK) {
      report += concat_text("; the device has ", bytes_text(free_bytes), " free of ",
                            bytes_text(total_bytes));
    }
  } else if (device_.props.total_bytes) {
    report += concat_text("; the device has ", bytes_text(device_.props.total_bytes), " in all");
  }
  const std::string_view said(error.message, strnlen(error.message, sizeof error.message));
  if (!said.empty()) report += concat_text("; the device says: ", said);
  report += "; drop tensors that are no longer needed, or work in smaller pieces";
  fail(ErrorCode::kOutOfMemory, "allocate", report);
}

}  // namespace tenon
