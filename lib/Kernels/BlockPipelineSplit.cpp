// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The whole pipeline as one kernel: kept candidates, where each block prunes its own ones of every head.
//
//   reference = max of all blocks' logits     spread: of the blocks' notices, as soon as they are there
//   own heavy candidates of a head: their keys, how many, and the mass of the light ones, to the block that searches it
//   -- cluster --                             spread: blocks that search no head only say that they have come
//   t = least key that is kept, of each head that this block searches, to every block
//   -- cluster --                             spread: a notice of each head
//   set the bits of own listed slots with key >= t, for every head in one mask
//
//   where the heavy ones of a head do not reach p, or are more than may be posted, that is what the blocks are told:
//   they search together (BlockPipelineTogether.cpp)
//
//   where a threshold needs no masses: t = the head's share of the heaviest weight, without posting and searching
//
// Barriers: of the item's blocks two by mass, else none; of the block up to four; of a head's warps two for posting,
// and those of its search.

#include "BlockPipeline.h"

#include "Stages/Collectives.h"

#include <limits>

using namespace mlir;
using namespace twilight;

namespace {
/// A block's header of a head: pairs of words are read together.
enum Header : int64_t { kLightMass = 0, kHeavyCount = 2, kFirstHeaviest = 3, kHeaderWords = kPostedHeaderWords };
/// Which candidates of a head are kept, by a word.
enum Kept : int64_t {
  kListed = 0,  ///< heavy ones, from a key on
  kFirst = 1,   ///< that of a slot
  kAll = 2,     ///< all
  kTogether = 3 ///< those from a key on that all blocks have to search for
};
} // namespace

static constexpr int64_t kTooMany = std::numeric_limits<int32_t>::max(); ///< heavy candidates that were not posted
static constexpr int64_t kNoSlot = -1;

HeadWeights BlockPipeline::weightsOf(Expr head, Expr slots) {
  HeadWeights weights(e, slots, logits.from(head * memory.logitsStride));
  weights.setReference(maximumOf(head));
  return weights;
}

void BlockPipeline::postHeavy(const Item &item, Expr slots) {
  Expr zero = e.i32(0), fours = ceilDiv(ceilDiv(slots, kWarp), 4);
  e.forRange(e.threadIndex(), fours, e.i32(e.getThreads()),
             [&](Expr four) { masks.storeFour(four, {zero, zero, zero, zero}); });
  forOwnHeads(item.kept > 0, [&](Expr head) {
    takeMaximum(head);
    if (byMass())
      postHead(item, slots, head);
  });
  if (byMass())
    isSpread() ? exchange->arrive() : meetBlocks();
  else
    e.barrier(); // the mask is zero, the maxima are there
}

