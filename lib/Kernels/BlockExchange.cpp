// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// How thread blocks that share an item without being a cluster meet, and take what the others made.

#include "BlockExchange.h"

using namespace mlir;
using namespace twilight;

BlockExchange::BlockExchange(KernelEmitter &e, int64_t blocks, Expr counters, SharedTile own)
    : e(e), blocks(blocks), counters(counters), own(own) {
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

void BlockExchange::meet() {
  e.barrier();
  byOneThread([&] {
    Expr all = countArrivals(kMeetings), at = counter(kMeetings);
    e.arriveAt(counters, at);
    e.awaitArrivals(counters, at, all);
  });
  e.barrier();
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
    });
  });
}
