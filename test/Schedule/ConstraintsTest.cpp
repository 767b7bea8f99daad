// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Shared memory and the other limits: numbers, and what to do about them.

#include "Problems.h"

#include "twilight/Schedule/Constraints.h"
#include "twilight/Schedule/Memory.h"

#include "gtest/gtest.h"

#include <set>

using namespace twilight;
using twilight::test::measuredProblem;

/// For D = 128: what scoring makes of the query, three tiles of 2 x 512 bytes for eight heads, else two, and its
/// factors; what attention takes of it; the item of each warp.
static int64_t queryAndItems(int64_t warps, int64_t tiles = 2) { return (2 * tiles + 1) * 512 + 2048 + 16 * warps; }

TEST(Memory, AddsUpTheTable) {
  Problem problem = measuredProblem(64, 32768); // 2048 pages, 512 candidates, 8192 slots
  // Totals of 16 warps and H heads; sums of 4 x 128 numbers, with 4 maxima and masses of each block; a maximum and a
  // mass of 16 warps and 4 heads.
  auto totals = [](int64_t heads) { return 20 * 16 * heads + 16 * heads + 4 * 4 * 130 + 2 * 4 * 16 * 4; };
  EXPECT_EQ(getBlockSharedBytes(problem, Schedule::block()),
            8 * 4096 + queryAndItems(16) + totals(4) + 4 * 2048 + 2 * 4 * 512 + 4 * 8192 / 8 + 4 * 4 * (8192 + 8));
  // Two blocks: half the heads each, all of the lists in both, maxima of the warps of both, and the other one's maxima
  // and masses.
  EXPECT_EQ(getBlockSharedBytes(problem, Schedule::block(2)), 8 * 2048 + queryAndItems(16) + totals(2) + 4 * 16 * 2 +
                                                                  4 * 2 * 4 + 4 * 2048 + 2 * 4 * 512 + 4 * 8192 / 8 +
                                                                  2 * 4 * (8192 + 8));
  // Blocks that are no cluster hold the same, maxima of four blocks, and how often they met.
  EXPECT_EQ(getBlockSharedBytes(problem, Schedule::spreadBlocks(2)),
            getBlockSharedBytes(problem, Schedule::block(2)) + 16 + 4 * 16 * 2 * 2);
  EXPECT_EQ(getBlockSharedBytes(problem, Schedule::block(1, 8, 8)) -
                getBlockSharedBytes(problem, Schedule::block(1, 8)),
            4 * 2048);
  // Short: rows and sums of the attention are more than the logits.
  problem.tokens = 1024;
  problem.candidatePages = 16;
  EXPECT_EQ(getBlockSharedBytes(problem, Schedule::block()),
            8 * 4096 + queryAndItems(16) + totals(4) + 4 * 64 + 2 * 4 * 16 + 4 * 256 / 8 + 4 * 256 + 4 * 16 * 4 * 128);
  // Whoever attends densely needs a row for each token.
  problem.denseBelow = 768;
  EXPECT_EQ(getBlockSharedBytes(problem, Schedule::block()),
            8 * 4096 + queryAndItems(16) + totals(4) + 4 * 64 + 2 * 4 * 16 + 4 * 256 / 8 + 4 * 768 + 4 * 16 * 4 * 128);
}

