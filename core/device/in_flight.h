// What asynchronous copies still need: host memory and storages that must outlive work in flight.
//
//   keep_until_done(stream, &release, context);   // release(context) after all work enqueued so
//   far
//
// The callback runs once, on whatever thread finds the work done: in the next keep_until_done() of
// the device, in a synchronize() of its stream or device, or when memory runs short. On a
// synchronous device it runs at once. Work that failed is done too. Thread-safe.
#ifndef TENON_DEVICE_IN_FLIGHT_H_
#define TENON_DEVICE_IN_FLIGHT_H_

#include "tenon/device/stream.h"

namespace tenon {

// Takes `context` over, also if it throws (then the work was waited for).
void keep_until_done(StreamState& stream, void (*release)(void* context) noexcept, void* context);

// Releases what is done. Cheap when nothing is in flight.
void release_finished(DeviceState& device) noexcept;

}  // namespace tenon

#endif  // TENON_DEVICE_IN_FLIGHT_H_
