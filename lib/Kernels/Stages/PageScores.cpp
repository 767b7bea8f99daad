// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Importance of pages from their summaries, 16 pages at a time, by one warp.

#include "PageScores.h"

#include <limits>

using namespace mlir;
using namespace twilight;

PageScores::PageScores(KernelEmitter &e, const ScorePagesConfig &config, PageCoefficients coefficients)
    : e(e), config(config), layout(config), coefficients(std::move(coefficients)) {}

Exprs PageScores::Rows::pack() const {
  Exprs all;
  for (const PageRows &page : *this) {
    for (const Words4 &four : page.words)
      all.append(four.begin(), four.end());
    all.append(page.factors);
  }
  return all;
}

PageScores::Rows PageScores::Rows::unpack(ArrayRef<Expr> packed) const {
  Rows result = *this;
  for (PageRows &page : result) {
    for (Words4 &four : page.words)
      for (Expr &word : four)
        word = packed.consume_front();
    for (Expr &factor : page.factors)
      factor = packed.consume_front();
  }
  return result;
}

Expr PageScores::placeOf(Expr entry, int64_t page, Expr kvHead) const {
  const int64_t pieces = config.summary.getNumRows() * layout.rowPieces + layout.factorPieces;
  const int64_t lanes = layout.lanesOfPage();
  Expr physical = e.shuffle(entry, e.lane() / lanes + page * (kWarp / lanes));
  return (physical * config.shape.kvHeads + kvHead) * pieces;
}

PageScores::PageRows PageScores::load(Expr summary, Expr place) const {
  const int64_t pieces = config.summary.getNumRows() * layout.rowPieces, factors = layout.factorPieces;
  // Rows of 8 bits have their factors between them, and begin anywhere.
  const int64_t run = factors == 0 ? pieces * 16 : 0, lanes = layout.lanesOfPage();
  PageRows rows;
  for (int64_t first = 0; first < pieces; first += lanes)
    rows.words.push_back(e.loadWords4(summary, place + first + e.lane() % lanes, Access::Streaming, run));
  for (int64_t i = 0; i < factors; ++i)
    for (Expr word : e.loadWords4(summary, place + (pieces + i), Access::Streaming))
      rows.factors.push_back(word.bitcast(e.getF32Type()));
  return rows;
}

SmallVector<Expr> PageScores::expandRow(ArrayRef<Words4> stored, unsigned row, bool finite) const {
  const size_t chunks = stored.size() / config.summary.getNumRows();
  SmallVector<Expr> words;
  for (const Words4 &chunk : stored.slice(row * chunks, chunks))
    for (Expr word : chunk) {
      if (layout.elementBytes == 2) {
        words.push_back(word);
        continue;
      }
      std::array<Expr, 2> pairs = layout.coded ? e.expandBytes(word)
                                  : finite     ? e.expandFiniteE5M2(word)
                                               : e.expandE5M2(word);
      words.append(pairs.begin(), pairs.end());
    }
  return words;
}

PageScores::PageTerms PageScores::multiply(const Rows &rows, int64_t page, bool finite) const {
  const bool paired = layout.paired;
  const Fragment zeros = {e.f32(0), e.f32(0), e.f32(0), e.f32(0)};
  const size_t halves = layout.countHalves(), each = layout.wordsOfPiece();
  PageTerms terms(config.selector.getNumTerms(), {zeros, zeros});
  for (const PageCoefficients::Part &c : coefficients.parts) {
    SmallVector<Expr> a = expandRow(rows[page].words, c.row, finite), b;
    if (!paired)
      b = expandRow(rows[page + 1].words, c.row, finite);
    for (size_t half = 0; half < halves; ++half) {
      Fragment &sum = terms[c.term][half], before = sum;
      if (layout.coded)
        sum = zeros;
      for (size_t w = 0; w < c.words.size(); w += 2) {
        // In the order of 16 bytes of four lanes; a load of eight has two of these.
        size_t piece = w / each, i = piece / halves * each + w % each;
        if (piece % halves != half)
          continue;
        Fragment left = paired ? Fragment{a[2 * i], a[2 * i + 1], a[2 * i + 2], a[2 * i + 3]}
                               : Fragment{a[i], b[i], a[i + 1], b[i + 1]};
        sum = e.mma(layout.product, left, {c.words[w], c.words[w + 1]}, sum);
      }
      // A row's numbers are scale * code + zero: their product takes the sum of the coefficients.
      for (int k = 0; layout.coded && k < 4; ++k) {
        const SmallVector<Expr> &factors = rows[paired ? page : page + k / 2].factors;
        sum[k] = before[k] + (sum[k] * factors[2 * c.row] + factors[2 * c.row + 1] * c.sums[k % 2]);
      }
    }
  }
  return terms;
}

