// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The whole pipeline as one kernel: kept candidates, where each block prunes its own ones of every head.
//
//   reference = max of all blocks' logits
//   own heavy candidates of a head: their keys, how many, and the mass of the light ones, to every block; blocks that
//   are no cluster take them behind the meeting
//   -- cluster --
//   t = least key that is kept, from the keys posted: in every block the same, since masses are integers
//   set the bits of own listed slots with key >= t, for every head in one mask
//
//   where the heavy ones of a head do not reach p, or are more than may be posted: all blocks come to know the same
//     repeat for each 8 bits of a key:
//       histogram of own masses
//       -- cluster --
//       bin = where the sum of all blocks' histograms crosses the target

#include "BlockPipeline.h"

#include "Stages/Collectives.h"

#include <limits>

using namespace mlir;
using namespace twilight;

namespace {
/// A block's header of a head: pairs of words are read together.
enum Header : int64_t { kLightMass = 0, kHeavyCount = 2, kFirstHeaviest = 3, kHeaderWords = kPostedHeaderWords };
/// What is left to do for a head whose candidates are not marked.
enum Unfinished : int64_t { kDone = 0, kMark = 1, kSearch = 2 };
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
    takeMaxima(head);
    if (byMass())
      postHead(item, slots, head);
  });
  if (byMass())
    meetBlocks();
  else
    e.barrier(); // the mask is zero, the maxima are there
}

void BlockPipeline::postHead(const Item &item, Expr slots, Expr head) {
  const int64_t capacity = postedKeys(config.memoryFacts()), page = shape.pageSize;
  Type i32 = e.getI32Type();
  KeepScratch search = searchOf(head);
  SharedTile counter = search.crossing.from(e.i32(1));
  Expr level = levelOf(item, head), thread = e.threadIndex(), place = head * blocks() + rank, zero = e.i32(0);
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
  BlockPiece keysOfHead{posted.from(place * capacity), isSpread() ? farPosted.from(place * capacity) : SharedTile()};
  e.forRange(thread, ceilDiv(count, 4), e.i32(e.getThreads()), [&](Expr four) {
    std::array<Expr, 4> keys;
    for (int64_t k = 0; k < 4; ++k) {
      Expr i = four * 4 + k;
      keys[k] = select(i < count, weights.at(search.list.load(min(i, count - 1)).toUnsigned(i32)), zero);
    }
    inEveryBlock(keysOfHead, [&](SharedTile tile) { tile.storeFour(four, keys); });
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
    inEveryBlock({headers, farHeaders}, [&](SharedTile tile) { tile.storeFour(place, header); });
  });
}

void BlockPipeline::takePosted(const Item &item) {
  if (!isSpread() || !byMass())
    return;
  anew([&] {
    // Some threads for each head and block: there are at least as many threads as those.
    const int64_t capacity = postedKeys(config.memoryFacts()), pairs = shape.group * blocks();
    const int64_t each = e.getThreads() / pairs;
    constexpr int64_t kAtOnce = 4; // loads in flight
    Expr pair = e.threadIndex() / each, inside = e.threadIndex() % each;
    e.ifThen((pair < pairs) & (item.kept > 0), [&] {
      std::array<Expr, 4> header = farHeaders.loadFour(pair);
      Expr count = header[kHeavyCount], fours = ceilDiv(select(count == kTooMany, e.i32(0), count), 4);
      e.ifThen(inside == 0, [&] { headers.storeFour(pair, header); });
      SharedTile far = farPosted.from(pair * capacity), own = posted.from(pair * capacity);
      e.forRange(inside, fours, e.i32(each * kAtOnce), [&](Expr i) {
        SmallVector<std::array<Expr, 4>> found;
        for (int64_t k = 0; k < kAtOnce; ++k)
          found.push_back(far.loadFour(min(i + k * each, fours - 1)));
        for (int64_t k = 0; k < kAtOnce; ++k)
          e.ifThen(i + k * each < fours, [&] { own.storeFour(i + k * each, found[k]); });
      });
    });
  });
  e.barrier(); // headers and keys are there
}

