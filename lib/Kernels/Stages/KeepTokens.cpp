// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Which of a query head's candidates are kept, exactly.

#include "KeepTokens.h"

#include "Collectives.h"

#include "mlir/Dialect/Math/IR/Math.h"

#include <limits>

using namespace mlir;
using namespace twilight;

static const Digit kWeightDigits[] = {{20, 10}, {10, 10}, {0, 10}}; ///< no weight has a bit above
static constexpr int64_t kHeavyKey = 0x39800000;                    ///< the bits of 2^-12; few candidates weigh more
static const Digit kHeavyDigits[] = {{17, 10}, {7, 10}, {0, 7}};    ///< of a key above it
static constexpr int64_t kNoLimit = std::numeric_limits<int32_t>::max();

KeepThreshold twilight::findKeepThreshold(KernelEmitter &e, const KeepLimits &limits, HeadWeights &weights,
                                          const SearchScratch &search, Expr level) {
  Type i32 = e.getI32Type(), i64 = e.getI64Type(), f64 = e.getF64Type();
  auto forEachKey = [&](function_ref<void(Expr)> body) { weights.forEach(body); };
  Expr key, ties = e.i32(kNoLimit);
  if (limits.rule == KeepRule::Threshold) {
    weights.makeKeys();
    key = max(level, e.f32(0)).bitcast(i32);
    key = select(lessUnsigned(e.i32(kOneKey), key), e.i32(kOneKey), key);
  } else {
    auto byMass = [&] {
      auto targetOf = [&](Expr total) {
        Expr wanted = e.wrap(math::CeilOp::create(e, level.to(f64) * total.toUnsigned(f64)));
        return max(min(wanted.to(i64), total), 1);
      };
      auto sumOver = [&](MassSearch::SumOfKeys of) { return weights.makeKeysAndSum(of); };
      MassSearch mass{forEachKey, sumOver, massOfKey, lightMassOfKey, targetOf, kHeavyKey, kHeavyDigits, kWeightDigits};
      return Exprs{searchMass(e, search, mass), e.i32(kNoLimit)};
    };
    Exprs found = e.ifElse((level > 0.0) & (level < 1.0), byMass, [&] {
      // NaN keeps the heaviest, as p <= 0 does.
      weights.makeKeys();
      Expr all = level >= 1.0;
      return Exprs{select(all, e.i32(0), e.i32(kOneKey)), select(all, e.i32(kNoLimit), e.i32(1))};
    });
    key = found[0];
    ties = found[1];
  }

  if (limits.minTokens > 0 || limits.maxTokens > 0) {
    Expr own = weights.sumOver([&](ArrayRef<Expr> keys) {
      Expr sum = e.i32(0);
      for (Expr k : keys)
        sum = sum + select(lessEqualUnsigned(key, k), e.i32(1), e.i32(0));
      return sum.toUnsigned(i64);
    });
    Expr kept = blockSum(e, search.warps, own).to(i32);
    kept = select(ties == 1, e.i32(1), kept);
    Expr k = max(kept, limits.minTokens);
    if (limits.maxTokens > 0)
      k = min(k, limits.maxTokens);
    k = min(k, weights.getSize());
    Exprs found = e.ifElse(
        k == kept, [&] { return Exprs{key, ties}; },
        [&] {
          Threshold threshold = searchCount(e, search, kWeightDigits, forEachKey, k);
          return Exprs{threshold.key, threshold.need};
        });
    key = found[0];
    ties = found[1];
  }
  return {key, ties};
}

void twilight::writeKeepMask(KernelEmitter &e, const HeadWeights &weights, const KeepThreshold &threshold,
                             SharedTile scratch, function_ref<Expr(Expr)> floor, function_ref<void(Expr, Expr)> write) {
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
  e.barrier(); // keys that other threads made
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
        Running running = blockScan(e, scratch, select(lane == 0, own[0], e.i32(0)));
        Expr before = e.shuffle(running.before, e.i32(0)), below = e.lanesBelow();
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
