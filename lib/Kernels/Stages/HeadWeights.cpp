// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The softmax weights of one query head's candidates.

#include "HeadWeights.h"

#include "../Atoms/Atoms.h"

#include <limits>

using namespace mlir;
using namespace twilight;

Expr twilight::massOfKey(Expr key) {
  Emitter &e = key.getEmitter();
  return (key.bitcast(e.getF32Type()) * static_cast<double>(int64_t(1) << 40)).toUnsigned(e.getI64Type());
}

Expr twilight::lightMassOfKey(Expr key) {
  Emitter &e = key.getEmitter();
  return (key.bitcast(e.getF32Type()) * static_cast<double>(int64_t(1) << 40)).toUnsigned(e.getI32Type());
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
  return forEachFours({lowest}, [&](ArrayRef<Expr> fours, ArrayRef<Expr>, ArrayRef<Expr> carried) {
    Expr result = carried[0];
    SmallVector<std::array<Expr, 4>> all;
    for (Expr four : fours)
      all.push_back(tile.loadFour(four));
    for (const std::array<Expr, 4> &x : all)
      result = max(result, max(max(x[0], x[1]), max(x[2], x[3])));
    return Exprs{result};
  })[0];
}

Exprs HeadWeights::forEachFours(ArrayRef<Expr> carried,
                                function_ref<Exprs(ArrayRef<Expr>, ArrayRef<Expr>, ArrayRef<Expr>)> body) const {
  constexpr int64_t kAtOnce = 4;
  const int64_t threads = e.getThreads();
  Expr count = ceilDiv(cached, 4);
  return e.forRange(e.threadIndex(), count, e.i32(threads * kAtOnce), carried, [&](Expr i, ArrayRef<Expr> state) {
    SmallVector<Expr> fours, inside;
    for (int64_t k = 0; k < kAtOnce; ++k) {
      Expr four = i + k * threads;
      inside.push_back(four < count);
      fours.push_back(k == 0 ? four : select(four < count, four, i));
    }
    return body(fours, inside, state);
  });
}

SmallVector<Expr, 16> HeadWeights::loadKeys(ArrayRef<Expr> fours, ArrayRef<Expr> inside) const {
  SmallVector<Expr, 16> keys;
  for (auto [four, isInside] : llvm::zip_equal(fours, inside))
    for (Expr x : tile.loadFour(four))
      keys.push_back(select(isInside, x.bitcast(e.getI32Type()), e.i32(0)));
  return keys;
}

void HeadWeights::makeKeys() {
  makeKeysAndSum([&](ArrayRef<Expr>) { return e.i64(0); });
}

Expr HeadWeights::makeKeysAndSum(MassSearch::SumOfKeys of) {
  auto body = [&](ArrayRef<Expr> fours, ArrayRef<Expr> inside, ArrayRef<Expr> sum) {
    SmallVector<std::array<Expr, 4>> values;
    for (Expr four : fours)
      values.push_back(tile.loadFour(four));
    SmallVector<Expr, 16> keys;
    for (auto [four, isInside, x] : llvm::zip_equal(fours, inside, values)) {
      for (Expr &value : x) {
        Expr key = keyOf(value);
        keys.push_back(select(isInside, key, e.i32(0)));
        value = key.bitcast(e.getF32Type());
      }
      e.ifThen(isInside, [&, four = four, x = x] { tile.storeFour(four, x); });
    }
    return Exprs{sum[0] + of(keys)};
  };
  auto single = [&](Expr key) {
    Expr only[] = {key};
    return of(only);
  };
  return sumOfRest(forEachFours({e.i64(0)}, body)[0], single);
}

Expr HeadWeights::sumOver(MassSearch::SumOfKeys of) const {
  auto body = [&](ArrayRef<Expr> fours, ArrayRef<Expr> inside, ArrayRef<Expr> sum) {
    return Exprs{sum[0] + of(loadKeys(fours, inside))};
  };
  auto single = [&](Expr key) {
    Expr only[] = {key};
    return of(only);
  };
  return sumOfRest(forEachFours({e.i64(0)}, body)[0], single);
}

Expr HeadWeights::sumOfRest(Expr sum, function_ref<Expr(Expr)> of) const {
  if (!hasGlobal())
    return sum;
  return e.forRange(e.threadIndex() + cached, size, e.i32(e.getThreads()), {sum},
                    [&](Expr i, ArrayRef<Expr> sofar) { return Exprs{sofar[0] + of(keyOf(global(i)))}; })[0];
}

void HeadWeights::forEach(function_ref<void(Expr key)> body) const {
  forEachFours({}, [&](ArrayRef<Expr> fours, ArrayRef<Expr> inside, ArrayRef<Expr>) {
    for (Expr key : loadKeys(fours, inside))
      body(key);
    return Exprs();
  });
  if (hasGlobal())
    e.forRange(e.threadIndex() + cached, size, e.i32(e.getThreads()), [&](Expr i) { body(keyOf(global(i))); });
}

Expr HeadWeights::at(Expr i) const {
  auto inTile = [&] { return Exprs{tile.load(i).bitcast(e.getI32Type())}; };
  if (!hasGlobal())
    return inTile()[0];
  return e.ifElse(i < cached, inTile, [&] { return Exprs{keyOf(global(i))}; })[0];
}

Expr HeadWeights::global(Expr i) const {
  return e.load(logits, base + i.to(e.getI64Type()), e.getF32Type(), Access::Produced);
}

Expr HeadWeights::keyOf(Expr logit) const {
  Expr w = e.exp2((logit - reference) * kLog2E);
  return select(w == w, w, e.f32(0)).bitcast(e.getI32Type()); // -inf among -inf gives NaN
}
