#include "tenon/device/copy.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>

namespace tenon {
namespace {

// Up to here the call into the backend costs more than it can gain; above, it may use several
// threads.
constexpr uint64_t kPlainCopy = 64 << 10;

const void* host_address(TenonBuffer buffer, uint64_t offset) {
  return reinterpret_cast<const void*>(buffer + offset);
}

void check(StreamState& stream, const char* name, TenonStatus status) {
  if (status == TENON_OK) return;
  TenonError error = new_error();
  throw_status(stream.device, name, status, error);  // UNSUPPORTED: a copy has no other way
}

}  // namespace

void enqueue_copy_to_host(StreamState& stream, void* dst, TenonBuffer src, uint64_t src_offset,
                          uint64_t bytes) {
  if (bytes == 0) return;
  DeviceState& device = stream.device;
  if (device.host_addressable && bytes <= kPlainCopy) {
    memcpy(dst, host_address(src, src_offset), bytes);
    return;
  }
  check(stream, "copy to host",
        enqueue(stream, "copy to host", [&](TenonStream s, TenonError* error) {
          return device.tables->core.copy_d2h(device.handle, s, dst, src, src_offset, bytes, error);
        }));
}

void copy_to_host(StreamState& stream, void* dst, TenonBuffer src, uint64_t src_offset,
                  uint64_t bytes) {
  enqueue_copy_to_host(stream, dst, src, src_offset, bytes);
  if (bytes != 0 && !stream.device.synchronous) synchronize(stream, "copy to host");
}

void enqueue_copy_from_host(StreamState& stream, TenonBuffer dst, uint64_t dst_offset,
                            const void* src, uint64_t bytes) {
  if (bytes == 0) return;
  DeviceState& device = stream.device;
  if (device.host_addressable && bytes <= kPlainCopy) {
    memcpy(const_cast<void*>(host_address(dst, dst_offset)), src, bytes);
    return;
  }
  check(stream, "copy from host",
        enqueue(stream, "copy from host", [&](TenonStream s, TenonError* error) {
          return device.tables->core.copy_h2d(device.handle, s, dst, dst_offset, src, bytes, error);
        }));
}

void copy_from_host(StreamState& stream, TenonBuffer dst, uint64_t dst_offset, const void* src,
                    uint64_t bytes) {
  enqueue_copy_from_host(stream, dst, dst_offset, src, bytes);
  // `src` must live until the copy is done.
  if (bytes != 0 && !stream.device.synchronous) synchronize(stream, "copy from host");
}

void copy_between_devices(StreamState& dst_stream, TenonBuffer dst, uint64_t dst_offset,
                          StreamState& src_stream, TenonBuffer src, uint64_t src_offset,
                          uint64_t bytes) {
  if (bytes == 0) return;
  DeviceState &to = dst_stream.device, &from = src_stream.device;
  if (to.tables == from.tables && to.tables->memory.copy_peer) {
    synchronize(src_stream, "copy between devices");
    const TenonStatus status =
        enqueue(dst_stream, "copy between devices", [&](TenonStream s, TenonError* error) {
          return to.tables->memory.copy_peer(to.handle, s, dst, dst_offset, from.handle, src,
                                             src_offset, bytes, error);
        });
    if (status == TENON_OK) {
      synchronize(dst_stream, "copy between devices");
      return;
    }  // UNSUPPORTED: these two cannot
  }
  // In pieces, so that a large tensor needs no third copy of itself.
  constexpr uint64_t kPiece = 16 << 20;
  const auto piece = std::make_unique_for_overwrite<std::byte[]>(std::min(bytes, kPiece));
  for (uint64_t at = 0; at < bytes; at += kPiece) {
    const uint64_t n = std::min(kPiece, bytes - at);
    copy_to_host(src_stream, piece.get(), src, src_offset + at, n);
    copy_from_host(dst_stream, dst, dst_offset + at, piece.get(), n);
  }
}

void copy_on_device(StreamState& stream, TenonBuffer dst, uint64_t dst_offset, TenonBuffer src,
                    uint64_t src_offset, uint64_t bytes) {
  if (bytes == 0) return;
  DeviceState& device = stream.device;
  if (device.host_addressable && bytes <= kPlainCopy) {
    memcpy(const_cast<void*>(host_address(dst, dst_offset)), host_address(src, src_offset), bytes);
    return;
  }
  check(stream, "copy", enqueue(stream, "copy", [&](TenonStream s, TenonError* error) {
          return device.tables->core.copy_d2d(device.handle, s, dst, dst_offset, src, src_offset,
                                              bytes, error);
        }));
}

}  // namespace tenon