// An infinite bound times 0 is NaN, and bounds are hardly ever infinite: only where a product is not finite are they
// taken again as the largest f16.
PageScores::PageTerms PageScores::multiplyFinite(const Rows &rows, int64_t page) const {
  PageTerms terms = multiply(rows, page, /*finite=*/false);
  if (!isa<Float8E5M2Type>(config.summary.getElementType()))
    return terms;
  const int64_t halves = layout.countHalves();
  auto flat = [halves](const PageTerms &of) {
    Exprs all;
    for (const std::array<Fragment, 2> &term : of)
      for (const Fragment &fragment : ArrayRef(term).take_front(halves))
        all.append(fragment.begin(), fragment.end());
    return all;
  };
  Expr largest = e.i32(0);
  for (Expr x : flat(terms))
    largest = max(largest, x.bitcast(e.getI32Type()) & 0x7FFFFFFF);
  Exprs finite = e.ifElse(
      e.ballot(largest >= 0x7F800000) != 0, [&] { return flat(multiply(rows, page, /*finite=*/true)); },
      [&] { return flat(terms); });
  ArrayRef<Expr> rest = finite;
  for (std::array<Fragment, 2> &term : terms)
    for (Fragment &fragment : MutableArrayRef(term).take_front(halves))
      for (Expr &value : fragment)
        value = rest.consume_front();
  return terms;
}

std::array<Expr, 2> PageScores::firstPages(KernelEmitter &e, const Walk &walk) {
  Expr first = walk.first + (e.lane() & 15);
  return {first, first + walk.step};
}

void PageScores::walk(const Walk &walk, Expr summary, Expr kvHead, Expr length, std::array<Expr, 2> entries,
                      function_ref<Expr(Expr)> entryOf, function_ref<void(Expr, Expr, Expr)> store) const {
  auto later = [&](Expr tile) { return entryOf(tile + 2 * walk.step + (e.lane() & 15)); };
  if (!hasRoomAhead()) {
    Exprs carried(entries.begin(), entries.end());
    e.forRange(walk.first, walk.end, e.i32(walk.step), carried, [&](Expr tile, ArrayRef<Expr> current) {
      Rows rows;
      for (int64_t page = 0; page < layout.pagesOfLane(); ++page)
        rows.push_back(load(summary, placeOf(current[0], page, kvHead)));
      Exprs next = {current[1], later(tile)};
      score(rows, tile, walk.end, length, [](int64_t) {}, store);
      return next;
    });
    return;
  }
  Rows first;
  for (int64_t page = 0; page < layout.pagesOfLane(); ++page)
    first.push_back(load(summary, placeOf(entries[0], page, kvHead)));
  Exprs carried = {entries[1]};
  carried.append(first.pack());
  e.forRange(walk.first, walk.end, e.i32(walk.step), carried, [&](Expr tile, ArrayRef<Expr> current) {
    Exprs next = {later(tile)};
    Rows reloaded;
    auto reload = [&](int64_t page) {
      Expr place = placeOf(current[0], page, kvHead);
      e.inPlace([&] { reloaded.push_back(load(summary, place)); });
    };
    score(first.unpack(current.drop_front()), tile, walk.end, length, reload, store);
    next.append(reloaded.pack());
    return next;
  });
}

/// Whether a thread of 128 registers holds a tile's rows beside the coefficients all the time.
bool PageScores::hasRoomAhead() const {
  constexpr size_t kRoom = 96;
  size_t words = 2 * static_cast<size_t>(config.summary.getNumRows() * layout.rowPieces + 4 * layout.factorPieces);
  for (const PageCoefficients::Part &part : coefficients.parts)
    words += part.words.size();
  return words <= kRoom && !layout.coded;
}

PageScores::PageDots PageScores::ownOf(const PageTerms &terms, int64_t half) const {
  LaneGrid at(e);
  PageDots own;
  for (const std::array<Fragment, 2> &sums : terms) {
    std::array<Expr, 2> &dots = own.emplace_back();
    for (int64_t i = 0; i < 2; ++i) {
      // Columns 0 to 3 are right in the rows of even words, 4 to 7 in those of odd ones.
      auto ofWords = [&](const Fragment &sum) {
        return layout.paired ? select(at.column < 2, sum[i], sum[2 + i]) : sum[half * 2 + i];
      };
      dots[i] = layout.wide ? select((at.row & 1) == 0, ofWords(sums[0]), ofWords(sums[1])) : ofWords(sums[0]);
    }
  }
  return own;
}

