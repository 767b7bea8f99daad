// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Global memory through which the S thread blocks that share an item without being a cluster hand on what they made:
// the one place that lays it out, for the kernel and for the launch that makes room for it. In i32 words, for each
// group of S blocks:
//
//   | what | words |
//   |---|---|
//   | keys of the pages' importances | pages |
//   | maxima of the G query heads' logits, of each warp | G x S x warps, S in whole fours |
//   | the blocks' sums, maximum and mass of each head | S x G x (D + 2) |
//
// where a head is pruned by one block:
//   | logits | G x slots |
//   | masks of the kept slots | G x slots / 32 |
//
// where the prune is split over the blocks:
//   | what the blocks say of their heavy keys, and these | G x S x (4 + postedKeys) |
//   | histograms of masses, two of each head and block | 2 x G x S x 768 |
//   | the blocks' numbers of tokens and candidates | 2 x S |
//
// Every row begins at a multiple of 16 bytes, every group at one of 128.

#ifndef TWILIGHT_SCHEDULE_EXCHANGEMEMORY_H
#define TWILIGHT_SCHEDULE_EXCHANGEMEMORY_H

#include "twilight/Schedule/BlockMemory.h"

namespace twilight {

/// i32 elements from one group's counters and notices to the next one's: a line of 128 bytes each.
constexpr int64_t kCounterStride = 32;

/// Word offsets from the group's first. Size as in BlockMemory, whose strides hold here, too.
template <typename Size>
struct ExchangeMemory {
  Size keys, maxima, parts;
  Size logits, masks;                       ///< where a head is pruned by one block
  Size headers, posted, histograms, counts; ///< where the prune is split
  Size words;                               ///< of a group
};

/// `pages` as in planBlockMemory, which gave `memory`.
template <typename Size>
ExchangeMemory<Size> planExchange(const BlockMemoryFacts &facts, const BlockMemory<Size> &memory, Size pages) {
  ExchangeMemory<Size> m;
  m.keys = pages * int64_t(0);
  const bool split = splitsPrune(facts);
  Size end = ceilDiv(pages, int64_t(4)) * int64_t(4);
  if (!split) {
    m.logits = end;
    end = end + memory.logitsStride * facts.group;
  }
  m.maxima = end;
  end = end + facts.group * facts.warps * maximaBlocks(facts);
  if (split) {
    const int64_t each = facts.group * facts.blocks;
    m.headers = end;
    m.posted = m.headers + each * kPostedHeaderWords;
    m.histograms = m.posted + each * postedKeys(facts);
    m.counts = m.histograms + 2 * each * massWords(kKeepBins);
    end = m.counts + ceilDiv(2 * facts.blocks, 4) * 4;
  } else {
    m.masks = end;
    end = end + memory.maskWords * facts.group;
  }
  m.parts = end;
  end = end + blockPartWords(facts);
  m.words = ceilDiv(end, int64_t(32)) * int64_t(32);
  return m;
}

} // namespace twilight

#endif
