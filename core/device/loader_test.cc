// Proves the rules by which plugin files are found, refused and loaded, with real files in
// temporary directories.
//
// The arguments are the plugins of tests/plugins/bad; "future" among them is sound, but for what it
// knows beyond this version.
#include "tenon/device/loader.h"

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

#include "tenon/device/builtin.h"
#include "tenon/device/fake_backend.h"
#include "tenon/device/registry.h"

namespace tenon {

std::span<const TenonEntryFn> builtin_backends() { return {}; }

namespace {

namespace fs = std::filesystem;
using State = BackendReport::State;
#define EXPECT_HAS(text, piece) EXPECT_NE((text).find(piece), std::string::npos) << (text)

constexpr const char* kSound = "future";

std::map<std::string, std::string>& plugins() {  // absolute paths by name
  static auto* map = new std::map<std::string, std::string>();
  return *map;
}

class Loader : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(plugins().contains(kSound)) << "give the plugins' files as arguments";
    const char* base = getenv("TEST_TMPDIR");
    std::string pattern = std::string(base ? base : "/tmp") + "/loader_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    root_ = fs::canonical(pattern);
  }
  void TearDown() override { fs::remove_all(root_); }

  std::string directory(const std::string& name, mode_t mode = 0755) {
    const fs::path path = root_ / name;
    fs::create_directories(path);
    chmod(path.c_str(), mode);
    return path.string();
  }
  // A copy of the sound plugin under a name of our choice.
  std::string copy(const std::string& directory, const std::string& backend = kSound,
                   mode_t mode = 0644) {
    const fs::path to = fs::path(directory) / ("libtenon_backend_" + backend + ".so");
    fs::copy_file(plugins()[kSound], to, fs::copy_options::overwrite_existing);
    chmod(to.c_str(), mode);
    return to.string();
  }
  static LoaderSettings looking_in(std::vector<std::string> directories) {
    LoaderSettings s;
    s.directories = std::move(directories);
    return s;
  }

  fs::path root_;
};

TEST_F(Loader, NamesOfFiles) {
  EXPECT_EQ(backend_name_of_file("/a/libtenon_backend_cuda.so"), "cuda");
  EXPECT_EQ(backend_name_of_file("libtenon_backend_x_1.so"), "x_1");
  for (const char* other : {"libtenon_backend_.so", "libtenon_backend_a.so.1", "tenon_backend_a.so",
                            "liba.so", "", "/"}) {
    EXPECT_EQ(backend_name_of_file(other), "") << other;
  }
}

TEST_F(Loader, ListsCandidatesSortedAndOpensNothing) {
  const std::string d = directory("d");
  for (const char* name : {"zeta", "alpha", "mid"})
    std::ofstream(d + "/libtenon_backend_" + name + ".so") << "not an object";
  std::ofstream(d + "/README") << "x";
  const std::vector<std::string> expected = {d + "/libtenon_backend_alpha.so",
                                             d + "/libtenon_backend_mid.so",
                                             d + "/libtenon_backend_zeta.so"};
  EXPECT_EQ(list_candidates(d), expected);
  EXPECT_TRUE(list_candidates(d + "/absent").empty());
  Registry registry(looking_in({d}));
  EXPECT_HAS(registry.tried(), "alpha: " + d + "/libtenon_backend_alpha.so: found, not opened yet");
  const auto reports = registry.reports();
  ASSERT_EQ(reports.size(), 3u);
  EXPECT_EQ(reports[0].state, State::kRefused);
  EXPECT_HAS(reports[0].reason, "dlopen failed: ");
}

TEST_F(Loader, LoadsASoundPluginOnFirstUseOfItsName) {
  const std::string d = directory("d");
  const std::string path = copy(d);
  std::ofstream(d + "/libtenon_backend_other.so") << "not an object";
  Registry registry(looking_in({d}));
  Backend* found = registry.find("future");
  ASSERT_NE(found, nullptr) << registry.tried();
  EXPECT_EQ(found->path, path);
  EXPECT_EQ(found->tables.name, "future");
  EXPECT_HAS(registry.tried(), "libtenon_backend_other.so: found, not opened yet");
  EXPECT_EQ(registry.find("future"), found);
}

TEST_F(Loader, TheFirstDirectoryWins) {
  const std::string first = copy(directory("first")), second = copy(directory("second"));
  Registry registry(looking_in({directory("first"), directory("second")}));
  const auto r = registry.reports();
  ASSERT_EQ(r.size(), 2u);
  EXPECT_EQ(r[0].state, State::kLoaded) << r[0].reason;
  EXPECT_EQ(r[1].state, State::kShadowed);
  EXPECT_EQ(r[1].reason, "already registered (" + first + "); ignoring " + second +
                             "; use TENON_BACKEND_OVERRIDE=future=/path to replace it");
}

TEST_F(Loader, ABrokenFirstLeavesRoomForASecond) {
  std::ofstream(directory("first") + "/libtenon_backend_future.so") << "torn";
  const std::string second = copy(directory("second"));
  Registry registry(looking_in({directory("first"), directory("second")}));
  ASSERT_NE(registry.find("future"), nullptr);
  EXPECT_EQ(registry.find("future")->path, second);
}

