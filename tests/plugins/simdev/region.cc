#include "tests/plugins/simdev/region.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace simdev {
namespace {

constexpr int kPoison = 0xff;  // every float dtype: NaN
constexpr uint64_t kPoisonBytes =
    1u << 20;  // the rest of a large region stays untouched, hence unbacked

}  // namespace

std::shared_ptr<Region> Region::Map(uint64_t bytes) {
  const auto page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  if (bytes > (uint64_t{1} << 46)) return nullptr;
  const uint64_t mapped = (bytes + page - 1) / page * page;
  void* memory = mmap(nullptr, mapped, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  std::memset(memory, kPoison, std::min(mapped, kPoisonBytes));
  mprotect(memory, mapped, PROT_NONE);
  return std::shared_ptr<Region>(new Region(static_cast<char*>(memory), bytes, mapped));
}

Region::~Region() { munmap(address_, mapped_); }

bool Region::Open() {
  std::lock_guard lock(mutex_);
  if (freed_) return false;
  if (users_++ == 0) mprotect(address_, mapped_, PROT_READ | PROT_WRITE);
  return true;
}

bool Region::Close() {
  std::lock_guard lock(mutex_);
  if (--users_ == 0) mprotect(address_, mapped_, PROT_NONE);
  return !freed_;
}

void Region::Free() {
  std::lock_guard lock(mutex_);
  freed_ = true;
}

}  // namespace simdev
