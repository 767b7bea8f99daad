// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The whole pipeline as one kernel: candidates.

#include "BlockPipeline.h"

#include "Stages/KeepTokens.h"

#include <limits>

using namespace mlir;
using namespace twilight;

void BlockPipeline::scoreCandidates(const Item &item, Expr candidates) {
  const int64_t heads = ownHeads(), page = shape.pageSize;
  LaneGrid at(e);
  Expr share = ceilDiv(item.kept, config.cluster), firstPage = min(rank * share, item.kept);
  Expr start = firstPage * page, end = min(start + share * page, candidates), lane = e.lane();
  // Row of a slot; those past the end read the last one's.
  auto rowOf = [&](Expr slot) {
    Expr inside = min(slot, end - 1);
    return (physical.load(inside / page) * shape.kvHeads + item.kvHead) * page + inside % page;
  };
  CandidateLogits scores(e, shape, config.scoreScale,
                         loadScoreQuery(e, shape, params.q, item.sequence, item.kvHead * shape.group));
  // The next step's codes are asked for before this step's are used.
  const int64_t words = scores.countWords();
  // Tiles of 16 slots that a warp has in flight: fewer of wide codes, for want of registers.
  const int64_t tiles = words > 4 ? 2 : 4, step = tiles * 16;
  auto fetch = [&](Expr base) {
    SmallVector<Expr, 2> rowsOfLane;
    for (int64_t pair = 0; pair < tiles / 2; ++pair)
      rowsOfLane.push_back(rowOf(base + lane + pair * kWarp));
    Exprs all;
    for (Expr row : rowsOfLane)
      all.push_back(scores.loadScaleZero(codes, row));
    for (int64_t t = 0; t < tiles; ++t) {
      Expr lower = at.row + (t % 2) * 16, row = rowsOfLane[t / 2];
      CandidateLogits::Codes tile = scores.load(codes, {e.shuffle(row, lower), e.shuffle(row, lower + 8)});
      all.append(tile.half[0].begin(), tile.half[0].end());
      all.append(tile.half[1].begin(), tile.half[1].end());
    }
    return all;
  };
  Expr first = start + e.warp() * step, stride = e.i32(e.getWarps() * step);
  Expr lowest = e.f32(-std::numeric_limits<double>::infinity());
  // A lane's maxima of its two heads wait in shared memory, where searches have their histograms before and after:
  // registers are short in this loop.
  SharedTile running = histograms.as(e.getF32Type());
  auto place = [&](int64_t i) { return e.threadIndex() + i * e.getThreads(); };
  for (int64_t i = 0; i < 2; ++i)
    running.store(place(i), lowest);
  e.ifThen(first < end, [&] {
    e.forRange(first, end, stride, fetch(first), [&](Expr base, ArrayRef<Expr> current) {
      Exprs next = fetch(base + stride);
      // Rows past the end are the last one again, which changes no maximum.
      std::array<Expr, 2> largest = {lowest, lowest};
      for (int64_t t = 0; t < tiles; ++t) {
        Expr lower = at.row + (t % 2) * 16, word = current[t / 2];
        ArrayRef<Expr> data = current.slice(tiles / 2 + t * 2 * words, 2 * words);
        CandidateLogits::Codes tile{{llvm::to_vector(data.take_front(words)), llvm::to_vector(data.drop_front(words))}};
        scores.score(tile, {e.shuffle(word, lower), e.shuffle(word, lower + 8)},
                     [&](int64_t half, int64_t i, Expr exact) {
                       Expr logit = toScore(exact, config.prune.scoreType).to(e.getF32Type());
                       largest[i] = max(largest[i], logit);
                       Expr head = at.column * 2 + i, slot = base + at.row + (t * 16 + half * 8);
                       e.ifThen((head < shape.group) & (slot < end), [&] {
                         SharedTile owner = clustered() ? logits.ofBlock(head / heads) : logits;
                         owner.store((head % heads) * memory.logitsStride + slot, logit);
                       });
                     });
      }
      for (int64_t i = 0; i < 2; ++i)
        running.store(place(i), max(running.load(place(i)), largest[i]));
      return next;
    });
  });
  anew([&] {
    LaneGrid at(e);
    for (int64_t i = 0; i < 2; ++i) {
      Expr head = at.column * 2 + i, largest = running.load(place(i));
      for (int64_t rows = 4; rows < kWarp; rows *= 2)
        largest = max(largest, e.shuffleXor(largest, rows));
      e.ifThen((at.row == 0) & (head < shape.group), [&] {
        SharedTile owner = clustered() ? maxima.ofBlock(head / heads) : maxima;
        owner.store(((head % heads) * config.cluster + rank) * e.getWarps() + e.warp(), largest);
      });
    }
  });
}

/// The maximum of the logits of own head `own`: of each warp of the cluster.
Expr BlockPipeline::maximumOf(Expr own) {
  const int64_t all = config.warps * config.cluster;
  Expr result;
  for (int64_t first = 0; first < all; first += kWarp) {
    Expr next = maxima.load(own * all + min(e.lane() + first, all - 1));
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
  if (!clustered())
    return;
  e.barrier(); // the mask is complete
  e.forRange(thread, ceilDiv(words, 4), step, [&](Expr four) {
    std::array<Expr, 4> bits = mask.loadFour(four);
    inEveryBlock(mask, [&](SharedTile tile) { tile.storeFour(four, bits); });
  });
}
