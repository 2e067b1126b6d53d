// Proves on a real device that streams, events and the memory cache keep each other right: random
// work on several streams, with buffers that are released while others still use them, gives what
// the same work in a row gives.
#include <gtest/gtest.h>

#include <random>
#include <thread>

#include "tenon/device/copy.h"
#include "tenon/device/memory.h"
#include "tenon/device/plan.h"
#include "tenon/device/stream.h"
#include "tenon/map/builder.h"
#include "tests/test_device.h"

namespace tenon {
namespace {

constexpr int kBuffers = 6, kElements = 300, kStreams = 3;

const Plan& multiply_add(Device d) {
  map::Builder b;
  map::Kernel k;
  k.name = "multiply_add";
  const map::Value x = b.input(DType::int32), y = b.input(DType::int32);
  const map::Value product = b.emit(TENON_OP_MUL, DType::int32, x, b.constant(3, DType::int32));
  k.program = b.finish({b.emit(TENON_OP_ADD, DType::int32, product, y)});
  return plan_for(d.state(), k);
}

class RandomWork {
 public:
  RandomWork(Device device, unsigned seed) : device_(device), random_(seed) {
    for (int i = 0; i < kStreams; ++i) streams_.emplace_back(device);
    for (int i = 0; i < kBuffers; ++i) {
      expected_.emplace_back(kElements, i);
      owner_.push_back(i % kStreams);
      memory_.push_back(allocate(device.state(), stream(owner_[i]), kElements * 4));
      copy_from_host(stream(owner_[i]), memory_[i].buffer, memory_[i].offset, expected_[i].data(),
                     kElements * 4);
      last_.push_back(streams_[owner_[i]].record());
    }
  }
  ~RandomWork() {
    for (const Memory& m : memory_) release(m);
  }

  // to = from * 3 + to, or a copy into fresh memory, on any stream.
  void step() {
    const int on = pick(kStreams), from = pick(kBuffers), to = pick(kBuffers);
    if (from == to) return;
    streams_[on].wait(last_[from]);
    streams_[on].wait(last_[to]);
    if (pick(3) != 0) {
      TenonOperand o[3] = {operand(from), operand(to), operand(to)};
      TenonLaunch l{};
      l.size = sizeof l;
      l.flags = TENON_LAUNCH_MAY_ALIAS;
      l.rank = 1;
      l.sizes[0] = kElements;
      l.n_operands = 3;
      l.operands = o;
      run(multiply_add(device_), stream(on), l);
      for (int i = 0; i < kElements; ++i) {
        expected_[to][i] = static_cast<int>(static_cast<unsigned>(expected_[from][i]) * 3u +
                                            static_cast<unsigned>(expected_[to][i]));
      }
    } else {
      const Memory fresh = allocate(device_.state(), stream(on), kElements * 4);
      copy_on_device(stream(on), fresh.buffer, fresh.offset, memory_[from].buffer,
                     memory_[from].offset, kElements * 4);
      release(memory_[to]);  // its users are known by record_use
      memory_[to] = fresh;
      expected_[to] = expected_[from];
    }
    record_use(memory_[from], stream(on));
    record_use(memory_[to], stream(on));
    // Both: who writes `from` next must wait for this reader.
    last_[from] = last_[to] = streams_[on].record();
  }

  void check() {
    for (int i = 0; i < kBuffers; ++i) {
      std::vector<int> got(kElements);
      streams_[0].wait(last_[i]);
      copy_to_host(stream(0), got.data(), memory_[i].buffer, memory_[i].offset, kElements * 4);
      ASSERT_EQ(got, expected_[i]) << i;
    }
  }

 private:
  int pick(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }
  StreamState& stream(int i) { return streams_[i].state(); }
  TenonOperand operand(int i) const {
    TenonOperand o{};
    o.buffer = memory_[i].buffer;
    o.offset = memory_[i].offset;
    o.dtype = TENON_I32;
    o.strides[0] = 1;
    return o;
  }

  Device device_;
  std::mt19937 random_;
  std::vector<Stream> streams_;
  std::vector<std::vector<int>> expected_;
  std::vector<int> owner_;
  std::vector<Memory> memory_;
  std::vector<Event> last_;
};

TEST(Asynchrony, RandomWorkGivesWhatSerialWorkGives) {
  const Device d = test_device();
  for (unsigned seed = 0; seed < 20; ++seed) {
    RandomWork work(d, seed);
    for (int i = 0; i < 100; ++i) work.step();
    work.check();
  }
  synchronize(d);
}

TEST(Asynchrony, SeveralThreadsEachWithStreamsOfItsOwn) {
  const Device d = test_device();
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 4; ++t) {
    threads.emplace_back([d, t] {
      for (unsigned round = 0; round < 3; ++round) {
        RandomWork work(d, 100 * t + round);
        for (int i = 0; i < 60; ++i) work.step();
        work.check();
      }
    });
  }
  for (auto& t : threads) t.join();
  synchronize(d);
  empty_cache(d);
  EXPECT_EQ(memory_stats(d).in_use, 0u);
  EXPECT_EQ(memory_stats(d).reserved, 0u);
}

}  // namespace
}  // namespace tenon
