// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// select, quantize_score, count and the ops around selections.

#include "Lowering.h"

using namespace mlir;
using namespace twilight;

namespace {

/// A selection's worst-case buffers.
struct PageLists {
  PageLists(Lowering &lowering, SelectOp op, const AttentionShape &shape, const CacheBuffers &cache) {
    Emitter &host = lowering.host();
    Type i32 = host.getI32Type();
    Expr batch = lowering.dim(cache.pageTable, 0), maxPages = lowering.dim(cache.pageTable, 1);
    Expr lists = host.index(shape.listsPerSequence());
    capacity = min(host.wrap(op.getBudget().buildCount(host, op.getLoc(), maxPages, shape.pageSize)), maxPages);
    indices = lowering.allocate(dynamicMemRef(3, i32), {batch, lists, capacity});
    counts = lowering.allocate(dynamicMemRef(2, i32), {batch, lists});
  }
  Expr capacity;
  Value indices, counts;
};

/// Later selects of the block that rank the same pages in the same way, and only leave more or fewer of them: pages are
/// scored once for all. Not beyond an op that may write what is read.
SmallVector<SelectOp> findSameRanking(SelectOp op) {
  SmallVector<SelectOp> others;
  for (Operation *next = op->getNextNode(); next; next = next->getNextNode()) {
    auto other = dyn_cast<SelectOp>(next);
    if (other && other.getQ() == op.getQ() && other.getCache() == op.getCache() &&
        other.getSelector() == op.getSelector() && other.getGroup() == op.getGroup() &&
        other.getSink() == op.getSink() && other.getRecent() == op.getRecent())
      others.push_back(other);
    auto effects = getEffectsRecursively(next);
    auto isWrite = [](const MemoryEffects::EffectInstance &effect) {
      return isa<MemoryEffects::Write>(effect.getEffect());
    };
    if (!isMemoryEffectFree(next) && (!effects || llvm::any_of(*effects, isWrite)))
      break;
  }
  return others;
}

struct SelectLowering : OpConversionPattern<SelectOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(SelectOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    CacheType type = op.getCache().getType();
    FailureOr<AttentionShape> shape = getAttentionShape(op, op.getQ(), type, op.getSelection().getType().getLists());
    if (failed(shape))
      return failure();
    Lowering lowering(op, rewriter);
    CacheBuffers cache(type, adaptor.getCache());
    Value q = adaptor.getQ().front();
    Emitter &host = lowering.host();
    Expr batch = lowering.dim(cache.pageTable, 0), maxPages = lowering.dim(cache.pageTable, 1);
    Expr lists = host.index(shape->listsPerSequence());
    PageLists pages(lowering, op, *shape, cache);
    int64_t sink = op.getSink(), recent = op.getRecent();
    UnitRule rule = op.getSelector().getUnitRule();
    if (rule != UnitRule::Scored) {
      KernelInfo kernel = buildListPages(lowering.module(), lowering.kernelName("list_pages"),
                                         ListPagesConfig{*shape, rule, sink, recent});
      lowering.launch(kernel, {lists, batch, lowering.one()},
                      {cache.seqLens, pages.indices, pages.counts, pages.capacity});
      rewriter.replaceOpWithMultiple(op, {{pages.indices, pages.counts}});
      return success();
    }
    SummaryAttrInterface summary = type.getSummaryInterface();
    if (failed(verifySummary(op, type)))
      return failure();
    Value importance = lowering.allocate(dynamicMemRef(3, rewriter.getF32Type()), {batch, lists, maxPages});
    ScorePagesConfig score{*shape, op.getSelector(), summary, op.getGroup(), sink, recent};
    KernelInfo scoring = buildScorePages(lowering.module(), lowering.kernelName("score_pages"), score);
    const int64_t together = getHeadsPerBlock(shape->kvHeads);
    Expr groups = host.index(shape->kvHeads / together);
    Expr perBlock = lowering.itemsPerBlock(maxPages, groups * batch, kScorePagesStep / together, kScorePagesResident);
    lowering.launch(scoring, {groups, ceilDiv(maxPages, perBlock), batch},
                    {q, cache.summary, cache.pageTable, cache.seqLens, importance, maxPages, perBlock});
    auto choose = [&](SelectOp select, const PageLists &kept) {
      KernelInfo choosing = buildChoosePages(lowering.module(), lowering.kernelName("choose_pages"),
                                             ChoosePagesConfig{*shape, select.getBudget()});
      Expr cached = lowering.sharedWords(choosing, maxPages);
      lowering.launch(choosing, {lists, batch, lowering.one()},
                      {importance, cache.seqLens, kept.indices, kept.counts, maxPages, kept.capacity, cached},
                      cached * 4);
      rewriter.replaceOpWithMultiple(select, {{kept.indices, kept.counts}});
    };
    SmallVector<SelectOp> others = findSameRanking(op);
    choose(op, pages);
    for (SelectOp other : others)
      choose(other, PageLists(lowering, other, *shape, cache));
    return success();
  }
};

