// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Problems from IR.

#include "twilight/Schedule/Problem.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Parser/Parser.h"

#include "gtest/gtest.h"

#include <regex>

using namespace mlir;
using namespace twilight;

namespace {

struct FromText {
  explicit FromText(const std::string &body, const std::string &batch = "?", const std::string &format = "bf16, hnd",
                    const std::string &summary = "#twilight.min_max<bf16>",
                    const std::string &codes = "<bits = 4, planes>") {
    context.allowUnregisteredDialects();
    context.loadDialect<TwilightDialect, func::FuncDialect, arith::ArithDialect>();
    std::string cache = "!twilight.cache<kv_heads = 8, head_dim = 128, page_size = 16, " + format +
                        ", codes = " + codes + ", summary = " + summary + ">";
    std::string element = format.substr(0, format.find(','));
    std::string text = "!q = tensor<" + batch + "x32x128x" + element + ">\n!c = " + cache +
                       "\nfunc.func @f(%q: !q, %c: !c, %p: f32) {\n" + body + "return\n}";
    module = parseSourceString<ModuleOp>(text, &context);
  }
  std::optional<PipelineOps> find() {
    return module ? findPipeline((*module->getOps<func::FuncOp>().begin()).getBody().front()) : std::nullopt;
  }
  Problem describe(SizeHints hints) {
    std::optional<PipelineOps> ops = find();
    EXPECT_TRUE(ops.has_value());
    return ops ? describeProblem(*ops, *lookupTarget("sm_90a"), hints) : Problem();
  }
  MLIRContext context;
  OwningOpRef<ModuleOp> module;
};

std::string pipeline(const std::string &select, const std::string &keep = "", const std::string &lists = "",
                     const std::string &keptLists = "") {
  std::string pages = "!twilight.selection<page" + lists + ">", tokens = "!twilight.selection<token" + keptLists + ">";
  std::string scores = lists.empty() ? "!twilight.scores" : "!twilight.scores<query_head>";
  return "%a = twilight.select %q, %c " + select + " : !q, !c -> " + pages +
         "\n%b = twilight.quantize_score %q, %c, %a : !q, !c, " + pages + " -> " + scores +
         "\n%d = twilight.top_p %b, %p " + keep + " : " + scores + ", f32 -> " + tokens +
         "\n%e = twilight.gather_attend %q, %c, %d : !q, !c, " + tokens + " -> !q\n";
}

constexpr const char *kQuest = "selector(#twilight.quest) budget(#twilight.fraction<0.25>)";

} // namespace

TEST(Problem, ReadsTheOps) {
  Problem problem = FromText(pipeline(kQuest)).describe({8, 32768});
  EXPECT_EQ(problem.batch, 8);
  EXPECT_EQ(problem.tokens, 32768);
  EXPECT_EQ(problem.kvHeads, 8);
  EXPECT_EQ(problem.group, 4);
  EXPECT_EQ(problem.headDim, 128);
  EXPECT_EQ(problem.pageSize, 16);
  EXPECT_EQ(problem.kvElementBytes, 2);
  EXPECT_EQ(problem.bounds, "bf16");
  EXPECT_EQ(problem.summaryBytes, 2 * 128 * 2);
  EXPECT_EQ(problem.codeBits, 4);
  EXPECT_EQ(problem.logitBytes, 4);
  EXPECT_EQ(problem.candidatePages, 512);
  EXPECT_FALSE(problem.candidatesPerHead || problem.keptPerHead);
  EXPECT_EQ(problem.keptTokens(), 328);
  EXPECT_FALSE(problem.floors);
  EXPECT_FALSE(problem.blockedCodes);
}

TEST(Problem, ShortSequencesKeepMoreOfTheirTokens) {
  EXPECT_EQ(FromText(pipeline(kQuest)).describe({8, 8192}).keptTokens(), 200);
  EXPECT_EQ(FromText(pipeline(kQuest)).describe({8, 512}).keptTokens(), 128); // all candidates
}

TEST(Problem, FloorsOfEitherOp) {
  EXPECT_TRUE(FromText(pipeline(std::string(kQuest) + " {sink = 4 : i64}")).describe({8, 8192}).floors);
  EXPECT_TRUE(FromText(pipeline(kQuest, "{recent = 16 : i64}")).describe({8, 8192}).floors);
}

TEST(Problem, FormatsAreOfTheCache) {
  Problem problem = FromText(pipeline(kQuest), "?", "f32, nhd", "#twilight.min_max<f8E5M2>").describe({8, 32768});
  EXPECT_EQ(problem.kvElementBytes, 4);
  EXPECT_EQ(problem.bounds, "f8E5M2");
  EXPECT_EQ(problem.summaryBytes, 256);
  FromText blocked(pipeline(kQuest), "?", "bf16, hnd", "#twilight.min_max<bf16>", "<bits = 2, blocked>");
  EXPECT_TRUE(blocked.describe({8, 32768}).blockedCodes);
}

TEST(Problem, ScoresMayHave16Bits) {
  std::string half = std::regex_replace(pipeline(kQuest), std::regex("!twilight.scores"), "!twilight.scores<f16>");
  EXPECT_EQ(FromText(half).describe({8, 32768}).logitBytes, 2);
}

