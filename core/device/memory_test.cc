// Proves the memory cache: classes, reuse in stream order only, waiting for other streams, slabs,
// running out of memory, limits, statistics, threads.
#include "tenon/device/memory.h"

#include <gtest/gtest.h>

#include <thread>

#include "tenon/device/builtin.h"
#include "tenon/device/copy.h"
#include "tenon/device/fake_backend.h"
#include "tenon/device/memory_cache.h"
#include "tenon/device/size_class.h"

namespace tenon {
namespace {

using Host = testing::Fake<0>;   // cpu
using Async = testing::Fake<1>;  // memory of its own, lazy streams
using Sync = testing::Fake<2>;   // memory of its own, no streams, alignment 4096

}  // namespace

std::span<const TenonEntryFn> builtin_backends() {
  static const TenonEntryFn entries[] = {Host::entry, Async::entry, Sync::entry};
  Host::settings().name = "cpu";
  Host::settings().host_addressable = true;
  Async::settings().name = "lazy";
  Async::settings().asynchronous = true;
  Async::settings().devices = 16;  // one per test, so that each starts with an empty cache
  Sync::settings().name = "plain";
  Sync::settings().devices = 16;
  Sync::settings().min_alignment = 4096;
  return entries;
}

namespace {

// A device that no other test has used.
Device fresh(const char* backend) {
  static int next = 0;
  return Device(concat_text(backend, ":", next++ % 16));
}
Memory get(Device d, uint64_t bytes) {
  return allocate(d.state(), *d.state().default_stream, bytes);
}

TEST(SizeClass, IsTightAndMonotone) {
  unsigned last = 0;
  for (uint64_t n = 1; n < (1 << 20); n += n < 5000 ? 1 : 97) {
    const unsigned c = size_class(n);
    ASSERT_GE(class_bytes(c), n);
    ASSERT_GE(c, last);
    ASSERT_TRUE(c == 0 || class_bytes(c - 1) < n);
    ASSERT_TRUE(n <= 512 || class_bytes(c) - n <= n / 8 + 1);
    ASSERT_EQ(class_bytes(c) % 64, 0u);
    last = c;
  }
  for (unsigned c = 0; c < kSizeClasses; ++c) ASSERT_EQ(size_class(class_bytes(c)), c);
}

TEST(Memory, ReleasedBlocksAreReusedAtOnceOnTheSameStream) {
  for (Device d : {Device("cpu"), fresh("lazy"), fresh("plain")}) {
    const Memory a = get(d, 1000);
    release(a);
    const Memory b = get(d, 990);
    EXPECT_EQ(a.block, b.block);
    const Memory c = get(d, 990);
    EXPECT_NE(b.block, c.block);
    release(b);
    release(c);
  }
}

TEST(Memory, IsAlignedAndDisjoint) {
  for (Device d : {Device("cpu"), fresh("plain")}) {
    const uint64_t alignment = std::max<uint64_t>(64, d.state().props.min_alignment);
    std::vector<Memory> all;
    std::map<uint64_t, uint64_t> spans;  // begin, end
    for (uint64_t bytes : {1, 63, 64, 65, 100, 4097, 5000, 70000, 200000, 3000000}) {
      for (int i = 0; i < 5; ++i) {
        const Memory m = get(d, bytes);
        const auto address =
            reinterpret_cast<uint64_t>(d.host_addressable() ? Host::address(m.buffer)
                                                            : Sync::address(m.buffer)) +
            m.offset;
        EXPECT_EQ(address % alignment, 0u) << bytes;
        spans[address] = address + bytes;
        all.push_back(m);
      }
    }
    uint64_t end = 0;
    for (auto [b, e] : spans) {
      EXPECT_GE(b, end);
      end = e;
    }
    for (const Memory& m : all) release(m);
  }
}

TEST(Memory, ABlockOfOneStreamIsNotHandedToAnother) {
  const Device d = fresh("lazy");
  const Stream s(d);
  const Memory a = get(d, 1 << 20);
  release(a);
  const Memory b = allocate(d.state(), s.state(), 1 << 20);
  EXPECT_NE(a.block, b.block);
  release(b);
}

TEST(Memory, WorkOnAnotherStreamDelaysReuse) {
  const Device d = fresh("lazy");
  const Stream other(d);
  const Memory source = get(d, 64), target = allocate(d.state(), other.state(), 64);
  int ones[16], got[16] = {};
  std::fill_n(ones, 16, 1);
  copy_from_host(*d.state().default_stream, source.buffer, source.offset, ones, sizeof ones);
  copy_on_device(other.state(), target.buffer, target.offset, source.buffer, source.offset,
                 64);  // has not run yet
  record_use(source, other.state());
  release(source);
  const Memory next = get(d, 64);
  EXPECT_NE(next.block, source.block);  // still read by `other`
  const int twos[16] = {2};
  copy_from_host(*d.state().default_stream, next.buffer, next.offset, twos, sizeof twos);
  copy_to_host(other.state(), got, target.buffer, target.offset, sizeof got);
  EXPECT_EQ(got[0], 1);
  const Memory after = get(d, 64);  // by now the event is done
  EXPECT_EQ(after.block, source.block);
  release(next);
  release(after);
  release(target);
}

TEST(Memory, SmallRequestsShareRawAllocations) {
  const Device d = fresh("lazy");
  std::vector<Memory> all;
  for (int i = 0; i < 1000; ++i) all.push_back(get(d, 1024));
  EXPECT_EQ(memory_stats(d).raw_allocations, 1u);
  EXPECT_EQ(memory_stats(d).in_use, 1024u * 1000);
  for (size_t i = 1; i < all.size(); ++i) release(all[i]);
  empty_cache(d);
  EXPECT_EQ(memory_stats(d).raw_frees, 0u);  // one block of the slab is still out
  release(all[0]);
  empty_cache(d);
  EXPECT_EQ(memory_stats(d).raw_frees, 1u);
  EXPECT_EQ(memory_stats(d).reserved, 0u);
  const Memory again = get(d, 1024);
  EXPECT_EQ(memory_stats(d).raw_allocations, 2u);
  release(again);
}

TEST(Memory, StatisticsAddUp) {
  const Device d = fresh("plain");
  const Memory a = get(d, 1 << 20), b = get(d, 3 << 20);
  MemoryStats s = memory_stats(d);
  EXPECT_EQ(s.in_use, 4u << 20);
  EXPECT_EQ(s.reserved, 4u << 20);
  release(a);
  release(b);
  s = memory_stats(d);
  EXPECT_EQ(s.in_use, 0u);
  EXPECT_EQ(s.peak_in_use, 4u << 20);
  EXPECT_EQ(s.reserved, 4u << 20);
  EXPECT_EQ(s.allocations, 2u);
  empty_cache(d);
  s = memory_stats(d);
  EXPECT_EQ(s.reserved, 0u);
  EXPECT_EQ(s.raw_frees, 2u);
}

TEST(Memory, AFullDeviceGivesTheCacheBackAndTriesOnceMore) {
  const Device d = fresh("lazy");
  auto& fake = Async::counters();
  const int64_t before = fake.live_bytes;
  fake.limit = before + (10 << 20);
  const Stream other(d);
  Memory a = get(d, 6 << 20);
  record_use(a, other.state());
  release(a);  // cached only after an event of `other`
  const Memory b = get(d, 8 << 20);
  EXPECT_EQ(memory_stats(d).retries, 1u);
  EXPECT_EQ(fake.live_bytes - before, 8 << 20);
  release(b);
  fake.limit = INT64_MAX;
}

TEST(Memory, TheReportOfAFullDeviceNamesWhatMatters) {
  const Device d = fresh("lazy");
  const Memory a = get(d, 2 << 20);
  Async::counters().limit = 0;
  try {
    get(d, 3 << 20);
    ADD_FAILURE();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kOutOfMemory);
    const std::string text = e.what();
    for (const std::string& piece :
         {std::string("out of memory on ") + d.text(),
          std::string("asked for 3.00 MiB (3145728 bytes)"),
          std::string("in use 2.00 MiB in 1 block"), std::string("cached 0 B"),
          std::string("peak in use 2.00 MiB"), std::string("1.00 MiB free of 1.00 GiB"),
          std::string("the fake has no room for 3145728 bytes")}) {
      EXPECT_NE(text.find(piece), std::string::npos) << piece << " in " << text;
    }
  }
  Async::counters().limit = INT64_MAX;
  release(a);
  release(get(d, 3 << 20));
}

TEST(Memory, ImpossibleSizesAreRefusedToo) {
  for (uint64_t bytes : {uint64_t{0}, ~uint64_t{0}, ~uint64_t{0} - 4096, uint64_t{1} << 60}) {
    EXPECT_THROW(get(Device("cpu"), bytes), Error) << bytes;
  }
}

TEST(Memory, TheHostKeepsABoundedCache) {
  const Device d("cpu");
  empty_cache(d);
  const uint64_t before = memory_stats(d).reserved;
  std::vector<Memory> all;
  // 40 sizes that do not replace each other, 4.8 GiB in all, never more than one at a time.
  for (uint64_t i = 0; i < 40; ++i) release(get(d, (64 + i * 16) << 18));
  EXPECT_LE(memory_stats(d).reserved - before, uint64_t{1} << 30);
  // A size in use again and again stays.
  const uint64_t raw = memory_stats(d).raw_allocations;
  for (int i = 0; i < 10; ++i) release(get(d, 50 << 20));
  EXPECT_LE(memory_stats(d).raw_allocations, raw + 1);
  empty_cache(d);
}

TEST(Memory, ManyThreads) {
  for (Device d : {Device("cpu"), fresh("lazy")}) {
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([d, t] {
        const Stream own(d);
        std::vector<Memory> held;
        uint64_t random = static_cast<uint64_t>(t) * 77 + 1;
        for (int i = 0; i < 4000; ++i) {
          random = random * 6364136223846793005u + 1442695040888963407u;
          if (held.size() > 20 || (random >> 60) < 6) {
            if (held.empty()) continue;
            if ((random >> 40) % 8 == 0) record_use(held.back(), *d.state().default_stream);
            release(held.back());
            held.pop_back();
          } else {
            held.push_back(
                allocate(d.state(), own.state(),
                         1 + (random >> 33) % ((random >> 20) % 16 == 0 ? 4000000 : 3000)));
          }
          if (i % 1000 == 999) empty_cache(d);
        }
        for (const Memory& m : held) release(m);
      });
    }
    for (auto& t : threads) t.join();
    synchronize(d);
    EXPECT_EQ(memory_stats(d).in_use, 0u);
    empty_cache(d);
    EXPECT_EQ(memory_stats(d).reserved, 0u);
  }
}

TEST(Memory, NoLockIsHeldInThePlugin) {
  const Device d = fresh("plain");
  static Device* device;
  Device copy = d;
  device = &copy;
  Sync::counters().in_alloc = [] { memory_stats(*device); };  // takes the cache's lock
  release(get(d, 5 << 20));
  Sync::counters().in_alloc = nullptr;
}

}  // namespace
}  // namespace tenon