TEST_F(Loader, TheNameInTheTableMustBeTheFiles) {
  copy(directory("d"), "wrong");
  Registry registry(looking_in({directory("d")}));
  EXPECT_EQ(registry.find("wrong"), nullptr);
  EXPECT_HAS(registry.reports()[0].reason,
             "the file is named for 'wrong' but its table says 'future'");
}

TEST_F(Loader, OneFileUnderTwoPathsIsLoadedOnce) {
  const std::string real = copy(directory("real"));
  fs::create_symlink(real, directory("link") + "/libtenon_backend_future.so");
  fs::create_hard_link(real, directory("hard") + "/libtenon_backend_future.so");
  Registry registry(looking_in({directory("link"), directory("real"), directory("hard")}));
  const auto r = registry.reports();
  EXPECT_EQ(r[0].state, State::kLoaded) << r[0].reason;
  EXPECT_EQ(r[1].state, State::kShadowed);
  EXPECT_EQ(r[2].state, State::kShadowed);
}

TEST_F(Loader, WhatOthersMayWriteToIsRefusedWhenStrict) {
  const std::string file = copy(directory("file"), kSound, 0664);
  const std::string in_open = copy(directory("open", 0777));
  PluginFile about;
  EXPECT_EQ(inspect_file(file, false, &about), "");
  EXPECT_EQ(about.real_path, file);
  EXPECT_HAS(inspect_file(file, true, &about), "the file may be written to by its group");
  EXPECT_EQ(inspect_file(in_open, false, &about), "");
  EXPECT_HAS(inspect_file(in_open, true, &about), "may be written to by everybody");
  // Through a link from a tidy directory the untidy one still counts.
  fs::create_symlink(in_open, directory("tidy") + "/libtenon_backend_future.so");
  EXPECT_HAS(inspect_file(directory("tidy") + "/libtenon_backend_future.so", true, &about),
             "/open may be written to");
  LoaderSettings strict = looking_in({directory("file")});
  strict.strict = true;
  Registry registry(strict);
  EXPECT_EQ(registry.find("future"), nullptr);
}

TEST_F(Loader, OnlyRegularFiles) {
  const std::string fifo = directory("d") + "/libtenon_backend_fifo.so";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  fs::create_directory(directory("d") + "/libtenon_backend_dir.so");
  Registry registry(looking_in({directory("d")}));
  for (const BackendReport& r : registry.reports())
    EXPECT_EQ(r.reason, "is not a regular file") << r.name;
  PluginFile about;
  EXPECT_HAS(inspect_file(directory("d") + "/libtenon_backend_none.so", false, &about),
             "No such file");
}

TEST_F(Loader, ALibraryThatIsNoBackend) {
  Dl_info info;
  ASSERT_NE(dladdr(reinterpret_cast<void*>(static_cast<double (*)(double)>(&cos)), &info),
            0);  // the mathematical library, say
  fs::copy_file(fs::canonical(info.dli_fname), directory("d") + "/libtenon_backend_math.so");
  Registry registry(looking_in({directory("d")}));
  EXPECT_HAS(registry.reports()[0].reason, "does not export tenon_backend_entry_v0");
}

TEST_F(Loader, EveryBrokenPluginEndsWithItsReason) {
  const struct {
    const char* name;
    State state;
    const char* reason;
  } cases[] = {
      {"wrong_major", State::kRefused,
       "needs ABI 1, this Tenon provides ABI 0.3; rebuild the plugin with tenon_backend.h 0.x or "
       "upgrade Tenon"},
      {"no_entry", State::kRefused, "does not export tenon_backend_entry_v0"},
      {"incompatible", State::kRefused, "INCOMPATIBLE: incompatible: needs a host of ABI 0.7"},
      {"entry_fails", State::kRefused, "INTERNAL: entry_fails: the licence has expired"},
      {"no_table", State::kRefused, "no table"},
      {"minor", State::kRefused, "needs ABI 0.4, this Tenon provides ABI 0.3"},
      {"null_function", State::kRefused, "lacks copy_d2h"},
      {"half_streams", State::kRefused, "lacks event_wait"},
      {"half_compute", State::kRefused, "lacks kernel_launch"},
      {"other_name", State::kRefused,
       "the file is named for 'other_name' but its table says 'somebody_else'"},
      {"Bad-Name", State::kRefused, "'Bad-Name' is not of the form [a-z0-9_]{1,31}"},
      {"tiny_table", State::kRefused, "backend table has the impossible size 3"},
      {"huge_table", State::kRefused, "backend table has the impossible size 2147483640"},
      {"tiny_core", State::kRefused, "core table has the impossible size 1"},
      {"cut_core", State::kRefused, "lacks mem_free"},
      {"missing_symbol", State::kRefused, "undefined symbol: tenon_nobody_defines_this"},
      {"missing_library", State::kRefused, "libtenon_absent.so: cannot open shared object file"},
      {"small_limits", State::kRefused, "limits of 2 operands"},
      {"count_fails", State::kLoaded,
       "no device: count_fails: the driver is older than the device"},
      {"no_devices", State::kLoaded, "no device: no_devices: no such hardware in this machine"},
      {"open_fails", State::kLoaded, ""},
      {"short_core", State::kLoaded, ""},
      {"future", State::kLoaded, ""},
  };
  for (const auto& c : cases) {
    ASSERT_TRUE(plugins().contains(c.name)) << c.name;
    fs::copy_file(plugins()[c.name], directory("d") + "/libtenon_backend_" + c.name + ".so");
  }
  Registry registry(looking_in({directory("d")}));
  std::map<std::string, BackendReport> reports;
  for (const BackendReport& r : registry.reports()) reports[backend_name_of_file(r.path)] = r;
  for (const auto& c : cases) {
    EXPECT_EQ(reports[c.name].state, c.state) << c.name << ": " << reports[c.name].reason;
    EXPECT_HAS(reports[c.name].reason, c.reason);
  }
  try {
    open_device(*registry.find("open_fails"), 0);
    ADD_FAILURE();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kDevice);
    EXPECT_HAS(
        std::string(e.what()),
        "open_fails:0 cannot be opened: INTERNAL: open_fails: another process uses the device");
  }
  EXPECT_EQ(registry.find("short_core")->tables.core.kernel_create, nullptr);
}

