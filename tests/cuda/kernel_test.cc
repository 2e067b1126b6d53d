// Kernels of the CUDA plug-in on a fake driver, which fails where it is told to: launches, faults,
// lost devices, threads, and programs for NVRTC.
#include <gtest/gtest.h>

#include <thread>

#include "tests/cuda/plugin_fixture.h"

namespace {

namespace fs = std::filesystem;

class KernelTest : public PluginTest {
 protected:
  KernelTest() { host_.options["CUDA_NVRTC"] = "/nowhere/libnvrtc.so.13"; }

  // y = x + x
  void Create(TenonDevice device, TenonKernel* kernel) {
    ProgramBuilder p;
    const auto x = p.Input(TENON_F32);
    p.Output(p.Op(TENON_OP_ADD, TENON_F32, x, x));
    const KernelText text(p);
    ASSERT_EQ(backend_->core->kernel_create(device, &text.desc, kernel, &error_), TENON_OK)
        << error_.message;
  }
  void Create() {
    ASSERT_NO_FATAL_FAILURE(Open());
    ASSERT_NO_FATAL_FAILURE(Create(device_, &kernel_));
    ASSERT_EQ(backend_->core->mem_alloc(device_, 4096, &buffer_, &error_), TENON_OK);
  }
  TenonStatus Launch() { return Launch(device_, kernel_, buffer_); }
  TenonStatus Launch(TenonDevice device, TenonKernel kernel, TenonBuffer buffer) {
    LaunchText launch({1000});
    launch.Add(buffer, TENON_F32).Add(buffer, TENON_F32);
    launch.launch.flags = TENON_LAUNCH_MAY_ALIAS;
    return backend_->core->kernel_launch(device, 0, kernel, &launch.launch, &error_);
  }
  void Destroy() {
    backend_->core->mem_free(device_, buffer_);
    backend_->core->kernel_destroy(device_, kernel_);
    Close();
  }

