// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The exact weight at which a head's candidates reach a mass.

#include "MassSearch.h"

#include <algorithm>

using namespace mlir;
using namespace twilight;

static constexpr int64_t kHeavyBits = 27; ///< of a heavy key minus the lightest one

KeepScratch::KeepScratch(KernelEmitter &e)
    : KeepScratch(e, e.shared(e.getI32Type(), kKeepWords), e.shared(e.getI64Type(), e.getWarps()),
                  e.shared(e.getI32Type(), 4)) {}

KeepScratch::KeepScratch(KernelEmitter &e, SharedTile words, SharedTile warps, SharedTile crossing)
    : sums(words), list(words.from(e.i32(massWords(kKeepBins))).as(e.getI16Type())), warps(warps), crossing(crossing) {}

/// How many keys of one bin are compared with each other, which costs less than another histogram: about `few` squared
/// steps, shared by the threads.
static constexpr int64_t kMostFew = 128;
static int64_t mostFew(KernelEmitter &e) {
  return std::clamp<int64_t>(e.getThreads() * 3 / 8 / kWarp * kWarp, kMostFew / 2, kMostFew);
}

/// The largest of `few` collected keys such that the masses of those >= it reach the need, in every thread. Sums over
/// all pairs, so the order of collection does not matter.
static Expr resolve(KernelEmitter &e, const KeepScratch &scratch, Expr few) {
  constexpr int64_t kTeam = 8; // lanes that share a key's sum, four others each at a time
  // Behind the keys: a group may have more warps than the scratch was made for.
  SharedTile keys = scratch.sums.getWords(), ofWarps = keys.from(e.i32(kMostFew));
  Expr lane = e.lane(), zero = e.i32(0), need = scratch.crossing.loadPair(e.i32(1)), inTeam = lane % kTeam;
  constexpr int64_t kTeams = kWarp / kTeam;
  Expr first = e.warp() * kTeams, step = e.i32(e.getWarps() * kTeams);
  Expr best = e.forRange(first, few, step, {zero}, [&](Expr base, ArrayRef<Expr> sofar) {
    Expr own = base + lane / kTeam, key = keys.load(min(own, few - 1));
    Expr sum = e.forRange(zero, few, e.i32(4 * kTeam), {e.i64(0)}, [&](Expr from, ArrayRef<Expr> carried) {
      Expr place = from + inTeam * 4, reached = carried[0];
      std::array<Expr, 4> others = keys.loadFour(place >> 2);
      for (int64_t k = 0; k < 4; ++k) {
        Expr counts = (place + k < few) & lessEqualUnsigned(key, others[k]);
        reached = reached + select(counts, massOfKey(others[k]), e.i64(0));
      }
      return Exprs{reached};
    })[0];
    for (int64_t lanes = 1; lanes < kTeam; lanes *= 2)
      sum = sum + e.shuffleXor(sum, lanes);
    return Exprs{maxUnsigned(sofar[0], select((own < few) & (sum >= need), key, zero))};
  })[0];
  best = e.warpMax(best);
  e.ifThen(lane == 0, [&] { ofWarps.store(e.warp(), best); });
  e.barrier(); // the warps' keys are there
  return e.warpMax(ofWarps.load(min(lane, e.getWarps() - 1)));
}

namespace {

/// What a search goes over: some elements first; where their mass is not enough, all of them, if there are more.
struct Source {
  Elements first;
  std::optional<Elements> all;
  function_ref<void(const Elements &, function_ref<void(Expr key)>)> forEach;
  function_ref<Expr(Expr mass)> needOf; ///< in one warp: of the first elements' mass
};

struct Found {
  Expr key; ///< 0 where the masses do not suffice
  Elements elements;
  Expr reached; ///< i1
};

} // namespace

