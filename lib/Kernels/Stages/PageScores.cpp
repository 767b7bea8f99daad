// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Importance of pages from their summaries, 16 pages at a time, by one warp.

#include "PageScores.h"

#include <limits>

using namespace mlir;
using namespace twilight;

SmallVector<Words4> PageScores::loadQuery(KernelEmitter &e, const ScorePagesConfig &config, Expr q, Expr sequence,
                                          Expr kvHead) {
  return loadQueryWords(e, config.shape, q, sequence, kvHead * config.shape.group, config.shape.group);
}

PageScores::PageScores(KernelEmitter &e, const ScorePagesConfig &config, ArrayRef<Words4> query)
    : e(e), config(config) {
  for (unsigned term = 0; term < config.selector.getNumTerms(); ++term)
    addTerm(term, query);
}

void PageScores::addTerm(unsigned term, ArrayRef<Words4> query) {
  Type stored = config.summary.getElementType();
  LaneGrid at(e);
  // All rows of the term first: they share one scale.
  SmallVector<std::pair<unsigned, SmallVector<Expr>>> rows;
  SmallVector<Expr> all;
  bool exact = stored == config.shape.queryType;
  for (unsigned row = 0; row < config.summary.getNumRows(); ++row) {
    if (!config.selector.transformQuery(e, e.getLoc(), e.f32(0), term, row))
      continue;
    exact = exact && config.selector.isTransformExact(term, row);
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
  if (stored.isF16() && !exact)
    scale = powerOfTwo(e, all);
  scales.push_back({e.shuffle(scale, at.column * 8), e.shuffle(scale, at.column * 8 + 4)});
  Expr inverse = e.f32(1) / scale;
  for (auto &[row, values] : rows) {
    Coefficients leading{term, row, {}}, rest{term, row, {}};
    for (size_t i = 0; i < values.size(); i += 8) {
      Words4 leadingWords, restWords;
      for (int w = 0; w < 4; ++w) {
        Expr x = values[i + 2 * w] * inverse, y = values[i + 2 * w + 1] * inverse;
        leadingWords[w] = e.pack(x, y, stored);
        std::array<Expr, 2> rounded = e.unpack(leadingWords[w], stored);
        restWords[w] = e.pack(x - rounded[0], y - rounded[1], stored);
      }
      leading.words.push_back(leadingWords);
      rest.words.push_back(restWords);
    }
    parts.push_back(leading);
    if (!exact)
      parts.push_back(rest);
  }
}

int64_t PageScores::countParts(const ScorePagesConfig &config) {
  int64_t parts = 0;
  for (unsigned term = 0; term < config.selector.getNumTerms(); ++term)
    for (unsigned row = 0; row < config.summary.getNumRows(); ++row)
      parts += config.selector.isTransformExact(term, row) && config.summary.getElementType() == config.shape.queryType
                   ? 1
                   : 2;
  return parts;
}

PageScores::Rows PageScores::load(Expr summary, Expr kvHead, std::array<Expr, 2> physical) const {
  const AttentionShape &shape = config.shape;
  const int64_t chunks = shape.headDim / 32, rows = config.summary.getNumRows();
  LaneGrid at(e);
  Rows result;
  for (int half = 0; half < 2; ++half)
    for (int64_t row = 0; row < rows; ++row)
      for (int64_t j = 0; j < chunks; ++j) {
        Expr base = (physical[half] * shape.kvHeads + kvHead) * rows + row;
        result.half[half].push_back(
            e.loadWords4(summary, base * (shape.headDim / 8) + (j * 4) + at.column, Access::Streaming));
      }
  return result;
}

void PageScores::score(const Rows &rows, std::array<Expr, 2> pages, Expr end, Expr length,
                       function_ref<void(Expr, Expr, Expr)> store) const {
  const AttentionShape &shape = config.shape;
  const int64_t chunks = shape.headDim / 32, heads = shape.group;
  LaneGrid at(e);
  SmallVector<std::array<Expr, 4>> terms(config.selector.getNumTerms(), {e.f32(0), e.f32(0), e.f32(0), e.f32(0)});
  Type type = config.summary.getElementType();
  for (const Coefficients &c : parts)
    for (int64_t j = 0; j < chunks; ++j) {
      const Words4 &a = rows.half[0][c.row * chunks + j], &b = rows.half[1][c.row * chunks + j], &w = c.words[j];
      terms[c.term] = e.mma(type, {a[0], b[0], a[1], b[1]}, {w[0], w[1]}, terms[c.term]);
      terms[c.term] = e.mma(type, {a[2], b[2], a[3], b[3]}, {w[2], w[3]}, terms[c.term]);
    }

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
