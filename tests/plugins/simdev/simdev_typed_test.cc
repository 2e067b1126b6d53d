// Proves that matmul, gather and scatter go through simdev asynchronously and checked. Runs on the
// CPU backend, since the kit's interpreter has none of them.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tenon/abi/tenon_backend.h"
#include "tests/plugins/simdev/simdev_fixture.h"

namespace {

template <class Args>
Args Sized() {
  Args args = {};
  args.size = sizeof args;
  return args;
}

TenonTensor Matrix(TenonBuffer buffer, int64_t rows, int64_t columns) {
  TenonTensor t = {};
  t.buffer = buffer;
  t.dtype = TENON_F32;
  t.rank = 2;
  t.sizes[0] = rows;
  t.sizes[1] = columns;
  t.strides[0] = columns;
  t.strides[1] = 1;
  return t;
}

class SimdevTyped : public Simdev {
 protected:
  // Dry run, workspace, run: as core does it.
  template <class Args>
  TenonStatus Call(TenonStatus (*entry)(TenonDevice, TenonStream, const Args*, TenonCall*,
                                        TenonError*) noexcept,
                   const Args& args) {
    TenonCall call = Sized<TenonCall>();
    call.flags = TENON_CALL_DRY_RUN;
    const TenonStatus status = entry(device, 0, &args, &call, &error);
    if (status != TENON_OK) return status;
    call.flags = 0;
    if (call.workspace_bytes != 0) call.workspace = Alloc(call.workspace_bytes);
    return entry(device, 0, &args, &call, &error);
  }
};

TEST_F(SimdevTyped, MatmulRunsLate) {
  TenonMatmulArgs args = Sized<TenonMatmulArgs>();
  const TenonBuffer c = Upload({0, 0, 0, 0});
  args.a = Matrix(Upload({1, 2, 3, 4, 5, 6}), 2, 3);
  args.b = Matrix(Upload({1, 0, 0, 1, 1, 1}), 3, 2);
  args.c = Matrix(c, 2, 2);
  args.alpha = 1;
  uint64_t before = 0, after = 0;
  faults->counters(device, &before, nullptr, nullptr);
  TenonCall dry = Sized<TenonCall>();
  dry.flags = TENON_CALL_DRY_RUN;
  ASSERT_EQ(backend->tensor->matmul(device, 0, &args, &dry, &error), TENON_OK) << error.message;
  faults->counters(device, &after, nullptr, nullptr);
  EXPECT_EQ(before, after) << "a dry run enqueues nothing";
  ops->hold(device, 0, 1);
  ASSERT_EQ(Call(backend->tensor->matmul, args), TENON_OK) << error.message;
  args = {};  // copied
  EXPECT_EQ(streams->stream_query(device, 0, &error), TENON_NOT_READY);
  ops->hold(device, 0, 0);
  EXPECT_EQ(Download(c, 4), (std::vector<float>{4, 5, 10, 11}));
}

TEST_F(SimdevTyped, MatmulIsChecked) {
  TenonMatmulArgs args = Sized<TenonMatmulArgs>();
  const TenonBuffer a = Upload({1, 2, 3, 4}), small = Upload({0, 0});
  args.a = args.b = Matrix(a, 2, 2);
  args.alpha = 1;
  args.c = Matrix(small, 2, 2);
  ASSERT_EQ(Call(backend->tensor->matmul, args), TENON_OK) << error.message;
  EXPECT_EQ(Sync(0), TENON_INTERNAL);
  EXPECT_NE(std::string(error.message).find("c names bytes 0 to 16 of a buffer of 8"),
            std::string::npos)
      << error.message;
  args.c = Matrix(a, 2, 2);
  ASSERT_EQ(Call(backend->tensor->matmul, args), TENON_OK) << error.message;
  EXPECT_EQ(Sync(0), TENON_INTERNAL) << "writes over what it reads";
  args.c = Matrix(12345, 2, 2);
  EXPECT_EQ(Call(backend->tensor->matmul, args), TENON_INVALID_ARGUMENT);
}

TEST_F(SimdevTyped, GatherAndScatterReportWhatIsOutOfRange) {
  const std::vector<int32_t> rows = {2, -3, 7};
  const TenonBuffer index = Alloc(12), flag = Alloc(8), out = Upload(std::vector<float>(6, 0));
  std::vector<int64_t> none = {0};
  ASSERT_EQ(core->copy_h2d(device, 0, index, 0, rows.data(), 12, &error), TENON_OK);
  ASSERT_EQ(core->copy_h2d(device, 0, flag, 0, none.data(), 8, &error), TENON_OK);
  TenonIndexArgs args = Sized<TenonIndexArgs>();
  args.src = Matrix(Upload({1, 2, 3, 4, 5, 6}), 3, 2);
  args.dst = Matrix(out, 3, 2);
  args.index.buffer = index;
  args.index.dtype = TENON_I32;
  args.index.rank = 1;
  args.index.sizes[0] = 3;
  args.index.strides[0] = 1;
  args.mode = TENON_INDEX_ROWS;
  args.out_of_range = flag;
  ASSERT_EQ(Call(backend->tensor->gather, args), TENON_OK) << error.message;
  EXPECT_EQ(Download(out, 6), (std::vector<float>{5, 6, 1, 2, 5, 6}));
  int64_t first = -1;
  ASSERT_EQ(core->copy_d2h(device, 0, &first, flag, 0, 8, &error), TENON_OK);
  ASSERT_EQ(Sync(0), TENON_OK) << error.message;
  EXPECT_EQ(first, 3) << "1 + the position of the 7";
  args.dst = Matrix(Upload({10, 20, 30, 40, 50, 60}), 3, 2);
  args.combine = TENON_SCATTER_ADD;
  ASSERT_EQ(Call(backend->tensor->scatter, args), TENON_OK) << error.message;
  EXPECT_EQ(Download(args.dst.buffer, 6), (std::vector<float>{13, 24, 30, 40, 56, 68}));
}

}  // namespace
