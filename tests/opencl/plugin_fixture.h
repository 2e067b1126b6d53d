// The plug-in on the fake OpenCL. Each test loads a copy of the plug-in of its own, since the
// plug-in opens its library once.
#ifndef TENON_TESTS_OPENCL_PLUGIN_FIXTURE_H_
#define TENON_TESTS_OPENCL_PLUGIN_FIXTURE_H_

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "tenon/abi/tenon_plugin_kit.h"
#include "tests/abi/fake_host.h"
#include "tests/abi/program_builder.h"
#include "tests/opencl/fake_opencl.h"

namespace fs = std::filesystem;

inline std::string* plugin_path;
inline std::string* fake_path;

inline int RunPluginTests(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (argc != 3) {
    fprintf(stderr, "usage: %s PLUGIN FAKE_OPENCL\n", argv[0]);
    return 2;
  }
  plugin_path = new std::string(fs::absolute(argv[1]));
  fake_path = new std::string(fs::absolute(argv[2]));
  return RUN_ALL_TESTS();
}

class PluginTest : public testing::Test {
 protected:
  PluginTest() : fake_(State()) {
    *fake_ = FakeOpencl{};
    fake_->platforms = 1;
    fake_->platform = "Fake";
    fake_->version = "OpenCL 3.0 fake";
    fake_->driver = "1.0";
    fake_->max_argument_bytes = 1024;
    host_.options["OPENCL_LIBRARY"] = *fake_path;
    host_.options["KERNEL_CACHE"] = "off";
  }
  ~PluginTest() override {
    for (const fs::path& copy : copies_) fs::remove_all(copy);
  }

  static FakeOpencl* State() {
    void* const library = dlopen(fake_path->c_str(), RTLD_NOW);
    if (library == nullptr) ADD_FAILURE() << dlerror();
    return reinterpret_cast<FakeOpenclFn>(dlsym(library, "tenon_fake_opencl"))();
  }

  fs::path NewPath(const std::string& name) {
    static int number = 0;
    copies_.push_back(fs::path(testing::TempDir()) /
                      (name + std::to_string(getpid()) + "_" + std::to_string(number++)));
    return copies_.back();
  }

  void Load() {
    const fs::path copy = NewPath("opencl_plugin_");
    fs::copy_file(*plugin_path, copy);
    void* const library = dlopen(copy.c_str(), RTLD_NOW | RTLD_LOCAL);
    ASSERT_NE(library, nullptr) << dlerror();
    const auto entry = reinterpret_cast<TenonEntryFn>(dlsym(library, TENON_ENTRY_SYMBOL));
    ASSERT_NE(entry, nullptr);
    backend_ = host_.Enter(entry);
    ASSERT_NE(backend_, nullptr);
    EXPECT_STREQ(backend_->name, "opencl");
  }
  void Open() {
    ASSERT_NO_FATAL_FAILURE(Load());
    ASSERT_EQ(backend_->core->device_open(0, &device_, &error_), TENON_OK) << error_.message;
  }
  void Close() {
    backend_->core->device_close(device_);
    EXPECT_EQ(fake_->live_buffers, 0);
    EXPECT_EQ(fake_->live_queues, 0);
    EXPECT_EQ(fake_->live_programs, 0);
    EXPECT_EQ(fake_->live_kernels, 0);
    EXPECT_EQ(fake_->live_events, 0);
    EXPECT_EQ(fake_->live_contexts, 0);
  }

  // device_count's message where it counts none.
  std::string WhyNoDevice() {
    uint32_t count = 99;
    EXPECT_EQ(backend_->core->device_count(&count, &error_), TENON_OK);
    EXPECT_EQ(count, 0u);
    TenonDevice device = 0;
    ErrorSlot refused;
    EXPECT_EQ(backend_->core->device_open(0, &device, &refused), TENON_INVALID_ARGUMENT);
    EXPECT_NE(std::string(refused.message).find(error_.message), std::string::npos)
        << refused.message;
    return error_.message;
  }

  FakeHost host_;
  FakeOpencl* fake_;
  std::vector<fs::path> copies_;
  const TenonBackend* backend_ = nullptr;
  TenonDevice device_ = 0;
  ErrorSlot error_;
};

// With a kernel, y = x + x, and a buffer.
class KernelTest : public PluginTest {
 protected:
  void Create() {
    ASSERT_NO_FATAL_FAILURE(Open());
    ProgramBuilder p;
    const auto x = p.Input(TENON_F32);
    p.Output(p.Op(TENON_OP_ADD, TENON_F32, x, x));
    const KernelText text(p);
    ASSERT_EQ(backend_->core->kernel_create(device_, &text.desc, &kernel_, &error_), TENON_OK)
        << error_.message;
    ASSERT_EQ(backend_->core->mem_alloc(device_, 4096, &buffer_, &error_), TENON_OK);
  }
  TenonStatus Launch(TenonStream stream = 0) {
    LaunchText launch({1000});
    launch.Add(buffer_, TENON_F32).Add(buffer_, TENON_F32);
    launch.launch.flags = TENON_LAUNCH_MAY_ALIAS;
    return backend_->core->kernel_launch(device_, stream, kernel_, &launch.launch, &error_);
  }
  void Destroy() {
    backend_->core->mem_free(device_, buffer_);
    backend_->core->kernel_destroy(device_, kernel_);
    Close();
  }

  TenonKernel kernel_ = 0;
  TenonBuffer buffer_ = 0;
};

#endif  // TENON_TESTS_OPENCL_PLUGIN_FIXTURE_H_
