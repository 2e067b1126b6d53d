// What the tests of simdev share: an open device 0 of simdev on the kit's interpreter, and short
// names for its calls.
#ifndef TENON_TESTS_PLUGINS_SIMDEV_SIMDEV_FIXTURE_H_
#define TENON_TESTS_PLUGINS_SIMDEV_SIMDEV_FIXTURE_H_

#include <cstdint>
#include <vector>

#include "gtest/gtest.h"
#include "tenon/abi/tenon_backend.h"
#include "tests/abi/fake_host.h"
#include "tests/abi/program_builder.h"
#include "tests/plugins/simdev/simdev_ops.h"

// Which flavour: simdev_alone runs on the kit's interpreter, simdev on the CPU backend.
#ifndef SIMDEV_ENTRY
#define SIMDEV_ENTRY tenon_backend_entry_v0_simdev_alone
#endif
extern "C" TenonStatus SIMDEV_ENTRY(const TenonHost* host, const TenonBackend** out,
                                    TenonError* error);

inline FakeHost& Host() {
  static FakeHost* host = new FakeHost;  // the backend keeps the pointer
  return *host;
}

class Simdev : public testing::Test {
 protected:
  void SetUp() override {
    backend = Host().Enter(SIMDEV_ENTRY);
    core = backend->core;
    streams = backend->streams;
    faults = static_cast<const TenonTestOps*>(backend->query_extension("tenon.test", 1));
    ops = static_cast<const SimdevOps*>(backend->query_extension("tenon.simdev", 1));
    ASSERT_EQ(core->device_open(0, &device, &error), TENON_OK) << error.message;
  }
  void TearDown() override { core->device_close(device); }

  TenonBuffer Alloc(uint64_t bytes) {
    TenonBuffer buffer = 0;
    EXPECT_EQ(core->mem_alloc(device, bytes, &buffer, &error), TENON_OK) << error.message;
    return buffer;
  }
  TenonBuffer Upload(const std::vector<float>& values) {
    const TenonBuffer buffer = Alloc(values.size() * 4);
    EXPECT_EQ(core->copy_h2d(device, 0, buffer, 0, values.data(), values.size() * 4, &error),
              TENON_OK);
    EXPECT_EQ(Sync(0), TENON_OK) << error.message;
    return buffer;
  }
  std::vector<float> Download(TenonBuffer buffer, size_t n) {
    std::vector<float> values(n);
    EXPECT_EQ(core->copy_d2h(device, 0, values.data(), buffer, 0, n * 4, &error), TENON_OK);
    EXPECT_EQ(Sync(0), TENON_OK) << error.message;
    return values;
  }
  TenonStatus Sync(TenonStream stream) { return streams->stream_sync(device, stream, &error); }
  TenonStream NewStream() {
    TenonStream stream = 0;
    EXPECT_EQ(streams->stream_create(device, 0, &stream, &error), TENON_OK);
    return stream;
  }
  TenonEvent NewEvent() {
    TenonEvent event = 0;
    EXPECT_EQ(streams->event_create(device, &event, &error), TENON_OK);
    return event;
  }
  // y = x + scalar
  TenonKernel AddScalarKernel() {
    ProgramBuilder p;
    const auto x = p.Input(TENON_F32), s = p.Scalar(TENON_F32);
    p.Output(p.Op(TENON_OP_ADD, TENON_F32, x, s));
    TenonKernel kernel = 0;
    const KernelText text(p);
    EXPECT_EQ(core->kernel_create(device, &text.desc, &kernel, &error), TENON_OK) << error.message;
    return kernel;
  }
  TenonStatus LaunchAdd(TenonStream stream, TenonKernel kernel, TenonBuffer x, TenonBuffer y,
                        int64_t n, float s) {
    LaunchText launch({n});
    launch.Add(x, TENON_F32).Add(y, TENON_F32).AddScalar(s);
    if (x == y) launch.launch.flags = TENON_LAUNCH_MAY_ALIAS;
    return core->kernel_launch(device, stream, kernel, &launch.launch, &error);
  }

  const TenonBackend* backend = nullptr;
  const TenonCoreOps* core = nullptr;
  const TenonStreamOps* streams = nullptr;
  const TenonTestOps* faults = nullptr;
  const SimdevOps* ops = nullptr;
  TenonDevice device = 0;
  ErrorSlot error;
};

#endif  // TENON_TESTS_PLUGINS_SIMDEV_SIMDEV_FIXTURE_H_
