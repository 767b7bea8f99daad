// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The whole pipeline as one kernel: what the warps' and the blocks' sums become.

#include "BlockPipeline.h"

#include <limits>

using namespace mlir;
using namespace twilight;

void BlockPipeline::storeCounts(const Item &item, Expr tokens, Expr candidates) {
  Expr list = item.sequence * shape.kvHeads + item.kvHead;
  if (config.withCounts)
    e.store(params.counts, list, tokens);
  if (config.withCandidates)
    e.store(candidateCounts, list, candidates);
}

static constexpr int64_t kBrought = std::numeric_limits<int64_t>::min(); ///< a word that is not 0

void BlockPipeline::postCounts(Expr tokens, Expr candidates) {
  if (!config.withCounts && !config.withCandidates)
    return;
  e.ifThen(e.threadIndex() == 0, [&] {
    if (isSpread()) {
      Type i64 = e.getI64Type();
      Expr both = tokens.toUnsigned(i64) | (candidates.toUnsigned(i64) << int64_t(32)) | kBrought;
      return exchange->bring(e.i32(0), e.i32(countParts(config.memoryFacts()) - 1), both);
    }
    SharedTile first = blockCounts.ofBlock(e.forget(e.i32(0)));
    first.store(rank * 2, tokens);
    first.store(rank * 2 + 1, candidates);
  });
}

void BlockPipeline::storePostedCounts(const Item &item) {
  if (!splits() || (!config.withCounts && !config.withCandidates))
    return;
  // Not the first warp, which finishes elements.
  e.ifThen((rank == 0) & (e.warp() == e.getWarps() - 1), [&] {
    Expr zero = e.i32(0), tokens = zero, candidates = zero;
    for (int64_t first = 0; first < blocks(); first += kWarp) {
      Expr block = e.lane() + first, at = min(block, blocks() - 1) * 2;
      tokens = tokens + select(block < blocks(), blockCounts.load(at), zero);
      candidates = candidates + select(block < blocks(), blockCounts.load(at + 1), zero);
    }
    tokens = e.warpSum(tokens);
    candidates = e.warpSum(candidates);
    e.ifThen(e.lane() == 0, [&] { storeCounts(item, tokens, candidates); });
  });
}

void BlockPipeline::merge(Expr own, ArrayRef<Expr> sums) {
  AttendConfig finishing{shape,          TokenSource::Tokens, config.attendScale, config.outType,
                         config.withLse, config.withCounts,   /*splits=*/1};
  // Each of several blocks finishes a share of the elements, which all of them bring to it: nothing of another block is
  // read, so that none has to wait for its readers.
  const int64_t dim = shape.headDim, elements = shape.group * dim, share = finishedElements(config.memoryFacts());
  auto sumAt = [&](Expr block, Expr i) { return block * share + i; };
  auto maximumAt = [&](Expr block, Expr head) { return (block * shape.group + head) * 2 + blocks() * share; };
  // Of the item held, which takes registers only once rows need none.
  auto finishElement = [&](const Item &item, Expr head, Expr element, SplitPart whole) {
    finishHead(e, finishing, params, item.sequence, item.kvHead * shape.group + head, element, whole);
  };
  auto handOn = [&](Expr head, Expr element, SplitPart part) {
    Expr i = head * dim + element, ofShare = i % share;
    Expr isFirst = (element == 0) | (ofShare == 0);
    if (isSpread()) {
      auto pair = [&](Expr low, Expr high) {
        Type i32 = e.getI32Type(), i64 = e.getI64Type();
        return low.bitcast(i32).toUnsigned(i64) | (high.bitcast(i32).toUnsigned(i64) << int64_t(32));
      };
      exchange->bring(i / share, ofShare, pair(part.sum, e.i32(1)));
      return e.ifThen(isFirst, [&] { exchange->bring(i / share, head + share, pair(part.maximum, part.mass)); });
    }
    SharedTile owner = blockParts.ofBlock(i / share);
    owner.store(sumAt(rank, ofShare), part.sum);
    e.ifThen(isFirst, [&] {
      owner.store(maximumAt(rank, head), part.maximum);
      owner.store(maximumAt(rank, head) + 1, part.mass);
    });
  };
  anew([&] {
    parts.sums = rows.from(ceilDiv(own, kAttendTile) * kAttendTile).as(e.getF32Type()); // behind the rows
    WarpState state = WarpState::unpack(sums);
    if (blocks() > 1) {
      mergeWarps(e, shape, parts, state, handOn);
      // Blocks without elements wait for the others, too.
      Expr thread = e.threadIndex();
      if (isSpread() && hasIdleBlocks())
        e.ifThen((thread < blocks()) & (thread * share >= elements),
                 [&] { exchange->bring(thread, e.i32(share), e.i64(kBrought)); });
      return;
    }
    Item item = current();
    mergeWarps(e, shape, parts, state,
               [&](Expr head, Expr element, SplitPart whole) { finishElement(item, head, element, whole); });
  });
  if (blocks() == 1)
    return;
  Expr first = rank * share, count = min(e.i32(elements) - first, share);
  if (isSpread()) {
    anew([&] { takeParts(); });
    // A block brings its parts when it has taken the keys.
    anew([&] { clearKeys(current()); });
  } else {
    e.clusterBarrier();
  }
  Item item = current();
  storePostedCounts(item);
  e.forRange(e.threadIndex(), count, e.i32(e.getThreads()), [&](Expr i) {
    Expr head = (first + i) / dim, element = (first + i) % dim;
    SmallVector<SplitPart> all;
    for (int64_t k = 0; k < blocks(); ++k) {
      Expr block = e.i32(k), at = maximumAt(block, head);
      all.push_back({blockParts.load(at), blockParts.load(at + 1), blockParts.load(sumAt(block, i))});
    }
    finishElement(item, head, element, mergeParts(e, all));
  });
}

void BlockPipeline::takeParts() {
  Type i32 = e.getI32Type();
  const int64_t share = finishedElements(config.memoryFacts()), heads = shape.group, dim = shape.headDim;
  Expr first = rank * share, end = min(first + share, heads * dim);
  const bool counts = splits() && (config.withCounts || config.withCandidates);
  auto isBrought = [&](Expr part) {
    Expr head = part - share, isOfHead = (head * dim < end) & (head * dim + dim > first) & (first < end);
    if (hasIdleBlocks())
      isOfHead = isOfHead | ((head == 0) & (first >= heads * dim));
    Expr isCount = e.boolean(false);
    if (counts)
      isCount = rank == 0;
    return select(part < share, first + part < end, select(head < heads, isOfHead, isCount));
  };
  // Both halves of a word, as they lie behind the sums: maxima and masses of each block and head, numbers of each
  // block.
  SharedTile words = blockParts.as(i32);
  exchange->takeBrought(isBrought, [&](Expr block, Expr part, Expr word) {
    Expr low = word.to(i32), high = (word >> int64_t(32)).to(i32);
    e.ifThen(part < share, [&] { words.store(block * share + part, low); });
    e.ifThen((part >= share) & (part < share + heads), [&] {
      Expr at = (block * heads + part - share) * 2 + blocks() * share;
      words.store(at, low);
      words.store(at + 1, high);
    });
    if (counts)
      e.ifThen(part == share + heads, [&] {
        blockCounts.store(block * 2, low);
        blockCounts.store(block * 2 + 1, high & std::numeric_limits<int32_t>::max());
      });
  });
  e.barrier(); // all parts are there
}
