// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The k largest of keys in shared memory, in order.

#include "ListLargest.h"

#include "../Atoms/Atoms.h"
#include "Collectives.h"

#include <limits>

using namespace mlir;
using namespace twilight;

static constexpr int64_t kFew = kWarp;  ///< keys that one warp compares with each other
static constexpr int64_t kRow = kWarp;  ///< fours of keys that a warp reads at once
static constexpr int64_t kWritten = 4;  ///< rows whose places are found together: counts of 8 bits in one word
static constexpr int64_t kInFlight = 8; ///< rows that are asked for together where they come from global memory

namespace {

using Four = std::array<Expr, 4>;

/// Each warp has a contiguous part, a four of every row a lane.
class Keys {
public:
  Keys(KernelEmitter &e, const ListedKeys &source) : e(e), source(source), fours((source.n + 3) >> 2) {
    Expr part = ceilDiv(ceilDiv(fours, e.getWarps()), kRow) * kRow;
    begin = min(fours, e.warp() * part);
    end = min(fours, begin + part);
  }

  /// Calls `body` for this lane's fours from `first` to `last` (of lane 0; multiples of a row apart), with the place of
  /// the first key.
  Exprs forEach(Expr first, Expr last, ArrayRef<Expr> carried,
                function_ref<Exprs(const Four &keys, Expr place, ArrayRef<Expr> carried)> body) const {
    return e.forRange(first + e.lane(), last, e.i32(kRow), carried, [&](Expr four, ArrayRef<Expr> sofar) {
      return body(source.tile.loadFour(four), four * 4, sofar);
    });
  }
  Exprs forEach(ArrayRef<Expr> carried,
                function_ref<Exprs(const Four &keys, Expr place, ArrayRef<Expr> carried)> body) const {
    return forEach(begin, end, carried, body);
  }

  /// As forEach, and brings the keys into shared memory where they are not there yet: as soon as they are written.
  Exprs takeEach(ArrayRef<Expr> carried, function_ref<Exprs(const Four &keys, ArrayRef<Expr> carried)> body) const {
    if (!source.far)
      return forEach(carried, [&](const Four &keys, Expr, ArrayRef<Expr> sofar) { return body(keys, sofar); });
    return e.forRange(begin + e.lane(), end, e.i32(kInFlight * kRow), carried, [&](Expr base, ArrayRef<Expr> sofar) {
      auto exists = [&](int64_t k) { return base + k * kRow < end; };
      Exprs words = awaitRows(base, exists), now(sofar.begin(), sofar.end());
      for (int64_t k = 0; k < kInFlight; ++k) {
        auto take = [&] {
          Four keys = {words[4 * k], words[4 * k + 1], words[4 * k + 2], words[4 * k + 3]};
          source.tile.storeFour(base + k * kRow, keys);
          return body(keys, now);
        };
        now = k == 0 ? take() : e.ifElse(exists(k), take, [&] { return now; });
      }
      return now;
    });
  }

  Expr n() const { return source.n; }
  Expr begin, end; ///< fours of this warp

private:
  /// This lane's fours of kInFlight rows from `base` on. Only what was not there is looked at again.
  Exprs awaitRows(Expr base, function_ref<Expr(int64_t row)> exists) const {
    auto look = [&](int64_t k) {
      Four keys = source.far->lookAtFour(base + k * kRow);
      return Exprs(keys.begin(), keys.end());
    };
    auto isMissing = [&](ArrayRef<Expr> words) {
      Expr least = words[0];
      for (Expr word : words.drop_front())
        least = minUnsigned(least, word);
      return least == 0;
    };
    Exprs first;
    for (int64_t k = 0; k < kInFlight; ++k)
      first.append(k == 0 ? look(k) : e.ifElse(exists(k), [&] { return look(k); }, [&] { return Exprs(4, e.i32(1)); }));
    return e.whileLoop(first, isMissing, [&](ArrayRef<Expr> now) {
      Exprs next;
      for (int64_t k = 0; k < kInFlight; ++k) {
        Exprs row(now.slice(4 * k, 4));
        for (int64_t j = 1; j < 4; ++j) // what pads them does not come
          row[j] = select((base + k * kRow) * 4 + j < source.n, row[j], maxUnsigned(row[j], e.i32(1)));
        next.append(e.ifElse(isMissing(row), [&] { return look(k); }, [&] { return row; }));
      }
      return next;
    });
  }

