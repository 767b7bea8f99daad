// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The whole pipeline as one kernel: everything between the ops stays on the chip.
//
//   a cluster of C thread blocks, or C blocks anywhere on the chip, for one (sequence, kv head) after the other:
//     rank pages        tiles of 16 pages go round the blocks; the keys of all go to every block
//     -- cluster --                                     spread: keys, as they come
//     list candidates   every block for itself: the k-th largest key, pages in order, their physical pages
//     score candidates  each block its share of the candidates; a head's logits go to the block that owns it
//     -- cluster --
//     prune heads       a group of warps a head: exact threshold, mask of the kept slots to every block
//     -- cluster --
//     list kept         every block for itself: union of the masks; tiles of 16 tokens go round the blocks
//     attend            a warp a tile; warps are merged in their order
//     -- cluster --                                     spread: parts
//     finish            each block a share of the elements: blocks are merged in their order
//   where the prune is split over the blocks (splitsPrune):
//     list candidates   the k-th largest key as above; candidates go round the blocks
//     score candidates  each block its own, for all heads; the maxima go to every block
//     -- cluster --                                     spread: notices
//     post heavy        a group of warps a head: the keys of own heavy ones to one block, with the mass of the rest
//     -- cluster --                                     spread: blocks that find thresholds wait for keys
//     find thresholds   each block those of its heads, exact, of the keys posted; to every block
//     -- cluster --                                     spread: notices
//     keep own          every block for itself: mask of own kept slots
//     list kept, attend as above, of own tokens: of few, each warp lists those that it attends to
//     -- cluster --                                     spread: parts
//     finish            as above
//   "cluster" is where all blocks of the item meet. Blocks that are no cluster (spread) hand on what crosses blocks
//   through global memory (BlockExchange.h); most of it they wait for word by word.
//
//   Behind the ranking, while blocks wait for each other (spread: while other warps rank), the last warp makes what
//   scoring needs of the query, for all warps. Some blocks' first items are ranked with a smaller share of memory
//   (startsLate).
//
//   with select_warps, those warps rank the next item's pages meanwhile (C = 1): memory is busy under the steps on the
//   chip. Keys are then held twice; hardware barriers say which are full and which are free.
//
//   with resident = R, R blocks share a multiprocessor, each with items of its own, to the same end.
//
// Bytes: what the four ops must read, once; 4 D for each query head, written.
// Shared memory: twilight/Schedule/BlockMemory.h.
// Barriers: of a cluster one at the start and four an item; where the prune is split five by mass, else three. Of
// spread blocks two meetings an item, none where the prune is split; one more between items, for which nobody waits
// before the next one's pages are ranked. Of the block or the head's warps about 30.

#include "BlockPipeline.h"

using namespace mlir;
using namespace twilight;

void BlockPipeline::build() {
  // Every block runs before another one writes into its shared memory.
  if (clustered())
    e.clusterBarrier();
  if (config.selectWarps > 0)
    buildAhead();
  else
    buildTogether();
  if (isSpread())
    exchange->end();
}

void BlockPipeline::buildTogether() {
  forEachItem([&](Expr index) {
    anew([&] {
      if (isSpread())
        exchange->begin();
      Item item;
      auto makeKnown = [&] {
        item = makeItem(index);
        setCurrent(item);
        return item;
      };
      // Made in each branch, since the first needs nothing of it for its first loads.
      auto numbers = [&] { return keepsItemInMemory() ? Exprs() : Exprs{item.length, item.kept}; };
      auto rank = [&] {
        rankPages(index, keys, makeKnown);
        return numbers();
      };
      if (config.resident > 1 || config.warps <= kLateWarps)
        return void(rank());
      auto rankLate = [&] {
        makeKnown();
        e.ifThen(e.warp() < kLateWarps, [&] {
          e.within({e.i32(0), kLateWarps, e.i32(kFinishBarrier)},
                   [&] { rankPages(index, keys, [&] { return item; }); });
        });
        return numbers();
      };
      Exprs known = e.ifElse(isFirst(index) & startsLate(2), rankLate, rank);
      if (!keepsItemInMemory())
        setCurrent(makeItem(index, known[0], known[1]));
    });
    auto prepare = [&] { anew([&] { prepareScores(current()); }); };
    isSpread() ? passRanking(prepare) : meetBlocks(prepare);
    finishItem(keys, [] {});
    return current().index;
  });
}

