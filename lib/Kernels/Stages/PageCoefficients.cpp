// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// What the rows of pages are multiplied by to score them, and how a warp holds both.

#include "PageCoefficients.h"

using namespace mlir;
using namespace twilight;

PageLayout::PageLayout(const ScorePagesConfig &config) {
  Type stored = config.summary.getElementType();
  const int64_t rows = config.summary.getNumRows();
  elementBytes = stored.getIntOrFloatBitWidth() / 8;
  product = elementBytes == 1 ? Float16Type::get(stored.getContext()) : stored;
  coded = stored.isInteger(8);
  rowPieces = config.shape.headDim * elementBytes / 16;
  factorPieces = coded ? llvm::divideCeil(rows * 8, 16) : 0;
  // Up to four heads have a column for the even words of a page and one for the odd ones. A lane's 16 bytes of one page
  // are then a whole fragment of the left factor, where they fall: its rows r and r + 8 are the even and the odd words.
  // With more heads these are two pages, whose words have to be interleaved, and a lane holds twice the coefficients.
  paired = config.shape.group <= 4;
  // Eight lanes may take 128 bytes of a page, in place of four and 64: a load of a warp then asks for four whole lines,
  // not for eight halves. A row of the left factor holds one half of that; each half has coefficients of its own, so
  // there are two products, of which a row's own is right. Rows of 8 bits need as many more instructions, and lost more
  // than they won; two terms of four pages take more registers than there are.
  wide = config.wholeLines && paired && elementBytes == 2 && rowPieces % 8 == 0 && config.selector.getNumTerms() == 1;
}

// Whether one 16-bit coefficient is the transformed query. Scaled to [1, 2), f16 has all bits of a bf16 that count.
static bool isExact(const ScorePagesConfig &config, unsigned term, unsigned row) {
  Type product = PageLayout(config).product;
  return config.selector.isTransformExact(term, row) && (product.isF16() || product == config.shape.queryType);
}

SmallVector<Words4> PageCoefficients::loadQuery(KernelEmitter &e, const ScorePagesConfig &config, Expr q, Expr sequence,
                                                Expr kvHead) {
  const int64_t group = config.shape.group;
  const PageLayout layout(config);
  Expr row = LaneGrid(e).row;
  return loadQueryWords(e, config.shape, q, sequence, kvHead * group, group, 16 / layout.elementBytes,
                        layout.paired ? row & 3 : row);
}

PageCoefficients::PageCoefficients(KernelEmitter &e, const ScorePagesConfig &config, ArrayRef<Words4> query)
    : e(e), config(config), layout(config) {
  LaneGrid at(e);
  SmallVector<Expr> pairs = pair(query);
  for (unsigned term = 0; term < config.selector.getNumTerms(); ++term) {
    Expr scale = addParts(term, pairs, /*lanes=*/layout.paired ? 16 | 3 : 3);
    scales.push_back({e.shuffle(scale, at.column * 8), e.shuffle(scale, at.column * 8 + 4)});
  }
  addSums();
}

// Chosen before anything is made of them: a lane of a pair then makes only its half of the coefficients.
Expr PageCoefficients::pairOf(const Words4 &chunk, size_t word, Expr isOdd) const {
  if (layout.elementBytes == 1)
    return e.permuteBytes(chunk[word], chunk[word + 1], select(isOdd, e.i32(0x7632), e.i32(0x5410)));
  return select(isOdd, chunk[word + 1], chunk[word]);
}

SmallVector<Expr> PageCoefficients::pair(ArrayRef<Words4> query) const {
  const bool apart = layout.elementBytes == 1;
  Expr isOdd = LaneGrid(e).row >= 4;
  SmallVector<Expr> pairs;
  for (const Words4 &chunk : query)
    for (size_t w = 0; w < 4; w += 2) {
      Expr a = chunk[w], b = chunk[w + 1];
      if (layout.paired)
        pairs.push_back(pairOf(chunk, w, isOdd));
      else
        pairs.append({apart ? e.lowHalves(a, b) : a, apart ? e.highHalves(a, b) : b});
    }
  return pairs;
}

// A head has a warp, and each of its 16 bytes two lanes: number 8 j + 4 p + c makes what lanes (r, c) need in the j-th
// words of each part, of even (p = 0) or odd words, r = 4 p + head.
namespace {
struct ShareGrid {
  explicit ShareGrid(KernelEmitter &e)
      : head(e.warp() & 3), column(e.lane() & 3), odd((e.lane() >> 2) & 1), chunk(e.lane() >> 3) {}
  Expr head, column, odd, chunk;
};
} // namespace

constexpr int64_t kSharingWarps = 4; ///< one for each head

static int64_t countChunks(const ScorePagesConfig &config) { return config.shape.headDim / 32; }

bool PageCoefficients::canShare(const ScorePagesConfig &config) {
  const PageLayout layout(config);
  return layout.paired && layout.elementBytes == 1 && countChunks(config) <= 4 && config.selector.getNumTerms() == 1 &&
         config.summary.getNumRows() == 2 && countParts(config) == 2;
}

int64_t PageCoefficients::countSharedWords(const ScorePagesConfig &config) {
  return countChunks(config) * kWarp * 4 + 2 * kSharingWarps;
}

