// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// All threads of a block together: maxima, running sums, ordered compaction.

#include "Collectives.h"

using namespace mlir;
using namespace twilight;

template <typename Combine>
static Expr acrossWarps(KernelEmitter &e, SharedTile scratch, Expr ofWarp, Combine combine) {
  e.barrier(); // scratch may still be read from an earlier use
  e.ifThen(e.lane() == 0, [&] { scratch.store(e.warp(), ofWarp); });
  e.barrier();
  Expr result = scratch.load(e.i32(0));
  for (int64_t w = 1; w < e.getWarps(); ++w)
    result = combine(result, scratch.load(e.i32(w)));
  return result;
}

Expr twilight::blockMax(KernelEmitter &e, SharedTile scratch, Expr value) {
  auto larger = [](Expr a, Expr b) { return isa<FloatType>(a.getType()) ? max(a, b) : maxUnsigned(a, b); };
  return acrossWarps(e, scratch, e.warpMax(value), larger);
}

Expr twilight::blockSum(KernelEmitter &e, SharedTile scratch, Expr value) {
  return acrossWarps(e, scratch, e.warpSum(value), [](Expr a, Expr b) { return a + b; });
}

Running twilight::blockScan(KernelEmitter &e, SharedTile scratch, Expr value) {
  Expr lane = e.lane(), sum = value;
  for (int64_t delta = 1; delta < kWarp; delta *= 2)
    sum = sum + select(lane >= delta, e.shuffleUp(sum, delta), e.i32(0));
  e.barrier();
  e.ifThen(lane == kWarp - 1, [&] { scratch.store(e.warp(), sum); });
  e.barrier();
  // A lane for each warp.
  Expr ofWarp = scratch.load(min(lane, e.getWarps() - 1));
  Expr below = e.warpSum(select(lane < e.warp(), ofWarp, e.i32(0)));
  Expr total = e.warpSum(select(lane < e.getWarps(), ofWarp, e.i32(0)));
  return {below + sum - value, total};
}

Expr twilight::compactInOrder(KernelEmitter &e, SharedTile scratch, Expr n, Expr ties,
                              function_ref<Verdict(Expr)> classify, function_ref<void(Expr, Expr)> write) {
  const int64_t warps = e.getWarps();
  Expr lane = e.lane(), warp = e.warp(), below = e.lanesBelow();
  Expr part = ceilDiv(ceilDiv(n, warps), kWarp) * kWarp;
  Expr first = min(n, warp * part), last = min(n, first + part), step = e.i32(kWarp);
  auto vote = [&](Expr base) {
    Expr i = base + lane, inside = i < last;
    Verdict verdict = classify(min(i, n - 1));
    return std::pair<Expr, Expr>{e.ballot(verdict.keep & inside), e.ballot(verdict.tie & inside)};
  };
  Exprs counted = e.forRange(first, last, step, {e.i32(0), e.i32(0)}, [&](Expr base, ArrayRef<Expr> sums) {
    auto [keep, tie] = vote(base);
    return Exprs{sums[0] + e.popcount(keep), sums[1] + e.popcount(tie)};
  });
  e.barrier();
  e.ifThen(lane == 0, [&] {
    scratch.store(warp * 2, counted[0]);
    scratch.store(warp * 2 + 1, counted[1]);
  });
  e.barrier();
  Expr kept = e.i32(0), tied = e.i32(0), keptTotal = e.i32(0), tiedTotal = e.i32(0);
  for (int64_t w = 0; w < warps; ++w) {
    Expr k = scratch.load(e.i32(2 * w)), t = scratch.load(e.i32(2 * w + 1)), isBelow = warp > w;
    kept = kept + select(isBelow, k, e.i32(0));
    tied = tied + select(isBelow, t, e.i32(0));
    keptTotal = keptTotal + k;
    tiedTotal = tiedTotal + t;
  }
  e.forRange(first, last, step, {kept, tied}, [&](Expr base, ArrayRef<Expr> before) {
    auto [keep, tie] = vote(base);
    Expr tieRank = before[1] + e.popcount(tie & below);
    Expr position = before[0] + e.popcount(keep & below) + min(tieRank, ties);
    Expr isKept = ((keep >> lane) & 1) != 0, isTie = ((tie >> lane) & 1) != 0;
    e.ifThen(isKept | (isTie & (tieRank < ties)), [&] { write(position, base + lane); });
    return Exprs{before[0] + e.popcount(keep), before[1] + e.popcount(tie)};
  });
  return keptTotal + min(tiedTotal, ties);
}
