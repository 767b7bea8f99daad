// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// fused with a schedule of the block shape: one kernel.

#include "Lowering.h"

#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace twilight;

namespace {

/// The ops of a fused pipeline that one kernel can hold.
struct Pipeline {
  SelectOp select;
  QuantizeScoreOp score;
  TopPOp keep;
  GatherAttendOp attend;
  CountOp count; ///< of the candidates; may be null
};

/// An error at the op that stands in the way.
FailureOr<Pipeline> matchPipeline(FusedOp op) {
  Pipeline found;
  for (auto score : op.getBody().front().getOps<QuantizeScoreOp>())
    if (score.getFine())
      return score.emitOpError() << "has 'fine' pages, and the block shape scores every candidate from all bits; give "
                                    "the fused op schedule(<grid>)";
  for (Operation &inside : op.getBody().front().without_terminator()) {
    auto take = [&](auto &slot) {
      auto typed = dyn_cast<std::decay_t<decltype(slot)>>(inside);
      if (!typed || slot)
        return false;
      slot = typed;
      return true;
    };
    if (!isa<arith::ConstantOp>(inside) && !take(found.select) && !take(found.score) && !take(found.keep) &&
        !take(found.attend) && !take(found.count))
      return inside.emitOpError() << "has no place in a pipeline of the block shape, which is one each of select, "
                                     "quantize_score, top_p and gather_attend, and a count of the candidates; give the "
                                     "fused op schedule(<grid>)";
  }
  if (!found.select || !found.score || !found.keep || !found.attend)
    return op.emitOpError()
           << "the block shape needs select, quantize_score, top_p and gather_attend in the region; give "
              "it schedule(<grid>)";
  Value pages = found.select.getSelection();
  if (found.score.getSelection() != pages || found.keep.getScores() != found.score.getScores() ||
      found.attend.getSelection() != found.keep.getSelection() || (found.count && found.count.getSelection() != pages))
    return op.emitOpError() << "the block shape needs each op of the region to read the one before it; give it "
                               "schedule(<grid>)";
  if (found.select.getQ() != found.score.getQ() || found.select.getQ() != found.attend.getQ() ||
      found.select.getCache() != found.score.getCache() || found.select.getCache() != found.attend.getCache())
    return op.emitOpError() << "the block shape needs one q and one cache for all ops of the region; give it "
                               "schedule(<grid>)";
  auto perHead = [](SelectionType type) { return type.getLists() != Lists::KvHead; };
  if (perHead(found.select.getSelection().getType()) || perHead(found.keep.getSelection().getType()))
    return op.emitOpError()
           << "the block shape keeps one list for each kv head, found lists for each query head; give it "
              "schedule(<grid>)";
  if (found.select.getSelector().getUnitRule() != UnitRule::Scored)
    return found.select.emitOpError() << "the block shape ranks pages, which this selector does not; give the fused op "
                                         "schedule(<grid>)";
  return found;
}

struct FusedLowering : OpConversionPattern<FusedOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(FusedOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    ScheduleAttr schedule = op.getScheduleAttr();
    FailureOr<Pipeline> pipeline = matchPipeline(op);
    if (failed(pipeline))
      return failure();
    auto &[select, score, keep, attend, count] = *pipeline;
    CacheType type = select.getCache().getType();
    FailureOr<AttentionShape> shape = getAttentionShape(select, select.getQ(), type, Lists::KvHead);
    if (failed(shape) || failed(verifySummary(select, type)))
      return failure();
    Lowering lowering(op, rewriter);
    if (schedule.getCluster() > 1 && !lowering.getTarget().features.clusters)
      return op.emitOpError() << "has a schedule with cluster = " << schedule.getCluster() << ", and chip "
                              << StringRef(lowering.getTarget().chip) << " has no clusters: give it cluster = 1";
    const int64_t blocksPerItem = schedule.getCluster() * schedule.getSpread();
    const int64_t heads = ceilDiv(shape->group, blocksPerItem);
    if (schedule.getWarps() < heads)
      return op.emitOpError() << "prunes " << heads
                              << " query heads in a thread block, a warp each at least, found warps = "
                              << schedule.getWarps() << ": raise warps to " << heads;
    auto buffersOf = [&](Value inside) { return adaptor.getInputs()[cast<BlockArgument>(inside).getArgNumber()]; };
    CacheBuffers cache(type, buffersOf(select.getCache()));
    FailureOr<TopPConfig> prune = makeTopPConfig(keep, *shape, op.getOutside(keep.getP()));
    if (failed(prune))
      return failure();

    Emitter &host = lowering.host();
    Expr batch = lowering.dim(cache.pageTable, 0), maxPages = lowering.dim(cache.pageTable, 1);
    Expr lists = host.index(shape->kvHeads), queryHeads = host.index(shape->queryHeads());
    Expr capacity =
        min(host.wrap(select.getBudget().buildCount(host, op.getLoc(), maxPages, shape->pageSize)), maxPages);
    llvm::SmallDenseMap<Value, Value> made;
    auto make = [&](Value result, ArrayRef<Expr> sizes) {
      auto buffer = cast<MemRefType>(getTypeConverter()->convertType(result.getType()));
      return made[result] = lowering.allocate(buffer, sizes);
    };
    SmallVector<Value> operands = {buffersOf(select.getQ()).front(), cache.kPages, cache.vPages};
    operands.append(cache.getQuantizedKeys());
    operands.append({cache.summary, cache.pageTable, cache.seqLens});
    if (!prune->constantLevel)
      operands.push_back(buffersOf(keep.getP()).front());
    operands.push_back(make(attend.getOut(), {batch, queryHeads}));
    Type outType = cast<MemRefType>(operands.back().getType()).getElementType();
    if (attend.getLse())
      operands.push_back(make(attend.getLse(), {batch, queryHeads}));
    if (attend.getCounts())
      operands.push_back(make(attend.getCounts(), {batch, lists}));
    if (count)
      operands.push_back(make(count.getCounts(), {batch, lists}));
    Expr items = batch * lists;

    BlockPipelineConfig config{{*shape, select.getSelector(), type.getSummaryInterface(), select.getGroup(),
                                static_cast<int64_t>(select.getSink()), static_cast<int64_t>(select.getRecent())},
                               select.getBudget(),
                               getSoftmaxScale(score.getSoftmaxScale(), type),
                               *prune,
                               getSoftmaxScale(attend.getSoftmaxScale(), type),
                               outType,
                               static_cast<bool>(attend.getLse()),
                               static_cast<bool>(attend.getCounts()),
                               static_cast<bool>(count),
                               static_cast<int64_t>(op.getDenseBelow().value_or(0)),
                               schedule.getCluster(),
                               schedule.getSpread(),
                               schedule.getWarps(),
                               schedule.getSelectWarps(),
                               schedule.getResident()};
    KernelInfo kernel = buildBlockPipeline(lowering.module(), lowering.kernelName("pipeline"), config);
    const int64_t blocksAtOnce = lowering.getTarget().part.smCount * config.resident;
    const int64_t mostGroups = std::max<int64_t>(1, blocksAtOnce / blocksPerItem);
    Expr groups = max(min(items, mostGroups), 1);
    const BlockMemory<Expr> memory = planBlockMemory<Expr>(config.memoryFacts(), maxPages, capacity);
    if (config.spread > 1) {
      Expr words = groups * planExchange(config.memoryFacts(), memory, maxPages).words;
      operands.push_back(lowering.allocate(MemRefType::get({ShapedType::kDynamic}, rewriter.getI32Type()), {words}));
      operands.push_back(lowering.allocateZeroed(mostGroups * counterStride(config.memoryFacts())));
    }
    operands.append({maxPages, capacity, items});
    lowering.launch(kernel, {groups * blocksPerItem, lowering.one(), lowering.one()}, operands, memory.bytes);

    SmallVector<Value> results;
    for (Value yielded : op.getYield().getValues())
      results.push_back(made.lookup(yielded));
    rewriter.replaceOp(op, results);
    return success();
  }
};

} // namespace

void twilight::populateFusedPatterns(const TypeConverter &converter, RewritePatternSet &patterns) {
  patterns.add<FusedLowering>(converter, patterns.getContext());
}
