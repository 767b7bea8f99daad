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
  PagedRows paged{shape, params.pageTable, params.maxPages, item.sequence, item.kvHead};
  // Tiles go round the blocks: where a warp begins does not depend on the length, so that the first entries of the
  // table and the query are asked for before it is known. What the table holds past the sequence's pages is not used.
  PageScores::Walk walk{(e.warp() * blocks() + rank) * 16, item.pages, warps * blocks() * 16};
  auto tableOf = [&](Expr u) { return paged.page(e, min(u, params.maxPages - 1)); };
  auto inside = [&](Expr entry, Expr u) { return select(u < item.pages, entry, e.i32(0)); };
  std::array<Expr, 4> firstPages = PageScores::firstPages(e, walk), entries;
  for (auto [entry, page] : llvm::zip_equal(entries, firstPages))
    entry = tableOf(page);
  SmallVector<Words4> query = PageScores::loadQuery(e, config.select, params.q, item.sequence, item.kvHead);
  e.ifThen(item.scored, [&] {
    // Before the branch: rows that are asked for while the coefficients are made would take registers from that.
    PageScores scores(e, config.select, query);
    e.ifThen(walk.first < walk.end, [&] {
      for (auto [entry, page] : llvm::zip_equal(entries, firstPages))
        entry = inside(entry, page);
      scores.walk(
          walk, summary, item.kvHead, item.length, entries, [&](Expr u) { return inside(tableOf(u), u); },
          [&](Expr, Expr page, Expr importance) {
            Expr key = orderedKey(e, importance);
            inEveryBlock({itemKeys, farKeys}, [&](SharedTile tile) { tile.store(page, key); });
          });
    });
  });
}

/// Of the candidates in order, which are balanced and scatter neighbours that are heavy together.
Expr BlockPipeline::listedPages(const Item &item) {
  return splits() ? (item.kept + (blocks() - 1) - rank) / blocks() : item.kept;
}

Expr BlockPipeline::isOwn(Expr place) {
  return (llvm::isPowerOf2_64(blocks()) ? place & (blocks() - 1) : place % blocks()) == rank;
}

Expr BlockPipeline::listCandidates(const Item &item, SharedTile itemKeys) {
  Expr thread = e.threadIndex(), step = e.i32(e.getThreads()), listed = listedPages(item);
  auto all = [&] {
    e.forRange(thread, listed, step, [&](Expr i) { pages.store(i, splits() ? i * blocks() + rank : i); });
    return Exprs();
  };
  auto best = [&] {
    SearchScratch search(kRankBins, histograms, warpSums.as(e.getI32Type()), crossings);
    listLargest(e, search, scratch, itemKeys, item.pages, item.kept, [&](Expr place, Expr u) {
      if (splits())
        e.ifThen(isOwn(place), [&] { pages.store(place / blocks(), u); });
      else
        pages.store(place, u);
    });
    return Exprs();
  };
  e.ifElse(item.scored, best, all);
  e.barrier();
  const int64_t atOnce = splits() ? 1 : 4; // loads in flight
  PagedRows paged{shape, params.pageTable, params.maxPages, item.sequence, item.kvHead};
  // Whole fours, with the last page again.
  Expr padded = ceilDiv(listed, 4) * 4;
  e.forRange(thread, padded, step * atOnce, [&](Expr i) {
    SmallVector<Expr> found;
    for (int64_t k = 0; k < atOnce; ++k)
      found.push_back(paged.page(e, pages.load(min(i + step * k, listed - 1))));
    for (int64_t k = 0; k < atOnce; ++k)
      e.ifThen(i + step * k < padded, [&] { physical.store(i + step * k, found[k]); });
  });
  e.barrier();
  // Pages ascend, so only the last can be the sequence's last, which may be partial.
  Expr last = pages.load(max(listed - 1, 0));
  Expr missing = select(last == item.pages - 1, item.pages * shape.pageSize - item.length, e.i32(0));
  return select(listed > 0, listed * shape.pageSize - missing, e.i32(0));
}

Expr BlockPipeline::position(Expr slot) {
  return pages.load(slot / shape.pageSize) * shape.pageSize + slot % shape.pageSize;
}
