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
  for (int h = 0; h < 2; ++h) {
    for (const Words4 &words : half[h])
      all.append(words.begin(), words.end());
    all.append(factors[h]);
  }
  return all;
}

PageScores::Rows PageScores::Rows::unpack(ArrayRef<Expr> packed) const {
  Rows result = *this;
  for (int h = 0; h < 2; ++h) {
    for (Words4 &words : result.half[h])
      for (Expr &word : words)
        word = packed.consume_front();
    for (Expr &factor : result.factors[h])
      factor = packed.consume_front();
  }
  return result;
}

// Pieces of 16 bytes: of a row, and of the factors behind all rows.
static int64_t rowPieces(const ScorePagesConfig &config) { return config.shape.headDim * getElementBytes(config) / 16; }
static int64_t factorPieces(const ScorePagesConfig &config) {
  return isCoded(config) ? llvm::divideCeil(config.summary.getNumRows() * 8, 16) : 0;
}

Expr PageScores::placeOf(Expr physical, Expr kvHead) const {
  const int64_t pieces = config.summary.getNumRows() * rowPieces(config) + factorPieces(config);
  return (physical * config.shape.kvHeads + kvHead) * pieces;
}

PageScores::Rows PageScores::load(Expr summary, std::array<Expr, 2> places) const {
  const int64_t pieces = config.summary.getNumRows() * rowPieces(config), factors = factorPieces(config);
  // Rows of 8 bits have their factors between them, and begin anywhere.
  const int64_t run = factors == 0 ? pieces * 16 : 0;
  Expr column = LaneGrid(e).column;
  Rows result;
  for (int half = 0; half < 2; ++half) {
    for (int64_t piece = 0; piece < pieces; piece += 4)
      result.half[half].push_back(e.loadWords4(summary, places[half] + piece + column, Access::Streaming, run));
    for (int64_t piece = 0; piece < factors; ++piece)
      for (Expr word : e.loadWords4(summary, places[half] + (pieces + piece), Access::Streaming))
        result.factors[half].push_back(word.bitcast(e.getF32Type()));
  }
  return result;
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

SmallVector<std::array<Expr, 4>> PageScores::multiply(const Rows &rows, bool finite) const {
  // Fragments of a term: one, or one for each of the lane's pages.
  const bool paired = isPaired(config);
  const unsigned fragments = paired ? 2 : 1;
  SmallVector<std::array<Expr, 4>> terms(config.selector.getNumTerms() * fragments,
                                         {e.f32(0), e.f32(0), e.f32(0), e.f32(0)});
  for (const Coefficients &c : parts) {
    std::array<SmallVector<Expr>, 2> rowWords = {expandRow(rows.half[0], c.row, finite),
                                                 expandRow(rows.half[1], c.row, finite)};
    for (unsigned f = 0; f < fragments; ++f) {
      std::array<Expr, 4> &sum = terms[c.term * fragments + f], before = sum;
      if (isCoded(config))
        sum = {e.f32(0), e.f32(0), e.f32(0), e.f32(0)};
      for (size_t w = 0; w < c.words.size(); w += 2) {
        const SmallVector<Expr> &a = rowWords[f], &b = rowWords[1];
        std::array<Expr, 4> left = paired ? std::array<Expr, 4>{a[2 * w], a[2 * w + 1], a[2 * w + 2], a[2 * w + 3]}
                                          : std::array<Expr, 4>{a[w], b[w], a[w + 1], b[w + 1]};
        sum = e.mma(product, left, {c.words[w], c.words[w + 1]}, sum);
      }
      // A row's numbers are scale * code + zero: their product takes the sum of the coefficients.
      for (int k = 0; isCoded(config) && k < 4; ++k) {
        const SmallVector<Expr> &factors = rows.factors[paired ? f : k / 2];
        sum[k] = before[k] + (sum[k] * factors[2 * c.row] + factors[2 * c.row + 1] * c.sums[k % 2]);
      }
    }
  }
  return terms;
}

// An infinite bound times 0 is NaN, and bounds are hardly ever infinite: only where a product is not finite are they
// taken again as the largest f16.
SmallVector<std::array<Expr, 4>> PageScores::multiplyFinite(const Rows &rows) const {
  if (!isa<Float8E5M2Type>(config.summary.getElementType()))
    return multiply(rows, /*finite=*/false);
  SmallVector<std::array<Expr, 4>> terms = multiply(rows, /*finite=*/false);
  auto flat = [](ArrayRef<std::array<Expr, 4>> of) {
    Exprs all;
    for (const std::array<Expr, 4> &four : of)
      all.append(four.begin(), four.end());
    return all;
  };
  Expr largest = e.i32(0);
  for (Expr x : flat(terms))
    largest = max(largest, x.bitcast(e.getI32Type()) & 0x7FFFFFFF);
  Exprs finite = e.ifElse(
      e.ballot(largest >= 0x7F800000) != 0, [&] { return flat(multiply(rows, /*finite=*/true)); },
      [&] { return flat(terms); });
  for (size_t i = 0; i < finite.size(); ++i)
    terms[i / 4][i % 4] = finite[i];
  return terms;
}

std::array<Expr, 4> PageScores::firstPages(KernelEmitter &e, const Walk &walk) {
  Expr first = walk.first + LaneGrid(e).row;
  return {first, first + 8, first + walk.step, first + (walk.step + 8)};
}

void PageScores::walk(const Walk &walk, Expr summary, Expr kvHead, Expr length, std::array<Expr, 4> entries,
                      function_ref<Expr(Expr)> entryOf, function_ref<void(Expr, Expr, Expr)> store) const {
  Expr row = LaneGrid(e).row;
  auto placesOf = [&](Expr first, Expr second) {
    return std::array<Expr, 2>{placeOf(first, kvHead), placeOf(second, kvHead)};
  };
  auto pagesOf = [&](Expr tile) { return std::array<Expr, 2>{tile + row, tile + row + 8}; };
  auto later = [&](Expr tile) {
    std::array<Expr, 2> pages = pagesOf(tile + 2 * walk.step);
    return Exprs{entryOf(pages[0]), entryOf(pages[1])};
  };
  if (!hasRoomAhead()) {
    Exprs carried(entries.begin(), entries.end());
    e.forRange(walk.first, walk.end, e.i32(walk.step), carried, [&](Expr tile, ArrayRef<Expr> current) {
      Rows rows = load(summary, placesOf(current[0], current[1]));
      Exprs next = {current[2], current[3]};
      next.append(later(tile));
      score(rows, pagesOf(tile), walk.end, length, [] {}, store);
      return next;
    });
    return;
  }
  Rows first = load(summary, placesOf(entries[0], entries[1]));
  Exprs carried = {entries[2], entries[3]};
  carried.append(first.pack());
  e.forRange(walk.first, walk.end, e.i32(walk.step), carried, [&](Expr tile, ArrayRef<Expr> current) {
    std::array<Expr, 2> places = placesOf(current[0], current[1]);
    Exprs next = later(tile);
    Rows reloaded;
    auto reload = [&] { e.inPlace([&] { reloaded = load(summary, places); }); };
    score(first.unpack(current.drop_front(2)), pagesOf(tile), walk.end, length, reload, store);
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

/// A term's product of one of the lane's two pages and one of its two heads.
Expr PageScores::dotOf(ArrayRef<std::array<Expr, 4>> terms, size_t term, int half, int i) const {
  if (!isPaired(config))
    return terms[term][half * 2 + i] * scales[term][i];
  // Columns 0 to 3 are right in the rows of even words, 4 to 7 in those of odd ones.
  const std::array<Expr, 4> &sum = terms[term * 2 + half];
  Expr own = select(LaneGrid(e).column < 2, sum[i], sum[2 + i]) * scales[term][i];
  return own + e.shuffleXor(own, 2);
}

void PageScores::score(const Rows &rows, std::array<Expr, 2> pages, Expr end, Expr length, function_ref<void()> reload,
                       function_ref<void(Expr, Expr, Expr)> store) const {
  const AttentionShape &shape = config.shape;
  const int64_t heads = shape.group;
  const bool paired = isPaired(config);
  LaneGrid at(e);
  SmallVector<std::array<Expr, 4>> terms = multiplyFinite(rows);
  reload();
  const double infinity = std::numeric_limits<double>::infinity();
  for (int half = 0; half < 2; ++half) {
    Expr u = pages[half];
    Expr forced = e.boolean(false);
    if (config.sink > 0)
      forced = forced | (u * shape.pageSize < config.sink);
    if (config.recent > 0)
      forced = forced | ((u + 1) * shape.pageSize > length - config.recent);
    Expr value[2];
    for (int i = 0; i < 2; ++i) {
      SmallVector<Value> dots;
      for (size_t t = 0; t < scales.size(); ++t)
        dots.push_back(dotOf(terms, t, half, i));
      Expr x = e.wrap(config.selector.combineTerms(e, e.getLoc(), dots));
      x = select(x == x, x, e.f32(-infinity));
      value[i] = select(forced, e.f32(infinity), x);
    }
    Expr head = (paired ? at.column & 1 : at.column) * 2, inside = u < end;
    if (config.group == SelectGroup::PerHead) {
      for (int i = 0; i < 2; ++i)
        e.ifThen(inside & (at.column * 2 + i < heads), [&] { store(head + i, u, value[i]); });
      continue;
    }
    bool isMax = config.group == SelectGroup::Max;
    Expr neutral = e.f32(isMax ? -infinity : 0.0);
    for (int i = 0; i < 2; ++i)
      value[i] = select(head + i < heads, value[i], neutral);
    auto combine = [&](Expr a, Expr b) { return isMax ? max(a, b) : a + b; };
    Expr x = combine(value[0], value[1]);
    x = combine(x, e.shuffleXor(x, 1));
    if (!paired)
      x = combine(x, e.shuffleXor(x, 2));
    if (!isMax)
      x = x * (1.0 / static_cast<double>(heads));
    e.ifThen(inside & (at.column == 0), [&] { store(e.i32(0), u, x); });
  }
}
