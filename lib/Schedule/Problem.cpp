// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// What a fused pipeline asks of a chip.

#include "twilight/Schedule/Problem.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#include <cmath>

using namespace mlir;
using namespace twilight;

std::optional<PipelineOps> twilight::findPipeline(GatherAttendOp attend) {
  Block *block = attend->getBlock();
  auto keep = attend.getSelection().getDefiningOp<TopPOp>();
  auto score = keep ? keep.getScores().getDefiningOp<QuantizeScoreOp>() : QuantizeScoreOp();
  auto select = score ? score.getSelection().getDefiningOp<SelectOp>() : SelectOp();
  if (!select || keep->getBlock() != block || score->getBlock() != block || select->getBlock() != block)
    return std::nullopt;
  return PipelineOps{select, score, keep, attend};
}

std::optional<PipelineOps> twilight::findPipeline(Block &block) {
  auto attends = block.getOps<GatherAttendOp>();
  if (attends.empty() || !llvm::hasSingleElement(attends))
    return std::nullopt;
  return findPipeline(*attends.begin());
}

int64_t Problem::keptTokens() const {
  return std::min(candidateSlots(), std::max<int64_t>(kAssumedKeptTokens, std::llround(keptFraction * tokens)));
}

double Problem::selectBytes() const { return double(batch) * kvHeads * pages() * summaryBytes; }

double Problem::scoreBytes() const {
  constexpr int64_t kScaleAndZeroBytes = 2 + 2;
  const int64_t lowPlane = codeBytesPerPage() / 2; // which coarse pages leave out
  return double(candidateLists()) *
         (candidatePages * (codeBytesPerPage() + pageSize * kScaleAndZeroBytes) - coarsePages * lowPlane);
}

double Problem::attendBytes() const { return double(keptLists()) * keptTokens() * 2 * headDim * kvElementBytes; }

double Problem::denseBytes() const { return double(batch) * kvHeads * tokens * 2 * headDim * kvElementBytes; }

int64_t twilight::evaluateBudget(BudgetAttrInterface budget, int64_t units, int64_t pageSize) {
  if (budget.keepsAll() || units <= 0)
    return units;
  // The budget writes code; here every value of it is known.
  MLIRContext *context = budget.getContext();
  context->loadDialect<arith::ArithDialect>();
  Block block;
  OpBuilder builder(context);
  builder.setInsertionPointToEnd(&block);
  Location loc = UnknownLoc::get(context);
  Value size = arith::ConstantIndexOp::create(builder, loc, units);
  Value count = budget.buildCount(builder, loc, size, pageSize);
  DenseMap<Value, Attribute> known;
  for (Operation &op : block) {
    SmallVector<Attribute> operands;
    for (Value operand : op.getOperands())
      operands.push_back(known.lookup(operand));
    SmallVector<OpFoldResult> results;
    // An op that only reorders its operands says so without a result; the second time it has one.
    for (int attempt = 0; attempt < 2 && results.empty(); ++attempt)
      if (failed(op.fold(operands, results)))
        break;
    for (auto [result, folded] : llvm::zip(op.getResults(), results))
      known[result] = isa<Attribute>(folded) ? cast<Attribute>(folded) : known.lookup(cast<Value>(folded));
  }
  auto constant = dyn_cast_or_null<IntegerAttr>(known.lookup(count));
  return constant ? std::clamp<int64_t>(constant.getInt(), 1, units) : units;
}

/// Pages that select keeps at this length.
static int64_t countCandidatePages(SelectOp select, int64_t pages, int64_t pageSize) {
  auto pagesOf = [&](int64_t tokens) { return (tokens + pageSize - 1) / pageSize; };
  if (select.getSelector().getUnitRule() != UnitRule::Floors)
    return evaluateBudget(select.getBudget(), pages, pageSize);
  // The recent tokens begin anywhere in a page.
  int64_t recent = select.getRecent() > 0 ? pagesOf(select.getRecent() - 1) + 1 : 0;
  return std::min(pages, pagesOf(select.getSink()) + recent);
}

