// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The model of one kernel against some of the times that its rates were fitted to, and the schedules that follow.

#include "Problems.h"

#include "twilight/Schedule/Choose.h"
#include "twilight/Schedule/Constraints.h"
#include "twilight/Schedule/TuningTable.h"

#include "mlir/IR/MLIRContext.h"

#include "gtest/gtest.h"

#include <cmath>

using namespace twilight;
using twilight::test::measuredProblem;

namespace {

struct Format {
  int64_t pageSize, summaryBytes, codeBits, sixteenths; ///< of the pages are candidates
  const char *bounds;                                   ///< of 16 bits, or the element type
  bool floors = true;
};
/// As python/twilight_bench/configs.py has them.
constexpr Format kPaper = {16, 512, 4, 4, "bf16", false}, kFp8 = {16, 256, 4, 4, "f8E5M2"},
                 kI8Eighth = {16, 272, 4, 2, "i8"}, kP32Fp8At3 = {32, 256, 4, 3, "f8E5M2"},
                 kP32Fp8Codes2 = {32, 256, 2, 4, "f8E5M2"}, kP32I8At3 = {32, 272, 4, 3, "i8"},
                 kP32I8Eighth = {32, 272, 4, 2, "i8"};

struct Case {
  Format format;
  int64_t batch, tokens, group;
  std::vector<std::pair<Schedule, double>> times; ///< measured, us
  /// Who chooses what was fastest; or what the model takes was not timed.
  enum Choice { ByModel, ByTable, Untimed } choice = ByModel;
};

Problem problemOf(const Case &row) {
  Problem problem = measuredProblem(row.batch, row.tokens);
  problem.group = row.group;
  problem.kvHeads = 32 / row.group;
  problem.pageSize = row.format.pageSize;
  problem.summaryBytes = row.format.summaryBytes;
  problem.codeBits = row.format.codeBits;
  problem.candidatePages = (problem.pages() * row.format.sixteenths + 15) / 16;
  problem.blockedCodes = true;
  problem.floors = row.format.floors;
  problem.bounds = row.format.bounds;
  return problem;
}

Schedule block(int64_t cluster, int64_t warps, int64_t selectWarps = 0, int64_t resident = 1) {
  return Schedule::block(cluster, warps, selectWarps, resident);
}
Schedule spread(int64_t blocks, int64_t warps) { return Schedule::spreadBlocks(blocks, warps); }

/// H100 80GB HBM3.
std::vector<Case> measuredCases() {
  return {
      {kPaper, 64, 32768, 4, {{block(1, 12, 4), 340.8}, {block(1, 16), 350.4}}},
      {kPaper, 64, 8192, 4, {{block(1, 8, 0, 2), 122.0}, {block(1, 16), 130.4}}, Case::ByTable},
      {kPaper, 8, 32768, 4, {{block(2, 16), 59.3}, {spread(2, 16), 68.8}}, Case::ByTable},
      {kPaper, 1, 131072, 4, {{spread(16, 16), 42.5}, {spread(16, 12), 43.4}, {block(8, 16), 62.5}}},
      {kPaper,
       1,
       32768,
       4,
       {{spread(16, 8), 22.1}, {spread(16, 12), 22.1}, {spread(16, 16), 22.4}, {block(8, 8), 24.9}}},
      {kP32Fp8At3, 64, 32768, 4, {{block(1, 12, 4), 197.4}}},
      {kP32Fp8At3, 8, 32768, 4, {{block(2, 16), 43.2}, {block(2, 12), 44.0}}, Case::Untimed},
      {kP32I8At3, 64, 32768, 4, {{block(1, 12, 4), 202.8}}},
      {kP32I8At3, 1, 131072, 4, {{spread(16, 12), 32.3}, {block(8, 16), 39.0}}},
      {kP32I8At3, 1, 32768, 4, {{spread(16, 8), 19.5}, {block(8, 8), 22.7}}},
      // Of earlier kernels: what has become shorter since, steps on the chip, weighs less at these batches than at 1.
      {kPaper, 64, 32768, 8, {{block(2, 12), 261.7}, {block(2, 8), 272.9}, {Schedule::grid(), 297.7}}},
      {kFp8, 64, 32768, 4, {{block(1, 12, 4), 273.5}}},
      {kFp8, 64, 8192, 4, {{block(1, 8, 0, 2), 113.8}}},
      {kP32I8Eighth, 64, 32768, 4, {{block(1, 12, 4), 189.9}}},
      {kP32I8Eighth, 64, 8192, 4, {{block(1, 8, 0, 2), 74.5}}},
      {kI8Eighth,
       8,
       32768,
       4,
       {{block(2, 8), 46.1}, {block(2, 12), 46.8}, {block(1, 16), 47.3}, {block(1, 12, 4), 49.9}}},
      {kP32Fp8Codes2,
       8,
       32768,
       4,
       {{block(2, 12), 39.2}, {block(2, 8), 39.4}, {block(1, 16), 42.3}, {block(1, 12, 4), 44.7}}},
  };
}

std::string describe(const Case &row) {
  return std::to_string(row.batch) + " x " + std::to_string(row.tokens) +
         ", P = " + std::to_string(row.format.pageSize) + ", " + std::to_string(row.format.summaryBytes) +
         " bytes of bounds: ";
}

} // namespace

