// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The whole pipeline as one kernel: thresholds that all blocks of an item search for together, where the prune is
// split.
//
//   repeat for each 8 bits of a key:
//     histogram of own masses
//     -- cluster --
//     bin = where the sum of all blocks' histograms crosses the target

#include "BlockPipeline.h"

using namespace mlir;
using namespace twilight;

MassHistogram BlockPipeline::histogramOf(Expr block, Expr head, Expr round) {
  constexpr int64_t words = massWords(kKeepBins);
  Expr parity = round & 1; // two: a block may fill the next one while others read the last
  if (isSpread())
    return MassHistogram(farHistograms.from(((head * 2 + parity) * blocks() + block) * words));
  return ownHistogramOf(head, round).ofBlock(block);
}

MassHistogram BlockPipeline::ownHistogramOf(Expr head, Expr round) {
  constexpr int64_t words = massWords(kKeepBins);
  return MassHistogram(posted.from(isSpread() ? head * words : (head * 2 + (round & 1)) * words));
}

/// The thresholds of the heads that are searched, among all candidates of all blocks.
Expr BlockPipeline::searchTogether(const Item &item, Expr slots, Expr isSearched) {
  Expr zero = e.i32(0);
  constexpr int64_t kRounds = llvm::divideCeil(kKeyBits, kMassBinBits);
  return e.forRange(zero, e.i32(kRounds), e.i32(1), {zero, isSearched}, [&](Expr round, ArrayRef<Expr> state) {
    KeyRange range{state[0], e.i32(kKeyBits) - round * kMassBinBits};
    forOwnHeads(state[1], [&](Expr head) {
      HeadWeights weights = weightsOf(head, slots);
      MassHistogram histogram = ownHistogramOf(head, round);
      histogram.clear(e);
      e.barrier(); // the histogram is clear
      weights.forEach(weights.all(), searchOf(head).list, postedKeys(config.memoryFacts()),
                      [&](Expr, Expr key) { histogram.addKey(range, key); });
      if (isSpread()) {
        e.barrier(); // the histogram is complete
        histogram.copyTo(e, histogramOf(rank, head, round));
      }
    });
    meetBlocks();
    return inOwnHead(state[1], {state[0], e.boolean(false)}, [&](Expr head) {
      SharedTile crossing = searchOf(head).crossing;
      Expr level = levelOf(item, head);
      e.ifThen(e.warp() == 0, [&] {
        // Not unrolled: the blocks' addresses would take registers.
        Expr all = isSpread() ? e.forget(e.i32(blocks())) : e.clusterBlocks();
        Exprs none(8, e.i64(0));
        Exprs masses = e.forRange(zero, all, e.i32(1), none, [&](Expr block, ArrayRef<Expr> sums) {
          SmallVector<Expr> ofBlock = histogramOf(block, head, round).load(e);
          Exprs next;
          for (auto [sum, mass] : llvm::zip_equal(sums, ofBlock))
            next.push_back(sum + mass);
          return next;
        });
        findMassCrossing(e, crossing, masses, [&](Expr total) {
          return e.ifElse(
              round == 0, [&] { return Exprs{targetMass(e, level, total)}; },
              [&] { return Exprs{crossing.loadPair(e.i32(1))}; })[0];
        });
      });
      e.barrier(); // the bin is known
      // Where not even all candidates reach the target, all are kept.
      Expr bin = crossing.load(zero), found = bin >= 0;
      return Exprs{select(found, range.of(bin).low, zero), found};
    });
  })[0];
}
