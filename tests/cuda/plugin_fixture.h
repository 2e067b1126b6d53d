// The CUDA plug-in on a fake driver. Each test loads a copy of the plug-in of its own, since the
// plug-in opens its driver once.
//   some_test PLUGIN FAKE_DRIVER [FAKE_CUBLASLT]
#ifndef TENON_TESTS_CUDA_PLUGIN_FIXTURE_H_
#define TENON_TESTS_CUDA_PLUGIN_FIXTURE_H_

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "tenon/abi/tenon_plugin_kit.h"
#include "tests/abi/fake_host.h"
#include "tests/abi/program_builder.h"
#include "tests/cuda/fake_driver.h"

// The program's arguments, absolute.
inline std::vector<std::string>& TestFiles() {
  static std::vector<std::string> files;
  return files;
}

inline int RunPluginTests(int argc, char** argv, int files) {
  testing::InitGoogleTest(&argc, argv);
  if (argc != files + 1) {
    std::fprintf(stderr, "usage: %s PLUGIN FAKE_DRIVER ...: %d files\n", argv[0], files);
    return 2;
  }
  for (int i = 1; i < argc; ++i) TestFiles().push_back(std::filesystem::absolute(argv[i]));
  return RUN_ALL_TESTS();
}

class PluginTest : public testing::Test {
 protected:
  PluginTest() : fake_(FakeState()) {
    *fake_ = FakeDriver{};
    fake_->version = 13000;
    fake_->devices = 1;
    host_.options["CUDA_DRIVER"] = TestFiles()[1];
    host_.options["KERNEL_CACHE"] = "off";
  }
  ~PluginTest() override {
    if (!copy_.empty()) std::filesystem::remove(copy_);
  }

  static FakeDriver* FakeState() {
    void* const library = dlopen(TestFiles()[1].c_str(), RTLD_NOW);
    if (library == nullptr) ADD_FAILURE() << dlerror();
    return reinterpret_cast<FakeDriverFn>(dlsym(library, "tenon_fake_driver"))();
  }

  void Load() {
    static int number = 0;
    if (!copy_.empty()) std::filesystem::remove(copy_);
    copy_ = std::filesystem::path(testing::TempDir()) /
            ("cuda_plugin_" + std::to_string(getpid()) + "_" + std::to_string(number++) + ".so");
    std::filesystem::copy_file(TestFiles()[0], copy_);
    void* const library = dlopen(copy_.c_str(), RTLD_NOW | RTLD_LOCAL);
    ASSERT_NE(library, nullptr) << dlerror();
    const auto entry = reinterpret_cast<TenonEntryFn>(dlsym(library, TENON_ENTRY_SYMBOL));
    ASSERT_NE(entry, nullptr);
    backend_ = host_.Enter(entry);
    ASSERT_NE(backend_, nullptr);
    EXPECT_STREQ(backend_->name, "cuda");
  }

  void Open() {
    ASSERT_NO_FATAL_FAILURE(Load());
    ASSERT_EQ(backend_->core->device_open(0, &device_, &error_), TENON_OK) << error_.message;
  }
  void Close() {
    backend_->core->device_close(device_);
    EXPECT_EQ(fake_->live_allocations, 0);
    EXPECT_EQ(fake_->live_pinned, 0);
    EXPECT_EQ(fake_->live_streams, 0);
    EXPECT_EQ(fake_->live_events, 0);
    EXPECT_EQ(fake_->live_modules, 0);
    EXPECT_EQ(fake_->live_contexts, 0);
    EXPECT_EQ(fake_->context_depth, 0) << "the thread's current context was not put back";
  }

  // On the fake, a buffer's handle is an address of this process.
  template <class T>
  static T* Data(TenonBuffer buffer) {
    return reinterpret_cast<T*>(buffer);
  }

  FakeHost host_;
  FakeDriver* fake_;
  std::filesystem::path copy_;
  const TenonBackend* backend_ = nullptr;
  TenonDevice device_ = 0;
  ErrorSlot error_;
};

#endif  // TENON_TESTS_CUDA_PLUGIN_FIXTURE_H_
