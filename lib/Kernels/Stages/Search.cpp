// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Exact thresholds by a search over the bits of 32-bit keys, eight at a time.

#include "Search.h"

using namespace mlir;
using namespace twilight;

static constexpr int64_t kBins = 256;

SearchScratch::SearchScratch(KernelEmitter &e, int64_t copies)
    : copies(copies), bins(e.shared(e.getI32Type(), copies * kBins * 2)), crossing(e.shared(e.getI32Type(), 4)) {}

/// All threads clear the histograms.
static void clearBins(KernelEmitter &e, const SearchScratch &scratch, int64_t words) {
  e.forRange(e.threadIndex(), e.i32(scratch.copies * kBins * words), e.i32(e.getThreads()),
             [&](Expr i) { scratch.bins.store(i, e.i32(0)); });
}

/// Warp 0 finds the highest bin at which the sum from the top reaches `need` (i32 or i64); leaves the bin and what is
/// needed of it in `crossing`. Where the sum never reaches it: bin 0, need 1.
static void findCrossing(KernelEmitter &e, const SearchScratch &scratch, function_ref<Expr(Expr bin)> valueOf,
                         Expr need) {
  const int64_t perLane = kBins / kWarp;
  Type i32 = e.getI32Type(), i64 = e.getI64Type();
  auto leave = [&](Expr bin, Expr rest) {
    scratch.crossing.store(e.i32(0), bin);
    Expr wide = rest.to(i64);
    scratch.crossing.store(e.i32(2), wide.to(i32));
    scratch.crossing.store(e.i32(3), (wide >> int64_t(32)).to(i32));
  };
  e.ifThen(e.warp() == 0, [&] {
    Expr lane = e.lane();
    SmallVector<Expr> bins, values;
    Expr total;
    for (int64_t i = 0; i < perLane; ++i) {
      bins.push_back(e.i32(kBins - 1) - lane * perLane - i);
      values.push_back(valueOf(bins.back()));
      total = total ? total + values.back() : values.back();
    }
    Expr sum = total;
    for (int64_t delta = 1; delta < kWarp; delta *= 2)
      sum = sum + select(lane >= delta, e.shuffleUp(sum, delta), e.constantInt(sum.getType(), 0));
    e.ifThen((lane == kWarp - 1) & (sum < need), [&] { leave(e.i32(0), e.constantInt(need.getType(), 1)); });
    Expr before = sum - total;
    for (int64_t i = 0; i < perLane; ++i) {
      Expr after = before + values[i];
      e.ifThen((before < need) & (after >= need), [&] { leave(bins[i], need - before); });
      before = after;
    }
  });
}

/// The steps of both searches: (key & mask) == prefix are the elements still in question.
static Threshold search(KernelEmitter &e, const SearchScratch &scratch, ForEachKey forEach, int64_t words,
                        function_ref<void(Expr bin, Expr key)> add, function_ref<Expr(Expr bin)> valueOf, Expr need) {
  Expr prefix = e.i32(0);
  int64_t mask = 0;
  bool isWide = need.getType().isInteger(64);
  for (int64_t shift = 24; shift >= 0; shift -= 8) {
    e.barrier(); // the last step's results have been read
    clearBins(e, scratch, words);
    e.barrier();
    forEach([&](Expr key) { e.ifThen((key & mask) == prefix, [&] { add((key >> shift) & (kBins - 1), key); }); });
    e.barrier();
    findCrossing(e, scratch, valueOf, need);
    e.barrier();
    prefix = prefix | (scratch.crossing.load(e.i32(0)) << shift);
    need = isWide ? scratch.crossing.loadPair(e.i32(1)) : scratch.crossing.load(e.i32(2));
    mask |= int64_t(255) << shift;
  }
  return {prefix, isWide ? Expr() : need};
}

Threshold twilight::searchCount(KernelEmitter &e, const SearchScratch &scratch, ForEachKey forEach, Expr k) {
  Expr copy = (e.warp() & (scratch.copies - 1)) * kBins;
  auto add = [&](Expr bin, Expr) { scratch.bins.atomicAdd(copy + bin, e.i32(1)); };
  auto valueOf = [&](Expr bin) {
    Expr sum = e.i32(0);
    for (int64_t c = 0; c < scratch.copies; ++c)
      sum = sum + scratch.bins.load(bin + c * kBins);
    return sum;
  };
  return search(e, scratch, forEach, /*words=*/1, add, valueOf, k);
}

Expr twilight::searchMass(KernelEmitter &e, const SearchScratch &scratch, ForEachKey forEach,
                          function_ref<Expr(Expr key)> massOf, Expr target) {
  Type i32 = e.getI32Type();
  Expr copy = (e.warp() & (scratch.copies - 1)) * kBins;
  // 64-bit sums from 32-bit atomics: a low word that wraps carries into the high word.
  auto add = [&](Expr bin, Expr key) {
    Expr mass = massOf(key), low = mass.to(i32), high = (mass >> int64_t(32)).to(i32);
    Expr at = (copy + bin) * 2;
    Expr old = scratch.bins.atomicAdd(at, low);
    high = high + select(lessUnsigned(old + low, low), e.i32(1), e.i32(0));
    e.ifThen(high != 0, [&] { scratch.bins.atomicAdd(at + 1, high); });
  };
  auto valueOf = [&](Expr bin) {
    Expr sum = e.i64(0);
    for (int64_t c = 0; c < scratch.copies; ++c)
      sum = sum + scratch.bins.loadPair(bin + c * kBins);
    return sum;
  };
  return search(e, scratch, forEach, /*words=*/2, add, valueOf, target).key;
}
