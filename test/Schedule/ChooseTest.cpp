// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Who chooses: the user, then the first table that knows, then the model, then nobody.

#include "Problems.h"

#include "twilight/Schedule/Choose.h"
#include "twilight/Schedule/Constraints.h"

#include "gtest/gtest.h"

using namespace twilight;
using twilight::test::measuredProblem;

static TuningTable tableOf(const Schedule &schedule, int64_t batch, int64_t tokens, double time = 300) {
  return TuningTable(
      {TuningRow{"sm_90a", "bf16", batch, tokens, 8, 4, 128, 16, 4, schedule.withOrigin(ScheduleOrigin::Table), time, 1,
                 "H100", "580", "2026-11-24", "abc"}});
}

TEST(Choose, TheUserComesFirst) {
  Schedule mine = Schedule::block(2).withOrigin(ScheduleOrigin::User);
  Choice choice = choose(measuredProblem(64, 32768), mine, {tableOf(Schedule::grid(), 64, 32768)});
  EXPECT_TRUE(choice.schedule.runsLike(mine));
  EXPECT_EQ(choice.schedule.origin, ScheduleOrigin::User);
  EXPECT_EQ(choice.why, "written on the op");
  EXPECT_EQ(choice.violation, "");
  EXPECT_TRUE(choice.prediction.has_value());
}

TEST(Choose, TheUserIsTold) {
  Choice choice = choose(measuredProblem(1, 131072), Schedule::block(), {});
  EXPECT_NE(choice.violation.find("raise cluster to 4"), std::string::npos) << choice.violation;
  EXPECT_FALSE(choice.prediction.has_value());
}

TEST(Choose, ThenTheFirstTableThatKnows) {
  TuningTable here = tableOf(Schedule::block(4), 64, 32768), builtin = tableOf(Schedule::grid(), 64, 32768, 100);
  Choice choice = choose(measuredProblem(64, 32768), std::nullopt, {here, builtin});
  EXPECT_EQ(choice.schedule.text(), Schedule::block(4).text());
  EXPECT_EQ(choice.schedule.origin, ScheduleOrigin::Table);
  EXPECT_EQ(choice.why, "measured 300.0 us at batch 64, 32768 tokens on H100 (driver 580, 2026-11-24, commit abc)");
  EXPECT_EQ(choose(measuredProblem(64, 32768), std::nullopt, {TuningTable(), builtin}).schedule.shape,
            ScheduleShape::Grid);
}

TEST(Choose, ARowThatDoesNotFitIsPassedOver) {
  // Measured at a length where it fits; here it does not.
  Choice choice = choose(measuredProblem(64, 65536), std::nullopt, {tableOf(Schedule::block(1, 8, 8), 64, 32768)});
  EXPECT_EQ(choice.schedule.origin, ScheduleOrigin::Model);
  ASSERT_FALSE(choice.rejected.empty());
  EXPECT_NE(choice.rejected[0].why.find("measured 300.0 us"), std::string::npos);
  EXPECT_NE(choice.rejected[0].why.find("but for 65536 tokens a thread block needs"), std::string::npos);
}

TEST(Choose, ThenTheModel) {
  for (const char *chip : {"sm_80", "sm_86", "sm_90a", "sm_100a", "sm_120a"})
    for (int64_t batch : {1, 8, 64})
      for (int64_t tokens : {1024, 8192, 32768, 131072, 1048576}) {
        Problem problem = measuredProblem(batch, tokens, chip);
        Choice choice = choose(problem, std::nullopt, {});
        EXPECT_EQ(choice.schedule.origin, ScheduleOrigin::Model);
        EXPECT_EQ(findViolation(problem, choice.schedule), "");
        EXPECT_EQ(choice.rejected.size() + 1, listCandidates(problem).size());
        // Nothing that was passed over is much better.
        for (const Rejected &other : choice.rejected)
          if (findViolation(problem, other.schedule).empty()) {
            EXPECT_LE(choice.prediction->time(), kWorthwhile * predict(problem, other.schedule).time());
          }
      }
}

TEST(Choose, SimplerUnlessItIsWorthIt) {
  // 16 and 32 splits change nothing where a list is shorter than 8 blocks' worth.
  Problem problem = measuredProblem(64, 8192, "sm_80");
  problem.onlyGrid = "one kernel cannot hold it";
  EXPECT_EQ(choose(problem, std::nullopt, {}).schedule.text(), Schedule::grid().text());
}

TEST(Choose, OtherwiseTheDefault) {
  for (auto [batch, tokens, why] :
       {std::tuple<int64_t, int64_t, const char *>{0, 0, "batch and cached tokens are not known"},
        {8, 0, "the number of cached tokens is not known"},
        {0, 8192, "the batch is not known"}}) {
    Choice choice = choose(measuredProblem(batch, tokens), std::nullopt, {tableOf(Schedule::block(), 8, 8192)});
    EXPECT_EQ(choice.schedule.text(), Schedule::grid().text());
    EXPECT_EQ(choice.schedule.origin, ScheduleOrigin::Default);
    EXPECT_EQ(choice.why, why);
    EXPECT_FALSE(choice.prediction.has_value());
  }
}
