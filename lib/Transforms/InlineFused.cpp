// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// twilight-inline-fused: a twilight.fused back into its ops.

#include "twilight/Transforms/InlineFused.h"

#include "twilight/Transforms/Passes.h"

using namespace mlir;
using namespace twilight;

namespace twilight {
#define GEN_PASS_DEF_INLINEFUSEDPASS
#include "twilight/Transforms/Passes.h.inc"
} // namespace twilight

namespace {

using Splits = llvm::SmallMapVector<Value, SplitByLengthOp, 1>;

/// Leaves at an attention what its schedule says of it.
void noteSplits(Operation *op, ScheduleAttr schedule) {
  bool isDense = isa<AttendOp>(op);
  int64_t usual = isDense ? ScheduleAttr::kDenseSplits : ScheduleAttr::kGatherSplits;
  int64_t splits = !schedule ? usual : isDense ? schedule.getDenseSplits() : schedule.getGatherSplits();
  if (splits != usual)
    op->setAttr(kSplitsAttr, IntegerAttr::get(IntegerType::get(op->getContext(), 64), splits));
}

/// lse of an attention whose output is `out`: [B, Hq], a tensor or a memref as that is.
Type getLseType(Type out) {
  ArrayRef<int64_t> shape = cast<ShapedType>(out).getShape().take_front(2);
  Type f32 = Float32Type::get(out.getContext());
  return isa<MemRefType>(out) ? Type(MemRefType::get(shape, f32)) : Type(RankedTensorType::get(shape, f32));
}

/// The attention goes over the longer sequences; over the shorter ones it is dense.
void splitAttention(RewriterBase &rewriter, GatherAttendOp op, SplitByLengthOp split, ScheduleAttr schedule) {
  Location loc = op.getLoc();
  rewriter.setInsertionPoint(op);
  Type out = op.getOut().getType(), lse = getLseType(out);
  auto sparse = GatherAttendOp::create(rewriter, loc, out, lse, op.getCounts() ? op.getCounts().getType() : Type(),
                                       op.getQ(), split.getLonger(), op.getSelection(), op.getSoftmaxScaleAttr());
  sparse->setDiscardableAttrs(op->getDiscardableAttrDictionary());
  auto dense =
      AttendOp::create(rewriter, loc, out, lse, Type(), op.getQ(), split.getShorter(), op.getSoftmaxScaleAttr());
  noteSplits(dense, schedule);
  auto merged =
      MergeOp::create(rewriter, loc, out, lse, dense.getOut(), dense.getLse(), sparse.getOut(), sparse.getLse());
  SmallVector<Value> results = {merged.getOut()};
  if (op.getLse())
    results.push_back(merged.getLse());
  if (op.getCounts())
    results.push_back(
        AddLengthsOp::create(rewriter, loc, op.getCounts().getType(), sparse.getCounts(), split.getShorter()));
  rewriter.replaceOp(op, results);
}

/// Candidates and kept tokens of the shorter sequences are all their tokens.
void splitCount(RewriterBase &rewriter, CountOp op, SplitByLengthOp split) {
  rewriter.setInsertionPointAfter(op);
  rewriter.modifyOpInPlace(op, [&] { op.getCacheMutable().assign(split.getLonger()); });
  auto all = AddLengthsOp::create(rewriter, op.getLoc(), op.getCounts().getType(), op.getCounts(), split.getShorter());
  rewriter.replaceAllUsesExcept(op.getCounts(), all.getResult(), all);
}

/// The caches that something is selected from, each split once, before the region's ops.
Splits splitCaches(RewriterBase &rewriter, ArrayRef<Operation *> ops, int64_t below) {
  Splits splits;
  for (Operation *op : ops)
    if (auto select = dyn_cast<SelectOp>(op); select && !splits.contains(select.getCache())) {
      rewriter.setInsertionPoint(select);
      Type type = select.getCache().getType();
      splits[select.getCache()] = SplitByLengthOp::create(rewriter, select.getLoc(), TypeRange{type, type},
                                                          select.getCache(), static_cast<uint64_t>(below));
    }
  return splits;
}

void splitByLength(RewriterBase &rewriter, ArrayRef<Operation *> ops, int64_t below, ScheduleAttr schedule) {
  Splits splits = splitCaches(rewriter, ops, below);
  auto readLonger = [&](auto op) {
    if (SplitByLengthOp split = splits.lookup(op.getCache()))
      rewriter.modifyOpInPlace(op, [&] { op.getCacheMutable().assign(split.getLonger()); });
  };
  for (Operation *op : ops) {
    if (auto select = dyn_cast<SelectOp>(op))
      readLonger(select);
    else if (auto score = dyn_cast<QuantizeScoreOp>(op))
      readLonger(score);
    else if (auto gather = dyn_cast<GatherAttendOp>(op))
      splitAttention(rewriter, gather, splits.lookup(gather.getCache()), schedule);
    else if (auto count = dyn_cast<CountOp>(op))
      splitCount(rewriter, count, splits.lookup(count.getCache()));
  }
}

} // namespace

void twilight::inlineFused(RewriterBase &rewriter, FusedOp op) {
  OpBuilder::InsertionGuard guard(rewriter);
  SmallVector<Operation *> ops =
      llvm::map_to_vector(op.getBody().front().without_terminator(), [](Operation &inner) { return &inner; });
  std::optional<uint64_t> below = op.getDenseBelow();
  YieldOp yield = op.getYield();
  for (Operation *inner : ops)
    if (isa<GatherAttendOp, AttendOp>(inner))
      noteSplits(inner, op.getScheduleAttr());
  rewriter.inlineBlockBefore(&op.getBody().front(), op, op.getInputs());
  if (below)
    splitByLength(rewriter, ops, static_cast<int64_t>(*below), op.getScheduleAttr());
  rewriter.replaceOp(op, yield.getValues());
  rewriter.eraseOp(yield);
}

namespace {

struct InlineFusedPass : twilight::impl::InlineFusedPassBase<InlineFusedPass> {
  using InlineFusedPassBase::InlineFusedPassBase;

  void runOnOperation() override {
    SmallVector<FusedOp> fused;
    getOperation()->walk([&](FusedOp op) {
      if (!keepBlock || !op.getSchedule() || op.getSchedule()->getShape() != ScheduleShape::Block)
        fused.push_back(op);
    });
    IRRewriter rewriter(&getContext());
    for (FusedOp op : fused) {
      ++numInlined;
      numSplit += op.getDenseBelow().has_value();
      inlineFused(rewriter, op);
    }
  }
};

} // namespace
