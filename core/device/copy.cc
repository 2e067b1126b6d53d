#include "tenon/device/copy.h"

#include <cstring>

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

void copy_to_host(StreamState& stream, void* dst, TenonBuffer src, uint64_t src_offset,
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
  if (!device.synchronous) synchronize(stream, "copy to host");
}

void copy_from_host(StreamState& stream, TenonBuffer dst, uint64_t dst_offset, const void* src,
                    uint64_t bytes) {
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
  if (!device.synchronous)
    synchronize(stream, "copy from host");  // `src` must live until the copy is done
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
