// Bytes between memories, in stream order.
#ifndef TENON_DEVICE_COPY_H_
#define TENON_DEVICE_COPY_H_

#include <cstdint>

#include "tenon/abi/tenon_backend.h"
#include "tenon/device/stream.h"

namespace tenon {

// Reads `bytes` from a device into host memory and waits for them.
void copy_to_host(StreamState& stream, void* dst, TenonBuffer src, uint64_t src_offset,
                  uint64_t bytes);
// Writes host memory to a device. Returns when `src` may be changed or freed.
void copy_from_host(StreamState& stream, TenonBuffer dst, uint64_t dst_offset, const void* src,
                    uint64_t bytes);
// The same without waiting: the host memory stays alive and unchanged, or unread, until the stream
// has done it (in_flight.h keeps it).
void enqueue_copy_to_host(StreamState& stream, void* dst, TenonBuffer src, uint64_t src_offset,
                          uint64_t bytes);
void enqueue_copy_from_host(StreamState& stream, TenonBuffer dst, uint64_t dst_offset,
                            const void* src, uint64_t bytes);
// From `src_stream`'s device to another one; waits. Directly where both are of one backend that
// can, else through the host.
void copy_between_devices(StreamState& dst_stream, TenonBuffer dst, uint64_t dst_offset,
                          StreamState& src_stream, TenonBuffer src, uint64_t src_offset,
                          uint64_t bytes);
// Within one device, in stream order; no overlap.
void copy_on_device(StreamState& stream, TenonBuffer dst, uint64_t dst_offset, TenonBuffer src,
                    uint64_t src_offset, uint64_t bytes);

}  // namespace tenon

#endif  // TENON_DEVICE_COPY_H_
