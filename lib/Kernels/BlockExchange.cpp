// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// How thread blocks that share an item without being a cluster meet, and take what the others made.

#include "BlockExchange.h"

using namespace mlir;
using namespace twilight;

/// Notices are i64 behind the counter: the word, above it the number and how many items have begun.
static constexpr int64_t kNumberBits = 2;

/// What a block counts for itself.
enum Counted : int64_t { kArrivals, kItems };

BlockExchange::BlockExchange(KernelEmitter &e, const BlockMemoryFacts &facts, Expr counters, SharedTile own)
    : e(e), facts(facts), blocks(facts.blocks), counters(counters), own(own) {
  assert(facts.group <= kFirstMaximum && "heads' thresholds come before the maxima");
  byOneThread([&] {
    for (int64_t counted : {kArrivals, kItems})
      own.store(e.i32(counted), e.i32(0));
  });
}

void BlockExchange::byOneThread(function_ref<void()> body) {
  e.anew([&] { e.ifThen(e.threadIndex() == 0, body); });
}

Expr BlockExchange::countArrival() {
  Expr all = own.load(e.i32(kArrivals)) + blocks;
  own.store(e.i32(kArrivals), all);
  return all;
}

void BlockExchange::begin() {
  byOneThread([&] { own.store(e.i32(kItems), countedItems() + 1); });
}

Expr BlockExchange::countedItems() { return own.load(e.i32(kItems)); }
Expr BlockExchange::isFirstItem() { return countedItems() == 1; }

Expr BlockExchange::counter() { return e.blockAnew() / blocks * counterStride(facts); }

Expr BlockExchange::placeOf(Expr notice) { return counter() / 2 + kFirstNotice + notice; }

void BlockExchange::meet(function_ref<void()> meanwhile) {
  e.barrier();
  byOneThread([&] {
    Expr all = countArrival(), at = counter();
    e.arriveAt(counters, at);
    e.awaitArrivals(counters, at, all);
  });
  meanwhile();
  e.barrier();
}

void BlockExchange::arrive() {
  e.barrier();
  byOneThread([&] {
    countArrival();
    e.arriveAt(counters, counter());
  });
}

void BlockExchange::await() {
  byOneThread([&] { e.awaitArrivals(counters, counter(), own.load(e.i32(kArrivals))); });
  e.barrier();
}

void BlockExchange::give(Expr notice, Expr word, Expr number) {
  Type i64 = e.getI64Type();
  Expr upper = (countedItems() << kNumberBits) | number;
  e.publish(counters, placeOf(notice), word.toUnsigned(i64) | (upper.toUnsigned(i64) << int64_t(32)));
}

static Expr upperOf(Expr both) { return (both >> int64_t(32)).to(both.getEmitter().getI32Type()); }

Exprs BlockExchange::awaitNotices(ArrayRef<Expr> places) {
  Expr item = countedItems();
  auto look = [&] {
    Exprs seen;
    for (Expr place : places)
      seen.push_back(e.lookAt(counters, place));
    return seen;
  };
  auto isMissing = [&](ArrayRef<Expr> seen) {
    Expr missing = e.boolean(false);
    for (Expr both : seen)
      missing = missing | ((upperOf(both) >> kNumberBits) != item);
    return e.ballot(missing) != 0;
  };
  return e.whileLoop(look(), isMissing, [&](ArrayRef<Expr>) { return look(); });
}

std::array<Expr, 2> BlockExchange::await(Expr notice) {
  Expr given = awaitNotices({placeOf(notice)})[0];
  return {given.to(e.getI32Type()), upperOf(given) & ((1 << kNumberBits) - 1)};
}

Exprs BlockExchange::awaitAll(Expr first, int64_t count) {
  const int64_t threads = e.getThreads();
  Exprs places;
  for (int64_t i = 0; i < count; i += threads)
    places.push_back(placeOf(first + min(e.threadIndex() + i, count - 1)));
  Exprs words;
  for (Expr given : awaitNotices(places))
    words.push_back(given.to(e.getI32Type()));
  return words;
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

Expr BlockExchange::placeOfPart(Expr from, Expr to, Expr part) {
  return counter() / 2 + firstPart(facts) + (to * blocks + from) * countParts(facts) + part;
}

void BlockExchange::bring(Expr block, Expr part, Expr word) {
  e.publish(counters, placeOfPart(e.blockAnew() % blocks, block, part), word);
}

void BlockExchange::takeBrought(function_ref<Expr(Expr)> isBrought, function_ref<void(Expr, Expr, Expr)> take) {
  const int64_t parts = countParts(facts), all = blocks * parts, threads = e.getThreads();
  Expr first = placeOfPart(e.i32(0), e.blockAnew() % blocks, e.i32(0)), zero = e.i64(0);
  SmallVector<Expr> places, brought;
  for (int64_t i = 0; i < all; i += threads) {
    places.push_back(min(e.threadIndex() + i, all - 1));
    brought.push_back((e.threadIndex() + i < all) & isBrought(places.back() % parts));
  }
  auto look = [&] {
    Exprs words;
    for (auto [place, isBrought] : llvm::zip_equal(places, brought))
      words.push_back(select(isBrought, e.lookAt(counters, first + place), e.i64(1)));
    return words;
  };
  auto isMissing = [&](ArrayRef<Expr> words) {
    Expr missing = e.boolean(false);
    for (Expr word : words)
      missing = missing | (word == zero);
    return missing;
  };
  Exprs words = e.whileLoop(look(), isMissing, [&](ArrayRef<Expr>) { return look(); });
  for (size_t i = 0; i < places.size(); ++i)
    e.ifThen(brought[i], [&] {
      e.publish(counters, first + places[i], zero);
      take(places[i] / parts, places[i] % parts, words[i]);
    });
}

void BlockExchange::end() {
  // The first block does it. Nobody looks at the counter and the notices any more: it has taken the last item's parts,
  // which every block brings when it has read its last notice and waits for no arrival any more, and nobody came to a
  // meeting since. All else is zero where it was taken.
  e.anew([&] {
    e.ifThen(e.blockAnew() % blocks == 0, [&] {
      e.forRange(e.threadIndex(), e.i32(kFirstNotice + countNotices(facts)), e.i32(e.getThreads()),
                 [&](Expr i) { e.publish(counters, counter() / 2 + i, e.i64(0)); });
    });
  });
}
