// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "../../lib/Runtime/Expression.h"
#include "../../lib/Runtime/Chip.h"

#include <gtest/gtest.h>
#include <limits>
#include <nlohmann/json.hpp>

using namespace twilight::runtime;

namespace {

class ExpressionTest : public ::testing::Test {
protected:
  void SetUp() override {
    int b = symbols.add("B");
    values.bound[b] = true;
    values.value[b] = 10;
    symbols.add("free");
  }

  Expression::Outcome outcome(const char *json, int64_t &result) {
    return Expression::parse(nlohmann::json::parse(json), symbols).evaluate(values, result);
  }
  int64_t value(const char *json) {
    int64_t result = -12345;
    EXPECT_EQ(outcome(json, result), Expression::Outcome::Ok) << json;
    return result;
  }
  std::string problem(const std::string &json) {
    try {
      Expression::parse(nlohmann::json::parse(json), symbols);
    } catch (const std::string &found) {
      return found;
    }
    return "";
  }

  SymbolTable symbols;
  SymbolValues values;
};

TEST_F(ExpressionTest, Values) {
  EXPECT_EQ(value("7"), 7);
  EXPECT_EQ(value("\"B\""), 10);
  EXPECT_EQ(value(R"(["+", "B", 1])"), 11);
  EXPECT_EQ(value(R"(["-", 1, "B"])"), -9);
  EXPECT_EQ(value(R"(["*", ["+", "B", 2], ["-", "B", 7]])"), 36);
  EXPECT_EQ(value(R"(["min", "B", 3])"), 3);
  EXPECT_EQ(value(R"(["max", "B", 3])"), 10);
}

TEST_F(ExpressionTest, DivisionRoundsAsItsNameSays) {
  EXPECT_EQ(value(R"(["floordiv", "B", 4])"), 2);
  EXPECT_EQ(value(R"(["ceildiv", "B", 4])"), 3);
  EXPECT_EQ(value(R"(["floordiv", -10, 4])"), -3);
  EXPECT_EQ(value(R"(["ceildiv", -10, 4])"), -2);
  EXPECT_EQ(value(R"(["floordiv", 10, -4])"), -3);
  EXPECT_EQ(value(R"(["ceildiv", -10, -4])"), 3);
  EXPECT_EQ(value(R"(["floordiv", -8, 4])"), -2);
  EXPECT_EQ(value(R"(["ceildiv", 8, 4])"), 2);
}

TEST_F(ExpressionTest, FailuresOfEvaluation) {
  int64_t ignored;
  EXPECT_EQ(outcome(R"(["+", 9223372036854775807, 1])", ignored), Expression::Outcome::Overflow);
  EXPECT_EQ(outcome(R"(["-", -9223372036854775807, 2])", ignored), Expression::Outcome::Overflow);
  EXPECT_EQ(outcome(R"(["*", 4611686018427387904, "B"])", ignored), Expression::Outcome::Overflow);
  EXPECT_EQ(outcome(R"(["floordiv", -9223372036854775808, -1])", ignored), Expression::Outcome::Overflow);
  EXPECT_EQ(outcome(R"(["floordiv", "B", 0])", ignored), Expression::Outcome::DivisionByZero);
  EXPECT_EQ(outcome(R"(["ceildiv", "B", ["-", "B", 10]])", ignored), Expression::Outcome::DivisionByZero);
  EXPECT_EQ(outcome(R"("free")", ignored), Expression::Outcome::Unbound);
}

TEST_F(ExpressionTest, FailuresOfParsing) {
  EXPECT_NE(problem("\"N\"").find("\"N\", which is in no argument's shape"), std::string::npos);
  EXPECT_NE(problem("[\"mod\", 1, 2]").find("the operator \"mod\""), std::string::npos);
  EXPECT_NE(problem("[\"constant\", 1, 2]").find("the operator"), std::string::npos);
  EXPECT_NE(problem("18446744073709551615").find("does not fit 64 bits"), std::string::npos);
  for (const char *json : {"1.5", "null", "true", "{}", "[]", "[1, 2, 3]", "[\"+\", 1]", "[\"+\", 1, 2, 3]"})
    EXPECT_NE(problem(json), "") << json;
}

TEST_F(ExpressionTest, HugeExpressionsAreRefused) {
  std::string deep = "1", wide = "1";
  for (int i = 0; i < 300; ++i)
    deep.insert(0, "[\"+\", 1, ").append("]");
  EXPECT_NE(problem(deep), "");
  for (int i = 0; i < 11; ++i)
    wide = std::string("[\"+\", ").append(wide).append(", ").append(wide).append("]");
  EXPECT_NE(problem(wide), "");
}

TEST_F(ExpressionTest, Text) {
  Expression expression = Expression::parse(nlohmann::json::parse(R"(["*", "B", ["min", "free", 8]])"), symbols);
  EXPECT_EQ(expression.str(symbols), R"(["*", B, ["min", free, 8]])");
  EXPECT_EQ(expression.valuesText(symbols, values), "B = 10, free unknown");
}

TEST(Chip, RunsOn) {
  EXPECT_TRUE(parseChip("sm_80")->runsOn(8, 0));
  EXPECT_TRUE(parseChip("sm_80")->runsOn(9, 0));
  EXPECT_FALSE(parseChip("sm_86")->runsOn(8, 0));
  EXPECT_TRUE(parseChip("sm_90a")->runsOn(9, 0));
  EXPECT_FALSE(parseChip("sm_90a")->runsOn(10, 0));
  EXPECT_TRUE(parseChip("sm_100a")->runsOn(10, 0));
  EXPECT_FALSE(parseChip("sm_100a")->runsOn(10, 3));
  EXPECT_TRUE(parseChip("sm_100f")->runsOn(10, 3));
  EXPECT_FALSE(parseChip("sm_100f")->runsOn(12, 0));
  for (const char *name : {"", "sm_", "sm_9", "sm_9000", "sm_9x", "gfx90a", "sm_90b"})
    EXPECT_FALSE(parseChip(name)) << name;
}

TEST(Chip, PtxVersions) {
  EXPECT_EQ(requiredDriverVersion({8, 0}), 12000);
  EXPECT_EQ(requiredDriverVersion({8, 3}), 12030);
  EXPECT_EQ(requiredDriverVersion({8, 6}), 12070);
  EXPECT_EQ(requiredDriverVersion({8, 7}), 12080);
  EXPECT_EQ(requiredDriverVersion({8, 8}), 12090);
  EXPECT_EQ(requiredDriverVersion({9, 0}), 13000);
  EXPECT_EQ(requiredDriverVersion({7, 8}), 11080);
  EXPECT_EQ(requiredDriverVersion({42, 0}), 0);
  EXPECT_EQ(driverVersionText(12040), "12.4");
  for (const char *text : {"", "8", "8.", ".0", "8.0.1", "a.b", "800.0"})
    EXPECT_FALSE(parsePtxVersion(text)) << text;
}

} // namespace
