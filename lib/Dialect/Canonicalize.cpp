// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Canonical forms: what need not be chosen is not, and results nobody reads are not computed.

#include "twilight/Dialect/Twilight.h"

#include "mlir/IR/Matchers.h"
#include "mlir/IR/PatternMatch.h"

using namespace mlir;
using namespace twilight;

namespace {

/// The page selection that a top_p with p >= 1 keeps whole; null where the op may drop something. The pages mean the
/// same tokens in this cache only: after an append they hold more.
Value getWholeSelection(Value kept, Value cache) {
  auto topP = kept.getDefiningOp<TopPOp>();
  if (!topP || topP.getRule() != KeepRule::Mass || topP.getMaxTokens() != 0)
    return {};
  FloatAttr p;
  if (!matchPattern(topP.getP(), m_Constant(&p)) || p.getValueAsDouble() < 1.0)
    return {};
  auto score = topP.getScores().getDefiningOp<QuantizeScoreOp>();
  return score && score.getCache() == cache ? score.getSelection() : Value();
}

/// Whether a selection is every page of every sequence of a cache.
bool selectsEverything(Value selection, Value cache) {
  auto select = selection.getDefiningOp<SelectOp>();
  return select && select.getCache() == cache &&
         (select.getSelector().getUnitRule() == UnitRule::All ||
          (select.getSelector().getUnitRule() == UnitRule::Scored && select.getBudget().keepsAll()));
}

Lists getLists(Value selection) { return cast<SelectionType>(selection.getType()).getLists(); }

Type typeIf(Value value) { return value ? value.getType() : Type(); }

/// gather_attend over top_p with p >= 1 attends to the candidates themselves.
struct AttendToWholeSelection : OpRewritePattern<GatherAttendOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(GatherAttendOp op, PatternRewriter &rewriter) const override {
    Value pages = getWholeSelection(op.getSelection(), op.getCache());
    if (!pages)
      return rewriter.notifyMatchFailure(op, "the selection is not a top_p that keeps everything");
    if (op.getCounts() && getLists(pages) != getLists(op.getSelection()))
      return rewriter.notifyMatchFailure(op, "counts have another number of lists");
    rewriter.modifyOpInPlace(op, [&] { op.getSelectionMutable().assign(pages); });
    return success();
  }
};

/// count of a top_p with p >= 1 counts the candidates.
struct CountWholeSelection : OpRewritePattern<CountOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(CountOp op, PatternRewriter &rewriter) const override {
    Value pages = getWholeSelection(op.getSelection(), op.getCache());
    if (!pages || getLists(pages) != getLists(op.getSelection()))
      return failure();
    rewriter.modifyOpInPlace(op, [&] { op.getSelectionMutable().assign(pages); });
    return success();
  }
};

/// quantize_score whose fine pages are all candidates scores every one from all bits.
struct ScoreAllFine : OpRewritePattern<QuantizeScoreOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(QuantizeScoreOp op, PatternRewriter &rewriter) const override {
    Value fine = op.getFine();
    if (!fine || (fine != op.getSelection() && !selectsEverything(fine, op.getCache())))
      return failure();
    rewriter.modifyOpInPlace(op, [&] { op.getFineMutable().clear(); });
    return success();
  }
};

/// gather_attend over everything is dense attention.
struct GatherEverything : OpRewritePattern<GatherAttendOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(GatherAttendOp op, PatternRewriter &rewriter) const override {
    if (!selectsEverything(op.getSelection(), op.getCache()))
      return failure();
    if (op.getCounts() && getLists(op.getSelection()) != Lists::KvHead)
      return rewriter.notifyMatchFailure(op, "attend counts per kv head");
    auto attend = AttendOp::create(rewriter, op.getLoc(), op.getOut().getType(), typeIf(op.getLse()),
                                   typeIf(op.getCounts()), op.getQ(), op.getCache(), op.getSoftmaxScaleAttr());
    rewriter.replaceOp(op, attend->getResults());
    return success();
  }
};

/// Drops lse and counts that nobody reads.
template <typename Op>
struct DropDeadResults : OpRewritePattern<Op> {
  using OpRewritePattern<Op>::OpRewritePattern;
  LogicalResult matchAndRewrite(Op op, PatternRewriter &rewriter) const override {
    bool deadLse = op.getLse() && op.getLse().use_empty(), deadCounts = op.getCounts() && op.getCounts().use_empty();
    if (op.getOut().use_empty() || (!deadLse && !deadCounts))
      return failure();
    Type lse = deadLse ? Type() : typeIf(op.getLse()), counts = deadCounts ? Type() : typeIf(op.getCounts());
    Op slim;
    if constexpr (std::is_same_v<Op, GatherAttendOp>)
      slim = Op::create(rewriter, op.getLoc(), op.getOut().getType(), lse, counts, op.getQ(), op.getCache(),
                        op.getSelection(), op.getSoftmaxScaleAttr());
    else
      slim = Op::create(rewriter, op.getLoc(), op.getOut().getType(), lse, counts, op.getQ(), op.getCache(),
                        op.getSoftmaxScaleAttr());
    rewriter.replaceAllUsesWith(op.getOut(), slim.getOut());
    if (lse)
      rewriter.replaceAllUsesWith(op.getLse(), slim.getLse());
    if (counts)
      rewriter.replaceAllUsesWith(op.getCounts(), slim.getCounts());
    rewriter.eraseOp(op);
    return success();
  }
};

} // namespace

void GatherAttendOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *context) {
  patterns.add<AttendToWholeSelection, GatherEverything, DropDeadResults<GatherAttendOp>>(context);
}

void QuantizeScoreOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *context) {
  patterns.add<ScoreAllFine>(context);
}

void AttendOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *context) {
  patterns.add<DropDeadResults<AttendOp>>(context);
}

void CountOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *context) {
  patterns.add<CountWholeSelection>(context);
}
