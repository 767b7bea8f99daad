// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The whole pipeline as one kernel: kept candidates.

#include "BlockPipeline.h"

#include "Stages/KeepTokens.h"

using namespace mlir;
using namespace twilight;

/// The maximum of the logits of own head `own`: of each warp of all blocks.
Expr BlockPipeline::maximumOf(Expr own) {
  const int64_t all = config.warps * blocks();
  Expr result;
  for (int64_t first = 0; first < all; first += kWarp) {
    Expr next = maxima.load(own * maximaStride() + min(e.lane() + first, all - 1));
    result = first == 0 ? next : max(result, next);
  }
  return e.warpMax(result);
}

void BlockPipeline::pruneHeads(const Item &item, Expr candidates) {
  const int64_t heads = ownHeads(), each = config.warps / heads; // warps a head
  Expr own = e.warp() / each, head = rank * heads + own;
  Expr exists = (own < heads) & (head < shape.group) & (candidates > 0);
  e.ifThen(exists, [&] {
    e.within({own * each, each, own + kHeadBarrier}, [&] { pruneHead(item, candidates, head, each, own); });
  });
}

void BlockPipeline::pruneHead(const Item &item, Expr candidates, Expr head, int64_t warps, Expr own) {
  const TopPConfig &prune = config.prune;
  Type f32 = e.getF32Type();
  HeadWeights weights(e, candidates, logits.from(own * memory.logitsStride));
  KeepScratch search(e, histograms.from(own * kKeepWords), warpSums.from(own * warps), crossings.from(own * 4));
  Expr level = prune.constantLevel
                   ? e.f32(*prune.constantLevel)
                   : e.load(levels, prune.levelPerHead ? item.kvHead * shape.group + head : e.i32(0), f32);
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
        markListed(e, weights, threshold, search, mask);
        return Exprs();
      },
      [&] {
        e.barrier(); // the mask is zero
        writeKeepMask(e, weights, threshold, scratch.from(own * (2 * warps)), nullptr,
                      [&](Expr word, Expr bits) { mask.store(word, bits); });
        return Exprs();
      });
  // Slots ascend: floors are among the first and the last ones.
  auto markFloor = [&](Expr slot, function_ref<Expr(Expr)> isFloor) {
    e.ifThen(isFloor(position(slot)), [&] { mask.atomicOr(slot >> 5, e.i32(1) << (slot & (kWarp - 1))); });
  };
  if (prune.sink > 0 || prune.recent > 0)
    e.barrier(); // the mask is written
  if (prune.sink > 0)
    e.forRange(thread, min(candidates, prune.sink), step,
               [&](Expr slot) { markFloor(slot, [&](Expr where) { return where < prune.sink; }); });
  if (prune.recent > 0)
    e.forRange(max(candidates - prune.recent, 0) + thread, candidates, step,
               [&](Expr slot) { markFloor(slot, [&](Expr where) { return where >= item.length - prune.recent; }); });
  if (blocks() == 1)
    return;
  e.barrier(); // the mask is complete
  const BlockPiece piece{mask, isSpread() ? farMasks.from(head * memory.maskWords) : SharedTile()};
  e.forRange(thread, ceilDiv(words, 4), step, [&](Expr four) {
    std::array<Expr, 4> bits = mask.loadFour(four);
    inEveryBlock(piece, [&](SharedTile tile) { tile.storeFour(four, bits); });
  });
}
