// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The whole pipeline as one kernel: logits of the candidates.

#include "BlockPipeline.h"

#include "llvm/Support/MathExtras.h"

#include <functional>
#include <limits>

using namespace mlir;
using namespace twilight;

namespace {

/// What a warp scores at a time, a step, as one list of words: scales and zeros by lane, then the codes of each tile.
struct Steps {
  Steps(const AttentionShape &shape, const CandidateLogits &scores)
      : words(scores.countWords()), tiles(words > 4 ? 2 : 4), slots(tiles * 16), wholeTiles(shape.pageSize % 16 == 0) {}
  int64_t words; ///< of a lane's row of codes
  int64_t tiles; ///< of 16 slots: fewer of wide codes, for want of registers
  int64_t slots;
  bool wholeTiles; ///< a tile lies within a page

  void append(Exprs &all, const CandidateLogits::Codes &tile) const {
    for (const SmallVector<Expr> &half : tile.half)
      all.append(half.begin(), half.end());
  }
  Expr scaleZero(ArrayRef<Expr> all, int64_t tile) const { return all[tile / 2]; }
  CandidateLogits::Codes codes(ArrayRef<Expr> all, int64_t tile) const {
    ArrayRef<Expr> data = all.slice(tiles / 2 + tile * 2 * words, 2 * words);
    return {{llvm::to_vector(data.take_front(words)), llvm::to_vector(data.drop_front(words))}};
  }
};

/// Where a step's codes are, and its words of scale and zero, by lane.
struct Found {
  SmallVector<Expr, 4> places; ///< token rows by lane, or physical pages
  SmallVector<Expr, 2> scaleZero;
  std::function<CandidateLogits::Codes(int64_t tile)> load;
};

} // namespace

void BlockPipeline::prepareScores(const Item &item) {
  e.ifThen(e.warp() == e.getWarps() - 1, [&] {
    CandidateLogits scores(e, shape, config.scoreScale,
                           loadScoreQuery(e, shape, params.q, item.sequence, item.kvHead * shape.group));
    scores.prepare(scoreQuery);
  });
}

