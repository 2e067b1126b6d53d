// The OpenCL plug-in where things go wrong: without OpenCL, and on a fake one that fails on demand.
//   plugin_test PLUGIN FAKE_OPENCL
#include <sys/wait.h>

#include <fstream>
#include <iterator>

#include "tests/opencl/plugin_fixture.h"

namespace {

// ---- loading ----

TEST_F(PluginTest, WithoutALibraryThereIsNoDeviceAndAReason) {
  host_.options["OPENCL_LIBRARY"] = "/nowhere/libOpenCL.so.1";
  ASSERT_NO_FATAL_FAILURE(Load());
  EXPECT_EQ(WhyNoDevice(),
            "no OpenCL: /nowhere/libOpenCL.so.1 could not be opened (/nowhere/libOpenCL.so.1: "
            "cannot open shared object file: No such file or directory); install an ICD loader "
            "(Debian: ocl-icd-libopencl1) and a driver (a GPU vendor's, or pocl-opencl-icd for the "
            "CPU)");
}

TEST_F(PluginTest, AnotherLibraryIsNotOpencl) {
  host_.options["OPENCL_LIBRARY"] = "libm.so.6";
  ASSERT_NO_FATAL_FAILURE(Load());
  EXPECT_EQ(WhyNoDevice().find("no OpenCL: libm.so.6 lacks the function cl"), 0u) << error_.message;
}

TEST_F(PluginTest, WithoutADriverThereIsNoDeviceAndAReason) {
  fake_->platforms = 0;
  ASSERT_NO_FATAL_FAILURE(Load());
  EXPECT_NE(WhyNoDevice().find("is there, but it finds no OpenCL driver"), std::string::npos)
      << error_.message;
}

TEST_F(PluginTest, ADeviceThatIsTooOld) {
  fake_->version = "OpenCL 1.1 fake";
  ASSERT_NO_FATAL_FAILURE(Load());
  EXPECT_EQ(WhyNoDevice(), "Fake device is older than OpenCL 1.2");
}

TEST_F(PluginTest, PropertiesNeedNoContext) {
  ASSERT_NO_FATAL_FAILURE(Load());
  uint32_t count = 0;
  EXPECT_EQ(backend_->core->device_count(&count, &error_), TENON_OK);
  EXPECT_EQ(count, 1u);
  TenonDeviceProps props = {};
  props.size = sizeof props;
  EXPECT_EQ(backend_->core->device_props(0, &props, &error_), TENON_OK);
  EXPECT_STREQ(props.name, "Fake device");
  EXPECT_EQ(props.total_bytes, uint64_t{1} << 30);
  EXPECT_EQ(props.min_alignment, 128u);
  EXPECT_EQ(fake_->live_contexts, 0);
  EXPECT_EQ(fake_->live_queues, 0);
  EXPECT_EQ(backend_->core->device_props(1, &props, &error_), TENON_INVALID_ARGUMENT);
}

TEST_F(PluginTest, AForkedChildIsToldSo) {
  ASSERT_NO_FATAL_FAILURE(Open());
  TenonBuffer buffer = 0;
  ASSERT_EQ(backend_->core->mem_alloc(device_, 64, &buffer, &error_), TENON_OK);
  const pid_t child = fork();
  if (child == 0) {
    alarm(5);
    TenonDevice another = 0;
    TenonBuffer more = 0;
    const bool refused =
        backend_->core->device_open(0, &another, &error_) == TENON_FAILED_PRECONDITION &&
        std::string(error_.message).find("started before fork()") != std::string::npos &&
        backend_->core->mem_alloc(device_, 64, &more, &error_) == TENON_FAILED_PRECONDITION &&
        backend_->streams->stream_sync(device_, 0, &error_) == TENON_FAILED_PRECONDITION;
    _exit(refused ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_EQ(backend_->streams->stream_sync(device_, 0, &error_), TENON_OK) << "in the parent";
  backend_->core->mem_free(device_, buffer);
  Close();
}

// ---- memory, streams, events ----

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
  EXPECT_EQ(core.copy_d2h(device_, 0, in, b, 95, sizeof out, &error_), TENON_INTERNAL);
  EXPECT_STREQ(error_.message, "opencl: copy to the host: CL_INVALID_VALUE (-30)");
  uint64_t free_bytes = 0, total = 0;
  EXPECT_EQ(backend_->memory->mem_info(device_, &free_bytes, &total, &error_), TENON_OK);
  EXPECT_EQ(total - free_bytes, 200u);
  core.mem_free(device_, a);
  core.mem_free(device_, b);
  EXPECT_EQ(backend_->memory->mem_info(device_, &free_bytes, &total, &error_), TENON_OK);
  EXPECT_EQ(total - free_bytes, 0u);
  Close();
}

TEST_F(PluginTest, OutOfMemoryAtTheNthAllocation) {
  ASSERT_NO_FATAL_FAILURE(Open());
  fake_->fail_alloc_at = 2;
  TenonBuffer a = 0, b = 0;
  EXPECT_EQ(backend_->core->mem_alloc(device_, 64, &a, &error_), TENON_OK);
  EXPECT_EQ(backend_->core->mem_alloc(device_, 4096, &b, &error_), TENON_OUT_OF_MEMORY);
  EXPECT_STREQ(error_.message,
               "opencl: no 4096 bytes (CL_MEM_OBJECT_ALLOCATION_FAILURE (-4)); 64 are in use, the "
               "device has 1073741824 and gives at most 1073741824 at once");
  EXPECT_EQ(backend_->core->mem_alloc(device_, 4096, &b, &error_), TENON_OK) << "nothing is broken";
  backend_->core->mem_free(device_, b);
  EXPECT_EQ(backend_->core->mem_alloc(device_, uint64_t{1} << 50, &b, &error_),
            TENON_OUT_OF_MEMORY);
  EXPECT_EQ(backend_->core->mem_alloc(device_, 0, &b, &error_), TENON_INVALID_ARGUMENT);
  backend_->core->mem_free(device_, a);
  Close();
}

TEST_F(PluginTest, StreamsAndEvents) {
  ASSERT_NO_FATAL_FAILURE(Open());
  const TenonStreamOps& ops = *backend_->streams;
  TenonStream stream = 0;
  TenonEvent event = 0;
  TenonBuffer buffer = 0;
  char byte = 0;
  ASSERT_EQ(backend_->core->mem_alloc(device_, 8, &buffer, &error_), TENON_OK);
  ASSERT_EQ(ops.stream_create(device_, 0, &stream, &error_), TENON_OK) << error_.message;
  ASSERT_EQ(ops.event_create(device_, &event, &error_), TENON_OK);
  EXPECT_EQ(ops.event_query(device_, event, &error_), TENON_OK) << "never recorded";
  EXPECT_EQ(ops.event_wait(device_, stream, event, &error_), TENON_OK);
  EXPECT_EQ(backend_->core->copy_d2h(device_, stream, &byte, buffer, 0, 1, &error_), TENON_OK);
  EXPECT_EQ(ops.event_record(device_, stream, event, &error_), TENON_OK);
  EXPECT_EQ(ops.event_wait(device_, 0, event, &error_), TENON_OK);
  fake_->busy = 1;
  EXPECT_EQ(ops.stream_query(device_, stream, &error_), TENON_NOT_READY);
  EXPECT_EQ(ops.stream_query(device_, 0, &error_), TENON_NOT_READY) << "it waits for the event";
  EXPECT_EQ(ops.event_query(device_, event, &error_), TENON_NOT_READY);
  fake_->busy = 0;
  EXPECT_EQ(ops.stream_query(device_, stream, &error_), TENON_OK);
  EXPECT_EQ(ops.event_query(device_, event, &error_), TENON_OK);
  EXPECT_EQ(ops.stream_sync(device_, stream, &error_), TENON_OK);
  EXPECT_EQ(ops.event_sync(device_, event, &error_), TENON_OK);
  ops.event_destroy(device_, event);
  backend_->core->mem_free(device_, buffer);
  ops.stream_destroy(device_, stream);
  Close();
}

// ---- kernels ----

TEST_F(KernelTest, CompilesWhenFirstLaunchedAndDumps) {
  const fs::path directory = NewPath("kernels_");
  fs::create_directory(directory);
  host_.options["DUMP_KERNELS"] = directory.string();
  ASSERT_NO_FATAL_FAILURE(Create());
  EXPECT_EQ(fake_->builds, 0);
  EXPECT_EQ(Launch(), TENON_OK) << error_.message;
  EXPECT_EQ(Launch(), TENON_OK) << error_.message;
  EXPECT_EQ(fake_->builds, 1);
  EXPECT_EQ(fake_->launches, 2);
  EXPECT_EQ(fake_->launch_arguments, 3);
  ASSERT_EQ(std::distance(fs::directory_iterator(directory), fs::directory_iterator()), 1);
  std::ifstream file(fs::directory_iterator(directory)->path());
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  EXPECT_NE(text.find("const f32 v1 = add_f32(v0, v0);"), std::string::npos);
  Destroy();
}

TEST_F(KernelTest, ALaunchTooLongForAnArgumentTravelsInABuffer) {
  fake_->max_argument_bytes = 64;
  ASSERT_NO_FATAL_FAILURE(Create());
  EXPECT_EQ(Launch(), TENON_OK) << error_.message;
  EXPECT_EQ(fake_->live_buffers, 1) << "ours alone: the launch's is given back";
  fake_->fail_alloc_at = 1;
  EXPECT_EQ(Launch(), TENON_OUT_OF_MEMORY);
  EXPECT_EQ(Launch(), TENON_OK) << error_.message;
  EXPECT_EQ(fake_->launches, 2);
  Destroy();
}

TEST_F(KernelTest, AProgramThatCannotBeBuiltIsUnsupportedWithTheLog) {
  ASSERT_NO_FATAL_FAILURE(Create());
  fake_->fail_build_at = 1;
  for (int i = 0; i < 2; ++i) {  // and is not tried again
    EXPECT_EQ(Launch(), TENON_UNSUPPORTED);
    const std::string message = error_.message;
    EXPECT_NE(message.find("the driver cannot build map_"), std::string::npos) << message;
    EXPECT_NE(message.find("CL_BUILD_PROGRAM_FAILURE (-11)\nline 7: the compiler is in a bad mood"),
              std::string::npos)
        << message;
  }
  EXPECT_EQ(fake_->builds, 1);
  EXPECT_EQ(fake_->launches, 0);
  Destroy();
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

TEST_F(KernelTest, ARefusedLaunchNamesTheKernelAndHarmsNothing) {
  ASSERT_NO_FATAL_FAILURE(Create());
  fake_->fail_launch_at = 1;
  EXPECT_EQ(Launch(), TENON_INTERNAL);
  EXPECT_NE(std::string(error_.message).find("opencl: map_"), std::string::npos) << error_.message;
  EXPECT_NE(std::string(error_.message).find("CL_OUT_OF_RESOURCES (-5)"), std::string::npos);
  EXPECT_EQ(Launch(), TENON_OK) << error_.message;
  EXPECT_EQ(backend_->streams->stream_sync(device_, 0, &error_), TENON_OK);
  Destroy();
}

TEST_F(KernelTest, AnAsynchronousErrorIsOfItsStreamUntilASyncReportsIt) {
  ASSERT_NO_FATAL_FAILURE(Create());
  TenonStream other = 0;
  ASSERT_EQ(backend_->streams->stream_create(device_, 0, &other, &error_), TENON_OK);
  fake_->fault_at_launch = 1;
  EXPECT_EQ(Launch(), TENON_OK) << "asynchronous";
  EXPECT_EQ(Launch(other), TENON_OK) << error_.message;
  EXPECT_EQ(Launch(), TENON_INTERNAL);
  EXPECT_EQ(backend_->streams->stream_query(device_, 0, &error_), TENON_INTERNAL) << "sticky";
  EXPECT_EQ(backend_->streams->stream_sync(device_, 0, &error_), TENON_INTERNAL);
  EXPECT_NE(std::string(error_.message).find("opencl: map_"), std::string::npos) << error_.message;
  EXPECT_EQ(backend_->streams->stream_sync(device_, 0, &error_), TENON_OK) << "cleared";
  EXPECT_EQ(Launch(), TENON_OK) << error_.message;
  EXPECT_EQ(backend_->streams->stream_sync(device_, other, &error_), TENON_OK);
  backend_->streams->stream_destroy(device_, other);
  Destroy();
}

TEST_F(KernelTest, ALostDeviceStaysLostAndEverythingIsGivenBack) {
  ASSERT_NO_FATAL_FAILURE(Create());
  EXPECT_EQ(Launch(), TENON_OK);
  fake_->lose_at_launch = 1;
  EXPECT_EQ(Launch(), TENON_OK) << "asynchronous";
  EXPECT_EQ(backend_->streams->stream_sync(device_, 0, &error_), TENON_DEVICE_LOST);
  const std::string message = error_.message;
  EXPECT_NE(message.find("opencl: map_"), std::string::npos) << message;
  EXPECT_NE(message.find("CL_DEVICE_NOT_AVAILABLE (-2)"), std::string::npos) << message;
  EXPECT_EQ(backend_->streams->stream_sync(device_, 0, &error_), TENON_DEVICE_LOST)
      << "not cleared by a report";
  TenonBuffer none = 0;
  EXPECT_EQ(backend_->core->mem_alloc(device_, 64, &none, &error_), TENON_DEVICE_LOST);
  EXPECT_NE(std::string(error_.message).find(message), std::string::npos) << error_.message;
  EXPECT_EQ(Launch(), TENON_DEVICE_LOST);
  Destroy();
}

TEST_F(KernelTest, ManyLaunchesKeepFewEvents) {
  ASSERT_NO_FATAL_FAILURE(Create());
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(Launch(), TENON_OK);
  EXPECT_LT(fake_->live_events, 100);
  Destroy();
}

// ---- the cache on disk ----

class CacheTest : public KernelTest {
 protected:
  CacheTest() : directory_(NewPath("opencl_cache_")) {
    host_.options["KERNEL_CACHE"] = directory_.string();
  }
  // A process's life with one launch: what is built, and what is taken from the cache.
  std::pair<int, int> Run() {
    fake_->builds = fake_->binaries = 0;
    Create();
    EXPECT_EQ(Launch(), TENON_OK) << error_.message;
    Destroy();
    return {fake_->builds, fake_->binaries};
  }
  std::vector<fs::path> Files() const {
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(directory_)) files.push_back(entry.path());
    return files;
  }
  const fs::path directory_;
};

using Counts = std::pair<int, int>;

TEST_F(CacheTest, ALaterProcessBuildsNothing) {
  EXPECT_EQ(Run(), Counts(1, 0));
  EXPECT_EQ(Files().size(), 1u);
  EXPECT_EQ(Run(), Counts(0, 1));
  fake_->driver = "1.1";
  EXPECT_EQ(Run(), Counts(1, 0)) << "another driver";
  EXPECT_EQ(Files().size(), 2u) << "and no file beside them";
}

TEST_F(CacheTest, WhatIsDamagedIsBuiltAgain) {
  EXPECT_EQ(Run(), Counts(1, 0));
  fs::resize_file(Files().at(0), fs::file_size(Files().at(0)) - 1);
  EXPECT_EQ(Run(), Counts(1, 0)) << "cut off";
  EXPECT_EQ(Run(), Counts(0, 1)) << "written anew";
  {
    std::fstream file(Files().at(0), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(-1, std::ios::end);
    file.put('?');
  }
  EXPECT_EQ(Run(), Counts(1, 0)) << "changed";
  fake_->refuse_binaries = 1;
  EXPECT_EQ(Run(), Counts(1, 0)) << "the driver does not want it";
}

// PoCL has a cache of its own, and is slow at what others do in no time: binaries, and its header.
TEST_F(CacheTest, PoclIsAskedForNoBinaryAndForNoHeader) {
  fake_->platform = "Portable Computing Language";
  EXPECT_EQ(Run(), Counts(1, 0));
  EXPECT_NE(std::string(fake_->options).find("-D_OPENCL_H_"), std::string::npos) << fake_->options;
  EXPECT_FALSE(fs::exists(directory_));
  fake_->fail_build_at = 1;
  EXPECT_EQ(Run(), Counts(2, 0)) << "it cannot go without its header";
  EXPECT_EQ(std::string(fake_->options).find("-D_OPENCL_H_"), std::string::npos) << fake_->options;
}

TEST_F(CacheTest, ACacheThatCannotBeWrittenCostsTimeOnly) {
  host_.options["KERNEL_CACHE"] = "/proc/nowhere";
  EXPECT_EQ(Run(), Counts(1, 0));
  EXPECT_EQ(Run(), Counts(1, 0));
}

}  // namespace

// In Bazel's sandbox gcc 12's leak checker crashes at the end, every time and after all has passed;
// run by hand it finds nothing. The tests count what is given back.
extern "C" int __lsan_is_turned_off();
int __lsan_is_turned_off() { return 1; }

int main(int argc, char** argv) { return RunPluginTests(argc, argv); }
