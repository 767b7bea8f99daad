// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The softmax weights of one query head's candidates.

#include "HeadWeights.h"

#include "../Atoms/Atoms.h"

#include <limits>

using namespace mlir;
using namespace twilight;

constexpr double kMassUnit = static_cast<double>(int64_t(1) << 40); ///< units in 1
constexpr double kHeavyWeight = 1.0 / 4096;                         ///< of kHeavyKey; lighter masses are below 2^28

Expr twilight::massOfKey(Expr key) {
  Emitter &e = key.getEmitter();
  return (key.bitcast(e.getF32Type()) * kMassUnit).toUnsigned(e.getI64Type());
}

HeadWeights::HeadWeights(KernelEmitter &e, const GlobalLogits &logits, Expr size, Expr cached, SharedTile tile)
    : e(e), logits(logits), size(size), cached(max(min(cached - 4, size), 0)), tile(tile) {}

HeadWeights::HeadWeights(KernelEmitter &e, Expr size, SharedTile tile) : e(e), size(size), cached(size), tile(tile) {}

void HeadWeights::pad() {
  Expr lowest = e.f32(-std::numeric_limits<double>::infinity());
  Expr end = ceilDiv(cached, 4) * 4, first = fetchesFours() ? end : cached; // fours fill the last one themselves
  e.ifThen(e.threadIndex() < end + 4 - first, [&] { tile.store(first + e.threadIndex(), lowest); });
}

Expr HeadWeights::fetch() {
  if (fetchesFours())
    return fetchFours();
  constexpr int64_t kAtOnce = 8; // loads in flight
  const int64_t threads = e.getThreads();
  Expr lowest = e.f32(-std::numeric_limits<double>::infinity());
  return e.forRange(e.threadIndex(), size, e.i32(threads * kAtOnce), {lowest}, [&](Expr i, ArrayRef<Expr> carried) {
    SmallVector<Expr> values;
    for (int64_t k = 0; k < kAtOnce; ++k)
      values.push_back(global(min(i + k * threads, size - 1)));
    Expr result = carried[0];
    for (int64_t k = 0; k < kAtOnce; ++k) {
      Expr at = i + k * threads;
      e.ifThen(at < cached, [&] { tile.store(at, values[k]); });
      result = max(result, values[k]);
    }
    return Exprs{result};
  })[0];
}

/// Four logits of 16 bits in one load.
Expr HeadWeights::fetchFours() {
  constexpr int64_t kAtOnce = 8; // loads in flight
  const int64_t threads = e.getThreads();
  Type i32 = e.getI32Type(), i64 = e.getI64Type();
  Expr lowest = e.f32(-std::numeric_limits<double>::infinity()), fours = ceilDiv(size, 4);
  return e.forRange(e.threadIndex(), fours, e.i32(threads * kAtOnce), {lowest}, [&](Expr i, ArrayRef<Expr> carried) {
    SmallVector<Expr> words;
    for (int64_t k = 0; k < kAtOnce; ++k) {
      Expr four = min(i + k * threads, fours - 1);
      words.push_back(e.load(logits.buffer, (logits.base >> int64_t(2)) + four.to(i64), i64, Access::Produced));
    }
    Expr result = carried[0];
    for (int64_t k = 0; k < kAtOnce; ++k) {
      Expr four = i + k * threads;
      std::array<Expr, 2> low = e.unpack(words[k].to(i32), logits.type);
      std::array<Expr, 2> high = e.unpack((words[k] >> int64_t(32)).to(i32), logits.type);
      std::array<Expr, 4> values = {low[0], low[1], high[0], high[1]};
      // What lies past the end is no logit.
      for (int64_t j = 0; j < 4; ++j) {
        values[j] = select(four * 4 + j < size, values[j], lowest);
        result = max(result, values[j]);
      }
      e.ifThen(four * 4 < cached, [&] { tile.storeFour(four, values); });
    }
    return Exprs{result};
  })[0];
}

