// MemoryCache: the blocks of one device. Inside the device floor; memory.h is its face.
//
// A block belongs to the stream it was allocated on. Released, it goes to that stream's free list
// of its size class and may be handed out again on the stream at once, because whatever still uses
// it comes earlier in the stream's order. A block that other streams used waits in `pending` for
// one event per such stream.
//
// Where memory is not the host's, blocks up to kCarveLimit are cut from slabs (raw allocations
// there are slow and coarse). A slab is given back when none of its blocks is handed out.
//
// Host memory is shared with the rest of the machine, so there the cache keeps at most max(1 GiB,
// half of the peak in use) and evicts the large block that was idle longest. Elsewhere it keeps
// everything until memory runs out.
#ifndef TENON_DEVICE_MEMORY_CACHE_H_
#define TENON_DEVICE_MEMORY_CACHE_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "tenon/device/memory.h"
#include "tenon/device/size_class.h"
#include "tenon/device/spin_lock.h"
#include "tenon/device/stream.h"

namespace tenon {

class MemoryCache;

struct Slab {
  TenonBuffer buffer;
  uint64_t bytes, used;
  uint64_t live;  // blocks handed out or pending
};

struct MemoryBlock {
  MemoryCache* cache;
  StreamState* stream;  // whose free list it belongs to
  Slab* slab;           // it was cut from; nullptr: an allocation of its own
  TenonBuffer buffer;
  uint64_t offset;
  uint32_t size_class;
  uint32_t users = 0;           // entries of `used_on`; read without the lock by its only holder
  MemoryBlock* next = nullptr;  // in its free list
  MemoryBlock *older = nullptr, *newer = nullptr;  // among idle large blocks
  std::vector<StreamState*> used_on{};             // other streams, see record_use()
  std::vector<TenonEvent>
      events{};  // while pending; 0: no event could be recorded, wait for the streams
  // Imported memory (imported.cc), which is in no list. `used_on` names its own stream, too.
  bool imported = false;
  void (*release_owner)(void* context) = nullptr;
  void* owner_context = nullptr;
};

class MemoryCache {
 public:
  explicit MemoryCache(DeviceState& device);

  Memory allocate(StreamState& stream, uint64_t bytes);
  void release(MemoryBlock* block) noexcept;
  void record_use(MemoryBlock* block, StreamState& stream);
  std::vector<StreamState*> users_of(const MemoryBlock& block);
  Memory import(StreamState& stream, void* memory, int64_t offset, uint64_t bytes,
                std::string_view operation);
  // Waits for pending uses and gives all idle memory back. Throws what work on the streams threw.
  void trim();
  void destroy() noexcept;  // for shutdown(): as trim(), and forgets everything
  MemoryStats stats();
  SpinLock& lock() { return lock_; }  // for fork.cc

 private:
  static constexpr uint64_t kSlabBytes = 2 << 20;
  static constexpr uint64_t kCarveLimit = 128 << 10;
  static constexpr uint64_t kLarge = 1 << 20;  // from here on blocks are worth evicting one by one
  static constexpr uint64_t kKeptAtLeast = 1 << 30;
  static constexpr unsigned kClassesAhead =
      2;  // a large block may be this many classes too large: a quarter

  struct Lists {
    MemoryBlock* free[kSizeClasses] = {};
    Slab* slab = nullptr;  // that blocks are cut from
  };

  // With lock_ held:
  MemoryBlock* take(uint32_t slot, unsigned size_class);
  void push(MemoryBlock* block);
  Lists& lists_of(uint32_t slot);
  void unlink_large(MemoryBlock* block);
  void evict_beyond_limit(std::vector<MemoryBlock*>* victims);
  void count_out(const MemoryBlock& block);
  MemoryBlock* carve(StreamState& stream, unsigned size_class);

  // Without:
  MemoryBlock* allocate_slowly(StreamState& stream, unsigned size_class, uint64_t bytes);
  TenonStatus raw_allocate(uint64_t bytes, TenonBuffer* buffer, TenonError* error);
  void raw_free(TenonBuffer buffer, uint64_t bytes) noexcept;
  TenonStatus grow(StreamState& stream, unsigned size_class, MemoryBlock** block,
                   TenonError* error);
  void free_block(MemoryBlock* block) noexcept;
  void reclaim_finished();
  void wait_for_pending(TenonStatus* first, TenonError* error, StreamState** failed);
  void release_after_events(MemoryBlock* block) noexcept;
  void release_imported(MemoryBlock* block) noexcept;
  static void user_done(void* block) noexcept;
  [[noreturn]] void throw_out_of_memory(uint64_t bytes, const TenonError& error);

  DeviceState& device_;
  const uint64_t alignment_;
  const bool carve_small_;
  const bool bounded_;

  SpinLock lock_;
  std::vector<std::unique_ptr<Lists>> lists_;  // by StreamState::slot
  std::vector<MemoryBlock*> pending_;
  std::atomic<bool> any_pending_{false};
  std::vector<Slab*> slabs_;
  MemoryBlock *oldest_ = nullptr, *newest_ = nullptr;  // idle large blocks
  uint64_t idle_ = 0;                                  // bytes in free lists
  uint64_t blocks_in_use_ = 0;
  MemoryStats stats_;
};

}  // namespace tenon

#endif  // TENON_DEVICE_MEMORY_CACHE_H_
