// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Verifier and accessors of twilight.fused.

#include "Verify.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace twilight;

YieldOp FusedOp::getYield() { return cast<YieldOp>(getBody().front().getTerminator()); }

Value FusedOp::getOutside(Value inside) {
  auto argument = dyn_cast<BlockArgument>(inside);
  return argument && argument.getOwner() == &getBody().front() ? getInputs()[argument.getArgNumber()] : Value();
}

Value twilight::lookThroughFused(Value value) {
  auto argument = dyn_cast_or_null<BlockArgument>(value);
  auto fused = argument ? dyn_cast_or_null<FusedOp>(argument.getOwner()->getParentOp()) : FusedOp();
  return fused ? fused.getOutside(value) : value;
}

/// The region's arguments are the operands', its yielded values the results'.
static LogicalResult verifyBoundary(FusedOp op) {
  Block &body = op.getBody().front();
  if (body.getArgumentTypes() != op.getInputs().getTypes())
    return op.emitOpError() << "the region's arguments must have the operands' types (" << op.getInputs().getTypes()
                            << "), found (" << body.getArgumentTypes() << ")";
  auto yield = dyn_cast<YieldOp>(body.back());
  if (!yield)
    return op.emitOpError() << "the region must end with twilight.yield, found '" << body.back().getName() << "'";
  if (yield.getValues().getTypes() != op.getResultTypes())
    return yield.emitOpError() << "must yield the types of the results (" << op.getResultTypes() << "), found ("
                               << yield.getValues().getTypes() << ")";
  return success();
}

/// Ops that can be lowered as one, among them one that attends.
static LogicalResult verifyContents(FusedOp op) {
  bool attends = false;
  for (Operation &inner : op.getBody().front().without_terminator()) {
    if (isa<AppendOp>(inner))
      return inner.emitOpError() << "changes a cache; expected it before or after the twilight.fused";
    if (isa<FusedOp>(inner))
      return inner.emitOpError() << "lies in another twilight.fused; expected its ops in its place";
    if (!isa<TwilightDialect>(inner.getDialect()) && !isa<arith::ConstantOp>(inner))
      return inner.emitOpError() << "lies in a twilight.fused, which holds twilight ops and arith.constant; compute it "
                                    "outside and pass it in";
    attends |= isa<GatherAttendOp, AttendOp>(inner);
  }
  if (!attends)
    return op.emitOpError() << "attends to nothing: expected a twilight.gather_attend in the region";
  return success();
}

/// The op whose tokens cannot be taken as a whole instead: null where the selection is made from the cache by a select
/// of the same region.
static Operation *findForeignSelection(Value selection, Value cache, Operation *user) {
  Operation *source = selection.getDefiningOp();
  if (auto topP = dyn_cast_or_null<TopPOp>(source)) {
    auto score = topP.getScores().getDefiningOp<QuantizeScoreOp>();
    if (!score || score.getCache() != cache)
      return topP;
    return findForeignSelection(score.getSelection(), cache, score);
  }
  auto select = dyn_cast_or_null<SelectOp>(source);
  return select && select.getCache() == cache ? nullptr : user;
}

/// A short sequence has no selection, so nothing else than attention and counts may depend on one.
static LogicalResult verifyDenseBelow(FusedOp op) {
  auto tokens = static_cast<int64_t>(*op.getDenseBelow());
  if (tokens <= 0)
    return op.emitOpError() << "dense_below must be a positive number of tokens, found " << tokens
                            << "; drop it where no sequence should attend densely";
  if (failed(verifyTokenCount(op, "dense_below", tokens)))
    return failure();
  for (Operation &inner : op.getBody().front()) {
    Operation *foreign = nullptr;
    if (auto gather = dyn_cast<GatherAttendOp>(inner))
      foreign = findForeignSelection(gather.getSelection(), gather.getCache(), gather);
    else if (auto count = dyn_cast<CountOp>(inner))
      foreign = findForeignSelection(count.getSelection(), count.getCache(), count);
    if (foreign)
      return foreign->emitOpError() << "in a twilight.fused with dense_below takes tokens from elsewhere: expected a "
                                       "selection of a twilight.select of the same cache in the region";
  }
  for (Value yielded : op.getYield().getValues())
    if (Operation *source = yielded.getDefiningOp(); !source || !isa<GatherAttendOp, AttendOp, CountOp>(source))
      return op.getYield().emitOpError() << "with dense_below must yield results of attention and counts, found "
                                         << yielded.getType();
  return success();
}

LogicalResult FusedOp::verifyRegions() {
  if (failed(verifyBoundary(*this)) || failed(verifyContents(*this)))
    return failure();
  return getDenseBelow() ? verifyDenseBelow(*this) : success();
}
