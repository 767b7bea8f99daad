// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Importance of pages from their summaries, 16 pages at a time, by one warp.

#include "PageScores.h"

#include <limits>

using namespace mlir;
using namespace twilight;

// What the tensor cores multiply: rows of 16 bits as they are, of 8 bits as f16.
static Type getProductType(const ScorePagesConfig &config) {
  Type stored = config.summary.getElementType();
  return stored.getIntOrFloatBitWidth() == 8 ? Float16Type::get(stored.getContext()) : stored;
}

static bool isCoded(const ScorePagesConfig &config) { return config.summary.getElementType().isInteger(8); }

static int64_t getElementBytes(const ScorePagesConfig &config) {
  return config.summary.getElementType().getIntOrFloatBitWidth() / 8;
}

// Whether one 16-bit coefficient is the transformed query. Scaled to [1, 2), f16 has all bits of a bf16 that count.
static bool isExact(const ScorePagesConfig &config, unsigned term, unsigned row) {
  Type product = getProductType(config);
  return config.selector.isTransformExact(term, row) && (product.isF16() || product == config.shape.queryType);
}

// Up to four heads have a column for the even words of a page and one for the odd ones. A lane's 16 bytes of one page
// are then a whole fragment of the left factor, where they fall: its rows r and r + 8 are the even and the odd words.
// With more heads these are two pages, whose words have to be interleaved, and a lane holds twice the coefficients.
static bool isPaired(const ScorePagesConfig &config) { return config.shape.group <= 4; }

// Pieces of 16 bytes: of a row, and of the factors behind all rows.
static int64_t rowPieces(const ScorePagesConfig &config) { return config.shape.headDim * getElementBytes(config) / 16; }
static int64_t factorPieces(const ScorePagesConfig &config) {
  return isCoded(config) ? llvm::divideCeil(config.summary.getNumRows() * 8, 16) : 0;
}

// Eight lanes may take 128 bytes of a page, in place of four and 64: a load of a warp then asks for four whole lines,
// not for eight halves. A row of the left factor holds one half of that; each half has coefficients of its own, so
// there are two products, of which a row's own is right. Rows of 8 bits need as many more instructions, and lost more
// than they won; two terms of four pages take more registers than there are.
static bool isWide(const ScorePagesConfig &config) {
  return config.wholeLines && isPaired(config) && getElementBytes(config) == 2 && rowPieces(config) % 8 == 0 &&
         config.selector.getNumTerms() == 1;
}
static int64_t countHalves(const ScorePagesConfig &config) { return isWide(config) ? 2 : 1; }
static int64_t lanesOfPage(const ScorePagesConfig &config) { return isWide(config) ? 8 : 4; }
static int64_t pagesOfLane(const ScorePagesConfig &config) { return 16 * lanesOfPage(config) / kWarp; }

// Coefficient words of one of 4 lanes for its 16 bytes of a row.
static size_t wordsOfPiece(const ScorePagesConfig &config) {
  return (isPaired(config) ? 8 : 16) / static_cast<size_t>(getElementBytes(config)) / 2;
}

SmallVector<Words4> PageScores::loadQuery(KernelEmitter &e, const ScorePagesConfig &config, Expr q, Expr sequence,
                                          Expr kvHead) {
  const int64_t group = config.shape.group;
  Expr row = LaneGrid(e).row;
  return loadQueryWords(e, config.shape, q, sequence, kvHead * group, group, 16 / getElementBytes(config),
                        isPaired(config) ? row & 3 : row);
}

PageScores::PageScores(KernelEmitter &e, const ScorePagesConfig &config, ArrayRef<Words4> query)
    : e(e), config(config), product(getProductType(config)) {
  for (unsigned term = 0; term < config.selector.getNumTerms(); ++term)
    addTerm(term, query);
}

