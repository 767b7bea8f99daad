// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// How thread blocks that share an item without being a cluster meet, and take what the others made from global memory.
//
// Neighbours in the grid are a group. They come to a counter, which only rises until the kernel ends:
//
//   meet     thread 0: counter += 1, wait until every block has come as often as this one
//   arrive   the first half of it; a block that takes nothing of what the others wrote does not wait
//
// A meeting is a fence and trips to the L2 one after the other. A word that itself says that it is there needs none of
// this: it is written and read whole, by relaxed accesses, and shows only itself, not what its giver wrote or saw
// before. Readers look until it is there.
//
//   give     a notice, to all: a word of 34 bits and the item's number. Others wait for the latter, so that nobody has
//            to take it back.
//   bring    a part, to one block: a word that is not 0. That block takes it and leaves 0.
//   keys     of pages, to all, i32 that are not 0; their giver leaves 0 when all blocks' parts have come, which each
//            brings when it has taken the keys. And what is posted, headers and keys, i32 that are not 0, to the block
//            that finds the threshold: that one leaves 0.
//
// What leaves 0, or is written again, has to come before the next item's words. So where an item follows, each block
// comes to a meeting at the item's end, when it is done with it, and waits for the others behind the ranking of the
// next one. Where keys are too many for the memory that is kept zero, blocks come to that meeting behind the ranking,
// of every item, and nobody zeroes keys. Of the next item only keys are written before they have waited, each block's
// where it has zeroed, or all have taken, its own. Else what is overwritten has been read:
//
//   | what | read before | written behind |
//   |---|---|---|
//   | logits, maxima | the masks' meeting | the next item's first meeting |
//   | masks, notices, headers, posted keys, parts | the item's end | the next item's first meeting |
//   | histograms, two rounds' in turn | the next round's meeting, or the item's end | the next round's meeting |
//
// Where a head is pruned by one block, two meetings more: of logits and maxima, and of masks. Where the prune is split,
// none: maxima and thresholds are notices. Each round of histograms has one. Every item ends with parts.

#ifndef TWILIGHT_LIB_KERNELS_BLOCKEXCHANGE_H
#define TWILIGHT_LIB_KERNELS_BLOCKEXCHANGE_H

#include "twilight/Kernels/Kernels.h"

namespace twilight {

/// Rows of 4-byte elements in global memory, to be copied.
struct ExchangeRows {
  SharedTile from; ///< the first row
  int64_t rows;    ///< rows that the tile has
  Expr stride;     ///< elements from row to row, here and in the tile: a multiple of 4
  Expr last;       ///< the last row that exists: later ones are copies of it
};

class BlockExchange {
public:
  static constexpr int64_t kWords = 4;
  /// Of a group of `facts.blocks`. `counters`: i32 in global memory, counterStride for each group, zero before and
  /// after the kernel: the counter, notices and parts, and what the kernel itself keeps so. `own`: i32 [kWords] in
  /// shared memory.
  BlockExchange(KernelEmitter &e, const BlockMemoryFacts &facts, Expr counters, SharedTile own);

  /// The next item begins; a barrier makes that known.
  void begin();
  Expr isFirstItem();
  /// What all blocks of the group wrote before can be taken behind it. `meanwhile` is done while one thread waits. By
  /// all threads.
  void meet(llvm::function_ref<void()> meanwhile);
  /// Its halves: this block has come; the others have. A block that does not take what they wrote need not wait.
  void arrive();
  void await();
  /// Once an item: a word and a number from 0 to 3 to all blocks, by a thread for itself.
  void give(Expr notice, Expr word, Expr number);
  /// What was given in this item: a lane's word and number. By a whole warp.
  std::array<Expr, 2> await(Expr notice);
  /// Words of `count` notices, among the threads that work together: each has some, of which one may stand for another.
  Exprs awaitAll(Expr first, int64_t count);
  /// Copies the first `words` elements of each row into a tile. By all threads; a barrier makes it theirs.
  void fetch(const ExchangeRows &source, SharedTile tile, Expr words);
  /// Brings a word that is not 0 to a block of the group: part `part` of this one. By a thread for itself.
  void bring(Expr block, Expr part, Expr word);
  /// Takes what all blocks brought to this one, and leaves zeros: `take(block, part, word)` for the parts that
  /// `isBrought` says are brought, which is waited for. By all threads, each for itself.
  void takeBrought(llvm::function_ref<Expr(Expr part)> isBrought,
                   llvm::function_ref<void(Expr block, Expr part, Expr word)> take);
  /// Ends the kernel, behind the last item's parts.
  void end();

private:
  void byOneThread(llvm::function_ref<void()> body);
  /// Of thread 0: what the counter is when all blocks have come as often as this one, which comes now.
  Expr countArrival();
  Expr countedItems();
  Expr counter();
  Expr placeOf(Expr notice);
  Exprs awaitNotices(llvm::ArrayRef<Expr> places);
  Expr placeOfPart(Expr from, Expr to, Expr part);

  KernelEmitter &e;
  const BlockMemoryFacts facts;
  const int64_t blocks;
  Expr counters;
  SharedTile own;
};

} // namespace twilight

#endif
