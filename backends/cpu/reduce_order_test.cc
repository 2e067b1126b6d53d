// The order in which floats are folded is part of the result. These tests run once per instruction
// set (test_main.cc), against one reference that is written down here, so all give the same bits.
#include <gtest/gtest.h>

#include "backends/cpu/test_device.h"
#include "backends/cpu/test_reference.h"

namespace tenon_cpu {
namespace {

using Random = std::mt19937_64;

// One reducer over one array, nothing before or after it.
class PlainReducer {
 public:
  PlainReducer(uint32_t kind, uint32_t dtype, uint32_t result)
      : dtype_(dtype),
        result_(result),
        kernel_(Copy(dtype, false),
                {{static_cast<uint16_t>(kind), static_cast<uint16_t>(result), 0, 0, 0}},
                Copy(result, true)) {}

  // The bits of the result.
  uint64_t Of(std::vector<char>& memory, size_t n) {
    char out[8] = {};
    TestLaunch launch;
    launch.sizes = {static_cast<int64_t>(n)};
    launch.reduce_axes = 1;
    launch.operands = {{memory.data(), dtype_, {1}}, {out, result_, {0}}};
    EXPECT_EQ(kernel_.status(), TENON_OK) << kernel_.message();
    EXPECT_EQ(kernel_.Launch(launch), TENON_OK) << kernel_.message();
    return ReadBits(out, result_, 0);
  }

 private:
  static TestProgram Copy(uint32_t dtype, bool output) {
    TestProgram p;
    p.n_inputs = 1;
    p.instr = {Instr(TENON_OP_INPUT, dtype)};
    if (output) p.outputs = {0};
    return p;
  }
  uint32_t dtype_, result_;
  TestKernel kernel_;
};

// 64 sums, folded by halves into eight, which also take what is left in eights and singly, and are
// folded by halves again.
double InOrder(const std::vector<double>& x, bool product) {
  const auto join = [product](double a, double b) { return product ? a * b : a + b; };
  const size_t n = x.size(), blocks = n / 64 * 64;
  std::vector<double> lane(64, product ? 1.0 : 0.0);
  if (n < 8) {
    for (double v : x) lane[0] = join(lane[0], v);
    return lane[0];
  }
  for (size_t i = 0; i < blocks; ++i) lane[i % 64] = join(lane[i % 64], x[i]);
  size_t i = blocks;
  for (; i < n / 8 * 8; ++i) lane[i % 8] = join(lane[i % 8], x[i]);
  for (size_t width = blocks > 0 ? 32 : 4; width > 0; width /= 2) {
    if (width == 4) {
      for (; i < n; ++i) lane[i % 8] = join(lane[i % 8], x[i]);
    }
    for (size_t k = 0; k < width; ++k) lane[k] = join(lane[k], lane[k + width]);
  }
  return lane[0];
}

TEST(ReduceOrder, SumsAndProducts) {
  Random random(13);
  std::vector<size_t> counts;
  for (size_t n = 1; n <= 140; ++n) counts.push_back(n);
  counts.insert(counts.end(), {500, 640, 1000});
  for (uint32_t dtype : {TENON_F32, TENON_F64}) {
    for (uint32_t kind : {TENON_SUM, TENON_PROD}) {
      PlainReducer reducer(kind, dtype, TENON_F64);
      for (size_t n : counts) {
        std::vector<char> memory(n * 8);
        std::vector<double> x(n);
        for (size_t i = 0; i < n; ++i) {
          const Real u = static_cast<Real>(random() >> 11) * 0x1p-53L;
          const auto at = static_cast<int64_t>(i);
          WriteBits(memory.data(), dtype, at, BitsOf(dtype, kind == TENON_PROD ? u + 0.5L : u));
          x[i] = static_cast<double>(RealOf(dtype, ReadBits(memory.data(), dtype, at)));
        }
        ASSERT_EQ(RealOf(TENON_F64, reducer.Of(memory, n)),
                  static_cast<Real>(InOrder(x, kind == TENON_PROD)))
            << tenon_dtype_name(dtype) << ", " << n << " elements, reducer " << kind;
      }
    }
  }
}

// Which of several zeros, of both signs and so equal, is the extreme: lane i % (128 bytes) keeps
// its first, of two lanes the lower one keeps its own, and what does not fill the lanes comes after
// them, the last first.
int64_t ChosenZero(const std::vector<bool>& zero, size_t lanes) {
  const size_t n = zero.size(), whole = n / lanes * lanes;
  for (size_t i = n; i-- > whole;) {
    if (zero[i]) return static_cast<int64_t>(i);
  }
  std::vector<int64_t> lane(lanes, -1);
  for (size_t i = 0; i < whole; ++i) {
    if (zero[i] && lane[i % lanes] < 0) lane[i % lanes] = static_cast<int64_t>(i);
  }
  for (size_t width = lanes / 2; width > 0; width /= 2) {
    for (size_t j = 0; j < width; ++j) lane[j] = lane[j] >= 0 ? lane[j] : lane[j + width];
  }
  return lane[0];
}

TEST(ReduceOrder, ExtremesAmongZerosOfBothSigns) {
  Random random(14);
  for (uint32_t dtype : {TENON_F32, TENON_F64}) {
    const size_t lanes = 128 / tenon_dtype_size(dtype);
    for (uint32_t kind : {TENON_MIN, TENON_MAX}) {
      PlainReducer reducer(kind, dtype, dtype);
      const Real other = kind == TENON_MIN ? 1 : -1;  // loses
      for (size_t n : {lanes, 2 * lanes, 5 * lanes, 5 * lanes + 1, 8 * lanes - 1}) {
        for (int trial = 0; trial < 50; ++trial) {
          std::vector<char> memory(n * 8);
          std::vector<bool> zero(n), negative(n);
          for (size_t i = 0; i < n; ++i) {
            zero[i] = random() % (trial % 2 == 0 ? 3 : 12) == 0;
            negative[i] = random() % 2 == 0;
            WriteBits(memory.data(), dtype, static_cast<int64_t>(i),
                      BitsOf(dtype, !zero[i]      ? other
                                    : negative[i] ? -0.0L
                                                  : 0.0L));
          }
          const int64_t chosen = ChosenZero(zero, lanes);
          const Real expected = chosen < 0                              ? other
                                : negative[static_cast<size_t>(chosen)] ? -0.0L
                                                                        : 0.0L;
          ASSERT_EQ(reducer.Of(memory, n), BitsOf(dtype, expected))
              << tenon_dtype_name(dtype) << ", " << n << " elements, reducer " << kind;
        }
      }
    }
  }
}

}  // namespace
}  // namespace tenon_cpu
