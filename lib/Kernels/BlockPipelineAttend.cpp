// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The whole pipeline as one kernel: kept tokens.

#include "BlockPipeline.h"

using namespace mlir;
using namespace twilight;

/// Tiles go round `takers`, as blocks or warps: how many of the first `tokens` are taken by number `taker`.
static Expr takenOf(Expr tokens, Expr taker, int64_t takers) {
  const int64_t round = kAttendTile * takers;
  return tokens / round * kAttendTile + max(min(tokens % round - taker * kAttendTile, kAttendTile), 0);
}
/// Which token its `i`-th one is.
static Expr takenToken(Expr i, Expr taker, int64_t takers) {
  return (i / kAttendTile * takers + taker) * kAttendTile + i % kAttendTile;
}

/// How many of the item's first `tokens` are this block's.
Expr BlockPipeline::ownOf(Expr tokens) { return blocks() > 1 ? takenOf(tokens, rank, blocks()) : tokens; }

/// Which of the item's tokens is this block's `own`-th one.
Expr BlockPipeline::tokenOf(Expr own) { return blocks() > 1 ? takenToken(own, rank, blocks()) : own; }

/// The place of the `rank`-th bit that is set.
static Expr nthBit(KernelEmitter &e, Expr bits, Expr rank) {
  Expr place = e.i32(0), rest = rank;
  for (int64_t half = kWarp / 2; half > 0; half /= 2) {
    Expr below = e.popcount((bits >> place) & ((int64_t(1) << half) - 1)), isAbove = rest >= below;
    place = place + select(isAbove, e.i32(half), e.i32(0));
    rest = rest - select(isAbove, below, e.i32(0));
  }
  return place;
}

Expr BlockPipeline::listKept(const Item &item, Expr candidates) {
  PagedRows paged{shape, params.pageTable, params.maxPages, item.sequence, item.kvHead};
  const int64_t maskCount = splits() ? 1 : shape.group;
  // Each warp has a contiguous part of the words, a word a lane at a time, and lists all rows of it. Where the prune is
  // split there are few words: then each warp goes through all of them, and lists the rows of the tiles that it attends
  // to. Nobody waits for other warps.
  constexpr int64_t kFewWords = 4 * kWarp;
  Expr zero = e.i32(0), lane = e.lane(), words = ceilDiv(candidates, kWarp), step = e.i32(kWarp);
  Expr isFew = splits() ? words <= kFewWords : e.boolean(false);
  Expr part = ceilDiv(ceilDiv(words, e.getWarps()), kWarp) * kWarp;
  Expr begin = select(isFew, zero, min(words, e.warp() * part)), end = select(isFew, words, min(words, begin + part));
  auto listedOf = [&](Expr tokens) {
    return splits() ? select(isFew, takenOf(tokens, e.warp(), e.getWarps()), tokens) : ownOf(tokens);
  };
  auto placeOf = [&](Expr listed) {
    return splits() ? select(isFew, takenToken(listed, e.warp(), e.getWarps()), listed) : listed;
  };
  auto bitsOf = [&](Expr word) {
    Expr bits = zero;
    for (int64_t h = 0; h < maskCount; ++h)
      bits = bits | masks.load(min(word, words - 1) + memory.maskWords * h);
    return select(word < end, bits, zero);
  };
  auto countParts = [&] {
    Expr counted = e.forRange(begin, end, step, {zero}, [&](Expr first, ArrayRef<Expr> sofar) {
      return Exprs{sofar[0] + e.popcount(bitsOf(first + lane))};
    })[0];
    Expr ofWarp = e.warpSum(counted);
    e.ifThen(lane == 0, [&] { scratch.store(e.warp(), ofWarp); });
    e.barrier(); // the warps' counts are there
    Expr count = select(lane < e.getWarps(), scratch.load(min(lane, e.getWarps() - 1)), zero);
    return Exprs{e.warpSum(select(lane < e.warp(), count, zero)), e.warpSum(count)};
  };
  Exprs counts = splits() ? e.ifElse(isFew, [&] { return Exprs{zero, zero}; }, countParts) : countParts();
  Expr last = e.forRange(begin, end, step, {counts[0]}, [&](Expr first, ArrayRef<Expr> sofar) {
    Expr bits = bitsOf(first + lane), upTo = e.popcount(bits);
    for (int64_t delta = 1; delta < kWarp; delta *= 2)
      upTo = upTo + select(lane >= delta, e.shuffleUp(upTo, delta), zero);
    Expr next = sofar[0] + e.shuffle(upTo, e.i32(kWarp - 1));
    // A lane a row: it looks for the word that has its token.
    Expr listEnd = listedOf(next);
    e.forRange(listedOf(sofar[0]), listEnd, step, [&](Expr base) {
      Expr place = placeOf(min(base + lane, listEnd - 1)), holder = zero;
      Expr token = (splits() ? place : tokenOf(place)) - sofar[0];
      for (int64_t half = kWarp / 2; half > 0; half /= 2) {
        Expr isAbove = e.shuffle(upTo, holder + (half - 1)) <= token;
        holder = holder + select(isAbove, e.i32(half), zero);
      }
      Expr word = e.shuffle(bits, holder), lastOfWord = e.shuffle(upTo, holder);
      Expr slot = (first + holder) * kWarp + nthBit(e, word, token - (lastOfWord - e.popcount(word)));
      Expr row = paged.kvRowOf(physical.load(slot / shape.pageSize), slot % shape.pageSize);
      e.ifThen(base + lane < listEnd, [&] { rows.store(place, row); });
    });
    return Exprs{next};
  })[0];
  if (!splits()) {
    e.barrier(); // all rows are there
    return counts[1];
  }
  e.ifElse(
      isFew,
      [&] {
        e.syncWarp();
        return Exprs();
      },
      [&] {
        e.barrier(); // all rows are there
        return Exprs();
      });
  return select(isFew, last, counts[1]);
}

