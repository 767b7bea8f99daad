// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Logits of candidates from their codes, 16 slots at a time, by one warp.
//
//   dot   = sum_d code_d q_d                             tensor cores, m = tokens, n = heads
//   logit = s * (scale * dot + zero * sum_d q_d)
//
// Codes are bytes from 0 on: one or two instructions for four of them. Of 4 bits those in the lower halves of bytes
// come first; their products are multiplied by 16, and the others are used where they stand: one instruction. A head's
// query is integers of 16 bits, in units of 2^-14 of the power of two at its largest element: upper bytes in one column
// of the tensor cores' tile, lower ones in the next, so that four heads fill it. Products and sums are exact; a query
// loses at most half a unit an element, nothing where its 8 bits (bf16) begin within 7 bits of the largest element's.
//
// Planes: a word of 16 high pairs of bits and one of 16 low ones become two words of 8 codes, the even dims and the odd
// ones, in two instructions each; from there on they are like other codes of 4 bits. A slot that is marked coarse has
// low words of 0, and its zero is raised by 1.5 scale instead.

#ifndef TWILIGHT_LIB_KERNELS_CANDIDATELOGITS_H
#define TWILIGHT_LIB_KERNELS_CANDIDATELOGITS_H

#include "../Atoms/Atoms.h"
#include "../Atoms/CodeBuffers.h"

#include <optional>

namespace twilight {

/// A logit as a score of `type`, f32 or f16: rounded to the nearest and finite; NaN is the lowest.
Expr toScore(Expr logit, mlir::Type type);

/// A lane's query elements, in the order of its codes: of head r / 2, and of head 4 + r / 2 where there are more.
llvm::SmallVector<Words4> loadScoreQuery(KernelEmitter &e, const AttentionShape &shape, Expr q, Expr sequence,
                                         Expr firstHead);

class CandidateLogits {
public:
  static constexpr int64_t kHeads = 4; ///< in a tile of the tensor cores
  /// Heads that a lane finishes, and which they are: c and 4 + c, those that do not exist included.
  static int64_t countHeads(const AttentionShape &shape);
  static Expr headOf(KernelEmitter &e, int64_t i);

  /// `query` as loadScoreQuery gives it. `progressive`: token rows may have kCoarseMark.
  CandidateLogits(KernelEmitter &e, const AttentionShape &shape, double softmaxScale, llvm::ArrayRef<Words4> query,
                  bool progressive = false);

  /// What all this makes of the query, in shared memory, i32 [countPreparedWords]: made once for all warps of a block.
  /// One warp stores it; the caller brings the warps together afterwards. What is multiplied last stays there, since
  /// registers are short where scores are not all that a kernel does.
  void prepare(SharedTile tile) const;
  CandidateLogits(KernelEmitter &e, const AttentionShape &shape, SharedTile prepared);
  static int64_t countPreparedWords(const AttentionShape &shape);

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

  /// A lane's places in the pages of one kv head, where they hold whole tiles: a pointer to the codes of slot r of page
  /// 0, and the bytes to scale and zero of slot `lane`, of slot `lane` % 16 in pages of 16.
  struct Pages {
    Expr codes, scales;
  };
  Pages pagesOf(const CodeBuffers &keys, Expr kvHead) const;
  /// As above, of the 16 slots that begin `slot` slots into a physical page.
  Codes load(const CodeBuffers &keys, const Pages &pages, Expr page, Expr slot) const;
  /// As above, of the 32 slots that begin there, or in pages of 16 of the first 16 of the lane's own page.
  Expr loadScaleZero(const CodeBuffers &keys, const Pages &pages, Expr page, Expr slot) const;

  /// Calls `put(half, i, logit)` for the lane's slots r + 8 half and its i-th heads. `scaleZero` are the words of its
  /// two slots.
  void score(const Codes &codes, std::array<Expr, 2> scaleZero,
             llvm::function_ref<void(int64_t half, int64_t i, Expr logit)> put) const;

private:
  Expr rowOf(Expr row) const;
  int64_t runOf(const CodeBuffers &keys) const;
  llvm::SmallVector<Expr> expand(llvm::ArrayRef<Expr> row) const;
  /// Codes of 4 bits: those in the lower halves of all bytes are multiplied first.
  bool inHalves() const { return shape.codes.getBits() == 4; }
  KernelEmitter &e;
  AttentionShape shape;
  bool progressive;
  /// The heads in one tile. `words`: one byte of each integer, in the order that expanded codes have: for each word of
  /// n codes the fours (i, i + n / 4, ...); the two words of both planes are one of 16 codes. Of 4 bits, the first half
  /// of each word's fours, then the second half of each.
  struct Head {
    llvm::SmallVector<Expr> words;
    llvm::SmallVector<Expr> rests; ///< what the integers leave of the query, in parts of a unit
    Expr sum, factor; ///< of the lane's head: sum of the integers, in units of the products; scale of a logit
  };
  Head makeHead(double softmaxScale, llvm::ArrayRef<Words4> query) const;
  llvm::SmallVector<Head, 2> heads;
  llvm::SmallVector<Expr> rests;  ///< one tile's, of all heads
  std::optional<SharedTile> kept; ///< the rests, by four and lane, where they are in shared memory
};

} // namespace twilight

#endif