HeavyThreshold BlockPipeline::searchPosted(Expr head, Expr level) {
  const int64_t capacity = postedKeys(config.memoryFacts());
  // Some threads for each block's keys.
  const int64_t each = std::max<int64_t>(headWarps() * kWarp / blocks(), 1);
  SharedTile ofHead = headers.from(head * (blocks() * kHeaderWords));
  auto forEach = [&](function_ref<void(Expr)> body) {
    Expr block = e.threadIndex() / each, inside = min(block, blocks() - 1);
    Expr count = select(block < blocks(), ofHead.load(inside * kHeaderWords + kHeavyCount), e.i32(0));
    SharedTile keys = posted.from((head * blocks() + inside) * capacity);
    e.forRange(e.threadIndex() % each, ceilDiv(count, 4), e.i32(each), [&](Expr four) {
      for (Expr key : keys.loadFour(four))
        body(key); // of those behind the last the key is 0, which is not heavy
    });
  };
  return searchHeavy(e, searchOf(head), forEach, [&](Expr heavy) {
    Expr lane = e.lane();
    Expr light = ofHead.loadPair(min(lane, blocks() - 1) * (kHeaderWords / 2) + kLightMass / 2);
    return targetMass(e, level, heavy + e.warpSum(select(lane < blocks(), light, e.i64(0))));
  });
}

void BlockPipeline::markHeaviest(Expr head) {
  const int64_t page = shape.pageSize;
  Expr slot = headers.load((head * blocks() + min(e.lane(), blocks() - 1)) * kHeaderWords + kFirstHeaviest);
  slot = e.warpMax(slot ^ kNoSlot) ^ kNoSlot;
  Expr place = slot / page, exists = (slot != kNoSlot) & isOwn(place);
  e.ifThen((e.threadIndex() == 0) & exists, [&] { markBit(e, masks, (place / blocks()) * page + slot % page); });
}

void BlockPipeline::keepOwn(const Item &item, Expr slots) {
  const int64_t capacity = postedKeys(config.memoryFacts()), heads = ownHeads();
  Expr zero = e.i32(0);
  auto byList = [&](Expr head, Expr level) {
    Expr counts = headers.load((head * blocks() + min(e.lane(), blocks() - 1)) * kHeaderWords + kHeavyCount);
    return e.ifElse(
        e.ballot(counts == kTooMany) == 0,
        [&] {
          HeavyThreshold threshold = searchPosted(head, level);
          e.ifThen(threshold.reached, [&] {
            Expr count = headers.load((head * blocks() + rank) * kHeaderWords + kHeavyCount);
            markListed(e, weightsOf(head, slots), threshold.key, {count, e.boolean(true)}, searchOf(head).list,
                       capacity, masks);
          });
          return Exprs{zero, select(threshold.reached, e.i32(kDone), e.i32(kSearch))};
        },
        [&] { return Exprs{zero, e.i32(kSearch)}; });
  };
  Exprs state = inOwnHead(item.kept > 0, {zero, e.i32(kDone)}, [&](Expr head) {
    Expr level = levelOf(item, head);
    if (!byMass())
      return Exprs{keyOfShare(e, level), e.i32(kMark)};
    return e.ifElse((level > 0.0) & (level < 1.0), [&] { return byList(head, level); },
                    [&] {
                      Expr every = level >= 1.0;
                      e.ifThen(!every, [&] { markHeaviest(head); });
                      return Exprs{zero, select(every, e.i32(kMark), e.i32(kDone))};
                    });
  });
  markFloors(item, masks, slots);
  const int64_t threads = headWarps() * kWarp;
  Expr own = e.threadIndex() / threads;
  e.ifThen((own < heads) & (e.threadIndex() % threads == 0), [&] { unfinished.store(own, state[1]); });
  e.barrier(); // what is left to do is known; in every block the same
  Expr left = unfinished.load(min(e.lane(), heads - 1));
  e.ifThen(e.ballot(left != kDone) != 0, [&] {
    Expr key = state[0];
    if (byMass())
      key = e.ifElse(
          e.ballot(left == kSearch) != 0, [&] { return Exprs{searchTogether(item, slots, state[1] == kSearch)}; },
          [&] { return Exprs{key}; })[0];
    forOwnHeads(state[1] != kDone, [&](Expr head) { markAbove(e, weightsOf(head, slots), key, masks); });
    e.barrier(); // the mask is complete
  });
}

