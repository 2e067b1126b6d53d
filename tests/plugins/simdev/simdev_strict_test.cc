// Proves that simdev notices what core must not do: it is the judge of core's tests.
#include <cstdint>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/plugins/simdev/simdev_fixture.h"

namespace {

// ----------------------------------------------------------------------------------

TEST_F(Simdev, UnknownHandlesAreInvalid) {
  const TenonKernel kernel = AddScalarKernel();
  const TenonBuffer x = Upload({1});
  EXPECT_EQ(LaunchAdd(0, kernel, x, 12345, 1, 1), TENON_INVALID_ARGUMENT);
  EXPECT_NE(std::string(error.message).find("output 0"), std::string::npos) << error.message;
  EXPECT_EQ(LaunchAdd(77, kernel, x, x, 1, 1), TENON_INVALID_ARGUMENT);
  EXPECT_EQ(LaunchAdd(0, 77, x, x, 1, 1), TENON_INVALID_ARGUMENT);
  EXPECT_EQ(core->mem_alloc(77, 1, nullptr, &error), TENON_INVALID_ARGUMENT);
  core->mem_free(device, x);
  EXPECT_EQ(LaunchAdd(0, kernel, x, x, 1, 1), TENON_INVALID_ARGUMENT) << "freed";
  core->kernel_destroy(device, kernel);
}

TEST_F(Simdev, LeavingABufferIsALateErrorThatNamesTheOperand) {
  const TenonKernel kernel = AddScalarKernel();
  const TenonBuffer x = Upload({1, 2, 3}), y = Alloc(8);
  ASSERT_EQ(LaunchAdd(0, kernel, x, y, 3, 1), TENON_OK);
  EXPECT_EQ(Sync(0), TENON_INTERNAL);
  EXPECT_NE(std::string(error.message).find("output 0 names bytes 0 to 12 of a buffer of 8"),
            std::string::npos)
      << error.message;
  LaunchText backwards({3});
  backwards.Add(x, TENON_F32, 4, {-1}).Add(y, TENON_F32, 0, {0}).AddScalar(1.0f);
  ASSERT_EQ(core->kernel_launch(device, 0, kernel, &backwards.launch, &error), TENON_OK);
  EXPECT_EQ(Sync(0), TENON_INTERNAL);
  EXPECT_NE(std::string(error.message).find("input 0 names bytes -4"), std::string::npos)
      << error.message;
  char byte = 0;
  ASSERT_EQ(core->copy_h2d(device, 0, y, 8, &byte, 1, &error), TENON_OK);
  EXPECT_EQ(Sync(0), TENON_INTERNAL);
  ASSERT_EQ(core->copy_d2h(device, 0, &byte, y, ~uint64_t{0}, 1, &error), TENON_OK);
  EXPECT_EQ(Sync(0), TENON_INTERNAL);
  core->kernel_destroy(device, kernel);
}

TEST_F(Simdev, ForbiddenOverlapIsALateError) {
  const TenonKernel kernel = AddScalarKernel();
  const TenonBuffer x = Upload({1, 2, 3, 4});
  const auto launch = [&](uint64_t in, uint64_t out, int64_t stride, uint32_t flags) {
    LaunchText l({2});
    l.Add(x, TENON_F32, in, {stride}).Add(x, TENON_F32, out, {stride}).AddScalar(0.0f);
    l.launch.flags = flags;
    EXPECT_EQ(core->kernel_launch(device, 0, kernel, &l.launch, &error), TENON_OK) << error.message;
    return Sync(0);
  };
  EXPECT_EQ(launch(0, 0, 1, TENON_LAUNCH_MAY_ALIAS), TENON_OK) << error.message;
  EXPECT_EQ(launch(0, 0, 1, 0), TENON_INTERNAL);
  EXPECT_EQ(launch(0, 4, 1, TENON_LAUNCH_MAY_ALIAS), TENON_INTERNAL) << "partly";
  EXPECT_EQ(launch(0, 8, 1, 0), TENON_OK) << error.message;
  EXPECT_EQ(launch(0, 4, 2, 0), TENON_OK) << "interleaved, but disjoint";
  EXPECT_EQ(launch(0, 8, 0, 0), TENON_INTERNAL) << "an output of stride 0 writes over itself";
  core->kernel_destroy(device, kernel);
}

TEST_F(Simdev, FreeingWhatIsInFlightIsReported) {
  const TenonKernel kernel = AddScalarKernel();
  const TenonBuffer x = Upload({1}), y = Alloc(4);
  ops->hold(device, 0, 1);
  ASSERT_EQ(LaunchAdd(0, kernel, x, y, 1, 1), TENON_OK);
  core->mem_free(device, x);
  ops->hold(device, 0, 0);
  EXPECT_EQ(Sync(0), TENON_INTERNAL);
  EXPECT_NE(std::string(error.message).find("freed"), std::string::npos) << error.message;
  ops->hold(device, 0, 1);
  ASSERT_EQ(LaunchAdd(0, kernel, y, y, 1, 1), TENON_OK);
  core->kernel_destroy(device, kernel);
  ops->hold(device, 0, 0);
  EXPECT_EQ(Sync(0), TENON_INTERNAL);
  EXPECT_NE(std::string(error.message).find("destroyed"), std::string::npos) << error.message;
}

TEST_F(Simdev, MalformedLaunchesAndUnknownRequestsAreRefusedAtOnce) {
  const TenonKernel kernel = AddScalarKernel();
  const TenonBuffer x = Upload({1});
  LaunchText no_scalar({1});
  no_scalar.Add(x, TENON_F32).Add(x, TENON_F32);
  EXPECT_EQ(core->kernel_launch(device, 0, kernel, &no_scalar.launch, &error),
            TENON_INVALID_ARGUMENT);
  LaunchText flags({1});
  flags.Add(x, TENON_F32).Add(x, TENON_F32).AddScalar(1.0f);
  flags.launch.flags = 0x80;
  EXPECT_EQ(core->kernel_launch(device, 0, kernel, &flags.launch, &error), TENON_UNSUPPORTED);
  struct {
    TenonLaunch launch;
    uint64_t from_the_future;
  } longer = {flags.launch, 0};
  longer.launch.flags = TENON_LAUNCH_MAY_ALIAS;
  longer.launch.size = sizeof longer;
  EXPECT_EQ(core->kernel_launch(device, 0, kernel, &longer.launch, &error), TENON_OK)
      << error.message;
  longer.from_the_future = 1;
  EXPECT_EQ(core->kernel_launch(device, 0, kernel, &longer.launch, &error), TENON_UNSUPPORTED);
  EXPECT_EQ(Sync(0), TENON_OK);
  core->kernel_destroy(device, kernel);
}

TEST_F(Simdev, TypedEntriesAreUnsupportedWhereTheBackendInsideHasNone) {
  TenonMatmulArgs args = {};
  args.size = sizeof args;
  TenonCall call = {};
  call.size = sizeof call;
  EXPECT_EQ(backend->tensor->matmul(device, 0, &args, &call, &error), TENON_UNSUPPORTED);
}

}  // namespace