void BlockPipeline::postHead(const Item &item, Expr slots, Expr head) {
  const int64_t capacity = postedKeys(config.memoryFacts()), page = shape.pageSize;
  Type i32 = e.getI32Type();
  KeepScratch search = searchOf(head);
  SharedTile counter = search.crossing.from(e.i32(1));
  Expr level = levelOf(item, head), thread = e.threadIndex(), zero = e.i32(0);
  HeadWeights weights(e, slots, logits.from(head * memory.logitsStride));
  weights.pad();
  search.sums.clear(e);
  e.ifThen(thread == 0, [&] { counter.store(zero, zero); });
  e.barrier(); // maxima are there, logits are padded, the histogram and the counter clear
  weights.setReference(maximumOf(head));
  Expr light = e.warpSum(weights.listHeavy(search.list, capacity, counter));
  e.ifThen(e.lane() == 0, [&] { search.warps.store(e.warp(), light); });
  e.barrier(); // the list, its length and the sums of light masses are there
  Expr found = counter.load(zero);
  Elements heavy = weights.heavy(found, capacity);
  Expr count = select(heavy.listed, found, zero);
  SharedTile keys = rowOfSearcher({posted, farPosted}, head, blocks() * capacity).from(rank * capacity);
  e.forRange(thread, ceilDiv(count, 4), e.i32(e.getThreads()), [&](Expr four) {
    std::array<Expr, 4> found;
    for (int64_t k = 0; k < 4; ++k) {
      Expr i = four * 4 + k;
      found[k] = select(i < count, weights.at(search.list.load(min(i, count - 1)).toUnsigned(i32)), zero);
    }
    keys.storeFour(four, found);
  });
  // p <= 0, or NaN, keeps the heaviest candidate, of equal ones the first. Slots of all blocks ascend with a block's.
  Expr first = e.ifElse(
      level > 0.0, [&] { return Exprs{e.i32(kNoSlot)}; },
      [&] {
        Expr own = weights.firstOf(heavy, search.list, capacity, [&](Expr key) { return key == kOneKey; });
        own = blockMax(e, scratch.from(head * (2 * headWarps())), own ^ kNoSlot) ^ kNoSlot;
        Expr inAll = ((own / page) * blocks() + rank) * page + own % page;
        return Exprs{select(own == kNoSlot, own, inAll)};
      })[0];
  e.ifThen(thread == 0, [&] {
    Expr mass = e.i64(0);
    for (int64_t w = 0; w < headWarps(); ++w)
      mass = mass + search.warps.load(e.i32(w));
    std::array<Expr, 4> header = {mass.to(i32), (mass >> int64_t(32)).to(i32),
                                  select(heavy.listed, found, e.i32(kTooMany)), first};
    listed.store(head, count);
    rowOfSearcher({headers, farHeaders}, head, blocks() * kHeaderWords).storeFour(rank, header);
  });
}

void BlockPipeline::findThresholds(const Item &item) {
  const int64_t heads = searchedHeads(config.memoryFacts()), each = config.warps / heads;
  e.ifThen(rank * heads < shape.group, [&] {
    // The level is asked for while others are waited for.
    Expr own = e.warp() / each, head = rank * heads + own, level = levelOf(item, min(head, shape.group - 1));
    if (isSpread())
      exchange->await();
    e.ifThen((own < heads) & (head < shape.group), [&] {
      e.within({own * each, each, own + kHeadBarrier}, [&] {
        Exprs found = findThreshold(item, own, head, level);
        if (isSpread())
          return e.ifThen(e.threadIndex() == 0, [&] { exchange->give(head, found[0], found[1]); });
        e.ifThen(e.threadIndex() < blocks(), [&] {
          SharedTile there = thresholds.ofBlock(e.lane());
          for (int64_t k = 0; k < 2; ++k)
            there.store(head * 2 + k, found[k]);
        });
      });
    });
  });
}

