// The CUDA plug-in without a GPU: without a driver, and with a fake one. Each test loads a copy of
// the plug-in of its own, since the plug-in opens its driver once.
//   plugin_test PLUGIN FAKE_DRIVER
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "tenon/abi/tenon_plugin_kit.h"
#include "tests/abi/fake_host.h"
#include "tests/abi/program_builder.h"
#include "tests/cuda/fake_driver.h"

namespace {

namespace fs = std::filesystem;

std::string* plugin_path;
std::string* fake_driver_path;

class PluginTest : public testing::Test {
 protected:
  PluginTest() : fake_(FakeState()) {
    *fake_ = FakeDriver{};
    fake_->version = 13000;
    fake_->devices = 1;
    host_.options["CUDA_DRIVER"] = *fake_driver_path;
  }
  ~PluginTest() override {
    if (!copy_.empty()) fs::remove(copy_);
  }

  static FakeDriver* FakeState() {
    void* const library = dlopen(fake_driver_path->c_str(), RTLD_NOW);
    if (library == nullptr) ADD_FAILURE() << dlerror();
    return reinterpret_cast<FakeDriverFn>(dlsym(library, "tenon_fake_driver"))();
  }

  void Load() {
    static int number = 0;
    copy_ = fs::path(testing::TempDir()) /
            ("cuda_plugin_" + std::to_string(getpid()) + "_" + std::to_string(number++) + ".so");
    fs::copy_file(*plugin_path, copy_);
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
    EXPECT_EQ(fake_->live_streams, 0);
    EXPECT_EQ(fake_->live_events, 0);
    EXPECT_EQ(fake_->live_modules, 0);
    EXPECT_EQ(fake_->live_contexts, 0);
    EXPECT_EQ(fake_->context_depth, 0) << "the thread's current context was not put back";
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
  FakeDriver* fake_;
  fs::path copy_;
  const TenonBackend* backend_ = nullptr;
  TenonDevice device_ = 0;
  ErrorSlot error_;
};

// ---- loading ----

TEST_F(PluginTest, WithoutADriverThereIsNoDeviceAndAReason) {
  host_.options["CUDA_DRIVER"] = "/nowhere/libcuda.so.1";
  ASSERT_NO_FATAL_FAILURE(Load());
  EXPECT_EQ(WhyNoDevice(),
            "no NVIDIA driver: /nowhere/libcuda.so.1 could not be opened (/nowhere/libcuda.so.1: "
            "cannot open shared "
            "object file: No such file or directory)");
}

TEST_F(PluginTest, LooksForTheSystemsDriver) {
  host_.options.clear();
  void* const real = dlopen("libcuda.so.1", RTLD_NOW);
  if (real != nullptr) GTEST_SKIP() << "this machine has a driver";
  ASSERT_NO_FATAL_FAILURE(Load());
  EXPECT_EQ(WhyNoDevice().find("no NVIDIA driver: libcuda.so.1 could not be opened ("), 0u)
      << error_.message;
}

TEST_F(PluginTest, ADriverThatIsTooOld) {
  fake_->version = 11040;
  ASSERT_NO_FATAL_FAILURE(Load());
  EXPECT_EQ(WhyNoDevice(),
            "the NVIDIA driver is too old: it serves CUDA 11.4, needed is 12.0 or newer");
}

TEST_F(PluginTest, ADriverWithoutDevices) {
  fake_->init_result = 100;  // CUDA_ERROR_NO_DEVICE
  fake_->devices = 0;
  ASSERT_NO_FATAL_FAILURE(Load());
  EXPECT_EQ(WhyNoDevice().find("an NVIDIA driver is present (CUDA 13.0), but it finds no device"),
            0u)
      << error_.message;
}

TEST_F(PluginTest, ADriverThatDoesNotStart) {
  fake_->init_result = 999;
  ASSERT_NO_FATAL_FAILURE(Load());
  EXPECT_EQ(WhyNoDevice(),
            "an NVIDIA driver is present (CUDA 13.0), but does not start: CUDA_ERROR_FAKE: "
            "something else");
}

// ---- a device ----

TEST_F(PluginTest, Properties) {
  ASSERT_NO_FATAL_FAILURE(Load());
  uint32_t count = 0;
  ASSERT_EQ(backend_->core->device_count(&count, &error_), TENON_OK);
  EXPECT_EQ(count, 1u);
  EXPECT_STREQ(error_.message, "");
  TenonDeviceProps props = {};
  props.size = sizeof props;
  ASSERT_EQ(backend_->core->device_props(0, &props, &error_), TENON_OK) << error_.message;
  EXPECT_STREQ(props.name, "Fake GPU");
  EXPECT_STREQ(props.uuid, "GPU-00112233-4455-6677-8899-aabbccddeeff");
  EXPECT_EQ(props.flags, 0u);
  EXPECT_EQ(props.dlpack_type, 2u);
  EXPECT_EQ(props.total_bytes, uint64_t{1} << 30);
  EXPECT_EQ(fake_->live_contexts, 0) << "enumerating makes no context";
}

TEST_F(PluginTest, MemoryAndCopies) {
  ASSERT_NO_FATAL_FAILURE(Open());
  const TenonCoreOps& core = *backend_->core;
  TenonBuffer a = 0, b = 0;
  ASSERT_EQ(core.mem_alloc(device_, 100, &a, &error_), TENON_OK);
  ASSERT_EQ(core.mem_alloc(device_, 100, &b, &error_), TENON_OK);
  const char out[] = "twelve bytes";
  char in[sizeof out] = {};
  EXPECT_EQ(core.copy_h2d(device_, 0, a, 10, out, sizeof out, &error_), TENON_OK);
  EXPECT_EQ(core.copy_d2d(device_, 0, b, 20, a, 10, sizeof out, &error_), TENON_OK);
  EXPECT_EQ(core.copy_d2h(device_, 0, in, b, 20, sizeof out, &error_), TENON_OK);
  EXPECT_STREQ(in, out);
  uint64_t free_bytes = 0, total = 0;
  EXPECT_EQ(backend_->memory->mem_info(device_, &free_bytes, &total, &error_), TENON_OK);
  EXPECT_EQ(free_bytes, 1000u);
  core.mem_free(device_, a);
  core.mem_free(device_, b);
  Close();
}

TEST_F(PluginTest, OutOfMemoryAtTheNthAllocation) {
  ASSERT_NO_FATAL_FAILURE(Open());
  fake_->fail_alloc_at = 2;
  TenonBuffer a = 0, b = 0;
  EXPECT_EQ(backend_->core->mem_alloc(device_, 64, &a, &error_), TENON_OK);
  EXPECT_EQ(backend_->core->mem_alloc(device_, 4096, &b, &error_), TENON_OUT_OF_MEMORY);
  EXPECT_STREQ(error_.message, "cuda: no 4096 bytes, 1000 of 1073741824 are free");
  EXPECT_EQ(backend_->core->mem_alloc(device_, 4096, &b, &error_), TENON_OK) << "nothing is broken";
  backend_->core->mem_free(device_, a);
  backend_->core->mem_free(device_, b);
  Close();
}

TEST_F(PluginTest, StreamsAndEvents) {
  ASSERT_NO_FATAL_FAILURE(Open());
  const TenonStreamOps& ops = *backend_->streams;
  TenonStream stream = 0;
  TenonEvent event = 0;
  ASSERT_EQ(ops.stream_create(device_, 0, &stream, &error_), TENON_OK) << error_.message;
  ASSERT_EQ(ops.event_create(device_, &event, &error_), TENON_OK);
  EXPECT_EQ(ops.event_record(device_, stream, event, &error_), TENON_OK);
  EXPECT_EQ(ops.event_wait(device_, 0, event, &error_), TENON_OK);
  fake_->busy = 1;
  EXPECT_EQ(ops.stream_query(device_, stream, &error_), TENON_NOT_READY);
  EXPECT_EQ(ops.event_query(device_, event, &error_), TENON_NOT_READY);
  fake_->busy = 0;
  EXPECT_EQ(ops.stream_query(device_, stream, &error_), TENON_OK);
  EXPECT_EQ(ops.event_query(device_, event, &error_), TENON_OK);
  EXPECT_EQ(ops.stream_sync(device_, stream, &error_), TENON_OK);
  EXPECT_EQ(ops.event_sync(device_, event, &error_), TENON_OK);
  ops.event_destroy(device_, event);
  ops.stream_destroy(device_, stream);
  Close();
}

// ---- kernels; they need NVRTC ----

class KernelTest : public PluginTest {
 protected:
  // y = x + x
  void Create() {
    ASSERT_NO_FATAL_FAILURE(Open());
    ProgramBuilder p;
    const auto x = p.Input(TENON_F32);
    p.Output(p.Op(TENON_OP_ADD, TENON_F32, x, x));
    const KernelText text(p);
    const TenonStatus status =
        backend_->core->kernel_create(device_, &text.desc, &kernel_, &error_);
    if (status == TENON_UNSUPPORTED) GTEST_SKIP() << error_.message;
    ASSERT_EQ(status, TENON_OK) << error_.message;
    ASSERT_EQ(backend_->core->mem_alloc(device_, 4096, &buffer_, &error_), TENON_OK);
  }
  TenonStatus Launch() {
    LaunchText launch({1000});
    launch.Add(buffer_, TENON_F32).Add(buffer_, TENON_F32);
    launch.launch.flags = TENON_LAUNCH_MAY_ALIAS;
    return backend_->core->kernel_launch(device_, 0, kernel_, &launch.launch, &error_);
  }
  void Destroy() {
    backend_->core->mem_free(device_, buffer_);
    backend_->core->kernel_destroy(device_, kernel_);
    Close();
  }

