// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The model against the times of docs/measurements.md, and what it says of shapes that nobody measured.

#include "Problems.h"

#include "twilight/Schedule/CostModel.h"

#include "gtest/gtest.h"

#include <cmath>

using namespace twilight;
using twilight::test::measuredProblem;

namespace {

/// What the model may be off by, of a stage and of a whole pipeline. Replays of one op measure 1 to 3 us too much, and
/// the spread between runs is about 2%.
constexpr double kStageTolerance = 0.15, kWholeTolerance = 0.10;

void expectNear(double predicted, double measured, double tolerance, const std::string &what) {
  EXPECT_LE(std::abs(predicted - measured), tolerance * measured)
      << what << ": predicted " << predicted << ", measured " << measured;
}

} // namespace

TEST(CostModel, IsNearTheMeasuredGridShape) {
  struct Row {
    int64_t batch, tokens;
    double stages[4], whole;
  };
  // H100 80GB HBM3, docs/measurements.md, "Times". top_p at batch 8 is the sum of its two kernels.
  for (const Row &row :
       {Row{64, 32768, {221.8, 143.3, 72.7, 51.1}, 477.6}, Row{8, 32768, {37.4, 21.8, 18.8, 13.1}, 92.4},
        Row{1, 131072, {32.7, 13.0, 41.3, 12.6}, 97.8}}) {
    Problem problem = measuredProblem(row.batch, row.tokens);
    Prediction prediction = predict(problem, Schedule::grid());
    ASSERT_EQ(prediction.stages.size(), 4u);
    for (int i = 0; i < 4; ++i)
      expectNear(prediction.stages[i].time(), row.stages[i], kStageTolerance,
                 prediction.stages[i].stage.str() + " at batch " + std::to_string(row.batch));
    expectNear(prediction.time(), row.whole, kWholeTolerance, "whole at batch " + std::to_string(row.batch));
  }
}

TEST(CostModel, IsNearTheMeasuredDenseAttention) {
  // H100 80GB HBM3: what the rates were fitted to.
  constexpr double kTolerance = 0.02;
  const std::tuple<int64_t, int64_t, int64_t, double> rows[] = {
      {8, 32768, 4, 373.4},    {8, 32768, 8, 376.9},   {8, 32768, 12, 376.8},  {8, 32768, 16, 378.5},
      {8, 32768, 32, 388.2},   {64, 32768, 2, 2902.1}, {64, 32768, 8, 2916.8}, {64, 32768, 16, 2948.5},
      {64, 32768, 32, 2981.5}, {1, 131072, 32, 194.4}, {1, 32768, 32, 57.6},   {64, 8192, 2, 735.0}};
  for (auto [batch, tokens, splits, measured] : rows)
    expectNear(predictDense(measuredProblem(batch, tokens), splits).time(), measured, kTolerance,
               "batch " + std::to_string(batch) + ", " + std::to_string(splits) + " splits");
}

TEST(CostModel, ListsAreSharedWhereTheyAreFew) {
  auto pick = [](int64_t batch, int64_t tokens) { return pickDenseSplits(measuredProblem(batch, tokens)); };
  EXPECT_EQ(pick(64, 32768), 8);
  EXPECT_EQ(pick(8, 32768), 8);
  EXPECT_EQ(pick(1, 32768), 32);
  EXPECT_EQ(pick(1, 131072), 32);
  // 40 lists in 8 parts leave 56 blocks for a second wave.
  EXPECT_GT(pick(5, 32768), 8);
  // Short lists are one block's affair, where there are many.
  EXPECT_EQ(pick(64, 1024), 1);
  EXPECT_GT(pick(8, 1024), 1);
  for (int64_t batch : {1, 2, 3, 7, 64, 256})
    for (int64_t tokens : {1, 300, 5000, 32768, 1 << 20}) {
      Problem problem = measuredProblem(batch, tokens);
      int64_t picked = pickDenseSplits(problem);
      EXPECT_EQ(listDenseSplits(problem).front(), tokens > 4096 ? 8 : tokens > 1024 ? 4 : 1) << tokens;
      EXPECT_LE(listDenseSplits(problem).back(), 32);
      for (int64_t other : listDenseSplits(problem)) {
        double limit = 1.03 * predictDense(problem, other).time();
        EXPECT_LE(predictDense(problem, picked).time(), limit) << batch << " x " << tokens << ", " << other;
      }
    }
}

TEST(CostModel, NamesTheLimiter) {
  auto limiters = [](const Problem &problem, const Schedule &schedule) {
    std::vector<Limiter> found;
    for (const StageCost &cost : predict(problem, schedule).stages)
      found.push_back(cost.limiter());
    return found;
  };
  using Limiters = std::vector<Limiter>;
  EXPECT_EQ(limiters(measuredProblem(64, 32768), Schedule::grid()),
            (Limiters{Limiter::Memory, Limiter::Memory, Limiter::OnChip, Limiter::Memory}));
  EXPECT_EQ(limiters(measuredProblem(1, 4096), Schedule::grid()),
            (Limiters{Limiter::Latency, Limiter::Latency, Limiter::Latency, Limiter::Latency}));
  // Eight blocks cannot ask for the bandwidth of 132 multiprocessors.
  EXPECT_EQ(limiters(measuredProblem(1, 32768), Schedule::block())[0], Limiter::Occupancy);
  EXPECT_EQ(getName(Limiter::Occupancy), "occupancy");
}