struct QuantizeScoreLowering : OpConversionPattern<QuantizeScoreOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(QuantizeScoreOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    CacheType type = op.getCache().getType();
    FailureOr<AttentionShape> shape = getAttentionShape(op, op.getQ(), type, op.getSelection().getType().getLists());
    if (failed(shape))
      return failure();
    Lowering lowering(op, rewriter);
    CacheBuffers cache(type, adaptor.getCache());
    SelectionBuffers pages(adaptor.getSelection());
    Emitter &host = lowering.host();
    Expr batch = lowering.dim(cache.pageTable, 0), maxPages = lowering.dim(cache.pageTable, 1);
    Expr capacity = lowering.dim(pages.indices, 2), slots = capacity * shape->pageSize;
    Type scoreType = op.getScores().getType().getElementType();
    Value logits = lowering.allocate(dynamicMemRef(3, scoreType), {batch, host.index(shape->queryHeads()), slots});
    Value candidates = pages.indices;
    if (op.getFine()) {
      SelectionBuffers fine(adaptor.getFine());
      Expr lists = host.index(shape->listsPerSequence());
      candidates = lowering.allocate(dynamicMemRef(3, rewriter.getI32Type()), {batch, lists, capacity});
      KernelInfo marking = buildMarkCoarse(lowering.module(), lowering.kernelName("mark_coarse"), *shape);
      lowering.launch(marking, {ceilDiv(capacity, kMarkCoarseStep), lists, batch},
                      {pages.indices, pages.counts, fine.indices, fine.counts, candidates, capacity,
                       lowering.dim(fine.indices, 2)});
    }
    QuantizeScoreConfig config{*shape, getSoftmaxScale(op.getSoftmaxScale(), type), static_cast<bool>(op.getFine()),
                               scoreType};
    KernelInfo kernel = buildQuantizeScore(lowering.module(), lowering.kernelName("quantize_score"), config);
    const int64_t together = getHeadsPerBlock(shape->listsPerSequence());
    Expr groups = host.index(shape->listsPerSequence() / together);
    Expr perBlock =
        lowering.itemsPerBlock(slots, groups * batch, kQuantizeScoreStep / together, kQuantizeScoreResident);
    SmallVector<Value> operands = {adaptor.getQ().front()};
    operands.append(cache.getQuantizedKeys());
    operands.append({cache.pageTable, candidates, pages.counts, logits, maxPages, capacity, perBlock});
    lowering.launch(kernel, {groups, ceilDiv(slots, perBlock), batch}, operands);
    rewriter.replaceOpWithMultiple(op, {{logits, pages.indices, pages.counts, toDynamic(lowering, cache.seqLens)}});
    return success();
  }
};

struct CountLowering : OpConversionPattern<CountOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(CountOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    CacheType type = op.getCache().getType();
    Lists lists = op.getSelection().getType().getLists();
    auto resultType = cast<MemRefType>(getTypeConverter()->convertType(op.getCounts().getType()));
    AttentionShape shape{type.getKvHeads(),     resultType.getDimSize(1) / type.getKvHeads(),
                         type.getHeadDim(),     type.getPageSize(),
                         type.getLayout(),      lists,
                         type.getElementType(), type.getElementType()};
    Lowering lowering(op, rewriter);
    CacheBuffers cache(type, adaptor.getCache());
    SelectionBuffers selection(adaptor.getSelection());
    Expr batch = lowering.dim(cache.pageTable, 0);
    Value result = lowering.allocate(resultType, {batch, lowering.one()});
    KernelInfo kernel = buildCount(lowering.module(), lowering.kernelName("count"),
                                   CountConfig{shape, op.getSelection().getType().getUnit()});
    lowering.launch(kernel, {batch, lowering.one(), lowering.one()},
                    {cache.seqLens, selection.indices, selection.counts, result, lowering.dim(selection.indices, 2)});
    rewriter.replaceOp(op, result);
    return success();
  }
};

/// A lowered buffer as the type that its reader declares.
Value castTo(Lowering &lowering, const TypeConverter &converter, Value buffer, Type type) {
  Type target = converter.convertType(type);
  return buffer.getType() == target ? buffer : memref::CastOp::create(lowering.host(), target, buffer).getResult();
}

struct SelectionPartsLowering : OpConversionPattern<SelectionPartsOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(SelectionPartsOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Lowering lowering(op, rewriter);
    SelectionBuffers selection(adaptor.getSelection());
    rewriter.replaceOp(op, {castTo(lowering, *getTypeConverter(), selection.indices, op.getIndices().getType()),
                            castTo(lowering, *getTypeConverter(), selection.counts, op.getCounts().getType())});
    return success();
  }
};

struct LogitsLowering : OpConversionPattern<LogitsOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(LogitsOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Lowering lowering(op, rewriter);
    rewriter.replaceOp(
        op, castTo(lowering, *getTypeConverter(), ScoresBuffers(adaptor.getScores()).logits, op.getLogits().getType()));
    return success();
  }
};

struct AssembleSelectionLowering : OpConversionPattern<AssembleSelectionOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(AssembleSelectionOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Lowering lowering(op, rewriter);
    rewriter.replaceOpWithMultiple(
        op, {{toDynamic(lowering, adaptor.getIndices().front()), toDynamic(lowering, adaptor.getCounts().front())}});
    return success();
  }
};

} // namespace

void twilight::populateSelectionPatterns(const TypeConverter &converter, RewritePatternSet &patterns) {
  patterns.add<SelectLowering, QuantizeScoreLowering, CountLowering, SelectionPartsLowering, LogitsLowering,
               AssembleSelectionLowering>(converter, patterns.getContext());
}
