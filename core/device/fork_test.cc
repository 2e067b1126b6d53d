// Proves what a forked child may use: FORK_SAFE devices that were open, any device that was not;
// and that others refuse at once instead of hanging. Also while other threads are busy in every
// lock.
#include "tenon/device/fork.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "tenon/device/builtin.h"
#include "tenon/device/copy.h"
#include "tenon/device/fake_backend.h"
#include "tenon/device/memory.h"
#include "tenon/device/plan.h"
#include "tenon/map/builder.h"

namespace tenon {
namespace {

using Host = testing::Fake<0>;
using Other = testing::Fake<1>;

}  // namespace

std::span<const TenonEntryFn> builtin_backends() {
  static const TenonEntryFn entries[] = {Host::entry, Other::entry};
  Host::settings().name = "cpu";
  Host::settings().host_addressable = true;
  Host::settings().flags = TENON_BACKEND_FORK_SAFE;
  Other::settings().name = "gpu";
  Other::settings().devices = 2;
  return entries;
}

namespace {

// Runs f in a forked child; true if it returned true within five seconds.
template <class F>
bool in_child(F&& f) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(5);
    bool good = false;
    try {
      good = f();
    } catch (const std::exception& e) {
      fprintf(stderr, "in the child: %s\n", e.what());
    }
    _exit(good ? 0 : 1);
  }
  int status = -1;
  return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool refuses(void (*f)(Device), Device d) {
  try {
    f(d);
    return false;
  } catch (const Error& e) {
    return std::string(e.what()).find("device opened before fork; use spawn") != std::string::npos;
  }
}

map::Kernel negate() {
  map::Builder b;
  map::Kernel k;
  k.name = "negative";
  k.program = b.finish({b.emit(TENON_OP_NEG, DType::float32, b.input(DType::float32))});
  return k;
}

bool works(Device d) {
  StreamState& s = *d.state().default_stream;
  const Memory m = allocate(d.state(), s, 4);
  float v = 3;
  copy_from_host(s, m.buffer, m.offset, &v, 4);
  TenonOperand o[2] = {};
  o[0].buffer = o[1].buffer = m.buffer;
  o[0].offset = o[1].offset = m.offset;
  o[0].dtype = o[1].dtype = TENON_F32;
  TenonLaunch l{};
  l.size = sizeof l;
  l.flags = TENON_LAUNCH_MAY_ALIAS;
  l.operands = o;
  l.n_operands = 2;
  run(plan_for(d.state(), negate()), s, l);
  copy_to_host(s, &v, m.buffer, m.offset, 4);
  release(m);
  return v == -3;
}

TEST(Fork, ForkSafeDevicesStayUsable) {
  const Device d("cpu");
  ASSERT_TRUE(works(d));
  EXPECT_TRUE(in_child([&] { return works(d) && works(Device("cpu")); }));
  EXPECT_TRUE(works(d));
}

TEST(Fork, OthersRefuseInTheChildAndWorkInTheParent) {
  const Device d("gpu:0");
  ASSERT_TRUE(works(d));
  const Memory m = allocate(d.state(), *d.state().default_stream, 100);
  EXPECT_TRUE(in_child([&] {
    release(m);  // never fails
    return refuses([](Device x) { allocate(x.state(), *x.state().default_stream, 4); }, d) &&
           refuses([](Device x) { synchronize(x); }, d) &&
           refuses([](Device x) { Stream s(x); }, d) &&
           refuses([](Device x) { Stream::default_of(x).record(); }, d) &&
           refuses([](Device x) { empty_cache(x); }, d) &&
           refuses([](Device x) { copy_from_host(*x.state().default_stream, 64, 0, "x", 1); }, d) &&
           refuses([](Device x) { works(x); }, d) && works(Device("cpu"));
  }));
  release(m);
  EXPECT_TRUE(works(d));
}

TEST(Fork, DevicesThatWereNotOpenCanBeOpenedInTheChild) {
  EXPECT_TRUE(in_child([] { return works(Device("gpu:1")); }));
}

TEST(Fork, WhileOtherThreadsHoldEveryLock) {
  const Device d("cpu");
  std::atomic<bool> stop{false};
  std::vector<std::thread> busy;
  for (int t = 0; t < 3; ++t) {
    busy.emplace_back([&] {
      while (!stop) {
        works(d);
        const Stream s(d);
        device_count("nobody");
        fallback_counts();
      }
    });
  }
  for (int i = 0; i < 30; ++i) {
    EXPECT_TRUE(in_child([&] {
      const Stream s(d);
      return works(d) && device_count("nobody") == 0 && fallback_counts().empty();
    }));
  }
  stop = true;
  for (auto& t : busy) t.join();
}

}  // namespace
}  // namespace tenon