TEST(CostModel, CountsTheBytesOfTheTable) {
  Problem problem = measuredProblem(64, 32768);
  // docs/measurements.md, "MB it must read"; gather_attend by the assumed 1%, where 1.01% were kept.
  EXPECT_NEAR(problem.selectBytes() / 1e6, 536.9, 0.05);
  EXPECT_NEAR(problem.scoreBytes() / 1e6, 285.2, 0.05);
  EXPECT_NEAR(problem.attendBytes() / 1e6, 86.0, 0.05);
  EXPECT_NEAR(problem.denseBytes() / 1e6, 8589.9, 0.05);
  for (const Schedule &schedule : {Schedule::grid(), Schedule::block(), Schedule::block(1, 8, 8)}) {
    double bytes = 0;
    for (const StageCost &cost : predict(problem, schedule).stages)
      bytes += cost.bytes;
    EXPECT_NEAR(bytes, problem.mustReadBytes(), 1) << schedule.text();
  }
}

TEST(CostModel, NoScheduleBeatsTheBytes) {
  for (int64_t batch : {1, 8, 64, 256})
    for (int64_t tokens : {1024, 8192, 32768}) {
      Problem problem = measuredProblem(batch, tokens);
      for (const Schedule &schedule : {Schedule::grid(), Schedule::block(1, 8), Schedule::block(2), Schedule::block(8),
                                       Schedule::block(1, 8, 8), Schedule::block(1, 12, 4)}) {
        Prediction prediction = predict(problem, schedule);
        EXPECT_GT(prediction.time(), predictLimit(problem)) << schedule.text() << ", batch " << batch;
        EXPECT_GE(prediction.overlapped, 0) << schedule.text();
      }
    }
}

TEST(CostModel, RoundsAreWhole) {
  // 132 multiprocessors with one block each: one item more is one more round.
  Problem full = measuredProblem(33, 32768), more = full;
  full.kvHeads = 4;
  more.kvHeads = 7;
  more.batch = 19; // 133 items
  EXPECT_EQ(predict(full, Schedule::block()).rounds, 1);
  Prediction two = predict(more, Schedule::block());
  EXPECT_EQ(two.rounds, 2);
  EXPECT_GT(two.time(), 1.2 * predict(full, Schedule::block()).time());
  // Clusters take whole blocks: 33 of four.
  EXPECT_EQ(predict(full, Schedule::block(4)).rounds, 4);
  EXPECT_EQ(predict(full, Schedule::spreadBlocks(4)).rounds, 4);
}

TEST(CostModel, ScoringAheadHidesSelect) {
  Problem problem = measuredProblem(64, 32768);
  Prediction after = predict(problem, Schedule::block(1, 8)), ahead = predict(problem, Schedule::block(1, 8, 8));
  EXPECT_EQ(after.overlapped, 0);
  EXPECT_GT(ahead.overlapped, 39);
  EXPECT_LT(ahead.time(), after.time());
  // With one item for each block there is no next one.
  EXPECT_NEAR(predict(measuredProblem(8, 32768), Schedule::block(1, 8, 8)).overlapped, 0, 1e-9);
}

TEST(CostModel, FewerBytesTakeLess) {
  Problem paper = measuredProblem(64, 32768), small = paper;
  small.summaryBytes = 256;
  EXPECT_LT(predict(small, Schedule::grid()).time(), predict(paper, Schedule::grid()).time() - 80);
  // Half of the logits fits what the L2 keeps but for a part: fewer are written, and the same codes are read.
  Problem half = paper;
  half.logitBytes = 2;
  StageCost wide = predict(paper, Schedule::grid()).stages[1], narrow = predict(half, Schedule::grid()).stages[1];
  EXPECT_EQ(narrow.bytes, wide.bytes);
  EXPECT_LT(narrow.time(), wide.time() - 5);
  small.codeBits = 2;
  small.pageSize = 32;
  small.candidatePages = small.pages() / 4;
  EXPECT_LT(predict(small, Schedule::grid()).time(), 0.6 * predict(paper, Schedule::grid()).time());
  // A faster memory helps what memory limits, and only that.
  Problem b200 = measuredProblem(64, 32768, "sm_100a");
  Prediction there = predict(b200, Schedule::grid()), here = predict(paper, Schedule::grid());
  EXPECT_LT(there.stages[0].time(), 0.6 * here.stages[0].time());
  EXPECT_GT(there.stages[2].time(), 0.8 * here.stages[2].time());
}

TEST(CostModel, SelectorsWithoutSummariesReadNone) {
  Problem problem = measuredProblem(8, 4096);
  problem.summaryBytes = 0;
  problem.candidatePages = problem.pages();
  StageCost select = predict(problem, Schedule::grid()).stages[0];
  EXPECT_EQ(select.bytes, 0);
  EXPECT_EQ(select.memory + select.occupancy + select.onChip, 0);
}