Exprs BlockPipeline::findThreshold(const Item &item, Expr own, Expr head, Expr level) {
  const int64_t capacity = postedKeys(config.memoryFacts());
  // Some threads for each block's keys. Their first four is asked for together with the header, which says how many
  // there are.
  const int64_t each = std::min<int64_t>(e.getThreads() / blocks(), capacity / 4);
  Expr block = e.threadIndex() / each, inside = min(block, blocks() - 1), first = e.threadIndex() % each;
  Expr lane = e.lane(), zero = e.i32(0);
  SharedTile heads =
      isSpread() ? farHeaders.from(head * (blocks() * kHeaderWords)) : headers.from(own * (blocks() * kHeaderWords));
  SharedTile keys = isSpread() ? farPosted.from((head * blocks() + inside) * capacity)
                               : posted.from((own * blocks() + inside) * capacity);
  auto search = [&] {
    std::array<Expr, 4> header = heads.loadFour(min(lane, blocks() - 1)), front = keys.loadFour(first);
    Expr tooMany = header[kHeavyCount] == kTooMany, posted = select(tooMany, zero, header[kHeavyCount]);
    Expr count = select(block < blocks(), e.shuffle(posted, inside), zero);
    auto forEach = [&](function_ref<void(Expr)> body) {
      for (int64_t k = 0; k < 4; ++k)
        body(select(first * 4 + k < count, front[k], zero)); // 0 is not heavy
      e.forRange(first + each, ceilDiv(count, 4), e.i32(each), [&](Expr four) {
        for (Expr key : keys.loadFour(four))
          body(key); // of those behind the last the key is 0
      });
    };
    HeavyThreshold threshold = searchHeavy(e, searchOf(head), forEach, [&](Expr heavy) {
      Type i64 = e.getI64Type();
      Expr light = header[kLightMass].toUnsigned(i64) | (header[kLightMass + 1].toUnsigned(i64) << int64_t(32));
      return targetMass(e, level, heavy + e.warpSum(select(lane < blocks(), light, e.i64(0))));
    });
    Expr found = threshold.reached & (e.ballot(tooMany) == 0);
    return Exprs{select(found, threshold.key, zero), select(found, e.i32(kListed), e.i32(kTogether))};
  };
  auto bySlot = [&] {
    Expr every = level >= 1.0, slot = heads.load(min(lane, blocks() - 1) * kHeaderWords + kFirstHeaviest);
    slot = e.warpMax(slot ^ kNoSlot) ^ kNoSlot;
    return Exprs{select(every, zero, slot), select(every, e.i32(kAll), e.i32(kFirst))};
  };
  return e.ifElse(
      item.kept > 0, [&] { return e.ifElse((level > 0.0) & (level < 1.0), search, bySlot); },
      [&] { return Exprs{zero, e.i32(kListed)}; });
}

void BlockPipeline::takeThresholds() {
  if (clustered())
    return meetBlocks();
  e.ifThen(e.warp() == 0, [&] {
    std::array<Expr, 2> found = exchange->await(min(e.lane(), shape.group - 1));
    e.ifThen(e.lane() < shape.group, [&] {
      for (int64_t k = 0; k < 2; ++k)
        thresholds.store(e.lane() * 2 + k, found[k]);
    });
  });
  e.barrier(); // thresholds are there
}

void BlockPipeline::markFirst(Expr slot) {
  const int64_t page = shape.pageSize;
  Expr place = slot / page, exists = (slot != kNoSlot) & isOwn(place);
  e.ifThen((e.threadIndex() == 0) & exists, [&] { markBit(e, masks, (place / blocks()) * page + slot % page); });
}

void BlockPipeline::keepOwn(const Item &item, Expr slots) {
  const int64_t capacity = postedKeys(config.memoryFacts()), heads = ownHeads();
  Expr zero = e.i32(0);
  markFloors(item, masks, slots);
  if (!byMass()) {
    forOwnHeads(item.kept > 0,
                [&](Expr head) { markAbove(e, weightsOf(head, slots), keyOfShare(e, levelOf(item, head)), masks); });
    return e.barrier(); // the mask is complete
  }
  takeThresholds();
  Expr kept = inOwnHead(item.kept > 0, {e.i32(kListed)}, [&](Expr head) {
    Expr word = thresholds.load(head * 2), kept = thresholds.load(head * 2 + 1);
    e.ifThen(kept == kListed, [&] {
      markListed(e, weightsOf(head, slots), word, {listed.load(head), e.boolean(true)}, searchOf(head).list, capacity,
                 masks);
    });
    e.ifThen(kept == kFirst, [&] { markFirst(word); });
    return Exprs{kept};
  })[0];
  Expr ofHead = thresholds.load(min(e.lane(), heads - 1) * 2 + 1); // in every block the same
  e.ifThen(e.ballot(ofHead >= kAll) != 0, [&] {
    Expr key = e.ifElse(
        e.ballot(ofHead == kTogether) != 0, [&] { return Exprs{searchTogether(item, slots, kept == kTogether)}; },
        [&] { return Exprs{zero}; })[0];
    forOwnHeads(kept >= kAll, [&](Expr head) { markAbove(e, weightsOf(head, slots), key, masks); });
  });
  e.barrier(); // the mask is complete
}