MassHistogram BlockPipeline::histogramOf(Expr block, Expr head, Expr round) {
  constexpr int64_t words = massWords(kKeepBins);
  Expr parity = round & 1; // two: a block may fill the next one while others read the last
  if (isSpread())
    return MassHistogram(farHistograms.from(((head * 2 + parity) * blocks() + block) * words));
  return ownHistogramOf(head, round).ofBlock(block);
}

MassHistogram BlockPipeline::ownHistogramOf(Expr head, Expr round) {
  SharedTile ofHead = posted.from(head * (postedKeys(config.memoryFacts()) * blocks()));
  return MassHistogram(isSpread() ? ofHead : ofHead.from((round & 1) * massWords(kKeepBins)));
}

/// The thresholds of the heads that are searched, among all candidates of all blocks.
Expr BlockPipeline::searchTogether(const Item &item, Expr slots, Expr isSearched) {
  static_assert(2 * massWords(kKeepBins) <= kPostedKeys / 4, "what was posted makes room for two histograms");
  Expr zero = e.i32(0);
  constexpr int64_t kRounds = llvm::divideCeil(kKeyBits, kMassBinBits);
  return e.forRange(zero, e.i32(kRounds), e.i32(1), {zero, isSearched}, [&](Expr round, ArrayRef<Expr> state) {
    KeyRange range{state[0], e.i32(kKeyBits) - round * kMassBinBits};
    forOwnHeads(state[1], [&](Expr head) {
      HeadWeights weights = weightsOf(head, slots);
      MassHistogram histogram = ownHistogramOf(head, round);
      histogram.clear(e);
      e.barrier(); // the histogram is clear
      weights.forEach(weights.all(), searchOf(head).list, postedKeys(config.memoryFacts()),
                      [&](Expr, Expr key) { histogram.addKey(range, key); });
      if (isSpread()) {
        e.barrier(); // the histogram is complete
        histogram.copyTo(e, histogramOf(rank, head, round));
      }
    });
    meetBlocks();
    return inOwnHead(state[1], {state[0], e.boolean(false)}, [&](Expr head) {
      SharedTile crossing = searchOf(head).crossing;
      Expr level = levelOf(item, head);
      e.ifThen(e.warp() == 0, [&] {
        // Not unrolled: the blocks' addresses would take registers.
        Expr all = isSpread() ? e.forget(e.i32(blocks())) : e.clusterBlocks();
        Exprs none(8, e.i64(0));
        Exprs masses = e.forRange(zero, all, e.i32(1), none, [&](Expr block, ArrayRef<Expr> sums) {
          SmallVector<Expr> ofBlock = histogramOf(block, head, round).load(e);
          Exprs next;
          for (auto [sum, mass] : llvm::zip_equal(sums, ofBlock))
            next.push_back(sum + mass);
          return next;
        });
        findMassCrossing(e, crossing, masses, [&](Expr total) {
          return e.ifElse(
              round == 0, [&] { return Exprs{targetMass(e, level, total)}; },
              [&] { return Exprs{crossing.loadPair(e.i32(1))}; })[0];
        });
      });
      e.barrier(); // the bin is known
      // Where not even all candidates reach the target, all are kept.
      Expr bin = crossing.load(zero), found = bin >= 0;
      return Exprs{select(found, range.of(bin).low, zero), found};
    });
  })[0];
}
