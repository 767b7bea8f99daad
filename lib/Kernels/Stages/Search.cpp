// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The k-th largest of 32-bit keys, by a search over their bits, a digit at a time.

#include "Search.h"

using namespace mlir;
using namespace twilight;

SearchScratch::SearchScratch(KernelEmitter &e, int64_t bins)
    : bins(bins), counts(e.shared(e.getI32Type(), bins)), warps(e.shared(e.getI32Type(), e.getWarps())),
      crossing(e.shared(e.getI32Type(), 4)) {}

static void clear(KernelEmitter &e, const SearchScratch &scratch, int64_t bins) {
  Expr zero = e.i32(0);
  e.forRange(e.threadIndex(), e.i32(bins / 4), e.i32(e.getThreads()),
             [&](Expr four) { scratch.counts.storeFour(four, {zero, zero, zero, zero}); });
}

namespace {

/// The state of a search between steps: digits found so far and what is still needed of the elements that have them.
struct Progress {
  Expr prefix;
  int64_t mask = 0;
  Expr need;
};

} // namespace

static void prepare(KernelEmitter &e, const SearchScratch &scratch, int64_t bins) {
  e.barrier(); // what the last step left was read
  clear(e, scratch, bins);
  e.barrier(); // the histogram is clear
}

/// Ends a step, whose histogram every thread has added to: finds the bin of `digit` where the count from the top
/// crosses the need.
static void cross(KernelEmitter &e, const SearchScratch &scratch, Digit digit, Progress &progress) {
  const int64_t bins = int64_t(1) << digit.bits, perThread = llvm::divideCeil(bins, e.getThreads());
  Expr thread = e.threadIndex(), lane = e.lane(), warp = e.warp(), zero = e.i32(0);
  e.barrier(); // the histogram is complete
  SmallVector<Expr> values;
  Expr top = e.i32(bins - 1) - thread * perThread, own = zero;
  for (int64_t i = 0; i < perThread; ++i) {
    // The last threads have fewer, or none.
    values.push_back(select(top >= i, scratch.counts.load(max(top - i, 0)), zero));
    own = own + values.back();
  }
  Expr upTo = own;
  for (int64_t delta = 1; delta < kWarp; delta *= 2)
    upTo = upTo + select(lane >= delta, e.shuffleUp(upTo, delta), zero);
  e.ifThen(lane == kWarp - 1, [&] { scratch.warps.store(warp, upTo); });
  e.barrier(); // the warps' counts are there
  Expr before = upTo - own;
  for (int64_t w = 0; w < e.getWarps() - 1; ++w)
    before = before + select(warp > w, scratch.warps.load(e.i32(w)), zero);
  for (auto [i, value] : llvm::enumerate(values)) {
    Expr after = before + value;
    e.ifThen((before < progress.need) & (after >= progress.need), [&, i = i] {
      scratch.crossing.store(zero, top - static_cast<int64_t>(i));
      scratch.crossing.store(e.i32(2), progress.need - before);
    });
    before = after;
  }
  e.barrier(); // the bin is known
  progress.prefix = progress.prefix | (scratch.crossing.load(zero) << digit.shift);
  progress.need = scratch.crossing.load(e.i32(2));
  progress.mask |= (bins - 1) << digit.shift;
}

constexpr int64_t kFew = kWarp; ///< elements that one warp compares with each other

/// Gathers the elements that `forEach` gives into `counts`, in any order; their number, of which only the first kFew
/// are there.
static Expr collect(KernelEmitter &e, const SearchScratch &scratch, ForEachKey forEach) {
  Expr counter = e.i32(1);
  e.ifThen(e.threadIndex() == 0, [&] { scratch.crossing.store(counter, e.i32(0)); });
  e.barrier(); // the counter is zero
  forEach([&](Expr key) {
    Expr place = scratch.crossing.atomicAdd(counter, e.i32(1));
    e.ifThen(place < kFew, [&] { scratch.counts.store(place, key); });
  });
  e.barrier(); // the keys and their number are there
  return scratch.crossing.load(counter);
}

/// The `need`-th largest of `few` collected keys, and how many of those equal to it belong to the `need` largest.
static Threshold resolveCount(KernelEmitter &e, const SearchScratch &scratch, Expr few, Expr need) {
  e.ifThen(e.warp() == 0, [&] {
    Expr exists = e.lane() < few;
    Expr key = select(exists, scratch.counts.load(e.lane()), e.i32(0));
    Exprs counts = e.forRange(e.i32(0), few, e.i32(1), {e.i32(0), e.i32(0)}, [&](Expr j, ArrayRef<Expr> sums) {
      Expr other = e.shuffle(key, j);
      return Exprs{sums[0] + select(lessUnsigned(key, other), e.i32(1), e.i32(0)),
                   sums[1] + select(lessEqualUnsigned(key, other), e.i32(1), e.i32(0))};
    });
    e.ifThen(exists & (counts[0] < need) & (counts[1] >= need), [&] {
      scratch.crossing.store(e.i32(0), key);
      scratch.crossing.store(e.i32(2), need - counts[0]);
    });
  });
  e.barrier();
  return {scratch.crossing.load(e.i32(0)), scratch.crossing.load(e.i32(2))};
}

Threshold twilight::searchCountBetween(KernelEmitter &e, const SearchScratch &scratch, Expr lowest, Expr highest,
                                       ForEachKey forEach, Expr k) {
  // Bins over the range that the keys really have: the one that k falls into then holds few of them.
  int64_t bits = llvm::Log2_64(scratch.bins);
  Expr width = e.i32(32) - e.leadingZeros(highest - lowest), shift = max(width - bits, 0);
  prepare(e, scratch, scratch.bins);
  forEach([&](Expr key) { scratch.counts.atomicAdd((key - lowest) >> shift, e.i32(1)); });
  Progress progress{e.i32(0), 0, k};
  cross(e, scratch, {0, bits}, progress);
  Expr bin = progress.prefix;
  auto inBin = [&](function_ref<void(Expr)> body) {
    forEach([&](Expr key) { e.ifThen(((key - lowest) >> shift) == bin, [&] { body(key); }); });
  };
  Expr few = collect(e, scratch, inBin);
  Exprs found = e.ifElse(
      few <= kFew,
      [&] {
        Threshold threshold = resolveCount(e, scratch, few, progress.need);
        return Exprs{threshold.key, threshold.need};
      },
      [&] {
        Threshold threshold = searchCount(e, scratch, {{21, 11}, {10, 11}, {0, 10}}, forEach, k);
        return Exprs{threshold.key, threshold.need};
      });
  return {found[0], found[1]};
}

Threshold twilight::searchCount(KernelEmitter &e, const SearchScratch &scratch, ArrayRef<Digit> digits,
                                ForEachKey forEach, Expr k) {
  Progress progress{e.i32(0), 0, k};
  for (const Digit &digit : digits) {
    const int64_t bins = int64_t(1) << digit.bits;
    prepare(e, scratch, bins);
    forEach([&](Expr key) {
      auto count = [&] { scratch.counts.atomicAdd((key >> digit.shift) & (bins - 1), e.i32(1)); };
      if (progress.mask == 0)
        count();
      else
        e.ifThen((key & progress.mask) == progress.prefix, count);
    });
    cross(e, scratch, digit, progress);
  }
  return {progress.prefix, progress.need};
}
