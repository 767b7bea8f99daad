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
static constexpr int64_t kCountBins = 512;
static_assert(kCountBins <= massWords(kKeepBins), "counts take the place of masses");
static constexpr int64_t kNoLimit = std::numeric_limits<int32_t>::max();

KeepThreshold twilight::findKeepThreshold(KernelEmitter &e, const KeepLimits &limits, const HeadWeights &weights,
                                          const KeepScratch &scratch, Expr level) {
  Type i32 = e.getI32Type(), f64 = e.getF64Type();
  Elements all = weights.all();
  Expr key, ties = e.i32(kNoLimit);
  Elements elements = all;
  if (limits.rule == KeepRule::Threshold) {
    key = max(level, e.f32(0)).bitcast(i32);
    key = select(lessUnsigned(e.i32(kOneKey), key), e.i32(kOneKey), key);
  } else {
    auto byMass = [&] {
      MassThreshold found = searchMass(e, scratch, weights, [&](Expr total) {
        Expr wanted = e.wrap(math::CeilOp::create(e, level.to(f64) * total.toUnsigned(f64)));
        return max(min(wanted.to(e.getI64Type()), total), 1);
      });
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
          SearchScratch search(kCountBins, scratch.sums, sums, scratch.crossing);
          Threshold threshold = searchCount(e, search, kWeightDigits, forEachKey, k);
          return Exprs{threshold.key, threshold.need, all.count, all.listed};
        });
    key = found[0];
    ties = found[1];
    elements = {found[2], found[3]};
  }
  return {key, ties, elements};
}

void twilight::markListed(KernelEmitter &e, const HeadWeights &weights, const KeepThreshold &threshold,
                          const KeepScratch &scratch, SharedTile words) {
  weights.forEach(threshold.elements, scratch.list, kKeepList, [&](Expr slot, Expr key) {
    e.ifThen(lessEqualUnsigned(threshold.key, key),
             [&] { words.atomicOr(slot >> 5, e.i32(1) << (slot & (kWarp - 1))); });
  });
}

void twilight::writeKeepMask(KernelEmitter &e, const HeadWeights &weights, const KeepThreshold &threshold,
                             SharedTile running, function_ref<Expr(Expr)> floor, function_ref<void(Expr, Expr)> write) {
  // Each warp writes a contiguous part of the mask.
  Expr lane = e.lane(), warp = e.warp(), size = weights.getSize();
  Expr maskWords = ceilDiv(size, kWarp), part = ceilDiv(maskWords, e.getWarps());
  Expr first = min(maskWords, warp * part), last = min(maskWords, first + part);
  auto keyAt = [&](Expr slot) { return weights.at(min(slot, size - 1)); };
  auto vote = [&](Expr slot, Expr kept) {
    if (floor)
      kept = kept | floor(min(slot, size - 1));
    return e.ballot((slot < size) & kept);
  };
  e.ifElse(
      threshold.ties == kNoLimit,
      [&] {
        constexpr int64_t kAtOnce = 8; // words whose latencies overlap; each leaves from a lane of its own
        e.forRange(first, last, e.i32(kAtOnce), [&](Expr word) {
          SmallVector<Expr> keys;
          for (int64_t k = 0; k < kAtOnce; ++k)
            keys.push_back(keyAt((word + k) * kWarp + lane));
          Expr own = e.i32(0);
          for (int64_t k = 0; k < kAtOnce; ++k) {
            Expr bits = vote((word + k) * kWarp + lane, lessEqualUnsigned(threshold.key, keys[k]));
            own = select(lane == k, bits, own);
          }
          e.ifThen((lane < kAtOnce) & (word + lane < last), [&] { write(word + lane, own); });
        });
        return Exprs();
      },
      [&] {
        // Ties are kept in order while there are any left: each warp needs to know how many lie before its part.
        auto tiesOf = [&](Expr slot) { return e.ballot((slot < size) & (keyAt(slot) == threshold.key)); };
        Exprs own = e.forRange(first, last, e.i32(1), {e.i32(0)}, [&](Expr word, ArrayRef<Expr> sum) {
          return Exprs{sum[0] + e.popcount(tiesOf(word * kWarp + lane))};
        });
        Running ofWarp = blockScan(e, running, select(lane == 0, own[0], e.i32(0)));
        Expr before = e.shuffle(ofWarp.before, e.i32(0)), below = e.lanesBelow();
        e.forRange(first, last, e.i32(1), {before}, [&](Expr word, ArrayRef<Expr> sofar) {
          Expr slot = word * kWarp + lane, k = keyAt(slot), tieBits = tiesOf(slot);
          Expr rank = sofar[0] + e.popcount(tieBits & below);
          Expr bits = vote(slot, lessUnsigned(threshold.key, k) | ((k == threshold.key) & (rank < threshold.ties)));
          e.ifThen(lane == 0, [&] { write(word, bits); });
          return Exprs{sofar[0] + e.popcount(tieBits)};
        });
        return Exprs();
      });
}