SmallVector<PageScores::Dots> PageScores::gather(ArrayRef<PageDots> pages) const {
  if (layout.wide)
    return {gatherWide(pages)};
  LaneGrid at(e);
  SmallVector<Dots> all;
  for (auto [page, terms] : llvm::enumerate(pages)) {
    Dots dots{at.row + static_cast<int64_t>(page) * 8, at.column * 2, e.boolean(true), terms};
    if (layout.paired) {
      dots.head = (at.column & 1) * 2;
      dots.isWriter = at.column < 2;
    }
    for (auto [term, scale] : llvm::zip_equal(dots.terms, coefficients.scales))
      for (int64_t i = 0; i < 2; ++i) {
        if (layout.paired)
          term[i] = term[i] + e.shuffleXor(term[i], 2);
        term[i] = term[i] * scale[i];
      }
    all.push_back(dots);
  }
  return all;
}

// Eight lanes have parts of each of their four pages, of even and odd words and of both halves. Of the pages a lane
// hands on two, then one.
PageScores::Dots PageScores::gatherWide(ArrayRef<PageDots> pages) const {
  Expr lane = e.lane(), isSecond = (lane & 4) != 0, isOdd = (lane & 2) != 0;
  Dots dots{((lane >> 1) & 3) * 4 + lane / 8, (lane & 1) * 2, e.boolean(true), {}};
  auto sumWith = [&](Expr isUpper, int64_t other, Expr lower, Expr upper) {
    return select(isUpper, upper, lower) + e.shuffleXor(select(isUpper, lower, upper), other);
  };
  for (auto [t, scale] : llvm::enumerate(coefficients.scales)) {
    std::array<Expr, 2> &own = dots.terms.emplace_back();
    for (int64_t i = 0; i < 2; ++i) {
      Expr even = sumWith(isSecond, 4, pages[0][t][i], pages[2][t][i]);
      Expr odd = sumWith(isSecond, 4, pages[1][t][i], pages[3][t][i]);
      own[i] = sumWith(isOdd, 2, even, odd) * scale[i];
    }
  }
  return dots;
}

void PageScores::score(const Rows &rows, Expr tile, Expr end, Expr length, function_ref<void(int64_t)> reload,
                       function_ref<void(Expr, Expr, Expr)> store) const {
  const AttentionShape &shape = config.shape;
  const int64_t heads = shape.group;
  // What is asked for takes the registers of what was just read.
  SmallVector<PageDots> pages;
  for (size_t page = 0; page < rows.size(); page += layout.paired ? 1 : 2) {
    PageTerms terms = multiplyFinite(rows, page);
    for (size_t half = 0; half < (layout.paired ? 1 : 2); ++half)
      pages.push_back(ownOf(terms, half));
  }
  for (size_t page = 0; page < rows.size(); ++page)
    reload(page);
  const double infinity = std::numeric_limits<double>::infinity();
  for (const Dots &dots : gather(pages)) {
    Expr u = tile + dots.page, forced = e.boolean(false);
    if (config.sink > 0)
      forced = forced | (u * shape.pageSize < config.sink);
    if (config.recent > 0)
      forced = forced | ((u + 1) * shape.pageSize > length - config.recent);
    Expr value[2];
    for (int i = 0; i < 2; ++i) {
      SmallVector<Value> ofHead;
      for (const std::array<Expr, 2> &term : dots.terms)
        ofHead.push_back(term[i]);
      Expr x = e.wrap(config.selector.combineTerms(e, e.getLoc(), ofHead));
      x = select(x == x, x, e.f32(-infinity));
      value[i] = select(forced, e.f32(infinity), x);
    }
    Expr head = dots.head, writes = dots.isWriter & (u < end);
    if (config.group == SelectGroup::PerHead) {
      for (int i = 0; i < 2; ++i)
        e.ifThen(writes & (head + i < heads), [&] { store(head + i, u, value[i]); });
      continue;
    }
    bool isMax = config.group == SelectGroup::Max;
    Expr neutral = e.f32(isMax ? -infinity : 0.0);
    for (int i = 0; i < 2; ++i)
      value[i] = select(head + i < heads, value[i], neutral);
    auto combine = [&](Expr a, Expr b) { return isMax ? max(a, b) : a + b; };
    Expr x = combine(value[0], value[1]);
    x = combine(x, e.shuffleXor(x, 1));
    if (!layout.paired)
      x = combine(x, e.shuffleXor(x, 2));
    if (!isMax)
      x = x * (1.0 / static_cast<double>(heads));
    e.ifThen(writes & (head == 0), [&] { store(e.i32(0), u, x); });
  }
}
