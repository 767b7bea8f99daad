// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Which of a query head's candidates are kept, exactly.

#include "KeepTokens.h"

#include "Collectives.h"
#include "Search.h"

#include "mlir/Dialect/Math/IR/Math.h"

#include <limits>

using namespace mlir;
using namespace twilight;

static const Digit kWeightDigits[] = {{21, 9}, {12, 9}, {3, 9}, {0, 3}}; ///< no weight has a bit above
static constexpr int64_t kNoLimit = std::numeric_limits<int32_t>::max();
static constexpr int64_t kCountBins = 512;
static_assert(kCountBins <= massWords(kKeepBins), "counts take the place of masses");

Expr twilight::targetMass(KernelEmitter &e, Expr level, Expr total) {
  Type f64 = e.getF64Type();
  Expr wanted = e.wrap(math::CeilOp::create(e, level.to(f64) * total.toUnsigned(f64)));
  return max(min(wanted.to(e.getI64Type()), total), 1);
}

Expr twilight::keyOfShare(KernelEmitter &e, Expr level) {
  Expr key = max(level, e.f32(0)).bitcast(e.getI32Type());
  return select(lessUnsigned(e.i32(kOneKey), key), e.i32(kOneKey), key);
}

KeepThreshold twilight::findKeepThreshold(KernelEmitter &e, const KeepLimits &limits, const HeadWeights &weights,
                                          const KeepScratch &scratch, Expr level) {
  Type i32 = e.getI32Type();
  Elements all = weights.all();
  Expr key, ties = e.i32(kNoLimit);
  Elements elements = all;
  if (limits.rule == KeepRule::Threshold) {
    key = keyOfShare(e, level);
  } else {
    auto byMass = [&] {
      MassThreshold found = searchMass(e, scratch, weights, [&](Expr total) { return targetMass(e, level, total); });
      return Exprs{found.key, e.i32(kNoLimit), found.elements.count, found.elements.listed};
    };
    Exprs found = e.ifElse((level > 0.0) & (level < 1.0), byMass, [&] {
      // NaN keeps the heaviest, as p <= 0 does.
      Expr every = level >= 1.0;
      return Exprs{select(every, e.i32(0), e.i32(kOneKey)), select(every, e.i32(kNoLimit), e.i32(1)), all.count,
                   all.listed};
    });
    key = found[0];
    ties = found[1];
    elements = {found[2], found[3]};
  }

  if (limits.minTokens > 0 || limits.maxTokens > 0) {
    SharedTile sums = scratch.warps.as(i32);
    Expr own = weights.count(elements, scratch.list, kKeepList, [&](Expr k) { return lessEqualUnsigned(key, k); });
    Expr kept = select(ties == 1, e.i32(1), blockSum(e, sums, own));
    Expr k = max(kept, limits.minTokens);
    if (limits.maxTokens > 0)
      k = min(k, limits.maxTokens);
    k = min(k, weights.getSize());
    Exprs found = e.ifElse(
        k == kept, [&] { return Exprs{key, ties, elements.count, elements.listed}; },
        [&] {
          auto forEachKey = [&](function_ref<void(Expr)> body) {
            weights.forEach(all, scratch.list, kKeepList, [&](Expr, Expr key) { body(key); });
          };
          SearchScratch search(kCountBins, scratch.sums.getWords(), sums, scratch.crossing);
          Threshold threshold = searchCount(e, search, kWeightDigits, forEachKey, k);
          return Exprs{threshold.key, threshold.need, all.count, all.listed};
        });
    key = found[0];
    ties = found[1];
    elements = {found[2], found[3]};
  }
  return {key, ties, elements};
}

void twilight::markBit(KernelEmitter &e, SharedTile words, Expr slot) {
  words.atomicOr(slot >> 5, e.i32(1) << (slot & (kWarp - 1)));
}

void twilight::markListed(KernelEmitter &e, const HeadWeights &weights, Expr least, const Elements &listed,
                          SharedTile list, int64_t capacity, SharedTile words) {
  weights.forEach(listed, list, capacity, [&](Expr slot, Expr key) {
    e.ifThen(lessEqualUnsigned(least, key), [&] { markBit(e, words, slot); });
  });
}

