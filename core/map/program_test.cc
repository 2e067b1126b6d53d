#include "tenon/map/program.h"

#include <gtest/gtest.h>

#include <string>

namespace tenon::map {
namespace {

TenonInstr instr(uint16_t op, DType dtype, ValueId a = 0, ValueId b = 0, ValueId c = 0,
                 uint64_t imm = 0) {
  return {op, static_cast<uint16_t>(dtype), a, b, c, 0, 0, imm};
}

// exp(x) * s, with sqrt(y) as the slope of the product.
Program sample() {
  Program p;
  p.inputs = {DType::float32, DType::float32};
  p.scalars = {DType::float32};
  p.code = {instr(TENON_OP_INPUT, DType::float32, 0, 0, 0, 0),
            instr(TENON_OP_INPUT, DType::float32, 0, 0, 0, 1),
            instr(TENON_OP_SCALAR, DType::float32),
            instr(TENON_OP_SQRT, DType::float32, 1),
            instr(TENON_OP_EXP, DType::float32, 0),
            instr(TENON_OP_MUL, DType::float32, 2, 4)};
  p.outputs = {5};
  p.slopes = {{5, 0, 3}};
  return p;
}

TEST(Program, WithoutSlopesDropsWhatOnlyTheyNeeded) {
  const Program p = without_slopes(sample());
  EXPECT_EQ(text(p),
            "%0 = input 0 : float32\n"
            "%1 = scalar 0 : float32\n"
            "%2 = exp %0 : float32\n"
            "%3 = mul %1 %2 : float32\n"
            "output %3\n");
  EXPECT_EQ(p.inputs.size(), 2u);  // operand 1 is unused, yet keeps its number
  EXPECT_EQ(without_slopes(p), p);
}

TEST(Program, TextShowsSlopes) {
  EXPECT_NE(text(sample()).find("slope d%5/d%0 = %3\n"), std::string::npos);
}

TEST(Program, TextShowsConstantsByDType) {
  Program p;
  p.code = {instr(TENON_OP_CONST, DType::float32, 0, 0, 0, 0x3fc00000),
            instr(TENON_OP_CONST, DType::int8, 0, 0, 0, 0xff),
            instr(TENON_OP_CONST, DType::bool_, 0, 0, 0, 1),
            instr(TENON_OP_CONST, DType::float16, 0, 0, 0, 0xc000),
            instr(TENON_OP_CONST, DType::bfloat16, 0, 0, 0, 0x3f80),
            instr(TENON_OP_CONST, DType::uint64, 0, 0, 0, ~0ull),
            instr(TENON_OP_CONST, DType::float64, 0, 0, 0, 0x7ff0000000000000)};
  EXPECT_EQ(text(p),
            "%0 = const 1.5 : float32\n%1 = const -1 : int8\n%2 = const true : bool\n%3 = const -2 "
            ": float16\n"
            "%4 = const 1 : bfloat16\n%5 = const 18446744073709551615 : uint64\n%6 = const inf : "
            "float64\n");
}

TEST(Program, EveryFieldCountsForEqualityAndHash) {
  const Program p = sample();
  EXPECT_EQ(p, sample());
  EXPECT_EQ(content_hash(p), content_hash(sample()));
  auto expect_different = [&p](auto change) {
    Program q = p;
    change(q);
    EXPECT_FALSE(p == q);
    EXPECT_NE(content_hash(p), content_hash(q));
  };
  expect_different([](Program& q) { q.code[3].op = TENON_OP_EXP; });
  expect_different([](Program& q) { q.code[3].dtype = TENON_F64; });
  expect_different([](Program& q) { q.code[5].a = 3; });
  expect_different([](Program& q) { q.code[5].b = 3; });
  expect_different([](Program& q) { q.code[5].c = 3; });
  expect_different([](Program& q) { q.code[1].imm = 0; });
  expect_different([](Program& q) { q.inputs[1] = DType::float64; });
  expect_different([](Program& q) { q.inputs.pop_back(); });
  expect_different([](Program& q) { q.scalars[0] = DType::int32; });
  expect_different([](Program& q) { q.outputs[0] = 4; });
  expect_different([](Program& q) { q.slopes.clear(); });
}

// The hash names files on disk: another value means that every cache goes cold. Change it
// knowingly.
TEST(Program, HashIsTheSameInEveryProcess) {
  EXPECT_EQ(content_hash(sample()), 3946920080246241873u);
}

TEST(Kernel, NameIsNoPartOfItButReducersAndEpilogueAre) {
  const Kernel kernel{"a", sample(), {{TENON_SUM, TENON_F32, 5, 0, 0}}, sample()};
  Kernel other = kernel;
  other.name = "b";
  EXPECT_EQ(kernel, other);
  EXPECT_EQ(content_hash(kernel), content_hash(other));
  for (int change = 0; change < 4; ++change) {
    other = kernel;
    if (change == 0) other.reducers[0].kind = TENON_MAX;
    if (change == 1) other.reducers[0].acc_dtype = TENON_F64;
    if (change == 2) other.reducers[0].value = 4;
    if (change == 3) other.epilogue.outputs[0] = 4;
    EXPECT_FALSE(kernel == other);
    EXPECT_NE(content_hash(kernel), content_hash(other));
  }
}

TEST(Opcodes, TableIsTheAbis) {
  EXPECT_STREQ(opcode_name(TENON_OP_COPYSIGN), "copysign");
  EXPECT_STREQ(opcode_name(0), "?");
  EXPECT_STREQ(opcode_name(TENON_OPCODE_COUNT), "?");
  EXPECT_EQ(opcode_arity(TENON_OP_FMA), 3);
  EXPECT_EQ(opcode_arity(TENON_OP_INPUT), 0);
  EXPECT_TRUE(opcode_required(TENON_OP_PHILOX));
  EXPECT_FALSE(opcode_required(TENON_OP_RSQRT));
  EXPECT_TRUE(sample().uses(TENON_OP_SCALAR));
  EXPECT_FALSE(sample().uses(TENON_OP_INDEX));
}

}  // namespace
}  // namespace tenon::map
