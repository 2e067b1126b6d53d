// Storage: a run of bytes on one device, shared by all tensors that look at it.
//
// It knows its device, whether it may be written (a read-only array or map stays read-only), how
// often it was written (the version, by which backward notices that a saved value changed), and who
// owns the bytes: the device's memory cache, an outside owner with a callback, or the tensor block
// it is embedded in. Reference-counted; counts are atomic. The owner's callback runs once, on
// whatever thread drops the last use.
#ifndef TENON_TENSOR_STORAGE_H_
#define TENON_TENSOR_STORAGE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "tenon/device/device_state.h"
#include "tenon/device/memory.h"
#include "tenon/device/stream.h"

namespace tenon {

struct Storage {
  enum Kind : uint8_t { kEmbedded, kCached, kExternal };

  std::atomic<uint32_t> references;
  std::atomic<uint32_t> version;
  Kind kind;
  bool read_only;
  bool externally_writable;  // by others, unseen by `version`: alias_check.h
  // The name of the operation that wrote last, for version errors.
  std::atomic<const char*> last_writer;
  DeviceState* device;
  StreamState* home;  // the stream it was made on; its memory may be reused there at once
  Memory memory;
  uint64_t bytes;
  void (*release_owner)(void* context);  // kExternal
  void* owner_context;

  // Where byte 0 is for host code; only on host-addressable devices.
  std::byte* host_data() const {
    return reinterpret_cast<std::byte*>(memory.buffer + memory.offset);
  }
};

// An embedded storage stands here in its tensor's block, in bytes.
inline constexpr size_t kEmbeddedStorageAt = 256;

// Work on `stream` uses this storage: makes its memory wait for that stream when it is another than
// its own, and makes that stream wait for what its own stream has not finished.
void use_on_stream_slow(Storage& storage, StreamState& stream);
inline void use_on_stream(Storage& storage, StreamState& stream) {
  if (__builtin_expect(storage.home != &stream && !storage.device->synchronous, 0))
    use_on_stream_slow(storage, stream);
}

// A new storage from the device's cache, with one reference. bytes may be 0.
Storage* new_storage(DeviceState& device, uint64_t bytes);
// Over host memory owned elsewhere (or, on any device, over no bytes); `release` may be null.
Storage* new_external_storage(DeviceState& device, void* data, uint64_t bytes, bool read_only,
                              void (*release)(void* context), void* context);
// Over memory of another library on this device (memory.h); bytes > 0. Its owner comes later, by
// set_owner().
Storage* new_imported_storage(DeviceState& device, void* memory, int64_t offset, uint64_t bytes,
                              bool read_only, std::string_view operation);
// Who is told when an external or imported storage goes; null: nobody.
void set_owner(Storage& storage, void (*release_owner)(void* context), void* context);
// Later work on `stream` starts after all work so far, on any stream, that uses the storage.
void wait_for_uses(const Storage& storage, StreamState& stream);
void destroy_storage(Storage* storage) noexcept;

// Gives up one reference; true if it was the last. Who holds the only one need not count down:
// nobody else can take another.
inline bool drop_reference(std::atomic<uint32_t>& references) noexcept {
  return references.load(std::memory_order_acquire) == 1 ||
         references.fetch_sub(1, std::memory_order_acq_rel) == 1;
}
inline void retain(Storage* s) { s->references.fetch_add(1, std::memory_order_relaxed); }
inline void release(Storage* s) noexcept {
  if (drop_reference(s->references)) destroy_storage(s);
}

}  // namespace tenon

#endif  // TENON_TENSOR_STORAGE_H_