TEST_F(Loader, DisabledPluginsAreNeverOpened) {
  std::ofstream(directory("d") + "/libtenon_backend_future.so") << "opening this would fail";
  LoaderSettings s = looking_in({directory("d")});
  s.disabled = {"future"};
  Registry registry(s);
  EXPECT_EQ(registry.reports()[0].state, State::kDisabled);
}

TEST_F(Loader, AnOverrideComesBeforeBuiltinsAndDirectories) {
  testing::Fake<0>::settings().name = "future";
  const std::string other = copy(directory("d")), mine = copy(directory("mine"));
  LoaderSettings s = looking_in({directory("d")});
  s.builtin = {testing::Fake<0>::entry};
  s.overrides = {{"future", mine}};
  Registry registry(s);
  ASSERT_NE(registry.find("future"), nullptr);
  EXPECT_EQ(registry.find("future")->path, mine);
  const auto r = registry.reports();
  EXPECT_EQ(r[1].state, State::kShadowed);  // the built-in
  EXPECT_HAS(r[1].reason, "ignoring the built-in");
  EXPECT_EQ(r[2].state, State::kShadowed);
}

TEST_F(Loader, ExplicitFiles) {
  Registry registry(looking_in({}));
  const std::string path = copy(directory("d"));
  EXPECT_EQ(&registry.load_file(path), &registry.load_file(path));  // again is no mistake
  EXPECT_EQ(registry.find("future")->path, path);
  const auto refused = [&](const std::string& file, const char* why) {
    try {
      registry.load_file(file);
      ADD_FAILURE() << file;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kDevice);
      EXPECT_HAS(std::string(e.what()), why);
    }
  };
  refused("libtenon_backend_future.so", "has no '/'");
  refused(directory("d") + "/future.so", "is not named libtenon_backend_<name>.so");
  refused(directory("d") + "/libtenon_backend_no.so", "No such file");
  refused(copy(directory("other")), "already registered");
}

TEST_F(Loader, TheEnvironmentIsReadAsDocumented) {
  setenv("TENON_BACKEND_PATH", ":/one:relative::/two:", 1);
  setenv("TENON_DISABLE", "cuda,foo", 1);
  setenv("TENON_STRICT_LOAD", "1", 1);
  setenv("TENON_BACKEND_OVERRIDE", "cuda=/x/libtenon_backend_cuda.so,bad,worse=rel.so", 1);
  const LoaderSettings s = settings_from_environment();
  for (const char* name :
       {"TENON_BACKEND_PATH", "TENON_DISABLE", "TENON_STRICT_LOAD", "TENON_BACKEND_OVERRIDE"})
    unsetenv(name);
  ASSERT_GE(s.directories.size(), 3u);
  EXPECT_EQ(s.directories[0], "/one");
  EXPECT_EQ(s.directories[1], "/two");
  EXPECT_EQ(s.directories[2],
            fs::canonical("/proc/self/exe").parent_path().string() + "/tenon/backends");
  EXPECT_EQ(s.disabled, (std::vector<std::string>{"cuda", "foo"}));
  EXPECT_TRUE(s.strict);
  ASSERT_EQ(s.overrides.size(), 1u);
  EXPECT_EQ(s.overrides[0].second, "/x/libtenon_backend_cuda.so");
  EXPECT_FALSE(settings_from_environment().strict);
}

}  // namespace
}  // namespace tenon

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  for (int i = 1; i < argc; ++i) {
    const std::string path = std::filesystem::absolute(argv[i]).string();
    tenon::plugins()[tenon::backend_name_of_file(path)] = path;
  }
  return RUN_ALL_TESTS();
}
