// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Logits of candidates from codes, 16 slots at a time, by one warp.

#include "CandidateLogits.h"

#include <numeric>

using namespace mlir;
using namespace twilight;

// How a lane reads a row of codes, or of one plane of them: in loads of the same width, each as many neighbouring
// codes.
namespace {
struct RowLoads {
  explicit RowLoads(const AttentionShape &shape)
      : bits(shape.codes.getPlanes() ? 2 : shape.codes.getBits()), rowBytes(shape.headDim * bits / 8),
        bytes(std::min<int64_t>(16, rowBytes / 4)), count(rowBytes / 4 / bytes), codes(bytes * 8 / bits) {}
  int64_t bits, rowBytes;
  int64_t bytes; ///< of a load: 4, 8 or 16; the row's four lanes load neighbouring pieces
  int64_t count; ///< loads of a lane
  int64_t codes; ///< codes in a load: 16 or 32
};
} // namespace

Expr twilight::toScore(Expr logit, Type type) {
  if (type.isF32())
    return logit;
  Emitter &e = logit.getEmitter();
  return min(max(logit, e.f32(-kLargestF16)), e.f32(kLargestF16)).to(type);
}

int64_t CandidateLogits::countHeads(const AttentionShape &shape) {
  return (shape.headsPerList() + kHeads - 1) / kHeads;
}

Expr CandidateLogits::headOf(KernelEmitter &e, int64_t i) { return LaneGrid(e).column + i * kHeads; }

SmallVector<Words4> twilight::loadScoreQuery(KernelEmitter &e, const AttentionShape &shape, Expr q, Expr sequence,
                                             Expr firstHead) {
  SmallVector<Words4> all;
  for (int64_t i = 0; i < CandidateLogits::countHeads(shape); ++i) {
    Expr head = (LaneGrid(e).row >> 1) + i * CandidateLogits::kHeads;
    all.append(loadQueryWords(e, shape, q, sequence, firstHead, shape.headsPerList(), RowLoads(shape).codes, head));
  }
  return all;
}

constexpr double kUnits = 1 << 14;     ///< in a query's power of two
constexpr int64_t kHeadroom = 0x10200; ///< in the last place of an f32: numbers below it are at most 127 * 256 + 127
constexpr double kRounder = 3 << 22;   ///< added to a number, its last place is 1
constexpr double kRestUnits = 128;     ///< of the rests, in a unit
constexpr double kSmallest = 0x1p-100; ///< scale of a query, so that its reciprocal times the units is finite

CandidateLogits::CandidateLogits(KernelEmitter &e, const AttentionShape &shape, double softmaxScale,
                                 ArrayRef<Words4> query, bool progressive)
    : e(e), shape(shape), progressive(progressive) {
  const int64_t chunks = static_cast<int64_t>(query.size()) / countHeads(shape);
  for (int64_t i = 0; i < countHeads(shape); ++i)
    heads.push_back(makeHead(softmaxScale, query.slice(i * chunks, chunks)));
  // The rests of heads c are in columns 2 c, those of heads 4 + c in columns 2 c + 1.
  Expr isSecond = (LaneGrid(e).row & 1) != 0;
  for (auto [i, word] : llvm::enumerate(heads[0].rests))
    rests.push_back(select(isSecond, heads.size() > 1 ? heads[1].rests[i] : e.i32(0), word));
}

