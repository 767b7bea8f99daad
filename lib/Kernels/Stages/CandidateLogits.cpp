// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Logits of candidates from 4-bit codes, 16 slots at a time, by one warp.

#include "CandidateLogits.h"

using namespace mlir;
using namespace twilight;

int64_t CodeBuffers::countParameters(const AttentionShape &) { return 3; }

CodeBuffers CodeBuffers::fromParameters(KernelEmitter &e, const AttentionShape &, unsigned first) {
  return {e.parameter(first), e.parameter(first + 1), e.parameter(first + 2)};
}

SmallVector<Words4> twilight::loadScoreQuery(KernelEmitter &e, const AttentionShape &shape, Expr q, Expr sequence,
                                             Expr firstHead) {
  LaneGrid at(e);
  Expr head = sequence * shape.queryHeads() + firstHead + min(at.row, shape.headsPerList() - 1);
  const int64_t words = shape.headDim / 32; // words of 8 codes for a lane, 8 query elements each
  SmallVector<Words4> raw;
  for (int64_t w = 0; w < words; ++w)
    raw.push_back(e.loadWords4(q, head * (shape.headDim / 8) + at.column * words + w));
  return raw;
}

CandidateLogits::CandidateLogits(KernelEmitter &e, const AttentionShape &shape, double softmaxScale,
                                 ArrayRef<Words4> query)
    : e(e), shape(shape) {
  Type f16 = e.getF16Type();
  LaneGrid at(e);
  Expr exists = at.row < shape.headsPerList();
  SmallVector<Expr> x;
  for (const Words4 &chunk : query)
    for (Expr word : chunk)
      for (Expr element : e.unpack(word, shape.queryType))
        x.push_back(select(exists, element, e.f32(0)));
  Expr scale = shape.queryType.isF16() ? e.f32(1) : powerOfTwo(e, x);
  Expr inverse = e.f32(1) / scale, sum = e.f32(0);
  for (size_t w = 0; w < query.size(); ++w) {
    Words4 packed;
    for (int i = 0; i < 4; ++i) {
      packed[i] = e.pack(x[8 * w + i] * inverse, x[8 * w + i + 4] * inverse, f16);
      std::array<Expr, 2> rounded = e.unpack(packed[i], f16);
      sum = sum + rounded[0] + rounded[1];
    }
    words.push_back(packed);
  }
  sum = sum + e.shuffleXor(sum, 1);
  sum = sum + e.shuffleXor(sum, 2);
  // Lane (r, c) finishes heads 2c and 2c + 1; head h's sum lies in lanes 4h to 4h + 3.
  for (int i = 0; i < 2; ++i) {
    sums[i] = e.shuffle(sum, at.column * 8 + i * 4);
    factors[i] = e.shuffle(scale, at.column * 8 + i * 4) * softmaxScale;
  }
}

/// Eight codes as four words of two f16 each, 16 + code, in the pairs (0, 4), (1, 5), (2, 6), (3, 7).
static Words4 expandCodes(Expr word) {
  const int64_t mask = 0x03C003C0, sixteen = 0x4C004C00;
  return {((word << 6) & mask) | sixteen, ((word << 2) & mask) | sixteen, ((word >> 2) & mask) | sixteen,
          ((word >> 6) & mask) | sixteen};
}

CandidateLogits::Codes CandidateLogits::load(const CodeBuffers &keys, std::array<Expr, 2> rows) const {
  Expr column = LaneGrid(e).column;
  Codes result;
  for (int half = 0; half < 2; ++half) {
    Expr chunk = rows[half] * 4 + column;
    if (shape.headDim == 128)
      for (Expr word : e.loadWords4(keys.codes, chunk, Access::Streaming))
        result.half[half].push_back(word);
    else
      for (Expr word : e.loadWords2(keys.codes, chunk, Access::Streaming))
        result.half[half].push_back(word);
  }
  return result;
}

Expr CandidateLogits::loadScaleZero(const CodeBuffers &keys, Expr row) const {
  Type i16 = e.getI16Type(), i32 = e.getI32Type(), f16 = e.getF16Type();
  return e.load(keys.scale, row, f16).bitcast(i16).toUnsigned(i32) |
         (e.load(keys.zero, row, f16).bitcast(i16).toUnsigned(i32) << 16);
}

void CandidateLogits::score(const Codes &codes, std::array<Expr, 2> scaleZero,
                            function_ref<void(int64_t, int64_t, Expr)> put) const {
  Type f16 = e.getF16Type();
  std::array<Expr, 4> dot = {e.f32(0), e.f32(0), e.f32(0), e.f32(0)};
  for (size_t w = 0; w < words.size(); ++w) {
    Words4 a = expandCodes(codes.half[0][w]), b = expandCodes(codes.half[1][w]);
    const Words4 &query = words[w];
    dot = e.mma(f16, {a[0], b[0], a[1], b[1]}, {query[0], query[1]}, dot);
    dot = e.mma(f16, {a[2], b[2], a[3], b[3]}, {query[2], query[3]}, dot);
  }
  for (int64_t half = 0; half < 2; ++half) {
    std::array<Expr, 2> ofRow = e.unpack(scaleZero[half], f16);
    for (int64_t i = 0; i < 2; ++i) {
      Expr x = (dot[half * 2 + i] - sums[i] * 16.0) * ofRow[0] + ofRow[1] * sums[i];
      put(half, i, x * factors[i]);
    }
  }
}
