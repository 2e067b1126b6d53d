// Proves that mini.c is an honest backend, through the ABI alone.
#include <cmath>
#include <cstdint>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "tenon/abi/tenon_backend.h"
#include "tests/abi/fake_host.h"
#include "tests/abi/program_builder.h"

extern "C" TenonStatus tenon_backend_entry_v0_mini(const TenonHost* host, const TenonBackend** out,
                                                   TenonError* error);

namespace {

FakeHost& Host() {
  static FakeHost* host = new FakeHost;  // the backend keeps the pointer
  return *host;
}

TEST(Mini, EntryKeepsTheFirstHost) {
  const TenonBackend* backend = Host().Enter(tenon_backend_entry_v0_mini);
  EXPECT_EQ(Host().Enter(tenon_backend_entry_v0_mini), backend);
  EXPECT_STREQ(backend->name, "mini");
  FakeHost other;
  const TenonBackend* none = nullptr;
  ErrorSlot error;
  EXPECT_EQ(tenon_backend_entry_v0_mini(&other.table, &none, &error), TENON_FAILED_PRECONDITION);
  other.table.abi_minor += 1;
  EXPECT_EQ(tenon_backend_entry_v0_mini(&other.table, &none, &error), TENON_INCOMPATIBLE);
  EXPECT_EQ(none, nullptr);
}

TEST(Mini, PropsFillWhatTheCallerHas) {
  const TenonCoreOps* core = Host().Enter(tenon_backend_entry_v0_mini)->core;
  ErrorSlot error;
  TenonDeviceProps props = {};
  props.size = offsetof(TenonDeviceProps, name);  // an older host
  props.name[0] = '?';
  ASSERT_EQ(core->device_props(0, &props, &error), TENON_OK);
  EXPECT_EQ(props.size, offsetof(TenonDeviceProps, name));
  EXPECT_EQ(props.name[0], '?');
  EXPECT_GE(props.max_operands, 8u);
  EXPECT_EQ(props.flags, 0u);
  for (uint32_t op = 1; op < TENON_OPCODE_COUNT; ++op)
    EXPECT_TRUE(props.opcodes[op / 64] >> (op % 64) & 1) << op;
  EXPECT_EQ(core->device_props(1, &props, &error), TENON_INVALID_ARGUMENT);
}

TEST(Mini, ComputesOnItsOwnMemory) {
  const TenonCoreOps* core = Host().Enter(tenon_backend_entry_v0_mini)->core;
  ErrorSlot error;
  TenonDevice device = 0;
  ASSERT_EQ(core->device_open(0, &device, &error), TENON_OK);
  // x * sigmoid(x), written out
  ProgramBuilder p;
  const auto x = p.Input(TENON_F32), one = p.Const(TENON_F32, 1.0f);
  const auto e = p.Op(TENON_OP_EXP, TENON_F32, p.Op(TENON_OP_NEG, TENON_F32, x));
  p.Output(p.Op(TENON_OP_DIV, TENON_F32, x, p.Op(TENON_OP_ADD, TENON_F32, one, e)));
  const KernelText text(p);
  TenonKernel kernel = 0;
  ASSERT_EQ(core->kernel_create(device, &text.desc, &kernel, &error), TENON_OK) << error.message;
  TenonBuffer in = 0, out = 0, copy = 0;
  for (TenonBuffer* buffer : {&in, &out, &copy})
    ASSERT_EQ(core->mem_alloc(device, 1024, buffer, &error), TENON_OK);
  std::vector<float> values(100), result(100);
  for (size_t i = 0; i < 100; ++i) values[i] = (static_cast<float>(i) - 50) / 7;
  ASSERT_EQ(core->copy_h2d(device, 0, in, 40, values.data(), 400, &error), TENON_OK);
  LaunchText launch({100});
  launch.Add(in, TENON_F32, 40).Add(out, TENON_F32, 4);
  ASSERT_EQ(core->kernel_launch(device, 0, kernel, &launch.launch, &error), TENON_OK)
      << error.message;
  ASSERT_EQ(core->copy_d2d(device, 0, copy, 8, out, 4, 400, &error), TENON_OK);
  ASSERT_EQ(core->copy_d2h(device, 0, result.data(), copy, 8, 400, &error), TENON_OK);
  for (size_t i = 0; i < 100; ++i) {
    const double expected = values[i] / (1 + std::exp(-static_cast<double>(values[i])));
    EXPECT_NEAR(result[i], expected, 3e-7 * std::fabs(expected));
  }
  TenonBuffer huge = 0;
  EXPECT_EQ(core->mem_alloc(device, uint64_t{1} << 60, &huge, &error), TENON_OUT_OF_MEMORY);
  core->kernel_destroy(device, kernel);
  for (const TenonBuffer buffer : {in, out, copy}) core->mem_free(device, buffer);
  core->device_close(device);
}

}  // namespace
