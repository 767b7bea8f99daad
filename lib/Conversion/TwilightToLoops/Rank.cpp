// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Exact ranking without sorting: numbers become keys in unsigned order, thresholds are found bit by bit.
//
//   key(x)        = bits(x) with the sign flipped if x >= 0, all bits flipped if x < 0
//   largest key:    t = 0; for bit = 31 .. 0: if holds(t | 1 << bit) then t |= 1 << bit
//   k best:         t = largest key with |{key >= t}| >= k; the keys above t, and the earliest ties at t up to k

#include "Rank.h"

using namespace mlir;

namespace twilight::loops {

Expr orderedKey(Expr value) {
  Emitter &e = value.getEmitter();
  Expr bits = (value + 0.0).bitcast(e.getI32Type()); // -0 + 0 is 0
  return select(bits < 0, bits ^ -1, bits ^ int64_t(0x80000000));
}

Expr largestKey(Emitter &e, function_ref<Expr(Expr)> holds) {
  return e.forRange(e.i32(0), e.i32(32), e.i32(1), {e.i32(0)}, [&](Expr i, Indices carried) {
    Expr t = carried[0], candidate = t | (e.i32(1) << (31 - i));
    return Exprs{select(holds(candidate), candidate, t)};
  })[0];
}

void markBest(Emitter &e, Expr size, Expr k, function_ref<Expr(Expr)> key, function_ref<void(Expr, Expr)> mark) {
  auto atLeast = [&](Expr t) { return countIf(e, size, [&](Expr i) { return lessEqualUnsigned(t, key(i)); }); };
  Expr t = largestKey(e, [&](Expr candidate) { return atLeast(candidate) >= k; });
  Expr above = countIf(e, size, [&](Expr i) { return lessUnsigned(t, key(i)); });
  fold(e, size, {k - above}, [&](Expr i, Indices carried) {
    Expr places = carried[0];
    Expr tie = key(i) == t, taken = tie & (places > 0);
    mark(i, taken | lessUnsigned(t, key(i)));
    return Exprs{places - taken.toUnsigned(e.getIndexType())};
  });
}

void writeList(Emitter &e, Expr size, const Buffer &flags, const Buffer &indices, const Buffer &counts, Expr b, Expr r,
               function_ref<Expr(Expr)> value) {
  Exprs count = fold(e, size, {e.index(0)}, [&](Expr i, Indices carried) {
    Expr next = carried[0], kept = flags.load({i}) != 0;
    e.ifThen(kept, [&] { indices.store(value(i), {b, r, next}); });
    return Exprs{next + kept.toUnsigned(e.getIndexType())};
  });
  counts.store(count[0], {b, r});
}

} // namespace twilight::loops
