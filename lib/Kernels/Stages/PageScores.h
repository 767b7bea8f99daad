// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Importance of pages from their summaries, 16 pages at a time, by one warp.
//
//   rows  = summary[page, g]                              R rows of D, 16 bytes a lane and load, of a page 128 bytes in
//                                                         one load where a row has them; bytes become f16
//   terms = rows . coefficients of the G query heads      tensor cores, m = pages, n = heads
//   x     = combine(terms); forced pages +inf; NaN -inf
//   max | mean over heads, or each head's own

#ifndef TWILIGHT_LIB_KERNELS_PAGESCORES_H
#define TWILIGHT_LIB_KERNELS_PAGESCORES_H

#include "PageCoefficients.h"

namespace twilight {

class PageScores {
public:
  PageScores(KernelEmitter &e, const ScorePagesConfig &config, PageCoefficients coefficients);

  /// The pages first, first + step, ... below end, 16 at a time.
  struct Walk {
    Expr first, end;
    int64_t step;
  };
  /// Which page of the first tile a lane looks up, and of the second one.
  static std::array<Expr, 2> firstPages(KernelEmitter &e, const Walk &walk);
  /// Scores the pages, and calls `store(head, page, importance)` for each; head counts within the kv head, and is 0
  /// where the heads share one list. `entries`: physical pages of firstPages; `entryOf` finds those of later ones, and
  /// is also asked for pages past the end. A tile's rows are asked for as soon as the registers of the one before are
  /// free, and its physical pages one step earlier.
  void walk(const Walk &walk, Expr summary, Expr kvHead, Expr length, std::array<Expr, 2> entries,
            llvm::function_ref<Expr(Expr page)> entryOf,
            llvm::function_ref<void(Expr head, Expr page, Expr importance)> store) const;

private:
  /// A lane's words of one of its pages.
  struct PageRows {
    llvm::SmallVector<Words4> words;
    llvm::SmallVector<Expr> factors; ///< of coded rows: each row's scale and zero
  };
  /// A lane's pages of a tile: two, r and r + 8 of lane (r, c), or four (isWide).
  struct Rows : llvm::SmallVector<PageRows, 4> {
    Exprs pack() const;
    Rows unpack(llvm::ArrayRef<Expr> packed) const; ///< with as many of each
  };
  /// Where the summary of one of the lane's pages of a tile is, in pieces of 16 bytes: `entry` is its look-up.
  Expr placeOf(Expr entry, int64_t page, Expr kvHead) const;
  /// Asks for the summary of a page.
  PageRows load(Expr summary, Expr place) const;
  /// Scores the tile of 16 pages from `tile` on; `reload` is called for each page whose rows have been read.
  void score(const Rows &rows, Expr tile, Expr end, Expr length, llvm::function_ref<void(int64_t page)> reload,
             llvm::function_ref<void(Expr head, Expr page, Expr importance)> store) const;

  using Fragment = std::array<Expr, 4>;
  /// What the lane holds of a page's terms: for each term a fragment, or one for each half of the loads (isWide).
  using PageTerms = llvm::SmallVector<std::array<Fragment, 2>, 2>;
  /// For each term a value of each of the lane's two heads.
  using PageDots = llvm::SmallVector<std::array<Expr, 2>, 2>;
  /// A page's terms for two heads, all of it in one lane.
  struct Dots {
    Expr page; ///< of the tile
    Expr head; ///< the first of the two
    Expr isWriter;
    PageDots terms;
  };
  /// A lane's numbers of one row of one of its pages, as words of two 16-bit floats.
  llvm::SmallVector<Expr> expandRow(llvm::ArrayRef<Words4> stored, unsigned row, bool finite) const;
  /// The terms of one of the lane's pages; of both of them where a head has one column (not isPaired).
  PageTerms multiply(const Rows &rows, int64_t page, bool finite) const;
  PageTerms multiplyFinite(const Rows &rows, int64_t page) const;

  bool hasRoomAhead() const;
  /// What is right of a page's fragments in this lane: `half` of an unpaired one's two pages.
  PageDots ownOf(const PageTerms &terms, int64_t half) const;
  /// Brings the parts of pages together.
  llvm::SmallVector<Dots> gather(llvm::ArrayRef<PageDots> pages) const;
  Dots gatherWide(llvm::ArrayRef<PageDots> pages) const;

  KernelEmitter &e;
  ScorePagesConfig config;
  PageLayout layout;
  PageCoefficients coefficients;
};

} // namespace twilight

#endif
