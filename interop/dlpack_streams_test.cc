// DLPack with work in flight, on simdev, whose streams can be held: who waits for whom, and that
// memory outlives the work on it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "tenon/device/stream.h"
#include "tenon/interop/crafted_files.h"
#include "tenon/interop/dlpack.h"
#include "tenon/ops/elementwise.h"
#include "tenon/tensor/impl.h"
#include "tests/other_library.h"
#include "tests/test_device.h"

namespace tenon {
namespace {

using interop::OtherLibrary;
using interop::crafted::error_of;
using ::testing::HasSubstr;
using Values = std::vector<float>;

Values values_of(const Tensor& t) {
  const Tensor host = t.cpu();
  return Values(host.data<float>(), host.data<float>() + host.size());
}

class DlpackStreams : public testing::Test {
 protected:
  const Device device = test_device();
  OtherLibrary other{device};

  // float32[3] of ones over the other library's memory.
  Tensor import_ones(int* deleted) {
    return from_dlpack(other.make({1, 1, 1}, {.shape = {3}, .strides = {1}, .deleted = deleted}));
  }
  // Has a stream of the other library anything to do?
  bool busy(TenonStream stream) {
    TenonError error = new_error();
    return other.tables().streams.stream_query(other.handle(), stream, &error) == TENON_NOT_READY;
  }
  // Copies what was exported to the host on a stream of the other library.
  void enqueue_read(TenonStream stream, const dlpack::DLTensor& t, float* to, TenonBuffer* buffer) {
    TenonError error = new_error();
    uint64_t at = 0;
    ASSERT_EQ(
        other.tables().memory.mem_import(
            other.handle(), t.data, static_cast<int64_t>(t.byte_offset), 12, buffer, &at, &error),
        TENON_OK);
    ASSERT_EQ(other.tables().core.copy_d2h(other.handle(), stream, to, *buffer, at, 12, &error),
              TENON_OK);
  }
  void sync(TenonStream stream) {
    TenonError error = new_error();
    EXPECT_EQ(other.tables().streams.stream_sync(other.handle(), stream, &error), TENON_OK)
        << error.message;
  }
};

TEST_F(DlpackStreams, TheOwnerIsToldAfterTheWorkThatUsesItsMemory) {
  int deleted = 0;
  Tensor sum;
  other.hold(0, true);
  {
    const Tensor t = import_ones(&deleted);
    sum = t + t;
  }
  EXPECT_EQ(deleted, 0);
  { const Tensor again = import_ones(&deleted); }  // looks for finished work on its way
  EXPECT_EQ(deleted, 0);
  other.hold(0, false);
  synchronize(device);
  EXPECT_EQ(deleted, 2);
  EXPECT_EQ(values_of(sum), Values(3, 2));
}

TEST_F(DlpackStreams, AndAfterThatOfEveryOtherStream) {
  int deleted = 0;
  const Stream first(device), second(device);
  Tensor a, b;
  other.hold(second.state().handle, true);
  {
    const Tensor t = import_ones(&deleted);
    {
      const StreamScope scope(first);
      a = t + t;
    }
    const StreamScope scope(second);
    b = t + a;  // order is the caller's: see below
  }
  first.synchronize();
  Stream::default_of(device).synchronize();
  EXPECT_EQ(deleted, 0) << "one stream still uses it";
  other.hold(second.state().handle, false);
  second.synchronize();
  EXPECT_EQ(deleted, 1);
  EXPECT_EQ(values_of(b).size(), 3u);
}

TEST_F(DlpackStreams, OnAnIdleStreamTheOwnerIsToldAtOnce) {
  int deleted = 0;
  {
    const Tensor t = import_ones(&deleted);
    synchronize(device);
  }
  EXPECT_EQ(deleted, 1);
}

TEST_F(DlpackStreams, TheLastUseMayEndOnAnotherThread) {
  int deleted = 0;
  Tensor t = import_ones(&deleted), sum = t + t;
  other.hold(0, true);
  Tensor more = t + sum;
  std::thread([last = std::move(t)]() mutable { last = Tensor(); }).join();
  EXPECT_EQ(deleted, 0);
  other.hold(0, false);
  synchronize(device);
  EXPECT_EQ(deleted, 1);
  EXPECT_EQ(values_of(more), Values(3, 3));
}

// A copy in flight out of memory that nobody else holds any more.
TEST_F(DlpackStreams, ACopyKeepsItsSource) {
  int deleted = 0;
  other.hold(0, true);
  const Tensor copy = from_dlpack(
      other.make({1, 2, 3}, {.shape = {3}, .strides = {1}, .deleted = &deleted}), {.copy = true});
  EXPECT_EQ(deleted, 0);
  other.hold(0, false);
  EXPECT_EQ(values_of(copy), Values({1, 2, 3}));
  synchronize(device);
  EXPECT_EQ(deleted, 1);
}

TEST_F(DlpackStreams, WorkThatFailedIsOverToo) {
  int deleted = 0;
  static_cast<const TenonTestOps*>(other.tables().query_extension("tenon.test", 1))
      ->fail_launch_after(other.handle(), 1, TENON_INTERNAL);
  {
    const Tensor t = import_ones(&deleted);
    const Tensor sum = t + t;
  }
  EXPECT_THAT(error_of([&] { synchronize(device); }), HasSubstr("told to fail"));
  synchronize(device);
  EXPECT_EQ(deleted, 1);
}

TEST_F(DlpackStreams, TheConsumersStreamWaitsAndTheHostDoesNot) {
  const auto [theirs, native] = other.new_stream();
  const Tensor x = tensor({1.f, 2.f, 3.f}, device);
  synchronize(device);
  other.hold(0, true);
  const Tensor y = x + x;
  const DlpackVersioned out =
      to_dlpack(y, {.stream = reinterpret_cast<int64_t>(native)});  // would hang if it waited
  float read[3] = {};
  TenonBuffer buffer = 0;
  enqueue_read(theirs, out->dl_tensor, read, &buffer);
  EXPECT_TRUE(busy(theirs));
  other.hold(0, false);
  sync(theirs);
  EXPECT_EQ(Values(read, read + 3), Values({2, 4, 6}));
  other.tables().core.mem_free(other.handle(), buffer);
  other.tables().streams.stream_destroy(other.handle(), theirs);
}

// What is in flight on a stream that is not the current one counts, too.
TEST_F(DlpackStreams, ItWaitsForEveryStreamThatUsesTheMemory) {
  const auto [theirs, native] = other.new_stream();
  const Stream second(device);
  Tensor x = tensor({1.f, 2.f, 3.f}, device);
  synchronize(device);
  other.hold(second.state().handle, true);
  {
    const StreamScope scope(second);
    x.fill_(8);
  }
  const DlpackVersioned out = to_dlpack(x, {.stream = reinterpret_cast<int64_t>(native)});
  float read[3] = {};
  TenonBuffer buffer = 0;
  enqueue_read(theirs, out->dl_tensor, read, &buffer);
  EXPECT_TRUE(busy(theirs));
  other.hold(second.state().handle, false);
  sync(theirs);
  EXPECT_EQ(Values(read, read + 3), Values(3, 8));
  other.tables().core.mem_free(other.handle(), buffer);
  other.tables().streams.stream_destroy(other.handle(), theirs);
}

TEST_F(DlpackStreams, NoWaitMeansNoWait) {
  const Tensor x = tensor({1.f}, device);
  synchronize(device);
  other.hold(0, true);
  const Tensor y = x + x;
  const DlpackVersioned out = to_dlpack(y, {.stream = kNoWait});
  const dlpack::DLTensor borrowed = borrow_dlpack(y);
  EXPECT_FALSE(Stream::default_of(device).idle());
  EXPECT_EQ(borrowed.data, out->dl_tensor.data);
  other.hold(0, false);
}

TEST_F(DlpackStreams, WithoutAStreamTheHostWaits) {
  const Tensor x = tensor({1.f, 2.f}, device);
  const Tensor y = x + x;
  const DlpackVersioned out = to_dlpack(y);
  EXPECT_TRUE(Stream::default_of(device).idle());
  EXPECT_EQ(other.read(out->dl_tensor, 2), Values({2, 4}));
}

TEST_F(DlpackStreams, WrongStreamsAreRefused) {
  const Tensor x = tensor({1.f}, device);
  EXPECT_THAT(error_of([&] { to_dlpack(x, {.stream = 0}); }),
              HasSubstr("stream 0 is ambiguous and forbidden by the standard"));
  int nothing = 0;
  EXPECT_THAT(error_of([&] { to_dlpack(x, {.stream = reinterpret_cast<int64_t>(&nothing)}); }),
              HasSubstr("has no such native stream"));
  EXPECT_THAT(error_of([&] { to_dlpack(tensor({1.f}), {.stream = 5}); }),
              HasSubstr("stream should be None on cpu, not 5"));
  EXPECT_NE(to_dlpack(tensor({1.f}), {.stream = kNoWait}), nullptr);
}

// Our stream behind one of theirs, and the names of ours.
TEST_F(DlpackStreams, OursWaitsForTheirs) {
  const auto [theirs, native] = other.new_stream();
  const Stream ours(device);
  const StreamScope scope(ours);
  EXPECT_NE(ours.native(), Stream::default_of(device).native());
  EXPECT_EQ(ours.native(), Stream::current(device).native());
  const Tensor x = tensor({1.f, 1.f, 1.f}, device);
  ours.synchronize();
  const DlpackVersioned out = to_dlpack(x);
  const Values written = {4, 5, 6};
  TenonBuffer buffer = 0;
  uint64_t at = 0;
  TenonError error = new_error();
  const dlpack::DLTensor& t = out->dl_tensor;
  ASSERT_EQ(other.tables().memory.mem_import(other.handle(), t.data, 0, 12, &buffer, &at, &error),
            TENON_OK);
  other.hold(theirs, true);
  ASSERT_EQ(
      other.tables().core.copy_h2d(other.handle(), theirs, buffer, at, written.data(), 12, &error),
      TENON_OK);
  ours.wait_native(native);
  const Tensor y = x + x;
  EXPECT_FALSE(ours.idle());
  other.hold(theirs, false);
  EXPECT_EQ(values_of(y), Values({8, 10, 12}));
  other.tables().core.mem_free(other.handle(), buffer);
  other.tables().streams.stream_destroy(other.handle(), theirs);
}

}  // namespace
}  // namespace tenon
