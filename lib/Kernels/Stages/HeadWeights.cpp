// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The softmax weights of one query head's candidates.

#include "HeadWeights.h"

#include <limits>

using namespace mlir;
using namespace twilight;

constexpr double kLog2E = 1.4426950408889634;

Expr twilight::massOfKey(Expr key) {
  Emitter &e = key.getEmitter();
  return (key.bitcast(e.getF32Type()) * static_cast<double>(int64_t(1) << 40)).toUnsigned(e.getI64Type());
}

HeadWeights::HeadWeights(KernelEmitter &e, Expr logits, Expr base, Expr size, Expr cached, SharedTile tile)
    : e(e), logits(logits), base(base), size(size), cached(min(cached, size)), tile(tile) {}

HeadWeights::HeadWeights(KernelEmitter &e, Expr size, SharedTile tile) : e(e), size(size), cached(size), tile(tile) {}

Expr HeadWeights::fetch() {
  Expr lowest = e.f32(-std::numeric_limits<double>::infinity());
  e.ifThen(e.threadIndex() < ceilDiv(cached, 4) * 4 - cached, [&] { tile.store(cached + e.threadIndex(), lowest); });
  return hasGlobal() ? fetchGlobal(lowest) : fetchShared(lowest);
}

Expr HeadWeights::fetchGlobal(Expr lowest) {
  constexpr int64_t kAtOnce = 8; // loads in flight
  const int64_t threads = e.getThreads();
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

Expr HeadWeights::fetchShared(Expr lowest) {
  e.barrier(); // the padding
  return e.forRange(e.threadIndex(), ceilDiv(cached, 4), e.i32(e.getThreads()), {lowest},
                    [&](Expr four, ArrayRef<Expr> carried) {
                      std::array<Expr, 4> x = tile.loadFour(four);
                      return Exprs{max(carried[0], max(max(x[0], x[1]), max(x[2], x[3])))};
                    })[0];
}

void HeadWeights::makeKeys(Expr maximum) {
  reference = maximum;
  forEachFour([&](Expr four) {
    std::array<Expr, 4> values = tile.loadFour(four);
    for (Expr &x : values)
      x = keyOf(x).bitcast(e.getF32Type());
    tile.storeFour(four, values);
  });
}

void HeadWeights::forEach(function_ref<void(Expr key)> body) const {
  forEachFour([&](Expr four) {
    for (Expr x : tile.loadFour(four))
      body(x.bitcast(e.getI32Type()));
  });
  if (hasGlobal())
    e.forRange(e.threadIndex() + cached, size, e.i32(e.getThreads()), [&](Expr i) { body(keyOf(global(i))); });
}

Expr HeadWeights::sumOver(function_ref<Expr(Expr key)> of) const {
  Expr fours = ceilDiv(cached, 4), step = e.i32(e.getThreads());
  Exprs inTile = e.forRange(e.threadIndex(), fours, step, {e.i64(0)}, [&](Expr four, ArrayRef<Expr> sum) {
    Expr result = sum[0];
    for (Expr x : tile.loadFour(four))
      result = result + of(x.bitcast(e.getI32Type()));
    return Exprs{result};
  });
  if (!hasGlobal())
    return inTile[0];
  return e.forRange(e.threadIndex() + cached, size, step, inTile,
                    [&](Expr i, ArrayRef<Expr> sum) { return Exprs{sum[0] + of(keyOf(global(i)))}; })[0];
}

Expr HeadWeights::at(Expr i) const {
  auto inTile = [&] { return Exprs{tile.load(i).bitcast(e.getI32Type())}; };
  if (!hasGlobal())
    return inTile()[0];
  return e.ifElse(i < cached, inTile, [&] { return Exprs{keyOf(global(i))}; })[0];
}

void HeadWeights::forEachFour(function_ref<void(Expr four)> body) const {
  e.forRange(e.threadIndex(), ceilDiv(cached, 4), e.i32(e.getThreads()), body);
}

Expr HeadWeights::global(Expr i) const {
  return e.load(logits, base + i.to(e.getI64Type()), e.getF32Type(), Access::Produced);
}

Expr HeadWeights::keyOf(Expr logit) const {
  Expr w = e.exp2((logit - reference) * kLog2E);
  return select(w == w, w, e.f32(0)).bitcast(e.getI32Type()); // -inf among -inf gives NaN
}
