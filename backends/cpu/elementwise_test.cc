// Every opcode on every dtype for which it is defined: special values in all pairs, random values,
// odd lengths, and operands contiguous, spread out, reversed and broadcast, against
// test_reference.h.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "backends/cpu/test_device.h"
#include "backends/cpu/test_reference.h"

namespace tenon_cpu {
namespace {

struct Case {
  TenonInstr instr;  // operands are inputs 0, 1, 2
  uint32_t from[3];  // their dtypes
  int operands;
};

std::vector<Case> AllCases() {
  std::vector<Case> cases;
  for (uint32_t op = TENON_OP_CAST; op < TENON_OPCODE_COUNT; ++op) {
    for (uint32_t dtype = TENON_BOOL; dtype < TENON_DTYPE_COUNT; ++dtype) {
      if (!tenon_opcode_defined(op, dtype)) continue;
      const int operands = tenon_opcode_operands(op);
      Case c{Instr(op, dtype, 0, std::min(1, operands - 1), std::min(2, operands - 1)),
             {dtype, dtype, dtype},
             operands};
      if (op >= TENON_OP_EQ && op <= TENON_OP_LE) c.instr.dtype = TENON_BOOL;
      if (op == TENON_OP_SELECT) c.from[0] = TENON_BOOL;
      if (op == TENON_OP_PHILOX) c.instr.dtype = TENON_U32;
      if (op != TENON_OP_CAST && op != TENON_OP_BITCAST) {
        cases.push_back(c);
        continue;
      }
      for (uint32_t to = TENON_BOOL; to < TENON_DTYPE_COUNT; ++to) {
        if (!tenon_opcode_defined(op, to)) continue;
        c.instr.dtype = static_cast<uint16_t>(to);
        if (op == TENON_OP_CAST || tenon_dtype_size(to) == tenon_dtype_size(dtype))
          cases.push_back(c);
      }
    }
  }
  return cases;
}

// Element j of operand k: first all pairs of special values, then random ones.
std::vector<std::array<uint64_t, 3>> Values(const Case& c, int64_t n_random, uint32_t seed) {
  std::vector<std::array<uint64_t, 3>> values;
  const std::vector<uint64_t> a = SpecialValues(c.from[0]), b = SpecialValues(c.from[1]),
                              d = SpecialValues(c.from[2]);
  for (size_t i = 0; i < a.size(); ++i) {
    for (size_t j = 0; j < (c.operands > 1 ? b.size() : 1); ++j)
      values.push_back({a[i], b[j], d[(3 * i + 7 * j) % d.size()]});
  }
  std::mt19937_64 random(seed);
  for (int64_t i = 0; i < n_random; ++i)
    values.push_back({RandomValue(c.from[0], random), RandomValue(c.from[1], random),
                      RandomValue(c.from[2], random)});
  return values;
}

void ExpectAgrees(const Case& c, const std::array<uint64_t, 3>& v, uint64_t got, const char* how) {
  const TenonInstr& t = c.instr;
  const uint32_t from = t.op == TENON_OP_SELECT ? c.from[1] : c.from[0];
  const int ulp = Tolerance(t.op, from);
  const bool exact_op = ulp == 0 || t.op == TENON_OP_CAST;
  if ((t.op == TENON_OP_SIN || t.op == TENON_OP_COS || t.op == TENON_OP_TAN) &&
      fabsl(RealOf(from, v[0])) > 1e5L)
    return;
  const uint64_t want = Reference(t, from, v[0], v[1], v[2]);
  const Real exact = exact_op ? 0 : Function(t.op, RealOf(from, v[0]), RealOf(from, v[1]));
  const bool any_zero = t.op == TENON_OP_MIN || t.op == TENON_OP_MAX;
  ASSERT_TRUE(Agrees(t.dtype, got, want, exact, exact_op ? 0 : ulp, any_zero))
      << tenon_opcode_name(t.op) << " " << tenon_dtype_name(c.from[0]) << " -> "
      << tenon_dtype_name(t.dtype) << " " << how << std::hex << ": f(" << v[0] << ", " << v[1]
      << ", " << v[2] << ") = " << got << ", not " << want << std::dec << " ("
      << static_cast<double>(RealOf(from, v[0])) << ", " << static_cast<double>(RealOf(from, v[1]))
      << " -> " << static_cast<double>(RealOf(t.dtype, got)) << ", not "
      << static_cast<double>(exact) << ")";
}

TestProgram ProgramOf(const Case& c) {
  TestProgram p;
  for (int k = 0; k < c.operands; ++k)
    p.instr.push_back(Instr(TENON_OP_INPUT, c.from[k], 0, 0, 0, k));
  p.instr.push_back(c.instr);
  p.outputs = {static_cast<uint32_t>(c.operands)};
  p.n_inputs = static_cast<uint32_t>(c.operands);
  return p;
}

// How operand k lies in memory: element j at (first + step * j).
struct Layout {
  const char* name;
  int64_t step[4];  // of the operands and the output; 0: one element for all
};
constexpr Layout kLayouts[] = {
    {"contiguous", {1, 1, 1, 1}},      {"spread", {2, 3, 1, 2}},
    {"reversed", {-1, 1, -1, 1}},      {"reversed output", {1, 1, 1, -1}},
    {"first broadcast", {0, 1, 1, 1}}, {"second broadcast", {1, 0, 1, 1}},
    {"all broadcast", {0, 0, 0, 1}},
};

void RunCase(const Case& c, const std::vector<std::array<uint64_t, 3>>& values, int64_t n,
             const Layout& layout) {
  std::vector<std::vector<char>> memory(4);
  TestLaunch launch;
  launch.sizes = {n};
  TestKernel kernel(ProgramOf(c));
  ASSERT_EQ(kernel.status(), TENON_OK) << kernel.message();
  for (int k = 0; k < 4; ++k) {
    if (k >= c.operands && k < 3) continue;
    const uint32_t dtype = k < 3 ? c.from[k] : c.instr.dtype;
    const uint32_t size = tenon_dtype_size(dtype);
    memory[k].assign(static_cast<size_t>((n * 3 + 2) * size), static_cast<char>(0xa5));
    const int64_t step = layout.step[k];
    char* first =
        memory[k].data() + (step < 0 ? n : 1) * size;  // one item in: not aligned to a vector
    for (int64_t j = 0; k < 3 && j < n; ++j) {
      if (step != 0 || j == 0)
        WriteBits(first + j * step * static_cast<int64_t>(size), dtype, 0, values[j][k]);
    }
    launch.operands.push_back({first, dtype, {step}});
  }
  ASSERT_EQ(kernel.Launch(launch), TENON_OK) << kernel.message();
  const uint32_t size = tenon_dtype_size(c.instr.dtype);
  for (int64_t j = 0; j < n; ++j) {
    std::array<uint64_t, 3> v = values[j];
    for (int k = 0; k < c.operands; ++k) v[k] = values[layout.step[k] == 0 ? 0 : j][k];
    const char* at = static_cast<const char*>(launch.operands.back().data) +
                     j * layout.step[3] * static_cast<int64_t>(size);
    ASSERT_NO_FATAL_FAILURE(ExpectAgrees(c, v, ReadBits(at, c.instr.dtype, 0), layout.name))
        << "element " << j << " of " << n;
  }
  // What surrounds the output and lies between its elements is untouched.
  if (layout.step[3] == 2) {
    for (int64_t j = 0; j < n; ++j) {
      const char* gap = static_cast<const char*>(launch.operands.back().data) +
                        (2 * j + 1) * static_cast<int64_t>(size);
      for (uint32_t b = 0; b < size; ++b) ASSERT_EQ(gap[b], static_cast<char>(0xa5));
    }
  }
}

TEST(Elementwise, EveryOpcodeOnSpecialAndRandomValues) {
  for (const Case& c : AllCases()) {
    const auto values = Values(c, 3000, 17);
    ASSERT_NO_FATAL_FAILURE(RunCase(c, values, static_cast<int64_t>(values.size()), kLayouts[0]));
  }
}

TEST(Elementwise, EveryOpcodeInEveryLayout) {
  for (const Case& c : AllCases()) {
    const auto values = Values(c, 300, 5);
    for (const Layout& layout : kLayouts) ASSERT_NO_FATAL_FAILURE(RunCase(c, values, 150, layout));
  }
}

TEST(Elementwise, EveryLengthUpToSeventy) {
  for (const Case& c : AllCases()) {
    auto values = Values(c, 80, 23);
    std::reverse(values.begin(), values.end());  // random values first
    for (int64_t n = 1; n <= 70; n += c.instr.op == TENON_OP_CAST ? 13 : 1)
      ASSERT_NO_FATAL_FAILURE(RunCase(c, values, n, kLayouts[0]));
  }
}

// Dense sampling of the functions on the intervals where the bound is promised.
TEST(Elementwise, FunctionsWithinTheirBounds) {
  for (uint32_t op = TENON_OP_EXP; op <= TENON_OP_DIGAMMA; ++op) {
    for (uint32_t dtype : {TENON_F32, TENON_F64}) {
      if (op == TENON_OP_FMA || op == TENON_OP_PHILOX) continue;
      const int operands = tenon_opcode_operands(op);
      const Case c{
          Instr(op, dtype, 0, operands - 1, operands - 1), {dtype, dtype, dtype}, operands};
      std::mt19937_64 random(op * 100 + dtype);
      std::vector<std::array<uint64_t, 3>> values;
      for (int i = 0; i < 40000; ++i) {
        const Real u = static_cast<Real>(random() >> 11) * 0x1p-53L,
                   w = static_cast<Real>(random() >> 11) * 0x1p-53L;
        const Real scale = i % 4 == 0 ? 1 : i % 4 == 1 ? 10 : i % 4 == 2 ? 100 : 1e5L;
        values.push_back({BitsOf(dtype, (2 * u - 1) * scale), BitsOf(dtype, (2 * w - 1) * 20), 0});
      }
      ASSERT_NO_FATAL_FAILURE(RunCase(c, values, static_cast<int64_t>(values.size()), kLayouts[0]));
    }
  }
}

// More elements than a piece of parallel work; the pieces must not matter.
TEST(Elementwise, SameBitsForAnyNumberOfThreads) {
  const int64_t n = 300'001;
  for (uint32_t op : {TENON_OP_ADD, TENON_OP_EXP, TENON_OP_SIN, TENON_OP_POW, TENON_OP_TANH}) {
    std::vector<float> a(n), b(n), first;
    std::mt19937_64 random(3);
    for (int64_t i = 0; i < n; ++i) {
      a[i] = static_cast<float>(random() % 100000) * 1e-4f;
      b[i] = static_cast<float>(random() % 1000) * 1e-2f;
    }
    const int operands = tenon_opcode_operands(op);
    const Case c{
        Instr(op, TENON_F32, 0, operands - 1, 0), {TENON_F32, TENON_F32, TENON_F32}, operands};
    TestKernel kernel(ProgramOf(c));
    for (int threads : {1, 2, 3, 5}) {
      test_threads = threads;
      std::vector<float> out(n);
      TestLaunch launch;
      launch.sizes = {n};
      launch.operands = {{a.data(), TENON_F32, {1}}};
      if (operands == 2) launch.operands.push_back({b.data(), TENON_F32, {1}});
      launch.operands.push_back({out.data(), TENON_F32, {1}});
      ASSERT_EQ(kernel.Launch(launch), TENON_OK);
      if (threads == 1) first = out;
      // NOLINTNEXTLINE(bugprone-suspicious-memory-comparison): the very bits
      ASSERT_EQ(std::memcmp(first.data(), out.data(), n * sizeof(float)), 0)
          << tenon_opcode_name(op) << " with " << threads << " threads";
    }
    test_threads = 1;
  }
}

}  // namespace
}  // namespace tenon_cpu
