// Which variant a launch gets, and the words that its kernel reads.
#include "tenon/backends/codegen/launch_plan.h"

#include <gtest/gtest.h>

namespace tenon_codegen {
namespace {

KernelInfo Binary(uint32_t dtype = TENON_F32) {
  KernelInfo info;
  info.operand_dtypes = {dtype, dtype, dtype};
  info.n_inputs = 2;
  return info;
}

struct Launch : TenonLaunch {
  // Strides for each of the operands, offsets in elements of 4 bytes.
  Launch(std::vector<int64_t> lengths, std::vector<std::vector<int64_t>> strides,
         std::vector<uint64_t> starts = {}, uint32_t reduced = 0)
      : TenonLaunch{} {
    size = sizeof(TenonLaunch);
    rank = static_cast<uint32_t>(lengths.size());
    reduce_axes = reduced;
    std::copy(lengths.begin(), lengths.end(), sizes);
    for (size_t k = 0; k < strides.size(); ++k) {
      TenonOperand operand = {};
      operand.dtype = TENON_F32;
      operand.offset = starts.empty() ? 0 : 4 * starts[k];
      std::copy(strides[k].begin(), strides[k].end(), operand.strides);
      own.push_back(operand);
    }
    operands = own.data();
    n_operands = static_cast<uint32_t>(own.size());
  }
  std::vector<TenonOperand> own;
};

Target Gpu() { return Target(); }
Target Cpu() {
  Target cpu;
  cpu.vector = 1;
  cpu.runs = true;
  return cpu;
}

std::string VariantOf(const Launch& launch, const Target& target = Gpu(),
                      const KernelInfo& info = Binary()) {
  return PlanLaunch(info, target, launch).variant.suffix();
}

TEST(LaunchPlan, ContiguousAxesBecomeOneAndVectorsAreUsed) {
  const Launch launch({4, 6, 8}, {{48, 8, 1}, {48, 8, 1}, {48, 8, 1}});
  EXPECT_EQ(VariantOf(launch), "flatv4");
  EXPECT_EQ(VariantOf(launch, Cpu()), "flat");
  EXPECT_EQ(PlanLaunch(Binary(), Gpu(), launch).items(), 48);
}

TEST(LaunchPlan, NumbersStayInRegisters) {
  EXPECT_EQ(VariantOf(Launch({100}, {{1}, {0}, {1}})), "flatv4_r2");
  EXPECT_EQ(VariantOf(Launch({8, 4}, {{4, 1}, {0, 0}, {4, 1}})), "flatv4_r2");
}

TEST(LaunchPlan, ARowIsReadInVectorsWhereItIsLongEnough) {
  EXPECT_EQ(VariantOf(Launch({8, 12}, {{12, 1}, {0, 1}, {12, 1}})), "map2v4_r0");
  EXPECT_EQ(VariantOf(Launch({8, 12}, {{12, 1}, {1, 0}, {12, 1}})), "map2v4_r2");
  EXPECT_EQ(VariantOf(Launch({8, 13}, {{13, 1}, {0, 1}, {13, 1}})), "map2_r0");
}

TEST(LaunchPlan, WhatIsNotAlignedIsReadOneByOne) {
  EXPECT_EQ(VariantOf(Launch({100}, {{1}, {1}, {1}}, {0, 1, 0})), "flat");
  EXPECT_EQ(VariantOf(Launch({100}, {{1}, {0}, {1}}, {0, 1, 0})), "flatv4_r2") << "a number may";
}

TEST(LaunchPlan, OtherStridesHaveTheRealRank) {
  EXPECT_EQ(VariantOf(Launch({100}, {{2}, {1}, {1}})), "map1");
  EXPECT_EQ(VariantOf(Launch({5, 1, 7}, {{7, 9, -1}, {7, 9, 1}, {7, 9, 1}})), "map2");
  EXPECT_EQ(VariantOf(Launch({}, {{}, {}, {}})), "flat");
}

TEST(LaunchPlan, IndicesAreNarrowWhereTheyFit) {
  const int64_t large = int64_t{1} << 31;
  EXPECT_EQ(VariantOf(Launch({large}, {{1}, {1}, {1}})), "flatv4_wide");
  EXPECT_EQ(VariantOf(Launch({2, 3}, {{large, 1}, {3, 1}, {3, 1}})), "map2_r0_wide");
  EXPECT_EQ(VariantOf(Launch({2, 3}, {{-large, 1}, {3, 1}, {3, 1}})), "map2_r0_wide");
  EXPECT_EQ(VariantOf(Launch({int64_t{1} << 30}, {{1}, {1}, {1}})), "flatv4");
}

KernelInfo Sum() {
  KernelInfo info;
  info.operand_dtypes = {TENON_F32, TENON_F32};
  info.n_inputs = info.n_reducers = 1;
  info.reduces = true;
  return info;
}

TEST(LaunchPlan, ReductionsGoToItemsGroupsOrParts) {
  EXPECT_EQ(VariantOf(Launch({1000, 8}, {{8, 1}, {1, 0}}, {}, 2), Gpu(), Sum()), "thread1x1");
  EXPECT_EQ(VariantOf(Launch({1000, 800}, {{800, 1}, {1, 0}}, {}, 2), Gpu(), Sum()), "group1x1");
  const Launch all({100, 10000}, {{10000, 1}, {0, 0}}, {}, 3);
  const LaunchPlan plan = PlanLaunch(Sum(), Gpu(), all);
  EXPECT_EQ(plan.variant.suffix(), "part1x1");
  EXPECT_EQ(plan.merge().suffix(), "merge1x1");
  EXPECT_EQ(plan.outer, 1);
  EXPECT_EQ(plan.inner, 1000000);
  EXPECT_EQ(plan.parts, 122);
  EXPECT_EQ(plan.scratch_bytes(Sum()), 122u * 24);
  EXPECT_EQ(VariantOf(Launch({3, 4, 5}, {{20, 5, 1}, {0, 1, 0}}, {}, 5), Gpu(), Sum()),
            "thread1x2");
}

TEST(LaunchPlan, WhereOutputsLieCloseNeighbouringItemsReadThem) {
  const Launch columns({1000, 70000}, {{70000, 1}, {0, 1}}, {}, 1);
  EXPECT_EQ(VariantOf(columns, Gpu(), Sum()), "thread1x1");
  const Launch few({100000, 32}, {{32, 1}, {0, 1}}, {}, 1);
  EXPECT_EQ(VariantOf(few, Gpu(), Sum()), "slice1x1");
  EXPECT_EQ(PlanLaunch(Sum(), Gpu(), few).parts, 1562);
  EXPECT_EQ(PlanLaunch(Sum(), Gpu(), few).items(), 1562 * 32);
}

TEST(LaunchPlan, ACpuGetsNoGroups) {
  const Launch all({100, 10000}, {{10000, 1}, {0, 0}}, {}, 3);
  EXPECT_EQ(VariantOf(all, Cpu(), Sum()), "slice1x1");
  EXPECT_EQ(PlanLaunch(Sum(), Cpu(), all).parts, 64);
  EXPECT_EQ(VariantOf(Launch({1000, 800}, {{800, 1}, {1, 0}}, {}, 2), Cpu(), Sum()), "thread1x1");
}

TEST(LaunchPlan, WordsAreWhatTheKernelReads) {
  KernelInfo info = Binary();
  info.uses_index = true;
  info.n_scalars = 1;
  Launch launch({5, 7}, {{1, 5}, {7, 1}, {7, 1}}, {1, 2, 3});
  const uint64_t scalar = 99;
  launch.scalars = &scalar;
  launch.index_base = 11;
  launch.index_strides[0] = 7;
  launch.index_strides[1] = 1;
  const LaunchPlan plan = PlanLaunch(info, Gpu(), launch);
  EXPECT_EQ(plan.words,
            (std::vector<uint64_t>{35, 1, 1, 11, 5, 7, 7, 1, 1, 1, 5, 2, 7, 1, 3, 7, 1, 99}));
  EXPECT_FALSE(plan.variant.in_memory);
  Target small = Gpu();
  small.max_argument_bytes = 8 * (3 + 17);
  EXPECT_TRUE(PlanLaunch(info, small, launch).variant.in_memory);
}

TEST(LaunchPlan, WithoutIndexItsStridesAreNeverRead) {
  Launch launch({5, 7}, {{7, 1}, {7, 1}, {7, 1}});
  launch.index_base = launch.index_strides[0] = 12345;  // nobody filled them
  EXPECT_EQ(VariantOf(launch), "flatv4");
}

}  // namespace
}  // namespace tenon_codegen
