// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The exact weight at which a head's candidates reach a mass.

#include "MassSearch.h"

using namespace mlir;
using namespace twilight;

static constexpr int64_t kBinBits = 8, kBins = int64_t(1) << kBinBits;
static_assert(kBins == kKeepBins && kBins % (8 * kWarp) == 0, "a lane has eights of bins");
static constexpr int64_t kHeavyBits = 27; ///< of a heavy key minus the lightest one
static constexpr int64_t kKeyBits = 30;   ///< no weight has a bit above
static constexpr int64_t kFew = kWarp;    ///< elements that one warp compares with each other

KeepScratch::KeepScratch(KernelEmitter &e)
    : KeepScratch(e, e.shared(e.getI32Type(), kKeepWords), e.shared(e.getI64Type(), e.getWarps()),
                  e.shared(e.getI32Type(), 4)) {}

KeepScratch::KeepScratch(KernelEmitter &e, SharedTile words, SharedTile warps, SharedTile crossing)
    : sums(words), list(words.from(e.i32(massWords(kKeepBins))).as(e.getI16Type())), warps(warps), crossing(crossing) {}

static void clear(KernelEmitter &e, const KeepScratch &scratch) {
  Expr zero = e.i32(0);
  e.forRange(e.threadIndex(), e.i32(massWords(kBins) / 4), e.i32(e.getThreads()),
             [&](Expr four) { scratch.sums.storeFour(four, {zero, zero, zero, zero}); });
}

// 64-bit sums from 32-bit atomics that nobody waits for: a mass of at most 2^40 in parts of 15, 15 and 11 bits. Up to
// 2^17 elements cannot overflow a part.
static void addMass(const KeepScratch &scratch, Expr fromTop, Expr mass) {
  Emitter &e = mass.getEmitter();
  const int64_t low = (1 << 15) - 1;
  Expr word = mass.to(e.getI32Type());
  scratch.sums.atomicAdd(fromTop, word & low);
  scratch.sums.atomicAdd(fromTop + kBins, (word >> 15) & low);
  scratch.sums.atomicAdd(fromTop + 2 * kBins, (mass >> int64_t(30)).to(e.getI32Type()));
}

/// The masses of a lane's eight bins, from the top.
static SmallVector<Expr> loadMasses(KernelEmitter &e, const KeepScratch &scratch) {
  SmallVector<Expr> masses(8, e.i64(0));
  for (int64_t part = 0; part < 3; ++part)
    for (int64_t half = 0; half < 2; ++half) {
      std::array<Expr, 4> words = scratch.sums.loadFour(e.lane() * 2 + (part * (kBins / 4) + half));
      for (int64_t i = 0; i < 4; ++i) {
        Expr &mass = masses[half * 4 + i];
        mass = mass + (words[i].toUnsigned(e.getI64Type()) << (15 * part));
      }
    }
  return masses;
}

/// One warp finds the bin from the top where the running sum crosses the need, and leaves it and what is still needed
/// of it; -1 and the need where there is none. `needOf` gives the need from the sum of all bins.
static void cross(KernelEmitter &e, const KeepScratch &scratch, function_ref<Expr(Expr total)> needOf) {
  Type i32 = e.getI32Type();
  Expr lane = e.lane(), own = e.i64(0);
  auto leave = [&](Expr bin, Expr need) {
    scratch.crossing.store(e.i32(0), bin);
    scratch.crossing.store(e.i32(2), need.to(i32));
    scratch.crossing.store(e.i32(3), (need >> int64_t(32)).to(i32));
  };
  SmallVector<Expr> masses = loadMasses(e, scratch);
  for (Expr mass : masses)
    own = own + mass;
  Expr upTo = own;
  for (int64_t delta = 1; delta < kWarp; delta *= 2)
    upTo = upTo + select(lane >= delta, e.shuffleUp(upTo, delta), e.i64(0));
  Expr total = e.shuffle(upTo, e.i32(kWarp - 1)), need = needOf(total), before = upTo - own;
  e.syncWarp(); // the last need was read
  // Running sums ascend: of the lane's bins, the first that reaches the need.
  Expr bin = lane * 8, passed = before, reaches = (before < need) & (upTo >= need);
  for (const Expr &mass : ArrayRef(masses).drop_back()) {
    before = before + mass;
    Expr isBelow = before < need;
    bin = bin + select(isBelow, e.i32(1), e.i32(0));
    passed = select(isBelow, before, passed);
  }
  e.ifThen(reaches, [&] { leave(bin, need - passed); });
  e.ifThen((lane == 0) & (total < need), [&] { leave(e.i32(-1), need); });
  e.ifThen(lane == 0, [&] { scratch.crossing.store(e.i32(1), e.i32(0)); });
}

