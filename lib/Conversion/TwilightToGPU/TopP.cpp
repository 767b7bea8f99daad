// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// top_p.

#include "Lowering.h"

#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace twilight;

FailureOr<TopPConfig> twilight::makeTopPConfig(TopPOp op, const AttentionShape &shape, Value level) {
  TopPConfig config{shape,
                    op.getSelection().getType().getLists(),
                    op.getRule(),
                    /*levelPerHead=*/false,
                    /*constantLevel=*/std::nullopt,
                    static_cast<int64_t>(op.getMinTokens()),
                    static_cast<int64_t>(op.getMaxTokens()),
                    static_cast<int64_t>(op.getSink()),
                    static_cast<int64_t>(op.getRecent()),
                    op.getScores().getType().getElementType()};
  FloatAttr constant;
  if (matchPattern(op.getP(), m_Constant(&constant)) || (level && matchPattern(level, m_Constant(&constant)))) {
    config.constantLevel = constant.getValueAsDouble();
    return config;
  }
  auto type = level ? dyn_cast<ShapedType>(level.getType()) : ShapedType();
  if (!type)
    return op.emitOpError() << "on a GPU p must be a constant or an argument of the function (it is read on the "
                               "device), found a computed value";
  int64_t size = type.getDimSize(0);
  if (size != 1 && size != shape.queryHeads())
    return op.emitOpError() << "p must have 1 or " << shape.queryHeads() << " elements, found " << type;
  config.levelPerHead = size != 1;
  return config;
}

namespace {

struct TopPLowering : OpConversionPattern<TopPOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(TopPOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    // The scores' buffers do not carry the page size; their op does.
    auto score = op.getScores().getDefiningOp<QuantizeScoreOp>();
    if (!score)
      return op.emitOpError() << "scores must come from a twilight.quantize_score of the same function";
    FailureOr<AttentionShape> shape =
        getAttentionShape(op, score.getQ(), score.getCache().getType(), op.getScores().getType().getLists());
    if (failed(shape))
      return failure();
    Lowering lowering(op, rewriter);
    ScoresBuffers scores(adaptor.getScores());
    Emitter &host = lowering.host();
    Type i32 = rewriter.getI32Type();

    FailureOr<TopPConfig> made = makeTopPConfig(op, *shape, op.getP());
    if (failed(made))
      return failure();
    TopPConfig config = *made;
    Value level = adaptor.getP().front();

    Expr batch = lowering.dim(scores.logits, 0), capacity = lowering.dim(scores.pages.indices, 2);
    Expr slots = capacity * shape->pageSize, words = ceilDiv(slots, kWarp);
    Expr heads = host.index(shape->queryHeads());
    AttentionShape kept = *shape;
    kept.lists = config.keptLists;
    Expr lists = host.index(kept.listsPerSequence());
    Value mask = lowering.allocate(dynamicMemRef(3, i32), {batch, heads, words});
    Value tokens = lowering.allocate(dynamicMemRef(3, i32), {batch, lists, slots});
    Value counts = lowering.allocate(dynamicMemRef(2, i32), {batch, lists});
    KernelInfo marking = buildKeepMask(lowering.module(), lowering.kernelName("keep_mask"), config);
    SmallVector<Value> operands = {scores.logits};
    if (!config.constantLevel)
      operands.push_back(level);
    Expr cached = lowering.sharedWords(marking, slots + 4);
    operands.append({scores.seqLens, scores.pages.indices, scores.pages.counts, mask, capacity, words, cached});
    lowering.launch(marking, {heads, batch, lowering.one()}, operands, cached * 4);
    KernelInfo compacting = buildCompactTokens(lowering.module(), lowering.kernelName("compact_tokens"), config);
    lowering.launch(compacting, {lists, batch, lowering.one()},
                    {mask, scores.seqLens, scores.pages.indices, scores.pages.counts, tokens, counts, capacity, words});
    rewriter.replaceOpWithMultiple(op, {{tokens, counts}});
    return success();
  }
};

} // namespace

void twilight::populateTopPPatterns(const TypeConverter &converter, RewritePatternSet &patterns) {
  patterns.add<TopPLowering>(converter, patterns.getContext());
}