CandidateLogits::Head CandidateLogits::makeHead(double softmaxScale, ArrayRef<Words4> query) const {
  LaneGrid at(e);
  SmallVector<Expr> x;
  for (const Words4 &chunk : query)
    for (Expr word : chunk)
      for (Expr element : e.unpack(word, shape.queryType))
        x.push_back(element);
  Head head;
  Expr scale = max(powerOfTwo(e, x, /*lanes=*/3, kHeadroom), e.f32(kSmallest)), units = e.f32(kUnits) / scale;
  Expr sum = e.f32(0), restSum = e.f32(0);
  // Even rows hold the upper bytes, odd rows the lower ones, whose sign the upper ones make up for.
  Expr isLower = (at.row & 1) != 0, rounder = select(isLower, e.f32(kRounder), e.f32(kRounder + 128));
  Expr bytes = select(isLower, e.i32(0x0040), e.i32(0x0051));
  SmallVector<Expr> rests;
  for (Expr &element : x) {
    Expr rounded = fma(element, units, rounder), integer = rounded - rounder;
    Expr rest = fma(fma(element, units, -integer), e.f32(kRestUnits), e.f32(kRounder));
    sum = sum + integer; // exact, both
    restSum = restSum + (rest - kRounder);
    element = rounded.bitcast(e.getI32Type());
    rests.push_back(rest.bitcast(e.getI32Type()));
  }
  const size_t inWord = 32 / RowLoads(shape).bits, apart = inWord / 4;
  auto pack = [&](ArrayRef<Expr> x, Expr bytes) {
    SmallVector<Expr> words, later;
    for (size_t first = 0; first < x.size(); first += inWord)
      for (size_t i = first; i < first + apart; ++i) {
        Expr lower = e.permuteBytes(x[i], x[i + apart], bytes);
        Expr upper = e.permuteBytes(x[i + 2 * apart], x[i + 3 * apart], bytes);
        (inHalves() && i >= first + apart / 2 ? later : words).push_back(e.lowHalves(lower, upper));
      }
    words.append(later);
    // Packed here: moved to where they are used, all elements would stay in registers until then.
    for (Expr &word : words)
      word = e.forget(word);
    return words;
  };
  head.words = pack(x, bytes);
  head.rests = pack(rests, e.i32(0x0040));
  sum = fma(restSum, e.f32(1 / kRestUnits), sum);
  sum = sum + e.shuffleXor(sum, 1);
  sum = sum + e.shuffleXor(sum, 2);
  // Lane (r, c) finishes head c; its sum lies in lanes 8 c to 8 c + 7.
  const double times = inHalves() ? 16 : 1;
  head.sum = e.shuffle(sum, at.column * 8) * times;
  head.factor = e.shuffle(scale, at.column * 8) * (softmaxScale / (kUnits * times));
  return head;
}

// Prepared: by four and lane, the words of each head, the rests, and each head's sum and factor.
static int64_t productFours(const AttentionShape &shape) { return llvm::divideCeil(shape.headDim / 16, 4); }

int64_t CandidateLogits::countPreparedWords(const AttentionShape &shape) {
  return 4 * kWarp * ((countHeads(shape) + 1) * productFours(shape) + 1);
}

void CandidateLogits::prepare(SharedTile tile) const {
  int64_t four = 0;
  auto put = [&](ArrayRef<Expr> words) {
    for (size_t first = 0; first < words.size(); first += 4) {
      std::array<Expr, 4> values;
      for (size_t k = 0; k < 4; ++k)
        values[k] = first + k < words.size() ? words[first + k] : e.i32(0);
      tile.storeFour(e.lane() + kWarp * four++, values);
    }
  };
  Exprs factors;
  for (const Head &head : heads) {
    put(head.words);
    factors.append({head.sum.bitcast(e.getI32Type()), head.factor.bitcast(e.getI32Type())});
  }
  put(rests);
  put(factors);
}

CandidateLogits::CandidateLogits(KernelEmitter &e, const AttentionShape &shape, SharedTile prepared)
    : e(e), shape(shape), progressive(false) {
  const int64_t fours = productFours(shape), count = countHeads(shape);
  auto take = [&](int64_t four) { return prepared.loadFour(e.lane() + kWarp * four); };
  std::array<Expr, 4> factors = take((count + 1) * fours);
  for (int64_t i = 0; i < count; ++i) {
    Head head;
    for (int64_t four = 0; four < fours; ++four)
      for (Expr word : take(i * fours + four))
        head.words.push_back(word);
    head.sum = factors[2 * i].bitcast(e.getF32Type());
    head.factor = factors[2 * i + 1].bitcast(e.getF32Type());
    heads.push_back(head);
  }
  kept = prepared.from(e.i32(4 * kWarp * count * fours));
}

