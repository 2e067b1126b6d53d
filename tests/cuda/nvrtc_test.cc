// The samples of //tests/codegen as CUDA C++, compiled by NVRTC to machine code for 8.0 and 9.0: a
// part of them, or all with TENON_TEST_ALL=1, which takes many minutes. That needs neither a driver
// nor a GPU; without NVRTC the test says so and is skipped.
#include "tenon/backends/cuda/nvrtc.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <map>

#include "tenon/backends/codegen/launch_plan.h"
#include "tenon/backends/codegen/prelude.h"
#include "tenon/backends/cuda/host.h"
#include "tests/abi/fake_host.h"
#include "tests/codegen/cases.h"

namespace tenon_cuda {
constinit const TenonHost* host = nullptr;  // what nvrtc.cc asks for options
}

namespace {

constexpr int kAnyDriver = 99000;

class NvrtcTest : public testing::Test {
 protected:
  NvrtcTest() { tenon_cuda::host = &host_.table; }
  FakeHost host_;
};

// As generated.cc has it: of the prelude only what the kernels' dtypes need.
std::string Source(const std::string& kernels) {
  return tenon_codegen::kCudaPrelude + tenon_codegen::SelectFor(kernels) +
         tenon_codegen::kCommonPrelude + kernels;
}

// The kernels of a sample that its cases need.
std::string Variants(const Sample& sample, size_t number) {
  const tenon_codegen::Target target;
  const tenon_codegen::KernelInfo info = tenon_codegen::Describe(sample.text->desc);
  std::map<std::string, std::string> texts;
  for (const Layout& layout : LayoutsOf(sample, number)) {
    const LaunchCase c(info, layout, 1);
    const tenon_codegen::LaunchPlan plan = PlanLaunch(info, target, c.launch);
    std::vector<tenon_codegen::Variant> variants = {plan.variant};
    if (plan.parts > 1) variants.push_back(plan.merge());
    if (c.launch.rank == 3) {  // what only large launches need
      variants.push_back(plan.variant);
      variants.back().wide = true;
      variants.back().in_memory = true;
    }
    for (const tenon_codegen::Variant& variant : variants) {
      const std::string name = sample.name + "_" + variant.suffix();
      texts[name] = EmitKernel(sample.text->desc, name, variant, target);
    }
  }
  std::string text;
  for (const auto& [name, kernel] : texts) text += kernel;
  return text;
}

TEST_F(NvrtcTest, AllSamplesCompile) {
  const tenon_cuda::Nvrtc& nvrtc = tenon_cuda::GetNvrtc(kAnyDriver);
  if (!nvrtc.ready()) GTEST_SKIP() << nvrtc.problem();
  // Many kernels in one source: the prelude is read once.
  constexpr size_t kTogether = 32;
  // CI takes every eighth part, in turn for 8.0 and 9.0; nvrtc_all_test all, with a thousand random
  // programs and as many random reductions, for both.
  const bool all = std::getenv("TENON_TEST_ALL") != nullptr;
  const std::vector<Sample> samples = MakeSamples(all ? 1000 : 100);
  size_t kernels = 0;
  for (const int capability : {80, 90}) {
    for (size_t begin = 0; begin < samples.size(); begin += kTogether) {
      const bool turn = begin / kTogether % 8 == (capability == 90 ? 4 : 0);
      if (!turn && !all) continue;
      std::string text;
      for (size_t i = begin; i < std::min(begin + kTogether, samples.size()); ++i) {
        text += Variants(samples[i], i);
      }
      const tenon_cuda::CompiledCode code =
          nvrtc.Compile(Source(text), samples[begin].name + ".cu", capability);
      ASSERT_EQ(code.problem, "") << "from sample " << samples[begin].name << " on, for "
                                  << capability;
      EXPECT_EQ(code.image.substr(1, 3), "ELF");
      for (size_t at = 0; (at = text.find("\nKERNEL ", at)) != std::string::npos; ++at) ++kernels;
    }
  }
  std::printf("%zu samples, %zu kernels compiled\n", samples.size(), kernels);
}

// What a dtype's functions need of others is there also where nothing else asks for it.
TEST_F(NvrtcTest, AKernelAloneHasThePreludeItNeeds) {
  const tenon_cuda::Nvrtc& nvrtc = tenon_cuda::GetNvrtc(kAnyDriver);
  if (!nvrtc.ready()) GTEST_SKIP() << nvrtc.problem();
  const std::vector<Sample> samples = MakeSamples();
  for (size_t i = 0; i < samples.size(); i += 29) {
    const tenon_cuda::CompiledCode code =
        nvrtc.Compile(Source(Variants(samples[i], i)), samples[i].name + ".cu", 90);
    ASSERT_EQ(code.problem, "") << samples[i].name;
  }
}

// Several launches at once, in both variants.
std::string ListVariants(const TenonKernelDesc& desc, const std::string& name) {
  std::string text;
  tenon_codegen::Variant variant;
  variant.method = tenon_codegen::Method::kList;
  variant.packed = true;
  for (const uint8_t vector : {1, 4}) {
    variant.vector = vector;
    text += EmitKernel(desc, name + "_" + variant.suffix(), variant, {});
  }
  return text;
}

TEST_F(NvrtcTest, ListsCompile) {
  const tenon_cuda::Nvrtc& nvrtc = tenon_cuda::GetNvrtc(kAnyDriver);
  if (!nvrtc.ready()) GTEST_SKIP() << nvrtc.problem();
  std::string text;
  size_t number = 0;
  for (const Sample& sample : MakeSamples()) {
    const bool map = sample.epilogue == nullptr;
    if (!map || tenon_codegen::Describe(sample.text->desc).uses_index) continue;
    if (number++ % 32 == 0) text += ListVariants(sample.text->desc, sample.name);
  }
  EXPECT_GT(number, 100u);
  for (const int capability : {80, 90})
    ASSERT_EQ(nvrtc.Compile(Source(text), "lists.cu", capability).problem, "") << capability;
}

// Which entry of the list is a block's is known at run time only, and yet the list, an argument, is
// not copied to local memory for that.
TEST_F(NvrtcTest, AListIsReadWhereItIs) {
  const tenon_cuda::Nvrtc& nvrtc = tenon_cuda::GetNvrtc(kAnyDriver);
  if (!nvrtc.ready()) GTEST_SKIP() << nvrtc.problem();
  ProgramBuilder p;
  const auto x = p.Input(TENON_F32), y = p.Input(TENON_F32);
  p.Output(p.Op(TENON_OP_SUB, TENON_F32, x, p.Op(TENON_OP_MUL, TENON_F32, p.Scalar(TENON_F32), y)));
  const KernelText kernel(p);
  const tenon_cuda::CompiledCode code =
      nvrtc.Compile(Source(ListVariants(kernel.desc, "k")), "k.cu", 990);
  ASSERT_EQ(code.problem, "");
  EXPECT_NE(code.image.find(".visible .entry k_listv4"), std::string::npos);
  EXPECT_EQ(code.image.find(".local"), std::string::npos);
}

TEST_F(NvrtcTest, ADeviceNewerThanTheCompilerGetsPtx) {
  const tenon_cuda::Nvrtc& nvrtc = tenon_cuda::GetNvrtc(kAnyDriver);
  if (!nvrtc.ready()) GTEST_SKIP() << nvrtc.problem();
  const tenon_cuda::CompiledCode code =
      nvrtc.Compile("extern \"C\" __global__ void k(float* x) { *x = 1; }", "k.cu", 990);
  EXPECT_EQ(code.problem, "");
  EXPECT_NE(code.image.find(".visible .entry k"), std::string::npos);
}

// f32 computes in f32, and nothing is contracted.
TEST_F(NvrtcTest, FloatsStayFloatsAndAreNotContracted) {
  const tenon_cuda::Nvrtc& nvrtc = tenon_cuda::GetNvrtc(kAnyDriver);
  if (!nvrtc.ready()) GTEST_SKIP() << nvrtc.problem();
  std::string text = "KERNEL k(f32* x, u16* h) {\n  x[0] = add_f32(mul_f32(x[0], x[1]), x[2]);\n";
  for (const char* op : {"exp", "log", "tanh", "erf", "rsqrt", "exp2", "log1p", "lgamma", "erfinv",
                         "floor", "rint", "sqrt"}) {
    text += std::string("  x[3] = add_f32(x[3], ") + op + "_f32(x[1]));\n";
  }
  text += "  h[0] = mul_f16(h[0], h[1]);\n  h[2] = fma_bf16(h[0], h[1], h[2]);\n}\n";
  const tenon_cuda::CompiledCode code = nvrtc.Compile(Source(text), "k.cu", 990);  // PTX
  ASSERT_EQ(code.problem, "");
  // (sin of a large number does go through f64, inside CUDA's own function.)
  EXPECT_EQ(code.image.find(".f64"), std::string::npos)
      << code.image.substr(code.image.find(".f64") - 200, 400);
  EXPECT_NE(code.image.find("mul.rn.f32"), std::string::npos) << "a product of its own";
}

TEST_F(NvrtcTest, AnErrorCarriesTheCompilersLog) {
  const tenon_cuda::Nvrtc& nvrtc = tenon_cuda::GetNvrtc(kAnyDriver);
  if (!nvrtc.ready()) GTEST_SKIP() << nvrtc.problem();
  const std::string problem = nvrtc.Compile("no such thing;", "broken.cu", 90).problem;
  EXPECT_NE(problem.find("broken.cu: NVRTC_ERROR_COMPILATION\n"), std::string::npos) << problem;
  EXPECT_NE(problem.find("identifier \"no\" is undefined"), std::string::npos) << problem;
}

TEST_F(NvrtcTest, WhatIsMissingIsSaid) {
  host_.options["CUDA_NVRTC"] = "/nowhere/libnvrtc.so.13";
  const tenon_cuda::Nvrtc nowhere(kAnyDriver);
  EXPECT_FALSE(nowhere.ready());
  EXPECT_EQ(
      nowhere.problem(),
      "no run-time compiler: the CUDA Toolkit's libnvrtc, release 12 or 13, is needed; tried: "
      "/nowhere/libnvrtc.so.13: not found");
  host_.options.clear();
  const tenon_cuda::Nvrtc old(11000);  // an old driver suits no compiler, found or not
  EXPECT_FALSE(old.ready());
  EXPECT_NE(old.problem().find("tried: libnvrtc.so.13: "), std::string::npos) << old.problem();
  EXPECT_NE(old.problem().find("/usr/local/cuda/lib64/libnvrtc.so.12: "), std::string::npos)
      << old.problem();
}

}  // namespace
