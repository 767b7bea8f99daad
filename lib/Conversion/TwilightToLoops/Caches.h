// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// A paged cache and lists of tokens, as the loops walk them.

#ifndef TWILIGHT_LIB_CONVERSION_TWILIGHTTOLOOPS_CACHES_H
#define TWILIGHT_LIB_CONVERSION_TWILIGHTTOLOOPS_CACHES_H

#include "Buffers.h"

#include "twilight/Conversion/LoweredTypes.h"

namespace twilight::loops {

/// A row of codes, one a byte, as the bytes that `codes` holds; the lower dim lies in the lower bits.
Expr packCodes(Expr codes, int64_t bits);
/// The other way round.
Expr unpackCodes(Expr bytes, int64_t bits);

/// The cache as kv head g of sequence b sees it: logical pages and token positions in, rows out.
class HeadCache {
public:
  HeadCache(Emitter &e, const CacheBuffers &buffers, Expr b, Expr g) : e(&e), buffers(buffers), b(b), g(g) {}

  Expr length() const;                        ///< N_b
  Expr pages() const;                         ///< ceil(N_b / P)
  Expr physical(Expr page) const;             ///< where a logical page lies
  Expr key(Expr token) const;                 ///< f32 row of k_pages
  Expr value(Expr token) const;               ///< f32 row of v_pages
  Expr codedKey(Expr token) const;            ///< scale * code + zero, an f32 row
  Expr coarseKey(Expr token) const;           ///< the same from the high plane of the codes
  Expr summary(Expr page, int64_t row) const; ///< an f32 row

  /// Where the key or value of a token lies: the first three indices of k_pages and v_pages.
  Exprs keyIndices(Expr token) const;
  /// Where everything else of a token lies: [physical page, g, slot].
  Exprs tokenIndices(Expr token) const;
  Expr keyElement(Expr token, Expr d) const; ///< f32
  /// Stores a token's codes (one a byte), scale and zero (f16).
  void storeCodes(Expr token, Expr codes, Expr scale, Expr zero) const;

private:
  Buffer part(CachePart which) const { return Buffer(*e, buffers.get(which)); }
  /// Of a token at tokenIndices: all bits of its codes, one code a byte, and scale * code + zero for f32 codes.
  Expr codes(Indices at) const;
  Expr scaled(Indices at, Expr code) const;
  /// Its row of the high (0) or the low (1) plane: indices and an offset in bytes behind them; its bits, one code a
  /// byte.
  std::pair<Exprs, Expr> planeAt(Indices at, int64_t plane) const;
  Expr plane(Indices at, int64_t plane) const;
  Emitter *e;
  CacheBuffers buffers;
  Expr b, g;
};

/// The sizes that an op with a query works with, and its query.
struct Problem {
  Problem(Emitter &e, mlir::Value q, const CacheBuffers &cache);
  Buffer q; ///< [B, Hq, D]
  HeadCounts heads;
  Expr batch;
  Expr row(Expr b, Expr h) const { return q.rowF32({b, h}); }
  Expr kvHead(Expr h) const { return h / heads.group; }
};

/// The lists of a selection. A page stands for the tokens it holds.
class TokenLists {
public:
  /// Lists of tokens or of pages, over sequences of the lengths seq_lens.
  TokenLists(Emitter &e, SelectionBuffers buffers, Unit unit, int64_t pageSize, mlir::Value seqLens);
  /// Every token, one list for each kv head.
  TokenLists(Emitter &e, int64_t kvHeads, int64_t pageSize, const CacheBuffers &cache);

  Expr lists() const;               ///< how many lists a sequence has
  Expr capacity() const;            ///< slots of a list
  Expr count(Expr b, Expr r) const; ///< tokens of list r
  /// carried = body(slot, token, carried) for each token of list r, in order.
  Exprs fold(Expr b, Expr r, Indices carried, llvm::function_ref<Exprs(Expr, Expr, Indices)> body) const;

private:
  enum class Kind { Tokens, Pages, Everything };
  Kind kind;
  Emitter *e;
  std::optional<SelectionBuffers> buffers;
  int64_t everyHead = 0, pageSize;
  Expr pagesCapacity;
  Buffer seqLens;
};

/// Tokens that the first `count` pages of an ascending list hold; only the last page may be partly filled.
Expr tokensInPages(Emitter &e, SelectionBuffers pages, Expr b, Expr r, Expr pageSize, Expr length);

} // namespace twilight::loops

#endif
