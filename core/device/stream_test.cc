// Proves streams and events on a device whose work waits until somebody waits for it, late errors
// with the names of the launches, TENON_SYNC, lost devices, recycled streams, scopes, and the
// serialisation of calls.
#include "tenon/device/stream.h"

#include <gtest/gtest.h>

#include <thread>

#include "tenon/device/builtin.h"
#include "tenon/device/copy.h"
#include "tenon/device/fake_backend.h"
#include "tenon/device/memory.h"
#include "tenon/device/plan.h"
#include "tenon/map/builder.h"

namespace tenon {
namespace {

using Lazy = testing::Fake<0>;
using Host = testing::Fake<1>;
using Doomed = testing::Fake<2>;
using Timid = testing::Fake<3>;

}  // namespace

std::span<const TenonEntryFn> builtin_backends() {
  static const TenonEntryFn entries[] = {Lazy::entry, Host::entry, Doomed::entry, Timid::entry};
  Lazy::settings().name = "lazy";
  Lazy::settings().asynchronous = true;
  Lazy::settings().devices = 2;
  Host::settings().name = "cpu";
  Host::settings().host_addressable = true;
  Doomed::settings().name = "doomed";
  Timid::settings().name = "timid";
  Timid::settings().flags = TENON_BACKEND_SERIALIZE_CALLS;
  return entries;
}

namespace {

#define EXPECT_HAS(text, piece) \
  EXPECT_NE(std::string(text).find(piece), std::string::npos) << (text)

const Plan& add_one(Device d, const char* name = "add_one") {
  map::Builder b;
  map::Kernel k;
  k.name = name;
  const map::Value x = b.input(DType::float32);
  // The name is not part of a kernel, so kernels of two names need two contents.
  k.program = b.finish(
      {b.emit(TENON_OP_ADD, DType::float32, x, b.constant(1 + (name[0] == 'c'), DType::float32))});
  return plan_for(d.state(), k);
}

// One float on a device.
struct Cell {
  Device device;
  Memory memory;
  explicit Cell(Device d) : device(d), memory(allocate(d.state(), current_stream(d.state()), 4)) {}
  ~Cell() { release(memory); }
  void set(float value) {
    copy_from_host(current_stream(device.state()), memory.buffer, memory.offset, &value, 4);
  }
  float get() {
    float value;
    copy_to_host(current_stream(device.state()), &value, memory.buffer, memory.offset, 4);
    return value;
  }
  void launch(const Plan& plan) {
    TenonOperand o[2] = {};
    o[0].buffer = o[1].buffer = memory.buffer;
    o[0].offset = o[1].offset = memory.offset;
    o[0].dtype = o[1].dtype = TENON_F32;
    TenonLaunch l{};
    l.size = sizeof l;
    l.flags = TENON_LAUNCH_MAY_ALIAS;
    l.n_operands = 2;
    l.operands = o;
    run(plan, current_stream(device.state()), l);
  }
};

TEST(Stream, IdleOnlyWhenItsWorkIsDone) {
  const Device d("lazy");
  const Stream s(d);
  EXPECT_EQ(s.device(), d);
  const StreamScope scope(s);
  Cell x(d);
  x.set(1);
  EXPECT_TRUE(s.idle());
  x.launch(add_one(d));
  EXPECT_FALSE(s.idle());
  const Event e = s.record();
  EXPECT_FALSE(e.done());
  s.synchronize();
  EXPECT_TRUE(s.idle());
  EXPECT_TRUE(e.done());
  EXPECT_EQ(x.get(), 2);
}

TEST(Stream, EventsOrderStreams) {
  const Device d("lazy");
  const Stream first(d), second(d);
  Cell x(d);
  Event ready;
  {
    const StreamScope scope(first);
    x.set(5);
    x.launch(add_one(d));
    ready = first.record();
  }
  second.wait(ready);
  const StreamScope scope(second);
  EXPECT_EQ(x.get(), 6);  // waits for `second` only, which waits for the event
}

TEST(Stream, AWaitMeansTheRecordThatWasThereThen) {
  const Device d("lazy");
  const Stream first(d), second(d);
  Cell x(d);
  {
    const StreamScope scope(first);
    x.set(1);
    x.launch(add_one(d));
    second.wait(first.record());  // the event goes back to the pool here ...
  }
  {
    const StreamScope scope(second);
    x.launch(add_one(d));
    first.wait(second.record());  // ... and is recorded again; no circle of waiting
  }
  first.synchronize();
  second.synchronize();
  EXPECT_EQ(x.get(), 3);
}

TEST(Stream, AnEventOfAnotherDeviceIsWaitedForByTheHost) {
  const Stream a(Device("lazy:0")), b(Device("lazy:1"));
  Cell x(Device("lazy:0"));
  Event e;
  {
    const StreamScope scope(a);
    x.set(1);
    x.launch(add_one(x.device));
    e = a.record();
  }
  b.wait(e);
  EXPECT_TRUE(e.done());
}

TEST(Stream, OnASynchronousDeviceEverythingIsDone) {
  const Device d("cpu");
  const Stream s(d), other(d);
  EXPECT_TRUE(s.idle());
  const Event e = s.record();
  EXPECT_TRUE(e.done());
  e.synchronize();
  other.wait(e);
  s.synchronize();
  synchronize(d);
  EXPECT_TRUE(Event().done());
}

TEST(StreamScope, NestsPerThreadAndDevice) {
  const Device d("lazy:0"), other("lazy:1");
  StreamState* standard = &Stream::default_of(d).state();
  EXPECT_EQ(&Stream::current(d).state(), standard);
  const Stream a(d), b(d);
  {
    const StreamScope outer(a);
    EXPECT_EQ(&Stream::current(d).state(), &a.state());
    {
      const StreamScope inner(b);
      EXPECT_EQ(&Stream::current(d).state(), &b.state());
      EXPECT_EQ(&Stream::current(other).state(), &Stream::default_of(other).state());
      std::thread([&] { EXPECT_EQ(&Stream::current(d).state(), standard); }).join();
    }
    EXPECT_EQ(&Stream::current(d).state(), &a.state());
    const Stream kept = Stream::current(d);
    EXPECT_EQ(&kept.state(), &a.state());
  }
  EXPECT_EQ(&Stream::current(d).state(), standard);
}

TEST(Stream, IsUsedAgainWhenItsHandlesAreGone) {
  const Device d("lazy");
  StreamState* first;
  {
    const Stream s(d);
    // NOLINTNEXTLINE(performance-unnecessary-copy-initialization): a second handle
    const Stream copy = s;
    first = &copy.state();
  }
  const Stream next(d);
  EXPECT_EQ(&next.state(), first);
  const Stream more(d);
  EXPECT_NE(&more.state(), first);
}

TEST(Stream, AFormerUsersErrorIsNotTheNextOnes) {
  const Device d("lazy");
  Cell x(d);
  x.set(0);
  StreamState* failed;
  {
    const Stream s(d);
    failed = &s.state();
    const StreamScope scope(s);
    Lazy::counters().failing_launches = 1;
    x.launch(add_one(d));
    const Event e = s.record();
    EXPECT_THROW(e.synchronize(), Error);  // the work has run; the stream is still marked
  }
  const Stream next(d);
  EXPECT_EQ(&next.state(), failed);
  next.synchronize();
}

TEST(Errors, LateOnesNameTheLastLaunchesAndAreClearedByASync) {
  const Device d("lazy");
  const Stream s(d);
  const StreamScope scope(s);
  Cell x(d);
  x.set(0);
  x.launch(add_one(d, "alpha"));
  Lazy::counters().failing_launches = 1;
  x.launch(add_one(d, "culprit"));
  x.launch(add_one(d, "alpha"));
  try {
    s.synchronize();
    ADD_FAILURE();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kBackend);
    EXPECT_HAS(e.what(), "Stream::synchronize: lazy:0 failed with INTERNAL: a launch failed");
    EXPECT_HAS(e.what(), "last launches (newest last): ");
    EXPECT_HAS(e.what(),
               "add_one, culprit, add_one");  // "alpha" has add_one's content, hence its plan
    EXPECT_HAS(e.what(), "TENON_SYNC=1");
  }
  s.synchronize();  // reported once
}

TEST(Errors, ALaunchReportsWhatAnEarlierOneDid) {
  const Device d("lazy");
  const Stream s(d);
  const StreamScope scope(s);
  Cell x(d);
  x.set(0);
  Lazy::counters().failing_launches = 1;
  x.launch(add_one(d));
  const Event e = s.record();
  EXPECT_THROW(e.synchronize(), Error);
  EXPECT_THROW(x.launch(add_one(d)), Error);
  EXPECT_THROW(s.idle(), Error);
  EXPECT_THROW(synchronize(d), Error);
  synchronize(d);
  x.launch(add_one(d));
  s.synchronize();
}

TEST(Errors, SyncEveryCallNamesTheCulprit) {
  const Device d("lazy");
  Cell x(d);
  x.set(0);
  detail::sync_every_call = true;
  Lazy::counters().failing_launches = 1;
  try {
    x.launch(add_one(d, "culprit"));
    ADD_FAILURE();
  } catch (const Error& e) {
    EXPECT_EQ(e.operation(), "culprit");
  }
  detail::sync_every_call = false;
  synchronize(d);
}

TEST(Errors, ALostDeviceStaysLost) {
  const Device d("doomed");
  Cell x(d);
  Doomed::counters().lost = true;
  try {
    x.set(1);
    ADD_FAILURE();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kDevice);
    EXPECT_HAS(
        e.what(),
        "doomed:0 failed with DEVICE_LOST: the fake is gone; the device is unusable from now on");
  }
  try {
    synchronize(d);
    ADD_FAILURE();
  } catch (const Error& e) {
    EXPECT_HAS(e.what(), "synchronize: doomed:0 was lost");
  }
}

TEST(Threads, CallsAreSerialisedForABackendThatAsks) {
  const Device d("timid");
  static std::atomic<int> inside{0}, most{0};
  Timid::counters().in_alloc = [] {
    const int now = ++inside;
    if (now > most) most = now;
    std::this_thread::yield();
    --inside;
  };
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([d] {
      for (int i = 0; i < 50; ++i) {
        const Memory m = allocate(d.state(), *d.state().default_stream, 4 << 20);
        release(m);
        try {
          empty_cache(d);
        } catch (const Error&) {
        }
      }
    });
  }
  for (auto& t : threads) t.join();
  EXPECT_EQ(most, 1);
}

TEST(Threads, OneStreamFromManyThreads) {
  const Device d("lazy");
  Cell x(d);
  x.set(0);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) x.launch(add_one(d));
    });
  }
  for (auto& t : threads) t.join();
  EXPECT_EQ(x.get(), 800);
}

}  // namespace
}  // namespace tenon