  KernelEmitter &e;
  ListedKeys source;
  Expr fours;
};

/// Keys between the least and the largest one of a finite number go into bins, those beyond them into the first and the
/// last one. Pages that are kept in any case have the key of infinity: with it, all others would share a few bins.
class Bins {
public:
  Bins(KernelEmitter &e, Expr lowest, Expr highest, int64_t bits) : e(e), lowest(lowest), range(highest - lowest) {
    shift = max(e.i32(32) - e.leadingZeros(range) - bits, 0);
  }
  Expr of(Expr key) const { return minUnsigned(maxUnsigned(key, lowest) - lowest, range) >> shift; }
  /// The least key of a bin, and of what is above it: where nothing is, a key that there is not.
  Expr keysFrom(Expr bin) const { return select(bin == 0, e.i32(0), lowest + (bin << shift)); }
  Expr keysAbove(Expr bin) const { return select(bin == (range >> shift), e.i32(-1), lowest + ((bin + 1) << shift)); }

private:
  KernelEmitter &e;
  Expr lowest, range, shift;
};

} // namespace

/// One barrier, which is one for what the block wrote before, too.
static Bins findBins(KernelEmitter &e, const Keys &keys, SharedTile running, int64_t bits) {
  const int64_t warps = e.getWarps();
  Expr zero = e.i32(0);
  auto keyOf = [&](double x) { return orderedKey(e, e.f32(x)); };
  const double infinity = std::numeric_limits<double>::infinity();
  Expr least = keyOf(-infinity), most = keyOf(infinity);
  // Distances that wrap: keys that are not of a finite number are the farthest from the least one, and the nearest to
  // the other.
  Exprs own = keys.takeEach({e.i32(-1), zero}, [&](const Four &four, ArrayRef<Expr> sofar) {
    Expr low = sofar[0], high = sofar[1];
    for (Expr key : four) {
      low = minUnsigned(low, key - (least + 1));
      high = maxUnsigned(high, key - most);
    }
    return Exprs{low, high};
  });
  Expr low = e.warpMax(own[0] ^ -1), high = e.warpMax(own[1]);
  e.ifThen(e.lane() == 0, [&] {
    running.store(e.warp(), low);
    running.store(e.warp() + warps, high);
  });
  e.barrier(); // the warps' bounds are there
  Expr from = min(e.lane(), warps - 1);
  Expr lowest = least - e.warpMax(running.load(from)), highest = most + e.warpMax(running.load(from + warps));
  // Where no key is finite, all are in one bin.
  return Bins(e, lowest, maxUnsigned(lowest, highest), bits);
}

namespace {

/// Few keys: where they are, and how many.
struct Few {
  SharedTile keys, places;
  Expr count;
};

/// The last key that is kept, and its place; how many of the few are kept before this warp's part.
struct Last {
  Expr key, place, before;
};

} // namespace

/// The `need` largest of at most kFew; in every warp.
static Last rankFew(KernelEmitter &e, const Few &few, Expr need, Expr partBegin) {
  Expr lane = e.lane(), zero = e.i32(0), one = e.i32(1), exists = lane < few.count;
  Expr key = few.keys.load(lane), place = few.places.load(lane);
  Expr rank = e.forRange(zero, few.count, e.i32(4), {zero}, [&](Expr first, ArrayRef<Expr> sofar) {
    Expr sum = sofar[0];
    Four keys = few.keys.loadFour(first >> 2), places = few.places.loadFour(first >> 2);
    for (int64_t k = 0; k < 4; ++k) {
      Expr isBefore = lessUnsigned(key, keys[k]) | ((key == keys[k]) & (places[k] < place));
      sum = sum + select(isBefore & (first + k < few.count), one, zero);
    }
    return Exprs{sum};
  })[0];
  Expr isKept = exists & (rank < need), isLast = exists & (rank == need - 1);
  Expr last = e.popcount(e.ballot(isLast) - 1);
  return {e.shuffle(key, last), e.shuffle(place, last), e.popcount(e.ballot(isKept & (place < partBegin)))};
}

/// Calls `write` for this warp's part, of what is not behind the last one; the first goes to `place`. Returns the place
/// behind.
static Expr writePart(KernelEmitter &e, const Keys &keys, const Last &last, Expr place, WriteKept write) {
  Expr zero = e.i32(0), one = e.i32(1), lane = e.lane();
  return e.forRange(keys.begin, keys.end, e.i32(kWritten * kRow), {place}, [&](Expr base, ArrayRef<Expr> sofar) {
    Expr end = min(keys.end, base + kWritten * kRow);
    // A byte a row, a bit a key.
    Expr kept = keys.forEach(base, end, {zero, zero}, [&](const Four &four, Expr i, ArrayRef<Expr> carried) {
      auto bitsFrom = [&](Expr least) {
        Expr bits = zero;
        for (int64_t j = 0; j < 4; ++j)
          bits = bits | select(lessEqualUnsigned(least, four[j]), e.i32(int64_t(1) << j), zero);
        return bits;
      };
      Expr ahead = last.place - i, bits = bitsFrom(last.key + select(ahead < 0, one, zero));
      bits = e.ifElse(
          lessUnsigned(ahead, e.i32(3)),
          [&] { return Exprs{bits & (((e.i32(2) << ahead) - 1) | bitsFrom(last.key + 1))}; },
          [&] { return Exprs{bits}; })[0];
      return Exprs{carried[0] | (bits << carried[1]), carried[1] + 8};
    })[0];
    Expr counts = kept - ((kept >> 1) & 0x55555555);
    counts = (counts & 0x33333333) + ((counts >> 2) & 0x33333333);
    Expr upTo = counts;
    for (int64_t delta = 1; delta < kWarp; delta *= 2)
      upTo = upTo + select(lane >= delta, e.shuffleUp(upTo, delta), zero);
    Exprs rows = {sofar[0], kept, upTo - counts, e.shuffle(upTo, e.i32(kWarp - 1))};
    Exprs behind = e.forRange(base, end, e.i32(kRow), rows, [&](Expr row, ArrayRef<Expr> now) {
      write(now[0] + (now[2] & 255), now[1] & 15, (row + lane) * 4);
      return Exprs{now[0] + (now[3] & 255), now[1] >> 8, now[2] >> 8, now[3] >> 8};
    });
    return Exprs{behind[0]};
  })[0];
}