  TenonKernel kernel_ = 0;
  TenonBuffer buffer_ = 0;
};

TEST_F(KernelTest, CompilesLaunchesAndDumps) {
  const fs::path directory = fs::path(testing::TempDir()) / ("kernels_" + std::to_string(getpid()));
  fs::create_directory(directory);
  host_.options["DUMP_KERNELS"] = directory.string();
  Create();
  if (HasFatalFailure() || IsSkipped()) return;
  EXPECT_EQ(std::distance(fs::directory_iterator(directory), fs::directory_iterator()), 1);
  fs::remove_all(directory);
  EXPECT_EQ(Launch(), TENON_OK) << error_.message;
  EXPECT_EQ(fake_->launches, 1);
  EXPECT_EQ(fake_->last_threads, 256u);
  EXPECT_EQ(fake_->last_blocks, 4u);
  Destroy();
}

TEST_F(KernelTest, WrongLaunchesAreRefused) {
  Create();
  if (HasFatalFailure() || IsSkipped()) return;
  LaunchText launch({10});
  launch.Add(buffer_, TENON_F32);
  EXPECT_EQ(backend_->core->kernel_launch(device_, 0, kernel_, &launch.launch, &error_),
            TENON_INVALID_ARGUMENT);
  EXPECT_EQ(fake_->launches, 0);
  Destroy();
}

TEST_F(KernelTest, AFaultIsReportedLateWithTheKernelsNameAndTheDeviceStaysLost) {
  Create();
  if (HasFatalFailure() || IsSkipped()) return;
  fake_->fault_at_launch = 1;
  EXPECT_EQ(Launch(), TENON_OK) << "asynchronous";
  EXPECT_EQ(backend_->streams->stream_sync(device_, 0, &error_), TENON_DEVICE_LOST);
  const std::string message = error_.message;
  EXPECT_NE(message.find("CUDA_ERROR_ILLEGAL_ADDRESS: an illegal memory access was encountered"),
            std::string::npos)
      << message;
  EXPECT_NE(message.find("latest kernel: map_"), std::string::npos) << message;
  EXPECT_EQ(backend_->streams->stream_sync(device_, 0, &error_), TENON_DEVICE_LOST)
      << "not cleared by a report";
  TenonBuffer none = 0;
  EXPECT_EQ(backend_->core->mem_alloc(device_, 64, &none, &error_), TENON_DEVICE_LOST);
  EXPECT_NE(std::string(error_.message).find(message), std::string::npos) << error_.message;
  EXPECT_EQ(Launch(), TENON_DEVICE_LOST);
  Destroy();
}

TEST_F(KernelTest, WithoutNvrtcProgramsAreUnsupportedAndTheReasonIsSaid) {
  host_.options["CUDA_NVRTC"] = "/nowhere/libnvrtc.so.13";
  ASSERT_NO_FATAL_FAILURE(Open());
  ProgramBuilder p;
  p.Output(p.Input(TENON_F32));
  const KernelText text(p);
  EXPECT_EQ(backend_->core->kernel_create(device_, &text.desc, &kernel_, &error_),
            TENON_UNSUPPORTED);
  EXPECT_NE(std::string(error_.message).find("/nowhere/libnvrtc.so.13: not found"),
            std::string::npos)
      << error_.message;
  Close();
}

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (argc != 3) {
    fprintf(stderr, "usage: plugin_test PLUGIN FAKE_DRIVER\n");
    return 2;
  }
  plugin_path = new std::string(fs::absolute(argv[1]));
  fake_driver_path = new std::string(fs::absolute(argv[2]));
  return RUN_ALL_TESTS();
}
