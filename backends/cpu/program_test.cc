// Programs of many instructions over operands of any rank and stride, against an element-by-element
// evaluation; copies, fills, indices, aliasing; what must be refused.
#include <gtest/gtest.h>

#include <algorithm>

#include "backends/cpu/test_device.h"
#include "backends/cpu/test_reference.h"

namespace tenon_cpu {
namespace {

using Random = std::mt19937_64;

// Opcodes whose result is the same to the last bit on every device.
constexpr uint32_t kExact[] = {
    TENON_OP_CAST,  TENON_OP_BITCAST, TENON_OP_ADD,      TENON_OP_SUB,   TENON_OP_MUL,
    TENON_OP_DIV,   TENON_OP_REM,     TENON_OP_NEG,      TENON_OP_ABS,   TENON_OP_AND,
    TENON_OP_OR,    TENON_OP_XOR,     TENON_OP_NOT,      TENON_OP_SHL,   TENON_OP_SHR,
    TENON_OP_EQ,    TENON_OP_NE,      TENON_OP_LT,       TENON_OP_LE,    TENON_OP_SELECT,
    TENON_OP_FLOOR, TENON_OP_CEIL,    TENON_OP_TRUNC,    TENON_OP_RINT,  TENON_OP_SQRT,
    TENON_OP_FMA,   TENON_OP_SIGN,    TENON_OP_COPYSIGN, TENON_OP_MULHI, TENON_OP_PHILOX};

TestProgram RandomProgram(Random& random, uint32_t length) {
  TestProgram p;
  const auto of_dtype = [&](uint32_t dtype) -> int {
    std::vector<int> found;
    for (size_t i = 0; i < p.instr.size(); ++i) {
      if (p.instr[i].dtype == dtype) found.push_back(static_cast<int>(i));
    }
    return found.empty() ? -1 : found[random() % found.size()];
  };
  p.n_inputs = 1 + static_cast<uint32_t>(random() % 4);
  for (uint32_t k = 0; k < p.n_inputs; ++k)
    p.instr.push_back(Instr(TENON_OP_INPUT, 1 + random() % 13, 0, 0, 0, k));
  p.n_scalars = 2;
  for (uint32_t k = 0; k < p.n_scalars; ++k)
    p.instr.push_back(Instr(TENON_OP_SCALAR, 1 + random() % 13, 0, 0, 0, k));
  const uint32_t constant = 1 + static_cast<uint32_t>(random() % 13);
  p.instr.push_back(Instr(TENON_OP_CONST, constant, 0, 0, 0, RandomValue(constant, random)));
  if (random() % 2 == 0) p.instr.push_back(Instr(TENON_OP_INDEX, TENON_I64));
  while (p.instr.size() < length) {
    const uint32_t op = kExact[random() % std::size(kExact)];
    const int a = static_cast<int>(random() % p.instr.size());
    const uint32_t from = p.instr[a].dtype;
    if (op == TENON_OP_SELECT) {
      const int condition = of_dtype(TENON_BOOL);
      if (condition >= 0) p.instr.push_back(Instr(op, from, condition, a, of_dtype(from)));
      continue;
    }
    if (!tenon_opcode_defined(op, from)) continue;
    uint32_t to = from;
    if (op == TENON_OP_CAST) to = 1 + random() % 13;
    if (op >= TENON_OP_EQ && op <= TENON_OP_LE) to = TENON_BOOL;
    if (op == TENON_OP_PHILOX) to = TENON_U32;
    if (op == TENON_OP_BITCAST) {
      while (to = 1 + random() % 13, tenon_dtype_size(to) != tenon_dtype_size(from)) {
      }
    }
    p.instr.push_back(Instr(op, to, a, of_dtype(from), of_dtype(from)));
  }
  p.outputs.push_back(static_cast<uint32_t>(p.instr.size() - 1));
  for (uint64_t extra = random() % 3; extra > 0; --extra)
    p.outputs.push_back(static_cast<uint32_t>(random() % p.instr.size()));
  return p;
}

// NaNs may differ in their bits, and these would be seen through casts: one of them stands for all.
uint64_t Canonical(uint32_t dtype, uint64_t bits) {
  return tenon_dtype_is_float(dtype) && std::isnan(RealOf(dtype, bits))
             ? BitsOf(dtype, std::nanl(""))
             : bits;
}

// Whether some bitcast or integer sees a NaN's bits, which no rule fixes.
std::vector<uint64_t> Evaluate(const TestProgram& p, const std::vector<uint64_t>& inputs,
                               const std::vector<uint64_t>& scalars, int64_t index,
                               bool* free_bits) {
  std::vector<uint64_t> values;
  for (const TenonInstr& t : p.instr) {
    uint64_t v = 0;
    switch (t.op) {
      case TENON_OP_INPUT:
        v = inputs[t.imm];
        break;
      case TENON_OP_SCALAR:
        v = scalars[t.imm];
        break;
      case TENON_OP_CONST:
        v = t.imm;
        break;
      case TENON_OP_INDEX:
        v = static_cast<uint64_t>(index);
        break;
      default: {
        const uint32_t from = t.op == TENON_OP_SELECT ? t.dtype : p.instr[t.a].dtype;
        if ((t.op == TENON_OP_BITCAST || t.op == TENON_OP_COPYSIGN) && tenon_dtype_is_float(from)) {
          for (uint16_t name : {t.a, t.b}) {
            if (t.op == TENON_OP_COPYSIGN || name == t.a)
              *free_bits = *free_bits || std::isnan(RealOf(from, values[name]));
          }
        }
        v = Reference(t, from, values[t.a], values[t.b], values[t.c]);
      }
    }
    values.push_back(v);
  }
  return values;
}

struct Buffer {
  std::vector<char> bytes;
  View view;
  int64_t lowest = 0;
};

// A view of the sizes with a random order of axes, gaps, reversals and, for inputs, broadcasts.
Buffer RandomBuffer(uint32_t dtype, const std::vector<int64_t>& sizes, bool input, Random& random) {
  std::vector<size_t> order(sizes.size());
  for (size_t d = 0; d < order.size(); ++d) order[d] = d;
  if (random() % 2 == 0) std::shuffle(order.begin(), order.end(), random);
  Buffer b;
  b.view.dtype = dtype;
  b.view.strides.assign(sizes.size(), 0);
  int64_t next = random() % 3 == 0 ? 2 : 1;
  for (size_t i = order.size(); i-- > 0;) {
    const size_t d = order[i];
    if (input && random() % 5 == 0) continue;
    b.view.strides[d] = next;
    next *= sizes[d] + (random() % 4 == 0 ? 1 : 0);
    if (random() % 6 == 0) b.view.strides[d] = -b.view.strides[d];
  }
  for (size_t d = 0; d < sizes.size(); ++d)
    b.lowest += std::min<int64_t>(0, b.view.strides[d] * (sizes[d] - 1));
  const uint32_t size = tenon_dtype_size(dtype);
  const int64_t items = next + 2;
  b.bytes.assign(static_cast<size_t>(items * size), static_cast<char>(0xa5));
  for (int64_t i = 0; input && i < items; ++i)
    WriteBits(b.bytes.data(), dtype, i, RandomValue(dtype, random));
  b.view.data = b.bytes.data() + (1 - b.lowest) * size;
  return b;
}

TEST(Program, RandomProgramsInRandomLayouts) {
  Random random(2024);
  for (int trial = 0; trial < 400; ++trial) {
    const TestProgram p = RandomProgram(random, trial < 350 ? 8 + random() % 20 : 200);
    TestKernel kernel(p);
    ASSERT_EQ(kernel.status(), TENON_OK) << kernel.message();
    TestLaunch launch;
    const size_t rank = random() % 9;
    int64_t count = 1;
    for (size_t d = 0; d < rank; ++d) {
      launch.sizes.push_back(1 +
                             static_cast<int64_t>(random() % (d == rank - 1 && trial % 3 == 0 ? 700
                                                              : rank > 4                      ? 3
                                                                         : 12)));
      count *= launch.sizes.back();
    }
    std::vector<Buffer> buffers;
    for (uint32_t k = 0; k < p.n_inputs; ++k)
      buffers.push_back(RandomBuffer(p.instr[k].dtype, launch.sizes, true, random));
    for (uint32_t o : p.outputs)
      buffers.push_back(RandomBuffer(p.instr[o].dtype, launch.sizes, false, random));
    for (Buffer& b : buffers) launch.operands.push_back(b.view);
    for (uint32_t k = 0; k < p.n_scalars; ++k)
      launch.scalars.push_back(RandomValue(p.instr[p.n_inputs + k].dtype, random));
    launch.index_base = static_cast<int64_t>(random() % 1000);
    for (size_t d = 0; d < rank; ++d)
      launch.index_strides.push_back(static_cast<int64_t>(random() % 100));
    const std::vector<std::vector<char>> before = [&] {
      std::vector<std::vector<char>> all;
      for (const Buffer& b : buffers) all.push_back(b.bytes);
      return all;
    }();
    ASSERT_EQ(kernel.Launch(launch), TENON_OK) << kernel.message();
    TenonPosition at = FirstPosition(launch.sizes);
    std::vector<std::vector<char>> expected = before;
    do {
      std::vector<uint64_t> inputs;
      for (uint32_t k = 0; k < p.n_inputs; ++k)
        inputs.push_back(ReadBits(buffers[k].view.data, p.instr[k].dtype,
                                  tenon_position_offset(&at, buffers[k].view.strides.data())));
      const int64_t index =
          launch.index_base + tenon_position_offset(&at, launch.index_strides.data());
      bool free_bits = false;
      const std::vector<uint64_t> values = Evaluate(p, inputs, launch.scalars, index, &free_bits);
      for (size_t o = 0; o < p.outputs.size(); ++o) {
        const Buffer& b = buffers[p.n_inputs + o];
        const uint32_t dtype = b.view.dtype;
        const int64_t place = tenon_position_offset(&at, b.view.strides.data());
        const uint64_t got = ReadBits(b.view.data, dtype, place);
        const uint64_t want = values[p.outputs[o]];
        if (!free_bits) {
          ASSERT_EQ(Canonical(dtype, got), Canonical(dtype, want))
              << "trial " << trial << ", output " << o << ", value " << p.outputs[o] << " "
              << tenon_opcode_name(p.instr[p.outputs[o]].op) << " " << tenon_dtype_name(dtype);
        }
        WriteBits(
            expected[p.n_inputs + o].data() + (static_cast<char*>(b.view.data) - b.bytes.data()),
            dtype, place, got);
      }
    } while (tenon_position_next(&at));
    for (size_t k = 0; k < buffers.size(); ++k)
      ASSERT_EQ(buffers[k].bytes, expected[k])
          << "trial " << trial << ": bytes outside operand " << k << " changed";
  }
}

TEST(Program, CopiesEveryDtypeInEveryOrder) {
  Random random(7);
  for (uint32_t dtype = TENON_BOOL; dtype < TENON_DTYPE_COUNT; ++dtype) {
    TestProgram p;
    p.instr = {Instr(TENON_OP_INPUT, dtype)};
    p.outputs = {0};
    p.n_inputs = 1;
    TestKernel kernel(p);
    ASSERT_EQ(kernel.status(), TENON_OK) << kernel.message();
    const int64_t size = tenon_dtype_size(dtype);
    for (const std::vector<int64_t>& sizes :
         {std::vector<int64_t>{7, 5}, {130, 67}, {3, 200, 70}, {1}, {1000}, {2, 3, 4, 5}}) {
      for (int trial = 0; trial < 6; ++trial) {
        int64_t count = 1;
        for (int64_t s : sizes) count *= s;
        std::vector<char> from(static_cast<size_t>(count * size)), to(from.size(), 0);
        for (char& c : from) c = static_cast<char>(random());
        // The source's axes in a random order, the destination's in order.
        std::vector<size_t> order(sizes.size());
        for (size_t d = 0; d < order.size(); ++d) order[d] = d;
        std::shuffle(order.begin(), order.end(), random);
        std::vector<int64_t> strides(sizes.size());
        int64_t next = 1;
        for (size_t d : order) {
          strides[d] = next;
          next *= sizes[d];
        }
        TestLaunch launch;
        launch.sizes = sizes;
        launch.operands = {{from.data(), dtype, strides}, {to.data(), dtype, RowMajor(sizes)}};
        ASSERT_EQ(kernel.Launch(launch), TENON_OK);
        TenonPosition at = FirstPosition(sizes);
        int64_t i = 0;
        do {
          ASSERT_EQ(
              std::memcmp(
                  &to[static_cast<size_t>(i * size)],
                  &from[static_cast<size_t>(tenon_position_offset(&at, strides.data()) * size)],
                  static_cast<size_t>(size)),
              0);
          ++i;
        } while (tenon_position_next(&at));
      }
    }
  }
}

// Each of two outputs written over an input: the first may not destroy what the second reads. Over
// one element, one block and several, contiguous or not.
TEST(Program, OutputsMayBeInputs) {
  struct Case {
    std::vector<uint32_t> outputs;
    float (*x)(float x, float y);
    float (*y)(float x, float y);
  };
  const Case cases[] = {
      {{2, 3}, [](float, float y) { return -y; }, [](float x, float y) { return x + y; }},
      {{1, 0}, [](float, float y) { return y; }, [](float x, float) { return x; }},
      {{2, 0}, [](float, float y) { return -y; }, [](float x, float) { return x; }},
      {{1, 3}, [](float, float y) { return y; }, [](float x, float y) { return x + y; }},
  };
  for (const Case& c : cases) {
    TestProgram p;
    p.n_inputs = 2;
    p.instr = {Instr(TENON_OP_INPUT, TENON_F32, 0, 0, 0, 0),
               Instr(TENON_OP_INPUT, TENON_F32, 0, 0, 0, 1)};
    if (c.outputs[0] > 1 || c.outputs[1] > 1) {
      p.instr.push_back(Instr(TENON_OP_NEG, TENON_F32, 1));
      p.instr.push_back(Instr(TENON_OP_ADD, TENON_F32, 0, 1));
    }
    p.outputs = c.outputs;
    TestKernel kernel(p);
    for (int64_t stride : {1, 2}) {
      for (int64_t count : {1, 100, 2500}) {
        std::vector<float> x(5000), y(5000);
        for (int i = 0; i < 5000; ++i)
          x[i] = static_cast<float>(i + 1), y[i] = static_cast<float>(2 * i + 5);
        const std::vector<float> old_x = x, old_y = y;
        TestLaunch launch;
        launch.flags = TENON_LAUNCH_MAY_ALIAS;
        launch.sizes = {count};
        launch.operands = {{x.data(), TENON_F32, {stride}},
                           {y.data(), TENON_F32, {stride}},
                           {x.data(), TENON_F32, {stride}},
                           {y.data(), TENON_F32, {stride}}};
        ASSERT_EQ(kernel.Launch(launch), TENON_OK);
        for (int64_t i = 0; i < 5000; ++i) {
          const bool written = i % stride == 0 && i / stride < count;
          ASSERT_EQ(x[i], written ? c.x(old_x[i], old_y[i]) : old_x[i]) << i << " of " << count;
          ASSERT_EQ(y[i], written ? c.y(old_x[i], old_y[i]) : old_y[i]) << i << " of " << count;
        }
      }
    }
  }
}

TEST(Program, PhiloxOfAnIndex) {
  TestProgram p;
  p.n_scalars = 2;
  p.instr = {Instr(TENON_OP_INDEX, TENON_I64),
             Instr(TENON_OP_BITCAST, TENON_U64, 0),
             Instr(TENON_OP_SCALAR, TENON_U64, 0, 0, 0, 0),
             Instr(TENON_OP_ADD, TENON_U64, 1, 2),
             Instr(TENON_OP_SCALAR, TENON_U64, 0, 0, 0, 1),
             Instr(TENON_OP_PHILOX, TENON_U32, 3, 4)};
  p.outputs = {5};
  TestKernel kernel(p);
  for (uint64_t offset : {uint64_t{0}, uint64_t{3}, uint64_t{0x3fffffffe}, ~uint64_t{0} - 500}) {
    std::vector<uint32_t> out(5000);
    TestLaunch launch;
    launch.sizes = {5000};
    launch.index_strides = {1};
    launch.scalars = {offset, 0x123456789abcdef};
    launch.operands = {{out.data(), TENON_U32, {1}}};
    ASSERT_EQ(kernel.Launch(launch), TENON_OK);
    for (uint64_t i = 0; i < 5000; ++i)
      ASSERT_EQ(out[i], tenon_philox_word(offset + i, launch.scalars[1])) << i;
  }
}

TEST(Program, Refusals) {
  const auto status_of = [](std::vector<TenonInstr> instr, uint32_t n_inputs = 1) {
    TestProgram p;
    p.instr = std::move(instr);
    p.outputs = {static_cast<uint32_t>(p.instr.size() - 1)};
    p.n_inputs = n_inputs;
    return TestKernel(p).status();
  };
  const TenonInstr input = Instr(TENON_OP_INPUT, TENON_F32);
  EXPECT_EQ(status_of({input, Instr(99, TENON_F32, 0)}), TENON_UNSUPPORTED);
  EXPECT_EQ(status_of({input, Instr(TENON_OP_CAST, TENON_DTYPE_COUNT, 0)}), TENON_UNSUPPORTED);
  EXPECT_EQ(status_of({input, Instr(TENON_OP_AND, TENON_F32, 0, 0)}), TENON_UNSUPPORTED);
  EXPECT_EQ(status_of({input, Instr(TENON_OP_ADD, TENON_F32, 0, 1)}), TENON_INVALID_ARGUMENT);
  EXPECT_EQ(status_of({input, Instr(TENON_OP_NEG, TENON_F64, 0)}), TENON_INVALID_ARGUMENT);
  EXPECT_EQ(status_of({Instr(TENON_OP_INPUT, TENON_F32, 0, 0, 0, 1)}), TENON_INVALID_ARGUMENT);
  EXPECT_EQ(status_of({Instr(TENON_OP_INPUT, TENON_C64), Instr(TENON_OP_NEG, TENON_C64, 0)}),
            TENON_UNSUPPORTED);
  EXPECT_EQ(status_of(std::vector<TenonInstr>(257, input)), TENON_UNSUPPORTED);
  TenonInstr flagged = Instr(TENON_OP_NEG, TENON_F32, 0);
  flagged.flags = 1;
  EXPECT_EQ(status_of({input, flagged}), TENON_UNSUPPORTED);
}

}  // namespace
}  // namespace tenon_cpu
