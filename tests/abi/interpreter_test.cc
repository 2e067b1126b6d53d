// Proves the kit's interpreter beyond single instructions: strides, offsets, broadcast, aliasing,
// INDEX, scalars, every reducer, epilogues, and that malformed kernels and launches are refused.
// Expected values are closed forms.
#include <cmath>
#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tenon/abi/tenon_kit_interpreter.h"
#include "tests/abi/fake_host.h"
#include "tests/abi/program_builder.h"

namespace {

template <class T>
TenonBuffer At(const std::vector<T>& v) {
  return reinterpret_cast<uintptr_t>(v.data());
}

void Compute(const KernelText& text, const LaunchText& launch) {
  ErrorSlot error;
  TenonKernel kernel = 0;
  ASSERT_EQ(tenon_interpreter_create(&text.desc, &kernel, &error), TENON_OK) << error.message;
  EXPECT_EQ(tenon_interpreter_launch(kernel, &launch.launch, nullptr, &error), TENON_OK)
      << error.message;
  tenon_interpreter_destroy(kernel);
}

ProgramBuilder Copy(uint16_t dtype) {
  ProgramBuilder p;
  p.Output(p.Input(dtype));
  return p;
}

// ---- map
// -----------------------------------------------------------------------------------------

TEST(Interpreter, StridesOffsetsAndBroadcast) {
  ProgramBuilder p;
  const auto x = p.Input(TENON_F32), y = p.Input(TENON_F32);
  p.Output(p.Op(TENON_OP_ADD, TENON_F32, x, y));
  const std::vector<float> matrix = {0, 1, 2, 3, 4, 5}, row = {100, 200, 300, 400};
  std::vector<float> out(7, -1);
  LaunchText launch({2, 3});
  launch
      .Add(At(matrix), TENON_F32, 5 * 4, {-3, -1})  // reversed along both axes
      .Add(At(row), TENON_F32, 4, {0, 1})           // 200 300 400 for each row
      .Add(At(out), TENON_F32, 4, {1, 2});          // transposed
  Compute(KernelText(p), launch);
  EXPECT_EQ(out, (std::vector<float>{-1, 205, 202, 304, 301, 403, 400}));
}

TEST(Interpreter, RankZeroAndRankEight) {
  const std::vector<int16_t> one = {7};
  std::vector<int16_t> out = {0};
  LaunchText scalar(std::vector<int64_t>{});
  scalar.Add(At(one), TENON_I16).Add(At(out), TENON_I16);
  const ProgramBuilder copy = Copy(TENON_I16);
  Compute(KernelText(copy), scalar);
  EXPECT_EQ(out[0], 7);

  std::vector<int64_t> positions(256);
  ProgramBuilder p;
  p.Output(p.Op(TENON_OP_INDEX, TENON_I64));
  LaunchText launch({2, 2, 2, 2, 2, 2, 2, 2});
  launch.Add(At(positions), TENON_I64);
  launch.launch.index_base = 1000;
  Compute(KernelText(p), launch);
  for (int64_t i = 0; i < 256; ++i) EXPECT_EQ(positions[static_cast<size_t>(i)], 1000 + i);
}

TEST(Interpreter, ScalarsConstantsSeveralOutputsAndInPlace) {
  ProgramBuilder p;
  const auto x = p.Input(TENON_F64), s = p.Scalar(TENON_F64), two = p.Const(TENON_F64, 2.0);
  const auto product = p.Op(TENON_OP_MUL, TENON_F64, x, two);
  p.Output(p.Op(TENON_OP_ADD, TENON_F64, product, s));
  p.Output(p.Op(TENON_OP_LT, TENON_BOOL, product, s));
  std::vector<double> values = {1, 2, 3};
  std::vector<uint8_t> less(3, 9);
  LaunchText launch({3});
  launch.Add(At(values), TENON_F64)
      .Add(At(values), TENON_F64)
      .Add(At(less), TENON_BOOL)
      .AddScalar(5.0);
  launch.launch.flags = TENON_LAUNCH_MAY_ALIAS;
  Compute(KernelText(p), launch);
  EXPECT_EQ(values, (std::vector<double>{7, 9, 11}));
  EXPECT_EQ(less, (std::vector<uint8_t>{1, 1, 0}));
}

TEST(Interpreter, KernelsOutliveTheirDescription) {
  TenonKernel kernel = 0;
  ErrorSlot error;
  {
    auto* p = new ProgramBuilder(Copy(TENON_F32));
    auto* text = new KernelText(*p);
    ASSERT_EQ(tenon_interpreter_create(&text->desc, &kernel, &error), TENON_OK);
    for (TenonInstr& t : p->instr()) t.op = 0;
    delete text;
    delete p;
  }
  const std::vector<float> in = {3};
  std::vector<float> out = {0};
  LaunchText launch({1});
  launch.Add(At(in), TENON_F32).Add(At(out), TENON_F32);
  EXPECT_EQ(tenon_interpreter_launch(kernel, &launch.launch, nullptr, &error), TENON_OK);
  EXPECT_EQ(out[0], 3);
  tenon_interpreter_destroy(kernel);
}

// ---- reduce
// --------------------------------------------------------------------------------------

// Reduces `in` (of these sizes) along reduce_axes; the accumulators are the outputs.
template <class In, class Out>
std::vector<Out> Reduce(const std::vector<In>& in, uint16_t in_dtype, uint16_t kind, uint16_t acc,
                        std::vector<int64_t> sizes, uint32_t axes, std::vector<int64_t> out_strides,
                        size_t n_out, uint16_t accumulators = 1) {
  ProgramBuilder prologue, epilogue;
  const auto x = prologue.Input(in_dtype);
  const auto key =
      kind == TENON_ARGMIN || kind == TENON_ARGMAX ? prologue.Op(TENON_OP_INDEX, TENON_I64) : x;
  for (uint16_t i = 0; i < accumulators; ++i) epilogue.Output(epilogue.Input(acc));
  LaunchText launch(std::move(sizes), axes);
  launch.Add(At(in), in_dtype);
  std::vector<Out> out(n_out * accumulators, Out(-99));
  for (uint16_t i = 0; i < accumulators; ++i)
    launch.Add(At(out), acc, i * n_out * sizeof(Out), out_strides);
  Compute(KernelText(prologue, {{kind, acc, x, key, 0}}, epilogue), launch);
  return out;
}

TEST(Interpreter, SumsAlongAnyAxes) {
  std::vector<float> in(2 * 3 * 4);
  std::iota(in.begin(), in.end(), 0.0f);
  EXPECT_EQ((Reduce<float, float>(in, TENON_F32, TENON_SUM, TENON_F32, {2, 3, 4}, 7, {0, 0, 0}, 1)),
            (std::vector<float>{276}));
  EXPECT_EQ((Reduce<float, float>(in, TENON_F32, TENON_SUM, TENON_F32, {2, 3, 4}, 2, {4, 0, 1}, 8)),
            (std::vector<float>{12, 15, 18, 21, 48, 51, 54, 57}));
  EXPECT_EQ(
      (Reduce<float, double>(in, TENON_F32, TENON_SUM, TENON_F64, {2, 3, 4}, 5, {0, 1, 0}, 3)),
      (std::vector<double>{60, 92, 124}));
  EXPECT_EQ((Reduce<float, float>(in, TENON_F32, TENON_SUM, TENON_F32, {24}, 0, {1}, 24)), in)
      << "nothing reduced";
}

TEST(Interpreter, EveryReducer) {
  const std::vector<int32_t> ints = {3, -1, 4, -1};
  const auto whole = [&](uint16_t kind, uint16_t acc) {
    return Reduce<int32_t, int64_t>(ints, TENON_I32, kind, acc, {4}, 1, {0}, 1)[0];
  };
  EXPECT_EQ(whole(TENON_SUM, TENON_I64), 5);
  EXPECT_EQ(whole(TENON_PROD, TENON_I64), 12);
  EXPECT_EQ((Reduce<int32_t, int32_t>(ints, TENON_I32, TENON_MIN, TENON_I32, {4}, 1, {0}, 1)[0]),
            -1);
  EXPECT_EQ((Reduce<int32_t, int32_t>(ints, TENON_I32, TENON_MAX, TENON_I32, {4}, 1, {0}, 1)[0]),
            4);
  EXPECT_EQ(whole(TENON_ARGMIN, TENON_I64), 1) << "the first of two";
  EXPECT_EQ(whole(TENON_ARGMAX, TENON_I64), 2);
  const std::vector<uint8_t> bools = {0, 1, 0, 0}, wrap = {200, 100};
  EXPECT_EQ(
      (Reduce<uint8_t, uint8_t>(bools, TENON_BOOL, TENON_ANY, TENON_BOOL, {2, 2}, 2, {1, 0}, 2)),
      (std::vector<uint8_t>{1, 0}));
  EXPECT_EQ((Reduce<uint8_t, uint8_t>({1, 1, 1, 0}, TENON_BOOL, TENON_ALL, TENON_BOOL, {2, 2}, 2,
                                      {1, 0}, 2)),
            (std::vector<uint8_t>{1, 0}));
  EXPECT_EQ((Reduce<uint8_t, int64_t>(bools, TENON_BOOL, TENON_SUM, TENON_I64, {4}, 1, {0}, 1)[0]),
            1);
  EXPECT_EQ((Reduce<uint8_t, uint8_t>(wrap, TENON_U8, TENON_SUM, TENON_U8, {2}, 1, {0}, 1)[0]), 44);
}

TEST(Interpreter, NaNsInReductions) {
  const std::vector<float> in = {1, NAN, -5, NAN};
  EXPECT_TRUE(
      std::isnan((Reduce<float, float>(in, TENON_F32, TENON_MIN, TENON_F32, {4}, 1, {0}, 1)[0])));
  EXPECT_TRUE(
      std::isnan((Reduce<float, float>(in, TENON_F32, TENON_MAX, TENON_F32, {4}, 1, {0}, 1)[0])));
  EXPECT_EQ((Reduce<float, int64_t>(in, TENON_F32, TENON_ARGMIN, TENON_I64, {4}, 1, {0}, 1)[0]), 1);
  EXPECT_EQ((Reduce<float, int64_t>(in, TENON_F32, TENON_ARGMAX, TENON_I64, {4}, 1, {0}, 1)[0]), 1);
}

TEST(Interpreter, MomentsDoNotCancel) {
  std::vector<double> in;
  for (int i = 0; i < 1000; ++i) in.push_back(1e9 + i % 2);  // variance 1/4 around a large mean
  const auto out =
      Reduce<double, double>(in, TENON_F64, TENON_MOMENTS, TENON_F64, {1000}, 1, {0}, 1, 3);
  EXPECT_EQ(out[0], 1000);
  EXPECT_NEAR(out[1], 1e9 + 0.5, 1e-6);
  EXPECT_NEAR(out[2], 250, 1e-4);
}

TEST(Interpreter, EpilogueSharesTheScalars) {  // sqrt(sum(x * x)) * s, and the greatest |x|
  ProgramBuilder prologue, epilogue;
  const auto x = prologue.Input(TENON_F32);
  const auto square = prologue.Op(TENON_OP_MUL, TENON_F32, x, x),
             magnitude = prologue.Op(TENON_OP_ABS, TENON_F32, x);
  prologue.UseScalars(1);
  const auto sum = epilogue.Input(TENON_F32), greatest = epilogue.Input(TENON_F32),
             s = epilogue.Scalar(TENON_F32);
  epilogue.Output(greatest);
  epilogue.Output(
      epilogue.Op(TENON_OP_MUL, TENON_F32, epilogue.Op(TENON_OP_SQRT, TENON_F32, sum), s));
  const std::vector<float> in = {3, -4, 5, 12};
  std::vector<float> norms(2), maxima(2);
  LaunchText launch({2, 2}, 2);
  launch.Add(At(in), TENON_F32)
      .Add(At(maxima), TENON_F32, 0, {1, 0})
      .Add(At(norms), TENON_F32, 0, {1, 0})
      .AddScalar(10.0f);
  Compute(
      KernelText(prologue,
                 {{TENON_SUM, TENON_F32, square, 0, 0}, {TENON_MAX, TENON_F32, magnitude, 0, 0}},
                 epilogue),
      launch);
  EXPECT_EQ(norms, (std::vector<float>{50, 130}));
  EXPECT_EQ(maxima, (std::vector<float>{4, 12}));
}

// ---- refusals
// ------------------------------------------------------------------------------------

TenonStatus Create(const ProgramBuilder& p) {
  const KernelText text(p);
  ErrorSlot error;
  TenonKernel kernel = 0;
  const TenonStatus status = tenon_interpreter_create(&text.desc, &kernel, &error);
  if (status == TENON_OK) {
    tenon_interpreter_destroy(kernel);
  } else {
    EXPECT_NE(error.message[0], '\0');
  }
  return status;
}

TEST(Interpreter, RefusesMalformedPrograms) {
  const auto broken = [](auto&& breaks) {
    ProgramBuilder p;
    const auto x = p.Input(TENON_F32), y = p.Input(TENON_F32);
    p.Output(p.Op(TENON_OP_ADD, TENON_F32, x, y));
    breaks(p);
    return Create(p);
  };
  EXPECT_EQ(broken([](ProgramBuilder&) {}), TENON_OK);
  EXPECT_EQ(broken([](ProgramBuilder& p) { p.instr()[2].op = 0; }), TENON_UNSUPPORTED);
  EXPECT_EQ(broken([](ProgramBuilder& p) { p.instr()[2].op = 65; }), TENON_UNSUPPORTED);
  EXPECT_EQ(broken([](ProgramBuilder& p) { p.instr()[2].flags = 1; }), TENON_UNSUPPORTED);
  EXPECT_EQ(broken([](ProgramBuilder& p) { p.instr()[2].reserved = 1; }), TENON_UNSUPPORTED);
  EXPECT_EQ(broken([](ProgramBuilder& p) { p.instr()[0].dtype = TENON_DTYPE_COUNT; }),
            TENON_UNSUPPORTED);
  EXPECT_EQ(broken([](ProgramBuilder& p) { p.instr()[0].dtype = TENON_C64; }), TENON_UNSUPPORTED);
  EXPECT_EQ(broken([](ProgramBuilder& p) { p.instr()[2].b = 2; }), TENON_INVALID_ARGUMENT)
      << "names itself";
  EXPECT_EQ(broken([](ProgramBuilder& p) { p.instr()[2].dtype = TENON_F64; }),
            TENON_INVALID_ARGUMENT);
  EXPECT_EQ(broken([](ProgramBuilder& p) { p.instr()[1].dtype = TENON_F64; }),
            TENON_INVALID_ARGUMENT);
  EXPECT_EQ(broken([](ProgramBuilder& p) { p.instr()[1].imm = 2; }), TENON_INVALID_ARGUMENT)
      << "input 2 of 2";
  EXPECT_EQ(broken([](ProgramBuilder& p) { p.Output(3); }), TENON_INVALID_ARGUMENT);
  EXPECT_EQ(broken([](ProgramBuilder& p) { p.instr()[2].op = TENON_OP_XOR; }),
            TENON_INVALID_ARGUMENT);
  EXPECT_EQ(broken([](ProgramBuilder& p) { p.instr()[2].op = TENON_OP_LT; }),
            TENON_INVALID_ARGUMENT)
      << "gives bool";
  EXPECT_EQ(Create(ProgramBuilder()), TENON_INVALID_ARGUMENT) << "no outputs";
  ProgramBuilder sizes;
  sizes.Output(sizes.Op(TENON_OP_BITCAST, TENON_I64, sizes.Input(TENON_F32)));
  EXPECT_EQ(Create(sizes), TENON_INVALID_ARGUMENT);
  ProgramBuilder condition;
  const auto x = condition.Input(TENON_F32);
  condition.Output(condition.Op(TENON_OP_SELECT, TENON_F32, x, x, x));
  EXPECT_EQ(Create(condition), TENON_INVALID_ARGUMENT);
  ProgramBuilder large;
  auto value = large.Input(TENON_F32);
  for (int i = 0; i < TENON_KIT_MAX_INSTRS; ++i) value = large.Op(TENON_OP_NEG, TENON_F32, value);
  large.Output(value);
  EXPECT_EQ(Create(large), TENON_UNSUPPORTED);
}

TEST(Interpreter, RefusesUnknownPartsOfADescription) {
  const ProgramBuilder p = Copy(TENON_F32);
  const KernelText text(p);
  struct {
    TenonKernelDesc desc;
    uint64_t later;
  } longer = {text.desc, 0};
  longer.desc.size = sizeof longer;
  ErrorSlot error;
  TenonKernel kernel = 0;
  ASSERT_EQ(tenon_interpreter_create(&longer.desc, &kernel, &error), TENON_OK);
  tenon_interpreter_destroy(kernel);
  longer.later = 1;
  EXPECT_EQ(tenon_interpreter_create(&longer.desc, &kernel, &error), TENON_UNSUPPORTED);
  TenonKernelDesc flagged = text.desc;
  flagged.flags = 1;
  EXPECT_EQ(tenon_interpreter_create(&flagged, &kernel, &error), TENON_UNSUPPORTED);
  const KernelText unknown(p, {{77, TENON_F32, 0, 0, 0}}, p);
  EXPECT_NE(tenon_interpreter_create(&unknown.desc, &kernel, &error), TENON_OK);
  ProgramBuilder input;
  input.Input(TENON_F32);
  const KernelText bool_sum(input, {{TENON_SUM, TENON_BOOL, 0, 0, 0}}, p);
  EXPECT_EQ(tenon_interpreter_create(&bool_sum.desc, &kernel, &error), TENON_INVALID_ARGUMENT);
  const KernelText future(input, {{77, TENON_F32, 0, 0, 0}}, p);
  EXPECT_EQ(tenon_interpreter_create(&future.desc, &kernel, &error), TENON_UNSUPPORTED);
}

TEST(Interpreter, RefusesLaunchesThatDoNotSuitTheKernel) {
  const ProgramBuilder p = Copy(TENON_F32);
  const KernelText text(p);
  ErrorSlot error;
  TenonKernel kernel = 0;
  ASSERT_EQ(tenon_interpreter_create(&text.desc, &kernel, &error), TENON_OK);
  const std::vector<float> in = {1};
  std::vector<float> out = {0};
  const auto broken = [&](auto&& breaks) {
    LaunchText launch({1});
    launch.Add(At(in), TENON_F32).Add(At(out), TENON_F32);
    breaks(launch);
    return tenon_interpreter_launch(kernel, &launch.launch, nullptr, &error);
  };
  EXPECT_EQ(broken([](LaunchText&) {}), TENON_OK);
  EXPECT_EQ(broken([](LaunchText& l) { l.launch.rank = 9; }), TENON_INVALID_ARGUMENT);
  EXPECT_EQ(broken([](LaunchText& l) { l.launch.sizes[0] = 0; }), TENON_INVALID_ARGUMENT);
  EXPECT_EQ(broken([](LaunchText& l) { l.launch.n_operands = 1; }), TENON_INVALID_ARGUMENT);
  EXPECT_EQ(broken([](LaunchText& l) { l.launch.reduce_axes = 1; }), TENON_INVALID_ARGUMENT);
  EXPECT_EQ(broken([](LaunchText& l) { l.launch.flags = 2; }), TENON_UNSUPPORTED);
  EXPECT_EQ(broken([](LaunchText& l) {
              const_cast<TenonOperand*>(l.launch.operands)->dtype = TENON_I32;
            }),
            TENON_INVALID_ARGUMENT);
  EXPECT_EQ(broken([](LaunchText& l) { const_cast<TenonOperand*>(l.launch.operands)->flags = 1; }),
            TENON_UNSUPPORTED);
  tenon_interpreter_destroy(kernel);
}

}  // namespace
