// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Which of a query head's candidates are kept, exactly.
//
//   mass:      total = sum W_i                              integers: exact in any order
//              t = largest t with sum_{w_i >= t} W_i >= p total     as in MassSearch.h
//   threshold: t = lambda
//   floors and cap: where too few or too many are kept, t = the k-th largest w
//   keep bit of slot i = w_i > t, or w_i = t while ties are left, or a floor

#ifndef TWILIGHT_LIB_KERNELS_KEEPTOKENS_H
#define TWILIGHT_LIB_KERNELS_KEEPTOKENS_H

#include "MassSearch.h"

#include "twilight/Dialect/Twilight.h"

namespace twilight {

/// How many tokens are kept beside p: 0 is no limit.
struct KeepLimits {
  KeepRule rule;
  int64_t minTokens, maxTokens;
};

/// Keys above `key` are kept, and the first `ties` of those equal to it.
struct KeepThreshold {
  Expr key, ties;
  Elements elements; ///< all keys >= `key` are among these; all of them where ties are counted
};

/// `level` is p or lambda. There is at least one weight, the reference is set.
KeepThreshold findKeepThreshold(KernelEmitter &e, const KeepLimits &limits, const HeadWeights &weights,
                                const KeepScratch &scratch, Expr level);

/// What the masses of kept elements reach, of `total`: i64.
Expr targetMass(KernelEmitter &e, Expr level, Expr total);
/// The least key that is kept where keys must reach a share of the largest.
Expr keyOfShare(KernelEmitter &e, Expr level);

/// Sets the bit of a slot in `words`, i32 for each 32 slots.
void markBit(KernelEmitter &e, SharedTile words, Expr slot);
/// Sets the bits of the listed elements whose key is at least `least`.
void markListed(KernelEmitter &e, const HeadWeights &weights, Expr least, const Elements &listed, SharedTile list,
                int64_t capacity, SharedTile words);
/// The same of all elements.
void markAbove(KernelEmitter &e, const HeadWeights &weights, Expr least, SharedTile words);

/// Calls `write(word, bits)` in one lane for each 32 slots; `floor(slot)` says what is kept in any case (null:
/// nothing). `running` holds two i32 a warp.
void writeKeepMask(KernelEmitter &e, const HeadWeights &weights, const KeepThreshold &threshold, SharedTile running,
                   llvm::function_ref<Expr(Expr slot)> floor, llvm::function_ref<void(Expr word, Expr bits)> write);

} // namespace twilight

#endif
