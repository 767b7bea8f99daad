// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The whole pipeline as one kernel, while it is built: what its steps share.

#ifndef TWILIGHT_LIB_KERNELS_BLOCKPIPELINE_H
#define TWILIGHT_LIB_KERNELS_BLOCKPIPELINE_H

#include "AttendCommon.h"
#include "BlockExchange.h"
#include "Stages/CandidateLogits.h"
#include "Stages/KeepTokens.h"
#include "Stages/Search.h"

#include "twilight/Kernels/Kernels.h"
#include "twilight/Schedule/BlockMemory.h"

namespace twilight {

/// What lies where in shared memory, as far as it depends on the launch.
struct BlockPlaces {
  BlockMemory<Expr> memory;
  SharedTile keys, posted, pages, physical, masks, logits, rows;
  /// Of spread blocks, in their group's global memory.
  SharedTile farKeys, farMaxima, farLogits, farMasks, farHeaders, farPosted, farHistograms;
  Expr meetsForKeys; ///< i1: spread blocks meet behind the ranking, and keys lie where nobody keeps zeros
};

/// What crosses blocks: the block's own tile, and the one in global memory where blocks are spread.
struct BlockPiece {
  SharedTile tile, far;
};

class BlockPipeline : private BlockPlaces {
public:
  BlockPipeline(KernelEmitter &e, const BlockPipelineConfig &config);
  static llvm::SmallVector<mlir::Type> parameterTypes(mlir::MLIRContext *context, const BlockPipelineConfig &config);
  void build();

private:
  /// Hardware barriers, beside 0 for all threads: of the warps that finish items, of full and of free keys, of heads.
  enum Barriers : int64_t { kFinishBarrier = 1, kFullBarrier = 2, kFreeBarrier = 4, kHeadBarrier = 6 };

  /// One sequence and kv head.
  struct Item {
    Expr index, sequence, kvHead, length, pages;
    Expr kept;   ///< pages that the budget keeps
    Expr scored; ///< i1: pages have to be ranked; else all of them are candidates, or the sequence attends densely
    Expr dense;  ///< i1
  };

  // Places: BlockPipelinePlaces.cpp.
  Expr makeRank();
  /// Places the tiles whose sizes depend on the launch.
  void layOut(Expr maxPages, Expr capacity);
  /// As KernelEmitter::anew, with a `rank` and places of tiles of its own.
  void anew(llvm::function_ref<void()> body);

  // Items: BlockPipelineItems.cpp.
  Item makeItem(Expr index);
  Item makeItem(Expr index, Expr length, Expr kept);
  /// The item that the warp works on. Its numbers stay in registers, or lie in shared memory and are made anew at every
  /// call: else the compiler makes all that follows from them early, and has no registers for it.
  Item current();
  void setCurrent(const Item &item);
  /// Whether it lies in shared memory: 16 warps have 128 registers a thread, and ranking needs them all.
  bool keepsItemInMemory() const { return config.warps + config.selectWarps >= 16; }
  void forEachItem(llvm::function_ref<Expr(Expr item)> body);
  Expr roundOf(Expr index);
  Expr isFirst(Expr index);                ///< of the block's items
  static constexpr int64_t kLateWarps = 4; ///< that rank an item which starts late
  /// Whether the block's first item has a smaller share of memory: every `every`-th one of those that start together.
  Expr startsLate(int64_t every);

  void buildTogether();
  void buildAhead();
  /// Everything behind the ranking, by the threads that work together; `keysRead` is called when keys may be
  /// overwritten.
  void finishItem(SharedTile keys, llvm::function_ref<void()> keysRead);

  // Select: BlockPipelineSelect.cpp.
  /// Importances of this block's share of the pages, as ordered keys, to every block of the item; where they count.
  /// `makeKnown` makes the item `index`; it is called where loads that do not depend on its numbers are under way.
  void rankPages(Expr index, SharedTile keys, llvm::function_ref<Item()> makeKnown);
  /// Whether the warps that rank make the coefficients together.
  bool sharesCoefficients();
  /// The candidate list, in every block, or where the prune is split the block's own; returns how many tokens it has.
  Expr listCandidates(const Item &item, SharedTile keys);
  /// Zeros behind the keys, up to a multiple of four: where nobody keeps zeros.
  void padKeys(const Item &item, SharedTile tile);
  /// How many of the candidates in order that are before a place are this block's; how many pages it lists.
  Expr ownBelow(Expr place);
  /// Lists pages u + j of the bits j of `kept`, as far as they are this block's; the first is candidate `place`.
  void writePages(Expr place, Expr kept, Expr u);
  Expr listedPages(const Item &item);
  /// A slot's token.
  Expr position(Expr slot);

