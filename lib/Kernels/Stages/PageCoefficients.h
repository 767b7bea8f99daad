// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// What the rows of pages are multiplied by to score them, and how a warp holds both: see PageScores.h.

#ifndef TWILIGHT_LIB_KERNELS_PAGECOEFFICIENTS_H
#define TWILIGHT_LIB_KERNELS_PAGECOEFFICIENTS_H

#include "../Atoms/Atoms.h"

#include "twilight/Kernels/Stages/ScorePagesConfig.h"

namespace twilight {

/// How the lanes of a warp share 16 pages.
struct PageLayout {
  explicit PageLayout(const ScorePagesConfig &config);

  mlir::Type product;   ///< type of the products' factors: rows of 16 bits as they are, of 8 bits as f16
  int64_t elementBytes; ///< of a row as it is stored
  bool coded;           ///< rows are integers with a scale and a zero each
  int64_t rowPieces;    ///< pieces of 16 bytes: of a row,
  int64_t factorPieces; ///< and of the scales and zeros behind all rows
  bool paired;          ///< a head has two columns: of even words of a page, and of odd ones
  bool wide;            ///< eight lanes take a page, else four

  int64_t countHalves() const { return wide ? 2 : 1; }
  int64_t lanesOfPage() const { return wide ? 8 : 4; }
  int64_t pagesOfLane() const { return 16 * lanesOfPage() / kWarp; }
  /// Coefficient words of one of 4 lanes for its 16 bytes of a row.
  size_t wordsOfPiece() const { return (paired ? 8 : 16) / static_cast<size_t>(elementBytes) / 2; }
};

class PageCoefficients {
public:
  /// A lane's elements of the query heads, in the order of its summary words; heads that do not exist are zero.
  static llvm::SmallVector<Words4> loadQuery(KernelEmitter &e, const ScorePagesConfig &config, Expr q, Expr sequence,
                                             Expr kvHead);
  /// Of the query heads: `query` as loadQuery gives it.
  PageCoefficients(KernelEmitter &e, const ScorePagesConfig &config, llvm::ArrayRef<Words4> query);

  /// The same by all warps of the block, once: a warp makes the coefficients of one head, and brings them to `tile`.
  /// `query`: the warp's share, as loadShare gives it. There is a barrier behind what is brought, and none before.
  PageCoefficients(KernelEmitter &e, const ScorePagesConfig &config, const Words4 &share, SharedTile tile);
  static Words4 loadShare(KernelEmitter &e, const ScorePagesConfig &config, Expr q, Expr sequence, Expr kvHead);
  /// Whether warps share the work, and in how many 4-byte elements: where each would make more than it brings.
  static bool canShare(const ScorePagesConfig &config);
  static int64_t countSharedWords(const ScorePagesConfig &config);

  /// How many parts there are: what they take of a thread's registers.
  static int64_t countParts(const ScorePagesConfig &config);

  /// Coefficients of one summary row in one term: 16-bit words, the pairs (i, i + n / 2) for each word of n numbers of
  /// the summary, in one part where one 16-bit number holds the transform, else in a leading and a remaining part.
  struct Part {
    unsigned term, row;
    llvm::SmallVector<Expr> words;
    std::array<Expr, 2> sums; ///< of the lane's two heads, where rows are coded
  };
  llvm::SmallVector<Part> parts;
  /// For each term, what its sums for the lane's two heads are multiplied by.
  llvm::SmallVector<std::array<Expr, 2>> scales;

private:
  /// The lane's elements in the order of its coefficient words, two a word.
  llvm::SmallVector<Expr> pair(llvm::ArrayRef<Words4> query) const;
  Expr pairOf(const Words4 &chunk, size_t word, Expr isOdd) const;
  /// Adds the parts of a term, and returns what its sums are multiplied by: of the head whose elements the lanes have
  /// that differ in the bits `lanes`.
  Expr addParts(unsigned term, llvm::ArrayRef<Expr> query, int64_t lanes);
  void addSums();
  /// Sums of the coefficients of the lane's two heads.
  std::array<Expr, 2> sumHeads(llvm::ArrayRef<Expr> words) const;

  KernelEmitter &e;
  ScorePagesConfig config;
  PageLayout layout;
};

} // namespace twilight

#endif