TEST(Memory, OfBlocksThatPruneTheirOwnCandidates) {
  Problem problem = measuredProblem(1, 32768); // 2048 pages, 512 candidates: 32 pages and 512 slots a block
  const int64_t fixed = 4 * 4 * (768 + 256)    // histograms, lists of 512
                        + 16 * 16 * 4 + 16 * 4 + 4 * 16 * 4 * 16      // words of warps and heads, maxima
                        + 4 * 16 * (32 + 8) + queryAndItems(16)       // sums of the blocks
                        + 16 * 16 + 8 * 16 + 12 * 4 + 2 * 4 * 16 * 4; // headers, counts, thresholds; warps
  // Keys that all blocks posted of one head are more than those of the pages; sums of the attention more than the
  // logits.
  EXPECT_EQ(getBlockSharedBytes(problem, Schedule::block(16)),
            fixed + 4 * 8192 + 2 * 4 * 32 + 4 * 512 / 32 + 4 * 512 + 4 * 16 * 4 * 128);
  // Spread blocks hold the same, but for headers and keys that were posted, in whose place there is a histogram of each
  // head, and but for the maxima of other blocks' warps, in whose place there is what each warp of a head took of them.
  EXPECT_EQ(getBlockSharedBytes(problem, Schedule::spreadBlocks(16)),
            getBlockSharedBytes(problem, Schedule::block(16)) + 16 - 16 * 16 - 4 * 8192 + 4 * 4 * 768 -
                4 * 4 * (16 * 16 - 4));
  // With limits each head is one block's, and all candidates of it.
  problem.keptLimits = true;
  EXPECT_GT(getBlockSharedBytes(problem, Schedule::block(16)), 4 * 2048 + 8 * 512 + 4 * 8192);
  // Of eight heads in four blocks each finds two thresholds: lists, and histograms for all.
  problem = measuredProblem(1, 32768);
  problem.group = 8;
  EXPECT_EQ(getBlockSharedBytes(problem, Schedule::spreadBlocks(4)),
            4 * 8 * (768 + 512) + 16 * 16 * 8 + 16 * 8 + 4 * 4 * 8 + 16 + 4 * 4 * (256 + 16) + queryAndItems(16, 3) +
                8 * 4 + 12 * 8 + 2 * 4 * 16 * 8 + 4 * 8 * 768 + 2 * 4 * 128 + 4 * 2048 / 32 + 4 * 2048 +
                4 * 16 * 8 * 128);
}

TEST(Constraints, SharedMemoryNamesTheFieldToChange) {
  Problem problem = measuredProblem(1, 65536);
  EXPECT_EQ(findViolation(problem, Schedule::block(2)), "");
  EXPECT_EQ(findViolation(problem, Schedule::block()),
            "for 65536 tokens a thread block needs 336608 bytes of shared memory, 104160 more than the 232448 that "
            "sm_90a has: raise cluster to 2");
  EXPECT_EQ(findViolation(problem, Schedule::block(1, 8, 8)),
            "for 65536 tokens a thread block needs 351968 bytes of shared memory, 119520 more than the 232448 that "
            "sm_90a has: raise cluster to 2 and set select_warps to 0");
  // What the second copy of the importances is too much.
  problem = measuredProblem(1, 40960);
  problem.candidatePages = 660;
  EXPECT_EQ(findViolation(problem, Schedule::block()), "");
  EXPECT_NE(findViolation(problem, Schedule::block(1, 8, 8)).find(": set select_warps to 0"), std::string::npos);
  // Parts of 32 warps at D = 256.
  problem = measuredProblem(1, 1024);
  problem.headDim = 256;
  problem.group = 8;
  EXPECT_NE(findViolation(problem, Schedule::block(1, 32)).find("sm_90a has: lower warps to 16"), std::string::npos);
  // No cluster is large enough.
  problem = measuredProblem(1, 1 << 20);
  EXPECT_NE(findViolation(problem, Schedule::block(16)).find(": use the shape grid, or a smaller budget"),
            std::string::npos);
  EXPECT_EQ(findViolation(problem, Schedule::grid()), "");
  EXPECT_NE(findViolation(problem, Schedule::spreadBlocks(32)).find(": use the shape grid, or a smaller budget"),
            std::string::npos);
  problem = measuredProblem(1, 131072);
  EXPECT_NE(findViolation(problem, Schedule::spreadBlocks(2)).find(": raise spread to 4"), std::string::npos);
  EXPECT_EQ(findViolation(problem, Schedule::spreadBlocks(16)), "");
}

TEST(Constraints, ResidentBlocksShareAMultiprocessor) {
  Schedule two = Schedule::block(1, 8, 0, /*resident=*/2);
  EXPECT_EQ(findViolation(measuredProblem(64, 8192), two), "");
  std::string why = findViolation(measuredProblem(64, 32768), two);
  EXPECT_NE(why.find("than the 115712 that sm_90a has for each of 2: lower resident to 1"), std::string::npos) << why;
  // Where one does not fit either, what helps holds for one.
  why = findViolation(measuredProblem(1, 65536), two);
  EXPECT_NE(why.find(": raise cluster to 2 and set resident to 1"), std::string::npos) << why;
  // Offered where lists are short and registers suffice, and nowhere else.
  auto offers = [&](int64_t tokens, int64_t group = 4) {
    Problem problem = measuredProblem(64, tokens);
    problem.group = group;
    for (const Schedule &schedule : listCandidates(problem))
      if (schedule.runsLike(two))
        return true;
    return false;
  };
  EXPECT_TRUE(offers(8192));
  EXPECT_FALSE(offers(32768));
  EXPECT_FALSE(offers(8192, 8));
}

