#include "tenon/tensor/storage.h"

#include "tenon/base/trace.h"
#include "tenon/tensor/block.h"

namespace tenon {

void use_on_stream_slow(Storage& storage, StreamState& stream) {
  // What the home stream still has to do with these bytes comes first; and they are not reused
  // before `stream` is done.
  record_use(storage.memory, stream);
}

namespace {
Storage* make_storage(DeviceState& device, Storage::Kind kind, uint64_t bytes) {
  static_assert(sizeof(Storage) <= detail::kBlockSizes[0]);
  auto* s = new (detail::take_block(0)) Storage;
  s->references.store(1, std::memory_order_relaxed);
  s->version.store(0, std::memory_order_relaxed);
  s->kind = kind;
  s->read_only = false;
  s->externally_writable = false;
  s->last_writer.store(nullptr, std::memory_order_relaxed);
  s->device = &device;
  s->home = &current_stream(device);
  s->memory = {};
  s->bytes = bytes;
  s->release_owner = nullptr;
  s->owner_context = nullptr;
  return s;
}
}  // namespace

Storage* new_storage(DeviceState& device, uint64_t bytes) {
  Memory memory;
  StreamState& stream = current_stream(device);
  if (bytes > 0) memory = allocate(device, stream, bytes);
  Storage* s = make_storage(device, Storage::kCached, bytes);
  s->memory = memory;
  return s;
}

Storage* new_external_storage(DeviceState& device, void* data, uint64_t bytes, bool read_only,
                              void (*release)(void* context), void* context) {
  Storage* s = make_storage(device, Storage::kExternal, bytes);
  s->memory.buffer = reinterpret_cast<uint64_t>(data);
  s->read_only = read_only;
  s->release_owner = release;
  s->owner_context = context;
  return s;
}

Storage* new_imported_storage(DeviceState& device, void* memory, int64_t offset, uint64_t bytes,
                              bool read_only, std::string_view operation) {
  const Memory taken =
      import_memory(device, current_stream(device), memory, offset, bytes, operation);
  Storage* s = make_storage(device, Storage::kCached, bytes);
  s->memory = taken;
  s->read_only = read_only;
  return s;
}

void set_owner(Storage& s, void (*release_owner)(void* context), void* context) {
  if (s.kind != Storage::kExternal) return set_owner(s.memory, release_owner, context);
  s.release_owner = release_owner;
  s.owner_context = context;
}

void wait_for_uses(const Storage& s, StreamState& stream) {
  if (s.device->synchronous) return;
  for (StreamState* user : users_of(s.memory)) wait_behind(stream, *user);
}

void destroy_storage(Storage* s) noexcept {
  if (__builtin_expect(write_trace::enabled(), 0)) write_trace::forget(s);
  switch (s->kind) {
    case Storage::kCached:
      if (s->memory.block) release(s->memory);
      detail::return_block(s, 0);
      return;
    case Storage::kExternal:
      if (s->release_owner) s->release_owner(s->owner_context);
      detail::return_block(s, 0);
      return;
    case Storage::kEmbedded:
      // The storage's address is where the tensor's block puts it.
      detail::return_block(reinterpret_cast<std::byte*>(s) - kEmbeddedStorageAt, 2);
      return;
  }
}

}  // namespace tenon
