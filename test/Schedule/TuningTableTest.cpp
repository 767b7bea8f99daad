// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Tuning tables: what is read, what is refused with which words, and which row is found.

#include "Problems.h"

#include "twilight/Schedule/TuningTable.h"

#include "mlir/IR/MLIRContext.h"

#include "gtest/gtest.h"

using namespace twilight;
using twilight::test::measuredProblem;

namespace {

/// A row with one field replaced (or dropped, where the value is empty).
std::string row(const std::string &field = "", const std::string &value = "") {
  const std::pair<const char *, const char *> fields[] = {
      {"chip", "\"sm_90a\""},
      {"batch", "64"},
      {"tokens", "32768"},
      {"kv_heads", "8"},
      {"group", "4"},
      {"head_dim", "128"},
      {"page_size", "16"},
      {"codes_bits", "4"},
      {"bounds", "\"bf16\""},
      {"schedule", "\"#twilight.schedule<block, warps = 8, select_warps = 8>\""},
      {"time_us", "310.5"},
      {"spread_us", "2"},
      {"device", "\"NVIDIA H100 80GB HBM3\""},
      {"driver", "\"580.159.04\""},
      {"date", "\"2026-11-24\""},
      {"commit", "\"8539d0bfaea0\""}};
  std::string text;
  for (auto [name, usual] : fields) {
    std::string now = field == name ? value : usual;
    if (!now.empty())
      text += (text.empty() ? "" : ", ") + ("\"" + std::string(name) + "\": ") + now;
  }
  return "{" + text + "}";
}

class TuningTableTest : public ::testing::Test {
protected:
  static std::string fileOf(const std::string &rows) {
    return "{\"twilight_tuning_table\": 1, \"rows\": " + rows + "}";
  }
  std::string errorOf(const std::string &rows) { return errorOfFile(fileOf(rows)); }
  std::string errorOfFile(const std::string &text) {
    auto table = TuningTable::parse(text, "rows.json", &context);
    return table ? "" : llvm::toString(table.takeError());
  }
  TuningTable parse(const std::string &rows) {
    auto table = TuningTable::parse(fileOf(rows), "rows.json", &context);
    EXPECT_TRUE(bool(table));
    return table ? *table : (llvm::consumeError(table.takeError()), TuningTable());
  }
  mlir::MLIRContext context;
};

} // namespace

TEST_F(TuningTableTest, ReadsARow) {
  TuningTable table = parse("[" + row() + "]");
  ASSERT_EQ(table.getRows().size(), 1u);
  const TuningRow &read = table.getRows()[0];
  EXPECT_EQ(read.chip, "sm_90a");
  EXPECT_EQ(read.tokens, 32768);
  EXPECT_EQ(read.schedule.text(), "block, cluster = 1, warps = 8, select_warps = 8");
  EXPECT_EQ(read.schedule.origin, ScheduleOrigin::Table);
  EXPECT_EQ(read.timeUs, 310.5);
  EXPECT_EQ(read.commit, "8539d0bfaea0");
  EXPECT_TRUE(parse("[]").getRows().empty());
}

TEST_F(TuningTableTest, SaysWhatIsWrong) {
  const std::string expected = "rows.json: expected a tuning table, {\"twilight_tuning_table\": 1, \"rows\": [...]}";
  EXPECT_EQ(errorOfFile("[]"), expected);
  EXPECT_EQ(errorOfFile("{\"rows\": []}"), expected);
  EXPECT_EQ(errorOfFile("{\"twilight_tuning_table\": 2, \"rows\": []}"), expected);
  EXPECT_EQ(errorOf("{}"), expected);
  EXPECT_EQ(errorOf("[").find("rows.json: ["), 0u);
  EXPECT_EQ(errorOf("[" + row() + ", 3]"), "rows.json: row 2: expected an object, found 3");
  EXPECT_EQ(errorOf("[" + row("batch", "") + "]"),
            "rows.json: row 1: expected 'batch' to be a positive integer, found nothing");
  EXPECT_EQ(errorOf("[" + row("tokens", "\"many\"") + "]"),
            "rows.json: row 1: expected 'tokens' to be a positive integer, found \"many\"");
  EXPECT_EQ(errorOf("[" + row("group", "0") + "]"),
            "rows.json: row 1: expected 'group' to be a positive integer, found 0");
  EXPECT_EQ(errorOf("[" + row("time_us", "0") + "]"),
            "rows.json: row 1: expected 'time_us' to be microseconds, more than 0, found 0");
  EXPECT_EQ(errorOf("[" + row("device", "\"\"") + "]"),
            "rows.json: row 1: expected 'device' to be a text that is not empty, found \"\"");
  EXPECT_EQ(errorOf("[" + row("chip", "\"sm_90\"") + "]"),
            "rows.json: row 1: expected 'chip' to be one of " + targetNames() + ", found \"sm_90\"");
  EXPECT_EQ(errorOf("[" + row("bounds", "\"bf16\", \"selector\": \"quest\"") + "]")
                .find("rows.json: row 1: unknown "
                      "field 'selector'; a row has "
                      "chip, batch, "),
            0u);
}

