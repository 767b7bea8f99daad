// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The rows say what the tables say, and agree with themselves.

#include "twilight/Target/TargetInfo.h"

#include "gtest/gtest.h"

#include <set>

using namespace twilight;

TEST(TargetInfo, LooksUpExactNames) {
  for (const TargetInfo &target : allTargets())
    EXPECT_EQ(lookupTarget(target.chip), &target);
  EXPECT_EQ(lookupTarget("sm_90"), nullptr);
  EXPECT_EQ(lookupTarget("sm_90a "), nullptr);
  EXPECT_EQ(lookupTarget("sm_75"), nullptr);
  EXPECT_EQ(lookupTarget(""), nullptr);
}

TEST(TargetInfo, ListsNamesForMessages) { EXPECT_EQ(targetNames(), "sm_80, sm_86, sm_89, sm_90a, sm_100a, sm_120a"); }

TEST(TargetInfo, NamesThePtxVersion) {
  EXPECT_EQ(lookupTarget("sm_80")->nvptxFeatures(), "+ptx74");
  EXPECT_EQ(lookupTarget("sm_86")->nvptxFeatures(), "+ptx74");
  EXPECT_EQ(lookupTarget("sm_89")->nvptxFeatures(), "+ptx78");
  EXPECT_EQ(lookupTarget("sm_90a")->nvptxFeatures(), "+ptx80");
  EXPECT_EQ(lookupTarget("sm_100a")->nvptxFeatures(), "+ptx86");
  EXPECT_EQ(lookupTarget("sm_120a")->nvptxFeatures(), "+ptx87");
  EXPECT_EQ(lookupTarget("sm_100a")->ptxVersionString(), "8.6");
}

TEST(TargetInfo, HasTheLimitsOfTheGuide) {
  struct Limits {
    const char *chip;
    int sharedPerBlock, sharedPerSm, threadsPerSm, blocksPerSm;
  };
  for (const Limits &limits :
       {Limits{"sm_80", 166912, 167936, 2048, 32}, Limits{"sm_86", 101376, 102400, 1536, 16},
        Limits{"sm_89", 101376, 102400, 1536, 24}, Limits{"sm_90a", 232448, 233472, 2048, 32},
        Limits{"sm_100a", 232448, 233472, 2048, 32}, Limits{"sm_120a", 101376, 102400, 1536, 24}}) {
    const TargetInfo *target = lookupTarget(limits.chip);
    ASSERT_NE(target, nullptr) << limits.chip;
    EXPECT_EQ(target->sharedBytesPerBlock, limits.sharedPerBlock) << limits.chip;
    EXPECT_EQ(target->sharedBytesPerSm, limits.sharedPerSm) << limits.chip;
    EXPECT_EQ(target->threadsPerSm, limits.threadsPerSm) << limits.chip;
    EXPECT_EQ(target->blocksPerSm, limits.blocksPerSm) << limits.chip;
  }
}

TEST(TargetInfo, HasTheFeaturesOfTheChip) {
  auto features = [](const char *chip) { return lookupTarget(chip)->features; };
  for (const TargetInfo &target : allTargets())
    EXPECT_TRUE(target.features.bf16Mma && target.features.asyncCopy) << target.chip;
  EXPECT_FALSE(features("sm_86").fp8);
  EXPECT_TRUE(features("sm_89").fp8);
  EXPECT_FALSE(features("sm_89").bulkCopy || features("sm_89").clusters || features("sm_89").gridDependencyControl);
  for (const char *chip : {"sm_90a", "sm_100a", "sm_120a"})
    EXPECT_TRUE(features(chip).bulkCopy && features(chip).clusters && features(chip).gridDependencyControl) << chip;
  // wgmma came with Hopper and went with it.
  std::set<std::string_view> withWgmma, withTensorMemory;
  for (const TargetInfo &target : allTargets()) {
    if (target.features.wgmma)
      withWgmma.insert(target.chip);
    if (target.features.tensorMemory)
      withTensorMemory.insert(target.chip);
  }
  EXPECT_EQ(withWgmma, std::set<std::string_view>{"sm_90a"});
  EXPECT_EQ(withTensorMemory, std::set<std::string_view>{"sm_100a"});
}

TEST(TargetInfo, HasTheClustersOfTheGuides) {
  EXPECT_EQ(lookupTarget("sm_89")->maxClusterBlocks, 1);
  EXPECT_EQ(lookupTarget("sm_90a")->maxClusterBlocks, 16);
  EXPECT_EQ(lookupTarget("sm_100a")->maxClusterBlocks, 16);
  EXPECT_EQ(lookupTarget("sm_120a")->maxClusterBlocks, 8);
}

TEST(TargetInfo, AgreesWithItself) {
  int last = 0;
  for (const TargetInfo &target : allTargets()) {
    EXPECT_GT(target.computeCapability, last) << target.chip << ": rows are ordered";
    last = target.computeCapability;
    std::string digits = std::to_string(target.computeCapability);
    EXPECT_EQ(target.chip.substr(0, 3 + digits.size()), "sm_" + digits);
    EXPECT_EQ(target.sharedBytesPerBlock + target.sharedBytesReservedPerBlock, target.sharedBytesPerSm) << target.chip;
    EXPECT_EQ(target.threadsPerSm % target.warpSize, 0) << target.chip;
    EXPECT_LE(target.threadsPerBlock, target.threadsPerSm) << target.chip;
    EXPECT_EQ(target.registersPerSm % target.registerAllocationUnit, 0) << target.chip;
    EXPECT_EQ(target.maxClusterBlocks > 1, target.features.clusters) << target.chip;
    EXPECT_GT(target.part.smCount, 0) << target.chip;
    // A number in the wrong unit is off by 1000.
    EXPECT_GT(target.part.memoryBandwidth, 500'000'000'000) << target.chip;
    EXPECT_LT(target.part.memoryBandwidth, 20'000'000'000'000) << target.chip;
    EXPECT_GE(target.part.l2Bytes, 4 << 20) << target.chip;
    EXPECT_EQ(target.part.clustersOf16 > 0, target.maxClusterBlocks == 16) << target.chip;
    EXPECT_LE(target.part.clustersOf16 * 16, target.part.smCount) << target.chip;
  }
}

TEST(TargetInfo, ClustersShareTheChip) {
  const TargetInfo &h100 = *lookupTarget("sm_90a");
  EXPECT_EQ(h100.clustersAtATime(2, 1), 66);
  EXPECT_EQ(h100.clustersAtATime(2, 2), 132);
  EXPECT_EQ(h100.clustersAtATime(8, 1), 16);
  EXPECT_EQ(h100.clustersAtATime(16, 1), 6); // not every group of multiprocessors has 16
}
