// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Importance of pages from their summaries, 16 pages at a time, by one warp.
//
//   rows  = summary[page, g]                              R rows of D, 16 bytes a lane and load; bytes become f16
//   terms = rows . coefficients of the G query heads      tensor cores, m = pages, n = heads
//   x     = combine(terms); forced pages +inf; NaN -inf
//   max | mean over heads, or each head's own

#ifndef TWILIGHT_LIB_KERNELS_PAGESCORES_H
#define TWILIGHT_LIB_KERNELS_PAGESCORES_H

#include "../Atoms/Atoms.h"

#include "twilight/Kernels/Stages/ScorePagesConfig.h"

namespace twilight {

class PageScores {
public:
  /// A lane's elements of the query heads, in the order of its summary words; heads that do not exist are zero.
  static llvm::SmallVector<Words4> loadQuery(KernelEmitter &e, const ScorePagesConfig &config, Expr q, Expr sequence,
                                             Expr kvHead);

  /// Makes the coefficients of the query heads: `query` as loadQuery gives it.
  PageScores(KernelEmitter &e, const ScorePagesConfig &config, llvm::ArrayRef<Words4> query);

  /// The pages first, first + step, ... below end, 16 at a time.
  struct Walk {
    Expr first, end;
    int64_t step;
  };
  /// Which pages a lane has of the first tile, and of the second one.
  static std::array<Expr, 4> firstPages(KernelEmitter &e, const Walk &walk);
  /// Scores the pages, and calls `store(head, page, importance)` for each; head counts within the kv head, and is 0
  /// where the heads share one list. `entries`: physical pages of firstPages; `entryOf` finds those of later ones, and
  /// is also asked for pages past the end. A tile's rows are asked for as soon as the registers of the one before are
  /// free, and its physical pages one step earlier.
  void walk(const Walk &walk, Expr summary, Expr kvHead, Expr length, std::array<Expr, 4> entries,
            llvm::function_ref<Expr(Expr page)> entryOf,
            llvm::function_ref<void(Expr head, Expr page, Expr importance)> store) const;

  /// How many parts the coefficients have: what they take of a thread's registers.
  static int64_t countParts(const ScorePagesConfig &config);

private:
  /// A lane's words of 16 pages: half[h] for pages r and r + 8 of lane (r, c).
  struct Rows {
    llvm::SmallVector<Words4> half[2];
    llvm::SmallVector<Expr> factors[2]; ///< of coded rows: each row's scale and zero
    Exprs pack() const;
    Rows unpack(llvm::ArrayRef<Expr> packed) const; ///< with as many of each
  };
  /// Asks for the summaries of the lane's two pages, whose places are given.
  Rows load(Expr summary, std::array<Expr, 2> places) const;
  /// Where the summary of a physical page is, in pieces of 16 bytes.
  Expr placeOf(Expr physical, Expr kvHead) const;
  /// Scores the tile whose lane holds pages `pages`; `reload` is called when the rows have been read.
  void score(const Rows &rows, std::array<Expr, 2> pages, Expr end, Expr length, llvm::function_ref<void()> reload,
             llvm::function_ref<void(Expr head, Expr page, Expr importance)> store) const;

  /// Coefficients of one summary row in one term: 16-bit words, the pairs (i, i + n / 2) for each word of
  /// n numbers of the summary, in one part where
  /// one 16-bit number holds the transform, else in a leading and a remaining part.
  struct Coefficients {
    unsigned term, row;
    llvm::SmallVector<Expr> words;
    std::array<Expr, 2> sums; ///< of the lane's two heads, where rows are coded
  };
  void addTerm(unsigned term, llvm::ArrayRef<Words4> query);
  /// Sums of the coefficients of the lane's two heads.
  std::array<Expr, 2> sumHeads(llvm::ArrayRef<Expr> words) const;
  /// A lane's numbers of one row of one of its pages, as words of two 16-bit floats.
  llvm::SmallVector<Expr> expandRow(llvm::ArrayRef<Words4> stored, unsigned row, bool finite) const;
  /// Each term's fragment, or fragments: the lane's two pages times its two heads.
  llvm::SmallVector<std::array<Expr, 4>> multiply(const Rows &rows, bool finite) const;
  llvm::SmallVector<std::array<Expr, 4>> multiplyFinite(const Rows &rows) const;

  bool hasRoomAhead() const;
  Expr dotOf(llvm::ArrayRef<std::array<Expr, 4>> terms, size_t term, int half, int i) const;

  KernelEmitter &e;
  ScorePagesConfig config;
  mlir::Type product; ///< type of the products' factors: f16 or bf16
  llvm::SmallVector<Coefficients> parts;
  llvm::SmallVector<std::array<Expr, 2>>
      scales; ///< for each term, what its sums for the lane's two heads are multiplied by
};

} // namespace twilight

#endif