TEST(BlockCost, IsNearTheMeasuredTimes) {
  constexpr double kTolerance = 0.15;
  for (const Case &row : measuredCases())
    for (const auto &[schedule, measured] : row.times) {
      double predicted = predict(problemOf(row), schedule).time();
      EXPECT_LE(std::abs(predicted - measured), kTolerance * measured)
          << describe(row) << schedule.text() << ": predicted " << predicted << ", measured " << measured;
    }
}

TEST(BlockCost, ChoosesWhatWasFastest) {
  mlir::MLIRContext context;
  auto table = TuningTable::builtin(&context);
  ASSERT_TRUE(bool(table)) << llvm::toString(table.takeError());
  for (const Case &row : measuredCases()) {
    if (row.choice == Case::Untimed)
      continue;
    // Where the model ranks wrongly, a row of the table says so: the model alone would take another one.
    bool byTable = row.choice == Case::ByTable;
    Schedule chosen = choose(problemOf(row), std::nullopt, {}).schedule;
    double fastest = row.times.front().second, found = 0;
    auto look = [&] {
      found = 0;
      for (const auto &[schedule, measured] : row.times) {
        fastest = std::min(fastest, measured);
        if (schedule.runsLike(chosen))
          found = measured;
      }
      return found > 0 && found <= kWorthwhile * fastest;
    };
    EXPECT_EQ(look(), !byTable) << describe(row) << chosen.text() << ": " << found << " us, fastest " << fastest;
    if (byTable) {
      chosen = choose(problemOf(row), std::nullopt, {*table}).schedule;
      EXPECT_TRUE(look()) << describe(row) << chosen.text() << ": " << found << " us, fastest " << fastest;
    }
  }
}

TEST(BlockCost, ClustersOf16DoNotFillTheChip) {
  Problem problem = measuredProblem(1, 131072); // 8 items
  EXPECT_EQ(predict(problem, Schedule::block(8)).rounds, 1);
  EXPECT_EQ(predict(problem, Schedule::block(16)).rounds, 2);
  EXPECT_LT(predict(problem, Schedule::block(8)).time(), predict(problem, Schedule::block(16)).time());
}

TEST(BlockCost, ScalesBehindTheCodesAreFetchedWithThem) {
  Problem apart = measuredProblem(64, 32768), blocked = apart;
  blocked.blockedCodes = true; // 1088 bytes a page instead of 1024 and two halves of 64
  for (const Schedule &schedule : {Schedule::block(), Schedule::grid()}) {
    StageCost with = predict(apart, schedule).stages[1], without = predict(blocked, schedule).stages[1];
    EXPECT_EQ(with.bytes, without.bytes);
    EXPECT_LT(without.time(), with.time() - 3);
  }
}

TEST(BlockCost, FloorsTakeTime) {
  Problem none = measuredProblem(1, 32768), some = none;
  some.floors = true;
  EXPECT_GT(predict(some, Schedule::block(8)).time(), predict(none, Schedule::block(8)).time() + 2.5);
}

TEST(BlockCost, CandidatesDoNotSpill) {
  auto warpsOf = [](const Problem &problem, int64_t cluster) {
    std::vector<int64_t> warps;
    for (const Schedule &schedule : listCandidates(problem))
      if (schedule.isBlock() && schedule.cluster == cluster && schedule.spread == 1 && schedule.selectWarps == 0 &&
          schedule.resident == 1)
        warps.push_back(schedule.warps);
    return warps;
  };
  using Warps = std::vector<int64_t>;
  Problem problem = measuredProblem(8, 32768);
  EXPECT_EQ(warpsOf(problem, 2), (Warps{8, 16}));
  problem.summaryBytes = 272; // bounds of 8 bits
  EXPECT_EQ(warpsOf(problem, 1), (Warps{8, 16}));
  EXPECT_EQ(warpsOf(problem, 2), (Warps{8, 12}));
  EXPECT_EQ(warpsOf(problem, 8), (Warps{8, 16}));
  EXPECT_EQ(warpsOf(problem, 16), (Warps{8, 12}));
  problem.summaryBytes = 512;
  EXPECT_EQ(warpsOf(problem, 16), (Warps{8, 16}));
  problem.group = 1;
  EXPECT_EQ(warpsOf(problem, 4), (Warps{8, 16}));
  EXPECT_EQ(warpsOf(problem, 8), (Warps{8, 12}));
  problem.group = 8;
  EXPECT_EQ(warpsOf(problem, 1), (Warps{8, 16}));
  EXPECT_EQ(warpsOf(problem, 8), (Warps{8, 12}));
}