TEST(Constraints, WithoutSizesOnlyTheChipIsAsked) {
  Problem problem = measuredProblem(0, 0);
  EXPECT_EQ(findViolation(problem, Schedule::block()), "");
  problem.target = lookupTarget("sm_80");
  EXPECT_EQ(findViolation(problem, Schedule::block(2)), "sm_80 has no clusters, found cluster = 2: set cluster to 1");
  EXPECT_EQ(findViolation(problem, Schedule::spreadBlocks(16)), "") << "which it needs none for";
  problem.target = lookupTarget("sm_120a");
  EXPECT_EQ(findViolation(problem, Schedule::block(16)),
            "a cluster of sm_120a has at most 8 thread blocks, found cluster = 16: lower cluster");
  EXPECT_EQ(findViolation(problem, Schedule::block(1, 32, 4)),
            "a thread block of sm_120a has at most 32 warps, found 36: lower warps or select_warps");
}

TEST(Constraints, EveryHeadHasAWarp) {
  Problem problem = measuredProblem(0, 0);
  problem.group = 8;
  EXPECT_EQ(findViolation(problem, Schedule::block(1, 8)), "");
  EXPECT_EQ(findViolation(problem, Schedule::block(2, 4)), "");
  EXPECT_EQ(findViolation(problem, Schedule::spreadBlocks(2, 4)), "");
  EXPECT_EQ(findViolation(problem, Schedule::block(1, 4)),
            "a thread block prunes 8 query heads, a warp each at least, found warps = 4: raise warps to 8");
}

TEST(Constraints, GridsSplitWhatAttendsDenselyByItsOwnLength) {
  auto splitsOf = [](const Problem &problem) { return listCandidates(problem).back().denseSplits; };
  Problem problem = measuredProblem(64, 32768);
  EXPECT_EQ(splitsOf(problem), 32); // nothing attends densely
  problem.denseBelow = 1024;
  EXPECT_EQ(splitsOf(problem), 1);
  problem.denseBelow = 1 << 20;
  EXPECT_EQ(splitsOf(problem), 8);
  problem.batch = 0;
  EXPECT_EQ(splitsOf(problem), 32);
}

TEST(Constraints, WhatOneKernelCannotHold) {
  Problem problem = measuredProblem(8, 8192);
  problem.onlyGrid = "why";
  EXPECT_EQ(findViolation(problem, Schedule::block()), "why");
  EXPECT_EQ(findViolation(problem, Schedule::grid()), "");
}

TEST(Constraints, SpreadBlocksAllFitAtOnce) {
  auto spreads = [](int64_t batch, const char *chip) {
    std::set<int64_t> found;
    for (const Schedule &schedule : listCandidates(measuredProblem(batch, 8192, chip)))
      if (schedule.spread > 1)
        found.insert(schedule.spread);
    return found;
  };
  EXPECT_EQ(spreads(1, "sm_90a"), (std::set<int64_t>{2, 4, 8, 16})); // 128 of 132
  EXPECT_EQ(spreads(1, "sm_80"), (std::set<int64_t>{2, 4, 8}));      // 64 of 108
  EXPECT_EQ(spreads(8, "sm_90a"), std::set<int64_t>{2});
  EXPECT_EQ(spreads(64, "sm_90a"), std::set<int64_t>());
  TargetInfo small = *lookupTarget("sm_90a");
  small.part.smCount = 12;
  Problem problem = measuredProblem(0, 0);
  problem.target = &small;
  EXPECT_EQ(findViolation(problem, Schedule::spreadBlocks(12)), "");
  EXPECT_EQ(findViolation(problem, Schedule::spreadBlocks(13)),
            "sm_90a has room for 12 thread blocks that wait for each other, found spread = 13: lower spread");
}

TEST(Constraints, CandidatesAreDistinctAndKnowTheChip) {
  for (const char *chip : {"sm_80", "sm_90a", "sm_120a"}) {
    std::set<std::string> texts;
    Problem problem = measuredProblem(8, 8192, chip);
    auto candidates = listCandidates(problem);
    for (const Schedule &schedule : candidates) {
      texts.insert(schedule.text());
      EXPECT_LE(schedule.cluster, problem.target->maxClusterBlocks) << chip;
    }
    EXPECT_EQ(texts.size(), candidates.size()) << chip;
    EXPECT_TRUE(candidates.front().isBlock()) << "one kernel before several";
  }
}
