// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The whole pipeline as one kernel: kept candidates, where each block prunes its own ones of every head.
//
//   reference = max of all blocks' logits     spread: of the blocks' notices, as soon as they are there
//   own heavy candidates of a head: their keys, how many, and the mass of the light ones, to the block that searches it
//   -- cluster --                             spread: that block looks until they are there
//   t = least key that is kept, of each head that this block searches, to every block
//   -- cluster --                             spread: a notice of each head
//   set the bits of own listed slots with key >= t, for every head in one mask
//
//   where the heavy ones of a head do not reach p, or are more than may be posted, that is what the blocks are told:
//   they search together (BlockPipelineTogether.cpp)
//
//   where a threshold needs no masses: t = the head's share of the heaviest weight, without posting and searching
//
// Barriers: of a cluster two by mass, else none; of the block up to four; of a head's warps two for posting, and those
// of its search.

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

// Header words of spread blocks have a mark, so that none is 0; 31 bits are left. A block's light candidates are fewer
// than 2^31, of less than 2^28 units each, so that their mass has two words, as in a cluster.
static constexpr int64_t kMark = 0x80000000, kUnmarked = 0x7FFFFFFF, kMarkedBits = 31;

/// Whether a level keeps heavy candidates from a key on: else their keys are not looked at.
static Expr keepsByKey(Expr level) { return (level > 0.0) & (level < 1.0); }

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
  if (byMass() && !isSpread())
    meetBlocks();
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
  // What nobody looks at would not be zeroed.
  Expr looked = isSpread() ? select(keepsByKey(level), count, zero) : count;
  SharedTile keys = rowOfSearcher({posted, farPosted}, head, blocks() * capacity).from(rank * capacity);
  e.forRange(thread, ceilDiv(looked, 4), e.i32(e.getThreads()), [&](Expr four) {
    std::array<Expr, 4> found;
    for (int64_t k = 0; k < 4; ++k) {
      Expr i = four * 4 + k;
      found[k] = select(i < looked, weights.at(search.list.load(min(i, looked - 1)).toUnsigned(i32)), zero);
    }
    isSpread() ? keys.publishFour(four, found) : keys.storeFour(four, found);
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
    Expr heavyCount = select(heavy.listed, found, e.i32(kTooMany));
    SharedTile ofHead = rowOfSearcher({headers, farHeaders}, head, blocks() * kHeaderWords);
    listed.store(head, count);
    if (!isSpread())
      return ofHead.storeFour(rank, {mass.to(i32), (mass >> int64_t(32)).to(i32), heavyCount, first});
    Expr lookedCount = select(keepsByKey(level), heavyCount, zero);
    ofHead.publishFour(rank, {mass.to(i32) | kMark, (mass >> kMarkedBits).to(i32) | kMark, lookedCount | kMark,
                              (first - kNoSlot) | kMark});
  });
}

void BlockPipeline::findThresholds(const Item &item) {
  const int64_t heads = searchedHeads(config.memoryFacts()), each = config.warps / heads;
  e.ifThen(rank * heads < shape.group, [&] {
    Expr own = e.warp() / each, head = rank * heads + own, level = levelOf(item, min(head, shape.group - 1));
    e.ifThen((own < heads) & (head < shape.group), [&] {
      e.within({own * each, each, own + kHeadBarrier}, [&] {
        Exprs found = findThreshold(item, own, head, level);
        if (isSpread()) {
          e.ifThen(e.threadIndex() == 0, [&] { exchange->give(head, found[0], found[1]); });
          return clearPosted(head, found[2]);
        }
        e.ifThen(e.threadIndex() < blocks(), [&] {
          SharedTile there = thresholds.ofBlock(e.lane());
          for (int64_t k = 0; k < 2; ++k)
            there.store(head * 2 + k, found[k]);
        });
      });
    });
  });
}

BlockPipeline::PostedShare BlockPipeline::sharePosted() {
  const int64_t capacity = postedKeys(config.memoryFacts());
  const int64_t each = std::min<int64_t>(e.getThreads() / blocks(), capacity / 4);
  return {each, e.threadIndex() / each, e.threadIndex() % each};
}

/// A lane's block's.
std::array<Expr, 4> BlockPipeline::awaitHeader(Expr own, Expr head) {
  Expr block = min(e.lane(), blocks() - 1);
  if (!isSpread())
    return headers.loadFour(own * blocks() + block);
  auto look = [&] {
    std::array<Expr, 4> words = farHeaders.lookAtFour(head * blocks() + block);
    return Exprs(words.begin(), words.end());
  };
  auto isMissing = [&](ArrayRef<Expr> words) {
    return e.ballot((words[0] == 0) | (words[1] == 0) | (words[2] == 0) | (words[3] == 0)) != 0;
  };
  Exprs words = e.whileLoop(look(), isMissing, [&](ArrayRef<Expr>) { return look(); });
  Expr light = words[kLightMass] & kUnmarked, upper = words[kLightMass + 1] & kUnmarked;
  return {light | (upper << kMarkedBits), upper >> 1, words[kHeavyCount] & kUnmarked,
          (words[kFirstHeaviest] & kUnmarked) + kNoSlot};
}

