// Proves that simdev is what it says: late, in order, and out of the host's reach. Holds streams
// instead of measuring time.
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "tests/plugins/simdev/simdev_fixture.h"

namespace {

using SimdevDeathTest = Simdev;

TEST_F(Simdev, TwoDevicesThatAreNotHostAddressable) {
  uint32_t count = 0;
  ASSERT_EQ(core->device_count(&count, &error), TENON_OK);
  EXPECT_EQ(count, 2u);
  for (uint32_t i = 0; i < count; ++i) {
    TenonDeviceProps props = {};
    props.size = sizeof props;
    ASSERT_EQ(core->device_props(i, &props, &error), TENON_OK);
    EXPECT_EQ(props.flags & TENON_DEVICE_HOST_ADDRESSABLE, 0u);
    EXPECT_GE(props.max_operands, 8u);
    EXPECT_GE(props.max_instrs, 32u);
    EXPECT_GE(props.max_scalars, 4u);
  }
  TenonDeviceProps props = {};
  props.size = sizeof props;
  EXPECT_EQ(core->device_props(2, &props, &error), TENON_INVALID_ARGUMENT);
  TenonDevice again = 0;
  EXPECT_EQ(core->device_open(0, &again, &error), TENON_FAILED_PRECONDITION);
  ASSERT_EQ(core->device_open(1, &again, &error), TENON_OK);
  TenonBuffer buffer = 0;
  ASSERT_EQ(core->mem_alloc(again, 16, &buffer, &error), TENON_OK);
  EXPECT_EQ(core->copy_h2d(device, 0, buffer, 0, &count, 4, &error), TENON_INVALID_ARGUMENT)
      << "a buffer of the other device";
  core->mem_free(again, buffer);
  core->device_close(again);
}

TEST_F(Simdev, ComputesOnAStreamOfItsOwn) {
  const TenonKernel kernel = AddScalarKernel();
  const TenonBuffer x = Upload({1, 2, 3}), y = Alloc(12);
  const TenonStream stream = NewStream();
  ASSERT_EQ(LaunchAdd(stream, kernel, x, y, 3, 10), TENON_OK) << error.message;
  ASSERT_EQ(Sync(stream), TENON_OK) << error.message;
  EXPECT_EQ(Download(y, 3), (std::vector<float>{11, 12, 13}));
  streams->stream_destroy(device, stream);
  core->kernel_destroy(device, kernel);
}

TEST_F(Simdev, NewMemoryIsNotZero) {
  const std::vector<float> values = Download(Alloc(16), 4);
  for (const float v : values) EXPECT_TRUE(std::isnan(v));
}

TEST_F(Simdev, HostSourceIsReadLate) {
  const TenonBuffer buffer = Alloc(4);
  float source = 1;
  ops->hold(device, 0, 1);
  ASSERT_EQ(core->copy_h2d(device, 0, buffer, 0, &source, 4, &error), TENON_OK);
  source = 2;  // what core must never do
  ops->hold(device, 0, 0);
  EXPECT_EQ(Download(buffer, 1), std::vector<float>{2});
}

TEST_F(Simdev, HostDestinationIsWrittenLate) {
  const TenonBuffer buffer = Upload({5});
  float destination = 0;
  ops->hold(device, 0, 1);
  ASSERT_EQ(core->copy_d2h(device, 0, &destination, buffer, 0, 4, &error), TENON_OK);
  EXPECT_EQ(streams->stream_query(device, 0, &error), TENON_NOT_READY);
  EXPECT_EQ(destination, 0);
  ops->hold(device, 0, 0);
  ASSERT_EQ(Sync(0), TENON_OK);
  EXPECT_EQ(destination, 5);
  EXPECT_EQ(streams->stream_query(device, 0, &error), TENON_OK);
}

TEST_F(Simdev, LaunchArgumentsAreCopied) {
  const TenonKernel kernel = AddScalarKernel();
  const TenonBuffer x = Upload({1, 2, 3, 4}), y = Alloc(16);
  ops->hold(device, 0, 1);
  {
    auto* launch = new LaunchText({4});
    launch->Add(x, TENON_F32).Add(y, TENON_F32).AddScalar(1.0f);
    ASSERT_EQ(core->kernel_launch(device, 0, kernel, &launch->launch, &error), TENON_OK)
        << error.message;
    const_cast<TenonOperand*>(launch->launch.operands)->buffer = 99;
    const_cast<uint64_t*>(launch->launch.scalars)[0] = 0;
    launch->launch.sizes[0] = 1;
    delete launch;
  }
  ops->hold(device, 0, 0);
  EXPECT_EQ(Download(y, 4), (std::vector<float>{2, 3, 4, 5}));
  core->kernel_destroy(device, kernel);
}

TEST_F(Simdev, StreamsAreUnorderedExceptThroughEvents) {
  const TenonKernel kernel = AddScalarKernel();
  const TenonBuffer x = Upload({1}), y = Upload({0}), z = Upload({0}), early = Upload({0});
  const TenonStream a = NewStream(), b = NewStream();
  const TenonEvent event = NewEvent();
  EXPECT_EQ(streams->event_query(device, event, &error), TENON_OK) << "never recorded";
  ops->hold(device, a, 1);
  ASSERT_EQ(LaunchAdd(a, kernel, x, y, 1, 1), TENON_OK);
  ASSERT_EQ(streams->event_record(device, a, event, &error), TENON_OK);
  ASSERT_EQ(LaunchAdd(b, kernel, y, early, 1, 10), TENON_OK);  // does not wait: sees the old y
  ASSERT_EQ(Sync(b), TENON_OK);
  EXPECT_EQ(streams->event_query(device, event, &error), TENON_NOT_READY);
  ASSERT_EQ(streams->event_wait(device, b, event, &error), TENON_OK);
  ASSERT_EQ(LaunchAdd(b, kernel, y, z, 1, 10), TENON_OK);
  EXPECT_EQ(streams->stream_query(device, b, &error), TENON_NOT_READY);
  ops->hold(device, a, 0);
  ASSERT_EQ(streams->event_sync(device, event, &error), TENON_OK);
  ASSERT_EQ(Sync(b), TENON_OK);
  EXPECT_EQ(Download(early, 1), std::vector<float>{10});
  EXPECT_EQ(Download(z, 1), std::vector<float>{12});
  streams->event_destroy(device, event);
  streams->stream_destroy(device, a);
  streams->stream_destroy(device, b);
  core->kernel_destroy(device, kernel);
}

TEST_F(Simdev, AnInjectedErrorIsLateStickyAndClearedByTheSyncThatReportsIt) {
  const TenonKernel kernel = AddScalarKernel();
  const TenonBuffer x = Upload({1});
  const TenonEvent event = NewEvent();
  faults->fail_launch_after(device, 2, TENON_INTERNAL);
  ops->hold(device, 0, 1);
  EXPECT_EQ(LaunchAdd(0, kernel, x, x, 1, 1), TENON_OK);
  EXPECT_EQ(LaunchAdd(0, kernel, x, x, 1, 1), TENON_OK) << "fails only when it runs";
  EXPECT_EQ(LaunchAdd(0, kernel, x, x, 1, 1), TENON_OK) << "is skipped";
  EXPECT_EQ(streams->event_record(device, 0, event, &error), TENON_OK);
  ops->hold(device, 0, 0);
  EXPECT_EQ(streams->event_sync(device, event, &error), TENON_INTERNAL);
  EXPECT_NE(std::string(error.message).find("told to fail"), std::string::npos);
  EXPECT_EQ(streams->stream_query(device, 0, &error), TENON_INTERNAL);
  EXPECT_EQ(LaunchAdd(0, kernel, x, x, 1, 1), TENON_INTERNAL) << "nothing is enqueued";
  EXPECT_EQ(Sync(0), TENON_INTERNAL);
  EXPECT_EQ(Sync(0), TENON_OK);
  EXPECT_EQ(Download(x, 1), std::vector<float>{2});
  streams->event_destroy(device, event);
  core->kernel_destroy(device, kernel);
}

TEST_F(Simdev, ALostDeviceStaysLostUntilClosed) {
  const TenonKernel kernel = AddScalarKernel();
  const TenonBuffer x = Upload({1});
  faults->fail_launch_after(device, 1, TENON_DEVICE_LOST);
  EXPECT_EQ(LaunchAdd(0, kernel, x, x, 1, 1), TENON_OK);
  EXPECT_EQ(Sync(0), TENON_DEVICE_LOST);
  EXPECT_EQ(Sync(0), TENON_DEVICE_LOST);
  TenonBuffer buffer = 0;
  EXPECT_EQ(core->mem_alloc(device, 4, &buffer, &error), TENON_DEVICE_LOST);
  core->mem_free(device, x);
  core->kernel_destroy(device, kernel);
  core->device_close(device);
  ASSERT_EQ(core->device_open(0, &device, &error), TENON_OK);
  EXPECT_EQ(Download(Upload({7}), 1), std::vector<float>{7});
}

TEST_F(Simdev, MemoryIsABudget) {
  faults->set_memory_limit(device, 1000);
  TenonBuffer a = 0, b = 0;
  EXPECT_EQ(core->mem_alloc(device, 600, &a, &error), TENON_OK);
  EXPECT_EQ(core->mem_alloc(device, 600, &b, &error), TENON_OUT_OF_MEMORY);
  uint64_t free_bytes = 0, total_bytes = 0;
  EXPECT_EQ(backend->memory->mem_info(device, &free_bytes, &total_bytes, &error), TENON_OK);
  EXPECT_EQ(free_bytes, 400u);
  EXPECT_EQ(total_bytes, 1000u);
  core->mem_free(device, a);
  EXPECT_EQ(core->mem_alloc(device, 600, &b, &error), TENON_OK);
  faults->fail_alloc_after(device, 2);
  EXPECT_EQ(core->mem_alloc(device, 1, &a, &error), TENON_OK);
  EXPECT_EQ(core->mem_alloc(device, 1, &a, &error), TENON_OUT_OF_MEMORY);
  EXPECT_EQ(core->mem_alloc(device, 1, &a, &error), TENON_OK);
  faults->set_memory_limit(device, 0);
  EXPECT_EQ(core->mem_alloc(device, uint64_t{1} << 60, &a, &error), TENON_OUT_OF_MEMORY);
  EXPECT_EQ(core->mem_alloc(device, 0, &a, &error), TENON_INVALID_ARGUMENT);
}

TEST_F(Simdev, Counts) {
  uint64_t launches = 0, copies = 0, buffers = 0;
  const TenonKernel kernel = AddScalarKernel();
  const TenonBuffer x = Upload({1}), y = Alloc(4);
  ASSERT_EQ(LaunchAdd(0, kernel, x, y, 1, 1), TENON_OK);
  faults->counters(device, &launches, &copies, &buffers);
  EXPECT_EQ(launches, 1u);
  EXPECT_EQ(copies, 1u);
  EXPECT_EQ(buffers, 2u);
  ASSERT_EQ(Sync(0), TENON_OK);
  core->mem_free(device, x);
  faults->counters(device, nullptr, nullptr, &buffers);
  EXPECT_EQ(buffers, 1u);
  core->kernel_destroy(device, kernel);
}

// ---- protection and exit
// -------------------------------------------------------------------------

TEST_F(SimdevDeathTest, TheHostCannotTouchDeviceMemory) {
  GTEST_FLAG_SET(death_test_style, "fast");
  const TenonBuffer x = Upload({1});
  auto* address = static_cast<volatile float*>(ops->address(device, x));
  ASSERT_NE(address, nullptr);
  EXPECT_DEATH(static_cast<void>(*address), "");
  EXPECT_DEATH(*address = 2, "");
  EXPECT_DEATH(static_cast<void>(*reinterpret_cast<volatile float*>(x)), "")
      << "a handle is no address";
  EXPECT_EQ(Download(x, 1), std::vector<float>{1});
}

TEST_F(SimdevDeathTest, ExitWithPendingWorkIsClean) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");  // workers exist in the child only
  const auto leave = [this] {
    const TenonKernel kernel = AddScalarKernel();
    const TenonBuffer x = Upload({1}), y = Alloc(4);
    const TenonStream held = NewStream(), busy = NewStream();
    ops->hold(device, held, 1);
    for (int i = 0; i < 1000; ++i) {
      LaunchAdd(held, kernel, x, x, 1, 1);
      LaunchAdd(busy, kernel, y, y, 1, 1);
    }
    std::exit(3);
  };
  EXPECT_EXIT(leave(), testing::ExitedWithCode(3), "");
}

