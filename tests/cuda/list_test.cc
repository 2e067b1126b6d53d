// Many launches of one kernel at once (TenonFusedOps.launch_list), as optimizers send them: on the
// fake driver, compiled by g++ in NVRTC's place.
//   list_test PLUGIN FAKE_DRIVER HEADER...   # those that kernels include, tests/cuda's and
//   core/abi's
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include "tenon/abi/tenon_kit_interpreter.h"
#include "tests/cuda/plugin_fixture.h"

namespace {

namespace fs = std::filesystem;

constexpr uint32_t kOperands = 7, kScalars = 2;

// p, m, v, g -> p, m, v, with the decay of both averages as numbers.
void Rule(ProgramBuilder& p) {
  const auto op = [&](uint16_t o, ProgramBuilder::Value a, ProgramBuilder::Value b = 0) {
    return p.Op(o, TENON_F32, a, b);
  };
  const auto w = p.Input(TENON_F32), m = p.Input(TENON_F32), v = p.Input(TENON_F32),
             g = p.Input(TENON_F32);
  const auto keep = p.Scalar(TENON_F32), rest = p.Scalar(TENON_F32);
  const auto new_m = op(TENON_OP_ADD, op(TENON_OP_MUL, keep, m), op(TENON_OP_MUL, rest, g));
  const auto new_v =
      op(TENON_OP_ADD, op(TENON_OP_MUL, keep, v), op(TENON_OP_MUL, rest, op(TENON_OP_MUL, g, g)));
  const auto one = p.Const(TENON_F32, 1.0f);
  p.Output(op(TENON_OP_SUB, w,
              op(TENON_OP_DIV, new_m, op(TENON_OP_ADD, one, op(TENON_OP_SQRT, new_v)))));
  p.Output(new_m);
  p.Output(new_v);
}

// The arrays of a parameter one after another; `first`: elements before each.
struct Parameter {
  std::vector<float> data;
  std::vector<TenonOperand> operands;
  uint64_t scalars[kScalars] = {};
  TenonLaunch launch = {};

  Parameter(int64_t count, int64_t first, unsigned seed) {
    const int64_t room = (first + count + 5) / 4 * 4;
    for (int64_t i = 0; i < 4 * room; ++i)
      data.push_back(static_cast<float>((static_cast<unsigned>(i) * 7919 + seed * 131) % 1009) /
                     512);
    for (const int64_t array : {0, 1, 2, 3, 0, 1, 2}) {
      TenonOperand operand = {};
      operand.offset = static_cast<uint64_t>(array * room + first) * 4;
      operand.dtype = TENON_F32;
      operand.strides[0] = 1;
      operands.push_back(operand);
    }
    const float numbers[] = {0.5f + static_cast<float>(seed % 4) / 8, 0.25f};
    for (uint32_t s = 0; s < kScalars; ++s) std::memcpy(&scalars[s], &numbers[s], 4);
    launch.size = sizeof launch;
    launch.flags = TENON_LAUNCH_MAY_ALIAS;
    launch.rank = 1;
    launch.sizes[0] = count;
    launch.n_operands = kOperands;
    launch.n_scalars = kScalars;
  }
  const TenonLaunch& On(TenonBuffer buffer) {
    for (TenonOperand& operand : operands) operand.buffer = buffer;
    launch.operands = operands.data();
    launch.scalars = scalars;
    return launch;
  }
};

// Where g++ finds them: "tests/cuda/.." and "tenon/abi/..".
const std::string& IncludeOptions() {
  struct Headers {
    fs::path root = fs::path(TestFiles()[2]).parent_path().parent_path().parent_path();
    fs::path made = fs::path(testing::TempDir()) / ("list_test_" + std::to_string(getpid()));
    std::string options = "-I" + root.string() + " -I" + made.string();
    Headers() {
      fs::create_directories(made / "tenon");
      fs::create_directory_symlink(fs::path(TestFiles()[4]).parent_path(), made / "tenon" / "abi");
    }
    ~Headers() { fs::remove_all(made); }
  };
  static const Headers headers;
  return headers.options;
}

class ListTest : public PluginTest {
 protected:
  ListTest() {
    host_.options["CUDA_NVRTC"] = TestFiles()[1];
    setenv("TENON_FAKE_INCLUDE", IncludeOptions().c_str(), 1);
    Rule(rule_);
    text_ = std::make_unique<KernelText>(rule_);
  }

  void Create() {
    ASSERT_NO_FATAL_FAILURE(Open());
    ASSERT_EQ(backend_->core->kernel_create(device_, &text_->desc, &kernel_, &error_), TENON_OK)
        << error_.message;
  }
  void Add(int64_t count, int64_t first = 0) {
    parameters_.push_back(
        std::make_unique<Parameter>(count, first, static_cast<unsigned>(parameters_.size())));
    buffers_.push_back(0);
    const auto bytes = static_cast<uint64_t>(parameters_.back()->data.size() * 4);
    ASSERT_EQ(backend_->core->mem_alloc(device_, bytes, &buffers_.back(), &error_), TENON_OK);
    std::memcpy(Data<float>(buffers_.back()), parameters_.back()->data.data(), bytes);
  }
  TenonStatus Launch() {
    std::vector<TenonLaunch> list;
    for (size_t i = 0; i < parameters_.size(); ++i) list.push_back(parameters_[i]->On(buffers_[i]));
    fake_->launches = 0;
    return backend_->fused->launch_list(device_, 0, kernel_, list.data(),
                                        static_cast<uint32_t>(list.size()), &error_);
  }
  // The same by the interpreter, on the host's copies.
  void ExpectTheInterpretersResults() {
    TenonKernel interpreted = 0;
    ASSERT_EQ(tenon_interpreter_create(&text_->desc, &interpreted, &error_), TENON_OK);
    for (size_t i = 0; i < parameters_.size(); ++i) {
      std::vector<float>& expected = parameters_[i]->data;
      const TenonLaunch& launch =
          parameters_[i]->On(reinterpret_cast<TenonBuffer>(expected.data()));
      ASSERT_EQ(tenon_interpreter_launch(interpreted, &launch, nullptr, &error_), TENON_OK);
      const float* const got = Data<float>(buffers_[i]);
      for (size_t k = 0; k < expected.size(); ++k)
        ASSERT_EQ(got[k], expected[k]) << "parameter " << i << " element " << k;
    }
    tenon_interpreter_destroy(interpreted);
    EXPECT_EQ(fake_->unknown_kernels, 0);
  }
  void Destroy() {
    for (const TenonBuffer buffer : buffers_) backend_->core->mem_free(device_, buffer);
    backend_->core->kernel_destroy(device_, kernel_);
    Close();
  }

