// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// gather_attend, attend, merge.

#include "Lowering.h"

using namespace mlir;
using namespace twilight;

namespace {

/// Both attention ops: `selection` is null for the dense one. The results in the op's order.
template <typename Op>
FailureOr<SmallVector<Value>> lowerAttention(Op op, Lowering &lowering, const TypeConverter &converter, Value q,
                                             const CacheBuffers &cache, const SelectionBuffers *selection,
                                             TokenSource source, Lists lists) {
  FailureOr<AttentionShape> shape = getAttentionShape(op, op.getQ(), cache.type, lists);
  if (failed(shape))
    return failure();
  Emitter &host = lowering.host();
  Expr batch = lowering.dim(cache.pageTable, 0), maxPages = lowering.dim(cache.pageTable, 1);
  auto bufferType = [&](Value result) { return cast<MemRefType>(converter.convertType(result.getType())); };
  auto splits = op->template getAttrOfType<IntegerAttr>(kSplitsAttr);
  AttendConfig config{*shape,
                      source,
                      getSoftmaxScale(op.getSoftmaxScale(), cache.type),
                      bufferType(op.getOut()).getElementType(),
                      static_cast<bool>(op.getLse()),
                      static_cast<bool>(op.getCounts()),
                      splits      ? splits.getInt()
                      : selection ? ScheduleAttr::kGatherSplits
                                  : ScheduleAttr::kDenseSplits};
  int64_t heads = shape->headsPerList(), lists_ = shape->listsPerSequence();
  Expr listCount = host.index(lists_), queryHeads = host.index(shape->queryHeads());
  Value partial = lowering.allocate(
      MemRefType::get({ShapedType::kDynamic, lists_, config.splits, heads, shape->headDim + 2}, host.getF32Type()),
      {batch});
  SmallVector<Value> results = {lowering.allocate(bufferType(op.getOut()), {batch, queryHeads})};
  if (op.getLse())
    results.push_back(lowering.allocate(bufferType(op.getLse()), {batch, queryHeads}));
  if (op.getCounts())
    results.push_back(lowering.allocate(bufferType(op.getCounts()), {batch, listCount}));

  SmallVector<Value> attend = {q, cache.kPages, cache.vPages, cache.pageTable, cache.seqLens};
  SmallVector<Value> combine = {partial, cache.seqLens};
  if (selection) {
    attend.append({selection->indices, selection->counts});
    combine.append({selection->indices, selection->counts});
  }
  attend.append(results.begin(), results.end());
  combine.append(results.begin(), results.begin() + 1 + config.withLse);
  attend.append({partial, maxPages});
  if (selection) {
    Expr capacity = lowering.dim(selection->indices, 2);
    attend.push_back(capacity);
    combine.push_back(capacity);
  }
  StringRef stage = selection ? "gather_attend" : "attend";
  KernelInfo kernel = buildAttend(lowering.module(), lowering.kernelName(stage), config);
  lowering.launch(kernel, {listCount, host.index(config.splits), batch}, attend);
  KernelInfo combining = buildCombineSplits(lowering.module(), lowering.kernelName("combine_splits"), config);
  lowering.launch(combining, {listCount, batch, lowering.one()}, combine);
  return results;
}

struct GatherAttendLowering : OpConversionPattern<GatherAttendOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(GatherAttendOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Lowering lowering(op, rewriter);
    CacheBuffers cache(op.getCache().getType(), adaptor.getCache());
    SelectionBuffers selection(adaptor.getSelection());
    SelectionType type = op.getSelection().getType();
    TokenSource source = type.getUnit() == Unit::Page ? TokenSource::Pages : TokenSource::Tokens;
    FailureOr<SmallVector<Value>> results = lowerAttention(op, lowering, *getTypeConverter(), adaptor.getQ().front(),
                                                           cache, &selection, source, type.getLists());
    if (failed(results))
      return failure();
    rewriter.replaceOp(op, *results);
    return success();
  }
};

struct AttendLowering : OpConversionPattern<AttendOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(AttendOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Lowering lowering(op, rewriter);
    CacheBuffers cache(op.getCache().getType(), adaptor.getCache());
    FailureOr<SmallVector<Value>> results = lowerAttention(op, lowering, *getTypeConverter(), adaptor.getQ().front(),
                                                           cache, nullptr, TokenSource::All, Lists::KvHead);
    if (failed(results))
      return failure();
    rewriter.replaceOp(op, *results);
    return success();
  }
};

struct MergeLowering : OpConversionPattern<MergeOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(MergeOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Lowering lowering(op, rewriter);
    Value a = adaptor.getOutA().front(), lseA = adaptor.getLseA().front();
    auto outType = cast<MemRefType>(a.getType());
    Expr batch = lowering.dim(a, 0), heads = lowering.dim(a, 1);
    Value out = lowering.allocate(outType, {batch, heads});
    Value lse = lowering.allocate(cast<MemRefType>(lseA.getType()), {batch, heads});
    KernelInfo kernel = buildMerge(lowering.module(), lowering.kernelName("merge"),
                                   MergeConfig{outType.getDimSize(1), outType.getDimSize(2), outType.getElementType()});
    lowering.launch(kernel, {heads, batch, lowering.one()},
                    {a, lseA, adaptor.getOutB().front(), adaptor.getLseB().front(), out, lse});
    rewriter.replaceOp(op, {out, lse});
    return success();
  }
};

} // namespace

void twilight::populateAttendPatterns(const TypeConverter &converter, RewritePatternSet &patterns) {
  patterns.add<GatherAttendLowering, AttendLowering, MergeLowering>(converter, patterns.getContext());
}
