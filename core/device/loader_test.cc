// Proves the rules by which plugin files are found, refused and loaded, with real files in temporary directories.
//
// TENON_TEST_PLUGIN names a sound plugin, libtenon_backend_mini.so. TENON_TEST_FUTURE_PLUGIN, where set, one that
// exports tenon_backend_entry_v1 only.
#include "tenon/device/loader.h"

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "core/device/fake_backend.h"
#include "tenon/device/builtin.h"
#include "tenon/device/registry.h"

namespace tenon {

std::span<const TenonEntryFn> builtin_backends() { return {}; }

namespace {

namespace fs = std::filesystem;
using State = BackendReport::State;
#define EXPECT_HAS(text, piece) EXPECT_NE((text).find(piece), std::string::npos) << (text)

std::string absolute_from_environment(const char* name) {
  const char* path = getenv(name);
  return path ? fs::absolute(path).string() : "";
}

class Loader : public ::testing::Test {
 protected:
  void SetUp() override {
    plugin_ = absolute_from_environment("TENON_TEST_PLUGIN");
    ASSERT_NE(plugin_, "") << "set TENON_TEST_PLUGIN";
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
  std::string copy(const std::string& directory, const std::string& backend = "mini", mode_t mode = 0644) {
    const fs::path to = fs::path(directory) / ("libtenon_backend_" + backend + ".so");
    fs::copy_file(plugin_, to, fs::copy_options::overwrite_existing);
    chmod(to.c_str(), mode);
    return to.string();
  }
  static LoaderSettings looking_in(std::vector<std::string> directories) {
    LoaderSettings s;
    s.directories = std::move(directories);
    return s;
  }

  std::string plugin_;
  fs::path root_;
};

TEST_F(Loader, NamesOfFiles) {
  EXPECT_EQ(backend_name_of_file("/a/libtenon_backend_cuda.so"), "cuda");
  EXPECT_EQ(backend_name_of_file("libtenon_backend_x_1.so"), "x_1");
  for (const char* other : {"libtenon_backend_.so", "libtenon_backend_a.so.1", "tenon_backend_a.so", "liba.so", "", "/"}) {
    EXPECT_EQ(backend_name_of_file(other), "") << other;
  }
}

TEST_F(Loader, ListsCandidatesSortedAndOpensNothing) {
  const std::string d = directory("d");
  for (const char* name : {"zeta", "alpha", "mid"}) std::ofstream(d + "/libtenon_backend_" + name + ".so") << "not an object";
  std::ofstream(d + "/README") << "x";
  const std::vector<std::string> expected = {d + "/libtenon_backend_alpha.so", d + "/libtenon_backend_mid.so",
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
  Backend* mini = registry.find("mini");
  ASSERT_NE(mini, nullptr) << registry.tried();
  EXPECT_EQ(mini->path, path);
  EXPECT_EQ(mini->tables.name, "mini");
  EXPECT_HAS(registry.tried(), "libtenon_backend_other.so: found, not opened yet");
  EXPECT_EQ(registry.find("mini"), mini);
}

TEST_F(Loader, TheFirstDirectoryWins) {
  const std::string first = copy(directory("first")), second = copy(directory("second"));
  Registry registry(looking_in({directory("first"), directory("second")}));
  const auto r = registry.reports();
  ASSERT_EQ(r.size(), 2u);
  EXPECT_EQ(r[0].state, State::kLoaded) << r[0].reason;
  EXPECT_EQ(r[1].state, State::kShadowed);
  EXPECT_EQ(r[1].reason, "already registered (" + first + "); ignoring " + second +
                             "; use TENON_BACKEND_OVERRIDE=mini=/path to replace it");
}

TEST_F(Loader, ABrokenFirstLeavesRoomForASecond) {
  std::ofstream(directory("first") + "/libtenon_backend_mini.so") << "torn";
  const std::string second = copy(directory("second"));
  Registry registry(looking_in({directory("first"), directory("second")}));
  ASSERT_NE(registry.find("mini"), nullptr);
  EXPECT_EQ(registry.find("mini")->path, second);
}

TEST_F(Loader, TheNameInTheTableMustBeTheFiles) {
  copy(directory("d"), "wrong");
  Registry registry(looking_in({directory("d")}));
  EXPECT_EQ(registry.find("wrong"), nullptr);
  EXPECT_HAS(registry.reports()[0].reason, "the file is named for 'wrong' but its table says 'mini'");
}

TEST_F(Loader, OneFileUnderTwoPathsIsLoadedOnce) {
  const std::string real = copy(directory("real"));
  fs::create_symlink(real, directory("link") + "/libtenon_backend_mini.so");
  fs::create_hard_link(real, directory("hard") + "/libtenon_backend_mini.so");
  Registry registry(looking_in({directory("link"), directory("real"), directory("hard")}));
  const auto r = registry.reports();
  EXPECT_EQ(r[0].state, State::kLoaded) << r[0].reason;
  EXPECT_EQ(r[1].state, State::kShadowed);
  EXPECT_EQ(r[2].state, State::kShadowed);
}

TEST_F(Loader, WhatOthersMayWriteToIsRefusedWhenStrict) {
  const std::string file = copy(directory("file"), "mini", 0664);
  const std::string in_open = copy(directory("open", 0777));
  PluginFile about;
  EXPECT_EQ(inspect_file(file, false, &about), "");
  EXPECT_EQ(about.real_path, file);
  EXPECT_HAS(inspect_file(file, true, &about), "the file may be written to by its group");
  EXPECT_EQ(inspect_file(in_open, false, &about), "");
  EXPECT_HAS(inspect_file(in_open, true, &about), "may be written to by everybody");
  // Through a link from a tidy directory the untidy one still counts.
  fs::create_symlink(in_open, directory("tidy") + "/libtenon_backend_mini.so");
  EXPECT_HAS(inspect_file(directory("tidy") + "/libtenon_backend_mini.so", true, &about), "/open may be written to");
  LoaderSettings strict = looking_in({directory("file")});
  strict.strict = true;
  Registry registry(strict);
  EXPECT_EQ(registry.find("mini"), nullptr);
}

TEST_F(Loader, OnlyRegularFiles) {
  const std::string fifo = directory("d") + "/libtenon_backend_fifo.so";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  fs::create_directory(directory("d") + "/libtenon_backend_dir.so");
  Registry registry(looking_in({directory("d")}));
  for (const BackendReport& r : registry.reports()) EXPECT_EQ(r.reason, "is not a regular file") << r.name;
  PluginFile about;
  EXPECT_HAS(inspect_file(directory("d") + "/libtenon_backend_none.so", false, &about), "No such file");
}

TEST_F(Loader, ALibraryThatIsNoBackend) {
  Dl_info info;
  ASSERT_NE(dladdr(reinterpret_cast<void*>(static_cast<double (*)(double)>(&cos)), &info), 0);  // the mathematical library, say
  fs::copy_file(fs::canonical(info.dli_fname), directory("d") + "/libtenon_backend_math.so");
  Registry registry(looking_in({directory("d")}));
  EXPECT_HAS(registry.reports()[0].reason, "does not export tenon_backend_entry_v0");
}

TEST_F(Loader, APluginForALaterAbiSaysSo) {
  const std::string future = absolute_from_environment("TENON_TEST_FUTURE_PLUGIN");
  if (future.empty()) GTEST_SKIP() << "TENON_TEST_FUTURE_PLUGIN is not set";
  fs::copy_file(future, directory("d") + "/libtenon_backend_future.so");
  Registry registry(looking_in({directory("d")}));
  EXPECT_EQ(registry.reports()[0].reason,
            "needs ABI 1, this Tenon provides ABI 0.1; rebuild the plugin with tenon_backend.h 0.x or upgrade Tenon");
}

TEST_F(Loader, DisabledPluginsAreNeverOpened) {
  std::ofstream(directory("d") + "/libtenon_backend_mini.so") << "opening this would fail";
  LoaderSettings s = looking_in({directory("d")});
  s.disabled = {"mini"};
  Registry registry(s);
  EXPECT_EQ(registry.reports()[0].state, State::kDisabled);
}

TEST_F(Loader, AnOverrideComesBeforeBuiltinsAndDirectories) {
  testing::Fake<0>::settings().name = "mini";
  const std::string other = copy(directory("d")), mine = copy(directory("mine"));
  LoaderSettings s = looking_in({directory("d")});
  s.builtin = {testing::Fake<0>::entry};
  s.overrides = {{"mini", mine}};
  Registry registry(s);
  ASSERT_NE(registry.find("mini"), nullptr);
  EXPECT_EQ(registry.find("mini")->path, mine);
  const auto r = registry.reports();
  EXPECT_EQ(r[1].state, State::kShadowed);  // the built-in
  EXPECT_HAS(r[1].reason, "ignoring the built-in");
  EXPECT_EQ(r[2].state, State::kShadowed);
}

TEST_F(Loader, ExplicitFiles) {
  Registry registry(looking_in({}));
  const std::string path = copy(directory("d"));
  EXPECT_EQ(&registry.load_file(path), &registry.load_file(path));  // again is no mistake
  EXPECT_EQ(registry.find("mini")->path, path);
  const auto refused = [&](const std::string& file, const char* why) {
    try {
      registry.load_file(file);
      ADD_FAILURE() << file;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kDevice);
      EXPECT_HAS(std::string(e.what()), why);
    }
  };
  refused("libtenon_backend_mini.so", "has no '/'");
  refused(directory("d") + "/mini.so", "is not named libtenon_backend_<name>.so");
  refused(directory("d") + "/libtenon_backend_no.so", "No such file");
  refused(copy(directory("other")), "already registered");
}

TEST_F(Loader, TheEnvironmentIsReadAsDocumented) {
  setenv("TENON_BACKEND_PATH", ":/one:relative::/two:", 1);
  setenv("TENON_DISABLE", "cuda,foo", 1);
  setenv("TENON_STRICT_LOAD", "1", 1);
  setenv("TENON_BACKEND_OVERRIDE", "cuda=/x/libtenon_backend_cuda.so,bad,worse=rel.so", 1);
  const LoaderSettings s = settings_from_environment();
  for (const char* name : {"TENON_BACKEND_PATH", "TENON_DISABLE", "TENON_STRICT_LOAD", "TENON_BACKEND_OVERRIDE"}) unsetenv(name);
  ASSERT_GE(s.directories.size(), 3u);
  EXPECT_EQ(s.directories[0], "/one");
  EXPECT_EQ(s.directories[1], "/two");
  EXPECT_EQ(s.directories[2], fs::canonical("/proc/self/exe").parent_path().string() + "/tenon/backends");
  EXPECT_EQ(s.disabled, (std::vector<std::string>{"cuda", "foo"}));
  EXPECT_TRUE(s.strict);
  ASSERT_EQ(s.overrides.size(), 1u);
  EXPECT_EQ(s.overrides[0].second, "/x/libtenon_backend_cuda.so");
  EXPECT_FALSE(settings_from_environment().strict);
}

}  // namespace
}  // namespace tenon
