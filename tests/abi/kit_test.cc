// Proves the plugin kit apart from its interpreter: errors, the entry's duties, sized structs,
// positions, the guard.
#include <cstring>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tenon/abi/tenon_plugin.hpp"
#include "tests/abi/fake_host.h"

namespace {

TEST(Fail, WritesAsMuchAsThereIsRoomFor) {
  ErrorSlot error;
  EXPECT_EQ(tenon_fail(&error, TENON_INTERNAL, "%s of %d", "three", 4), TENON_INTERNAL);
  EXPECT_EQ(error.code, TENON_INTERNAL);
  EXPECT_STREQ(error.message, "three of 4");
  EXPECT_EQ(tenon_fail(nullptr, TENON_UNSUPPORTED, "nobody listens"), TENON_UNSUPPORTED);
  tenon_fail(&error, TENON_INTERNAL, "%s", std::string(2000, 'x').c_str());
  EXPECT_EQ(std::strlen(error.message), sizeof error.message - 1);
  ErrorSlot small;
  small.size = 8 + 4;
  small.message[4] = '!';
  tenon_fail(&small, TENON_INTERNAL, "abcdef");
  EXPECT_STREQ(small.message, "abc");
  EXPECT_EQ(small.message[4], '!') << "beyond its size";
}

TEST(KeepHost, RefusesOtherVersionsAndASecondHost) {
  FakeHost first, second;
  const TenonHost* kept = nullptr;
  ErrorSlot error;
  EXPECT_EQ(tenon_keep_host(&kept, nullptr, "b", &error), TENON_INVALID_ARGUMENT);
  for (uint32_t TenonHost::*field : {&TenonHost::abi_major, &TenonHost::abi_minor}) {
    TenonHost other = first.table;
    other.*field += 1;
    EXPECT_EQ(tenon_keep_host(&kept, &other, "b", &error), TENON_INCOMPATIBLE);
  }
  TenonHost shorter = first.table;
  shorter.size -= 8;
  EXPECT_EQ(tenon_keep_host(&kept, &shorter, "b", &error), TENON_INCOMPATIBLE);
  EXPECT_EQ(kept, nullptr);
  EXPECT_EQ(tenon_keep_host(&kept, &first.table, "b", &error), TENON_OK);
  EXPECT_EQ(tenon_keep_host(&kept, &first.table, "b", &error), TENON_OK);
  EXPECT_EQ(tenon_keep_host(&kept, &second.table, "b", &error), TENON_FAILED_PRECONDITION);
  EXPECT_EQ(kept, &first.table);
}

struct Old {
  uint32_t size, flags;
};
struct New {
  uint32_t size, flags;
  uint64_t later;
};

TEST(Structs, AreReadAcrossVersions) {
  ErrorSlot error;
  const Old old = {sizeof(Old), 7};
  New own_new = {};
  EXPECT_EQ(tenon_read_struct(&own_new, sizeof own_new, &old, "it", &error), TENON_OK);
  EXPECT_EQ(own_new.flags, 7u);
  EXPECT_EQ(own_new.later, 0u);
  EXPECT_EQ(own_new.size, sizeof(New)) << "so that it may be passed on";
  New newer = {sizeof(New), 7, 0};
  Old own_old = {};
  EXPECT_EQ(tenon_read_struct(&own_old, sizeof own_old, &newer, "it", &error), TENON_OK);
  EXPECT_EQ(own_old.size, sizeof(Old));
  newer.later = uint64_t{1} << 63;
  EXPECT_EQ(tenon_read_struct(&own_old, sizeof own_old, &newer, "it", &error), TENON_UNSUPPORTED);
  newer.size = 4;
  EXPECT_EQ(tenon_read_struct(&own_old, sizeof own_old, &newer, "it", &error),
            TENON_INVALID_ARGUMENT);
  EXPECT_EQ(tenon_read_struct(&own_old, sizeof own_old, nullptr, "it", &error),
            TENON_INVALID_ARGUMENT);
}

TEST(Structs, AreWrittenAcrossVersions) {
  const Old old = {sizeof(Old), 7};
  New theirs = {sizeof(New), 1, 99};
  tenon_write_struct(&theirs, &old, sizeof old);
  EXPECT_EQ(theirs.size, sizeof(New));
  EXPECT_EQ(theirs.flags, 7u);
  EXPECT_EQ(theirs.later, 0u);
  const New mine = {sizeof(New), 5, 6};
  New beyond = {sizeof(Old), 1, 99};
  tenon_write_struct(&beyond, &mine, sizeof mine);
  EXPECT_EQ(beyond.flags, 5u);
  EXPECT_EQ(beyond.later, 99u) << "not theirs to write";
}

TEST(Position, WalksTheChosenAxesInOrder) {
  const int64_t sizes[] = {2, 3, 2}, strides[] = {100, 10, 1};
  TenonPosition at = tenon_position_first(3, sizes, 5);
  std::vector<int64_t> seen;
  do seen.push_back(tenon_position_offset(&at, strides));
  while (tenon_position_next(&at));
  EXPECT_EQ(seen, (std::vector<int64_t>{0, 1, 100, 101}));
  EXPECT_EQ(tenon_position_offset(&at, strides), 0) << "back at the start";
  TenonPosition scalar = tenon_position_first(0, sizes, 255);
  EXPECT_EQ(tenon_position_next(&scalar), 0);
}

TEST(Guard, TurnsExceptionsIntoStatuses) {
  using tenon::plugin::guard;
  ErrorSlot error;
  EXPECT_EQ(guard(&error, [] {}), TENON_OK);
  EXPECT_EQ(guard(&error, [] { return TenonStatus{TENON_NOT_READY}; }), TENON_NOT_READY);
  EXPECT_EQ(guard(&error, [] { throw tenon::plugin::Failure(TENON_DEVICE_LOST, "gone: 100%"); }),
            TENON_DEVICE_LOST);
  EXPECT_STREQ(error.message, "gone: 100%");
  EXPECT_EQ(guard(&error, [] { throw std::bad_alloc(); }), TENON_OUT_OF_MEMORY);
  EXPECT_EQ(guard(&error, [] { throw std::runtime_error("odd"); }), TENON_INTERNAL);
  EXPECT_STREQ(error.message, "odd");
  EXPECT_EQ(guard(&error, [] { throw 7; }), TENON_INTERNAL);
}

TEST(HostMemory, ThrowsWhenThereIsNone) {
  FakeHost host;
  const tenon::plugin::HostMemory memory(host.table, 100, 64);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(memory.data()) % 64, 0u);
  EXPECT_THROW(tenon::plugin::HostMemory(host.table, uint64_t{1} << 60, 64), std::bad_alloc);
}

}  // namespace
