// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Shared memory of the block shape: the one place that lays it out, for the kernel, for the launch that asks for it,
// and for whoever checks or prices a schedule.
//
// Every one of the C thread blocks that share an item holds, with H = ceil(G / C) query heads a block:
//
//   | what | bytes |
//   |---|---|
//   | keys of the pages' importances | 4 x pages, twice where the next item's are made meanwhile |
//   | candidate list: logical and physical pages | 8 x candidate pages |
//   | masks of the kept slots | 4 x G x ceil(slots / 32) |
//   | logits of H heads; afterwards the kept tokens' rows and the warps' sums | 4 x H x slots, or these where they are
//   more |
//
// and what does not depend on sizes (getBlockFixedBytes): 8 KB of histogram and list for each own head's search; the
// query, as scoring multiplies it and as attention does; a few words a warp, the item that it works on among them; and
// of all blocks the sums of those G x D / C elements that this one finishes, with their maxima and masses.
//
// Where the prune is split over the blocks, each has all heads but only its share of the candidates: H = G, slots and
// candidate pages are those of the share, the masks are one, and a head's list holds what the block may post of it.
// Over the keys of the pages lies what the blocks of a cluster posted of the heads whose thresholds the block finds,
// and the histograms of a search of all of them together.

#ifndef TWILIGHT_SCHEDULE_BLOCKMEMORY_H
#define TWILIGHT_SCHEDULE_BLOCKMEMORY_H

#include <cstdint>

namespace twilight {

/// Compile-time facts that the layout depends on.
struct BlockMemoryFacts {
  int64_t group, headDim, pageSize;
  int64_t blocks; ///< that share an item
  int64_t warps;
  bool ahead;         ///< pages of the next item are ranked meanwhile
  int64_t denseBelow; ///< 0: never
  bool spread;        ///< the blocks are no cluster
  bool limits;        ///< top_p has min_tokens or max_tokens
};

constexpr int64_t kRankBins = 2048;   ///< of the search for candidates
constexpr int64_t kKeepBins = 256;    ///< of the search for kept tokens
constexpr int64_t kKeepList = 2560;   ///< heavy candidates of a head that are listed, 16 bits each
constexpr int64_t kPostedKeys = 8192; ///< heavy candidates that all blocks of an item post of each head

/// i32 words of a histogram of `bins` masses: each in three parts.
constexpr int64_t massWords(int64_t bins) { return 3 * bins; }
/// i32 words of a head's histogram and list.
constexpr int64_t kKeepWords = massWords(kKeepBins) + kKeepList / 2;

constexpr int64_t kAttendTileTokens = 16; ///< tokens of a tile of kept rows

/// Byte offsets, from `begin` on. Size is int64_t, or an expression that is computed at launch or in the kernel.
template <typename Size>
struct BlockMemory {
  Size keys, keysStride;     ///< stride: bytes from one item's keys to the next one's
  Size posted;               ///< over the keys: postedWords
  Size pages, physical;      ///< candidate list
  Size masks, maskWords;     ///< words of one head
  Size logits, logitsStride; ///< stride: elements (f32) from head to head
  Size rows, sums;           ///< over the logits
  Size bytes;                ///< of everything
};

inline int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }
inline int64_t max(int64_t a, int64_t b) { return a > b ? a : b; }
inline int64_t min(int64_t a, int64_t b) { return a < b ? a : b; }

/// Whether each block prunes its own candidates, of every head; else it prunes its own heads, of all
/// candidates. Limits need ties in the order of all candidates. In clusters of 8 it was no faster, and slower where
/// there are few candidates: a head has a quarter of the warps then (docs/rationale/kernels.md).
inline bool splitsPrune(const BlockMemoryFacts &facts) {
  return facts.blocks >= (facts.spread ? 4 : 16) && facts.warps >= facts.group && !facts.limits;
}

/// Query heads that a block prunes.
inline int64_t ownHeads(const BlockMemoryFacts &facts) {
  return splitsPrune(facts) ? facts.group : ceilDiv(facts.group, facts.blocks);
}

/// Heavy candidates that a block posts of a head at most, where the prune is split: a multiple of eight. There is room
/// for four times those of usual heads: where one block has more, all of the item's search together, which takes tens
/// of microseconds.
inline int64_t postedKeys(const BlockMemoryFacts &facts) { return min(kPostedKeys / facts.blocks / 8 * 8, 1024); }

/// Query heads whose threshold one block finds: the first blocks' ones, where there are more than heads.
inline int64_t searchedHeads(const BlockMemoryFacts &facts) { return ceilDiv(facts.group, facts.blocks); }

/// i32 words of what a block says of the keys that it posts of a head.
constexpr int64_t kPostedHeaderWords = 4;

/// i32 words of a head's histogram and list.
inline int64_t headSearchWords(const BlockMemoryFacts &facts) {
  return splitsPrune(facts) ? massWords(kKeepBins) + postedKeys(facts) / 2 : kKeepWords;
}

