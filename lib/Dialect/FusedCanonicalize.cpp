// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Canonical form of twilight.fused: no result that nobody reads, no operand that the region does not.

#include "twilight/Dialect/Twilight.h"

#include "mlir/IR/PatternMatch.h"

using namespace mlir;
using namespace twilight;

namespace {

/// Which values of a range have no uses.
llvm::BitVector findUnused(ValueRange values) {
  llvm::BitVector unused(values.size());
  for (auto [i, value] : llvm::enumerate(values))
    unused[i] = value.use_empty();
  return unused;
}

SmallVector<Value> keep(ValueRange values, const llvm::BitVector &dropped) {
  SmallVector<Value> kept;
  for (auto [i, value] : llvm::enumerate(values))
    if (!dropped[i])
      kept.push_back(value);
  return kept;
}

struct DropUnused : OpRewritePattern<FusedOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(FusedOp op, PatternRewriter &rewriter) const override {
    llvm::BitVector results = findUnused(op.getOutputs()), inputs = findUnused(op.getBody().getArguments());
    if (results.none() && inputs.none())
      return rewriter.notifyMatchFailure(op, "everything is used");
    SmallVector<Value> outputs = keep(op.getOutputs(), results);
    auto slim = FusedOp::create(rewriter, op.getLoc(), ValueRange(outputs).getTypes(), keep(op.getInputs(), inputs),
                                op.getScheduleAttr(), op.getDenseBelowAttr());
    slim->setDiscardableAttrs(op->getDiscardableAttrDictionary());
    YieldOp yield = op.getYield();
    rewriter.modifyOpInPlace(yield, [&] { yield->eraseOperands(results); });
    rewriter.inlineRegionBefore(op.getBody(), slim.getBody(), slim.getBody().end());
    rewriter.modifyOpInPlace(slim, [&] { slim.getBody().front().eraseArguments(inputs); });
    rewriter.replaceAllUsesWith(outputs, slim.getOutputs());
    rewriter.eraseOp(op);
    return success();
  }
};

} // namespace

void FusedOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *context) {
  patterns.add<DropUnused>(context);
}
