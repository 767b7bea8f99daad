// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Global memory through which the S thread blocks that share an item without being a cluster hand on what they made:
// the one place that lays it out, for the kernel and for the launch that makes room for it. In i32 words, for each
// group of S blocks:
//
//   | what | words |
//   |---|---|
//   | keys of the pages' importances, where they are more than kPolledKeys | pages |
//
// where a head is pruned by one block:
//   | logits | G x slots |
//   | maxima of the G query heads' logits, of each warp | G x S x warps, S in whole fours |
//   | masks of the kept slots | G x slots / 32 |
//
// where the prune is split over the blocks:
//   | histograms of masses, two of each head and block | 2 x G x S x 768 |
//
// Every row begins at a multiple of 16 bytes, every group at one of 128.
//
// Beside it, in memory that is zero before and after the kernel, in i64 words for each group:
//
//   | what | words |
//   |---|---|
//   | counter of arrivals, alone in its 32 bytes | kFirstNotice |
//   | notices, where the prune is split: of each head its threshold; of each head and warp its largest logit |
//   countNotices |
//   | parts, from every block to every block | S x S x countParts |
//   | keys of the pages' importances, i32 | kPolledKeys / 2 |
//   | what the blocks say of their heavy keys, and these, i32, where the prune is split | G x S x (4 + postedKeys) / 2
//   |
//
// Notices begin at a multiple of 32 bytes, parts and what follows at one of 128.

#ifndef TWILIGHT_SCHEDULE_EXCHANGEMEMORY_H
#define TWILIGHT_SCHEDULE_EXCHANGEMEMORY_H

#include "twilight/Schedule/BlockMemory.h"

namespace twilight {

/// What single blocks tell the others where the prune is split, i64 each: of every head its threshold, in the line of
/// the counters; then of every head, block and warp the largest logit.
constexpr int64_t kFirstNotice = 4, kFirstMaximum = 12; ///< i64 before the notices; notices before the maxima
inline int64_t countNotices(const BlockMemoryFacts &facts) {
  return facts.spread && splitsPrune(facts) ? kFirstMaximum + facts.group * facts.blocks * facts.warps : 0;
}
/// What each block brings to each other one, i64 each: sums of its share of the elements, maximum and mass of each
/// head, and how many tokens and candidates there were.
inline int64_t countParts(const BlockMemoryFacts &facts) { return finishedElements(facts) + facts.group + 1; }
/// i64 before those, of which every block has a row for each block that brings them.
inline int64_t firstPart(const BlockMemoryFacts &facts) { return ceilDiv(kFirstNotice + countNotices(facts), 16) * 16; }
/// Keys of pages that the blocks of an item need not meet for: pages of the longest sequence at most. More would make
/// the memory that is always there large.
constexpr int64_t kPolledKeys = 8192;
/// i32 before those.
inline int64_t firstPolledKey(const BlockMemoryFacts &facts) {
  return 2 * (firstPart(facts) + ceilDiv(facts.blocks * facts.blocks * countParts(facts), 16) * 16);
}
/// i32 before the headers, and before the posted keys, where the prune is split: a row for each head and block.
inline int64_t firstHeader(const BlockMemoryFacts &facts) { return firstPolledKey(facts) + kPolledKeys; }
inline int64_t firstPostedKey(const BlockMemoryFacts &facts) {
  return firstHeader(facts) + facts.group * facts.blocks * kPostedHeaderWords;
}
/// i32 elements from one group's counters to the next one's: whole lines of 128 bytes.
inline int64_t counterStride(const BlockMemoryFacts &facts) {
  const int64_t posts = splitsPrune(facts) ? facts.group * facts.blocks * postedKeys(facts) : 0;
  return posts > 0 ? ceilDiv(firstPostedKey(facts) + posts, 32) * 32 : firstHeader(facts);
}

/// Word offsets from the group's first. Size as in BlockMemory, whose strides hold here, too.
template <typename Size>
struct ExchangeMemory {
  Size keys;
  Size logits, maxima, masks; ///< where a head is pruned by one block
  Size histograms;            ///< where the prune is split
  Size words;                 ///< of a group
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
    m.maxima = end;
    end = end + facts.group * maximaStride(facts);
  }
  if (split) {
    const int64_t each = facts.group * facts.blocks;
    m.histograms = end;
    end = m.histograms + 2 * each * massWords(kKeepBins);
  } else {
    m.masks = end;
    end = end + memory.maskWords * facts.group;
  }
  m.words = ceilDiv(end, int64_t(32)) * int64_t(32);
  return m;
}

} // namespace twilight

#endif