TEST_F(TuningTableTest, SchedulesAreTheDialects) {
  EXPECT_EQ(errorOf("[" + row("schedule", "\"#twilight.schedule<block, cluster = 3>\"") + "]"),
            "rows.json: row 1: '#twilight.schedule<block, cluster = 3>' is no schedule: expected an attribute such as "
            "#twilight.schedule<block, cluster = 2>; cluster must be 1, 2, 4, 8 or 16 thread blocks, found 3");
  EXPECT_EQ(errorOf("[" + row("schedule", "7") + "]"),
            "rows.json: row 1: expected 'schedule' to be the text of a schedule, found 7");
}

TEST_F(TuningTableTest, FindsTheExactRowThenTheNearest) {
  TuningTable table = parse("[" + row("batch", "16") + ", " + row() + ", " + row("batch", "128") + "]");
  const TuningRow *rows = table.getRows().data();
  EXPECT_EQ(table.lookup(measuredProblem(64, 32768)), rows + 1);
  EXPECT_EQ(table.lookup(measuredProblem(100, 32768)), rows + 2);
  EXPECT_EQ(table.lookup(measuredProblem(80, 20000)), rows + 1);
  // Beyond a factor of two in either size there is none.
  EXPECT_EQ(table.lookup(measuredProblem(7, 32768)), nullptr);
  EXPECT_EQ(table.lookup(measuredProblem(64, 16383)), nullptr);
  EXPECT_EQ(table.lookup(measuredProblem(64, 16384)), rows + 1);
  EXPECT_EQ(table.lookup(measuredProblem(0, 32768)), nullptr);
}

TEST_F(TuningTableTest, OneOfSeveralThatAreWithinReach) {
  auto sized = [](const char *batch, const char *tokens, const char *time) {
    std::string text = row("batch", batch);
    auto replace = [&](const std::string &from, const std::string &to) {
      text.replace(text.find(from), from.size(), to);
    };
    replace("\"tokens\": 32768", std::string("\"tokens\": ") + tokens);
    replace("310.5", time);
    return text;
  };
  // The sizes of docs/measurements.md, the short ones first and quickest.
  TuningTable table =
      parse("[" + sized("1", "32768", "30") + ", " + sized("1", "131072", "78") + ", " + sized("8", "32768", "65") +
            ", " + sized("64", "8192", "145") + ", " + sized("64", "32768", "450") + "]");
  const TuningRow *rows = table.getRows().data();
  for (const TuningRow &measured : table.getRows())
    EXPECT_EQ(table.lookup(measuredProblem(measured.batch, measured.tokens)), &measured);
  EXPECT_EQ(table.lookup(measuredProblem(64, 16383)), rows + 3);
  EXPECT_EQ(table.lookup(measuredProblem(64, 16385)), rows + 4);
  // As near to both: the larger one's schedule fits, the smaller one's need not.
  EXPECT_EQ(table.lookup(measuredProblem(64, 16384)), rows + 4);
  EXPECT_EQ(table.lookup(measuredProblem(1, 65536)), rows + 1);
  // By both sizes together: a factor of 1.5 and one of 1.25 are nearer than one of 2.
  TuningTable both = parse("[" + sized("96", "40960", "900") + ", " + sized("32", "32768", "200") + "]");
  EXPECT_EQ(both.lookup(measuredProblem(64, 32768)), both.getRows().data());
  // No size in between: nothing within a factor of two.
  EXPECT_EQ(table.lookup(measuredProblem(3, 32768)), nullptr);
  EXPECT_EQ(table.lookup(measuredProblem(24, 32768)), nullptr);
}

TEST_F(TuningTableTest, TheQuickestOfTheSameSize) {
  TuningTable table = parse("[" + row() + ", " + row("time_us", "290") + ", " + row("time_us", "300") + "]");
  EXPECT_EQ(table.lookup(measuredProblem(64, 32768)), &table.getRows()[1]);
}

TEST_F(TuningTableTest, AnotherPipelineIsAnotherProblem) {
  TuningTable table = parse("[" + row() + "]");
  auto changed = [](auto change) {
    Problem problem = measuredProblem(64, 32768);
    change(problem);
    return problem;
  };
  for (const Problem &problem :
       {changed([](Problem &p) { p.target = lookupTarget("sm_100a"); }), changed([](Problem &p) { p.kvHeads = 32; }),
        changed([](Problem &p) { p.group = 8; }), changed([](Problem &p) { p.headDim = 64; }),
        changed([](Problem &p) { p.pageSize = 32; }), changed([](Problem &p) { p.codeBits = 2; }),
        changed([](Problem &p) { p.bounds = "f8E5M2"; }), changed([](Problem &p) { p.keptPerHead = true; })})
    EXPECT_EQ(table.lookup(problem), nullptr);
}

TEST_F(TuningTableTest, TheBuiltInRowsAreReadable) {
  auto table = TuningTable::builtin(&context);
  ASSERT_TRUE(bool(table)) << llvm::toString(table.takeError());
}

TEST_F(TuningTableTest, AFileThatIsMissing) {
  auto table = TuningTable::load("no/such/rows.json", &context);
  ASSERT_FALSE(bool(table));
  EXPECT_EQ(llvm::toString(table.takeError()).find("cannot read the tuning table 'no/such/rows.json': "), 0u);
}