void twilight::listLargest(KernelEmitter &e, const SearchScratch &scratch, SharedTile running, const ListedKeys &source,
                           Expr k, WriteKept write, function_ref<void(Expr from, Expr to)> finish) {
  Expr zero = e.i32(0), one = e.i32(1), lane = e.lane();
  Keys keys(e, source);
  SharedTile counter = scratch.crossing.from(one);
  scratch.clear(e, scratch.bins);
  e.ifThen(e.threadIndex() == 0, [&] { counter.store(zero, zero); });
  const int64_t bits = llvm::Log2_64(scratch.bins);
  Bins bins = findBins(e, keys, running, bits);
  // What pads the keys is counted too: in the bin that is looked at last.
  keys.forEach({}, [&](const Four &four, Expr, ArrayRef<Expr>) {
    for (Expr key : four)
      scratch.counts.atomicAdd(bins.of(key), one);
    return Exprs();
  });
  Crossing crossing = findCrossing(e, scratch, bits, k); // behind it bounds and histogram were read

  Few few{scratch.counts, scratch.counts.from(e.i32(kFew)), Expr()};
  Expr from = bins.keysFrom(crossing.bin), above = bins.keysAbove(crossing.bin), width = above - from;
  Expr countedAbove = keys.forEach({zero}, [&](const Four &four, Expr i, ArrayRef<Expr> sofar) {
    Expr sum = sofar[0], nearest = e.i32(-1);
    for (Expr key : four) {
      sum = sum + select(lessEqualUnsigned(above, key), one, zero);
      nearest = minUnsigned(nearest, key - from);
    }
    e.ifThen(lessUnsigned(nearest, width), [&] {
      for (int64_t j = 0; j < 4; ++j)
        e.ifThen(lessUnsigned(four[j] - from, width) & (i + j < keys.n()), [&] {
          Expr place = counter.atomicAdd(zero, one);
          e.ifThen(place < kFew, [&] {
            few.keys.store(place, four[j]);
            few.places.store(place, i + j);
          });
        });
    });
    return Exprs{sum};
  })[0];
  countedAbove = e.warpSum(countedAbove);
  e.ifThen(lane == 0, [&] { running.store(e.warp(), countedAbove); });
  e.barrier(); // the warps' counts and the bin's elements are there
  few.count = counter.load(zero);
  auto ranked = [&] {
    Last last = rankFew(e, few, crossing.need, keys.begin * 4);
    Expr ofWarps = running.load(min(lane, e.getWarps() - 1));
    Expr first = e.warpSum(select(lane < e.warp(), ofWarps, zero)) + last.before;
    Expr behind = writePart(e, keys, last, first, write);
    e.syncWarp();
    finish(first, behind);
    return Exprs();
  };
  auto searched = [&] {
    auto forEachKey = [&](function_ref<void(Expr)> body) {
      keys.forEach({}, [&](const Four &four, Expr i, ArrayRef<Expr>) {
        for (int64_t j = 0; j < 4; ++j)
          e.ifThen(i + j < keys.n(), [&] { body(four[j]); });
        return Exprs();
      });
    };
    Threshold threshold = searchCount(e, scratch, {{21, 11}, {10, 11}, {0, 10}}, forEachKey, k);
    compactInOrder(
        e, running, keys.n(), threshold.need,
        [&](Expr i) {
          Expr key = source.tile.load(i);
          return Verdict{lessUnsigned(threshold.key, key), key == threshold.key};
        },
        [&](Expr place, Expr i) { write(place, one, i); });
    e.barrier(); // what all warps wrote is there
    Expr part = ceilDiv(k, e.getWarps()), first = min(k, e.warp() * part);
    finish(first, min(k, first + part));
    return Exprs();
  };
  e.ifElse(few.count <= kFew, ranked, searched);
}