  TenonKernel kernel_ = 0;
  TenonBuffer buffer_ = 0;
};

TEST_F(KernelTest, Launches) {
  ASSERT_NO_FATAL_FAILURE(Create());
  for (int i = 0; i < 1000; ++i) Data<float>(buffer_)[i] = static_cast<float>(i);
  EXPECT_EQ(Launch(), TENON_OK) << error_.message;
  EXPECT_EQ(Data<float>(buffer_)[999], 1998.0f);
  EXPECT_EQ(fake_->launches, 1);
  Destroy();
}

// A plug-in built with a newer toolkit than the driver's: its own kernels are no use, NVRTC's are.
TEST_F(KernelTest, WhereTheDriverDoesNotTakeTheBuiltInKernelsProgramsGoToNvrtc) {
  fake_->refuse_images = 1;
  ASSERT_NO_FATAL_FAILURE(Open());
  ProgramBuilder p;
  p.Output(p.Op(TENON_OP_NEG, TENON_F32, p.Input(TENON_F32)));
  const KernelText text(p);
  EXPECT_EQ(backend_->core->kernel_create(device_, &text.desc, &kernel_, &error_),
            TENON_UNSUPPORTED);
  EXPECT_NE(std::string(error_.message).find("no run-time compiler"), std::string::npos)
      << error_.message;
  Close();
}

TEST_F(KernelTest, WrongLaunchesAreRefused) {
  ASSERT_NO_FATAL_FAILURE(Create());
  LaunchText launch({10});
  launch.Add(buffer_, TENON_F32);
  EXPECT_EQ(backend_->core->kernel_launch(device_, 0, kernel_, &launch.launch, &error_),
            TENON_INVALID_ARGUMENT);
  EXPECT_EQ(fake_->launches, 0);
  Destroy();
}

TEST_F(KernelTest, ALaunchThatIsRefusedNamesTheKernelAndBreaksNothing) {
  ASSERT_NO_FATAL_FAILURE(Create());
  fake_->fail_launch_at = 1;
  EXPECT_EQ(Launch(), TENON_INTERNAL);
  EXPECT_STREQ(error_.message,
               "cuda: launch of add_f32: CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES: something else");
  EXPECT_EQ(Launch(), TENON_OK);
  Destroy();
}

TEST_F(KernelTest, AFaultIsReportedLateWithTheKernelsNameAndTheDeviceStaysLost) {
  ASSERT_NO_FATAL_FAILURE(Create());
  fake_->fault_at_launch = 1;
  EXPECT_EQ(Launch(), TENON_OK) << "asynchronous";
  EXPECT_EQ(backend_->streams->stream_sync(device_, 0, &error_), TENON_DEVICE_LOST);
  const std::string message = error_.message;
  EXPECT_NE(message.find("CUDA_ERROR_ILLEGAL_ADDRESS: an illegal memory access was encountered"),
            std::string::npos)
      << message;
  EXPECT_NE(message.find("latest kernel: add_f32"), std::string::npos) << message;
  EXPECT_EQ(backend_->streams->stream_sync(device_, 0, &error_), TENON_DEVICE_LOST)
      << "not cleared by a report";
  TenonBuffer none = 0;
  EXPECT_EQ(backend_->core->mem_alloc(device_, 64, &none, &error_), TENON_DEVICE_LOST);
  EXPECT_NE(std::string(error_.message).find(message), std::string::npos) << error_.message;
  EXPECT_EQ(Launch(), TENON_DEVICE_LOST);
  const char bytes[8] = {};
  EXPECT_EQ(backend_->core->copy_h2d(device_, 0, buffer_, 0, bytes, 8, &error_), TENON_DEVICE_LOST);
  Destroy();
}

TEST_F(KernelTest, AfterADeviceIsLostOthersWork) {
  fake_->devices = 2;
  ASSERT_NO_FATAL_FAILURE(Create());
  TenonDevice other = 0;
  TenonKernel kernel = 0;
  TenonBuffer buffer = 0;
  ASSERT_EQ(backend_->core->device_open(1, &other, &error_), TENON_OK) << error_.message;
  ASSERT_NO_FATAL_FAILURE(Create(other, &kernel));
  ASSERT_EQ(backend_->core->mem_alloc(other, 4096, &buffer, &error_), TENON_OK);
  fake_->fault_at_launch = 1;
  EXPECT_EQ(Launch(), TENON_OK);
  EXPECT_EQ(Launch(), TENON_DEVICE_LOST);
  EXPECT_EQ(Launch(other, kernel, buffer), TENON_OK) << error_.message;
  EXPECT_EQ(backend_->streams->stream_sync(other, 0, &error_), TENON_OK) << error_.message;
  backend_->core->mem_free(other, buffer);
  backend_->core->kernel_destroy(other, kernel);
  backend_->core->device_close(other);
  Destroy();
}

// As in destructors of a program that ends: the driver answers nothing any more.
TEST_F(KernelTest, WhileTheProcessEndsEverythingMayStillBeReleased) {
  ASSERT_NO_FATAL_FAILURE(Create());
  TenonStream stream = 0;
  TenonEvent event = 0;
  ASSERT_EQ(backend_->streams->stream_create(device_, 0, &stream, &error_), TENON_OK);
  ASSERT_EQ(backend_->streams->event_create(device_, &event, &error_), TENON_OK);
  EXPECT_EQ(Launch(), TENON_OK);
  fake_->ended = 1;
  backend_->core->mem_free(device_, buffer_);
  backend_->streams->event_destroy(device_, event);
  backend_->streams->stream_destroy(device_, stream);
  backend_->core->kernel_destroy(device_, kernel_);
  backend_->core->device_close(device_);
}

TEST_F(KernelTest, ManyThreadsLaunchOnStreamsOfTheirOwn) {
  ASSERT_NO_FATAL_FAILURE(Create());
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([this] {
      ErrorSlot error;
      TenonStream stream = 0;
      TenonBuffer buffer = 0;
      EXPECT_EQ(backend_->streams->stream_create(device_, 0, &stream, &error), TENON_OK);
      EXPECT_EQ(backend_->core->mem_alloc(device_, 4096, &buffer, &error), TENON_OK);
      std::vector<float> in(1000, 1.0f), out(1000);
      for (int round = 0; round < 10; ++round) {
        backend_->core->copy_h2d(device_, stream, buffer, 0, in.data(), 4000, &error);
        LaunchText launch({1000});
        launch.Add(buffer, TENON_F32).Add(buffer, TENON_F32);
        launch.launch.flags = TENON_LAUNCH_MAY_ALIAS;
        EXPECT_EQ(backend_->core->kernel_launch(device_, stream, kernel_, &launch.launch, &error),
                  TENON_OK);
        backend_->core->copy_d2h(device_, stream, out.data(), buffer, 0, 4000, &error);
        EXPECT_EQ(backend_->streams->stream_sync(device_, stream, &error), TENON_OK);
        EXPECT_EQ(out[round * 99], 2.0f);
      }
      backend_->core->mem_free(device_, buffer);
      backend_->streams->stream_destroy(device_, stream);
    });
  }
  for (std::thread& thread : threads) thread.join();
  Destroy();
}