  // Score: BlockPipelineScore.cpp.
  /// What scoring makes of the query, by the last warp; the others need it behind the next barrier only.
  void prepareScores(const Item &item);
  /// Logits of this block's share of the candidates, and their maxima, to the blocks that prune the heads.
  void scoreCandidates(const Item &item, Expr candidates);

  // Prune, each block its heads: BlockPipelinePrune.cpp.
  /// A group of warps for each of the block's heads, counted from 0.
  void forOwnHeads(Expr condition, llvm::function_ref<void(Expr own)> body);
  /// What `body` gives for the thread's head; `otherwise` where there is none.
  Exprs inOwnHead(Expr condition, llvm::ArrayRef<Expr> otherwise, llvm::function_ref<Exprs(Expr own)> body);
  Expr maximumOf(Expr own);
  Expr levelOf(const Item &item, Expr head);
  KeepScratch searchOf(Expr own);
  /// Masks of the kept slots of this block's heads, to every block.
  void pruneHeads(const Item &item, Expr candidates);
  void pruneHead(const Item &item, Expr candidates, Expr head, Expr own);
  /// Sets the bits of the listed slots that are the sequence's first or last.
  void markFloors(const Item &item, SharedTile mask, Expr slots);

  // Prune, each block its candidates: BlockPipelineSplit.cpp.
  bool splits() const { return splitsPrune(config.memoryFacts()); }
  bool byMass() const { return config.prune.rule == KeepRule::Mass; }
  HeadWeights weightsOf(Expr head, Expr slots);
  /// Of each head the keys of this block's heavy candidates, and what there is beside them, to the block that searches
  /// it.
  void postHeavy(const Item &item, Expr slots);
  void postHead(const Item &item, Expr slots, Expr head);
  /// The mask of this block's kept slots.
  void keepOwn(const Item &item, Expr slots);
  /// The thresholds of the heads that this block searches, to every block.
  void findThresholds(const Item &item);
  /// Of the `own`-th of them: a word, and what it is for. And how many keys the thread's block has posted.
  Exprs findThreshold(const Item &item, Expr own, Expr head, Expr level);
  /// The thread's share of the keys posted of a head: `first`, first + each, ... of the fours of a block.
  struct PostedShare {
    int64_t each;
    Expr block, first;
  };
  PostedShare sharePosted();
  std::array<Expr, 4> awaitHeader(Expr own, Expr head);
  /// Zeros in place of a head's headers, and of the thread's share of its keys; by all of its warps.
  void clearPosted(Expr head, Expr count);
  /// Those of all heads, from the blocks that search them.
  void takeThresholds();
  void markFirst(Expr slot);

  // Where posted keys do not tell: BlockPipelineTogether.cpp.
  Expr searchTogether(const Item &item, Expr slots, Expr isSearched);
  /// A head's masses of one block, in one round: where every block reads them; of this one, where it adds them up.
  MassHistogram histogramOf(Expr block, Expr head, Expr round);
  MassHistogram ownHistogramOf(Expr head, Expr round);

  // Attend: BlockPipelineAttend.cpp.
  /// Rows of this block's share of the kept tokens; returns how many there are in all blocks, or where the prune is
  /// split in this one. Behind it each warp reads those of its own tiles.
  Expr listKept(const Item &item, Expr candidates);
  Expr listAll(const Item &item);
  Expr ownOf(Expr tokens);
  Expr tokenOf(Expr own);
  /// Attends to the tokens listed: this block's share of `tokens` of all blocks, or where the prune is split `tokens`.
  void attend(Expr tokens);

  // Merge: BlockPipelineMerge.cpp.
  /// The item's result from all warps' sums, and those of all blocks. `own`: rows of this block, behind which there is
  /// room; `sums`: a packed WarpState.
  void merge(Expr own, llvm::ArrayRef<Expr> sums);
  /// Numbers of this block's tokens and candidates, to the first block.
  void postCounts(Expr tokens, Expr candidates);
  /// In the first block: stores the sums of what all blocks posted.
  void storePostedCounts(const Item &item);
  void storeCounts(const Item &item, Expr tokens, Expr candidates);
  /// What spread blocks brought to this one, where blocks of a cluster bring it.
  void takeParts();

