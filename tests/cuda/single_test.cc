// Programs of one opcode through the plug-in, on the kernels that nvcc compiles for the device,
// compiled for this machine (fake_driver.cc), against the kit's interpreter. There is no NVRTC
// here: what the kernels compiled ahead of time do not cover fails.
#include <gtest/gtest.h>

#include "tenon/abi/tenon_kit_interpreter.h"
#include "tests/codegen/cases.h"
#include "tests/cuda/plugin_fixture.h"

namespace {

bool IsExact(uint32_t op, uint32_t dtype) {
  if (!tenon_dtype_is_float(dtype)) return true;
  const bool transcendental = op >= TENON_OP_EXP && op <= TENON_OP_POW;
  return !transcendental && (op < TENON_OP_RSQRT || op >= TENON_OP_COPYSIGN);
}

uint16_t ResultOf(uint32_t op, uint16_t dtype) {
  if (op == TENON_OP_PHILOX) return TENON_U32;
  return op >= TENON_OP_EQ && op <= TENON_OP_LE ? uint16_t{TENON_BOOL} : dtype;
}

class SingleTest : public PluginTest {
 protected:
  SingleTest() { host_.options["CUDA_NVRTC"] = "/nowhere/libnvrtc.so.13"; }

  // Runs the program as the device and as the interpreter do, on the same random operands.
  void Check(const ProgramBuilder& program, const std::string& name, bool exact) {
    const KernelText text(program);
    TenonKernel kernel = 0, interpreted = 0;
    ASSERT_EQ(backend_->core->kernel_create(device_, &text.desc, &kernel, &error_), TENON_OK)
        << name << ": " << error_.message;
    ASSERT_EQ(tenon_interpreter_create(&text.desc, &interpreted, &error_), TENON_OK);
    const std::vector<Layout> layouts = {
        {{211}, 0, Layout::kDense, 0},    {{64}, 0, Layout::kDense, 1},
        {{}, 0, Layout::kDense, 0},       {{3, 5, 7}, 0, Layout::kAwkward, 0},
        {{4, 1, 9}, 0, Layout::kRows, 0}, {{2, 1, 3, 2, 2, 1, 2, 3}, 0, Layout::kAwkward, 0}};
    unsigned seed = 1;
    for (const Layout& layout : layouts) {
      CheckLayout(text.desc, kernel, interpreted, layout, ++seed, name, exact);
      if (HasFatalFailure()) break;
    }
    tenon_interpreter_destroy(interpreted);
    backend_->core->kernel_destroy(device_, kernel);
  }

