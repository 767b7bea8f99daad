// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Exact thresholds by a search over the bits of 32-bit keys, eight at a time.
//
// Each step makes a histogram of the next eight bits over the elements that agree with the bits found so far, and one
// warp finds the bin where the running sum from the top crosses what is still needed. Sums are integers, so the result
// depends on no order.

#ifndef TWILIGHT_LIB_KERNELS_SEARCH_H
#define TWILIGHT_LIB_KERNELS_SEARCH_H

#include "twilight/Kernels/Arch/KernelEmitter.h"

namespace twilight {

/// Calls a function for every element of a block's data: its key (i32, unsigned order).
using ForEachKey = llvm::function_ref<void(llvm::function_ref<void(Expr key)>)>;

struct Threshold {
  Expr key;  ///< the largest key such that the elements >= key reach the need
  Expr need; ///< i32, for counts: how many elements equal to `key` are still needed
};

/// Scratch of both searches, in shared memory.
struct SearchScratch {
  explicit SearchScratch(KernelEmitter &e, int64_t copies);
  int64_t copies;      ///< histograms that warps share out among themselves, against contention
  SharedTile bins;     ///< i32 [copies * 256 * 2]: low and high words
  SharedTile crossing; ///< i32 [4]: bin, unused, what is still needed (low, high)
};

/// The k-th largest key: elements > key are fewer than k, elements >= key at least k. 1 <= k <= elements.
Threshold searchCount(KernelEmitter &e, const SearchScratch &scratch, ForEachKey forEach, Expr k);

/// The largest key such that the masses of the elements >= key reach `target` (i64 > 0). `massOf` gives the mass of a
/// key as i64 in [0, 2^40].
Expr searchMass(KernelEmitter &e, const SearchScratch &scratch, ForEachKey forEach,
                llvm::function_ref<Expr(Expr key)> massOf, Expr target);

} // namespace twilight

#endif