Expr HeadWeights::listHeavy(SharedTile list, int64_t capacity, SharedTile counter) const {
  // A thread's fours are a block's threads apart. As many at a time as one word has bits for their elements, and every
  // lane of a warp goes round as often: a four that does not exist is the padding's.
  constexpr int64_t kFours = 8, kTogether = 2;
  Type i64 = e.getI64Type();
  const int64_t threads = e.getThreads();
  Expr fours = ceilDiv(cached, 4), thread = e.threadIndex(), lane = e.lane(), zero = e.i32(0);
  auto weigh = [&](Expr first, int64_t from, ArrayRef<Expr> sofar) {
    SmallVector<std::array<Expr, 4>> values;
    for (int64_t k = from; k < from + kTogether; ++k)
      values.push_back(tile.loadFour(min(first + thread + k * threads, fours)));
    Expr heavies = sofar[1], part = zero;
    for (int64_t k = 0; k < kTogether; ++k)
      for (int64_t j = 0; j < 4; ++j) {
        // A NaN is neither heavy nor has it mass.
        Expr w = weightOf(values[k][j]), isHeavy = w >= kHeavyWeight;
        part = part + select(isHeavy, zero, e.truncateUnsigned(w * kMassUnit)); // sixteen masses fit a word
        heavies = heavies | select(isHeavy, e.i32(int64_t(1) << ((from + k) * 4 + j)), zero);
      }
    return Exprs{sofar[0] + part.toUnsigned(i64), heavies};
  };
  auto take = [&](Expr first, ArrayRef<Expr> sofar) {
    Exprs found = {sofar[0], zero};
    for (int64_t k = 0; k < kFours; k += kTogether) {
      auto some = [&] { return weigh(first, k, found); };
      // The last ones exist in no lane, or hardly any: a weight costs eight cycles of a warp.
      found = k == 0 ? some() : e.ifElse(first + k * threads < fours, some, [&] { return found; });
    }
    Expr light = found[0], heavies = found[1];
    // The warp takes as many places as it needs at once.
    Expr upTo = e.popcount(heavies);
    for (int64_t delta = 1; delta < kWarp; delta *= 2)
      upTo = upTo + select(lane >= delta, e.shuffleUp(upTo, delta), zero);
    Expr taken = e.ifElse((lane == kWarp - 1) & (upTo > 0), [&] { return Exprs{counter.atomicAdd(zero, upTo)}; },
                          [&] { return Exprs{zero}; })[0];
    Expr end = e.shuffle(taken, e.i32(kWarp - 1)) + upTo, firstSlot = (first + thread) * 4;
    e.ifThen(end <= capacity, [&] {
      e.whileLoop(
          {heavies, end - e.popcount(heavies)}, [&](ArrayRef<Expr> state) { return state[0] != 0; },
          [&](ArrayRef<Expr> state) {
            Expr lowest = state[0] & -state[0], bit = e.popcount(lowest - 1);
            Expr slot = firstSlot + (bit & ~3) * threads + (bit & 3);
            list.store(state[1], slot.to(e.getI16Type()));
            return Exprs{state[0] ^ lowest, state[1] + 1};
          });
    });
    return Exprs{light};
  };
  Expr light = e.forRange(zero, fours, e.i32(threads * kFours), {e.i64(0)}, take)[0];
  if (!hasGlobal())
    return light;
  // What has no place in the tile is not listed; then the list is not used.
  return e.forRange(thread + cached, size, e.i32(threads), {light}, [&](Expr i, ArrayRef<Expr> sofar) {
    Expr w = weightOf(global(i));
    Expr mass = select(w >= kHeavyWeight, zero, e.truncateUnsigned(w * kMassUnit));
    return Exprs{sofar[0] + mass.toUnsigned(i64)};
  })[0];
}

Elements HeadWeights::heavy(Expr found, int64_t capacity) const {
  // A slot has 16 bits in the list.
  Expr listed = (found <= capacity) & (size <= (1 << 16)) & (cached == size);
  return {select(listed, found, size), listed};
}

Exprs HeadWeights::walk(const Elements &elements, SharedTile list, int64_t capacity, ArrayRef<Expr> carried,
                        function_ref<Exprs(Expr inside, Expr slot, Expr key, ArrayRef<Expr> carried)> body) const {
  constexpr int64_t kAtOnce = 4; // whose latencies overlap
  const int64_t threads = e.getThreads();
  return e.forRange(e.threadIndex(), elements.count, e.i32(threads * kAtOnce), carried,
                    [&](Expr i, ArrayRef<Expr> sofar) {
                      SmallVector<Expr> slots, keys;
                      for (int64_t k = 0; k < kAtOnce; ++k) {
                        Expr index = min(i + k * threads, elements.count - 1);
                        Expr inList = list.load(min(index, capacity - 1)).toUnsigned(e.getI32Type());
                        slots.push_back(select(elements.listed, inList, index));
                      }
                      for (Expr slot : slots)
                        keys.push_back(at(slot));
                      Exprs state(sofar.begin(), sofar.end());
                      for (int64_t k = 0; k < kAtOnce; ++k)
                        state = body(i + k * threads < elements.count, slots[k], keys[k], state);
                      return state;
                    });
}

void HeadWeights::forEach(const Elements &elements, SharedTile list, int64_t capacity,
                          function_ref<void(Expr slot, Expr key)> body) const {
  walk(elements, list, capacity, {}, [&](Expr inside, Expr slot, Expr key, ArrayRef<Expr>) {
    e.ifThen(inside, [&] { body(slot, key); });
    return Exprs();
  });
}

Expr HeadWeights::firstOf(const Elements &elements, SharedTile list, int64_t capacity,
                          function_ref<Expr(Expr)> isWanted) const {
  // As the complement of the largest complement.
  return walk(elements, list, capacity, {e.i32(0)},
              [&](Expr inside, Expr slot, Expr key, ArrayRef<Expr> sofar) {
                return Exprs{maxUnsigned(sofar[0], select(inside & isWanted(key), slot ^ -1, e.i32(0)))};
              })[0] ^
         -1;
}

Expr HeadWeights::count(const Elements &elements, SharedTile list, int64_t capacity,
                        function_ref<Expr(Expr key)> isCounted) const {
  return walk(elements, list, capacity, {e.i32(0)}, [&](Expr inside, Expr, Expr key, ArrayRef<Expr> sofar) {
    return Exprs{sofar[0] + select(inside & isCounted(key), e.i32(1), e.i32(0))};
  })[0];
}

Expr HeadWeights::at(Expr slot) const {
  Expr logit = hasGlobal()
                   ? e.ifElse(
                         slot < cached, [&] { return Exprs{tile.load(slot)}; }, [&] { return Exprs{global(slot)}; })[0]
                   : tile.load(slot);
  return max(weightOf(logit), e.f32(0)).bitcast(e.getI32Type()); // not a NaN
}

Expr HeadWeights::global(Expr i) const {
  return e.load(logits.buffer, logits.base + i.to(e.getI64Type()), logits.type, Access::Produced).to(e.getF32Type());
}

/// NaN for -inf among -inf.
Expr HeadWeights::weightOf(Expr logit) const { return e.exp2((logit - reference) * kLog2E); }
