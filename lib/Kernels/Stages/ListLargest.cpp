// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The k largest of keys in shared memory, in order.

#include "ListLargest.h"

#include "../Atoms/Atoms.h"
#include "Collectives.h"

#include <limits>

using namespace mlir;
using namespace twilight;

static constexpr int64_t kFew = kWarp; ///< keys that one warp compares with each other

namespace {

struct Element {
  Expr key, i, inside; ///< what is not inside has the key of another one
};

class Keys {
public:
  Keys(KernelEmitter &e, SharedTile tile, Expr n) : e(e), tile(tile), n(n), fours((n + 3) >> 2) {}

  /// Calls `body` for this thread's elements, of several fours at a time.
  Exprs forEach(ArrayRef<Expr> carried,
                function_ref<Exprs(ArrayRef<Element> elements, ArrayRef<Expr> carried)> body) const {
    constexpr int64_t kAtOnce = 4; // fours whose latencies overlap
    const int64_t threads = e.getThreads();
    return e.forRange(e.threadIndex(), fours, e.i32(threads * kAtOnce), carried, [&](Expr first, ArrayRef<Expr> sofar) {
      SmallVector<Expr> all;
      for (int64_t k = 0; k < kAtOnce; ++k)
        all.push_back(first + k * threads);
      return body(load(all, n), sofar);
    });
  }

  /// Each warp walks its contiguous part, a four a lane at a time: `body(elements, carried)`.
  Exprs forPart(ArrayRef<Expr> carried,
                function_ref<Exprs(ArrayRef<Element> elements, ArrayRef<Expr> carried)> body) const {
    Expr begin = partBegin(), end = min(n, begin + part());
    return e.forRange(begin, end, e.i32(4 * kWarp), carried,
                      [&](Expr base, ArrayRef<Expr> sofar) { return body(load({(base >> 2) + e.lane()}, n), sofar); });
  }
  Expr partBegin() const { return min(n, e.warp() * part()); }

private:
  Expr part() const { return ceilDiv(ceilDiv(n, e.getWarps()), 4 * kWarp) * (4 * kWarp); }

  SmallVector<Element> load(ArrayRef<Expr> which, Expr end) const {
    SmallVector<std::array<Expr, 4>> values;
    for (Expr four : which)
      values.push_back(tile.loadFour(min(four, fours - 1)));
    SmallVector<Element> elements;
    for (auto [four, keys] : llvm::zip_equal(which, values))
      for (int64_t j = 0; j < 4; ++j) {
        Expr i = four * 4 + j;
        elements.push_back({keys[j], i, i < end});
      }
    return elements;
  }

  KernelEmitter &e;
  SharedTile tile;
  Expr n, fours;
};

/// The least and the largest key of a finite number. Pages that are kept in any case have the key of infinity: with it,
/// all others would share a few bins.
struct Bounds {
  Expr lowest, highest;
};

} // namespace

/// One barrier, which is one for what the block wrote before, too.
static Bounds findBounds(KernelEmitter &e, const Keys &keys, SharedTile running) {
  const int64_t warps = e.getWarps();
  Expr zero = e.i32(0);
  auto keyOf = [&](double x) { return orderedKey(e, e.f32(x)); }; // NaN's is below that of -inf
  const double infinity = std::numeric_limits<double>::infinity();
  Expr least = keyOf(-infinity), most = keyOf(infinity);
  // The least key as the complement of the largest complement.
  Exprs own = keys.forEach({zero, zero}, [&](ArrayRef<Element> elements, ArrayRef<Expr> sofar) {
    Expr low = sofar[0], high = sofar[1];
    for (const Element &x : elements) {
      Expr isFinite = x.inside & lessUnsigned(least, x.key) & lessUnsigned(x.key, most);
      low = maxUnsigned(low, select(isFinite, x.key ^ -1, zero));
      high = maxUnsigned(high, select(isFinite, x.key, zero));
    }
    return Exprs{low, high};
  });
  Expr low = e.warpMax(own[0]), high = e.warpMax(own[1]);
  e.ifThen(e.lane() == 0, [&] {
    running.store(e.warp(), low);
    running.store(e.warp() + warps, high);
  });
  e.barrier(); // the warps' bounds are there
  Expr from = min(e.lane(), warps - 1);
  return {e.warpMax(running.load(from)) ^ -1, e.warpMax(running.load(from + warps))};
}