  // What crosses blocks: BlockPipelineBlocks.cpp.
  /// Behind the ranking, by spread blocks: keys may be looked for. `meanwhile` is done while other warps
  /// rank.
  void passRanking(llvm::function_ref<void()> meanwhile);
  /// Zeros in place of this block's keys, where all blocks have taken them and nobody looks for them.
  void clearKeys(const Item &item);
  /// Everything of the item has been read.
  void endItem(const Item &item);
  /// Makes what the item's blocks, or the threads that work together, wrote before visible to them all. `meanwhile` is
  /// done while others are waited for.
  void meetBlocks(llvm::function_ref<void()> meanwhile = [] {});
  /// Calls `store` for the tile of every block of the item, or for the one that every block takes from.
  void inEveryBlock(const BlockPiece &piece, llvm::function_ref<void(SharedTile)> store);
  /// Rows of `stride` elements, one for each of the heads that the owner of `head` has: where it has or takes them.
  SharedTile rowsOfOwner(const BlockPiece &piece, Expr head, Expr stride);
  /// Where the prune is split: a head's row of `stride` elements, with the block that finds its threshold.
  SharedTile rowOfSearcher(const BlockPiece &piece, Expr head, int64_t stride);
  /// Brings what spread blocks handed on into this block's own tiles, behind `meetBlocks`: logits and maxima of the
  /// own heads; masks. Keys come while candidates are listed.
  void takeLogits(Expr candidates);
  void takeMasks(Expr candidates);
  /// Where spread blocks split the prune, in place of a meeting: each warp's maximum of a head, to every block; that of
  /// all blocks, of which each warp of the head takes some.
  void giveMaximum(Expr head, Expr largest);
  void takeMaximum(Expr head);
  bool clustered() const { return config.cluster > 1; }
  bool isSpread() const { return config.spread > 1; }
  /// Whether a candidate page, counted in order, is this block's where the prune is split.
  Expr isOwn(Expr place);
  int64_t blocks() const { return config.blocksPerItem(); }
  int64_t ownHeads() const { return twilight::ownHeads(config.memoryFacts()); }
  /// Whether some blocks finish no elements.
  bool hasIdleBlocks() const {
    return (blocks() - 1) * finishedElements(config.memoryFacts()) >= shape.group * shape.headDim;
  }
  int64_t maximaStride() const { return twilight::maximaStride(config.memoryFacts()); } ///< from head to head
  /// Warps that prune a head.
  int64_t headWarps() const { return config.warps / ownHeads(); }

  KernelEmitter &e;
  BlockPipelineConfig config;
  const AttentionShape shape;
  AttendParameters params;
  CodeBuffers codes;
  Expr summary, levels, candidateCounts, exchanged, counters, items, rank;
  std::optional<BlockExchange> exchange; ///< of spread blocks

  SharedTile histograms, warpSums, crossings, scratch; ///< of the searches: a share for each own head
  SharedTile maxima;       ///< f32 [own heads, C, warps]: of the logits that each warp of all blocks made; where spread
                           ///< blocks split the prune [G, warps of a head], of those that each took
  SharedTile headers;      ///< i32 [searched heads, C, 4], of each block of a cluster: the mass of the light ones (low,
                           ///< high), how many are heavy, and the first slot of the heaviest
  SharedTile blockCounts;  ///< i32 [C, 2], in the first block: tokens and candidates of each
  SharedTile thresholds;   ///< i32 [G, 2]: which candidates are kept: a word, and what it is for
  SharedTile listed;       ///< i32 [G]: how many heavy candidates of this block are listed
  SharedTile currentItems; ///< i32 [warps, 4]: index, length and kept pages of each warp's item
  Item inRegisters;        ///< the item, where there are registers for it
  WarpParts parts;
  SharedTile scoreQuery; ///< what scoring makes of the query: CandidateLogits::prepare
  SharedTile query;      ///< i32: words of loadQueryWords, by chunk and lane
  SharedTile blockParts; ///< f32 of each block: sums of this block's share of [G, D]; then [C, G, 2]: maximum and mass
};

} // namespace twilight

#endif
