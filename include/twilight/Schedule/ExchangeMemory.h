// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Global memory through which the S thread blocks that share an item without being a cluster hand on what they made:
// the one place that lays it out, for the kernel and for the launch that makes room for it. In i32 words, for each
// group of S blocks:
//
//   | what | words |
//   |---|---|
//   | keys of the pages' importances | pages |
//   | logits of the G query heads, and their maxima of each warp | G x (slots + S x warps), S in whole fours |
//   | masks of the kept slots | G x slots / 32 |
//   | the blocks' sums, maximum and mass of each head | S x G x (D + 2) |
//
// Every row begins at a multiple of 16 bytes, every group at one of 128.

#ifndef TWILIGHT_SCHEDULE_EXCHANGEMEMORY_H
#define TWILIGHT_SCHEDULE_EXCHANGEMEMORY_H

#include "twilight/Schedule/BlockMemory.h"

namespace twilight {

/// i32 elements from one group's counter to the next one's: a line of 128 bytes each.
constexpr int64_t kCounterStride = 32;

/// Word offsets from the group's first. Size as in BlockMemory, whose strides hold here, too.
template <typename Size>
struct ExchangeMemory {
  Size keys, logits, maxima, masks, parts;
  Size words; ///< of a group
};

/// `pages` as in planBlockMemory, which gave `memory`.
template <typename Size>
ExchangeMemory<Size> planExchange(const BlockMemoryFacts &facts, const BlockMemory<Size> &memory, Size pages) {
  ExchangeMemory<Size> m;
  m.keys = pages * int64_t(0);
  m.logits = ceilDiv(pages, int64_t(4)) * int64_t(4);
  m.maxima = m.logits + memory.logitsStride * facts.group;
  m.masks = m.maxima + facts.group * facts.warps * maximaBlocks(facts);
  m.parts = m.masks + memory.maskWords * facts.group;
  m.words = ceilDiv(m.parts + blockPartWords(facts), int64_t(32)) * int64_t(32);
  return m;
}

} // namespace twilight

#endif