  ProgramBuilder rule_;
  std::unique_ptr<KernelText> text_;
  TenonKernel kernel_ = 0;
  std::vector<std::unique_ptr<Parameter>> parameters_;
  std::vector<TenonBuffer> buffers_;
};

TEST_F(ListTest, SixParametersAreOneLaunch) {
  ASSERT_NO_FATAL_FAILURE(Create());
  for (const int64_t count : {1000, 10, 4096, 1, 9001, 64}) Add(count);
  ASSERT_EQ(Launch(), TENON_OK) << error_.message;
  EXPECT_EQ(fake_->launches, 1);
  EXPECT_NE(std::string(fake_->last_kernel).find("_listv4"), std::string::npos)
      << fake_->last_kernel;
  EXPECT_EQ(fake_->last_blocks, 1u + 1 + 1 + 1 + 3 + 1);
  ExpectTheInterpretersResults();
  Destroy();
}

TEST_F(ListTest, ThoseThatAreNotAlignedAreALaunchOfTheirOwn) {
  ASSERT_NO_FATAL_FAILURE(Create());
  Add(100);
  Add(5000, 1);
  Add(8);
  Add(7, 3);
  ASSERT_EQ(Launch(), TENON_OK) << error_.message;
  EXPECT_EQ(fake_->launches, 2);
  EXPECT_EQ(fake_->live_modules, 2);
  ExpectTheInterpretersResults();
  ASSERT_EQ(Launch(), TENON_OK) << error_.message;
  EXPECT_EQ(fake_->live_modules, 2) << "compiled once";
  Destroy();
}

TEST_F(ListTest, AHundredAreAsManyAsTheArgumentsHaveRoomFor) {
  ASSERT_NO_FATAL_FAILURE(Create());
  for (int64_t i = 0; i < 100; ++i) Add(1 + i * 10);
  ASSERT_EQ(Launch(), TENON_OK) << error_.message;
  EXPECT_EQ(fake_->launches, 3) << "88 bytes each, of 4,096";
  ExpectTheInterpretersResults();
  Destroy();
}

TEST_F(ListTest, WhatIsNoListOfContiguousMapsIsUnsupportedAsAWhole) {
  ASSERT_NO_FATAL_FAILURE(Create());
  Add(16);
  Add(16);
  parameters_[1]->operands[3].strides[0] = 0;
  EXPECT_EQ(Launch(), TENON_UNSUPPORTED);
  EXPECT_EQ(fake_->launches, 0);
  parameters_[1]->operands[3].strides[0] = 1;
  parameters_[1]->operands[3].dtype = TENON_F64;
  EXPECT_EQ(Launch(), TENON_INVALID_ARGUMENT);
  EXPECT_EQ(fake_->launches, 0);
  parameters_[1]->operands[3].dtype = TENON_F32;
  for (size_t i = 0; i < 2; ++i) {
    const std::vector<float>& before = parameters_[i]->data;
    EXPECT_TRUE(std::equal(before.begin(), before.end(), Data<float>(buffers_[i])));
  }
  Destroy();
}

TEST_F(ListTest, AKernelOfOneOpcodeIsUnsupported) {
  ASSERT_NO_FATAL_FAILURE(Open());
  ProgramBuilder p;
  p.Output(p.Op(TENON_OP_NEG, TENON_F32, p.Input(TENON_F32)));
  const KernelText text(p);
  ASSERT_EQ(backend_->core->kernel_create(device_, &text.desc, &kernel_, &error_), TENON_OK);
  float x[8] = {};
  LaunchText launch({8});
  launch.Add(reinterpret_cast<TenonBuffer>(x), TENON_F32)
      .Add(reinterpret_cast<TenonBuffer>(x), TENON_F32);
  launch.launch.flags = TENON_LAUNCH_MAY_ALIAS;
  EXPECT_EQ(backend_->fused->launch_list(device_, 0, kernel_, &launch.launch, 1, &error_),
            TENON_UNSUPPORTED);
  EXPECT_EQ(fake_->launches, 0);
  backend_->core->kernel_destroy(device_, kernel_);
  Close();
}

// Core launches all of them again where none was; where some were, it must not.
TEST_F(ListTest, AFailureAfterTheFirstLaunchIsNoPromise) {
  ASSERT_NO_FATAL_FAILURE(Create());
  Add(100);
  Add(100, 1);
  fake_->fail_launch_at = 2;
  EXPECT_EQ(Launch(), TENON_INTERNAL);
  EXPECT_NE(std::string(error_.message).find("_list: CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES"),
            std::string::npos)
      << error_.message;
  Destroy();
}

}  // namespace

int main(int argc, char** argv) { return RunPluginTests(argc, argv, 7); }