Expr BlockPipeline::listAll(const Item &item) {
  PagedRows paged{shape, params.pageTable, params.maxPages, item.sequence, item.kvHead};
  e.forRange(e.threadIndex(), ownOf(item.length), e.i32(e.getThreads()),
             [&](Expr own) { rows.store(own, paged.kvRow(e, tokenOf(own))); });
  e.barrier(); // all rows are there
  return splits() ? ownOf(item.length) : item.length;
}

void BlockPipeline::attend(Expr tokens) {
  const int64_t dim = shape.headDim;
  const bool valuesEarly = (config.warps + config.selectWarps) * kWarp <= 384;
  auto chunkOf = [&](int64_t j) { return query.loadFour(e.lane() + j * kWarp); };
  TileContext context{shape,   Access::Streaming,           params.kPages, params.vPages,
                      chunkOf, config.attendScale * kLog2E, valuesEarly,   /*inOrder=*/splits()};
  // Of this block's rows, tiles go round the warps. Rows are counted from the end: one register less in the loop. Those
  // past the end are the last one.
  Expr own = splits() ? tokens : ownOf(tokens);
  SharedTile end = rows.from(own);
  auto attendFrom = [&](Expr first, const WarpState &state) {
    Expr valid = own - first;
    auto load = [&](Expr token) { return end.load(-max(valid - token, 1)); };
    if (splits())
      return attendTile(e, context, state, load, valid).pack();
    Expr row = load(e.lane() & (kAttendTile - 1));
    return attendTile(e, context, state, [&](Expr token) { return e.shuffle(row, token); }, valid).pack();
  };
  Expr first = e.warp() * kAttendTile, step = e.i32(e.getWarps() * kAttendTile);
  Exprs before = WarpState::empty(e, dim).pack();
  // Where warps have a tile or two each, what counts is how long the first one takes. There are no sums beside it,
  // which leaves registers for all of its values.
  if (splits() && !valuesEarly && dim > 64) {
    before = e.ifElse(
        first < own,
        [&] {
          context.valuesEarly = true;
          return attendFrom(first, WarpState{});
        },
        [&] { return before; });
    context.valuesEarly = valuesEarly;
    first = first + step;
  }
  merge(own, e.forRange(first, own, step, before,
                        [&](Expr next, ArrayRef<Expr> state) { return attendFrom(next, WarpState::unpack(state)); }));
}
