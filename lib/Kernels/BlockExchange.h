// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// How thread blocks that share an item without being a cluster meet, and take what the others made from global memory.
//
// Neighbours in the grid are a group. They come to two counters, which only rise until the last of them leaves the last
// item:
//
//   meet     thread 0: first counter += 1, wait until every block has come as often as this one
//   ifLast   thread 0: second counter += 1; the block that comes last goes on alone
//
// What a block finds from what the others wrote before a meeting, in 34 bits, it can give all of them without one more:
// a notice, which bears the number of that meeting. Others need not wait for the meeting: nobody gives a notice before
// all have come to it. A notice shows itself only, not what its giver wrote or saw before.
//
// So a block may be at the next item's first meeting, and not behind it, while others have not come to `ifLast` yet.
// What the next item overwrites has been read by then, each before its reader came to a meeting that the writer is
// past:
//
//   | what | read before | written behind |
//   |---|---|---|
//   | keys | second meeting, of the logits or maxima | the item's last meeting: a block past it may rank |
//   | logits, maxima | third meeting, or the next item's first | the next item's first meeting |
//   | masks, headers, posted keys | the next meeting, maybe of the next item | the next item's first meeting |
//   | notices | the next meeting, maybe of the next item | that item's third meeting |
//   | histograms, two in turn | the next meeting, maybe of the next item | the next round's meeting |
//   | parts, counts | the next item's first meeting | the next item's first meeting |
//
// Where the prune is split, the third meeting is that of the posted keys, behind which notices are given; each round of
// histograms has one more; there is none of them where a threshold needs no masses, and the second is the last. An item
// that attends densely has the first meeting alone, and only parts and counts.

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
  /// `blocks` of a group. `counters`: i32 in global memory, counterStride for each group, zero before and after the
  /// kernel. `own`: i32 [kWords] in shared memory.
  BlockExchange(KernelEmitter &e, const BlockMemoryFacts &facts, Expr counters, SharedTile own);

  /// What all blocks of the group wrote before can be taken behind it. By all threads.
  void meet(llvm::function_ref<void()> meanwhile);
  /// Its halves: this block has come; the others have. A block that does not take what they wrote need not wait.
  void arrive();
  void await();
  /// Between this block's last arrival and its next one: a word and a number from 0 to 3 to all blocks, by a thread
  /// for itself. Behind a barrier since that arrival, or by the block's first warp.
  void give(Expr notice, Expr word, Expr number);
  /// What was given since the block came last: a lane's word and number. By a whole warp, of which the same holds.
  std::array<Expr, 2> await(Expr notice);
  /// Copies the first `words` elements of each row into a tile. By all threads; a barrier makes it theirs.
  void fetch(const ExchangeRows &source, SharedTile tile, Expr words);
  /// Brings a word that is not 0 to a block of the group: part `part` of this one. By a thread for itself.
  void bring(Expr block, Expr part, Expr word);
  /// Takes what all blocks brought to this one, and leaves zeros: `take(block, part, word)` for parts of which
  /// `isBrought` says so. By all threads.
  void takeBrought(llvm::function_ref<Expr(Expr part)> isBrought,
                   llvm::function_ref<void(Expr block, Expr part, Expr word)> take);
  /// Ends the kernel, behind the last item's parts.
  void end();

private:
  void byOneThread(llvm::function_ref<void()> body);
  /// Of thread 0: what the counter is when all blocks have come as often as this one, which comes now.
  Expr countArrival();
  Expr counter();
  Expr placeOf(Expr notice);
  Expr placeOfPart(Expr from, Expr to, Expr part);

  KernelEmitter &e;
  const BlockMemoryFacts facts;
  const int64_t blocks;
  Expr counters;
  SharedTile own;
};

} // namespace twilight

#endif
