// The CUDA plug-in without a GPU: without a driver, and with a fake one, which fails where it is
// told to. Loading, forking, memory, copies, streams; kernels are in kernel_test.cc.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include "tests/cuda/plugin_fixture.h"

namespace {

// device_count's message where it counts none.
class LoadingTest : public PluginTest {
 protected:
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
};

// ---- loading ----

TEST_F(LoadingTest, WithoutADriverThereIsNoDeviceAndAReason) {
  host_.options["CUDA_DRIVER"] = "/nowhere/libcuda.so.1";
  ASSERT_NO_FATAL_FAILURE(Load());
  EXPECT_EQ(WhyNoDevice(),
            "no NVIDIA driver: /nowhere/libcuda.so.1 could not be opened (/nowhere/libcuda.so.1: "
            "cannot open shared "
            "object file: No such file or directory)");
}

TEST_F(LoadingTest, LooksForTheSystemsDriver) {
  host_.options.clear();
  void* const real = dlopen("libcuda.so.1", RTLD_NOW);
  if (real != nullptr) GTEST_SKIP() << "this machine has a driver";
  ASSERT_NO_FATAL_FAILURE(Load());
  EXPECT_EQ(WhyNoDevice().find("no NVIDIA driver: libcuda.so.1 could not be opened ("), 0u)
      << error_.message;
}

TEST_F(LoadingTest, ADriverThatIsTooOld) {
  fake_->version = 11040;
  ASSERT_NO_FATAL_FAILURE(Load());
  EXPECT_EQ(WhyNoDevice(),
            "the NVIDIA driver is too old: it serves CUDA 11.4, needed is 12.0 or newer");
}

TEST_F(LoadingTest, ADriverWithoutDevices) {
  fake_->init_result = 100;  // CUDA_ERROR_NO_DEVICE
  fake_->devices = 0;
  ASSERT_NO_FATAL_FAILURE(Load());
  EXPECT_EQ(WhyNoDevice().find("an NVIDIA driver is present (CUDA 13.0), but it finds no device"),
            0u)
      << error_.message;
}

TEST_F(LoadingTest, ADriverThatDoesNotStart) {
  fake_->init_result = 999;
  ASSERT_NO_FATAL_FAILURE(Load());
  EXPECT_EQ(WhyNoDevice(),
            "an NVIDIA driver is present (CUDA 13.0), but does not start: CUDA_ERROR_FAKE: "
            "something else");
}

TEST_F(LoadingTest, ADriverThatCrashesIsSurvived) {
  fake_->crash_in_init = 1;
  ASSERT_NO_FATAL_FAILURE(Load());
  EXPECT_EQ(WhyNoDevice(),
            "an NVIDIA driver is present (CUDA 13.0), but the process that was to ask the driver "
            "crashed: Killed");
}

// ---- forking ----

// Runs `body` in a forked child; true if it says so.
template <class Body>
bool InChild(Body body) {
  const pid_t child = fork();
  if (child == 0) _exit(body() ? 0 : 1);
  int status = 0;
  return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

TEST_F(LoadingTest, LookingForDevicesInitialisesNothing) {
  ASSERT_NO_FATAL_FAILURE(Load());
  uint32_t count = 0;
  ASSERT_EQ(backend_->core->device_count(&count, &error_), TENON_OK);
  TenonDeviceProps props = {};
  props.size = sizeof props;
  ASSERT_EQ(backend_->core->device_props(0, &props, &error_), TENON_OK);
  EXPECT_EQ(count, 1u);
  EXPECT_EQ(fake_->initialised_in, 0) << "cuInit was called in this process";
  // The fake answers as CUDA does where a parent had called cuInit: "not initialised".
  EXPECT_TRUE(InChild([&] {
    TenonBuffer buffer = 0;
    return backend_->core->device_open(0, &device_, &error_) == TENON_OK &&
           backend_->core->mem_alloc(device_, 64, &buffer, &error_) == TENON_OK;
  }));
  EXPECT_EQ(backend_->core->device_open(0, &device_, &error_), TENON_OK) << "and in the parent";
  EXPECT_EQ(fake_->initialised_in, getpid());
  Close();
}

TEST_F(LoadingTest, AfterADeviceWasOpenedAChildIsToldToSpawn) {
  ASSERT_NO_FATAL_FAILURE(Open());
  EXPECT_TRUE(InChild([&] {
    TenonDevice other = 0;
    return backend_->core->device_open(0, &other, &error_) == TENON_FAILED_PRECONDITION &&
           std::string(error_.message).find("spawn") != std::string::npos;
  }));
  Close();
}

TEST_F(LoadingTest, WhereAnotherLibraryInitialisedCudaTheDriverIsAskedDirectly) {
  fake_->initialised_in = getpid();
  fake_->devices = 2;
  fake_->crash_in_init = 1;  // would be found out by a child
  ASSERT_NO_FATAL_FAILURE(Load());
  uint32_t count = 0;
  ASSERT_EQ(backend_->core->device_count(&count, &error_), TENON_OK);
  EXPECT_EQ(count, 2u) << error_.message;
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

TEST_F(PluginTest, PageableSourcesAreStagedPinnedOnesAreNot) {
  ASSERT_NO_FATAL_FAILURE(Open());
  const TenonCoreOps& core = *backend_->core;
  constexpr uint64_t kBytes = (20 << 20) + 13;  // more than all slots together
  TenonBuffer buffer = 0;
  ASSERT_EQ(core.mem_alloc(device_, kBytes, &buffer, &error_), TENON_OK);
  std::vector<unsigned char> source(kBytes), back(kBytes);
  for (size_t i = 0; i < kBytes; ++i) source[i] = static_cast<unsigned char>(i * 31 >> 4);
  ASSERT_EQ(core.copy_h2d(device_, 0, buffer, 0, source.data(), kBytes, &error_), TENON_OK);
  EXPECT_GT(fake_->staged_copies, 8);
  ASSERT_EQ(core.copy_d2h(device_, 0, back.data(), buffer, 0, kBytes, &error_), TENON_OK);
  EXPECT_EQ(source, back);
  const int staged = fake_->staged_copies;
  void* pinned = nullptr;
  ASSERT_EQ(backend_->memory->pinned_alloc(device_, kBytes, &pinned, &error_), TENON_OK);
  std::memcpy(pinned, source.data(), kBytes);
  ASSERT_EQ(core.copy_h2d(device_, 0, buffer, 0, pinned, kBytes, &error_), TENON_OK);
  EXPECT_EQ(fake_->staged_copies, staged + 1) << "in one piece";
  backend_->memory->pinned_free(device_, pinned);
  core.mem_free(device_, buffer);
  Close();
}

TEST_F(PluginTest, WithoutPinnedMemoryCopiesStillWork) {
  ASSERT_NO_FATAL_FAILURE(Open());
  fake_->fail_pinned = 1;
  const TenonCoreOps& core = *backend_->core;
  void* pinned = nullptr;
  EXPECT_EQ(backend_->memory->pinned_alloc(device_, 4096, &pinned, &error_), TENON_OUT_OF_MEMORY);
  EXPECT_STREQ(error_.message, "cuda: no 4096 bytes of pinned host memory");
  TenonBuffer buffer = 0;
  ASSERT_EQ(core.mem_alloc(device_, 100, &buffer, &error_), TENON_OK);
  const char out[] = "bytes";
  char in[sizeof out] = {};
  EXPECT_EQ(core.copy_h2d(device_, 0, buffer, 0, out, sizeof out, &error_), TENON_OK);
  EXPECT_EQ(core.copy_d2h(device_, 0, in, buffer, 0, sizeof out, &error_), TENON_OK);
  EXPECT_STREQ(in, out);
  core.mem_free(device_, buffer);
  Close();
}

TEST_F(PluginTest, CopiesBetweenDevices) {
  fake_->devices = 2;
  ASSERT_NO_FATAL_FAILURE(Open());
  const TenonCoreOps& core = *backend_->core;
  TenonDevice other = 0;
  ASSERT_EQ(core.device_open(1, &other, &error_), TENON_OK);
  TenonBuffer a = 0, b = 0;
  ASSERT_EQ(core.mem_alloc(device_, 64, &a, &error_), TENON_OK);
  ASSERT_EQ(core.mem_alloc(other, 64, &b, &error_), TENON_OK);
  const char out[] = "across";
  ASSERT_EQ(core.copy_h2d(other, 0, b, 8, out, sizeof out, &error_), TENON_OK);
  ASSERT_EQ(backend_->memory->copy_peer(device_, 0, a, 4, other, b, 8, sizeof out, &error_),
            TENON_OK)
      << error_.message;
  EXPECT_STREQ(Data<char>(a) + 4, out);
  core.mem_free(device_, a);
  core.mem_free(other, b);
  core.device_close(other);
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

}  // namespace

int main(int argc, char** argv) { return RunPluginTests(argc, argv, 2); }
