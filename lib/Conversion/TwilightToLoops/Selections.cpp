// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Ops that take caches, selections and scores apart and put them together. Nothing is copied but counts:
//
//   assemble_cache, assemble_selection  = the buffers
//   cache_part, selection_parts, logits = one of the buffers
//   count:  counts[b, r] = tokens of list r, for each sequence b and list r in parallel

#include "Caches.h"
#include "Patterns.h"

using namespace mlir;
using namespace twilight;
using namespace twilight::loops;

namespace {

struct AssembleCacheLoops : OpConversionPattern<AssembleCacheOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(AssembleCacheOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    // The operands come in the order of CachePart, those the cache lacks left out.
    SmallVector<Type> types;
    if (failed(getTypeConverter()->convertType(op.getCache().getType(), types)))
      return failure();
    SmallVector<Value> parts;
    for (ValueRange operand : adaptor.getOperands())
      parts.push_back(castTo(rewriter, op.getLoc(), operand.front(), types[parts.size()]));
    rewriter.replaceOpWithMultiple(op, ArrayRef<SmallVector<Value>>{parts});
    return success();
  }
};

struct AssembleSelectionLoops : OpConversionPattern<AssembleSelectionOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(AssembleSelectionOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    SmallVector<Type> types;
    if (failed(getTypeConverter()->convertType(op.getSelection().getType(), types)))
      return failure();
    SmallVector<Value> parts = {castTo(rewriter, op.getLoc(), adaptor.getIndices().front(), types[0]),
                                castTo(rewriter, op.getLoc(), adaptor.getCounts().front(), types[1])};
    rewriter.replaceOpWithMultiple(op, ArrayRef<SmallVector<Value>>{parts});
    return success();
  }
};

struct CachePartLoops : OpConversionPattern<CachePartOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(CachePartOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Value buffer = CacheBuffers(op.getCache().getType(), adaptor.getCache()).get(op.getPart());
    Type type = getTypeConverter()->convertType(op.getBuffer().getType());
    rewriter.replaceOp(op, castTo(rewriter, op.getLoc(), buffer, type));
    return success();
  }
};

struct SelectionPartsLoops : OpConversionPattern<SelectionPartsOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(SelectionPartsOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    SelectionBuffers parts(adaptor.getSelection());
    const TypeConverter &converter = *getTypeConverter();
    Value indices = castTo(rewriter, op.getLoc(), parts.indices, converter.convertType(op.getIndices().getType()));
    Value counts = castTo(rewriter, op.getLoc(), parts.counts, converter.convertType(op.getCounts().getType()));
    rewriter.replaceOp(op, {indices, counts});
    return success();
  }
};

struct LogitsLoops : OpConversionPattern<LogitsOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(LogitsOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Type type = getTypeConverter()->convertType(op.getLogits().getType());
    rewriter.replaceOp(op, castTo(rewriter, op.getLoc(), ScoresBuffers(adaptor.getScores()).logits, type));
    return success();
  }
};

struct CountLoops : OpConversionPattern<CountOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(CountOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Emitter e(op.getLoc(), rewriter);
    CacheBuffers cache(op.getCache().getType(), adaptor.getCache());
    TokenLists tokens(e, SelectionBuffers(adaptor.getSelection()), op.getSelection().getType().getUnit(),
                      cache.type.getPageSize(), cache.seqLens);
    auto type = cast<MemRefType>(getTypeConverter()->convertType(op.getCounts().getType()));
    Exprs sizes = {Buffer(e, cache.seqLens).size(0), tokens.lists()};
    Buffer counts = allocate(e, type, sizes);
    parallelFor(e, sizes, [&](Indices at) { counts.store(tokens.count(at[0], at[1]), at); });
    rewriter.replaceOp(op, counts.get());
    return success();
  }
};

} // namespace

void loops::populateSelectionPatterns(const TypeConverter &converter, RewritePatternSet &patterns) {
  patterns
      .add<AssembleCacheLoops, AssembleSelectionLoops, CachePartLoops, SelectionPartsLoops, LogitsLoops, CountLoops>(
          converter, patterns.getContext());
}