/// The histogram and the counter are clear, the elements visible.
static Found searchHeavyFirst(KernelEmitter &e, const KeepScratch &scratch, const Source &source) {
  const int64_t most = mostFew(e);
  SharedTile counter = scratch.crossing.from(e.i32(1));
  Expr isFirstWarp = e.warp() == 0;
  enum State { Again, First, Low, Width, Count, Listed, Few };
  auto round = [&](ArrayRef<Expr> state) {
    KeyRange range{state[Low], state[Width]};
    source.forEach({state[Count], state[Listed]}, [&](Expr key) { scratch.sums.addKey(range, key); });
    e.barrier(); // the histogram is complete, and the counter was read
    e.ifThen(isFirstWarp, [&] {
      findMassCrossing(e, scratch.crossing, scratch.sums.load(e), [&](Expr total) {
        return e.ifElse(
            state[First], [&] { return Exprs{source.needOf(total)}; },
            [&] { return Exprs{scratch.crossing.loadPair(e.i32(1))}; })[0];
      });
    });
    e.barrier(); // the bin is known, the counter is zero, and the histogram was read
    Expr bin = scratch.crossing.load(e.i32(0)), found = bin >= 0;
    KeyRange next = range.of(bin);
    next = {select(found, next.low, e.i32(0)), select(found, next.width, e.i32(kKeyBits))};
    Elements elements{source.all ? select(found, state[Count], source.all->count) : state[Count],
                      found & state[Listed]};
    e.ifThen(found, [&] {
      source.forEach(elements, [&](Expr key) {
        e.ifThen(next.contains(key), [&] {
          Expr place = counter.atomicAdd(e.i32(0), e.i32(1));
          e.ifThen(place < most, [&] { scratch.sums.getWords().store(place, key); });
        });
      });
    });
    e.barrier(); // keys of the bin and their number are there
    Expr few = select(found, counter.load(e.i32(0)), e.i32(most + 1));
    Expr again = found & (few > most) & (next.width > 0);
    // Where not even all elements reach the target, all are kept.
    if (source.all)
      again = again | (!found & state[First]);
    e.ifThen(again, [&] {
      scratch.sums.clear(e);
      e.barrier(); // the histogram is clear
    });
    return Exprs{again, e.boolean(false), next.low, next.width, elements.count, elements.listed, few};
  };
  Exprs end = e.whileLoop(
      {e.boolean(true), e.boolean(true), e.i32(kHeavyKey), e.i32(kHeavyBits), source.first.count, source.first.listed,
       e.i32(0)},
      [&](ArrayRef<Expr> state) { return state[Again]; }, round);
  // Else keys of one bit pattern are left.
  Expr key = e.ifElse(
      end[Few] <= most, [&] { return Exprs{resolve(e, scratch, end[Few])}; }, [&] { return Exprs{end[Low]}; })[0];
  return {key, {end[Count], end[Listed]}, end[Width] < kKeyBits};
}

MassThreshold twilight::searchMass(KernelEmitter &e, const KeepScratch &scratch, const HeadWeights &weights,
                                   function_ref<Expr(Expr total)> targetOf) {
  SharedTile counter = scratch.crossing.from(e.i32(1));
  scratch.sums.clear(e);
  e.ifThen(e.threadIndex() == 0, [&] { counter.store(e.i32(0), e.i32(0)); });
  e.barrier(); // the histogram and the counter are clear
  Expr light = e.warpSum(weights.listHeavy(scratch.list, kKeepList, counter));
  e.ifThen(e.lane() == 0, [&] { scratch.warps.store(e.warp(), light); });
  e.barrier(); // the list, its length and the sums of light masses are there
  auto forEach = [&](const Elements &elements, function_ref<void(Expr)> body) {
    weights.forEach(elements, scratch.list, kKeepList, [&](Expr, Expr key) { body(key); });
  };
  auto needOf = [&](Expr heavy) {
    Expr sum = heavy;
    for (int64_t w = 0; w < e.getWarps(); ++w)
      sum = sum + scratch.warps.load(e.i32(w));
    return targetOf(sum);
  };
  Elements heavy = weights.heavy(counter.load(e.i32(0)), kKeepList);
  Found found = searchHeavyFirst(e, scratch, {heavy, weights.all(), forEach, needOf});
  return {found.key, found.elements};
}

HeavyThreshold twilight::searchHeavy(KernelEmitter &e, const KeepScratch &scratch, ForEachMass forEach,
                                     function_ref<Expr(Expr heavy)> targetOf) {
  auto forAny = [&](const Elements &, function_ref<void(Expr)> body) { forEach(body); };
  Elements some{e.i32(0), e.boolean(true)};
  Found found = searchHeavyFirst(e, scratch, {some, std::nullopt, forAny, targetOf});
  return {found.key, found.reached};
}
