// Device memory: one caching allocator, in core, over the backends' raw allocation.
//
//   Memory m = allocate(state, stream, bytes);     // throws kOutOfMemory with a report
//   release(m);                                    // may be reused by later work on the same
//   stream at once
//
// Freed memory stays in the cache of its stream, in size classes, because fresh memory costs ten
// times the arithmetic on it. Work on *another* stream that uses an allocation must be told
// (record_use): its memory then waits for an event before it is reused. When the device is out of
// memory the cache waits for such events, gives everything unused back, and tries once more.
// Thread-safe; holds no lock while in a plugin.
#ifndef TENON_DEVICE_MEMORY_H_
#define TENON_DEVICE_MEMORY_H_

#include <cstdint>
#include <string>

#include "tenon/abi/tenon_backend.h"
#include "tenon/device/device.h"

namespace tenon {

class StreamState;
struct MemoryBlock;  // the cache's own record

struct Memory {
  TenonBuffer buffer = 0;
  uint64_t offset = 0;  // bytes
  MemoryBlock* block = nullptr;
};

// bytes > 0. Aligned to max(64, the device's min_alignment). Contents undefined.
Memory allocate(DeviceState& device, StreamState& stream, uint64_t bytes);
// The allocation is also used by work enqueued on `stream` so far.
void record_use(const Memory& memory, StreamState& stream);
// Never fails; work already enqueued on its streams may still use it.
void release(const Memory& memory) noexcept;

struct MemoryStats {
  uint64_t in_use = 0, peak_in_use = 0;  // bytes handed out (rounded to size classes)
  uint64_t reserved = 0;                 // bytes taken from the device: in use, cached or waiting
  uint64_t allocations = 0, raw_allocations = 0, raw_frees = 0, retries = 0;  // counts since start
};
MemoryStats memory_stats(Device device);
// Gives all unused cached memory back to the device (after waiting for pending uses).
void empty_cache(Device device);

}  // namespace tenon

#endif  // TENON_DEVICE_MEMORY_H_
