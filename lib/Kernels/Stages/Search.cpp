// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Exact thresholds by a search over the bits of 32-bit keys, a digit at a time.

#include "Search.h"

using namespace mlir;
using namespace twilight;

SearchScratch::SearchScratch(KernelEmitter &e, int64_t bins)
    : bins(bins), sums(e.shared(e.getI32Type(), bins * 2)), warps(e.shared(e.getI64Type(), e.getWarps())),
      crossing(e.shared(e.getI32Type(), 4)) {}

static void clear(KernelEmitter &e, const SearchScratch &scratch, int64_t words) {
  e.forRange(e.threadIndex(), e.i32(words), e.i32(e.getThreads()),
             [&](Expr i) { scratch.sums.store(i, e.i32(0)); });
}

/// A thread's bins, from the top, and the block's running sum before them and of all.
struct TopDown {
  SmallVector<Expr> bins, values;
  Expr before, total;
};

static TopDown sumFromTop(KernelEmitter &e, const SearchScratch &scratch, int64_t bins,
                          function_ref<Expr(Expr bin)> valueOf) {
  const int64_t perThread = std::max<int64_t>(1, bins / e.getThreads());
  Expr thread = e.threadIndex(), lane = e.lane(), warp = e.warp();
  TopDown result;
  Expr own = e.i64(0);
  for (int64_t i = 0; i < perThread; ++i) {
    Expr bin = e.i32(bins - 1) - thread * perThread - i;
    result.bins.push_back(bin);
    // More threads than bins: the last ones have none.
    Expr value = select(bin >= 0, valueOf(max(bin, 0)), e.i64(0));
    result.values.push_back(value);
    own = own + value;
  }
  Expr sum = own;
  for (int64_t delta = 1; delta < kWarp; delta *= 2)
    sum = sum + select(lane >= delta, e.shuffleUp(sum, delta), e.i64(0));
  e.ifThen(lane == kWarp - 1, [&] { scratch.warps.store(warp, sum); });
  e.barrier();
  Expr below = e.i64(0);
  result.total = e.i64(0);
  for (int64_t w = 0; w < e.getWarps(); ++w) {
    Expr x = scratch.warps.load(e.i32(w));
    below = below + select(warp > w, x, e.i64(0));
    result.total = result.total + x;
  }
  result.before = below + sum - own;
  return result;
}

/// The steps of both searches. `add` puts a key into a bin; `valueOf` reads a bin; `needOf` makes the need (i64) from
/// the sum of all elements.
static Threshold search(KernelEmitter &e, const SearchScratch &scratch, ArrayRef<Digit> digits, ForEachKey forEach,
                        int64_t words, function_ref<void(Expr bin, Expr key)> add,
                        function_ref<Expr(Expr bin)> valueOf, function_ref<Expr(Expr total)> needOf) {
  Expr prefix = e.i32(0), need;
  int64_t mask = 0;
  Type i32 = e.getI32Type();
  for (const Digit &digit : digits) {
    const int64_t bins = int64_t(1) << digit.bits;
    e.barrier(); // what the last step left has been read
    clear(e, scratch, bins * words);
    e.barrier();
    forEach([&](Expr key) {
      auto count = [&] { add((key >> digit.shift) & (bins - 1), key); };
      if (mask == 0)
        count();
      else
        e.ifThen((key & mask) == prefix, count);
    });
    e.barrier();
    TopDown sums = sumFromTop(e, scratch, bins, valueOf);
    if (!need.get())
      need = needOf(sums.total);
    Expr before = sums.before;
    for (auto [bin, value] : llvm::zip_equal(sums.bins, sums.values)) {
      Expr after = before + value;
      e.ifThen((before < need) & (after >= need), [&, bin = bin] {
        Expr rest = need - before;
        scratch.crossing.store(e.i32(0), bin);
        scratch.crossing.store(e.i32(2), rest.to(i32));
        scratch.crossing.store(e.i32(3), (rest >> int64_t(32)).to(i32));
      });
      before = after;
    }
    e.barrier();
    prefix = prefix | (scratch.crossing.load(e.i32(0)) << digit.shift);
    need = scratch.crossing.loadPair(e.i32(1));
    mask |= (bins - 1) << digit.shift;
  }
  return {prefix, need.to(i32)};
}

Threshold twilight::searchCount(KernelEmitter &e, const SearchScratch &scratch, ArrayRef<Digit> digits,
                                ForEachKey forEach, Expr k) {
  auto add = [&](Expr bin, Expr) { scratch.sums.atomicAdd(bin, e.i32(1)); };
  auto valueOf = [&](Expr bin) { return scratch.sums.load(bin).toUnsigned(e.getI64Type()); };
  return search(e, scratch, digits, forEach, /*words=*/1, add, valueOf, [&](Expr) { return k.to(e.getI64Type()); });
}

Expr twilight::searchMass(KernelEmitter &e, const SearchScratch &scratch, ArrayRef<Digit> digits, ForEachKey forEach,
                          function_ref<Expr(Expr key)> massOf, function_ref<Expr(Expr total)> targetOf) {
  Type i32 = e.getI32Type();
  // 64-bit sums from 32-bit atomics: a low word that wraps carries into the high word.
  auto add = [&](Expr bin, Expr key) {
    Expr mass = massOf(key), low = mass.to(i32), high = (mass >> int64_t(32)).to(i32);
    Expr old = scratch.sums.atomicAdd(bin * 2, low);
    high = high + select(lessUnsigned(old + low, low), e.i32(1), e.i32(0));
    e.ifThen(high != 0, [&] { scratch.sums.atomicAdd(bin * 2 + 1, high); });
  };
  auto valueOf = [&](Expr bin) { return scratch.sums.loadPair(bin); };
  return search(e, scratch, digits, forEach, /*words=*/2, add, valueOf, targetOf).key;
}
