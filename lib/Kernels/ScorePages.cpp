// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Importance of every page from its summary.
//
//   for 16 pages at a time, one warp:
//     rows  = summary[page_table[b, u], g]                  R rows of D, 16 bytes a lane and load
//     terms = rows . coefficients of the G query heads      tensor cores, m = pages, n = heads
//     x     = combine(terms); forced pages +inf; NaN -inf
//     importance[b, list, u] = max | mean over heads, or each head's own
//
// Bytes: R * D * 2 for each page and kv head, read once; 4 for each page and list, written.
// Shared memory: none. Barriers: none.

#include "Atoms/Atoms.h"

#include "twilight/Kernels/Kernels.h"

#include <limits>

using namespace mlir;
using namespace twilight;

namespace {

/// Coefficients of one summary row in one term: 16-bit words in the order of loadQueryWords, in one part where the
/// transform is exact in the summary's type, else in a leading and a remaining part.
struct Coefficients {
  unsigned term, row;
  SmallVector<Words4> words;
};

struct Terms {
  SmallVector<Coefficients> parts;
  SmallVector<std::array<Expr, 2>> scales; ///< for each term, what its sums for the lane's two heads are multiplied by
};

Terms makeTerms(KernelEmitter &e, const ScorePagesConfig &config, ArrayRef<Words4> query) {
  Type stored = config.summary.getElementType();
  LaneGrid at(e);
  Terms terms;
  for (unsigned term = 0; term < config.selector.getNumTerms(); ++term) {
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
    terms.scales.push_back({e.shuffle(scale, at.column * 8), e.shuffle(scale, at.column * 8 + 4)});
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
      terms.parts.push_back(leading);
      if (!exact)
        terms.parts.push_back(rest);
    }
  }
  return terms;
}

/// Blocks that fit a multiprocessor: coefficients in two parts leave room for one.
int64_t residentBlocks(const ScorePagesConfig &config) {
  int64_t parts = 0;
  for (unsigned term = 0; term < config.selector.getNumTerms(); ++term)
    for (unsigned row = 0; row < config.summary.getNumRows(); ++row)
      parts += config.selector.isTransformExact(term, row) && config.summary.getElementType() == config.shape.queryType
                   ? 1
                   : 2;
  return parts > 2 * config.summary.getNumRows() + 2 ? 1 : kScorePagesResident;
}

} // namespace

KernelInfo twilight::buildScorePages(gpu::GPUModuleOp module, StringRef name, const ScorePagesConfig &config) {
  const AttentionShape &shape = config.shape;
  const int64_t chunks = shape.headDim / 32, rows = config.summary.getNumRows(), heads = shape.group;
  MLIRContext *context = module.getContext();
  Type i32 = IntegerType::get(context, 32), pointer = LLVM::LLVMPointerType::get(context, 1);
  KernelEmitter e(module, name, /*threads=*/256, {pointer, pointer, pointer, pointer, pointer, i32, i32},
                  residentBlocks(config));
  Expr q = e.parameter(0), summary = e.parameter(1), importance = e.parameter(4), maxPages = e.parameter(5),
       perBlock = e.parameter(6);
  const int64_t together = getHeadsPerBlock(shape.kvHeads), warps = e.getWarps() / together;
  Expr sequence = e.block(gpu::Dimension::z), warp = e.warp();
  Expr kvHead = e.block(gpu::Dimension::x) * together + warp % together;
  PagedRows paged{shape, e.parameter(2), maxPages, sequence, kvHead};
  LaneGrid at(e);
  Expr start = e.block(gpu::Dimension::y) * perBlock, first = start + warp / together * 16;
  // The table is read one step ahead, so that its latency hides behind the rows of this step; the first entries and the
  // query are asked for before anything is waited for. What the table holds past the sequence's pages is not used.
  auto entryOf = [&](Expr u) { return paged.page(e, min(u, maxPages - 1)); };
  Expr entries[2] = {entryOf(first + at.row), entryOf(first + at.row + 8)};
  SmallVector<Words4> query = loadQueryWords(e, shape, q, sequence, kvHead * heads, heads);
  Expr length = e.load(e.parameter(3), sequence, i32), pages = ceilDiv(length, shape.pageSize);
  Expr end = min(pages, start + perBlock);
  auto physicalOf = [&](Expr entry, Expr u) { return select(u < pages, entry, e.i32(0)); };

  e.ifThen(start < pages, [&] {
    Terms coefficients = makeTerms(e, config, query);
    Exprs carried = {entries[0], entries[1]};
    e.forRange(first, end, e.i32(warps * 16), carried, [&](Expr tile, ArrayRef<Expr> current) {
      Expr pageOfRow[2] = {tile + at.row, tile + at.row + 8};
      Expr physical[2] = {physicalOf(current[0], pageOfRow[0]), physicalOf(current[1], pageOfRow[1])};
      SmallVector<Words4> data[2];
      for (int half = 0; half < 2; ++half)
        for (int64_t row = 0; row < rows; ++row)
          for (int64_t j = 0; j < chunks; ++j) {
            Expr base = (physical[half] * shape.kvHeads + kvHead) * rows + row;
            data[half].push_back(
                e.loadWords4(summary, base * (shape.headDim / 8) + (j * 4) + at.column, Access::Streaming));
          }
      Expr step = tile + warps * 16;
      Exprs next = {entryOf(step + at.row), entryOf(step + at.row + 8)};

      SmallVector<std::array<Expr, 4>> terms(config.selector.getNumTerms(), {e.f32(0), e.f32(0), e.f32(0), e.f32(0)});
      for (const Coefficients &c : coefficients.parts)
        for (int64_t j = 0; j < chunks; ++j) {
          const Words4 &a = data[0][c.row * chunks + j], &b = data[1][c.row * chunks + j], &w = c.words[j];
          Type type = config.summary.getElementType();
          terms[c.term] = e.mma(type, {a[0], b[0], a[1], b[1]}, {w[0], w[1]}, terms[c.term]);
          terms[c.term] = e.mma(type, {a[2], b[2], a[3], b[3]}, {w[2], w[3]}, terms[c.term]);
        }

      const double infinity = std::numeric_limits<double>::infinity();
      for (int half = 0; half < 2; ++half) {
        Expr u = pageOfRow[half];
        Expr forced = e.boolean(false);
        if (config.sink > 0)
          forced = forced | (u * shape.pageSize < config.sink);
        if (config.recent > 0)
          forced = forced | ((u + 1) * shape.pageSize > length - config.recent);
        Expr value[2];
        for (int i = 0; i < 2; ++i) {
          SmallVector<Value> dots;
          for (auto [term, scales] : llvm::zip_equal(terms, coefficients.scales))
            dots.push_back(term[half * 2 + i] * scales[i]);
          Expr x = e.wrap(config.selector.combineTerms(e, e.getLoc(), dots));
          x = select(x == x, x, e.f32(-infinity));
          value[i] = select(forced, e.f32(infinity), x);
        }
        Expr head = at.column * 2, inside = u < end;
        if (config.group == SelectGroup::PerHead) {
          for (int i = 0; i < 2; ++i)
            e.ifThen(inside & (head + i < heads), [&] {
              Expr list = sequence * shape.queryHeads() + kvHead * heads + head + i;
              e.store(importance, list * maxPages + u, value[i]);
            });
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
        e.ifThen(inside & (at.column == 0),
                 [&] { e.store(importance, (sequence * shape.kvHeads + kvHead) * maxPages + u, x); });
      }
      return next;
    });
  });
  return {e.finish(), e.getThreads(), e.getSharedBytes()};
}