void PageScores::addTerm(unsigned term, ArrayRef<Words4> query) {
  LaneGrid at(e);
  // All rows of the term first: they share one scale.
  SmallVector<std::pair<unsigned, SmallVector<Expr>>> rows;
  SmallVector<Expr> all;
  bool exact = true;
  for (unsigned row = 0; row < config.summary.getNumRows(); ++row) {
    if (!config.selector.transformQuery(e, e.getLoc(), e.f32(0), term, row))
      continue;
    exact = exact && isExact(config, term, row);
    SmallVector<Expr> values;
    for (const Words4 &chunk : query)
      for (Expr word : chunk)
        for (Expr q : e.unpack(word, config.shape.queryType))
          values.push_back(e.wrap(config.selector.transformQuery(e, e.getLoc(), q, term, row)));
    all.append(values);
    rows.emplace_back(row, values);
  }
  // f16 cannot hold every f32 magnitude: coefficients are brought to [1, 2) by a power of two, which is exact.
  Expr scale = e.f32(1);
  if (product.isF16() && !(exact && config.shape.queryType.isF16()))
    scale = powerOfTwo(e, all);
  scales.push_back({e.shuffle(scale, at.column * 8), e.shuffle(scale, at.column * 8 + 4)});
  Expr inverse = e.f32(1) / scale;
  for (auto &[row, values] : rows) {
    Coefficients leading{term, row, {}, {}}, rest{term, row, {}, {}};
    const size_t inWord = 4 / getElementBytes(config), apart = inWord / 2;
    for (size_t first = 0; first < values.size(); first += inWord)
      for (size_t i = first; i < first + apart; ++i) {
        Expr x = values[i] * inverse, y = values[i + apart] * inverse;
        leading.words.push_back(e.pack(x, y, product));
        std::array<Expr, 2> rounded = e.unpack(leading.words.back(), product);
        rest.words.push_back(e.pack(x - rounded[0], y - rounded[1], product));
      }
    if (isPaired(config))
      for (Coefficients *part : {&leading, &rest}) {
        SmallVector<Expr> own;
        Expr isOdd = at.row >= 4;
        for (size_t w = 0; w < part->words.size(); w += 2)
          own.push_back(select(isOdd, part->words[w + 1], part->words[w]));
        part->words = own;
      }
    parts.push_back(leading);
    if (!exact)
      parts.push_back(rest);
  }
  if (isCoded(config))
    for (Coefficients &part : parts)
      if (part.term == term)
        part.sums = sumHeads(part.words);
}

std::array<Expr, 2> PageScores::sumHeads(ArrayRef<Expr> words) const {
  Expr sum = e.f32(0);
  for (Expr word : words)
    for (Expr x : e.unpack(word, product))
      sum = sum + x;
  sum = sum + e.shuffleXor(sum, 1);
  sum = sum + e.shuffleXor(sum, 2);
  Expr column = LaneGrid(e).column;
  return {e.shuffle(sum, column * 8), e.shuffle(sum, column * 8 + 4)};
}

int64_t PageScores::countParts(const ScorePagesConfig &config) {
  int64_t parts = 0;
  for (unsigned term = 0; term < config.selector.getNumTerms(); ++term)
    for (unsigned row = 0; row < config.summary.getNumRows(); ++row)
      parts += isExact(config, term, row) ? 1 : 2;
  return parts;
}

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
  const int64_t pieces = config.summary.getNumRows() * rowPieces(config) + factorPieces(config);
  const int64_t lanes = lanesOfPage(config);
  Expr physical = e.shuffle(entry, e.lane() / lanes + page * (kWarp / lanes));
  return (physical * config.shape.kvHeads + kvHead) * pieces;
}

PageScores::PageRows PageScores::load(Expr summary, Expr place) const {
  const int64_t pieces = config.summary.getNumRows() * rowPieces(config), factors = factorPieces(config);
  // Rows of 8 bits have their factors between them, and begin anywhere.
  const int64_t run = factors == 0 ? pieces * 16 : 0, lanes = lanesOfPage(config);
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
      if (getElementBytes(config) == 2) {
        words.push_back(word);
        continue;
      }
      std::array<Expr, 2> pairs = isCoded(config) ? e.expandBytes(word)
                                  : finite        ? e.expandFiniteE5M2(word)
                                                  : e.expandE5M2(word);
      words.append(pairs.begin(), pairs.end());
    }
  return words;
}

