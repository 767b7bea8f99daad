// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The k-th largest of 32-bit keys, by a search over their bits, a digit at a time.

#include "Search.h"

using namespace mlir;
using namespace twilight;

SearchScratch::SearchScratch(KernelEmitter &e, int64_t bins)
    : bins(bins), counts(e.shared(e.getI32Type(), bins)), warps(e.shared(e.getI32Type(), e.getWarps())),
      crossing(e.shared(e.getI32Type(), 4)) {}

void SearchScratch::clear(KernelEmitter &e, int64_t bins) const {
  Expr zero = e.i32(0);
  e.forRange(e.threadIndex(), e.i32(bins / 4), e.i32(e.getThreads()),
             [&](Expr four) { counts.storeFour(four, {zero, zero, zero, zero}); });
}

/// The counts of a thread's bins, which end at bin `top`, from the top.
static SmallVector<Expr> loadCounts(KernelEmitter &e, const SearchScratch &scratch, Expr top, int64_t bins,
                                    int64_t perThread) {
  SmallVector<Expr> counts;
  if (perThread % 4 == 0 && perThread * e.getThreads() == bins) {
    for (int64_t i = 0; i < perThread; i += 4) {
      std::array<Expr, 4> four = scratch.counts.loadFour((top - i) >> 2);
      counts.append(four.rbegin(), four.rend());
    }
    return counts;
  }
  // The last threads have fewer, or none.
  for (int64_t i = 0; i < perThread; ++i)
    counts.push_back(select(top >= i, scratch.counts.load(max(top - i, 0)), e.i32(0)));
  return counts;
}

Crossing twilight::findCrossing(KernelEmitter &e, const SearchScratch &scratch, int64_t bits, Expr need) {
  const int64_t bins = int64_t(1) << bits, perThread = llvm::divideCeil(bins, e.getThreads());
  Expr lane = e.lane(), warp = e.warp(), zero = e.i32(0), top = e.i32(bins - 1) - e.threadIndex() * perThread;
  e.barrier(); // the histogram is complete
  SmallVector<Expr> counts = loadCounts(e, scratch, top, bins, perThread);
  Expr own = zero;
  for (Expr count : counts)
    own = own + count;
  Expr upTo = own;
  for (int64_t delta = 1; delta < kWarp; delta *= 2)
    upTo = upTo + select(lane >= delta, e.shuffleUp(upTo, delta), zero);
  e.ifThen(lane == kWarp - 1, [&] { scratch.warps.store(warp, upTo); });
  e.barrier(); // the warps' counts are there
  Expr ofWarp = scratch.warps.load(min(lane, e.getWarps() - 1));
  Expr before = e.warpSum(select(lane < warp, ofWarp, zero)) + upTo - own;
  for (auto [i, count] : llvm::enumerate(counts)) {
    Expr after = before + count;
    e.ifThen((before < need) & (after >= need), [&, i = i] {
      scratch.crossing.store(zero, top - static_cast<int64_t>(i));
      scratch.crossing.store(e.i32(2), need - before);
    });
    before = after;
  }
  e.barrier(); // the bin is known
  return {scratch.crossing.load(zero), scratch.crossing.load(e.i32(2))};
}

Threshold twilight::searchCount(KernelEmitter &e, const SearchScratch &scratch, ArrayRef<Digit> digits,
                                ForEachKey forEach, Expr k) {
  // What has been found of the key, and what is still needed of the elements that agree with it.
  Expr prefix = e.i32(0), need = k;
  int64_t mask = 0;
  for (const Digit &digit : digits) {
    const int64_t bins = int64_t(1) << digit.bits;
    e.barrier(); // what the last step left was read
    scratch.clear(e, bins);
    e.barrier(); // the histogram is clear
    forEach([&](Expr key) {
      auto count = [&] { scratch.counts.atomicAdd((key >> digit.shift) & (bins - 1), e.i32(1)); };
      if (mask == 0)
        count();
      else
        e.ifThen((key & mask) == prefix, count);
    });
    Crossing crossing = findCrossing(e, scratch, digit.bits, need);
    prefix = prefix | (crossing.bin << digit.shift);
    need = crossing.need;
    mask |= (bins - 1) << digit.shift;
  }
  return {prefix, need};
}
