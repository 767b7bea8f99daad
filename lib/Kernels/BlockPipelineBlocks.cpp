// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The whole pipeline as one kernel: what crosses the blocks of an item.

#include "BlockPipeline.h"

using namespace mlir;
using namespace twilight;

void BlockPipeline::meetBlocks(function_ref<void()> meanwhile) {
  if (isSpread())
    return exchange->meet(meanwhile);
  if (clustered())
    return e.clusterBarrier(meanwhile);
  meanwhile();
  e.barrier();
}

void BlockPipeline::passRanking(function_ref<void()> meanwhile) {
  meanwhile();
  // Warps that look for keys would slow down those that still rank.
  e.barrier();
  anew([&] {
    e.ifThen(meetsForKeys, [&] {
      e.ifThen(rank == 0, [&] { padKeys(current(), farKeys); });
      exchange->arrive();
    });
  });
  // Zeros of the item before have to be there, and what it handed on to have been read.
  anew([&] { e.ifThen(meetsForKeys | !exchange->isFirstItem(), [&] { exchange->await(); }); });
}

void BlockPipeline::clearKeys(const Item &item) {
  // Of those that rankPages gave to this block's warps. From the last thread on: the first ones finish elements.
  Expr tiles = max(ceilDiv(item.pages, 16) - rank + (blocks() - 1), 0) / blocks(), zero = e.i32(0);
  e.ifThen(item.scored & !meetsForKeys, [&] {
    e.forRange(e.i32(e.getThreads() - 1) - e.threadIndex(), tiles * 4, e.i32(e.getThreads()), [&](Expr four) {
      farKeys.publishFour((four / 4 * blocks() + rank) * 4 + four % 4, {zero, zero, zero, zero});
    });
  });
}

void BlockPipeline::endItem(const Item &item) {
  e.barrier();
  if (!isSpread())
    return;
  // Where blocks meet behind the next ranking they come to that meeting instead.
  anew(
      [&] { e.ifThen((item.index + e.gridBlocks() / blocks() < items) & !meetsForKeys, [&] { exchange->arrive(); }); });
}

void BlockPipeline::inEveryBlock(const BlockPiece &piece, function_ref<void(SharedTile)> store) {
  if (!clustered())
    return store(isSpread() ? piece.far : piece.tile);
  // A loop: unrolled, the blocks' addresses would stay in registers for good.
  e.forRange(e.i32(0), e.clusterBlocks(), e.i32(1), [&](Expr block) { store(piece.tile.ofBlock(block)); });
}

SharedTile BlockPipeline::rowsOfOwner(const BlockPiece &piece, Expr head, Expr stride) {
  const int64_t heads = ownHeads();
  if (isSpread())
    return piece.far.from(head / heads * heads * stride);
  return clustered() ? piece.tile.ofBlock(head / heads) : piece.tile;
}

SharedTile BlockPipeline::rowOfSearcher(const BlockPiece &piece, Expr head, int64_t stride) {
  const int64_t heads = searchedHeads(config.memoryFacts());
  return isSpread() ? piece.far.from(head * stride) : piece.tile.from(head % heads * stride).ofBlock(head / heads);
}

void BlockPipeline::takeLogits(Expr candidates) {
  if (!isSpread())
    return;
  anew([&] {
    const int64_t heads = ownHeads();
    Expr first = rank * heads, last = min(e.i32(shape.group) - first, heads) - 1, isOwner = last >= 0;
    auto take = [&](SharedTile far, Expr stride, SharedTile tile, Expr words) {
      exchange->fetch({far.from(first * stride), heads, stride, last}, tile, select(isOwner, words, e.i32(0)));
    };
    take(farMaxima, e.i32(maximaStride()), maxima, e.i32(config.warps * blocks()));
    take(farLogits, memory.logitsStride, logits, candidates);
  });
  e.barrier();
}

void BlockPipeline::takeMasks(Expr candidates) {
  if (!isSpread())
    return;
  anew([&] {
    const int64_t heads = shape.group;
    exchange->fetch({farMasks, heads, memory.maskWords, e.i32(heads - 1)}, masks, ceilDiv(candidates, kWarp));
  });
  e.barrier();
}

void BlockPipeline::giveMaximum(Expr head, Expr largest) {
  // Nobody looks where nothing is kept: what was given then would not be known to have come before the end zeroes it.
  e.ifThen(current().kept > 0, [&] {
    Expr notice = (head * blocks() + rank) * config.warps + e.warp() + kFirstMaximum;
    exchange->give(notice, largest.bitcast(e.getI32Type()), e.i32(0));
  });
}

void BlockPipeline::takeMaximum(Expr head) {
  if (!isSpread())
    return;
  const int64_t all = blocks() * config.warps;
  Expr largest;
  for (Expr word : exchange->awaitAll(head * all + kFirstMaximum, all)) {
    Expr next = word.bitcast(e.getF32Type());
    largest = largest.get() ? max(largest, next) : next;
  }
  largest = e.warpMax(largest);
  e.ifThen(e.lane() == 0, [&] { maxima.store(head * maximaStride() + e.warp(), largest); });
}
