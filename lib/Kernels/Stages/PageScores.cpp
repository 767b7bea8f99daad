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

SmallVector<Words4> PageScores::loadQuery(KernelEmitter &e, const ScorePagesConfig &config, Expr q, Expr sequence,
                                          Expr kvHead) {
  const int64_t group = config.shape.group;
  return loadQueryWords(e, config.shape, q, sequence, kvHead * group, group, 16 / getElementBytes(config));
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

PageScores::Rows PageScores::load(Expr summary, Expr kvHead, std::array<Expr, 2> physical) const {
  const AttentionShape &shape = config.shape;
  const int64_t pieces = shape.headDim * getElementBytes(config) / 16, rows = config.summary.getNumRows();
  const int64_t factors = isCoded(config) ? llvm::divideCeil(rows * 8, 16) : 0; // pieces of 16 bytes, behind the rows
  // Rows of 8 bits have their factors between them, and begin anywhere.
  const int64_t run = factors == 0 ? rows * pieces * 16 : 0;
  LaneGrid at(e);
  Rows result;
  for (int half = 0; half < 2; ++half) {
    Expr page = (physical[half] * shape.kvHeads + kvHead) * (rows * pieces + factors);
    for (int64_t piece = 0; piece < rows * pieces; piece += 4)
      result.half[half].push_back(e.loadWords4(summary, page + piece + at.column, Access::Streaming, run));
    for (int64_t piece = 0; piece < factors; ++piece)
      for (Expr word : e.loadWords4(summary, page + (rows * pieces + piece), Access::Streaming))
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
  SmallVector<std::array<Expr, 4>> terms(config.selector.getNumTerms(), {e.f32(0), e.f32(0), e.f32(0), e.f32(0)});
  for (const Coefficients &c : parts) {
    SmallVector<Expr> a = expandRow(rows.half[0], c.row, finite), b = expandRow(rows.half[1], c.row, finite);
    std::array<Expr, 4> before = terms[c.term];
    if (isCoded(config))
      terms[c.term] = {e.f32(0), e.f32(0), e.f32(0), e.f32(0)};
    for (size_t w = 0; w < c.words.size(); w += 2)
      terms[c.term] = e.mma(product, {a[w], b[w], a[w + 1], b[w + 1]}, {c.words[w], c.words[w + 1]}, terms[c.term]);
    // A row's numbers are scale * code + zero: their product takes the sum of the coefficients.
    for (int k = 0; isCoded(config) && k < 4; ++k) {
      const SmallVector<Expr> &factors = rows.factors[k / 2];
      terms[c.term][k] = before[k] + (terms[c.term][k] * factors[2 * c.row] + factors[2 * c.row + 1] * c.sums[k % 2]);
    }
  }
  return terms;
}

// An infinite bound times 0 is NaN, and bounds are hardly ever infinite: only where a product is not finite are they
// taken again as the largest f16.
SmallVector<std::array<Expr, 4>> PageScores::multiplyFinite(const Rows &rows) const {
  SmallVector<std::array<Expr, 4>> terms = multiply(rows, /*finite=*/false);
  if (!isa<Float8E5M2Type>(config.summary.getElementType()))
    return terms;
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

void PageScores::score(const Rows &rows, std::array<Expr, 2> pages, Expr end, Expr length,
                       function_ref<void(Expr, Expr, Expr)> store) const {
  const AttentionShape &shape = config.shape;
  const int64_t heads = shape.group;
  LaneGrid at(e);
  SmallVector<std::array<Expr, 4>> terms = multiplyFinite(rows);
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
      for (auto [term, scale] : llvm::zip_equal(terms, scales))
        dots.push_back(term[half * 2 + i] * scale[i]);
      Expr x = e.wrap(config.selector.combineTerms(e, e.getLoc(), dots));
      x = select(x == x, x, e.f32(-infinity));
      value[i] = select(forced, e.f32(infinity), x);
    }
    Expr head = at.column * 2, inside = u < end;
    if (config.group == SelectGroup::PerHead) {
      for (int i = 0; i < 2; ++i)
        e.ifThen(inside & (head + i < heads), [&] { store(head + i, u, value[i]); });
      continue;
    }
    bool isMax = config.group == SelectGroup::Max;
    Expr neutral = e.f32(isMax ? -infinity : 0.0);
    for (int i = 0; i < 2; ++i)
      value[i] = select(head + i < heads, value[i], neutral);
    auto combine = [&](Expr a, Expr b) { return isMax ? max(a, b) : a + b; };
    Expr x = combine(value[0], value[1]);
    x = combine(x, e.shuffleXor(x, 1));
    x = combine(x, e.shuffleXor(x, 2));
    if (!isMax)
      x = x * (1.0 / static_cast<double>(heads));
    e.ifThen(inside & (at.column == 0), [&] { store(e.i32(0), u, x); });
  }
}