/// The n codes of a word as words of four bytes each: codes i, i + n / 4, i + n / 2 and i + 3 n / 4.
static void expandCodes(Expr word, int64_t bits, SmallVectorImpl<Expr> &expanded) {
  const int64_t field = ((int64_t(1) << bits) - 1) * 0x01010101;
  for (int64_t at = 0; at < 8; at += bits)
    expanded.push_back(bits == 8 ? word : (at == 0 ? word : word >> at) & field);
}

/// Words of 8 codes of 4 bits: those in lower halves of bytes, then the others where they stand, 16 times themselves.
static SmallVector<Expr> expandHalves(ArrayRef<Expr> words) {
  SmallVector<Expr> expanded;
  for (int64_t field : {int64_t(0x0F0F0F0F), int64_t(0xF0F0F0F0)})
    for (Expr word : words)
      expanded.push_back(word & field);
  return expanded;
}

constexpr int64_t kScaleSign = 0x8000; ///< of a word of scale and zero

/// The row without its mark.
Expr CandidateLogits::rowOf(Expr row) const { return progressive ? row & ~kCoarseMark : row; }

/// Of a page all tokens are read, and what lies behind its codes too; of planes perhaps only one.
int64_t CandidateLogits::runOf(const CodeBuffers &keys) const {
  const int64_t page = keys.getCodesStride();
  return std::gcd(page, shape.codes.getPlanes() ? shape.pageSize * RowLoads(shape).rowBytes : page);
}

CandidateLogits::Codes CandidateLogits::load(const CodeBuffers &keys, std::array<Expr, 2> rows) const {
  Expr column = LaneGrid(e).column;
  RowLoads loads(shape);
  const int64_t run = runOf(keys);
  Codes result;
  for (int half = 0; half < 2; ++half)
    for (int64_t i = 0; i < loads.count; ++i) {
      Expr piece = keys.codesOf(rowOf(rows[half]), loads.bytes * 8) + (i * 4) + column;
      for (Expr word : e.loadStreaming(keys.codes, piece, loads.bytes / 4, run))
        result.half[half].push_back(word);
    }
  // A row of one plane is one load a lane.
  for (int half = 0; shape.codes.getPlanes() && half < 2; ++half) {
    Expr piece = keys.codesOf(rowOf(rows[half]), loads.bytes * 8) + keys.toLowPlane(loads.bytes * 8) + column;
    Expr isFine = progressive ? rows[half] >= 0 : Expr();
    for (Expr word : e.loadStreaming(keys.codes, piece, loads.bytes / 4, run, isFine))
      result.half[half].push_back(word);
  }
  return result;
}

Expr CandidateLogits::loadScaleZero(const CodeBuffers &keys, Expr row) const {
  Type i16 = e.getI16Type(), i32 = e.getI32Type(), f16 = e.getF16Type();
  Expr at = rowOf(row);
  Expr word = e.load(keys.scale, keys.scaleOf(at), f16).bitcast(i16).toUnsigned(i32) |
              (e.load(keys.zero, keys.zeroOf(at), f16).bitcast(i16).toUnsigned(i32) << 16);
  return progressive ? word | ((row & kCoarseMark) >> 16) : word;
}

CandidateLogits::Pages CandidateLogits::pagesOf(const CodeBuffers &keys, Expr kvHead) const {
  LaneGrid at(e);
  RowLoads loads(shape);
  Expr slot = e.lane() & (std::min(shape.pageSize, kWarp) - 1);
  return {e.advance(keys.codes, kvHead * keys.getCodesStride() + at.row * loads.rowBytes + at.column * loads.bytes),
          kvHead * keys.getScalesStride() + slot * 2};
}

CandidateLogits::Codes CandidateLogits::load(const CodeBuffers &keys, const Pages &pages, Expr page, Expr slot) const {
  RowLoads loads(shape);
  Type i64 = e.getI64Type();
  Expr tile =
      e.advance(pages.codes, page.to(i64) * (shape.kvHeads * keys.getCodesStride()) + slot.to(i64) * loads.rowBytes);
  Codes result;
  for (int64_t plane = 0; plane < (shape.codes.getPlanes() ? 2 : 1); ++plane)
    for (int64_t half = 0; half < 2; ++half)
      for (int64_t i = 0; i < loads.count; ++i) {
        const int64_t bytes = half * 8 * loads.rowBytes + i * 4 * loads.bytes + plane * keys.toLowPlane(8);
        for (Expr word : e.loadStreaming(e.advance(tile, e.i32(bytes)), e.i32(0), loads.bytes / 4, runOf(keys)))
          result.half[half].push_back(word);
      }
  return result;
}