Words4 PageCoefficients::loadShare(KernelEmitter &e, const ScorePagesConfig &config, Expr q, Expr sequence,
                                   Expr kvHead) {
  const AttentionShape &shape = config.shape;
  ShareGrid at(e);
  Expr exists = (at.head < shape.group) & (at.chunk < countChunks(config));
  Expr head = sequence * shape.queryHeads() + kvHead * shape.group + select(exists, at.head, e.i32(0));
  Expr chunk = select(exists, at.chunk, e.i32(0)), place = (chunk >> 1) * 8 + at.column * 2 + (chunk & 1);
  Words4 words = e.loadWords4(q, head * (shape.headDim / 8) + place);
  for (Expr &word : words)
    word = select(exists, word, e.i32(0));
  return words;
}

PageCoefficients::PageCoefficients(KernelEmitter &e, const ScorePagesConfig &config, const Words4 &share,
                                   SharedTile tile)
    : e(e), config(config), layout(config) {
  const int64_t chunks = countChunks(config);
  SharedTile scaleTile = tile.from(e.i32(chunks * kWarp * 4)).as(e.getF32Type());
  e.ifThen(e.warp() < kSharingWarps, [&] {
    ShareGrid at(e);
    Expr isOdd = at.odd != 0, row = at.odd * 4 + at.head;
    Expr scale = addParts(0, {pairOf(share, 0, isOdd), pairOf(share, 2, isOdd)}, /*lanes=*/kWarp - 1);
    e.ifThen(at.chunk < chunks, [&] {
      tile.storeFour(at.chunk * kWarp + row * 4 + at.column,
                     {parts[0].words[0], parts[0].words[1], parts[1].words[0], parts[1].words[1]});
    });
    e.ifThen((e.lane() & ~int64_t(4)) == 0, [&] { scaleTile.store(row, scale); });
  });
  e.barrier();
  for (Part &part : parts)
    part.words.clear();
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    std::array<Expr, 4> words = tile.loadFour(e.lane() + chunk * kWarp);
    parts[0].words.append({words[0], words[1]});
    parts[1].words.append({words[2], words[3]});
  }
  Expr first = LaneGrid(e).column * 2;
  scales.push_back({scaleTile.load(first), scaleTile.load(first + 1)});
  addSums();
}

Expr PageCoefficients::addParts(unsigned term, ArrayRef<Expr> query, int64_t lanes) {
  // All rows of the term first: they share one scale.
  SmallVector<std::pair<unsigned, SmallVector<Expr>>> rows;
  SmallVector<Expr> all;
  bool exact = true;
  for (unsigned row = 0; row < config.summary.getNumRows(); ++row) {
    if (!config.selector.transformQuery(e, e.getLoc(), e.f32(0), term, row))
      continue;
    exact = exact && isExact(config, term, row);
    SmallVector<Expr> values;
    for (Expr word : query)
      for (Expr q : e.unpack(word, config.shape.queryType))
        values.push_back(e.wrap(config.selector.transformQuery(e, e.getLoc(), q, term, row)));
    all.append(values);
    rows.emplace_back(row, values);
  }
  // f16 cannot hold every f32 magnitude: coefficients are brought to [1, 2) by a power of two, which is exact.
  Expr scale = e.f32(1), inverse = scale;
  if (layout.product.isF16() && !(exact && config.shape.queryType.isF16())) {
    scale = powerOfTwo(e, all, lanes);
    inverse = reciprocalOfPower(e, scale);
  }
  for (auto &[row, values] : rows) {
    Part leading{term, row, {}, {}}, rest{term, row, {}, {}};
    for (size_t i = 0; i < values.size(); i += 2) {
      Expr x = values[i] * inverse, y = values[i + 1] * inverse;
      leading.words.push_back(e.pack(x, y, layout.product));
      std::array<Expr, 2> rounded = e.unpack(leading.words.back(), layout.product);
      rest.words.push_back(e.pack(x - rounded[0], y - rounded[1], layout.product));
    }
    parts.push_back(leading);
    if (!exact)
      parts.push_back(rest);
  }
  return scale;
}

void PageCoefficients::addSums() {
  if (layout.coded)
    for (Part &part : parts)
      part.sums = sumHeads(part.words);
}

// As products with pages of ones: each lane then has the sums of its heads.
std::array<Expr, 2> PageCoefficients::sumHeads(ArrayRef<Expr> words) const {
  Expr ones = e.i32(0x3C003C00), zero = e.f32(0);
  std::array<Expr, 4> sums = {zero, zero, zero, zero};
  for (size_t w = 0; w < words.size(); w += 2)
    sums = e.mma(layout.product, {ones, ones, ones, ones}, {words[w], words[w + 1]}, sums);
  return {sums[0], sums[1]};
}

int64_t PageCoefficients::countParts(const ScorePagesConfig &config) {
  int64_t parts = 0;
  for (unsigned term = 0; term < config.selector.getNumTerms(); ++term)
    for (unsigned row = 0; row < config.summary.getNumRows(); ++row)
      parts += isExact(config, term, row) ? 1 : 2;
  return parts;
}
