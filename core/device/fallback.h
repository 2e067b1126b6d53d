// Work that a device cannot do, done by the CPU backend on copies. Inside the device floor.
//
// Copied are the bytes that the operands span, overlapping ones as one piece, so that gaps between
// strided elements keep their value and operands that share memory still do. On a HOST_ADDRESSABLE
// device nothing is copied.
#ifndef TENON_DEVICE_FALLBACK_H_
#define TENON_DEVICE_FALLBACK_H_

#include <cstdint>
#include <mutex>
#include <string_view>
#include <vector>

#include "tenon/device/device_state.h"
#include "tenon/device/memory.h"
#include "tenon/device/stream.h"
#include "tenon/map/program.h"

namespace tenon {

// Counts one fallback; warns once per device and operation, or throws, as TENON_FALLBACK says.
// Returns the host. Throws kUnsupported too when there is no other device than the host itself.
DeviceState& begin_fallback(DeviceState& device, std::string_view operation,
                            std::string_view reason);

// Runs the kernel on the host with the device's operands. Waits for it.
void launch_on_host(StreamState& stream, const map::Kernel& kernel, const TenonLaunch& launch,
                    std::string_view reason);

// Host copies of the memory that some operands span.
class HostCopies {
 public:
  HostCopies(StreamState& stream, DeviceState& host) : stream_(stream), host_(host) {}
  ~HostCopies();
  HostCopies(const HostCopies&) = delete;
  HostCopies& operator=(const HostCopies&) = delete;

  // Elements of `item` bytes at `offset` + position * strides. Sizes are positive.
  void add(TenonBuffer buffer, uint64_t offset, uint32_t item, uint32_t rank, const int64_t* sizes,
           const int64_t* strides, bool written);
  // Fetches everything that was added.
  void read();
  // Where the host finds what lies at (buffer, offset) on the device.
  TenonBuffer address(TenonBuffer buffer, uint64_t offset) const;
  // Brings the pieces with written operands back.
  void write_back();

 private:
  struct Piece {
    TenonBuffer buffer;
    uint64_t begin, end;  // bytes
    bool written;
    Memory copy;
  };
  StreamState& stream_;
  DeviceState& host_;
  std::vector<Piece> pieces_;
  bool in_flight_ = false;  // copies may have been enqueued and not waited for
};

namespace detail {
std::mutex& fallback_mutex();  // for fork.cc
}

}  // namespace tenon

#endif  // TENON_DEVICE_FALLBACK_H_
