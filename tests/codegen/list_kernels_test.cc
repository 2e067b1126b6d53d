// The list variants of generated kernels, compiled for this machine: several launches at once
// against the kit's interpreter, which runs them one by one.
#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <string>

#include "tenon/abi/tenon_kit_interpreter.h"
#include "tenon/backends/codegen/list_plan.h"
#include "tests/codegen/cases.h"
#include "tests/codegen/host_prelude.h"
#include "tests/codegen/host_variants.h"

namespace host_kernels {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wunused-variable"
#pragma GCC diagnostic ignored "-Wunknown-pragmas"
#pragma GCC diagnostic ignored "-Wbool-compare"
#include "tests/codegen/list_kernels.inc"
#pragma GCC diagnostic pop
}  // namespace host_kernels

namespace {

using tenon_codegen::KernelInfo;
using tenon_codegen::ListPlan;

// A launch and its arrays, twice: for the kernels and for the interpreter.
struct Part {
  TenonLaunch launch = {};
  std::vector<TenonOperand> operands;
  std::vector<uint64_t> scalars;
  std::vector<Bytes> got, expected;

  // `first`: elements before the operands. `aliases`: the first output is an input, if one suits.
  Part(const KernelInfo& info, const Sample& sample, int64_t count, int64_t first, bool aliases,
       std::minstd_rand& random) {
    for (size_t k = 0; k < info.operand_dtypes.size(); ++k) {
      const uint32_t dtype = info.operand_dtypes[k];
      TenonOperand operand = {};
      operand.dtype = dtype;
      operand.offset = static_cast<uint64_t>(first) * tenon_dtype_size(dtype);
      operand.strides[0] = 1;
      operands.push_back(operand);
      got.push_back(
          RandomElements(random, dtype, static_cast<size_t>(count + first + 3), sample.specials));
    }
    for (uint32_t s = 0; s < info.n_scalars; ++s) scalars.push_back(random() % 2);
    expected = got;
    alias_ = info.n_inputs;
    for (uint32_t k = 0; aliases && k < info.n_inputs; ++k) {
      if (info.operand_dtypes[k] == info.operand_dtypes[info.n_inputs]) alias_ = k;
    }
    launch.size = sizeof launch;
    if (alias_ < info.n_inputs) launch.flags = TENON_LAUNCH_MAY_ALIAS;
    launch.rank = 1;
    launch.sizes[0] = count;
    launch.n_operands = static_cast<uint32_t>(operands.size());
    launch.n_scalars = info.n_scalars;
  }

  const TenonLaunch& On(std::vector<Bytes>& arrays, uint32_t n_inputs) {
    for (size_t k = 0; k < operands.size(); ++k)
      operands[k].buffer = reinterpret_cast<TenonBuffer>(arrays[k == n_inputs ? alias_ : k].data());
    launch.operands = operands.data();
    launch.scalars = scalars.data();
    return launch;
  }