/// Each warp writes a contiguous part of the mask.
static std::pair<Expr, Expr> partOfMask(KernelEmitter &e, Expr size) {
  Expr maskWords = ceilDiv(size, kWarp), part = ceilDiv(maskWords, e.getWarps());
  Expr first = min(maskWords, e.warp() * part);
  return {first, min(maskWords, first + part)};
}

static Expr vote(KernelEmitter &e, Expr size, Expr slot, Expr kept, function_ref<Expr(Expr)> floor) {
  if (floor)
    kept = kept | floor(min(slot, size - 1));
  return e.ballot((slot < size) & kept);
}

/// What is kept of keys that are all kept from `least` on.
static void writeAbove(KernelEmitter &e, const HeadWeights &weights, Expr least, function_ref<Expr(Expr)> floor,
                       function_ref<void(Expr, Expr)> write) {
  Expr lane = e.lane(), size = weights.getSize();
  auto [first, last] = partOfMask(e, size);
  constexpr int64_t kAtOnce = 8; // words whose latencies overlap; each leaves from a lane of its own
  e.forRange(first, last, e.i32(kAtOnce), [&, last = last](Expr word) {
    SmallVector<Expr> keys;
    for (int64_t k = 0; k < kAtOnce; ++k)
      keys.push_back(weights.at(min((word + k) * kWarp + lane, size - 1)));
    Expr own = e.i32(0);
    for (int64_t k = 0; k < kAtOnce; ++k) {
      Expr bits = vote(e, size, (word + k) * kWarp + lane, lessEqualUnsigned(least, keys[k]), floor);
      own = select(lane == k, bits, own);
    }
    e.ifThen((lane < kAtOnce) & (word + lane < last), [&] { write(word + lane, own); });
  });
}

void twilight::markAbove(KernelEmitter &e, const HeadWeights &weights, Expr least, SharedTile words) {
  writeAbove(e, weights, least, nullptr, [&](Expr word, Expr bits) { words.atomicOr(word, bits); });
}

void twilight::writeKeepMask(KernelEmitter &e, const HeadWeights &weights, const KeepThreshold &threshold,
                             SharedTile running, function_ref<Expr(Expr)> floor, function_ref<void(Expr, Expr)> write) {
  Expr lane = e.lane(), size = weights.getSize();
  auto [first, last] = partOfMask(e, size);
  auto inOrder = [&, first = first, last = last] {
    // Ties are kept in order while there are any left: each warp needs to know how many lie before its part.
    auto keyAt = [&](Expr slot) { return weights.at(min(slot, size - 1)); };
    auto tiesOf = [&](Expr slot) { return e.ballot((slot < size) & (keyAt(slot) == threshold.key)); };
    Exprs own = e.forRange(first, last, e.i32(1), {e.i32(0)}, [&](Expr word, ArrayRef<Expr> sum) {
      return Exprs{sum[0] + e.popcount(tiesOf(word * kWarp + lane))};
    });
    Running ofWarp = blockScan(e, running, select(lane == 0, own[0], e.i32(0)));
    Expr before = e.shuffle(ofWarp.before, e.i32(0)), below = e.lanesBelow();
    e.forRange(first, last, e.i32(1), {before}, [&](Expr word, ArrayRef<Expr> sofar) {
      Expr slot = word * kWarp + lane, k = keyAt(slot), tieBits = tiesOf(slot);
      Expr rank = sofar[0] + e.popcount(tieBits & below);
      Expr isKept = lessUnsigned(threshold.key, k) | ((k == threshold.key) & (rank < threshold.ties));
      Expr bits = vote(e, size, slot, isKept, floor);
      e.ifThen(lane == 0, [&] { write(word, bits); });
      return Exprs{sofar[0] + e.popcount(tieBits)};
    });
    return Exprs();
  };
  auto above = [&] {
    writeAbove(e, weights, threshold.key, floor, write);
    return Exprs();
  };
  e.ifElse(threshold.ties == kNoLimit, above, inOrder);
}
