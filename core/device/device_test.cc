// Proves what users of devices see: names, errors that list what was tried, properties, host
// services; and that devices open once although many threads ask.
#include "tenon/device/device.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <thread>

#include "tenon/device/builtin.h"
#include "tenon/device/fake_backend.h"
#include "tenon/device/host_services.h"
#include "tenon/device/memory.h"
#include "tenon/device/plan.h"

namespace tenon {
namespace {

using Host = testing::Fake<0>;
using Pair = testing::Fake<1>;
using Absent = testing::Fake<2>;

}  // namespace

std::span<const TenonEntryFn> builtin_backends() {
  static const TenonEntryFn entries[] = {Host::entry, Pair::entry, Absent::entry};
  Host::settings().name = "cpu";
  Host::settings().host_addressable = true;
  Pair::settings().name = "pair";
  Pair::settings().devices = 2;
  Pair::settings().asynchronous = true;
  Absent::settings().name = "cuda";
  Absent::settings().devices = 0;
  Absent::settings().no_device_reason = "libcuda.so.1 was not found";
  return entries;
}

namespace {

#define EXPECT_HAS(text, piece) \
  EXPECT_NE(std::string(text).find(piece), std::string::npos) << (text)

std::string refusal(std::string_view text) {
  try {
    const Device d(text);
    return "nothing was thrown";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kDevice);
    return e.what();
  }
}

TEST(Device, IsANameAndAnIndex) {
  EXPECT_EQ(Device(), Device("cpu"));
  EXPECT_EQ(Device("cpu"), Device("cpu:0"));
  EXPECT_EQ(Device().text(), "cpu");
  EXPECT_TRUE(Device().host_addressable());
  const Device second("pair:1");
  EXPECT_EQ(second.backend(), "pair");
  EXPECT_EQ(second.index(), 1);
  EXPECT_EQ(second.text(), "pair:1");
  EXPECT_FALSE(second.host_addressable());
  EXPECT_NE(second, Device("pair"));
  EXPECT_EQ(Device("pair").text(), "pair:0");
  EXPECT_NE(second.state().ordinal, Device("pair").state().ordinal);
}

TEST(Device, SaysWhatIsWrongWithAName) {
  for (const char* bad :
       {"", ":", ":1", "pair:", "pair:x", "pair:1x", "pair:-1", "pair:99999999999999"}) {
    EXPECT_HAS(refusal(bad), "is not of the form name or name:index") << bad;
  }
  EXPECT_HAS(refusal("pair:2"),
             "no device 'pair:2': the backend 'pair' reports 2 devices, numbered from 0");
  const std::string unknown = refusal("foo:3");
  EXPECT_HAS(unknown, "Device: no device 'foo:3': no backend 'foo' could be loaded");
  EXPECT_HAS(unknown, "tried:\n  cpu: built in: loaded, 1 device");
  EXPECT_HAS(unknown, "TENON_BACKEND_PATH");
}

TEST(Device, WithoutAnyCarriesThePluginsReason) {
  EXPECT_HAS(refusal("cuda"),
             "no device 'cuda': the backend 'cuda' reports no device: libcuda.so.1 was not found");
  EXPECT_EQ(device_count("cuda"), 0);
  EXPECT_EQ(device_count("pair"), 2);
  EXPECT_EQ(device_count("foo"), 0);
  EXPECT_EQ(device_count(""), 0);
}

TEST(Device, Lists) {
  const std::vector<Device> all = devices();
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].text(), "cpu");
  EXPECT_EQ(all[2].text(), "pair:1");
  const auto reports = backend_reports();
  ASSERT_GE(reports.size(), 3u);
  EXPECT_EQ(reports[2].name, "cuda");
  EXPECT_EQ(reports[2].state, BackendReport::State::kLoaded);
  EXPECT_EQ(reports[2].reason, "no device: libcuda.so.1 was not found");
}

TEST(Device, OpensOnceForManyThreads) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) threads.emplace_back([] { EXPECT_EQ(Device("pair:1").index(), 1); });
  for (auto& t : threads) t.join();
  EXPECT_LE(Pair::counters().opened, 2);
}

TEST(LoadBackend, WantsAPath) {
  EXPECT_THROW(load_backend("libtenon_backend_x.so"), Error);
  EXPECT_THROW(load_backend("/nowhere/libtenon_backend_x.so"), Error);
}

TEST(HostServices, AreAllThere) {
  const TenonHost* host = host_services();
  EXPECT_EQ(host, host_services());
  EXPECT_EQ(host->size, sizeof(TenonHost));
  void* p = host->host_alloc(host->ctx, 100, 256);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(p) % 256, 0u);
  host->host_free(host->ctx, p);
  host->host_free(host->ctx, nullptr);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // they abort instead
  EXPECT_EQ(host->host_alloc(host->ctx, uint64_t{1} << 62, 64), nullptr);
#endif
  EXPECT_GE(host->num_threads(host->ctx), 1);
  setenv("TENON_MY_OPTION", "yes", 1);
  EXPECT_STREQ(host->option(host->ctx, "my_option"), "yes");
  EXPECT_EQ(host->option(host->ctx, "other_option"), nullptr);
  EXPECT_EQ(host->option(host->ctx, ""), nullptr);
  EXPECT_EQ(host->option(host->ctx, std::string(500, 'x').c_str()), nullptr);
  int64_t total = 0;
  host->parallel_for(
      host->ctx, 10, 100,
      [](void* arg, int64_t b, int64_t e) { *static_cast<int64_t*>(arg) += e - b; }, &total);
  EXPECT_EQ(total, 10);
}

TEST(HostServices, LogShowsWarningsByDefault) {
  ::testing::internal::CaptureStderr();
  const TenonHost* host = host_services();
  host->log(host->ctx, 0, "quiet");
  host->log(host->ctx, 2, "loud");
  host->log(host->ctx, 99, nullptr);
  log_line(LogLevel::kError, std::string(5000, 'x'));  // cut, not overrun
  const std::string text = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(text.find("quiet"), std::string::npos);
  EXPECT_HAS(text, "tenon warning: loud\n");
}

// In whatever order a program lets go, nothing is used after it is gone: handles keep streams,
// states stay.
TEST(Lifetime, WorstOrder) {
  const Device d("pair");
  Memory memory;
  Event event;
  {
    auto stream = std::make_unique<Stream>(d);
    memory = allocate(d.state(), stream->state(), 4096);
    const Memory other = allocate(d.state(), *d.state().default_stream, 4096);
    record_use(other, stream->state());
    event = stream->record();
    stream.reset();  // the stream goes first,
    release(other);  // then memory that work on it used,
  }
  event.synchronize();
  release(memory);  // then memory that belongs to it,
  event = Event();  // then the event.
  empty_cache(d);
  EXPECT_EQ(memory_stats(d).in_use, 0u);
}

// Last: nothing may be used afterwards. The static below is destroyed after main, when the devices
// are closed.
struct AtExit {
  Memory memory;
  Event event;
  ~AtExit() { release(memory); }
};

TEST(Lifetime, ShutdownClosesWhatWasOpened) {
  static AtExit late;
  const Device d("pair:1");
  late.event = Stream(d).record();
  late.memory = allocate(d.state(), *d.state().default_stream, 100);
  shutdown();
  EXPECT_EQ(Pair::counters().closed, Pair::counters().opened);
  EXPECT_THROW(allocate(d.state(), *d.state().default_stream, 100), Error);
}

}  // namespace
}  // namespace tenon
