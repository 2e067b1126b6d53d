#include "tenon/tensor/alias_check.h"

#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <string_view>

#include "tenon/tensor/impl.h"

namespace tenon {
namespace {

constexpr const char* kWriter = "code outside of Tenon, through memory shared with it";

struct Seen {
  uint32_t version;
  uint64_t checksum;
};
// Leaked on purpose: tensors may be used during exit. A storage's entry stays when it dies; the
// next one at its address replaces it when it is marked.
struct Table {
  std::mutex mutex;
  std::map<const Storage*, Seen> seen;
};
Table& table() {
  static Table* t = new Table;
  return *t;
}

bool enabled() {
  static const bool on = [] {
    const char* value = std::getenv("TENON_CHECK_ALIAS");
    return value != nullptr && std::string_view(value) == "1";
  }();
  return on;
}

// Not cryptographic: every byte and its place count. 8 bytes a step.
uint64_t checksum_of(const Storage& s) {
  const std::byte* data = s.host_data();
  uint64_t sum = s.bytes;
  for (uint64_t i = 0; i < s.bytes; i += 8) {
    uint64_t word = 0;
    std::memcpy(&word, data + i, s.bytes - i < 8 ? s.bytes - i : 8);
    sum = (sum ^ word) * 0x9e3779b97f4a7c15u;
    sum ^= sum >> 29;
  }
  return sum;
}

}  // namespace

void mark_externally_writable(const Tensor& x) {
  if (!enabled()) return;
  Storage& s = *x.impl()->storage;
  if (s.read_only || !s.device->host_addressable || s.bytes == 0) return;
  if (s.externally_writable) return count_external_write(s);
  Table& t = table();
  std::lock_guard<std::mutex> lock(t.mutex);
  t.seen[&s] = {s.version.load(std::memory_order_acquire), checksum_of(s)};
  s.externally_writable = true;
}

void count_external_write(Storage& s) {
  Table& t = table();
  std::lock_guard<std::mutex> lock(t.mutex);
  Seen& seen = t.seen[&s];
  const uint64_t checksum = checksum_of(s);
  if (seen.version == s.version.load(std::memory_order_acquire) && seen.checksum != checksum) {
    s.version.fetch_add(1, std::memory_order_acq_rel);
    s.last_writer.store(kWriter, std::memory_order_relaxed);
  }
  seen = {s.version.load(std::memory_order_acquire), checksum};
}

}  // namespace tenon