// ---- concurrency (for the thread sanitizer)
// --------------------------------------------------------

TEST_F(Simdev, ManyHostThreadsEachWithAStream) {
  const TenonKernel kernel = AddScalarKernel();
  const TenonBuffer shared = Upload({1, 2, 3, 4});
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      ErrorSlot slot;
      TenonStream stream = 0;
      EXPECT_EQ(streams->stream_create(device, 0, &stream, &slot), TENON_OK);
      TenonBuffer y = 0;
      EXPECT_EQ(core->mem_alloc(device, 16, &y, &slot), TENON_OK);
      LaunchText first({4}), again({4});
      first.Add(shared, TENON_F32).Add(y, TENON_F32).AddScalar(static_cast<float>(t));
      again.Add(y, TENON_F32).Add(y, TENON_F32).AddScalar(1.0f).launch.flags =
          TENON_LAUNCH_MAY_ALIAS;
      EXPECT_EQ(core->kernel_launch(device, stream, kernel, &first.launch, &slot), TENON_OK);
      for (int i = 0; i < 100; ++i)
        EXPECT_EQ(core->kernel_launch(device, stream, kernel, &again.launch, &slot), TENON_OK);
      std::vector<float> out(4);
      EXPECT_EQ(core->copy_d2h(device, stream, out.data(), y, 0, 16, &slot), TENON_OK);
      EXPECT_EQ(streams->stream_sync(device, stream, &slot), TENON_OK) << slot.message;
      for (int i = 0; i < 4; ++i)
        EXPECT_EQ(out[static_cast<size_t>(i)], static_cast<float>(1 + i + t + 100));
      core->mem_free(device, y);
      streams->stream_destroy(device, stream);
    });
  }
  for (std::thread& thread : threads) thread.join();
  core->kernel_destroy(device, kernel);
}

}  // namespace