/// The largest of `few` collected keys such that the masses of those >= it reach the need, in every warp. Sums over all
/// pairs, so the order of collection does not matter.
static Expr resolve(KernelEmitter &e, const KeepScratch &scratch, Expr few) {
  Expr exists = e.lane() < few, need = scratch.crossing.loadPair(e.i32(1));
  Expr key = select(exists, scratch.sums.load(e.lane()), e.i32(0));
  Expr mass = select(exists, massOfKey(key), e.i64(0));
  constexpr int64_t kAtOnce = 4; // shuffles whose latencies overlap; lanes without a key have no mass
  Expr reached = e.forRange(e.i32(0), few, e.i32(kAtOnce), {e.i64(0)}, [&](Expr first, ArrayRef<Expr> sofar) {
    Expr sum = sofar[0];
    for (int64_t k = 0; k < kAtOnce; ++k) {
      Expr otherKey = e.shuffle(key, first + k), otherMass = e.shuffle(mass, first + k);
      sum = sum + select(lessUnsigned(otherKey, key), e.i64(0), otherMass);
    }
    return Exprs{sum};
  })[0];
  return e.warpMax(select(exists & (reached >= need), key, e.i32(0)));
}

MassThreshold twilight::searchMass(KernelEmitter &e, const KeepScratch &scratch, const HeadWeights &weights,
                                   function_ref<Expr(Expr total)> targetOf) {
  SharedTile counter = scratch.crossing.from(e.i32(1));
  Expr isFirstWarp = e.warp() == 0;
  clear(e, scratch);
  e.ifThen(e.threadIndex() == 0, [&] { counter.store(e.i32(0), e.i32(0)); });
  e.barrier(); // the histogram and the counter are clear
  Expr light = e.warpSum(weights.listHeavy(scratch.list, kKeepList, counter));
  e.ifThen(e.lane() == 0, [&] { scratch.warps.store(e.warp(), light); });
  e.barrier(); // the list, its length and the sums of light masses are there
  Elements heavy = weights.heavy(counter.load(e.i32(0)), kKeepList), all = weights.all();
  auto forEach = [&](const Elements &elements, function_ref<void(Expr)> body) {
    weights.forEach(elements, scratch.list, kKeepList, [&](Expr, Expr key) { body(key); });
  };

  // A round's range: `width` bits of keys from `low` on.
  enum State { Again, First, Low, Width, Count, Listed, Few };
  auto round = [&](ArrayRef<Expr> state) {
    Expr low = state[Low], width = state[Width], shift = max(width - kBinBits, 0);
    forEach({state[Count], state[Listed]}, [&](Expr key) {
      Expr offset = key - low;
      e.ifThen((offset >> width) == 0, [&] { addMass(scratch, (offset >> shift) ^ (kBins - 1), massOfKey(key)); });
    });
    e.barrier(); // the histogram is complete, and the counter was read
    e.ifThen(isFirstWarp, [&] {
      cross(e, scratch, [&](Expr total) {
        return e.ifElse(
            state[First],
            [&] {
              Expr sum = total;
              for (int64_t w = 0; w < e.getWarps(); ++w)
                sum = sum + scratch.warps.load(e.i32(w));
              return Exprs{targetOf(sum)};
            },
            [&] { return Exprs{scratch.crossing.loadPair(e.i32(1))}; })[0];
      });
    });
    e.barrier(); // the bin is known, the counter is zero, and the histogram was read
    Expr fromTop = scratch.crossing.load(e.i32(0)), found = fromTop >= 0;
    Expr nextLow = select(found, low + ((fromTop ^ (kBins - 1)) << shift), e.i32(0));
    Expr nextWidth = select(found, shift, e.i32(kKeyBits));
    Elements next{select(found, state[Count], all.count), found & state[Listed]};
    e.ifThen(found, [&] {
      forEach(next, [&](Expr key) {
        e.ifThen(((key - nextLow) >> nextWidth) == 0, [&] {
          Expr place = counter.atomicAdd(e.i32(0), e.i32(1));
          e.ifThen(place < kFew, [&] { scratch.sums.store(place, key); });
        });
      });
    });
    e.barrier(); // keys of the bin and their number are there
    Expr few = select(found, counter.load(e.i32(0)), e.i32(kFew + 1));
    // Where not even all elements reach the target, all are kept.
    Expr again = (found & (few > kFew) & (nextWidth > 0)) | (!found & state[First]);
    e.ifThen(again, [&] {
      clear(e, scratch);
      e.barrier(); // the histogram is clear
    });
    return Exprs{again, e.boolean(false), nextLow, nextWidth, next.count, next.listed, few};
  };
  Exprs end = e.whileLoop(
      {e.boolean(true), e.boolean(true), e.i32(kHeavyKey), e.i32(kHeavyBits), heavy.count, heavy.listed, e.i32(0)},
      [&](ArrayRef<Expr> state) { return state[Again]; }, round);
  // Else keys of one bit pattern are left.
  Expr key = e.ifElse(
      end[Few] <= kFew, [&] { return Exprs{resolve(e, scratch, end[Few])}; }, [&] { return Exprs{end[Low]}; })[0];
  return {key, {end[Count], end[Listed]}};
}