// ---- programs for NVRTC; skipped where there is none ----

class GeneratedTest : public KernelTest {
 protected:
  GeneratedTest() {
    host_.options.erase("CUDA_NVRTC");
    directory_ = fs::path(testing::TempDir()) / ("kernels_" + std::to_string(getpid()));
    fs::create_directory(directory_);
  }
  ~GeneratedTest() override { fs::remove_all(directory_); }

  // y = -|x|, which is two opcodes. False: there is no compiler.
  bool CreateTwo() {
    ProgramBuilder p;
    p.Output(p.Op(TENON_OP_NEG, TENON_F32, p.Op(TENON_OP_ABS, TENON_F32, p.Input(TENON_F32))));
    const KernelText text(p);
    const TenonStatus status =
        backend_->core->kernel_create(device_, &text.desc, &kernel_, &error_);
    if (status == TENON_UNSUPPORTED) return false;
    EXPECT_EQ(status, TENON_OK) << error_.message;
    EXPECT_EQ(backend_->core->mem_alloc(device_, 4096, &buffer_, &error_), TENON_OK);
    return true;
  }
  size_t Files() {
    return static_cast<size_t>(
        std::distance(fs::directory_iterator(directory_), fs::directory_iterator()));
  }

  fs::path directory_;
};

TEST_F(GeneratedTest, CompilesLaunchesAndDumps) {
  host_.options["DUMP_KERNELS"] = directory_.string();
  ASSERT_NO_FATAL_FAILURE(Open());
  if (!CreateTwo()) GTEST_SKIP() << error_.message;
  EXPECT_EQ(Launch(), TENON_OK) << error_.message;
  EXPECT_EQ(Files(), 1u);
  EXPECT_EQ(fake_->launches, 1);
  EXPECT_EQ(fake_->last_threads, 256u);
  Destroy();
}

TEST_F(GeneratedTest, TheDiskKeepsCodeAndADamagedFileIsMadeAnew) {
  host_.options["KERNEL_CACHE"] = directory_.string();
  ASSERT_NO_FATAL_FAILURE(Open());
  if (!CreateTwo()) GTEST_SKIP() << error_.message;
  EXPECT_EQ(Launch(), TENON_OK) << error_.message;
  ASSERT_EQ(Files(), 1u);
  const fs::path file = fs::directory_iterator(directory_)->path();
  Destroy();
  const auto whole = fs::file_size(file);
  fs::resize_file(file, whole / 2);
  ASSERT_NO_FATAL_FAILURE(Open());  // another copy of the plug-in: nothing in its memory
  ASSERT_TRUE(CreateTwo());
  EXPECT_EQ(Launch(), TENON_OK) << error_.message;
  EXPECT_EQ(fs::file_size(file), whole);
  EXPECT_EQ(Files(), 1u) << "nothing is left beside it";
  Destroy();
}

TEST_F(GeneratedTest, WithoutNvrtcProgramsAreUnsupportedAndTheReasonIsSaid) {
  host_.options["CUDA_NVRTC"] = "/nowhere/libnvrtc.so.13";
  ASSERT_NO_FATAL_FAILURE(Open());
  EXPECT_FALSE(CreateTwo());
  EXPECT_NE(std::string(error_.message).find("/nowhere/libnvrtc.so.13: not found"),
            std::string::npos)
      << error_.message;
  Close();
}

}  // namespace

int main(int argc, char** argv) { return RunPluginTests(argc, argv, 2); }