void BlockPipeline::buildAhead() {
  const int64_t all = config.warps + config.selectWarps;
  Expr warp = e.warp(), first = e.block(gpu::Dimension::x);
  auto keysOf = [&](Expr round) {
    Expr stride = planBlockMemory<Expr>(config.memoryFacts(), e.forget(params.maxPages), params.capacity).keysStride;
    return keys.from((round & 1) * (stride / 4));
  };
  auto rank = [&](Expr index, SharedTile into, function_ref<Item()> makeKnown) {
    anew([&] { rankPages(index, into, makeKnown); });
  };
  auto late = [&] { return startsLate(3); };
  // The first item is everybody's, since there is nothing to finish yet; that of blocks that start late is not.
  e.ifThen((first < items) & !late(), [&] { rank(first, keys, [&] { return makeItem(first); }); });
  e.barrier();
  auto ranking = [&] {
    forEachItem([&](Expr index) {
      Expr round = roundOf(index);
      e.ifThen((round > 0) | late(), [&] {
        Item item = makeItem(index);
        e.ifThen(round >= 2, [&] { e.meet((round & 1) + kFreeBarrier, all); });
        e.within({e.i32(config.warps), config.selectWarps, e.i32(0)},
                 [&] { rank(index, keysOf(round), [&] { return item; }); });
        e.arrive((round & 1) + kFullBarrier, all);
      });
      return index;
    });
    return Exprs();
  };
  auto finishing = [&] {
    forEachItem([&](Expr index) {
      Expr round = roundOf(index);
      setCurrent(makeItem(index));
      e.ifThen((round > 0) | late(), [&] { e.meet((round & 1) + kFullBarrier, all); });
      e.within({e.i32(0), config.warps, e.i32(kFinishBarrier)}, [&] {
        anew([&] { prepareScores(current()); });
        finishItem(keysOf(round), [&] {
          // Nobody waits for the keys of the last two rounds.
          e.ifThen(index + e.gridBlocks() * 2 < items, [&] { e.arrive((round & 1) + kFreeBarrier, all); });
        });
      });
      return current().index;
    });
    return Exprs();
  };
  e.ifElse(warp < config.warps, finishing, ranking);
}

void BlockPipeline::finishItem(SharedTile itemKeys, function_ref<void()> keysRead) {
  auto sparsely = [&] {
    Expr candidates, kept;
    anew([&] { candidates = listCandidates(current(), itemKeys); });
    keysRead();
    anew([&] { scoreCandidates(current(), candidates); });
    splits() && isSpread() ? e.barrier() : meetBlocks();
    if (splits()) {
      anew([&] { postHeavy(current(), candidates); });
      if (byMass())
        anew([&] { findThresholds(current()); });
      anew([&] { keepOwn(current(), candidates); });
    } else {
      takeLogits(candidates);
      anew([&] { pruneHeads(current(), candidates); });
      meetBlocks();
      takeMasks(candidates);
    }
    anew([&] { kept = listKept(current(), candidates); });
    return Exprs{kept, candidates};
  };
  auto densely = [&] {
    keysRead();
    Expr tokens;
    anew([&] { tokens = listAll(current()); });
    return Exprs{tokens, splits() ? tokens : current().length};
  };
  // Asked for here, used behind barriers.
  anew([&] {
    e.ifThen(e.warp() == 0, [&] {
      Item item = current();
      SmallVector<Words4> words =
          loadQueryWords(e, shape, params.q, item.sequence, item.kvHead * shape.group, shape.group);
      for (auto [j, chunk] : llvm::enumerate(words))
        query.storeFour(e.lane() + static_cast<int64_t>(j) * kWarp, chunk);
    });
  });
  Exprs listed = config.denseBelow > 0 ? e.ifElse(current().dense, densely, sparsely) : sparsely();
  if (splits())
    anew([&] { postCounts(listed[0], listed[1]); });
  else
    anew(
        [&] { e.ifThen((e.threadIndex() == 0) & (rank == 0), [&] { storeCounts(current(), listed[0], listed[1]); }); });
  anew([&] { attend(listed[0]); });
  // Everything of this item has been read. In a cluster, what other blocks write before they meet again was read before
  // they met last.
  if (!clustered())
    endItem(current());
}

KernelInfo twilight::buildBlockPipeline(gpu::GPUModuleOp module, StringRef name, const BlockPipelineConfig &config) {
  const int64_t threads = (config.warps + config.selectWarps) * kWarp;
  KernelEmitter e(module, name, threads, BlockPipeline::parameterTypes(module.getContext(), config), config.resident,
                  /*mayOverlap=*/config.spread == 1);
  if (config.cluster > 1)
    e.setCluster(config.cluster);
  BlockPipeline(e, config).build();
  return {e.finish(), e.getThreads(), e.getSharedBytes(), config.cluster, /*cooperative=*/config.spread > 1};
}
