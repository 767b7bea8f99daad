// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Choices for people and for programs.

#include "Problems.h"

#include "twilight/Schedule/Explain.h"

#include "gtest/gtest.h"

using namespace twilight;
using twilight::test::measuredProblem;

static std::string textOf(const Choice &choice) {
  std::string text;
  llvm::raw_string_ostream out(text);
  explain(out, "decode", choice);
  return text;
}

TEST(Explain, BlocksSayWhatTheyHold) {
  std::string text = textOf(choose(measuredProblem(64, 32768), Schedule::block(1, 8, 8), {}));
  EXPECT_EQ(text.find("decode on sm_90a: batch 64, 32768 cached tokens, 8 kv heads of 4 query heads, head_dim 128\n"),
            0u);
  for (const char *part : {"\n  schedule: block, cluster = 1, warps = 8, select_warps = 8, origin = default\n",
                           "\n  because: written on the op\n", " of 232448 bytes a thread block; 4 rounds\n",
                           "\n  side by side ", "the limit of any schedule\n"})
    EXPECT_NE(text.find(part), std::string::npos) << part << "in\n" << text;
  EXPECT_EQ(text.find("passed over"), std::string::npos);
}

TEST(Explain, WhatCannotRunHasNoPrediction) {
  std::string text = textOf(choose(measuredProblem(64, 65536), Schedule::block(), {}));
  EXPECT_NE(text.find("\n  cannot run: for 65536 tokens a thread block needs "), std::string::npos) << text;
  EXPECT_EQ(text.find("predicted"), std::string::npos);
}

TEST(Explain, DenseAttentionHasSplits) {
  DenseChoice choice;
  choice.problem = measuredProblem(8, 32768);
  choice.splits = 8;
  choice.origin = ScheduleOrigin::Model;
  choice.why = "of a reason";
  choice.prediction = predictDense(choice.problem, 8);
  choice.rejected.emplace_back(16, predictDense(choice.problem, 16));
  std::string text;
  llvm::raw_string_ostream out(text);
  explain(out, choice);
  for (const char *part :
       {"  twilight.attend on sm_90a: batch 8, 32768 cached tokens, 8 kv heads of 4 query heads, head_dim 128\n",
        "\n  splits: 8, origin = model\n  because: of a reason\n", "\n  attend  ", "\n  passed over:\n    splits: 16 "})
    EXPECT_NE(text.find(part), std::string::npos) << part << "in\n" << text;
  llvm::json::Object json = explainAsJson(choice);
  EXPECT_EQ(json.getInteger("splits"), 8);
  EXPECT_EQ(json.getString("origin"), llvm::StringRef("model"));
  EXPECT_NEAR(*json.getObject("stage")->getNumber("predicted_us"), choice.prediction->time(), 0.01);
  EXPECT_EQ((*json.getArray("passed_over"))[0].getAsObject()->getInteger("splits"), 16);
}

TEST(Explain, JsonHasTheSame) {
  Choice choice = choose(measuredProblem(64, 32768), std::nullopt, {});
  llvm::json::Object json = explainAsJson("decode", choice);
  EXPECT_EQ(json.getString("origin"), llvm::StringRef("model"));
  EXPECT_EQ(json.getString("because"), llvm::StringRef(choice.why));
  EXPECT_EQ(json.getObject("problem")->getInteger("tokens"), 32768);
  EXPECT_EQ(json.getArray("stages")->size(), 4u);
  EXPECT_EQ(json.getArray("passed_over")->size(), choice.rejected.size());
  EXPECT_EQ(json.getInteger("shared_bytes"), choice.prediction->sharedBytes);
  EXPECT_NEAR(*json.getNumber("predicted_us"), choice.prediction->time(), 0.01);
  llvm::json::Object open = explainAsJson("decode", choose(measuredProblem(0, 0), std::nullopt, {}));
  EXPECT_EQ(open.get("stages"), nullptr);
  EXPECT_EQ(open.getString("schedule"),
            llvm::StringRef("#twilight.schedule<grid, gather_splits = 8, dense_splits = 32, origin = default>"));
}
