// Proves that a list of launches gives what the launches give one by one: collected where the
// device takes lists, at once where it does not, in order of kernels, and one by one where it
// refuses.
#include "tenon/device/launch_list.h"

#include <gtest/gtest.h>

#include <bit>

#include "tenon/device/builtin.h"
#include "tenon/device/copy.h"
#include "tenon/device/fake_backend.h"
#include "tenon/device/memory.h"
#include "tenon/map/builder.h"

namespace tenon {
namespace {

using Plain = testing::Fake<0>;  // has no lists
using Lists = testing::Fake<1>;  // has them, and is lazy

}  // namespace

std::span<const TenonEntryFn> builtin_backends() {
  static const TenonEntryFn entries[] = {Plain::entry, Lists::entry};
  Plain::settings().name = "plain";
  Plain::settings().asynchronous = true;
  Lists::settings().name = "lists";
  Lists::settings().asynchronous = true;
  Lists::settings().lists = true;
  return entries;
}

namespace {

using map::Builder;
using map::Kernel;

// x = x `op` slot 0
Kernel with_number(uint16_t op) {
  Builder b;
  const map::Value x = b.input(DType::float32);
  Kernel k;
  k.name = op == TENON_OP_ADD ? "add number" : "multiply by number";
  k.program = b.finish({b.emit(op, DType::float32, x, b.scalar(DType::float32))});
  return k;
}

class LaunchListTest : public ::testing::TestWithParam<const char*> {
 protected:
  LaunchListTest() : device_(GetParam()), stream_(*device_.state().default_stream) {
    Lists::counters().lists = 0;
    Lists::counters().launches = 0;
    Lists::counters().unsupported_launches = 0;
    memory_ = allocate(device_.state(), stream_, kCount * 4);
    for (size_t i = 0; i < kCount; ++i) host_[i] = static_cast<float>(i);
    copy_from_host(stream_, memory_.buffer, memory_.offset, host_, sizeof host_);
  }
  ~LaunchListTest() override { release(memory_); }

  // Elements [first, first + n) of the memory; every array is gone when this returns.
  void add(LaunchList& list, uint16_t op, uint64_t first, int64_t n, float number) {
    TenonOperand operands[2] = {};
    for (TenonOperand& o : operands) {
      o.buffer = memory_.buffer;
      o.offset = memory_.offset + first * 4;
      o.dtype = TENON_F32;
      o.strides[0] = 1;
    }
    const uint64_t scalars[] = {std::bit_cast<uint32_t>(number)};
    TenonLaunch l{};
    l.size = sizeof l;
    l.flags = TENON_LAUNCH_MAY_ALIAS;
    l.rank = 1;
    l.n_operands = 2;
    l.n_scalars = 1;
    l.operands = operands;
    l.scalars = scalars;
    l.sizes[0] = n;
    l.index_strides[0] = 1;
    list.add(plan_for(device_.state(), with_number(op)), stream_, l);
  }

  void expect(std::initializer_list<float> want) {
    float got[kCount];
    copy_to_host(stream_, got, memory_.buffer, memory_.offset, sizeof got);
    EXPECT_EQ(std::vector<float>(got, got + kCount), std::vector<float>(want));
  }
  bool has_lists() const { return device_.text() == "lists:0"; }

  static constexpr size_t kCount = 6;
  Device device_;
  StreamState& stream_;
  Memory memory_;
  float host_[kCount];
};

TEST_P(LaunchListTest, IsItsLaunches) {
  LaunchList list;
  add(list, TENON_OP_ADD, 0, 1, 10);
  add(list, TENON_OP_ADD, 1, 2, 20);
  add(list, TENON_OP_ADD, 4, 2, 30);
  list.flush();
  expect({10, 21, 22, 3, 34, 35});
  if (has_lists()) {
    EXPECT_EQ(Lists::counters().lists, 1);
    EXPECT_EQ(Lists::counters().launches, 3);
  }
  list.flush();  // nothing is left
  expect({10, 21, 22, 3, 34, 35});
}

TEST_P(LaunchListTest, AnotherKernelEndsTheList) {
  LaunchList list;
  add(list, TENON_OP_ADD, 0, 2, 1);
  add(list, TENON_OP_ADD, 2, 2, 1);
  add(list, TENON_OP_MUL, 0, 4, 2);  // of what was added
  add(list, TENON_OP_MUL, 4, 2, 3);
  list.flush();
  expect({2, 4, 6, 8, 12, 15});
  EXPECT_EQ(Lists::counters().lists, has_lists() ? 2 : 0);
}

TEST_P(LaunchListTest, OneLaunchNeedsNoList) {
  LaunchList list;
  add(list, TENON_OP_ADD, 0, 6, 1);
  list.flush();
  expect({1, 2, 3, 4, 5, 6});
  EXPECT_EQ(Lists::counters().lists, 0);
}

TEST_P(LaunchListTest, RefusedItsLaunchesRunOneByOne) {
  Lists::counters().unsupported_launches = 1;
  LaunchList list;
  add(list, TENON_OP_ADD, 0, 3, 1);
  add(list, TENON_OP_ADD, 3, 3, 2);
  list.flush();
  expect({1, 2, 3, 5, 6, 7});
  EXPECT_EQ(Lists::counters().lists, 0);
}

TEST_P(LaunchListTest, WithoutFlushTheRestIsForgotten) {
  {
    LaunchList list;
    add(list, TENON_OP_ADD, 0, 3, 1);
    add(list, TENON_OP_ADD, 3, 3, 2);
  }
  if (has_lists()) expect({0, 1, 2, 3, 4, 5});
}

INSTANTIATE_TEST_SUITE_P(Devices, LaunchListTest, ::testing::Values("plain", "lists"),
                         [](const auto& param_info) { return std::string(param_info.param); });

}  // namespace
}  // namespace tenon
