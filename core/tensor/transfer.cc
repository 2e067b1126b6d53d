// Tensors from one device to another, and host memory that devices copy from without waiting.
#include <memory>

#include "tenon/device/copy.h"
#include "tenon/device/in_flight.h"
#include "tenon/device/pinned.h"
#include "tenon/tensor/impl.h"
#include "tenon/tensor/launch.h"

namespace tenon {
namespace {

struct PinnedOwner {
  PinnedCache* cache;
  void* memory;  // nullptr: nothing yet
  uint64_t bytes;
};

void release_pinned(void* context) {
  auto* owner = static_cast<PinnedOwner*>(context);
  if (owner->memory) owner->cache->release(owner->memory, owner->bytes);
  delete owner;
}

void release_storage(void* storage) noexcept { release(static_cast<Storage*>(storage)); }

// The storage lives until the stream has done what is enqueued on it so far.
void keep(StreamState& stream, Storage& storage) {
  retain(&storage);
  keep_until_done(stream, &release_storage, &storage);
}

// A contiguous cpu tensor in memory that `device` has pinned; contents undefined.
Tensor new_pinned(DeviceState& device, DType dtype, DimsView shape) {
  const auto bytes = static_cast<uint64_t>(element_count("pin_memory", shape) * item_size(dtype));
  std::unique_ptr<PinnedOwner, void (*)(void*)> owner(
      new PinnedOwner{device.pinned, nullptr, bytes}, &release_pinned);
  owner->memory = device.pinned->allocate(bytes);
  std::unique_ptr<Storage, void (*)(void*) noexcept> storage(
      new_external_storage(Device().state(), owner->memory, bytes, false, &release_pinned,
                           owner.get()),
      &release_storage);
  static_cast<void>(owner.release());  // the storage's now
  Tensor t = adopt_storage(storage.get(), dtype, shape, contiguous_strides(shape), 0);
  static_cast<void>(storage.release());  // the tensor's now
  return t;
}

uint64_t bytes_of(const TensorImpl& t) {
  return static_cast<uint64_t>(t.size * item_size(t.dtype));
}

Tensor to_host_later(const Tensor& packed) {
  const TensorImpl& from = *packed.impl();
  StreamState& stream = current_stream(from.device());
  Tensor dst = new_pinned(from.device(), from.dtype, packed.shape());
  use_on_stream(*from.storage, stream);
  enqueue_copy_to_host(stream, dst.impl()->storage->host_data(), from.storage->memory.buffer,
                       from.byte_offset(), bytes_of(from));
  keep(stream, *dst.impl()->storage);
  return dst;
}

void from_host_later(const Tensor& dst, const Tensor& packed) {
  const TensorImpl& to = *dst.impl();
  StreamState& stream = current_stream(to.device());
  use_on_stream(*to.storage, stream);
  enqueue_copy_from_host(stream, to.storage->memory.buffer, to.byte_offset(), packed.raw_data(),
                         bytes_of(to));
  keep(stream, *packed.impl()->storage);
}

void between(const Tensor& dst, const Tensor& packed) {
  const TensorImpl &to = *dst.impl(), &from = *packed.impl();
  StreamState &to_stream = current_stream(to.device()),
              &from_stream = current_stream(from.device());
  use_on_stream(*to.storage, to_stream);
  use_on_stream(*from.storage, from_stream);
  copy_between_devices(to_stream, to.storage->memory.buffer, to.byte_offset(), from_stream,
                       from.storage->memory.buffer, from.byte_offset(), bytes_of(to));
}

}  // namespace

Tensor copy_to_device(const Tensor& src, DeviceState& device, bool non_blocking) {
  const Tensor packed = src.impl()->contiguous ? src : contiguous_copy(src);
  DeviceState& from = packed.impl()->device();
  if (non_blocking && src.size() > 0 && device.host_addressable && !from.synchronous &&
      from.pinned->available()) {
    return to_host_later(packed);
  }
  Tensor dst = new_tensor(device, src.dtype(), src.shape());
  if (src.size() == 0) return dst;
  if (device.host_addressable) {
    read_bytes(packed, const_cast<void*>(dst.raw_data()));
  } else if (!from.host_addressable) {
    between(dst, packed);
  } else if (non_blocking) {
    from_host_later(dst, packed);
  } else {
    write_bytes(dst, packed.raw_data());
  }
  return dst;
}

bool Tensor::is_pinned() const {
  const Storage& s = *impl_->storage;
  return s.kind == Storage::kExternal && s.release_owner == &release_pinned;
}

Tensor pinned_copy(const Tensor& src, DeviceState& device) {
  Tensor dst = new_pinned(device, src.dtype(), src.shape());
  raw_copy(dst, src);
  return dst;
}

}  // namespace tenon