/// What any attention has: its sizes, and the keys and values of its cache.
static Problem describeAttention(Value q, CacheType cache, const TargetInfo &target, SizeHints hints) {
  auto queries = cast<ShapedType>(q.getType());
  HeadCounts heads = getHeadCounts(q, cache);
  Problem problem;
  problem.target = &target;
  problem.batch = queries.isDynamicDim(0) ? hints.batch : queries.getDimSize(0);
  problem.tokens = hints.tokens;
  problem.kvHeads = heads.kv;
  problem.group = heads.group;
  problem.headDim = cache.getHeadDim();
  problem.pageSize = cache.getPageSize();
  problem.kvElementBytes = cache.getElementType().getIntOrFloatBitWidth() / 8;
  return problem;
}

Problem twilight::describeProblem(AttendOp op, const TargetInfo &target, SizeHints hints) {
  return describeAttention(op.getQ(), op.getCache().getType(), target, hints);
}

Problem twilight::describeProblem(const PipelineOps &ops, const TargetInfo &target, SizeHints hints) {
  SelectOp select = ops.select;
  CacheType cache = select.getCache().getType();
  Problem problem = describeAttention(select.getQ(), cache, target, hints);
  problem.codeBits = cache.getCodes().getBits();
  problem.blockedCodes = cache.getCodes().getBlocked();
  if (select.getSelector().getUnitRule() == UnitRule::Scored) {
    SummaryAttrInterface summary = cache.getSummaryInterface();
    llvm::raw_string_ostream(problem.bounds = "") << summary.getElementType();
    problem.summaryBytes = cache.getSummaryBytes();
  }
  problem.candidatePages = countCandidatePages(select, problem.pages(), problem.pageSize);
  QuantizeScoreOp score = ops.score;
  problem.logitBytes = score.getScores().getType().getElementType().getIntOrFloatBitWidth() / 8;
  if (auto fine = score.getFine() ? score.getFine().getDefiningOp<SelectOp>() : SelectOp()) {
    // Of one ranking, the fewer pages are among the more.
    int64_t finePages = countCandidatePages(fine, problem.pages(), problem.pageSize);
    problem.coarsePages = std::max<int64_t>(0, problem.candidatePages - finePages);
  }
  problem.candidatesPerHead = select.getSelection().getType().getLists() == Lists::QueryHead;
  TopPOp keep = ops.keep;
  problem.floors = select.getSink() + select.getRecent() + keep.getSink() + keep.getRecent() > 0;
  problem.keptLimits = keep.getMinTokens() > 0 || keep.getMaxTokens() > 0;
  problem.keptPerHead = keep.getSelection().getType().getLists() == Lists::QueryHead;
  if (problem.candidatesPerHead || problem.keptPerHead)
    problem.onlyGrid = "a block shares one list between the query heads of a kv head, found lists for each query head: "
                       "use the shape grid, or group(max) in select and group(union) in top_p";
  else if (score.getFine())
    problem.onlyGrid =
        "a block scores every candidate from all bits, found 'fine' pages of twilight.quantize_score: use "
        "the shape grid, or drop 'fine'";
  else if (problem.summaryBytes == 0)
    problem.onlyGrid = "a block ranks pages by their summaries, which this selector does not read: use the shape grid";
  return problem;
}

std::optional<Problem> twilight::describeProblem(FusedOp op, const TargetInfo &target, SizeHints hints) {
  Block &body = op.getBody().front();
  std::optional<PipelineOps> ops = findPipeline(body);
  if (!ops)
    return std::nullopt;
  Problem problem = describeProblem(*ops, target, hints);
  problem.denseBelow = op.getDenseBelow().value_or(0);
  unsigned counts = 0;
  Operation *fine = ops->score.getFine() ? ops->score.getFine().getDefiningOp() : nullptr; // onlyGrid names it
  for (Operation &inside : body.without_terminator()) {
    auto count = dyn_cast<CountOp>(inside);
    bool isOfCandidates = count && count.getSelection() == ops->select.getSelection() && counts++ == 0;
    if (!isOfCandidates && !isa<arith::ConstantOp>(inside) &&
        !llvm::is_contained<Operation *>({ops->select, ops->score, ops->keep, ops->attend, fine}, &inside))
      problem.onlyGrid = ("a block has no place for '" + inside.getName().getStringRef() +
                          "' beside one each of select, quantize_score, top_p, gather_attend and a count of the "
                          "candidates: use the shape grid")
                             .str();
  }
  return problem;
}
