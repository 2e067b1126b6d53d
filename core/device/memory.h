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
#include <string_view>
#include <vector>

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
// The streams with work that uses the allocation, its own first.
std::vector<StreamState*> users_of(const Memory& memory);

// Memory of another library on this device, named as the ABI's mem_import does. It is used and
// released like any other, but never enters the cache: once it is released and the work enqueued so
// far on its streams is done, the device forgets it, and then release_owner(context) is called,
// once, on whatever thread finds that out. Throws kDevice where the memory is not this device's,
// kUnsupported where the backend takes none.
Memory import_memory(DeviceState& device, StreamState& stream, void* memory, int64_t offset,
                     uint64_t bytes, std::string_view operation);
// Of imported memory; without one (or with null) nobody is told. Set before it is released.
void set_owner(const Memory& memory, void (*release_owner)(void* context), void* context);

// What others call the byte `offset` of an allocation, as the ABI's mem_export has it. Throws
// kUnsupported where the backend gives no names.
struct NativeMemory {
  void* memory = nullptr;
  uint64_t offset = 0;
};
NativeMemory export_memory(DeviceState& device, const Memory& memory, uint64_t offset,
                           std::string_view operation);

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
