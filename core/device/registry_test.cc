// Proves what becomes of a backend's tables: each rule of registration refuses with its reason,
// sizes are read both ways, the first of a name wins, disabled ones stay away, nothing is fatal,
// and no lock is held meanwhile.
#include "tenon/device/registry.h"

#include <gtest/gtest.h>

#include <thread>

#include "tenon/device/builtin.h"
#include "tenon/device/fake_backend.h"

namespace tenon {

std::span<const TenonEntryFn> builtin_backends() { return {}; }

namespace {

using testing::Fake;
using testing::FakeSettings;
using State = BackendReport::State;

// A registry of built-ins only.
LoaderSettings of(std::vector<TenonEntryFn> entries) {
  LoaderSettings s;
  s.builtin = std::move(entries);
  return s;
}

// Registers one fake whose tables `spoil` has changed; its report.
template <int kNumber>
BackendReport report_of(FakeSettings settings) {
  Fake<kNumber>::settings() = settings;
  Registry registry(of({Fake<kNumber>::entry}));
  const auto reports = registry.reports();
  EXPECT_EQ(reports.size(), 1u);
  return reports[0];
}

#define EXPECT_HAS(text, piece) EXPECT_NE((text).find(piece), std::string::npos) << (text)

TEST(Registration, ASoundBackendIsLoadedWithItsFacts) {
  FakeSettings s;
  s.devices = 3;
  const BackendReport r = report_of<0>(s);
  EXPECT_EQ(r.state, State::kLoaded) << r.reason;
  EXPECT_EQ(r.name, "fake");
  EXPECT_EQ(r.vendor, "tests");
  EXPECT_EQ(r.version, "1.2");
  EXPECT_EQ(r.abi_major, TENON_ABI_MAJOR);
  EXPECT_EQ(r.abi_minor, TENON_ABI_MINOR);
  EXPECT_EQ(r.devices, 3);
  EXPECT_EQ(r.reason, "");
}

struct Spoiled {
  const char* what;
  void (*spoil)(TenonBackend*, TenonCoreOps*, TenonStreamOps*);
  const char* reason;
};

TEST(Registration, EveryBrokenTableIsRefusedWithItsReason) {
  static char long_name[] = "a234567890123456789012345678901x";  // 32 characters
  const Spoiled cases[] = {
      {"odd size", [](TenonBackend* b, auto*, auto*) { b->size = 87; }, "impossible size 87"},
      {"tiny size", [](TenonBackend* b, auto*, auto*) { b->size = 40; }, "impossible size 40"},
      {"huge size", [](TenonBackend* b, auto*, auto*) { b->size = 1u << 20; }, "impossible size"},
      {"no name", [](TenonBackend* b, auto*, auto*) { b->name = nullptr; }, "its name (NULL)"},
      {"bad name", [](TenonBackend* b, auto*, auto*) { b->name = "Fake"; }, "[a-z0-9_]{1,31}"},
      {"empty name", [](TenonBackend* b, auto*, auto*) { b->name = ""; }, "[a-z0-9_]{1,31}"},
      {"long name", [](TenonBackend* b, auto*, auto*) { b->name = long_name; }, "[a-z0-9_]{1,31}"},
      {"other minor", [](TenonBackend* b, auto*, auto*) { b->abi_minor = 7; },
       "needs ABI 0.7, this Tenon provides ABI 0.3"},
      {"other major", [](TenonBackend* b, auto*, auto*) { b->abi_major = 3; }, "needs ABI 3.3"},
      {"no core", [](TenonBackend* b, auto*, auto*) { b->core = nullptr; }, "no core table"},
      {"core size", [](TenonBackend*, TenonCoreOps* c, auto*) { c->size = 4; },
       "core table has the impossible size 4"},
      {"short core", [](TenonBackend*, TenonCoreOps* c, auto*) { c->size = 40; },
       "lacks mem_alloc, mem_free, copy_h2d, copy_d2h, copy_d2d"},
      {"no free", [](TenonBackend*, TenonCoreOps* c, auto*) { c->mem_free = nullptr; },
       "core table lacks mem_free"},
      {"two of three", [](TenonBackend*, TenonCoreOps* c, auto*) { c->kernel_destroy = nullptr; },
       "some of the three kernel functions but lacks kernel_destroy"},
      {"streams",
       [](TenonBackend* b, auto*, TenonStreamOps* s) {
         s->event_query = nullptr;
         b->streams = s;
       },
       "streams group is incomplete (all or none): it lacks event_query"},
      {"streams size",
       [](TenonBackend* b, auto*, TenonStreamOps* s) {
         s->size = 12;
         b->streams = s;
       },
       "streams table has the impossible size 12"},
  };
  for (const Spoiled& c : cases) {
    FakeSettings s;
    s.spoil = c.spoil;
    const BackendReport r = report_of<1>(s);
    EXPECT_EQ(r.state, State::kRefused) << c.what;
    EXPECT_HAS(r.reason, c.reason);
  }
}

TEST(Registration, BadDevicePropertiesAreRefused) {
  FakeSettings s;
  s.max_operands = 7;
  EXPECT_HAS(
      report_of<2>(s).reason,
      "limits of 7 operands, 64 instructions, 8 scalars are below the least allowed (8, 32, 4)");
  s = {};
  s.max_instrs = 31;
  EXPECT_EQ(report_of<2>(s).state, State::kRefused);
  s = {};
  s.max_scalars = 3;
  EXPECT_EQ(report_of<2>(s).state, State::kRefused);
  s = {};
  s.min_alignment = 48;
  EXPECT_HAS(report_of<2>(s).reason, "min_alignment 48 is not a power of two");
  s = {};
  s.host_addressable = s.asynchronous = true;
  EXPECT_HAS(report_of<2>(s).reason, "HOST_ADDRESSABLE devices are synchronous");
  s = {};
  s.devices = 1u << 30;
  EXPECT_HAS(report_of<2>(s).reason, "claims 1073741824 devices");
  s = {};
  s.compute = false;  // limits say nothing then
  s.max_operands = 0;
  EXPECT_EQ(report_of<2>(s).state, State::kLoaded);
}

TEST(Registration, LongerAndShorterTablesAreReadAsFarAsBothKnow) {
  // A plugin from the future: a longer core table with something in the tail.
  static struct {
    TenonCoreOps known;
    void* more[4];
  } longer;
  FakeSettings s;
  s.spoil = [](TenonBackend* b, TenonCoreOps* c, TenonStreamOps*) {
    longer.known = *c;
    longer.known.size = sizeof longer;
    longer.more[0] = &longer;
    b->core = &longer.known;
  };
  EXPECT_EQ(report_of<3>(s).state, State::kLoaded);
  // One from the past: it ends before the kernel functions, and before its backend table's last
  // fields.
  s.spoil = [](TenonBackend* b, TenonCoreOps* c, TenonStreamOps*) {
    c->size = offsetof(TenonCoreOps, kernel_create);
    b->size = offsetof(TenonBackend, memory);
  };
  Fake<3>::settings() = s;
  Registry registry(of({Fake<3>::entry}));
  Backend* backend = registry.find("fake");
  ASSERT_NE(backend, nullptr);
  EXPECT_EQ(backend->tables.core.kernel_create, nullptr);
  EXPECT_EQ(backend->tables.memory.mem_info, nullptr);
  EXPECT_NE(backend->tables.core.copy_d2d, nullptr);
}

TEST(Registration, NoDeviceIsNoFaultAndKeepsThePluginsWords) {
  FakeSettings s;
  s.devices = 0;
  s.no_device_reason = "no driver, looked for libfake.so.1";
  BackendReport r = report_of<4>(s);
  EXPECT_EQ(r.state, State::kLoaded);
  EXPECT_EQ(r.devices, 0);
  EXPECT_HAS(r.reason, "looked for libfake.so.1");
  s.count_status = TENON_INTERNAL;
  r = report_of<4>(s);
  EXPECT_EQ(r.state, State::kLoaded);
  EXPECT_HAS(r.reason, "looked for libfake.so.1");
}

TenonStatus refusing(const TenonHost*, const TenonBackend**, TenonError* error) noexcept {
  return tenon_fail(error, TENON_INCOMPATIBLE, "wants a newer host");
}
TenonStatus forgetful(const TenonHost*, const TenonBackend**, TenonError*) noexcept {
  return TENON_OK;
}

TEST(Registration, EntriesThatRefuseOrForgetAreNotFatal) {
  Fake<5>::settings().name = "good";
  Registry registry(of({refusing, forgetful, Fake<5>::entry}));
  const auto r = registry.reports();
  ASSERT_EQ(r.size(), 3u);
  EXPECT_HAS(r[0].reason, "INCOMPATIBLE: wants a newer host");
  EXPECT_HAS(r[1].reason, "no table");
  EXPECT_EQ(r[2].state, State::kLoaded);
  EXPECT_NE(registry.find("good"), nullptr);
}

TEST(Registry, TheFirstOfANameWins) {
  Fake<6>::settings().name = Fake<7>::settings().name = "twin";
  Registry registry(of({Fake<6>::entry, Fake<7>::entry}));
  const auto r = registry.reports();
  EXPECT_EQ(r[0].state, State::kLoaded);
  EXPECT_EQ(r[1].state, State::kShadowed);
  EXPECT_HAS(r[1].reason, "already registered (built in)");
  EXPECT_HAS(r[1].reason, "TENON_BACKEND_OVERRIDE=twin=/path");
  EXPECT_EQ(registry.all().size(), 1u);
}

TEST(Registry, DisabledOnesAreNotThere) {
  Fake<8>::settings().name = "off";
  LoaderSettings s = of({Fake<8>::entry});
  s.disabled = {"off"};
  Registry registry(s);
  EXPECT_EQ(registry.find("off"), nullptr);
  EXPECT_EQ(registry.reports()[0].state, State::kDisabled);
  EXPECT_HAS(registry.tried(), "off: built in: disabled: by TENON_DISABLE");
}

TEST(Registry, ManyThreadsLoadABackendOnce) {
  Fake<9>::settings().name = "many";
  Registry registry(of({Fake<9>::entry}));
  std::vector<std::thread> threads;
  std::atomic<int> found{0};
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&] { found += registry.find("many") != nullptr; });
  for (auto& t : threads) t.join();
  EXPECT_EQ(found, 8);
  EXPECT_EQ(Fake<9>::counters().entries, 1);
}

Registry* calls_back_into = nullptr;
TenonStatus asks_for_itself(const TenonHost* host, const TenonBackend** out,
                            TenonError* error) noexcept {
  calls_back_into->reports();  // neither deadlock nor endless recursion
  EXPECT_EQ(calls_back_into->find("curious"), nullptr);
  return Fake<10>::entry(host, out, error);
}

TEST(Registry, HoldsNoLockWhileInAPlugin) {
  Fake<10>::settings().name = "curious";
  Registry registry(of({asks_for_itself}));
  calls_back_into = &registry;
  EXPECT_NE(registry.find("curious"), nullptr);
}

TEST(Registry, AnUnknownNameListsWhatWasTried) {
  Fake<11>::settings().name = "here";
  LoaderSettings s = of({Fake<11>::entry, refusing});
  s.directories = {"/nowhere/tenon/backends"};
  Registry registry(s);
  EXPECT_EQ(registry.find("absent"), nullptr);
  const std::string text = registry.tried();
  EXPECT_HAS(text, "here: built in: loaded, 1 device");
  EXPECT_HAS(text, "wants a newer host");
  EXPECT_HAS(text, "/nowhere/tenon/backends");
}

}  // namespace
}  // namespace tenon