PageScores::PageTerms PageScores::multiply(const Rows &rows, int64_t page, bool finite) const {
  const bool paired = isPaired(config);
  const Fragment zeros = {e.f32(0), e.f32(0), e.f32(0), e.f32(0)};
  const size_t halves = countHalves(config), each = wordsOfPiece(config);
  PageTerms terms(config.selector.getNumTerms(), {zeros, zeros});
  for (const Coefficients &c : parts) {
    SmallVector<Expr> a = expandRow(rows[page].words, c.row, finite), b;
    if (!paired)
      b = expandRow(rows[page + 1].words, c.row, finite);
    for (size_t half = 0; half < halves; ++half) {
      Fragment &sum = terms[c.term][half], before = sum;
      if (isCoded(config))
        sum = zeros;
      for (size_t w = 0; w < c.words.size(); w += 2) {
        // In the order of 16 bytes of four lanes; a load of eight has two of these.
        size_t piece = w / each, i = piece / halves * each + w % each;
        if (piece % halves != half)
          continue;
        Fragment left = paired ? Fragment{a[2 * i], a[2 * i + 1], a[2 * i + 2], a[2 * i + 3]}
                               : Fragment{a[i], b[i], a[i + 1], b[i + 1]};
        sum = e.mma(product, left, {c.words[w], c.words[w + 1]}, sum);
      }
      // A row's numbers are scale * code + zero: their product takes the sum of the coefficients.
      for (int k = 0; isCoded(config) && k < 4; ++k) {
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
  const int64_t halves = countHalves(config);
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
      for (int64_t page = 0; page < pagesOfLane(config); ++page)
        rows.push_back(load(summary, placeOf(current[0], page, kvHead)));
      Exprs next = {current[1], later(tile)};
      score(rows, tile, walk.end, length, [](int64_t) {}, store);
      return next;
    });
    return;
  }
  Rows first;
  for (int64_t page = 0; page < pagesOfLane(config); ++page)
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
  size_t words = 2 * static_cast<size_t>(config.summary.getNumRows() * rowPieces(config) + 4 * factorPieces(config));
  for (const Coefficients &part : parts)
    words += part.words.size();
  return words <= kRoom && !isCoded(config);
}

PageScores::PageDots PageScores::ownOf(const PageTerms &terms, int64_t half) const {
  LaneGrid at(e);
  PageDots own;
  for (const std::array<Fragment, 2> &sums : terms) {
    std::array<Expr, 2> &dots = own.emplace_back();
    for (int64_t i = 0; i < 2; ++i) {
      // Columns 0 to 3 are right in the rows of even words, 4 to 7 in those of odd ones.
      auto ofWords = [&](const Fragment &sum) {
        return isPaired(config) ? select(at.column < 2, sum[i], sum[2 + i]) : sum[half * 2 + i];
      };
      dots[i] = isWide(config) ? select((at.row & 1) == 0, ofWords(sums[0]), ofWords(sums[1])) : ofWords(sums[0]);
    }
  }
  return own;
}

SmallVector<PageScores::Dots> PageScores::gather(ArrayRef<PageDots> pages) const {
  if (isWide(config))
    return {gatherWide(pages)};
  LaneGrid at(e);
  SmallVector<Dots> all;
  for (auto [page, terms] : llvm::enumerate(pages)) {
    Dots dots{at.row + static_cast<int64_t>(page) * 8, at.column * 2, e.boolean(true), terms};
    if (isPaired(config)) {
      dots.head = (at.column & 1) * 2;
      dots.isWriter = at.column < 2;
    }
    for (auto [term, scale] : llvm::zip_equal(dots.terms, scales))
      for (int64_t i = 0; i < 2; ++i) {
        if (isPaired(config))
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
  for (auto [t, scale] : llvm::enumerate(scales)) {
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
  for (size_t page = 0; page < rows.size(); page += isPaired(config) ? 1 : 2) {
    PageTerms terms = multiplyFinite(rows, page);
    for (size_t half = 0; half < (isPaired(config) ? 1 : 2); ++half)
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
    if (!isPaired(config))
      x = combine(x, e.shuffleXor(x, 2));
    if (!isMax)
      x = x * (1.0 / static_cast<double>(heads));
    e.ifThen(writes & (head == 0), [&] { store(e.i32(0), u, x); });
  }
}
