// Memory and streams that pass between the plug-in and another CUDA library, which has the driver
// alone.
#include <gmock/gmock.h>

#include "tests/cuda/plugin_fixture.h"

namespace {

using ::testing::HasSubstr;

class ForeignTest : public PluginTest {
 protected:
  // The other library: it allocates in the device's primary context.
  template <class Function>
  Function Driver(const char* name) {
    void* const library = dlopen(TestFiles()[1].c_str(), RTLD_NOW);
    return reinterpret_cast<Function>(dlsym(library, name));
  }
  void* Allocate(int device, size_t bytes) {
    void* context = nullptr;
    void* popped = nullptr;
    void* memory = nullptr;
    EXPECT_EQ(Driver<int (*)(void**, int)>("cuDevicePrimaryCtxRetain")(&context, 100 + device), 0);
    Driver<int (*)(void*)>("cuCtxPushCurrent_v2")(context);
    EXPECT_EQ(Driver<int (*)(void**, size_t)>("cuMemAlloc_v2")(&memory, bytes), 0);
    Driver<int (*)(void**)>("cuCtxPopCurrent_v2")(&popped);
    return memory;
  }
  void Free(void* memory, int device) {
    void* context = nullptr;
    void* popped = nullptr;
    Driver<int (*)(void**, int)>("cuDevicePrimaryCtxRetain")(&context, 100 + device);
    Driver<int (*)(void*)>("cuCtxPushCurrent_v2")(context);
    EXPECT_EQ(Driver<int (*)(void*)>("cuMemFree_v2")(memory), 0);
    Driver<int (*)(void**)>("cuCtxPopCurrent_v2")(&popped);
    for (int i = 0; i < 2; ++i) Driver<int (*)(int)>("cuDevicePrimaryCtxRelease_v2")(100 + device);
  }
  TenonStatus Import(void* memory, int64_t offset, uint64_t bytes, TenonBuffer* buffer,
                     uint64_t* at) {
    return backend_->memory->mem_import(device_, memory, offset, bytes, buffer, at, &error_);
  }
};

TEST_F(ForeignTest, AnImportIsTheSameMemoryAndStaysItsOwners) {
  ASSERT_NO_FATAL_FAILURE(Open());
  auto* const theirs = static_cast<float*>(Allocate(0, 64));
  TenonBuffer buffer = 0;
  uint64_t at = 9;
  // From the second float back by one, as a reversed array is described.
  ASSERT_EQ(Import(theirs + 2, -4, 8, &buffer, &at), TENON_OK) << error_.message;
  const float sent[] = {5, 6};
  ASSERT_EQ(backend_->core->copy_h2d(device_, 0, buffer, at, sent, 8, &error_), TENON_OK);
  ASSERT_EQ(backend_->streams->stream_sync(device_, 0, &error_), TENON_OK);
  EXPECT_EQ(theirs[1], 5);
  EXPECT_EQ(theirs[2], 6);
  TenonBuffer again = 0;
  ASSERT_EQ(Import(theirs, 0, 64, &again, &at), TENON_OK);
  TenonBuffer twice = 0;
  ASSERT_EQ(Import(theirs, 0, 64, &twice, &at), TENON_OK);
  const int live = fake_->live_allocations;
  for (TenonBuffer b : {buffer, again, twice}) backend_->core->mem_free(device_, b);
  EXPECT_EQ(fake_->live_allocations, live);
  Free(theirs, 0);
  Close();
}

// Handles are addresses: one is both a buffer of ours and an import.
TEST_F(ForeignTest, OurOwnMemoryMayComeBack) {
  ASSERT_NO_FATAL_FAILURE(Open());
  TenonBuffer ours = 0, back = 0;
  ASSERT_EQ(backend_->core->mem_alloc(device_, 4096, &ours, &error_), TENON_OK);
  void* named = nullptr;
  uint64_t offset = 7, at = 7;
  ASSERT_EQ(backend_->memory->mem_export(device_, ours, 512, &named, &offset, &error_), TENON_OK);
  EXPECT_EQ(named, Data<char>(ours) + 512);
  EXPECT_EQ(offset, 0u);
  ASSERT_EQ(Import(named, -512, 4096, &back, &at), TENON_OK) << error_.message;
  EXPECT_EQ(back + at, ours);
  const int live = fake_->live_allocations;
  backend_->core->mem_free(device_, back);
  EXPECT_EQ(fake_->live_allocations, live);
  backend_->core->mem_free(device_, ours);
  EXPECT_EQ(fake_->live_allocations, live - 1);
  Close();
}

TEST_F(ForeignTest, WhatIsNotTheDevicesIsRefused) {
  fake_->devices = 2;
  ASSERT_NO_FATAL_FAILURE(Open());
  auto* const neighbours = static_cast<char*>(Allocate(1, 64));
  auto* const theirs = static_cast<char*>(Allocate(0, 64));
  void* pinned = nullptr;
  ASSERT_EQ(backend_->memory->pinned_alloc(device_, 4096, &pinned, &error_), TENON_OK);
  char plain[8] = {};
  struct Case {
    void* memory;
    uint64_t bytes;
    const char* text;
  };
  const Case cases[] = {
      {neighbours, 64, "cuda: its first byte is memory of cuda:1, not of cuda:0"},
      {pinned, 64, "cuda: its first byte is pinned host memory (kDLCUDAHost), not the device's"},
      {plain, 8, "cuda: its first byte is no memory that CUDA knows; perhaps it is plain host"},
      {theirs, 1 << 30, "cuda: its last byte is no memory that CUDA knows"},
  };
  for (const Case& c : cases) {
    TenonBuffer buffer = 0;
    uint64_t at = 0;
    EXPECT_EQ(Import(c.memory, 0, c.bytes, &buffer, &at), TENON_INVALID_ARGUMENT) << c.text;
    EXPECT_THAT(error_.message, HasSubstr(c.text));
  }
  backend_->memory->pinned_free(device_, pinned);
  Free(neighbours, 1);
  Free(theirs, 0);
  Close();
}

TEST_F(ForeignTest, StreamsHaveTheNamesOfTheDriver) {
  ASSERT_NO_FATAL_FAILURE(Open());
  const TenonStreamOps& ops = *backend_->streams;
  TenonStream ours = 0, theirs = 0, legacy = 0;
  TenonEvent event = 0;
  void *native = nullptr, *default_native = nullptr;
  ASSERT_EQ(ops.stream_create(device_, 0, &ours, &error_), TENON_OK);
  ASSERT_EQ(ops.stream_native(device_, ours, &native, &error_), TENON_OK);
  ASSERT_EQ(ops.stream_native(device_, 0, &default_native, &error_), TENON_OK);
  EXPECT_NE(default_native, nullptr);
  EXPECT_NE(default_native, native);
  // A stream of ours as another library's: it waits for the default stream by an event.
  ASSERT_EQ(ops.stream_import(device_, native, &theirs, &error_), TENON_OK);
  ASSERT_EQ(ops.event_create(device_, &event, &error_), TENON_OK);
  ASSERT_EQ(ops.event_record(device_, 0, event, &error_), TENON_OK);
  ASSERT_EQ(ops.event_wait(device_, theirs, event, &error_), TENON_OK);
  EXPECT_EQ(fake_->waiting_stream, native);
  EXPECT_EQ(fake_->earlier_stream, default_native);
  EXPECT_EQ(fake_->host_waits, 0);
  // The legacy default stream is 1.
  ASSERT_EQ(ops.stream_import(device_, reinterpret_cast<void*>(1), &legacy, &error_), TENON_OK);
  ASSERT_EQ(ops.event_wait(device_, legacy, event, &error_), TENON_OK);
  EXPECT_EQ(fake_->waiting_stream, reinterpret_cast<void*>(1));
  const int live = fake_->live_streams;
  ops.stream_destroy(device_, theirs);
  ops.stream_destroy(device_, legacy);
  EXPECT_EQ(fake_->live_streams, live) << "they are their owners'";
  EXPECT_EQ(ops.stream_import(device_, nullptr, &theirs, &error_), TENON_INVALID_ARGUMENT);
  EXPECT_THAT(error_.message, HasSubstr("stream 0 is ambiguous"));
  ops.event_destroy(device_, event);
  ops.stream_destroy(device_, ours);
  Close();
}

}  // namespace

int main(int argc, char** argv) { return RunPluginTests(argc, argv, 2); }