TEST(Problem, AStaticBatchIsNoHint) {
  EXPECT_EQ(FromText(pipeline(kQuest), "3").describe({8, 32768}).batch, 3);
  EXPECT_EQ(FromText(pipeline(kQuest), "3").describe({}).batch, 3);
  EXPECT_FALSE(FromText(pipeline(kQuest), "3").describe({}).hasSizes());
}

TEST(Problem, BudgetsAreEvaluated) {
  MLIRContext context;
  context.loadDialect<TwilightDialect>();
  Builder builder(&context);
  auto fraction = [&](double f) { return FractionAttr::get(&context, builder.getF64FloatAttr(f)); };
  EXPECT_EQ(evaluateBudget(fraction(0.25), 2048, 16), 512);
  EXPECT_EQ(evaluateBudget(fraction(0.07), 101, 16), 8); // 7.07, rounded up
  EXPECT_EQ(evaluateBudget(fraction(0.000001), 5, 16), 1);
  EXPECT_EQ(evaluateBudget(TokensAttr::get(&context, 1000), 2048, 16), 63);
  EXPECT_EQ(evaluateBudget(TokensAttr::get(&context, 1000), 50, 16), 50);
  EXPECT_EQ(evaluateBudget(AllAttr::get(&context), 77, 16), 77);
}

TEST(Problem, UnrankedSelectorsReadNothing) {
  Problem all = FromText(pipeline("selector(#twilight.full) budget(#twilight.all)")).describe({1, 1600});
  EXPECT_EQ(all.bounds, "none");
  EXPECT_EQ(all.summaryBytes, 0);
  EXPECT_EQ(all.candidatePages, 100);
  EXPECT_NE(all.onlyGrid.find("this selector does not read: use the shape grid"), std::string::npos);
  std::string window = "selector(#twilight.window) budget(#twilight.all) {sink = 4 : i64, recent = 64 : i64}";
  // One page of sinks; 64 recent tokens lie on up to five pages.
  EXPECT_EQ(FromText(pipeline(window)).describe({1, 1600}).candidatePages, 6);
  EXPECT_EQ(FromText(pipeline(window)).describe({1, 48}).candidatePages, 3);
}

TEST(Problem, ListsOfQueryHeads) {
  const std::string heads = ", query_head";
  Problem shared = FromText(pipeline(kQuest)).describe({8, 32768});
  Problem kept = FromText(pipeline(kQuest, "group(per_head)", "", heads)).describe({8, 32768});
  EXPECT_TRUE(!kept.candidatesPerHead && kept.keptPerHead);
  EXPECT_EQ(kept.scoreBytes(), shared.scoreBytes());
  EXPECT_EQ(kept.attendBytes(), 4 * shared.attendBytes());
  std::string both = pipeline(std::string(kQuest) + " group(per_head)", "", heads, heads);
  Problem problem = FromText(both).describe({8, 32768});
  EXPECT_TRUE(problem.candidatesPerHead && problem.keptPerHead);
  EXPECT_EQ(shared.onlyGrid, "");
  for (const Problem &perHead : {kept, problem})
    EXPECT_NE(perHead.onlyGrid.find("found lists for each query head: use the shape grid"), std::string::npos);
  EXPECT_EQ(problem.scoreBytes(), 4 * shared.scoreBytes());
}

TEST(Problem, FinePagesAreForTheGrid) {
  std::string text = pipeline(kQuest);
  text.replace(text.find(", %a :"), 4, ", %a fine(%f : !twilight.selection<page>)");
  const std::string fine = "%f = twilight.select %q, %c selector(#twilight.quest) budget(#twilight.fraction<0.0625>) : "
                           "!q, !c -> !twilight.selection<page>\n";
  Problem problem = FromText(fine + text).describe({8, 32768});
  EXPECT_EQ(problem.candidatePages, 512);
  EXPECT_EQ(problem.coarsePages, 384);
  // Of 512 pages with 16 rows of 64 bytes and a scale and zero each, 384 are read without 32 of each row.
  EXPECT_EQ(problem.scoreBytes(), 64.0 * 16 * (512 * 68 - 384 * 32));
  EXPECT_NE(problem.onlyGrid.find("found 'fine' pages of twilight.quantize_score: use the shape grid"),
            std::string::npos);
}

TEST(Problem, OneChainOrNone) {
  EXPECT_FALSE(FromText("").find());
  EXPECT_TRUE(FromText(pipeline(kQuest)).find());
  const std::string again = "%f = twilight.gather_attend %q, %c, %d : !q, !c, !twilight.selection<token> -> !q\n";
  EXPECT_FALSE(FromText(pipeline(kQuest) + again).find());
  // Lists that come from elsewhere.
  const std::string foreign = "%i, %n = \"test.lists\"() : () -> (tensor<?x8x?xi32>, tensor<?x8xi32>)\n"
                              "%d = twilight.assemble_selection %i, %n : tensor<?x8x?xi32>, tensor<?x8xi32> -> "
                              "!twilight.selection<token>\n";
  EXPECT_FALSE(FromText(foreign + again).find());
  EXPECT_FALSE(FromText("%i = twilight.attend %q, %c : !q, !c -> !q\n").find());
}
