// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// How thread blocks that share an item without being a cluster meet, and take what the others made.

#include "BlockExchange.h"

using namespace mlir;
using namespace twilight;

/// Notices are i64 behind the counters: the word, above it the number and how often blocks had met.
static constexpr int64_t kFirstNotice = 4, kNumberBits = 2;

BlockExchange::BlockExchange(KernelEmitter &e, int64_t blocks, Expr counters, SharedTile own, int64_t notices)
    : e(e), blocks(blocks), counters(counters), own(own), notices(notices) {
  assert(2 * (kFirstNotice + notices) <= kCounterStride && "a group's line has room for its notices");
  byOneThread([&] {
    for (int64_t word : {kMeetings, kMerges, kLast})
      own.store(e.i32(word), e.i32(0));
  });
}

void BlockExchange::byOneThread(function_ref<void()> body) {
  e.anew([&] { e.ifThen(e.threadIndex() == 0, body); });
}

Expr BlockExchange::countArrivals(int64_t which) {
  Expr all = own.load(e.i32(which)) + blocks;
  own.store(e.i32(which), all);
  return all;
}

Expr BlockExchange::counter(int64_t which) { return e.blockAnew() / blocks * kCounterStride + which; }

Expr BlockExchange::placeOf(Expr notice) { return counter(0) / 2 + kFirstNotice + notice; }

void BlockExchange::meet(function_ref<void()> meanwhile) {
  e.barrier();
  byOneThread([&] {
    Expr all = countArrivals(kMeetings), at = counter(kMeetings);
    e.arriveAt(counters, at);
    e.awaitArrivals(counters, at, all);
  });
  meanwhile();
  e.barrier();
}

void BlockExchange::arrive() {
  e.barrier();
  byOneThread([&] {
    countArrivals(kMeetings);
    e.arriveAt(counters, counter(kMeetings));
  });
}

void BlockExchange::await() {
  byOneThread([&] { e.awaitArrivals(counters, counter(kMeetings), own.load(e.i32(kMeetings))); });
  e.barrier();
}

void BlockExchange::give(Expr notice, Expr word, Expr number) {
  Type i64 = e.getI64Type();
  Expr upper = (own.load(e.i32(kMeetings)) << kNumberBits) | number;
  e.publish(counters, placeOf(notice), word.toUnsigned(i64) | (upper.toUnsigned(i64) << int64_t(32)));
}

std::array<Expr, 2> BlockExchange::awaitNotices() {
  e.syncWarp(); // thread 0 counted
  Expr place = placeOf(min(e.lane(), notices - 1)), met = own.load(e.i32(kMeetings));
  auto upperOf = [&](Expr notice) { return (notice >> int64_t(32)).to(e.getI32Type()); };
  Expr notice = e.whileLoop(
      {e.lookAt(counters, place)},
      [&](ArrayRef<Expr> seen) { return e.ballot((upperOf(seen[0]) >> kNumberBits) != met) != 0; },
      [&](ArrayRef<Expr>) { return Exprs{e.lookAt(counters, place)}; })[0];
  return {notice.to(e.getI32Type()), upperOf(notice) & ((1 << kNumberBits) - 1)};
}

void BlockExchange::fetch(const ExchangeRows &source, SharedTile tile, Expr words) {
  constexpr int64_t kAtOnce = 4; // loads in flight
  const int64_t rows = source.rows, deep = std::max<int64_t>(1, kAtOnce / rows), threads = e.getThreads();
  Expr fours = ceilDiv(words, 4), stride = source.stride / 4;
  e.forRange(e.threadIndex(), fours, e.i32(threads * deep), [&](Expr i) {
    SmallVector<std::array<Expr, 4>> found;
    for (int64_t k = 0; k < deep; ++k)
      for (int64_t row = 0; row < rows; ++row)
        found.push_back(source.from.loadFour(stride * min(source.last, row) + min(i + k * threads, fours - 1)));
    for (int64_t k = 0; k < deep; ++k)
      e.ifThen(i + k * threads < fours, [&] {
        for (int64_t row = 0; row < rows; ++row)
          tile.storeFour(stride * row + (i + k * threads), found[k * rows + row]);
      });
  });
}

void BlockExchange::ifLast(function_ref<void()> body) {
  e.barrier();
  byOneThread([&] {
    Expr all = countArrivals(kMerges), before = e.arriveAt(counters, counter(kMerges));
    e.seeArrivals();
    own.store(e.i32(kLast), select(before == all - 1, e.i32(1), e.i32(0)));
  });
  e.barrier();
  e.ifThen(own.load(e.i32(kLast)) != 0, body);
}

void BlockExchange::end() {
  // Nobody looks at the counters any more once the last block has come to the last item's merge.
  byOneThread([&] {
    e.ifThen(own.load(e.i32(kLast)) != 0, [&] {
      for (int64_t which : {kMeetings, kMerges})
        e.store(counters, counter(which), e.i32(0));
      for (int64_t notice = 0; notice < notices; ++notice)
        e.store(counters, placeOf(e.i32(notice)), e.i64(0));
    });
  });
}