 private:
  size_t alias_;
};

void Run(const std::string& name, ListPlan& plan) {
  for (const host_kernels::HostKernel& kernel : host_kernels::kHostKernels) {
    if (name != kernel.name) continue;
    void* arguments[] = {plan.words.data()};
    constexpr int kGroups = 3, kLocals = 5;
    for (int group = 0; group < kGroups; ++group) {
      for (int local = 0; local < kLocals; ++local) {
        host_kernels::work_item = {group, kGroups, local, kLocals, nullptr};
        kernel.call(arguments);
      }
    }
    return;
  }
  ADD_FAILURE() << "no kernel " << name;
}

void Check(const Sample& sample, std::vector<Part>& parts, size_t launches) {
  const KernelInfo info = tenon_codegen::Describe(sample.text->desc);
  TenonKernel interpreted = 0;
  TenonError error = {};
  error.size = sizeof error;
  ASSERT_EQ(tenon_interpreter_create(&sample.text->desc, &interpreted, &error), TENON_OK)
      << error.message;
  std::vector<TenonLaunch> list;
  for (Part& part : parts) {
    ASSERT_EQ(tenon_interpreter_launch(interpreted, &part.On(part.expected, info.n_inputs), nullptr,
                                       &error),
              TENON_OK)
        << error.message;
    list.push_back(part.On(part.got, info.n_inputs));
  }
  tenon_interpreter_destroy(interpreted);
  std::vector<ListPlan> plans = PlanList(info, list.data(), static_cast<uint32_t>(list.size()));
  EXPECT_EQ(plans.size(), launches) << sample.name;
  for (ListPlan& plan : plans) {
    EXPECT_LE(plan.words.size() * 8, 4096u);
    Run(sample.name + "_" + plan.variant.suffix(), plan);
  }
  for (size_t p = 0; p < parts.size(); ++p) {
    for (size_t k = 0; k < info.operand_dtypes.size(); ++k) {
      const size_t item = tenon_dtype_size(info.operand_dtypes[k]);
      for (size_t i = 0; i * item < parts[p].got[k].size(); ++i) {
        uint64_t is = 0, should = 0;
        std::memcpy(&is, parts[p].got[k].data() + i * item, item);
        std::memcpy(&should, parts[p].expected[k].data() + i * item, item);
        ASSERT_TRUE(Agree(info.operand_dtypes[k], is, should, sample.exact))
            << sample.name << " launch " << p << " operand " << k << " element " << i << ": "
            << std::hex << is << ", should be " << should;
      }
    }
  }
}

TEST(ListKernels, AgreeWithTheInterpreter) {
  std::minstd_rand random(1);
  size_t samples = 0;
  for (const Sample& sample : ListSamples()) {
    const KernelInfo info = tenon_codegen::Describe(sample.text->desc);
    std::vector<Part> parts;
    for (const int64_t count : {1, 4095, 4096, 7, 4097, 9001})
      parts.emplace_back(info, sample, count, 0, count % 2 == 0, random);
    // Elements of 16 bytes and more are aligned wherever they are.
    for (const int64_t count : {1, 4098}) parts.emplace_back(info, sample, count, 1, true, random);
    Check(sample, parts, 2);
    ++samples;
    if (testing::Test::HasFatalFailure()) return;
  }
  EXPECT_GT(samples, 50u);
}

TEST(ListKernels, MoreThanFitAreSeveral) {
  std::minstd_rand random(1);
  const std::vector<Sample> samples = ListSamples();
  const Sample& sample = samples.back();  // a random program, the largest
  const KernelInfo info = tenon_codegen::Describe(sample.text->desc);
  const auto capacity = static_cast<size_t>(tenon_codegen::ListCapacity(info));
  for (const size_t n : {capacity, capacity + 1, 3 * capacity}) {
    std::vector<Part> parts;
    for (size_t i = 0; i < n; ++i)
      parts.emplace_back(info, sample, static_cast<int64_t>(i * 37 % 101 + 1), 0, i % 2 != 0,
                         random);
    ASSERT_NO_FATAL_FAILURE(Check(sample, parts, (n + capacity - 1) / capacity));
  }
}

TEST(ListKernels, WhatIsNotContiguousIsNotPlanned) {
  std::minstd_rand random(1);
  const std::vector<Sample> samples = ListSamples();
  const Sample& sample = samples.front();
  KernelInfo info = tenon_codegen::Describe(sample.text->desc);
  std::vector<Part> parts;
  for (int i = 0; i < 2; ++i) parts.emplace_back(info, sample, 10, 0, false, random);
  const auto planned = [&] {
    const TenonLaunch list[] = {parts[0].On(parts[0].got, info.n_inputs),
                                parts[1].On(parts[1].got, info.n_inputs)};
    return PlanList(info, list, 2).size();
  };
  EXPECT_EQ(planned(), 1u);
  parts[1].operands.back().strides[0] = 2;
  EXPECT_EQ(planned(), 0u);
  parts[1].operands.back().strides[0] = 0;
  EXPECT_EQ(planned(), 0u);
  parts[1].launch.sizes[0] = 1;
  EXPECT_EQ(planned(), 1u) << "of one element, every operand is contiguous";
  parts[1].launch.rank = 2;
  parts[1].launch.sizes[1] = 1;
  EXPECT_EQ(planned(), 0u);
  parts[1].launch.rank = 1;
  info.uses_index = true;
  EXPECT_EQ(planned(), 0u);
  info.uses_index = false;
  info.reduces = true;
  EXPECT_EQ(planned(), 0u);
}

}  // namespace
