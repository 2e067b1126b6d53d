// simdev's memory and streams under the names that other libraries get.
#include <cstring>
#include <string>

#include "tests/plugins/simdev/simdev_fixture.h"

namespace {

class SimdevForeign : public Simdev {
 protected:
  TenonStatus Import(void* memory, int64_t offset, uint64_t bytes, TenonBuffer* buffer,
                     uint64_t* at) {
    return backend->memory->mem_import(device, memory, offset, bytes, buffer, at, &error);
  }
  void* Named(TenonBuffer buffer, uint64_t at) {
    void* memory = nullptr;
    uint64_t offset = 1;
    EXPECT_EQ(backend->memory->mem_export(device, buffer, at, &memory, &offset, &error), TENON_OK);
    EXPECT_EQ(offset, 0u);
    return memory;
  }
  void* Native(TenonStream stream) {
    void* native = nullptr;
    EXPECT_EQ(streams->stream_native(device, stream, &native, &error), TENON_OK);
    return native;
  }
  uint64_t Live() {
    uint64_t live = 0;
    faults->counters(device, nullptr, nullptr, &live);
    return live;
  }
};

TEST_F(SimdevForeign, AnImportIsTheSameMemory) {
  const TenonBuffer x = Upload({1, 2, 3, 4});
  void* const named = Named(x, 8);
  EXPECT_EQ(named, static_cast<char*>(ops->address(device, x)) + 8);
  TenonBuffer first = 0, second = 0;
  uint64_t at = 0;
  ASSERT_EQ(Import(named, -4, 12, &first, &at), TENON_OK) << error.message;
  EXPECT_EQ(at, 4u);
  EXPECT_NE(first, x);
  ASSERT_EQ(Import(named, 0, 8, &second, &at), TENON_OK);
  EXPECT_EQ(Download(second, 4), std::vector<float>({1, 2, 3, 4}));
  core->mem_free(device, first);
  EXPECT_EQ(Download(second, 1)[0], 1) << "each import is freed for itself";
  core->mem_free(device, second);
  EXPECT_EQ(Download(x, 4)[3], 4) << "and none frees the memory";
  core->mem_free(device, x);
  EXPECT_EQ(Live(), 0u);
}

TEST_F(SimdevForeign, WhatIsNotThereIsRefused) {
  const TenonBuffer x = Alloc(16);
  TenonBuffer buffer = 0;
  uint64_t at = 0;
  EXPECT_EQ(Import(Named(x, 8), 0, 16, &buffer, &at), TENON_INVALID_ARGUMENT);
  EXPECT_STREQ(error.message, "simdev: only 8 bytes are there, not 16");
  EXPECT_EQ(Import(&buffer, 0, 4, &buffer, &at), TENON_INVALID_ARGUMENT);
  EXPECT_STREQ(error.message, "simdev: device 0 has no memory there");
  void* const named = Named(x, 0);
  core->mem_free(device, x);
  EXPECT_EQ(Import(named, 0, 4, &buffer, &at), TENON_INVALID_ARGUMENT) << "it was freed";
  EXPECT_EQ(Live(), 0u);
}

// What a correct core does not do: the owner's memory goes while an import is in use.
TEST_F(SimdevForeign, AnOwnerThatFreesTooEarlyIsNoticed) {
  const TenonBuffer x = Upload({1, 2});
  TenonBuffer import = 0;
  uint64_t at = 0;
  ASSERT_EQ(Import(Named(x, 0), 0, 8, &import, &at), TENON_OK);
  float to[2] = {};
  ops->hold(device, 0, 1);
  ASSERT_EQ(core->copy_d2h(device, 0, to, import, at, 8, &error), TENON_OK);
  core->mem_free(device, x);
  ops->hold(device, 0, 0);
  EXPECT_EQ(Sync(0), TENON_INTERNAL);
  EXPECT_NE(std::string(error.message).find("freed while work that uses it was in flight"),
            std::string::npos);
  core->mem_free(device, import);
}

TEST_F(SimdevForeign, AnImportedStreamIsTheSameStream) {
  const TenonStream theirs = NewStream();
  EXPECT_NE(Native(theirs), nullptr);
  EXPECT_NE(Native(theirs), Native(0));
  TenonStream import = 0;
  ASSERT_EQ(streams->stream_import(device, Native(theirs), &import, &error), TENON_OK);
  const TenonBuffer x = Upload({1, 2});
  float to[2] = {};
  ops->hold(device, theirs, 1);
  ASSERT_EQ(core->copy_d2h(device, import, to, x, 0, 8, &error), TENON_OK);
  EXPECT_EQ(streams->stream_query(device, theirs, &error), TENON_NOT_READY);
  streams->stream_destroy(device, import);
  ops->hold(device, theirs, 0);
  EXPECT_EQ(Sync(theirs), TENON_OK) << "it outlives the import";
  EXPECT_EQ(to[1], 2);
  EXPECT_EQ(streams->stream_import(device, &import, &import, &error), TENON_INVALID_ARGUMENT);
  EXPECT_STREQ(error.message, "simdev: device 0 has no such native stream");
  // The default stream has a name, too; a device may be closed with an import of it.
  ASSERT_EQ(streams->stream_import(device, Native(0), &import, &error), TENON_OK);
  streams->stream_destroy(device, theirs);
  core->mem_free(device, x);
}

}  // namespace
