// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Exact thresholds by a search over the bits of 32-bit keys, a digit at a time.

#include "Search.h"

#include "Collectives.h"

using namespace mlir;
using namespace twilight;

SearchScratch::SearchScratch(KernelEmitter &e, int64_t bins, int64_t words)
    : bins(bins), sums(e.shared(e.getI32Type(), words)), warps(e.shared(e.getI64Type(), e.getWarps())),
      crossing(e.shared(e.getI32Type(), 4)) {}

static void clear(KernelEmitter &e, const SearchScratch &scratch, int64_t words) {
  Expr zero = e.i32(0);
  e.forRange(e.threadIndex(), e.i32(words / 4), e.i32(e.getThreads()),
             [&](Expr four) { scratch.sums.storeFour(four, {zero, zero, zero, zero}); });
}

/// A thread's bins, from the top, and the block's running sum before them and of all.
struct TopDown {
  SmallVector<Expr> bins, values;
  Expr before, total;
};

static TopDown sumFromTop(KernelEmitter &e, const SearchScratch &scratch, int64_t bins,
                          function_ref<Expr(Expr bin)> valueOf) {
  const int64_t perThread = llvm::divideCeil(bins, e.getThreads());
  Expr thread = e.threadIndex(), lane = e.lane(), warp = e.warp();
  TopDown result;
  Expr own = e.i64(0);
  for (int64_t i = 0; i < perThread; ++i) {
    Expr bin = e.i32(bins - 1) - thread * perThread - i;
    result.bins.push_back(bin);
    // The last threads have fewer, or none.
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

namespace {

/// The state of a search between steps: digits found so far and what is still needed of the elements that have them.
struct Progress {
  Expr prefix;
  int64_t mask = 0;
  Expr need;
};

} // namespace

/// Ends a step: finds the bin of `digit` where the sum from the top crosses the need.
static void cross(KernelEmitter &e, const SearchScratch &scratch, Digit digit, const TopDown &sums,
                  Progress &progress) {
  Type i32 = e.getI32Type();
  Expr before = sums.before;
  for (auto [bin, value] : llvm::zip_equal(sums.bins, sums.values)) {
    Expr after = before + value;
    e.ifThen((before < progress.need) & (after >= progress.need), [&, bin = bin] {
      Expr rest = progress.need - before;
      scratch.crossing.store(e.i32(0), bin);
      scratch.crossing.store(e.i32(2), rest.to(i32));
      scratch.crossing.store(e.i32(3), (rest >> int64_t(32)).to(i32));
    });
    before = after;
  }
  e.barrier();
  progress.prefix = progress.prefix | (scratch.crossing.load(e.i32(0)) << digit.shift);
  progress.need = scratch.crossing.loadPair(e.i32(1));
  progress.mask |= ((int64_t(1) << digit.bits) - 1) << digit.shift;
}

static void prepare(KernelEmitter &e, const SearchScratch &scratch, int64_t words) {
  e.barrier(); // what the last step left has been read
  clear(e, scratch, words);
  e.barrier();
}

/// Steps over the digits. `add` puts a key into a bin, `valueOf` reads a bin.
static void search(KernelEmitter &e, const SearchScratch &scratch, ArrayRef<Digit> digits, ForEachKey forEach,
                   bool masses, function_ref<void(Expr bin, Expr key)> add, function_ref<Expr(Expr bin)> valueOf,
                   Progress &progress) {
  for (const Digit &digit : digits) {
    const int64_t bins = int64_t(1) << digit.bits;
    prepare(e, scratch, masses ? massWords(scratch.bins) : bins);
    forEach([&](Expr key) {
      auto count = [&] { add((key >> digit.shift) & (bins - 1), key); };
      if (progress.mask == 0)
        count();
      else
        e.ifThen((key & progress.mask) == progress.prefix, count);
    });
    e.barrier();
    cross(e, scratch, digit, sumFromTop(e, scratch, bins, valueOf), progress);
  }
}

constexpr int64_t kFew = kWarp; ///< elements that one warp compares with each other

/// Gathers the elements that agree with the digits found so far into `sums`, in any order; their number, of which only
/// the first kFew are there.
static Expr collect(KernelEmitter &e, const SearchScratch &scratch, ForEachKey forEach, const Progress &progress) {
  Expr counter = e.i32(1); // the unused word of `crossing`
  e.ifThen(e.threadIndex() == 0, [&] { scratch.crossing.store(counter, e.i32(0)); });
  e.barrier();
  forEach([&](Expr key) {
    Expr agrees = progress.mask == 0 ? e.boolean(true) : (key & progress.mask) == progress.prefix;
    e.ifThen(agrees, [&] {
      Expr place = scratch.crossing.atomicAdd(counter, e.i32(1));
      e.ifThen(place < kFew, [&] { scratch.sums.store(place, key); });
    });
  });
  e.barrier();
  return scratch.crossing.load(counter);
}

/// The largest of `few` collected keys such that the masses of those >= it reach the need. Sums over all pairs, so the
/// order of collection does not matter.
static Expr resolve(KernelEmitter &e, const SearchScratch &scratch, Expr few, function_ref<Expr(Expr key)> massOf,
                    Expr need) {
  e.ifThen(e.warp() == 0, [&] {
    Expr exists = e.lane() < few;
    Expr key = select(exists, scratch.sums.load(e.lane()), e.i32(0));
    Expr mass = select(exists, massOf(key), e.i64(0));
    Expr reached = e.forRange(e.i32(0), few, e.i32(1), {e.i64(0)}, [&](Expr j, ArrayRef<Expr> sum) {
      Expr otherKey = e.shuffle(key, j), otherMass = e.shuffle(mass, j);
      return Exprs{sum[0] + select(lessUnsigned(otherKey, key), e.i64(0), otherMass)};
    })[0];
    Expr best = e.warpMax(select(exists & (reached >= need), key, e.i32(0)));
    e.ifThen(e.lane() == 0, [&] { scratch.crossing.store(e.i32(0), best); });
  });
  e.barrier();
  return scratch.crossing.load(e.i32(0));
}

/// The `need`-th largest of `few` collected keys, and how many of those equal to it belong to the `need` largest.
static Threshold resolveCount(KernelEmitter &e, const SearchScratch &scratch, Expr few, Expr need) {
  e.ifThen(e.warp() == 0, [&] {
    Expr exists = e.lane() < few;
    Expr key = select(exists, scratch.sums.load(e.lane()), e.i32(0));
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
  forEach([&](Expr key) { scratch.sums.atomicAdd((key - lowest) >> shift, e.i32(1)); });
  e.barrier();
  auto valueOf = [&](Expr bin) { return scratch.sums.load(bin).toUnsigned(e.getI64Type()); };
  Progress progress{e.i32(0), 0, k.to(e.getI64Type())};
  cross(e, scratch, {0, bits}, sumFromTop(e, scratch, scratch.bins, valueOf), progress);
  Expr bin = progress.prefix;
  auto inBin = [&](function_ref<void(Expr)> body) {
    forEach([&](Expr key) { e.ifThen(((key - lowest) >> shift) == bin, [&] { body(key); }); });
  };
  Expr few = collect(e, scratch, inBin, Progress{e.i32(0), 0, {}});
  Exprs found = e.ifElse(
      few <= kFew,
      [&] {
        Threshold threshold = resolveCount(e, scratch, few, progress.need.to(e.getI32Type()));
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
  auto add = [&](Expr bin, Expr) { scratch.sums.atomicAdd(bin, e.i32(1)); };
  auto valueOf = [&](Expr bin) { return scratch.sums.load(bin).toUnsigned(e.getI64Type()); };
  Progress progress{e.i32(0), 0, k.to(e.getI64Type())};
  search(e, scratch, digits, forEach, /*masses=*/false, add, valueOf, progress);
  return {progress.prefix, progress.need.to(e.getI32Type())};
}

Expr twilight::searchMass(KernelEmitter &e, const SearchScratch &scratch, const MassSearch &mass) {
  Type i32 = e.getI32Type();
  // 64-bit sums from 32-bit atomics that nobody waits for: a mass below 2^41 in parts of 15, 15 and 11 bits. Up to 2^17
  // elements cannot overflow a part.
  const int64_t stride = scratch.bins, low = (1 << 15) - 1;
  auto addMass = [&](Expr bin, Expr amount) {
    Expr word = amount.to(i32);
    scratch.sums.atomicAdd(bin, word & low);
    scratch.sums.atomicAdd(bin + stride, (word >> 15) & low);
    scratch.sums.atomicAdd(bin + 2 * stride, (amount >> int64_t(30)).to(i32));
  };
  auto valueOf = [&](Expr bin) {
    auto part = [&](int64_t k) { return scratch.sums.load(bin + k * stride).toUnsigned(e.getI64Type()); };
    return part(0) + (part(1) << int64_t(15)) + (part(2) << int64_t(30));
  };

  // One pass: a histogram of the heavy elements, the sum of the light ones.
  const Digit first = mass.heavyDigits.front();
  const int64_t bins = int64_t(1) << first.bits;
  prepare(e, scratch, massWords(scratch.bins));
  Expr light = mass.sumOver([&](ArrayRef<Expr> keys) {
    // Where all are light no branch is taken.
    Expr sum = e.i32(0), heavies = e.boolean(false);
    for (Expr key : keys) {
      Expr isLight = lessUnsigned(key, e.i32(mass.heavy));
      sum = sum + select(isLight, mass.lightMassOf(key), e.i32(0));
      heavies = heavies | !isLight;
    }
    e.ifThen(heavies, [&] {
      for (Expr key : keys)
        e.ifThen(lessEqualUnsigned(e.i32(mass.heavy), key),
                 [&] { addMass((key - mass.heavy) >> first.shift, mass.massOf(key)); });
    });
    return sum.toUnsigned(e.getI64Type());
  });
  Expr lightTotal = blockSum(e, scratch.warps, light);
  e.barrier();
  TopDown sums = sumFromTop(e, scratch, bins, valueOf);
  Expr target = mass.targetOf(sums.total + lightTotal);
  return e.ifElse(
      sums.total >= target,
      [&] {
        Progress progress{e.i32(0), 0, target};
        cross(e, scratch, first, sums, progress);
        // Light keys come out huge and agree with no prefix: every digit of a heavy key minus `heavy` fits its bits.
        auto fromHeavy = [&](function_ref<void(Expr)> body) {
          mass.forEach([&](Expr key) { body(key - mass.heavy); });
        };
        progress.mask |= ~((int64_t(1) << (first.shift + first.bits)) - 1) & 0xFFFFFFFF;
        auto massAbove = [&](Expr key) { return mass.massOf(key + mass.heavy); };
        Expr few = collect(e, scratch, fromHeavy, progress);
        Expr found = e.ifElse(
            few <= kFew, [&] { return Exprs{resolve(e, scratch, few, massAbove, progress.need)}; },
            [&] {
              auto add = [&](Expr bin, Expr key) { addMass(bin, massAbove(key)); };
              search(e, scratch, mass.heavyDigits.drop_front(), fromHeavy, /*masses=*/true, add, valueOf, progress);
              return Exprs{progress.prefix};
            })[0];
        return Exprs{found + mass.heavy};
      },
      [&] {
        auto add = [&](Expr bin, Expr key) { addMass(bin, mass.massOf(key)); };
        Progress progress{e.i32(0), 0, target};
        search(e, scratch, mass.digits, mass.forEach, /*masses=*/true, add, valueOf, progress);
        return Exprs{progress.prefix};
      })[0];
}
