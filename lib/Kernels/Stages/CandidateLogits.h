// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Logits of candidates from their codes, 16 slots at a time, by one warp.
//
//   dot   = sum_d (offset + code_d) q_d                   tensor cores, m = tokens, n = heads
//   logit = s * (scale * (dot - offset sum_d q_d) + zero * sum_d q_d)
//
// A code becomes a 16-bit float by setting it into the mantissa of 2^bits (0x4C00 | code << 6 is 16 + code, exactly);
// the sum over q takes the offset back out. 16 instead of the usual 1024 keeps the cancellation 64 times smaller. Codes
// of 8 bits go by way of 1024, which f16 itself takes out exactly: offset 0.
//
// Planes: a word of 16 high pairs of bits and one of 16 low ones become two words of 8 codes, the even dims and the odd
// ones, in two instructions each; from there on they are like other codes of 4 bits. A slot that is marked coarse has
// low words of 0, and its zero is raised by 1.5 scale instead.

#ifndef TWILIGHT_LIB_KERNELS_CANDIDATELOGITS_H
#define TWILIGHT_LIB_KERNELS_CANDIDATELOGITS_H

#include "../Atoms/Atoms.h"
#include "../Atoms/CodeBuffers.h"

namespace twilight {

/// A logit as a score of `type`, f32 or f16: rounded to the nearest and finite; NaN is the lowest.
Expr toScore(Expr logit, mlir::Type type);

/// A lane's query elements, in the order of its codes.
llvm::SmallVector<Words4> loadScoreQuery(KernelEmitter &e, const AttentionShape &shape, Expr q, Expr sequence,
                                         Expr firstHead);

class CandidateLogits {
public:
  /// `query` as loadScoreQuery gives it. `progressive`: token rows may have kCoarseMark.
  CandidateLogits(KernelEmitter &e, const AttentionShape &shape, double softmaxScale, llvm::ArrayRef<Words4> query,
                  bool progressive = false);

  /// A lane's codes of 16 slots: half[h] of slot r + 8 h for lane (r, c); of planes the words of the high one first.
  struct Codes {
    llvm::SmallVector<Expr> half[2];
  };
  /// Words of one half.
  int64_t countWords() const { return shape.headDim * shape.codes.getBits() / 128; }
  /// Asks for the codes of the lane's two slots, given as token rows.
  Codes load(const CodeBuffers &keys, std::array<Expr, 2> rows) const;
  /// Scale (low half) and zero of a token row in one word; a coarse row's scale, which is not negative, has a sign.
  Expr loadScaleZero(const CodeBuffers &keys, Expr row) const;

  /// Calls `put(half, i, logit)` for the lane's slots r + 8 half and its heads 2 c + i, those that do not exist
  /// included. `scaleZero` are the words of its two slots.
  void score(const Codes &codes, std::array<Expr, 2> scaleZero,
             llvm::function_ref<void(int64_t half, int64_t i, Expr logit)> put) const;

private:
  Expr rowOf(Expr row) const;
  void expand(llvm::ArrayRef<Expr> row, llvm::SmallVectorImpl<Expr> &expanded) const;
  KernelEmitter &e;
  AttentionShape shape;
  bool progressive;
  /// The queries over a power of two that fits them into f16, as words in the order that expanded codes have: for each
  /// word of n codes the pairs (i, i + n / 2); the two words of both planes are one of 16 codes.
  llvm::SmallVector<Expr> words;
  Expr sums[2], factors[2]; ///< of the lane's two heads: sum of the elements, scale of a logit
};

} // namespace twilight

#endif
