// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The whole pipeline as one kernel: pages.

#include "BlockPipeline.h"

#include "Stages/ListLargest.h"
#include "Stages/PageScores.h"

using namespace mlir;
using namespace twilight;

void BlockPipeline::rankPages(Expr index, SharedTile itemKeys, function_ref<Item()> makeKnown) {
  const int64_t warps = e.getWarps();
  Expr sequence = index / shape.kvHeads, kvHead = index % shape.kvHeads;
  PagedRows paged{shape, params.pageTable, params.maxPages, sequence, kvHead};
  // Tiles go round the blocks: where a warp begins does not depend on the length, so that the first entries of the
  // table and the query are asked for before it is known. What the table holds past the sequence's pages is not used.
  PageScores::Walk walk{(e.warp() * blocks() + rank) * 16, Expr(), warps * blocks() * 16};
  auto tableOf = [&](Expr u) { return paged.page(e, min(u, params.maxPages - 1)); };
  std::array<Expr, 2> firstPages = PageScores::firstPages(e, walk), entries;
  const bool shares = sharesCoefficients();
  SmallVector<Words4> query;
  e.inPlace([&] {
    if (shares)
      query.push_back(PageCoefficients::loadShare(e, config.select, params.q, sequence, kvHead));
    else
      query = PageCoefficients::loadQuery(e, config.select, params.q, sequence, kvHead);
    for (auto [entry, page] : llvm::zip_equal(entries, firstPages))
      entry = tableOf(page);
  });
  e.syncWarp();
  const Item item = makeKnown();
  walk.end = item.pages;
  auto inside = [&](Expr entry, Expr u) { return select(u < item.pages, entry, e.i32(0)); };
  e.ifThen(item.scored, [&] {
    if (!isSpread())
      padKeys(item, itemKeys);
    // Before the branch: rows that are asked for while the coefficients are made would take registers from that.
    PageScores scores(e, config.select,
                      shares ? PageCoefficients(e, config.select, query[0], histograms)
                             : PageCoefficients(e, config.select, query));
    e.ifThen(walk.first < walk.end, [&] {
      for (auto [entry, page] : llvm::zip_equal(entries, firstPages))
        entry = inside(entry, page);
      scores.walk(
          walk, summary, item.kvHead, item.length, entries, [&](Expr u) { return inside(tableOf(u), u); },
          [&](Expr, Expr page, Expr importance) {
            Expr key = orderedKey(e, importance);
            if (isSpread())
              return farKeys.publish(page, key);
            inEveryBlock({itemKeys, farKeys}, [&](SharedTile tile) { tile.store(page, key); });
          });
    });
  });
}

// Over the histograms, which nobody needs while all of the block's warps rank. Four warps are as fast by themselves.
bool BlockPipeline::sharesCoefficients() {
  return PageCoefficients::canShare(config.select) && PageCoefficients::countSharedWords(config.select) <= kRankBins &&
         e.getWarps() > kLateWarps && e.getWarps() == config.warps + config.selectWarps;
}

void BlockPipeline::padKeys(const Item &item, SharedTile tile) {
  Expr thread = e.threadIndex(), place = item.pages + thread;
  e.ifThen((thread < 3) & (place < ceilDiv(item.pages, 4) * 4), [&] { tile.store(place, e.i32(0)); });
}

// Candidates go round in order, which is balanced and scatters neighbours that are heavy together.
Expr BlockPipeline::ownBelow(Expr place) {
  if (!splits())
    return place;
  Expr ahead = place + (blocks() - 1) - rank;
  return llvm::isPowerOf2_64(blocks()) ? ahead >> int64_t(llvm::Log2_64(blocks())) : ahead / blocks();
}
Expr BlockPipeline::listedPages(const Item &item) { return ownBelow(item.kept); }

Expr BlockPipeline::isOwn(Expr place) {
  return (llvm::isPowerOf2_64(blocks()) ? place & (blocks() - 1) : place % blocks()) == rank;
}

void BlockPipeline::writePages(Expr place, Expr kept, Expr u) {
  if (!splits()) {
    for (int64_t j = 0; j < 4; ++j) {
      Expr isKept = (kept & (int64_t(1) << j)) != 0;
      e.ifThen(isKept, [&] { pages.store(place, u + j); });
      place = place + select(isKept, e.i32(1), e.i32(0));
    }
    return;
  }
  // At most one of four neighbours is this block's: the one with as many before it as places are until its next one.
  Expr own = ownBelow(place), until = own * blocks() + rank - place, left = kept;
  for (int64_t j = 0; j < 3; ++j)
    left = select(until > j, left & (left - 1), left);
  e.ifThen((until < 4) & (left != 0), [&] { pages.store(own, u + e.popcount((left - 1) & (left ^ -1))); });
}

Expr BlockPipeline::listCandidates(const Item &item, SharedTile itemKeys) {
  Expr listed = listedPages(item), padded = ceilDiv(listed, 4) * 4;
  PagedRows paged{shape, params.pageTable, params.maxPages, item.sequence, item.kvHead};
  // `pageOf(i)`, whose physical page is stored, for i = first, first + step, ... below `end`.
  auto find = [&](Expr first, Expr end, int64_t step, function_ref<Expr(Expr)> pageOf) {
    const int64_t atOnce = splits() ? 1 : 4; // loads in flight
    e.forRange(first, end, e.i32(step * atOnce), [&](Expr i) {
      SmallVector<Expr> found;
      for (int64_t k = 0; k < atOnce; ++k)
        found.push_back(paged.page(e, pageOf(i + step * k)));
      for (int64_t k = 0; k < atOnce; ++k)
        e.ifThen(i + step * k < end, [&] { physical.store(i + step * k, found[k]); });
    });
  };
  auto all = [&] {
    auto pageOf = [&](Expr i) { return splits() ? i * blocks() + rank : i; };
    e.forRange(e.threadIndex(), listed, e.i32(e.getThreads()), [&](Expr i) { pages.store(i, pageOf(i)); });
    find(e.threadIndex(), padded, e.getThreads(), [&](Expr i) { return pageOf(min(i, listed - 1)); });
    return Exprs();
  };
  auto best = [&] {
    SearchScratch search(kRankBins, histograms, warpSums.as(e.getI32Type()), crossings);
    ListedKeys source{itemKeys, isSpread() ? std::optional(farKeys) : std::nullopt, item.pages};
    auto write = [&](Expr place, Expr kept, Expr u) { writePages(place, kept, u); };
    listLargest(e, search, scratch, source, item.kept, write, [&](Expr from, Expr to) {
      Expr first = ownBelow(from), last = ownBelow(to);
      // Whole fours, with the last page again.
      Expr end = select((first < last) & (last == listed), padded, last);
      find(first + e.lane(), end, kWarp, [&](Expr i) { return pages.load(min(i, last - 1)); });
    });
    return Exprs();
  };
  e.ifElse(item.scored, best, all);
  e.barrier();
  // Pages ascend, so only the last can be the sequence's last, which may be partial.
  Expr last = pages.load(max(listed - 1, 0));
  Expr missing = select(last == item.pages - 1, item.pages * shape.pageSize - item.length, e.i32(0));
  return select(listed > 0, listed * shape.pageSize - missing, e.i32(0));
}

Expr BlockPipeline::position(Expr slot) {
  return pages.load(slot / shape.pageSize) * shape.pageSize + slot % shape.pageSize;
}
