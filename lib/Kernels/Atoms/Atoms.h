// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Who holds which element: rows of a page, fragments of tensor-core tiles, lists of tokens.
//
// A warp works on tiles of 16 rows (pages or tokens). Lane l is at (l / 4, l % 4) of an 8 x 4 grid. Every dot product
// runs over the head dimension, whose order is free as long as both operands agree; so a lane loads 16 contiguous bytes
// of a row and uses them as tensor-core operands where they fall, without staging in shared memory.

#ifndef TWILIGHT_LIB_KERNELS_ATOMS_H
#define TWILIGHT_LIB_KERNELS_ATOMS_H

#include "twilight/Kernels/Arch/KernelEmitter.h"
#include "twilight/Kernels/Atoms/AttentionShape.h"

namespace twilight {

constexpr double kLog2E = 1.4426950408889634;
constexpr double kLn2 = 0.6931471805599453;

/// A lane's place in a fragment: row of the 8, column of the 4.
struct LaneGrid {
  explicit LaneGrid(KernelEmitter &e) : row(e.lane() >> 2), column(e.lane() & 3) {}
  Expr row, column;
};

using Words4 = std::array<Expr, 4>;

/// Physical rows of one sequence's tokens in one kv head.
struct PagedRows {
  AttentionShape shape;
  Expr pageTable, maxPages, sequence, kvHead;
  /// Physical page of a logical page.
  Expr page(KernelEmitter &e, Expr logical) const;
  /// Row index in K and V of a slot of a physical page (rows of D elements, in the cache's layout); of a position.
  Expr kvRowOf(Expr physical, Expr slot) const;
  Expr kvRow(KernelEmitter &e, Expr position) const;
  /// Row index of a position in the parts that are always [pages, Hkv, P].
  Expr tokenRow(KernelEmitter &e, Expr position) const;
};

/// The query heads of a list as words of two neighbouring elements. Lane (r, c) has head r, `piece` (8 or 16) elements
/// of each 4 piece: 4 piece j + piece c and on, for j = 0, 1, ... Heads that do not exist are zero. Another head than r
/// where `row` says so.
llvm::SmallVector<Words4> loadQueryWords(KernelEmitter &e, const AttentionShape &shape, Expr q, Expr sequence,
                                         Expr firstHead, int64_t heads, int64_t piece = 8, Expr row = {});

/// First query head of a list, and its kv head.
Expr firstHeadOf(const AttentionShape &shape, Expr list);
Expr kvHeadOf(const AttentionShape &shape, Expr list);

/// The tokens of one list: how many, and where the i-th is.
struct TokenList {
  TokenSource source;
  int64_t pageSize;
  Expr length;        ///< cached tokens of the sequence
  Expr indices, base; ///< the list's buffer and the index of its first entry (not for All)
  Expr size;          ///< tokens in the list
  /// Position of the i-th token; i < size.
  Expr position(KernelEmitter &e, Expr i) const;
};

/// `listIndex` = sequence * lists + list. For Pages the last page may be partial.
TokenList makeTokenList(KernelEmitter &e, TokenSource source, int64_t pageSize, Expr length, Expr indices, Expr counts,
                        Expr capacity, Expr listIndex);

/// The power of two at the largest magnitude of a head's values: of this lane and of the head's others, whose numbers
/// differ in the bits `lanes`. Magnitudes that are within `headroom` units of the next one, in the last place of an
/// f32, take that one. The reciprocal is a normal number too.
Expr powerOfTwo(KernelEmitter &e, llvm::ArrayRef<Expr> values, int64_t lanes = 3, int64_t headroom = 0);
Expr reciprocalOfPower(KernelEmitter &e, Expr power);

/// f32 as an i32 whose unsigned order is the number's; NaN is the lowest.
Expr orderedKey(KernelEmitter &e, Expr x);

} // namespace twilight

#endif
