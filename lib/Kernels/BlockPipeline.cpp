// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The whole pipeline as one kernel: everything between the ops stays on the chip.
//
//   a cluster of C thread blocks, or C blocks anywhere on the chip, for one (sequence, kv head) after the other:
//     rank pages        tiles of 16 pages go round the blocks; the keys of all go to every block
//     -- cluster --
//     list candidates   every block for itself: the k-th largest key, pages in order, their physical pages
//     score candidates  each block its share of the candidates; a head's logits go to the block that owns it
//     -- cluster --
//     prune heads       a group of warps a head: exact threshold, mask of the kept slots to every block
//     -- cluster --
//     list kept         every block for itself: union of the masks; tiles of 16 tokens go round the blocks
//     attend            a warp a tile; warps, then blocks, are merged in their order
//     -- cluster --
//   where the prune is split over the blocks (splitsPrune):
//     list candidates   the k-th largest key as above; candidates go round the blocks
//     score candidates  each block its own, for all heads; the maxima go to every block
//     -- cluster --
//     post heavy        a group of warps a head: the keys of own heavy ones to one block, with the mass of the rest
//     -- cluster --
//     find thresholds   each block those of its heads, exact, of the keys posted; to every block
//     -- cluster --
//     keep own          every block for itself: mask of own kept slots
//     list kept, attend as above, of own tokens
//     -- cluster --
//   "cluster" is where all blocks of the item meet. Blocks that are no cluster (spread) hand on what crosses blocks
//   through global memory (BlockExchange.h); the last of them to come merges.
//
//   with select_warps, those warps rank the next item's pages meanwhile (C = 1): memory is busy under the steps on the
//   chip. Keys are then held twice; hardware barriers say which are full and which are free.
//
//   with resident = R, R blocks share a multiprocessor, each with items of its own, to the same end.
//
// Bytes: what the four ops must read, once; 4 D for each query head, written.
// Shared memory: twilight/Schedule/BlockMemory.h.
// Barriers: C > 1: one of the cluster at the start, four an item, or five where the prune is split; of spread blocks
// three meetings and a count; about 30 of the block or the head's warps.

#include "BlockPipeline.h"

#include "Stages/KeepTokens.h"

using namespace mlir;
using namespace twilight;

SmallVector<Type> BlockPipeline::parameterTypes(MLIRContext *context, const BlockPipelineConfig &config) {
  SmallVector<Type> types(6 + CodeBuffers::countParameters(config.shape()), LLVM::LLVMPointerType::get(context, 1));
  size_t optional = !config.prune.constantLevel + 1 + config.withLse + config.withCounts + config.withCandidates +
                    (config.spread > 1 ? 2 : 0);
  types.append(optional, types[0]);
  types.append(3, IntegerType::get(context, 32));
  return types;
}

// Where warps are few, or blocks come in pairs, so that a warp has four tiles, it was 1 to 2% slower (H100). Of a single
// query head it spills: 24 bytes.
static bool ranksWholeLines(const BlockPipelineConfig &config) {
  return config.warps + config.selectWarps >= 16 && config.blocksPerItem() != 2 && config.shape().group > 1;
}

BlockPipeline::BlockPipeline(KernelEmitter &e, const BlockPipelineConfig &given)
    : e(e), config(given), shape(given.shape()) {
  config.select.wholeLines = ranksWholeLines(config);
  unsigned next = 0;
  auto take = [&](Expr &slot) { slot = e.parameter(next++); };
  for (Expr *slot : {&params.q, &params.kPages, &params.vPages})
    take(*slot);
  codes = CodeBuffers::fromParameters(e, shape, next);
  next += CodeBuffers::countParameters(shape);
  for (Expr *slot : {&summary, &params.pageTable, &params.seqLens})
    take(*slot);
  if (!config.prune.constantLevel)
    take(levels);
  take(params.out);
  if (config.withLse)
    take(params.lse);
  if (config.withCounts)
    take(params.counts);
  if (config.withCandidates)
    take(candidateCounts);
  Expr counters;
  if (isSpread()) {
    take(exchanged);
    take(counters);
  }
  take(params.maxPages);
  take(params.capacity);
  take(items);
  rank = makeRank();

  Type i32 = e.getI32Type(), i64 = e.getI64Type(), f32 = e.getF32Type();
  const int64_t warps = config.warps, heads = ownHeads(), group = shape.group, dim = shape.headDim;
  histograms = e.shared(i32, std::max(kRankBins, headSearchWords(config.memoryFacts()) * heads));
  warpSums = e.shared(i64, warps * heads);
  crossings = e.shared(i32, 4 * heads);
  scratch = e.shared(i32, 2 * warps * heads);
  maxima = e.shared(f32, maximaStride() * heads);
  blockParts = e.shared(f32, blockPartWords(config.memoryFacts()));
  if (isSpread())
    exchange.emplace(e, config.memoryFacts(), counters, e.shared(i32, BlockExchange::kWords));
  scoreQuery = e.shared(i32, CandidateLogits::countPreparedWords(shape));
  query = e.shared(i32, dim / 32 * kWarp * 4);
  if (splits()) {
    if (clustered())
      headers = e.shared(i32, kPostedHeaderWords * searchedHeads(config.memoryFacts()) * blocks());
    blockCounts = e.shared(i32, 2 * blocks());
    thresholds = e.shared(i32, 2 * group);
    listed = e.shared(i32, group);
  }
  heldItems = e.shared(i32, 4 * warps);
  SharedTile warpMaxima = e.shared(f32, warps * group), warpMasses = e.shared(f32, warps * group);

  assert(e.getSharedBytes() == getBlockFixedBytes(config.memoryFacts()) && "BlockMemory.h says what lies here");
  parts = {warpMaxima, warpMasses, SharedTile()};
  layOut(params.maxPages, params.capacity);
}

