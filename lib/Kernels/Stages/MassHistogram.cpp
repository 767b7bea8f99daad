// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Sums of masses by ranges of keys, and where they cross a need.

#include "MassHistogram.h"

#include "twilight/Schedule/BlockMemory.h"

using namespace mlir;
using namespace twilight;

static constexpr int64_t kBins = int64_t(1) << kMassBinBits;
static_assert(kBins == kKeepBins && kBins % (8 * kWarp) == 0, "a lane has eights of bins");

Expr KeyRange::binOf(Expr key) const { return ((key - low) >> shift) ^ (kBins - 1); }

KeyRange KeyRange::of(Expr bin) const { return {low + ((bin ^ (kBins - 1)) << shift), shift}; }

void MassHistogram::clear(KernelEmitter &e) const {
  Expr zero = e.i32(0);
  e.forRange(e.threadIndex(), e.i32(massWords(kBins) / 4), e.i32(e.getThreads()),
             [&](Expr four) { words.storeFour(four, {zero, zero, zero, zero}); });
}

void MassHistogram::copyTo(KernelEmitter &e, const MassHistogram &other) const {
  e.forRange(e.threadIndex(), e.i32(massWords(kBins) / 4), e.i32(e.getThreads()),
             [&](Expr four) { other.words.storeFour(four, words.loadFour(four)); });
}

// 64-bit sums from 32-bit atomics that nobody waits for: a mass of at most 2^40 in parts of 15, 15 and 11 bits. Up to
// 2^17 elements cannot overflow a part.
void MassHistogram::add(Expr bin, Expr mass) const {
  Emitter &e = mass.getEmitter();
  const int64_t low = (1 << 15) - 1;
  Expr word = mass.to(e.getI32Type());
  words.atomicAdd(bin, word & low);
  words.atomicAdd(bin + kBins, (word >> 15) & low);
  words.atomicAdd(bin + 2 * kBins, (mass >> int64_t(30)).to(e.getI32Type()));
}

void MassHistogram::addKey(const KeyRange &range, Expr key) const {
  key.getEmitter().ifThen(range.contains(key), [&] { add(range.binOf(key), massOfKey(key)); });
}

SmallVector<Expr> MassHistogram::load(KernelEmitter &e) const {
  SmallVector<Expr> masses(8, e.i64(0));
  for (int64_t part = 0; part < 3; ++part)
    for (int64_t half = 0; half < 2; ++half) {
      std::array<Expr, 4> four = words.loadFour(e.lane() * 2 + (part * (kBins / 4) + half));
      for (int64_t i = 0; i < 4; ++i) {
        Expr &mass = masses[half * 4 + i];
        mass = mass + (four[i].toUnsigned(e.getI64Type()) << (15 * part));
      }
    }
  return masses;
}

void twilight::findMassCrossing(KernelEmitter &e, SharedTile crossing, ArrayRef<Expr> masses,
                                function_ref<Expr(Expr total)> needOf) {
  Type i32 = e.getI32Type();
  Expr lane = e.lane(), own = e.i64(0);
  auto leave = [&](Expr bin, Expr need) {
    crossing.store(e.i32(0), bin);
    crossing.store(e.i32(2), need.to(i32));
    crossing.store(e.i32(3), (need >> int64_t(32)).to(i32));
  };
  for (Expr mass : masses)
    own = own + mass;
  Expr upTo = own;
  for (int64_t delta = 1; delta < kWarp; delta *= 2)
    upTo = upTo + select(lane >= delta, e.shuffleUp(upTo, delta), e.i64(0));
  Expr total = e.shuffle(upTo, e.i32(kWarp - 1)), need = needOf(total), before = upTo - own;
  e.syncWarp(); // the last need was read
  // Running sums ascend: of the lane's bins, the first that reaches the need.
  Expr bin = lane * 8, passed = before, reaches = (before < need) & (upTo >= need);
  for (const Expr &mass : masses.drop_back()) {
    before = before + mass;
    Expr isBelow = before < need;
    bin = bin + select(isBelow, e.i32(1), e.i32(0));
    passed = select(isBelow, before, passed);
  }
  e.ifThen(reaches, [&] { leave(bin, need - passed); });
  e.ifThen((lane == 0) & (total < need), [&] { leave(e.i32(-1), need); });
  e.ifThen(lane == 0, [&] { crossing.store(e.i32(1), e.i32(0)); });
}