/// i32 words that lie over the pages' keys where the prune is split: what was posted of the heads that the block
/// searches, which blocks that are no cluster leave in global memory; or histograms of all heads, two where others look
/// at them.
inline int64_t postedWords(const BlockMemoryFacts &facts) {
  const int64_t histograms = facts.group * massWords(kKeepBins);
  return facts.spread ? histograms : max(searchedHeads(facts) * facts.blocks * postedKeys(facts), 2 * histograms);
}

/// Elements of the G x D sums that each of several blocks finishes.
inline int64_t finishedElements(const BlockMemoryFacts &facts) {
  return ceilDiv(facts.group * facts.headDim, facts.blocks);
}

/// f32 words of the blocks' sums of those, maxima and masses.
inline int64_t blockPartWords(const BlockMemoryFacts &facts) {
  return facts.blocks * (finishedElements(facts) + 2 * facts.group);
}

/// f32 words from head to head of the largest logits: one of each warp of all blocks. Rows that global memory is read
/// into are whole fours. Spread blocks that split the prune hold what each warp of the head took of them.
inline int64_t maximaStride(const BlockMemoryFacts &facts) {
  if (facts.spread && splitsPrune(facts))
    return ceilDiv(facts.warps / ownHeads(facts), 4) * 4;
  return facts.warps * (facts.spread ? ceilDiv(facts.blocks, 4) * 4 : facts.blocks);
}

/// Bytes of what does not depend on sizes; every piece begins at a multiple of 16.
inline int64_t getBlockFixedBytes(const BlockMemoryFacts &facts) {
  const int64_t heads = ownHeads(facts), warps = facts.warps, group = facts.group;
  const int64_t split = splitsPrune(facts) ? 1 : 0, blocks = facts.blocks;
  const int64_t pieces[] = {4 * max(kRankBins, headSearchWords(facts) * heads),               // histograms
                            8 * warps * heads,                                                // sums of the warps
                            16 * heads,                                                       // where searches cross
                            8 * warps * heads,                                                // running counts
                            4 * heads * maximaStride(facts),                                  // maxima
                            4 * blockPartWords(facts),                                        // the blocks' sums
                            facts.spread ? 16 : 0,                                            // how often blocks met
                            512 * (ceilDiv(facts.headDim, 64) * (ceilDiv(group, 4) + 1) + 1), // query of scores
                            facts.headDim / 32 * 512,                                         // query of attention
                            // what the blocks say of their heavy keys
                            facts.spread ? 0 : split * 4 * kPostedHeaderWords * searchedHeads(facts) * blocks,
                            split * 8 * blocks, // their numbers of tokens
                            split * 8 * group,  // the heads' thresholds
                            split * 4 * group,  // own heavy candidates
                            16 * warps,         // the item, for each warp
                            4 * warps * group,  // softmax references of the warps
                            4 * warps * group}; // and their masses
  int64_t bytes = 0;
  for (int64_t piece : pieces)
    bytes += ceilDiv(piece, 16) * 16;
  return bytes;
}

/// `pages`: of the longest sequence; `candidates`: pages that the budget leaves of them.
template <typename Size>
BlockMemory<Size> planBlockMemory(const BlockMemoryFacts &facts, Size pages, Size candidates) {
  const int64_t heads = ownHeads(facts), tile = kAttendTileTokens;
  const bool split = splitsPrune(facts);
  BlockMemory<Size> m;
  // Of a block: candidate pages, and their slots.
  Size listed = split ? ceilDiv(candidates, facts.blocks) : candidates, slots = listed * facts.pageSize;
  m.keysStride = ceilDiv(pages, int64_t(4)) * int64_t(16);
  m.keys = pages * int64_t(0);
  m.pages = m.keysStride * int64_t(facts.ahead ? 2 : 1);
  m.posted = m.keys;
  if (split)
    m.pages = max(m.pages, 4 * postedWords(facts));
  Size listBytes = ceilDiv(listed, int64_t(4)) * int64_t(16);
  m.physical = m.pages + listBytes;
  m.masks = m.physical + listBytes;
  m.maskWords = ceilDiv(slots, int64_t(128)) * int64_t(4);
  m.logits = m.masks + m.maskWords * (split ? 4 : 4 * facts.group);
  // Heads apart by eight words beside whole rows of banks: the fragments of a warp fall into different ones.
  m.logitsStride = ceilDiv(slots, int64_t(32)) * int64_t(32) + int64_t(8);
  // A list may be all candidates, or all tokens of a sequence that attends densely; tiles go round the blocks.
  Size dense = min(pages * facts.pageSize, facts.denseBelow);
  auto ownTiles = [&](Size tokens) { return ceilDiv(ceilDiv(tokens, tile), facts.blocks); };
  m.rows = m.logits;
  m.sums = m.rows + (split ? max(ceilDiv(slots, tile), ownTiles(dense)) : ownTiles(max(slots, dense))) * (tile * 4);
  Size attending = m.sums + int64_t(4 * facts.warps * facts.group * facts.headDim);
  m.bytes = max(m.logits + m.logitsStride * (4 * heads), attending);
  return m;
}

} // namespace twilight

#endif
