// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The whole pipeline as one kernel: its parameters, and what lies where.

#include "BlockPipeline.h"

using namespace mlir;
using namespace twilight;

SmallVector<Type> BlockPipeline::parameterTypes(MLIRContext *context, const BlockPipelineConfig &config) {
  SmallVector<Type> types(6 + CodeBuffers::countParameters(config.shape()), LLVM::LLVMPointerType::get(context, 1));
  size_t optional = !config.prune.constantLevel + 1 + config.withLse + config.withCounts + config.withCandidates +
                    (config.spread > 1 ? 2 : 0);
  types.append(optional, types[0]);
  types.append(3, IntegerType::get(context, 32));
  return types;
}

// Where warps are few, or blocks come in pairs, so that a warp has four tiles, it was 1 to 2% slower (H100). Of a
// single query head it spills: 24 bytes.
static bool ranksWholeLines(const BlockPipelineConfig &config) {
  return config.warps + config.selectWarps >= 16 && config.blocksPerItem() != 2 && config.shape().group > 1;
}

BlockPipeline::BlockPipeline(KernelEmitter &e, const BlockPipelineConfig &given)
    : e(e), config(given), shape(given.shape()) {
  config.select.wholeLines = ranksWholeLines(config);
  unsigned next = 0;
  auto take = [&](Expr &slot) { slot = e.parameter(next++); };
  for (Expr *slot : {&params.q, &params.kPages, &params.vPages})
    take(*slot);
  codes = CodeBuffers::fromParameters(e, shape, next);
  next += CodeBuffers::countParameters(shape);
  for (Expr *slot : {&summary, &params.pageTable, &params.seqLens})
    take(*slot);
  if (!config.prune.constantLevel)
    take(levels);
  take(params.out);
  if (config.withLse)
    take(params.lse);
  if (config.withCounts)
    take(params.counts);
  if (config.withCandidates)
    take(candidateCounts);
  if (isSpread()) {
    take(exchanged);
    take(counters);
  }
  take(params.maxPages);
  take(params.capacity);
  take(items);
  rank = makeRank();

  Type i32 = e.getI32Type(), i64 = e.getI64Type(), f32 = e.getF32Type();
  const int64_t warps = config.warps, heads = ownHeads(), group = shape.group, dim = shape.headDim;
  // While pages are ranked, their coefficients lie there.
  histograms = e.shared(i32, std::max(kRankBins, headSearchWords(config.memoryFacts()) * heads));
  warpSums = e.shared(i64, warps * heads);
  crossings = e.shared(i32, 4 * heads);
  scratch = e.shared(i32, 2 * warps * heads);
  maxima = e.shared(f32, maximaStride() * heads);
  blockParts = e.shared(f32, blockPartWords(config.memoryFacts()));
  if (isSpread())
    exchange.emplace(e, config.memoryFacts(), counters, e.shared(i32, BlockExchange::kWords));
  scoreQuery = e.shared(i32, CandidateLogits::countPreparedWords(shape));
  query = e.shared(i32, dim / 32 * kWarp * 4);
  if (splits()) {
    if (clustered())
      headers = e.shared(i32, kPostedHeaderWords * searchedHeads(config.memoryFacts()) * blocks());
    blockCounts = e.shared(i32, 2 * blocks());
    thresholds = e.shared(i32, 2 * group);
    listed = e.shared(i32, group);
  }
  currentItems = e.shared(i32, 4 * warps);
  SharedTile warpMaxima = e.shared(f32, warps * group), warpMasses = e.shared(f32, warps * group);

  assert(e.getSharedBytes() == getBlockFixedBytes(config.memoryFacts()) && "BlockMemory.h says what lies here");
  parts = {warpMaxima, warpMasses, SharedTile()};
  layOut(params.maxPages, params.capacity);
}

void BlockPipeline::layOut(Expr maxPages, Expr capacity) {
  Type i32 = e.getI32Type(), f32 = e.getF32Type();
  memory = planBlockMemory<Expr>(config.memoryFacts(), maxPages, capacity);
  keys = e.sharedBehind(i32, memory.keys);
  posted = e.sharedBehind(i32, memory.posted);
  pages = e.sharedBehind(i32, memory.pages);
  physical = e.sharedBehind(i32, memory.physical);
  masks = e.sharedBehind(i32, memory.masks);
  logits = e.sharedBehind(f32, memory.logits);
  rows = e.sharedBehind(i32, memory.rows);
  if (!isSpread())
    return;
  ExchangeMemory<Expr> far = planExchange(config.memoryFacts(), memory, maxPages);
  Expr group = e.blockAnew() / config.spread;
  SharedTile all(exchanged, group * far.words, i32);
  meetsForKeys = maxPages > kPolledKeys;
  const BlockMemoryFacts facts = config.memoryFacts();
  Expr zeroed = group * counterStride(facts);
  farKeys = SharedTile(select(meetsForKeys, exchanged, counters),
                       select(meetsForKeys, group * far.words + far.keys, zeroed + firstPolledKey(facts)), i32);
  if (splits()) {
    farHeaders = SharedTile(counters, zeroed + firstHeader(facts), i32);
    farPosted = SharedTile(counters, zeroed + firstPostedKey(facts), i32);
    farHistograms = all.from(far.histograms);
  } else {
    farMaxima = all.from(far.maxima).as(f32);
    farLogits = all.from(far.logits).as(f32);
    farMasks = all.from(far.masks);
  }
}

Expr BlockPipeline::makeRank() {
  if (isSpread())
    return e.blockAnew() % config.spread;
  return clustered() ? e.clusterRank() : e.i32(0);
}

void BlockPipeline::anew(function_ref<void()> body) {
  e.anew([&] {
    Expr outer = std::exchange(rank, makeRank());
    BlockPlaces before = *this;
    layOut(e.forget(params.maxPages), e.forget(params.capacity));
    body();
    rank = outer;
    static_cast<BlockPlaces &>(*this) = before;
  });
}
