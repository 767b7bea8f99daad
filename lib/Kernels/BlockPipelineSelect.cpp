// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The whole pipeline as one kernel: pages.

#include "BlockPipeline.h"

#include "Stages/ListLargest.h"
#include "Stages/PageScores.h"

using namespace mlir;
using namespace twilight;

void BlockPipeline::rankPages(const Item &item, SharedTile itemKeys) {
  const int64_t warps = e.getWarps();
  LaneGrid at(e);
  PagedRows paged{shape, params.pageTable, params.maxPages, item.sequence, item.kvHead};
  Expr share = ceilDiv(ceilDiv(item.pages, 16), config.cluster) * 16, start = rank * share;
  Expr end = min(item.pages, start + share), first = start + e.warp() * 16, step = e.i32(warps * 16);
  // The table is read one step ahead, as in ScorePages.cpp.
  auto entryOf = [&](Expr u) { return paged.page(e, min(u, item.pages - 1)); };
  Exprs carried = {entryOf(first + at.row), entryOf(first + at.row + 8)};
  PageScores scores(e, config.select, PageScores::loadQuery(e, config.select, params.q, item.sequence, item.kvHead));
  e.forRange(first, end, step, carried, [&](Expr tile, ArrayRef<Expr> current) {
    std::array<Expr, 2> pageOfRow = {tile + at.row, tile + at.row + 8};
    PageScores::Rows data = scores.load(summary, item.kvHead, {current[0], current[1]});
    Exprs next = {entryOf(tile + step + at.row), entryOf(tile + step + at.row + 8)};
    scores.score(data, pageOfRow, end, item.length, [&](Expr, Expr page, Expr importance) {
      Expr key = orderedKey(e, importance);
      inEveryBlock(itemKeys, [&](SharedTile tile) { tile.store(page, key); });
    });
    return next;
  });
}

Expr BlockPipeline::listCandidates(const Item &item, SharedTile itemKeys) {
  Expr thread = e.threadIndex(), step = e.i32(e.getThreads());
  auto all = [&] {
    e.forRange(thread, item.kept, step, [&](Expr u) { pages.store(u, u); });
    return Exprs();
  };
  auto best = [&] {
    SearchScratch search(kRankBins, histograms, warpSums.as(e.getI32Type()), crossings);
    listLargest(e, search, scratch, itemKeys, item.pages, item.kept,
                [&](Expr place, Expr u) { pages.store(place, u); });
    return Exprs();
  };
  e.ifElse(item.scored, best, all);
  e.barrier();
  constexpr int64_t kAtOnce = 4; // loads in flight
  PagedRows paged{shape, params.pageTable, params.maxPages, item.sequence, item.kvHead};
  e.forRange(thread, item.kept, step * kAtOnce, [&](Expr i) {
    SmallVector<Expr> found;
    for (int64_t k = 0; k < kAtOnce; ++k)
      found.push_back(paged.page(e, pages.load(min(i + step * k, item.kept - 1))));
    for (int64_t k = 0; k < kAtOnce; ++k)
      e.ifThen(i + step * k < item.kept, [&] { physical.store(i + step * k, found[k]); });
  });
  e.barrier();
  // Pages ascend, so only the last can be the sequence's last, which may be partial.
  Expr last = pages.load(max(item.kept - 1, 0));
  Expr missing = select(last == item.pages - 1, item.pages * shape.pageSize - item.length, e.i32(0));
  return select(item.kept > 0, item.kept * shape.pageSize - missing, e.i32(0));
}

Expr BlockPipeline::position(Expr slot) {
  return pages.load(slot / shape.pageSize) * shape.pageSize + slot % shape.pageSize;
}