Expr CandidateLogits::loadScaleZero(const CodeBuffers &keys, const Pages &pages, Expr page, Expr slot) const {
  Type i16 = e.getI16Type(), i32 = e.getI32Type(), i64 = e.getI64Type(), f16 = e.getF16Type();
  Expr offset = page.to(i64) * (shape.kvHeads * keys.getScalesStride()) + (pages.scales + slot * 2).to(i64);
  auto word = [&](Expr pointer, int64_t bytes) {
    return e.load(e.advance(e.advance(pointer, offset), e.i32(bytes)), e.i32(0), f16).bitcast(i16).toUnsigned(i32);
  };
  return word(keys.scale, keys.toScales()) | (word(keys.zero, keys.toZeros()) << 16);
}

/// The codes of a lane's row as words of four bytes each, in the order of the queries' words.
SmallVector<Expr> CandidateLogits::expand(ArrayRef<Expr> row) const {
  SmallVector<Expr> expanded;
  if (!inHalves()) {
    for (Expr word : row)
      expandCodes(word, shape.codes.getBits(), expanded);
    return expanded;
  }
  if (!shape.codes.getPlanes())
    return expandHalves(row);
  SmallVector<Expr> words;
  for (size_t i = 0; i < row.size() / 2; ++i) {
    Expr high = row[i], low = row[row.size() / 2 + i];
    words.push_back(e.selectBits(high << 2, low, 0xCCCCCCCC)); // even dims
    words.push_back(e.selectBits(high, low >> 2, 0xCCCCCCCC)); // odd ones
  }
  return expandHalves(words);
}

void CandidateLogits::score(const Codes &codes, std::array<Expr, 2> scaleZero,
                            function_ref<void(int64_t, int64_t, Expr)> put) const {
  Type f16 = e.getF16Type(), f32 = e.getF32Type();
  SmallVector<Expr> a = expand(codes.half[0]), b = expand(codes.half[1]);
  auto multiply = [&](function_ref<Expr(size_t)> query) {
    std::array<Expr, 4> dot = {e.i32(0), e.i32(0), e.i32(0), e.i32(0)};
    for (size_t w = 0; w < a.size(); w += 2) {
      if (inHalves() && w == a.size() / 2)
        for (Expr &x : dot)
          x = x << 4;
      dot = e.mmaBytes({a[w], b[w], a[w + 1], b[w + 1]}, {query(w), query(w + 1)}, dot);
    }
    return dot;
  };
  std::array<Expr, 4> four;
  auto restOf = [&](size_t w) {
    if (!kept)
      return rests[w];
    if (w % 4 == 0)
      four = kept->loadFour(e.lane() + static_cast<int64_t>(w / 4) * kWarp);
    return four[w % 4];
  };
  SmallVector<std::array<Expr, 4>> dots;
  for (const Head &head : heads)
    dots.push_back(multiply([&](size_t w) { return head.words[w]; }));
  std::array<Expr, 4> ofRests = multiply(restOf);
  for (int64_t half = 0; half < 2; ++half) {
    Expr word = scaleZero[half];
    std::array<Expr, 2> ofRow = e.unpack(progressive ? word & ~kScaleSign : word, f16);
    if (progressive) // 1.5: the middle of the four codes that share the high bits
      ofRow[1] = select((word & kScaleSign) == 0, ofRow[1], fma(ofRow[0], e.f32(1.5), ofRow[1]));
    for (auto [i, head] : llvm::enumerate(heads)) {
      Expr dot = ((dots[i][half * 2] << 8) + dots[i][half * 2 + 1]).to(f32);
      dot = fma(ofRests[half * 2 + static_cast<int64_t>(i)].to(f32), e.f32(1 / kRestUnits), dot);
      put(half, static_cast<int64_t>(i), fma(dot, ofRow[0], ofRow[1] * head.sum) * head.factor);
    }
  }
}
