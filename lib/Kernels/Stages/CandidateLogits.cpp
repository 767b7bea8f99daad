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

SmallVector<Words4> twilight::loadScoreQuery(KernelEmitter &e, const AttentionShape &shape, Expr q, Expr sequence,
                                             Expr firstHead) {
  return loadQueryWords(e, shape, q, sequence, firstHead, shape.headsPerList(), RowLoads(shape).codes);
}

CandidateLogits::CandidateLogits(KernelEmitter &e, const AttentionShape &shape, double softmaxScale,
                                 ArrayRef<Words4> query, bool progressive)
    : e(e), shape(shape), progressive(progressive) {
  Type f16 = e.getF16Type();
  LaneGrid at(e);
  SmallVector<Expr> x;
  for (const Words4 &chunk : query)
    for (Expr word : chunk)
      for (Expr element : e.unpack(word, shape.queryType))
        x.push_back(element);
  Expr scale = shape.queryType.isF16() ? e.f32(1) : powerOfTwo(e, x);
  Expr inverse = e.f32(1) / scale, sum = e.f32(0);
  const size_t inWord = 32 / RowLoads(shape).bits, apart = inWord / 2;
  for (size_t first = 0; first < x.size(); first += inWord)
    for (size_t i = first; i < first + apart; ++i) {
      words.push_back(e.pack(x[i] * inverse, x[i + apart] * inverse, f16));
      std::array<Expr, 2> rounded = e.unpack(words.back(), f16);
      sum = sum + rounded[0] + rounded[1];
    }
  sum = sum + e.shuffleXor(sum, 1);
  sum = sum + e.shuffleXor(sum, 2);
  // Lane (r, c) finishes heads 2c and 2c + 1; head h's sum lies in lanes 4h to 4h + 3.
  for (int i = 0; i < 2; ++i) {
    sums[i] = e.shuffle(sum, at.column * 8 + i * 4);
    factors[i] = e.shuffle(scale, at.column * 8 + i * 4) * softmaxScale;
  }
}

/// What expandCodes adds to a code.
static double getOffset(int64_t bits) { return bits == 2 ? 4 : bits == 4 ? 16 : 0; }

/// The n codes of a word as words of two f16 each, in the pairs (i, i + n / 2).
static void expandCodes(KernelEmitter &e, Expr word, int64_t bits, SmallVectorImpl<Expr> &expanded) {
  if (bits == 8) {
    for (Expr pair : e.expandBytes(word))
      expanded.push_back(pair);
    return;
  }
  // A code becomes the offset and itself, exactly, as the upper bits of the offset's mantissa.
  const int64_t place = 10 - bits, offset = bits == 2 ? 0x44004400 : 0x4C004C00;
  const int64_t field = ((int64_t(1) << bits) - 1) << place, mask = field << 16 | field;
  for (int64_t at = 0; at < 16; at += bits)
    expanded.push_back(((at <= place ? word << (place - at) : word >> (at - place)) & mask) | offset);
}

constexpr int64_t kScaleSign = 0x8000; ///< of a word of scale and zero

/// The row without its mark.
Expr CandidateLogits::rowOf(Expr row) const { return progressive ? row & ~kCoarseMark : row; }

CandidateLogits::Codes CandidateLogits::load(const CodeBuffers &keys, std::array<Expr, 2> rows) const {
  Expr column = LaneGrid(e).column;
  RowLoads loads(shape);
  // Of a page all tokens are read, and what lies behind its codes too; of planes perhaps only one.
  const int64_t page = shape.pageSize * (keys.getRowBytes() + (shape.codes.getBlocked() ? 4 : 0));
  const int64_t run = std::gcd(page, shape.codes.getPlanes() ? shape.pageSize * loads.rowBytes : page);
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

/// The codes of a lane's row as words of two f16 each, in the order of the queries' words.
void CandidateLogits::expand(ArrayRef<Expr> row, SmallVectorImpl<Expr> &expanded) const {
  const int64_t bits = shape.codes.getBits();
  if (!shape.codes.getPlanes()) {
    for (Expr word : row)
      expandCodes(e, word, bits, expanded);
    return;
  }
  for (size_t i = 0; i < row.size() / 2; ++i) {
    Expr high = row[i], low = row[row.size() / 2 + i];
    SmallVector<Expr> even, odd;
    expandCodes(e, e.selectBits(high << 2, low, 0xCCCCCCCC), bits, even);
    expandCodes(e, e.selectBits(high, low >> 2, 0xCCCCCCCC), bits, odd);
    for (auto [first, second] : llvm::zip_equal(even, odd))
      expanded.append({first, second});
  }
}

void CandidateLogits::score(const Codes &codes, std::array<Expr, 2> scaleZero,
                            function_ref<void(int64_t, int64_t, Expr)> put) const {
  Type f16 = e.getF16Type();
  std::array<Expr, 4> dot = {e.f32(0), e.f32(0), e.f32(0), e.f32(0)};
  const int64_t bits = shape.codes.getBits();
  SmallVector<Expr> a, b;
  expand(codes.half[0], a);
  expand(codes.half[1], b);
  for (size_t w = 0; w < words.size(); w += 2)
    dot = e.mma(f16, {a[w], b[w], a[w + 1], b[w + 1]}, {words[w], words[w + 1]}, dot);
  for (int64_t half = 0; half < 2; ++half) {
    Expr word = scaleZero[half];
    std::array<Expr, 2> ofRow = e.unpack(progressive ? word & ~kScaleSign : word, f16);
    if (progressive) // 1.5: the middle of the four codes that share the high bits
      ofRow[1] = select((word & kScaleSign) == 0, ofRow[1], fma(ofRow[0], e.f32(1.5), ofRow[1]));
    for (int64_t i = 0; i < 2; ++i) {
      Expr codesDot = dot[half * 2 + i];
      if (getOffset(bits) != 0) // the product is exact, and needs no register of its own
        codesDot = fma(sums[i], e.f32(-getOffset(bits)), codesDot);
      Expr x = codesDot * ofRow[0] + ofRow[1] * sums[i];
      put(half, i, x * factors[i]);
    }
  }
}