void BlockPipeline::scoreCandidates(const Item &item, Expr candidates) {
  const int64_t heads = ownHeads(), page = shape.pageSize, tileHeads = CandidateLogits::countHeads(shape);
  LaneGrid at(e);
  // Fours of pages, whose physical ones are read together.
  Expr share = ceilDiv(ceilDiv(item.kept, blocks()), 4) * 4;
  Expr firstPage = splits() ? e.i32(0) : min(rank * share, item.kept);
  Expr lastPage = splits() ? listedPages(item) : min(firstPage + share, item.kept), lane = e.lane();
  Expr start = firstPage * page, end = min(lastPage * page, candidates);
  CandidateLogits scores(e, shape, scoreQuery);
  const Steps steps(shape, scores);
  CandidateLogits::Pages pagesOfHead = scores.pagesOf(codes, item.kvHead);

  // Row by row, where a tile may be of several pages. Those past the end are the last one again: it changes no maximum.
  auto rowOf = [&](Expr slot) {
    Expr inside = min(slot, end - 1);
    return (physical.load(inside / page) * shape.kvHeads + item.kvHead) * page + inside % page;
  };
  auto findRows = [&](Expr step) {
    Found found;
    for (int64_t pair = 0; pair < steps.tiles / 2; ++pair) {
      found.places.push_back(rowOf(start + step * steps.slots + lane + pair * kWarp));
      found.scaleZero.push_back(scores.loadScaleZero(codes, found.places.back()));
    }
    found.load = [&, rows = found.places](int64_t t) {
      Expr lower = at.row + (t % 2) * 16, row = rows[t / 2];
      return scores.load(codes, {e.shuffle(row, lower), e.shuffle(row, lower + 8)});
    };
    return found;
  };
  // Page by page. A slot past the end has the zero NaN, which is no maximum.
  const int64_t pagesOfStep = std::max<int64_t>(steps.slots / page, 1);
  const int64_t stepsOfPage = std::max<int64_t>(page / steps.slots, 1);
  Expr lastStep = max(lastPage - firstPage - 1, 0) / pagesOfStep;
  auto findPages = [&](Expr step) {
    Found found;
    Expr inPage = (step & (stepsOfPage - 1)) * steps.slots;
    Expr at = min(step >> static_cast<int64_t>(llvm::Log2_64(stepsOfPage)), lastStep);
    if (pagesOfStep == 4) {
      std::array<Expr, 4> four = physical.loadFour((firstPage >> 2) + at);
      found.places.append(four.begin(), four.end());
    } else {
      for (int64_t k = 0; k < pagesOfStep; ++k)
        found.places.push_back(physical.load(firstPage + at * pagesOfStep + k));
    }
    auto slotOf = [=](int64_t t) { return page < steps.slots ? e.i32(t * 16 % page) : inPage + t * 16; };
    auto pageOf = [=, pages = found.places](int64_t t) { return pages[t * 16 / page % pagesOfStep]; };
    for (int64_t t = 0; t < steps.tiles; t += 2) {
      Expr ofLane = page == 16 ? select(lane < 16, pageOf(t), pageOf(t + 1)) : pageOf(t);
      Expr word = scores.loadScaleZero(codes, pagesOfHead, ofLane, slotOf(t));
      found.scaleZero.push_back(select(start + step * steps.slots + lane + t * 16 < end, word, e.i32(0x7E000000)));
    }
    found.load = [=, &scores, &pagesOfHead](int64_t t) {
      return scores.load(codes, pagesOfHead, pageOf(t), slotOf(t));
    };
    return found;
  };
  auto find = [&](Expr step) { return steps.wholeTiles ? findPages(step) : findRows(step); };

  // Searches have their histograms here before and after: until then the lanes' maxima. Registers are short in this
  // loop.
  SharedTile running = histograms.as(e.getF32Type());
  auto place = [&](int64_t i) { return e.threadIndex() + i * e.getThreads(); };
  Expr lowest = e.f32(-std::numeric_limits<double>::infinity());
  for (int64_t i = 0; i < tileHeads; ++i)
    running.store(place(i), lowest);
  // Whether a lane's head exists, too.
  auto exists = [&](Expr head, Expr other) {
    return shape.group % CandidateLogits::kHeads == 0 ? other : (head < shape.group) & other;
  };
  // The lane's row of each of its heads' logits, in the block that prunes them.
  auto rowsOf = [&](Expr base) {
    SmallVector<SharedTile, 2> rows;
    for (int64_t i = 0; i < tileHeads; ++i) {
      Expr head = CandidateLogits::headOf(e, i);
      SharedTile owner = splits() ? logits : rowsOfOwner({logits, farLogits}, head, memory.logitsStride);
      rows.push_back(owner.from((head % heads) * memory.logitsStride + at.row).from(base));
    }
    return rows;
  };
  auto score = [&](Expr base, int64_t t, Expr scaleZero, const CandidateLogits::Codes &tile, ArrayRef<SharedTile> rows,
                   MutableArrayRef<Expr> largest) {
    Expr lower = at.row + (t % 2) * 16;
    scores.score(
        tile, {e.shuffle(scaleZero, lower), e.shuffle(scaleZero, lower + 8)}, [&](int64_t half, int64_t i, Expr exact) {
          Expr logit = toScore(exact, config.prune.scoreType).to(e.getF32Type());
          largest[i] = max(largest[i], logit);
          // What lies in the last page behind the end may be written.
          Expr inside = steps.wholeTiles ? base + t * 16 < lastPage * page : base + at.row + (t * 16 + half * 8) < end;
          e.ifThen(exists(CandidateLogits::headOf(e, i), inside),
                   [&] { rows[i].store(e.i32(t * 16 + half * 8), logit); });
        });
  };
  // As soon as a tile's codes are used, those of the next step's are asked for, into the same registers.
  Expr first = e.warp(), stride = e.i32(e.getWarps()), count = ceilDiv(lastPage * page - start, steps.slots);
  e.ifThen(first < count, [&] {
    Exprs carried;
    Found found = find(first);
    carried.append(found.scaleZero.begin(), found.scaleZero.end());
    for (int64_t t = 0; t < steps.tiles; ++t)
      steps.append(carried, found.load(t));
    e.forRange(first, count, stride, carried, [&](Expr step, ArrayRef<Expr> current) {
      Found found = find(step + stride);
      Exprs next(found.scaleZero.begin(), found.scaleZero.end());
      SmallVector<Expr, 2> largest(tileHeads, lowest);
      Expr base = start + step * steps.slots;
      SmallVector<SharedTile, 2> rows = rowsOf(base);
      for (int64_t t = 0; t < steps.tiles; ++t) {
        score(base, t, steps.scaleZero(current, t), steps.codes(current, t), rows, largest);
        e.inPlace([&] { steps.append(next, found.load(t)); });
      }
      for (int64_t i = 0; i < tileHeads; ++i)
        running.store(place(i), max(running.load(place(i)), largest[i]));
      return next;
    });
  });
  anew([&] {
    LaneGrid at(e);
    for (int64_t i = 0; i < tileHeads; ++i) {
      Expr head = CandidateLogits::headOf(e, i), largest = running.load(place(i));
      for (int64_t rows = 4; rows < kWarp; rows *= 2)
        largest = max(largest, e.shuffleXor(largest, rows));
      e.ifThen(exists(head, at.row == 0), [&] {
        Expr place = (head % heads) * maximaStride() + rank * e.getWarps() + e.warp();
        if (splits() && isSpread())
          giveMaximum(head, largest);
        else if (splits())
          inEveryBlock({maxima, farMaxima}, [&](SharedTile tile) { tile.store(place, largest); });
        else
          rowsOfOwner({maxima, farMaxima}, head, e.i32(maximaStride())).store(place, largest);
      });
    }
  });
}