void BlockPipeline::layOut(Expr maxPages, Expr capacity) {
  Type i32 = e.getI32Type(), f32 = e.getF32Type();
  memory = planBlockMemory<Expr>(config.memoryFacts(), maxPages, capacity);
  keys = e.sharedBehind(i32, memory.keys);
  posted = e.sharedBehind(i32, memory.posted);
  pages = e.sharedBehind(i32, memory.pages);
  physical = e.sharedBehind(i32, memory.physical);
  masks = e.sharedBehind(i32, memory.masks);
  logits = e.sharedBehind(f32, memory.logits);
  rows = e.sharedBehind(i32, memory.rows);
  if (!isSpread())
    return;
  ExchangeMemory<Expr> far = planExchange(config.memoryFacts(), memory, maxPages);
  SharedTile all(exchanged, e.blockAnew() / config.spread * far.words, i32);
  farKeys = all.from(far.keys);
  if (splits()) {
    farHeaders = all.from(far.headers);
    farPosted = all.from(far.posted);
    farHistograms = all.from(far.histograms);
  } else {
    farMaxima = all.from(far.maxima).as(f32);
    farLogits = all.from(far.logits).as(f32);
    farMasks = all.from(far.masks);
  }
}

Expr BlockPipeline::makeRank() {
  if (isSpread())
    return e.blockAnew() % config.spread;
  return clustered() ? e.clusterRank() : e.i32(0);
}

void BlockPipeline::anew(function_ref<void()> body) {
  e.anew([&] {
    Expr outer = std::exchange(rank, makeRank());
    BlockPlaces before = *this;
    layOut(e.forget(params.maxPages), e.forget(params.capacity));
    body();
    rank = outer;
    static_cast<BlockPlaces &>(*this) = before;
  });
}

BlockPipeline::Item BlockPipeline::makeItem(Expr index) {
  Expr length = e.load(params.seqLens, index / shape.kvHeads, e.getI32Type()), pages = ceilDiv(length, shape.pageSize);
  Expr budget = e.wrap(config.budget.buildCount(e, e.getLoc(), pages, shape.pageSize));
  return makeItem(index, length, min(budget, pages));
}

BlockPipeline::Item BlockPipeline::makeItem(Expr index, Expr length, Expr kept) {
  Item item;
  item.index = index;
  item.sequence = index / shape.kvHeads;
  item.kvHead = index % shape.kvHeads;
  item.length = length;
  item.pages = ceilDiv(length, shape.pageSize);
  item.dense = length < config.denseBelow;
  item.kept = kept;
  item.scored = (kept < item.pages) & !item.dense;
  return item;
}

void BlockPipeline::hold(const Item &item) {
  if (!holdsItems())
    return void(registers = item);
  e.anew([&] {
    Expr own = e.warp();
    e.syncWarp(); // no lane reads the last item's words any more
    e.ifThen(e.lane() == 0, [&] { heldItems.storeFour(own, {item.index, item.length, item.kept, e.i32(0)}); });
    e.syncWarp();
  });
}

BlockPipeline::Item BlockPipeline::held() {
  if (!holdsItems())
    return registers;
  Item item;
  e.anew([&] {
    std::array<Expr, 4> words = heldItems.loadFour(e.warp());
    item = makeItem(words[0], words[1], words[2]);
  });
  return item;
}

void BlockPipeline::forEachItem(function_ref<Expr(Expr)> body) {
  Expr first = e.block(gpu::Dimension::x) / blocks();
  e.whileLoop(
      {first}, [&](ArrayRef<Expr> state) { return state[0] < items; },
      [&](ArrayRef<Expr> state) { return Exprs{body(state[0]) + e.gridBlocks() / blocks()}; });
}

/// The round follows from the item: kept, it would take a register through all of the kernel.
Expr BlockPipeline::roundOf(Expr index) { return index / (e.gridBlocks() / blocks()); }

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

// Items that start together all wait for memory at a time, and leave it idle at a time. So some have a smaller share of
// it at first: the others come to their steps on the chip while these still read, and these have memory for themselves
// in the end. Fewer warps ask for less of a memory that is busy, and get all they ask for of one that is not.
static constexpr int64_t kLateWarps = 4;

Expr BlockPipeline::startsLate(int64_t every) {
  Expr group = e.blockAnew() / blocks();
  return (group % every == 0) & (e.gridBlocks() > blocks());
}

