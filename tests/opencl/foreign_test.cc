// Memory and queues that pass between the plug-in and another OpenCL library, which has the fake
// OpenCL alone.
#include <gmock/gmock.h>

#include "backends/opencl/cl_api.h"
#include "tests/opencl/plugin_fixture.h"

namespace {

using ::testing::HasSubstr;

class ForeignTest : public PluginTest {
 protected:
  template <class Function>
  Function Cl(const char* name) {
    return reinterpret_cast<Function>(dlsym(dlopen(fake_path->c_str(), RTLD_NOW), name));
  }
  cl_mem NewBuffer(cl_context context, size_t bytes) {
    cl_int result = 0;
    return Cl<cl_mem (*)(cl_context, cl_bitfield, size_t, void*, cl_int*)>("clCreateBuffer")(
        context, CL_MEM_READ_WRITE, bytes, nullptr, &result);
  }
  void Release(cl_mem memory) { Cl<cl_int (*)(cl_mem)>("clReleaseMemObject")(memory); }
  // As another library finds it: from what we export.
  cl_context OurContext() {
    TenonBuffer buffer = 0;
    EXPECT_EQ(backend_->core->mem_alloc(device_, 64, &buffer, &error_), TENON_OK);
    void* memory = nullptr;
    uint64_t offset = 0;
    EXPECT_EQ(backend_->memory->mem_export(device_, buffer, 24, &memory, &offset, &error_),
              TENON_OK);
    EXPECT_EQ(offset, 24u) << "a handle takes no offset in";
    cl_context context = nullptr;
    Cl<cl_int (*)(cl_mem, cl_uint, size_t, void*, size_t*)>("clGetMemObjectInfo")(
        static_cast<cl_mem>(memory), CL_MEM_CONTEXT, sizeof(cl_context), &context, nullptr);
    backend_->core->mem_free(device_, buffer);
    return context;
  }
  TenonStatus Import(cl_mem memory, int64_t offset, uint64_t bytes, TenonBuffer* buffer,
                     uint64_t* at) {
    return backend_->memory->mem_import(device_, memory, offset, bytes, buffer, at, &error_);
  }
};

TEST_F(ForeignTest, AnImportIsRetainedNotOwned) {
  ASSERT_NO_FATAL_FAILURE(Open());
  const cl_mem theirs = NewBuffer(OurContext(), 64);
  TenonBuffer first = 0, second = 0;
  uint64_t at = 0;
  ASSERT_EQ(Import(theirs, 8, 16, &first, &at), TENON_OK) << error_.message;
  EXPECT_EQ(at, 8u);
  ASSERT_EQ(Import(theirs, 0, 64, &second, &at), TENON_OK);
  const float sent[] = {5, 6};
  float got[2] = {};
  ASSERT_EQ(backend_->core->copy_h2d(device_, 0, first, 8, sent, 8, &error_), TENON_OK);
  ASSERT_EQ(backend_->core->copy_d2h(device_, 0, got, second, 8, 8, &error_), TENON_OK);
  ASSERT_EQ(backend_->streams->stream_sync(device_, 0, &error_), TENON_OK);
  EXPECT_EQ(got[0], 5);
  EXPECT_EQ(got[1], 6);
  backend_->core->mem_free(device_, first);
  backend_->core->mem_free(device_, second);
  EXPECT_EQ(fake_->live_buffers, 1);
  uint64_t free_bytes = 0, total = 0;
  EXPECT_EQ(backend_->memory->mem_info(device_, &free_bytes, &total, &error_), TENON_OK);
  EXPECT_EQ(free_bytes, total) << "nothing of ours is in use";
  Release(theirs);
  Close();
}

TEST_F(ForeignTest, WhatIsNotTheDevicesIsRefused) {
  ASSERT_NO_FATAL_FAILURE(Open());
  char elsewhere = 0;
  const cl_mem strange = NewBuffer(reinterpret_cast<cl_context>(&elsewhere), 64);
  const cl_mem theirs = NewBuffer(OurContext(), 64);
  struct Case {
    cl_mem memory;
    int64_t offset;
    uint64_t bytes;
    const char* text;
  };
  const Case cases[] = {
      {strange, 0, 8, "opencl: the cl_mem belongs to another cl_context. Make it in the device"},
      {nullptr, 0, 8, "cannot be asked for its context: CL_INVALID_MEM_OBJECT (-38)"},
      {theirs, -4, 8, "opencl: the cl_mem has 64 bytes, not 8 from -4 on"},
      {theirs, 60, 8, "opencl: the cl_mem has 64 bytes, not 8 from 60 on"},
      {theirs, 65, 8, "opencl: the cl_mem has 64 bytes, not 8 from 65 on"},
  };
  for (const Case& c : cases) {
    TenonBuffer buffer = 0;
    uint64_t at = 0;
    EXPECT_EQ(Import(c.memory, c.offset, c.bytes, &buffer, &at), TENON_INVALID_ARGUMENT) << c.text;
    EXPECT_THAT(error_.message, HasSubstr(c.text));
  }
  Release(strange);
  Release(theirs);
  Close();
}

TEST_F(ForeignTest, StreamsAreQueues) {
  ASSERT_NO_FATAL_FAILURE(Open());
  const TenonStreamOps& ops = *backend_->streams;
  TenonStream ours = 0, imported = 0;
  TenonEvent event = 0;
  void *native = nullptr, *default_native = nullptr;
  ASSERT_EQ(ops.stream_create(device_, 0, &ours, &error_), TENON_OK);
  ASSERT_EQ(ops.stream_native(device_, ours, &native, &error_), TENON_OK);
  ASSERT_EQ(ops.stream_native(device_, 0, &default_native, &error_), TENON_OK);
  EXPECT_TRUE(default_native != nullptr && native != default_native);
  ASSERT_EQ(ops.stream_import(device_, native, &imported, &error_), TENON_OK) << error_.message;
  ASSERT_EQ(ops.event_create(device_, &event, &error_), TENON_OK);
  EXPECT_EQ(ops.event_record(device_, imported, event, &error_), TENON_OK);
  EXPECT_EQ(ops.event_wait(device_, 0, event, &error_), TENON_OK);
  EXPECT_EQ(ops.event_wait(device_, imported, event, &error_), TENON_OK);
  const int live = fake_->live_queues;
  ops.stream_destroy(device_, imported);
  EXPECT_EQ(fake_->live_queues, live) << "it is its owner's";
  EXPECT_EQ(ops.stream_import(device_, nullptr, &imported, &error_), TENON_INVALID_ARGUMENT);
  EXPECT_THAT(error_.message, HasSubstr("the cl_command_queue cannot be asked for its context"));
  ops.event_destroy(device_, event);
  ops.stream_destroy(device_, ours);
  Close();
}

}  // namespace

int main(int argc, char** argv) { return RunPluginTests(argc, argv); }