  void CheckLayout(const TenonKernelDesc& desc, TenonKernel kernel, TenonKernel interpreted,
                   const Layout& layout, unsigned seed, const std::string& name, bool exact) {
    const tenon_codegen::KernelInfo info = tenon_codegen::Describe(desc);
    LaunchCase c(info, layout, seed);
    std::minstd_rand random(seed);
    std::vector<Bytes> got, expected;
    for (size_t k = 0; k < c.operands.size(); ++k) {
      Bytes bytes = RandomElements(random, info.operand_dtypes[k], c.elements[k], true);
      bytes.reserve(bytes.size() + 64);  // the vector's own alignment is 16 only
      got.push_back(bytes);
      expected.push_back(bytes);
    }
    const auto bind = [&](std::vector<Bytes>& arrays) {
      for (size_t k = 0; k < arrays.size(); ++k)
        c.operands[k].buffer = reinterpret_cast<TenonBuffer>(arrays[k].data());
      c.launch.operands = c.operands.data();
    };
    bind(got);
    ASSERT_EQ(backend_->core->kernel_launch(device_, 0, kernel, &c.launch, &error_), TENON_OK)
        << name << ": " << error_.message;
    bind(expected);
    ASSERT_EQ(tenon_interpreter_launch(interpreted, &c.launch, nullptr, &error_), TENON_OK)
        << name << ": " << error_.message;
    for (size_t k = 0; k < got.size(); ++k) {
      const uint32_t dtype = info.operand_dtypes[k];
      const size_t item = tenon_dtype_size(dtype);
      for (size_t i = 0; i < c.elements[k]; ++i) {
        uint64_t is = 0, should = 0;
        std::memcpy(&is, got[k].data() + i * item, item);
        std::memcpy(&should, expected[k].data() + i * item, item);
        ASSERT_TRUE(Agree(dtype, is, should, exact))
            << name << " operand " << k << " element " << i << ": " << std::hex << is
            << ", should be " << should << ", by " << fake_->last_kernel;
      }
    }
  }
};

TEST_F(SingleTest, EveryOpcodeOnEveryDtype) {
  ASSERT_NO_FATAL_FAILURE(Open());
  int programs = 0;
  for (uint16_t op = 1; op < TENON_OPCODE_COUNT; ++op) {
    const int operands = tenon_opcode_operands(op);
    for (uint16_t dtype = TENON_BOOL; dtype <= TENON_F64; ++dtype) {
      if (operands == 0 || !tenon_opcode_defined(op, dtype)) continue;
      const std::string name = std::string(tenon_opcode_name(op)) + " " + tenon_dtype_name(dtype);
      for (uint16_t to = TENON_BOOL; to <= TENON_F64; ++to) {
        const bool converts = op == TENON_OP_CAST || op == TENON_OP_BITCAST;
        if (!converts && to != TENON_BOOL) break;
        if (op == TENON_OP_BITCAST && (tenon_dtype_size(to) != tenon_dtype_size(dtype) ||
                                       to == TENON_BOOL || dtype == TENON_BOOL))
          continue;
        ProgramBuilder p;
        ProgramBuilder::Value v[3] = {};
        for (int k = 0; k < operands; ++k)
          v[k] = p.Input(op == TENON_OP_SELECT && k == 0 ? uint16_t{TENON_BOOL} : dtype);
        p.Output(p.Op(op, converts ? to : ResultOf(op, dtype), v[0], v[1], v[2]));
        Check(p, name, IsExact(op, dtype));
        if (HasFatalFailure()) return;
        ++programs;
      }
    }
  }
  EXPECT_GT(programs, 500);
  Close();
}

// f16 and bf16 as core records them, comparisons and a cast among them.
TEST_F(SingleTest, HalfFloatsWithTheirCasts) {
  ASSERT_NO_FATAL_FAILURE(Open());
  for (const uint16_t half : {TENON_F16, TENON_BF16}) {
    for (const uint16_t op :
         {TENON_OP_ADD, TENON_OP_LT, TENON_OP_EXP, TENON_OP_FMA, TENON_OP_NEG}) {
      ProgramBuilder p;
      const int operands = tenon_opcode_operands(op);
      ProgramBuilder::Value v[3] = {};
      for (int k = 0; k < operands; ++k) v[k] = p.Op(TENON_OP_CAST, TENON_F32, p.Input(half));
      auto result = p.Op(op, ResultOf(op, TENON_F32), v[0], v[1], v[2]);
      if (op != TENON_OP_LT) result = p.Op(TENON_OP_CAST, half, result);
      p.Output(result);
      Check(p, tenon_opcode_name(op), op != TENON_OP_EXP);
      EXPECT_EQ(std::string(fake_->last_kernel).find(tenon_dtype_name(half)) != std::string::npos,
                true)
          << fake_->last_kernel;
    }
  }
  Close();
}

TEST_F(SingleTest, CopiesFillsScalarsAndTheIndex) {
  ASSERT_NO_FATAL_FAILURE(Open());
  for (uint16_t dtype = TENON_BOOL; dtype <= TENON_F64; ++dtype) {
    ProgramBuilder copy, fill, constant, scaled;
    copy.Output(copy.Input(dtype));
    Check(copy, "copy", true);
    fill.Output(fill.Scalar(dtype));
    Check(fill, "fill", true);
    constant.Output(constant.Const(dtype, uint8_t{1}));
    Check(constant, "constant", true);
    if (dtype == TENON_BOOL) continue;
    const auto x = scaled.Input(dtype);
    scaled.Output(scaled.Op(TENON_OP_MUL, dtype, scaled.Scalar(dtype), x));
    Check(scaled, "x * scalar", true);
    if (HasFatalFailure()) return;
  }
  ProgramBuilder index;
  index.Output(index.Op(TENON_OP_INDEX, TENON_I64));
  Check(index, "index", true);
  Close();
}

// Only a compiler makes kernels of two opcodes.
TEST_F(SingleTest, TwoOpcodesAreNotOne) {
  ASSERT_NO_FATAL_FAILURE(Open());
  ProgramBuilder p;
  const auto x = p.Input(TENON_F32);
  p.Output(p.Op(TENON_OP_NEG, TENON_F32, p.Op(TENON_OP_ABS, TENON_F32, x)));
  const KernelText text(p);
  TenonKernel kernel = 0;
  EXPECT_EQ(backend_->core->kernel_create(device_, &text.desc, &kernel, &error_),
            TENON_UNSUPPORTED);
  Close();
}

TEST_F(SingleTest, ContiguousOperandsTakeTheVectorKernel) {
  ASSERT_NO_FATAL_FAILURE(Open());
  ProgramBuilder p;
  const auto x = p.Input(TENON_F32), y = p.Input(TENON_F32);
  p.Output(p.Op(TENON_OP_ADD, TENON_F32, x, y));
  const KernelText text(p);
  TenonKernel kernel = 0;
  ASSERT_EQ(backend_->core->kernel_create(device_, &text.desc, &kernel, &error_), TENON_OK);
  TenonBuffer buffer = 0;
  ASSERT_EQ(backend_->core->mem_alloc(device_, 3 * 4096, &buffer, &error_), TENON_OK);
  LaunchText dense({32, 32});
  dense.Add(buffer, TENON_F32).Add(buffer, TENON_F32, 4096).Add(buffer, TENON_F32, 8192);
  EXPECT_EQ(backend_->core->kernel_launch(device_, 0, kernel, &dense.launch, &error_), TENON_OK);
  EXPECT_STREQ(fake_->last_kernel, "add_f32_flat");
  EXPECT_EQ(fake_->last_blocks, 1u) << "1024 elements, four to a thread";
  LaunchText row({32, 32});
  row.Add(buffer, TENON_F32).Add(buffer, TENON_F32, 4096, {0, 1}).Add(buffer, TENON_F32, 8192);
  EXPECT_EQ(backend_->core->kernel_launch(device_, 0, kernel, &row.launch, &error_), TENON_OK);
  EXPECT_STREQ(fake_->last_kernel, "add_f32_strided");
  backend_->core->mem_free(device_, buffer);
  backend_->core->kernel_destroy(device_, kernel);
  Close();
}

}  // namespace

int main(int argc, char** argv) { return RunPluginTests(argc, argv, 2); }