void BlockPipeline::buildTogether() {
  forEachItem([&](Expr index) {
    anew([&] {
      Item item = makeItem(index);
      auto rank = [&] {
        rankPages(item, keys, [&] { hold(item); });
        return Exprs();
      };
      if (config.resident > 1 || config.warps <= kLateWarps)
        return void(rank());
      auto rankLate = [&] {
        hold(item);
        e.ifThen(e.warp() < kLateWarps, [&] {
          e.within({e.i32(0), kLateWarps, e.i32(kFinishBarrier)}, [&] { rankPages(item, keys, [] {}); });
        });
        return Exprs();
      };
      e.ifElse((roundOf(index) == 0) & startsLate(2), rankLate, rank);
    });
    meetBlocks([&] { anew([&] { prepareScores(held()); }); });
    finishItem(keys, [] {});
    return held().index;
  });
}

void BlockPipeline::buildAhead() {
  const int64_t all = config.warps + config.selectWarps;
  Expr warp = e.warp(), first = e.block(gpu::Dimension::x);
  auto keysOf = [&](Expr round) {
    Expr stride = planBlockMemory<Expr>(config.memoryFacts(), e.forget(params.maxPages), params.capacity).keysStride;
    return keys.from((round & 1) * (stride / 4));
  };
  auto rank = [&](const Item &item, SharedTile into) { anew([&] { rankPages(item, into, [] {}); }); };
  auto late = [&] { return startsLate(3); };
  // The first item is everybody's, since there is nothing to finish yet; that of blocks that start late is not.
  e.ifThen((first < items) & !late(), [&] { rank(makeItem(first), keys); });
  e.barrier();
  auto ranking = [&] {
    forEachItem([&](Expr index) {
      Expr round = roundOf(index);
      e.ifThen((round > 0) | late(), [&] {
        Item item = makeItem(index);
        e.ifThen(round >= 2, [&] { e.meet((round & 1) + kFreeBarrier, all); });
        e.within({e.i32(config.warps), config.selectWarps, e.i32(0)}, [&] { rank(item, keysOf(round)); });
        e.arrive((round & 1) + kFullBarrier, all);
      });
      return index;
    });
    return Exprs();
  };
  auto finishing = [&] {
    forEachItem([&](Expr index) {
      Expr round = roundOf(index);
      hold(makeItem(index));
      e.ifThen((round > 0) | late(), [&] { e.meet((round & 1) + kFullBarrier, all); });
      e.within({e.i32(0), config.warps, e.i32(kFinishBarrier)}, [&] {
        anew([&] { prepareScores(held()); });
        finishItem(keysOf(round), [&] {
          // Nobody waits for the keys of the last two rounds.
          e.ifThen(index + e.gridBlocks() * 2 < items, [&] { e.arrive((round & 1) + kFreeBarrier, all); });
        });
      });
      return held().index;
    });
    return Exprs();
  };
  e.ifElse(warp < config.warps, finishing, ranking);
}

void BlockPipeline::finishItem(SharedTile itemKeys, function_ref<void()> keysRead) {
  auto sparsely = [&] {
    Expr candidates, kept;
    anew([&] { candidates = listCandidates(held(), itemKeys); });
    keysRead();
    anew([&] { scoreCandidates(held(), candidates); });
    splits() && isSpread() ? giveMaxima() : meetBlocks();
    if (splits()) {
      anew([&] { postHeavy(held(), candidates); });
      if (byMass())
        anew([&] { findThresholds(held()); });
      anew([&] { keepOwn(held(), candidates); });
    } else {
      takeLogits(candidates);
      anew([&] { pruneHeads(held(), candidates); });
      meetBlocks();
      takeMasks(candidates);
    }
    anew([&] { kept = listKept(held(), candidates); });
    return Exprs{kept, candidates};
  };
  auto densely = [&] {
    keysRead();
    Expr tokens;
    anew([&] { tokens = listAll(held()); });
    return Exprs{tokens, splits() ? tokens : held().length};
  };
  // Asked for here, used behind the barrier.
  anew([&] {
    e.ifThen(e.warp() == 0, [&] {
      Item item = held();
      SmallVector<Words4> words =
          loadQueryWords(e, shape, params.q, item.sequence, item.kvHead * shape.group, shape.group);
      for (auto [j, chunk] : llvm::enumerate(words))
        query.storeFour(e.lane() + static_cast<int64_t>(j) * kWarp, chunk);
    });
  });
  Exprs listed = config.denseBelow > 0 ? e.ifElse(held().dense, densely, sparsely) : sparsely();
  e.barrier();
  if (splits())
    anew([&] { postCounts(listed[0], listed[1]); });
  else
    anew([&] { e.ifThen((e.threadIndex() == 0) & (rank == 0), [&] { storeCounts(held(), listed[0], listed[1]); }); });
  anew([&] { attend(listed[0]); });
  // Everything of this item has been read. In a cluster, what other blocks write before they meet again was read before
  // they met last.
  if (!clustered())
    e.barrier();
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
