// Memory that passes between this process's Tenon and other libraries on one device.
//
// An imported block is kept by its tensors like any other; what differs is the end, in which
// nothing goes to the cache: each stream that used it is asked whether it is idle, and waited for
// (in_flight.h) where it is not.
#include <atomic>
#include <cstdio>
#include <cstring>
#include <memory>
#include <mutex>

#include "tenon/device/in_flight.h"
#include "tenon/device/memory_cache.h"

namespace tenon {
namespace {

// A pointer as its API prints it: 0x7f...
std::string address_text(const void* p) {
  char text[24];
  snprintf(text, sizeof text, "%p", p);
  return text;
}

bool is_idle(StreamState& stream) noexcept {
  DeviceState& device = stream.device;
  if (device.synchronous || device.unusable.load(std::memory_order_relaxed)) return true;
  TenonError ignored = new_error();
  std::lock_guard<std::mutex> order(stream.mutex);
  CallGuard guard(device);
  // A stream that failed may still be busy.
  return device.tables->streams.stream_query(device.handle, stream.handle, &ignored) == TENON_OK;
}

}  // namespace

Memory MemoryCache::import(StreamState& stream, void* memory, int64_t offset, uint64_t bytes,
                           std::string_view operation) {
  check_usable(device_, operation);
  if (!device_.tables->memory.mem_import) {
    fail(ErrorCode::kUnsupported, operation, "the memory is on ", device_.text,
         ", whose plug-in takes no foreign memory (it has no mem_import). Hand it over on the host "
         "(the producer's cpu()) and move it with to(\"",
         device_.text, "\")");
  }
  release_finished(device_);  // what a loop of imports let go
  auto block = std::make_unique<MemoryBlock>();
  block->cache = this;
  block->stream = &stream;
  block->imported = true;
  block->used_on.push_back(&stream);
  block->users = 1;
  uint64_t buffer_offset = 0;
  TenonError error = new_error();
  TenonStatus status;
  {
    CallGuard guard(device_);
    status = device_.tables->memory.mem_import(device_.handle, memory, offset, bytes,
                                               &block->buffer, &buffer_offset, &error);
  }
  if (status == TENON_INVALID_ARGUMENT) {
    fail(ErrorCode::kDevice, operation, "cannot take ", bytes, " bytes of ", address_text(memory),
         " as memory of ", device_.text, ": ",
         std::string_view(error.message, strnlen(error.message, sizeof error.message)),
         ". Name the device that the memory is on, or hand it over on the host (the producer's "
         "cpu())");
  }
  if (status != TENON_OK) throw_status(device_, operation, status, error);
  block->offset = buffer_offset;
  return {block->buffer, buffer_offset, block.release()};
}

// One stream less (or the releasing thread) that keeps the block; the last one ends it.
void MemoryCache::user_done(void* context) noexcept {
  auto* b = static_cast<MemoryBlock*>(context);
  if (std::atomic_ref<uint32_t>(b->users).fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  DeviceState& device = b->cache->device_;
  // In a forked child no plug-in may be called; a lost device still takes this.
  if (!device.unusable.load(std::memory_order_relaxed) || device.lost.load()) {
    CallGuard guard(device);
    device.tables->core.mem_free(device.handle, b->buffer);
  }
  if (b->release_owner) b->release_owner(b->owner_context);
  delete b;
}

void MemoryCache::release_imported(MemoryBlock* b) noexcept {
  std::atomic_ref<uint32_t>(b->users).store(static_cast<uint32_t>(b->used_on.size()) + 1,
                                            std::memory_order_relaxed);
  for (StreamState* stream : b->used_on) {
    if (is_idle(*stream)) {
      user_done(b);
      continue;
    }
    try {
      keep_until_done(*stream, &user_done, b);
    } catch (...) {  // it has waited for the stream and called user_done
    }
  }
  user_done(b);
}

// ---- memory.h
// ----------------------------------------------------------------------------------------

Memory import_memory(DeviceState& device, StreamState& stream, void* memory, int64_t offset,
                     uint64_t bytes, std::string_view operation) {
  return device.memory->import(stream, memory, offset, bytes, operation);
}

void set_owner(const Memory& memory, void (*release_owner)(void* context), void* context) {
  memory.block->release_owner = release_owner;
  memory.block->owner_context = context;
}

NativeMemory export_memory(DeviceState& device, const Memory& memory, uint64_t offset,
                           std::string_view operation) {
  check_usable(device, operation);
  if (!device.tables->memory.mem_export) {
    fail(ErrorCode::kUnsupported, operation, "cannot share memory of ", device.text,
         ": its plug-in gives out no address (it has no mem_export). Ask for a copy on the host "
         "(device kDLCPU), or export t.cpu()");
  }
  NativeMemory out;
  TenonError error = new_error();
  TenonStatus status;
  {
    CallGuard guard(device);
    status = device.tables->memory.mem_export(device.handle, memory.buffer, memory.offset + offset,
                                              &out.memory, &out.offset, &error);
  }
  if (status != TENON_OK) throw_status(device, operation, status, error);
  return out;
}

}  // namespace tenon