void twilight::listLargest(KernelEmitter &e, const SearchScratch &scratch, SharedTile running, SharedTile tile, Expr n,
                           Expr k, function_ref<void(Expr place, Expr i)> write) {
  Expr zero = e.i32(0), one = e.i32(1), lane = e.lane();
  Keys keys(e, tile, n);
  SharedTile counter = scratch.crossing.from(one);
  scratch.clear(e, scratch.bins);
  e.ifThen(e.threadIndex() == 0, [&] { counter.store(zero, zero); });
  Bounds bounds = findBounds(e, keys, running);
  const int64_t bits = llvm::Log2_64(scratch.bins);
  Expr width = e.i32(32) - e.leadingZeros(bounds.highest - bounds.lowest), shift = max(width - bits, 0);
  // Where no key is finite, all are in one bin.
  auto binOf = [&](Expr key) {
    return (minUnsigned(maxUnsigned(key, bounds.lowest), bounds.highest) - bounds.lowest) >> shift;
  };
  keys.forEach({}, [&](ArrayRef<Element> elements, ArrayRef<Expr>) {
    for (const Element &x : elements)
      e.ifThen(x.inside, [&] { scratch.counts.atomicAdd(binOf(x.key), one); });
    return Exprs();
  });
  Crossing crossing = findCrossing(e, scratch, bits, k); // behind it bounds and histogram were read

  SharedTile fewKeys = scratch.counts, fewPlaces = scratch.counts.from(e.i32(kFew));
  Expr above = keys.forPart({zero}, [&](ArrayRef<Element> elements, ArrayRef<Expr> sofar) {
    Expr sum = sofar[0];
    for (const Element &x : elements) {
      Expr bin = binOf(x.key);
      sum = sum + select(x.inside & (bin > crossing.bin), one, zero);
      e.ifThen(x.inside & (bin == crossing.bin), [&] {
        Expr place = counter.atomicAdd(zero, one);
        e.ifThen(place < kFew, [&] {
          fewKeys.store(place, x.key);
          fewPlaces.store(place, x.i);
        });
      });
    }
    return Exprs{sum};
  })[0];
  above = e.warpSum(above);
  e.ifThen(lane == 0, [&] { running.store(e.warp(), above); });
  e.barrier(); // the warps' counts and the bin's elements are there
  Expr few = counter.load(zero);
  auto ranked = [&] {
    Expr exists = lane < few, key = select(exists, fewKeys.load(lane), zero);
    // Behind the last one: of lanes without an element, which are before nobody.
    Expr i = select(exists, fewPlaces.load(lane), e.i32(std::numeric_limits<int32_t>::max()));
    constexpr int64_t kAtOnce = 8; // shuffles whose latencies overlap
    Expr rank = e.forRange(zero, few, e.i32(kAtOnce), {zero}, [&](Expr first, ArrayRef<Expr> sofar) {
      Expr sum = sofar[0];
      for (int64_t k = 0; k < kAtOnce; ++k) {
        Expr otherKey = e.shuffle(key, first + k), other = e.shuffle(i, first + k);
        Expr isBefore = lessUnsigned(key, otherKey) | ((key == otherKey) & (other < i));
        sum = sum + select(isBefore, one, zero);
      }
      return Exprs{sum};
    })[0];
    Expr isKept = exists & (rank < crossing.need), isLast = exists & (rank == crossing.need - 1);
    Expr lastLane = e.popcount(e.ballot(isLast) - 1);
    Expr lastKey = e.shuffle(key, lastLane), last = e.shuffle(i, lastLane);
    Expr warps = e.i32(e.getWarps()), from = running.load(min(lane, warps - 1));
    Expr before =
        e.warpSum(select(lane < e.warp(), from, zero)) + e.popcount(e.ballot(isKept & (i < keys.partBegin())));
    Expr below = e.lanesBelow();
    keys.forPart({before}, [&](ArrayRef<Element> elements, ArrayRef<Expr> sofar) {
      SmallVector<Expr> keep;
      Expr place = sofar[0], next = sofar[0];
      for (const Element &x : elements) {
        Expr isAbove = lessUnsigned(lastKey, x.key) | ((x.key == lastKey) & (x.i <= last));
        keep.push_back(x.inside & isAbove);
        Expr votes = e.ballot(keep.back());
        place = place + e.popcount(votes & below);
        next = next + e.popcount(votes);
      }
      for (auto [x, isKept] : llvm::zip_equal(elements, keep)) {
        e.ifThen(isKept, [&, place = place, x = x] { write(place, x.i); });
        place = place + select(isKept, one, zero);
      }
      return Exprs{next};
    });
    return Exprs();
  };
  auto searched = [&] {
    auto forEachKey = [&](function_ref<void(Expr)> body) {
      keys.forEach({}, [&](ArrayRef<Element> elements, ArrayRef<Expr>) {
        for (const Element &x : elements)
          e.ifThen(x.inside, [&] { body(x.key); });
        return Exprs();
      });
    };
    Threshold threshold = searchCount(e, scratch, {{21, 11}, {10, 11}, {0, 10}}, forEachKey, k);
    compactInOrder(
        e, running, n, threshold.need,
        [&](Expr i) {
          Expr key = tile.load(i);
          return Verdict{lessUnsigned(threshold.key, key), key == threshold.key};
        },
        write);
    return Exprs();
  };
  e.ifElse(few <= kFew, ranked, searched);
}
