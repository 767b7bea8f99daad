// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The whole pipeline as one kernel: kept candidates.

#include "BlockPipeline.h"

#include "Stages/KeepTokens.h"

using namespace mlir;
using namespace twilight;

/// The maximum of the logits of own head `own`: of each warp of all blocks, or where these are notices, of what each
/// warp of the head took.
Expr BlockPipeline::maximumOf(Expr own) {
  const int64_t all = isSpread() && splits() ? headWarps() : config.warps * blocks();
  Expr result;
  for (int64_t first = 0; first < all; first += kWarp) {
    Expr next = maxima.load(own * maximaStride() + min(e.lane() + first, all - 1));
    result = first == 0 ? next : max(result, next);
  }
  return e.warpMax(result);
}

void BlockPipeline::forOwnHeads(Expr condition, function_ref<void(Expr)> body) {
  inOwnHead(condition, {}, [&](Expr own) {
    body(own);
    return Exprs();
  });
}

Exprs BlockPipeline::inOwnHead(Expr condition, ArrayRef<Expr> otherwise, function_ref<Exprs(Expr)> body) {
  const int64_t each = headWarps();
  Expr own = e.warp() / each;
  auto inside = [&] {
    Exprs results;
    e.within({own * each, each, own + kHeadBarrier}, [&] { results = body(own); });
    return results;
  };
  return e.ifElse((own < ownHeads()) & condition, inside, [&] { return Exprs(otherwise.begin(), otherwise.end()); });
}

Expr BlockPipeline::levelOf(const Item &item, Expr head) {
  const TopPConfig &prune = config.prune;
  return prune.constantLevel
             ? e.f32(*prune.constantLevel)
             : e.load(levels, prune.levelPerHead ? item.kvHead * shape.group + head : e.i32(0), e.getF32Type());
}

KeepScratch BlockPipeline::searchOf(Expr own) {
  return KeepScratch(e, histograms.from(own * headSearchWords(config.memoryFacts())), warpSums.from(own * headWarps()),
                     crossings.from(own * 4));
}

void BlockPipeline::pruneHeads(const Item &item, Expr candidates) {
  const int64_t heads = ownHeads();
  Expr head = rank * heads + e.warp() / headWarps();
  forOwnHeads((head < shape.group) & (candidates > 0), [&](Expr own) { pruneHead(item, candidates, head, own); });
}

void BlockPipeline::pruneHead(const Item &item, Expr candidates, Expr head, Expr own) {
  const TopPConfig &prune = config.prune;
  HeadWeights weights(e, candidates, logits.from(own * memory.logitsStride));
  KeepScratch search = searchOf(own);
  Expr level = levelOf(item, head);
  weights.setReference(maximumOf(own));
  weights.pad();
  SharedTile mask = masks.from(head * memory.maskWords);
  Expr thread = e.threadIndex(), step = e.i32(e.getThreads()), words = ceilDiv(candidates, kWarp), zero = e.i32(0);
  e.forRange(thread, ceilDiv(words, 4), step, [&](Expr four) { mask.storeFour(four, {zero, zero, zero, zero}); });
  KeepThreshold threshold =
      findKeepThreshold(e, {prune.rule, prune.minTokens, prune.maxTokens}, weights, search, level);
  e.ifElse(
      threshold.elements.listed,
      [&] {
        markListed(e, weights, threshold.key, threshold.elements, search.list, kKeepList, mask);
        return Exprs();
      },
      [&] {
        e.barrier(); // the mask is zero
        writeKeepMask(e, weights, threshold, scratch.from(own * (2 * headWarps())), nullptr,
                      [&](Expr word, Expr bits) { mask.store(word, bits); });
        return Exprs();
      });
  if (prune.sink > 0 || prune.recent > 0)
    e.barrier(); // the mask is written
  markFloors(item, mask, candidates);
  if (blocks() == 1)
    return;
  e.barrier(); // the mask is complete
  const BlockPiece piece{mask, isSpread() ? farMasks.from(head * memory.maskWords) : SharedTile()};
  e.forRange(thread, ceilDiv(words, 4), step, [&](Expr four) {
    std::array<Expr, 4> bits = mask.loadFour(four);
    inEveryBlock(piece, [&](SharedTile tile) { tile.storeFour(four, bits); });
  });
}

void BlockPipeline::markFloors(const Item &item, SharedTile mask, Expr slots) {
  const int64_t page = shape.pageSize, around = page * blocks(), sink = config.prune.sink, recent = config.prune.recent;
  Expr thread = e.threadIndex(), step = e.i32(e.getThreads());
  auto mark = [&](Expr begin, Expr end, function_ref<Expr(Expr)> isFloor) {
    e.forRange(begin + thread, end, step,
               [&](Expr slot) { e.ifThen(isFloor(position(slot)), [&] { markBit(e, mask, slot); }); });
  };
  // Slots ascend: floors are among the first and the last ones. Where pages go round the blocks, so are those.
  Expr first = e.i32(splits() ? ceilDiv(sink, around) * page : sink), last = slots - recent;
  if (splits())
    last = max(item.kept * page - page - recent, 0) / around * page;
  if (sink > 0)
    mark(e.i32(0), min(slots, first), [&](Expr where) { return where < sink; });
  if (recent > 0)
    mark(max(last, 0), slots, [&](Expr where) { return where >= item.length - recent; });
}
