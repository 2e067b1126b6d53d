#include "tenon/device/fallback.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>

#include "tenon/device/backend.h"
#include "tenon/device/copy.h"
#include "tenon/device/host_services.h"
#include "tenon/device/plan.h"
#include "tenon/device/stream_pool.h"

namespace tenon {
namespace {

constinit std::mutex count_mutex;
std::map<std::pair<std::string, std::string>, uint64_t>& counts() {
  static auto* map = new std::map<std::pair<std::string, std::string>, uint64_t>();  // leaked
  return *map;
}

}  // namespace

namespace detail {
std::mutex& fallback_mutex() { return count_mutex; }
}  // namespace detail

std::vector<FallbackCount> fallback_counts() {
  std::lock_guard<std::mutex> lock(count_mutex);
  std::vector<FallbackCount> result;
  for (const auto& [key, count] : counts()) result.push_back({key.first, key.second, count});
  return result;
}

DeviceState& begin_fallback(DeviceState& device, std::string_view operation,
                            std::string_view reason) {
  DeviceState* host = host_device();
  if (!host || host == &device) {
    fail(ErrorCode::kUnsupported, operation, device.text, " does not support this: ", reason,
         host ? "" : "; there is no cpu backend that could do it on the host");
  }
  const char* policy = getenv("TENON_FALLBACK");
  if (policy && strcmp(policy, "error") == 0) {
    fail(ErrorCode::kUnsupported, operation, device.text, " does not support this (", reason,
         ") and TENON_FALLBACK=error forbids running it on the host; set TENON_FALLBACK=warn to "
         "allow it, or move the "
         "tensors to cpu");
  }
  uint64_t count;
  {
    std::lock_guard<std::mutex> lock(count_mutex);
    count = ++counts()[{device.text, std::string(operation)}];
  }
  if (count == 1 && !(policy && strcmp(policy, "silent") == 0)) {
    log_line(LogLevel::kWarning, concat_text(operation, " on ", device.text,
                                             " runs on the host, which copies its operands "
                                             "there and back (",
                                             reason, "); said once; TENON_FALLBACK=silent|error"));
  }
  return *host;
}

// ---- copies
// ------------------------------------------------------------------------------------------

HostCopies::~HostCopies() {
  if (in_flight_) {  // something threw between the copies: they may still be using our memory
    TenonError error = new_error();
    wait_for_stream(stream_, &error);
  }
  for (const Piece& p : pieces_) release(p.copy);
}

void HostCopies::add(TenonBuffer buffer, uint64_t offset, uint32_t item, uint32_t rank,
                     const int64_t* sizes, const int64_t* strides, bool written) {
  int64_t low = 0, high = 0;  // elements
  for (uint32_t d = 0; d < rank; ++d) {
    const int64_t span = (sizes[d] - 1) * strides[d];
    (span < 0 ? low : high) += span;
  }
  const uint64_t begin = offset + static_cast<uint64_t>(low * int64_t{item});
  const uint64_t end = offset + static_cast<uint64_t>((high + 1) * int64_t{item});
  pieces_.push_back({buffer, begin, end, written, {}});
}

void HostCopies::read() {
  if (stream_.device.host_addressable) {
    pieces_.clear();
    return;
  }
  // One copy of what overlaps: operands that share memory must go on sharing it, and two that
  // interleave must not overwrite each other on the way back.
  std::sort(pieces_.begin(), pieces_.end(), [](const Piece& a, const Piece& b) {
    return a.buffer != b.buffer ? a.buffer < b.buffer : a.begin < b.begin;
  });
  std::vector<Piece> merged;
  for (const Piece& p : pieces_) {
    if (!merged.empty() && merged.back().buffer == p.buffer && p.begin < merged.back().end) {
      merged.back().end = std::max(merged.back().end, p.end);
      merged.back().written |= p.written;
    } else {
      merged.push_back(p);
    }
  }
  pieces_ = std::move(merged);
  DeviceState& device = stream_.device;
  for (Piece& p : pieces_) p.copy = allocate(host_, *host_.default_stream, p.end - p.begin);
  in_flight_ = true;
  for (const Piece& p : pieces_) {
    void* to = reinterpret_cast<void*>(p.copy.buffer + p.copy.offset);
    const TenonStatus status =
        enqueue(stream_, "copy to host", [&](TenonStream s, TenonError* error) {
          return device.tables->core.copy_d2h(device.handle, s, to, p.buffer, p.begin,
                                              p.end - p.begin, error);
        });
    if (status != TENON_OK) throw_status(device, "copy to host", status, "a copy was refused");
  }
  synchronize(stream_, "copy to host");
  in_flight_ = false;
}

TenonBuffer HostCopies::address(TenonBuffer buffer, uint64_t offset) const {
  if (stream_.device.host_addressable) return buffer + offset;
  for (const Piece& p : pieces_) {
    if (p.buffer == buffer && p.begin <= offset && offset < p.end) {
      return p.copy.buffer + p.copy.offset + (offset - p.begin);
    }
  }
  fail(ErrorCode::kBackend, "fallback", "internal error: an operand was not copied");
}

void HostCopies::write_back() {
  DeviceState& device = stream_.device;
  in_flight_ = true;
  for (const Piece& p : pieces_) {
    if (!p.written) continue;
    const void* from = reinterpret_cast<const void*>(p.copy.buffer + p.copy.offset);
    const TenonStatus status =
        enqueue(stream_, "copy from host", [&](TenonStream s, TenonError* error) {
          return device.tables->core.copy_h2d(device.handle, s, p.buffer, p.begin, from,
                                              p.end - p.begin, error);
        });
    if (status != TENON_OK) throw_status(device, "copy from host", status, "a copy was refused");
  }
  synchronize(stream_, "copy from host");  // the copies are released next
  in_flight_ = false;
}

// ---- kernels
// -----------------------------------------------------------------------------------------

void launch_on_host(StreamState& stream, const map::Kernel& kernel, const TenonLaunch& launch,
                    std::string_view reason) {
  DeviceState& host = begin_fallback(stream.device, kernel.name, reason);
  const Plan& plan = plan_for(host, kernel);
  HostCopies copies(stream, host);
  const size_t n_inputs = kernel.input_count();
  for (uint32_t i = 0; i < launch.n_operands; ++i) {
    const TenonOperand& o = launch.operands[i];
    copies.add(o.buffer, o.offset, static_cast<uint32_t>(item_size(static_cast<DType>(o.dtype))),
               launch.rank, launch.sizes, o.strides, i >= n_inputs);
  }
  copies.read();
  std::vector<TenonOperand> operands(launch.operands, launch.operands + launch.n_operands);
  for (TenonOperand& o : operands) {
    o.buffer = copies.address(o.buffer, o.offset);
    o.offset = 0;
  }
  TenonLaunch on_host = launch;
  on_host.operands = operands.data();
  run(plan, *host.default_stream, on_host);
  copies.write_back();
}

}  // namespace tenon