void BlockPipeline::clearPosted(Expr head, Expr count) {
  const PostedShare share = sharePosted();
  const int64_t capacity = postedKeys(config.memoryFacts());
  Expr zero = e.i32(0);
  e.barrier(); // all warps have seen the headers; each thread its own keys
  e.ifThen(e.threadIndex() < blocks(),
           [&] { farHeaders.publishFour(head * blocks() + e.threadIndex(), {zero, zero, zero, zero}); });
  SharedTile keys = farPosted.from((head * blocks() + min(share.block, blocks() - 1)) * capacity);
  e.forRange(share.first, ceilDiv(count, 4), e.i32(share.each),
             [&](Expr four) { keys.publishFour(four, {zero, zero, zero, zero}); });
}

Exprs BlockPipeline::findThreshold(const Item &item, Expr own, Expr head, Expr level) {
  const int64_t capacity = postedKeys(config.memoryFacts());
  // Some threads for each block's keys. The first of them, usually all, are asked for together with the header, which
  // says how many there are, and held.
  constexpr int64_t kHeld = 192;
  const PostedShare share = sharePosted();
  const int64_t held = llvm::divideCeil(std::min(kHeld, capacity) / 4, share.each);
  Expr block = share.block, inside = min(block, blocks() - 1), lane = e.lane(), zero = e.i32(0);
  SharedTile keys = isSpread() ? farPosted.from((head * blocks() + inside) * capacity)
                               : posted.from((own * blocks() + inside) * capacity);
  auto fourOf = [&](int64_t k) { return share.first + k * share.each; };
  auto load = [&](Expr four) {
    std::array<Expr, 4> found = isSpread() ? keys.lookAtFour(four) : keys.loadFour(four);
    return Exprs(found.begin(), found.end());
  };
  // Behind the last may be anything.
  auto isPosted = [&](Expr four, int64_t k, Expr count) { return four * 4 + k < count; };
  // The threads' fours at these places; spread: as soon as they are there.
  auto await = [&](Exprs seen, ArrayRef<Expr> fours, Expr count) {
    auto isMissing = [&](ArrayRef<Expr> words) {
      Expr missing = e.boolean(false);
      for (auto [i, word] : llvm::enumerate(words))
        missing = missing | (isPosted(fours[i / 4], static_cast<int64_t>(i) % 4, count) & (word == 0));
      return missing;
    };
    auto look = [&](ArrayRef<Expr>) {
      Exprs words;
      for (Expr four : fours)
        words.append(load(min(four, capacity / 4 - 1)));
      return words;
    };
    return isSpread() ? e.whileLoop(seen, isMissing, look) : seen;
  };
  auto search = [&] {
    Exprs places, words;
    for (int64_t k = 0; k < held; ++k) {
      places.push_back(fourOf(k));
      words.append(load(min(places.back(), capacity / 4 - 1)));
    }
    std::array<Expr, 4> header = awaitHeader(own, head);
    Expr tooMany = header[kHeavyCount] == kTooMany, posted = select(tooMany, zero, header[kHeavyCount]);
    Expr count = select(block < blocks(), e.shuffle(posted, inside), zero);
    words = await(words, places, count);
    auto forEach = [&](function_ref<void(Expr)> body) {
      auto each = [&](Expr four, ArrayRef<Expr> keys) {
        for (auto [k, key] : llvm::enumerate(keys))
          body(select(isPosted(four, static_cast<int64_t>(k), count), key, zero)); // 0 is not heavy
      };
      for (int64_t k = 0; k < held; ++k)
        e.ifThen(isPosted(places[k], 0, count), [&] { each(places[k], ArrayRef(words).slice(4 * k, 4)); });
      e.forRange(fourOf(held), ceilDiv(count, 4), e.i32(share.each),
                 [&](Expr four) { each(four, await(load(four), {four}, count)); });
    };
    // Before the search, where one warp would need it while all others wait.
    Type i64 = e.getI64Type();
    Expr ofBlock = header[kLightMass].toUnsigned(i64) | (header[kLightMass + 1].toUnsigned(i64) << int64_t(32));
    Expr light = e.warpSum(select(lane < blocks(), ofBlock, e.i64(0)));
    HeavyThreshold threshold =
        searchHeavy(e, searchOf(head), forEach, [&](Expr heavy) { return targetMass(e, level, heavy + light); });
    Expr found = threshold.reached & (e.ballot(tooMany) == 0);
    return Exprs{select(found, threshold.key, zero), select(found, e.i32(kListed), e.i32(kTogether)), count};
  };
  auto bySlot = [&] {
    Expr every = level >= 1.0, slot = awaitHeader(own, head)[kFirstHeaviest];
    slot = e.warpMax(slot ^ kNoSlot) ^ kNoSlot;
    return Exprs{select(every, zero, slot), select(every, e.i32(kAll), e.i32(kFirst)), zero};
  };
  return e.ifElse(
      item.kept > 0, [&] { return e.ifElse(keepsByKey(level), search, bySlot); },
      [&] { return Exprs{zero, e.i32(kListed), zero}; });
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
