// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The k-th largest of 32-bit keys, by a search over their bits, a digit at a time.
//
// Each step makes a histogram of the next digit over the elements that agree with the digits found so far, and the
// block finds the bin where the count from the top crosses what is still needed.

#ifndef TWILIGHT_LIB_KERNELS_SEARCH_H
#define TWILIGHT_LIB_KERNELS_SEARCH_H

#include "twilight/Kernels/Arch/KernelEmitter.h"

namespace twilight {

/// Calls a function for every element of a block's data: its key (i32, unsigned order).
using ForEachKey = llvm::function_ref<void(llvm::function_ref<void(Expr key)>)>;

/// Which bits of a key one step looks at.
struct Digit {
  int64_t shift, bits;
};

struct Threshold {
  Expr key;  ///< the largest key such that the elements >= key reach the need
  Expr need; ///< i32: how many elements equal to `key` are still needed
};

/// Shared memory of the searches: one histogram, and a few words to pass results around.
struct SearchScratch {
  SearchScratch(KernelEmitter &e, int64_t bins);
  SearchScratch(int64_t bins, SharedTile counts, SharedTile warps, SharedTile crossing)
      : bins(bins), counts(counts), warps(warps), crossing(crossing) {}
  /// Zeroes the first bins.
  void clear(KernelEmitter &e, int64_t bins) const;
  int64_t bins;
  SharedTile counts;   ///< i32 [bins]
  SharedTile warps;    ///< i32 [warps]
  SharedTile crossing; ///< i32 [3]: bin or key, a counter, what is still needed
};

/// The k-th largest key: elements > key are fewer than k, elements >= key at least k. 1 <= k <= elements. The digits
/// cover the key from the top.
Threshold searchCount(KernelEmitter &e, const SearchScratch &scratch, llvm::ArrayRef<Digit> digits, ForEachKey forEach,
                      Expr k);

struct Crossing {
  Expr bin;  ///< where the count from the top reaches the need
  Expr need; ///< how many elements of the bin are needed
};
/// Of a histogram of 2^bits bins that all threads have added to. Three barriers, the last one behind what is returned.
Crossing findCrossing(KernelEmitter &e, const SearchScratch &scratch, int64_t bits, Expr need);

} // namespace twilight

#endif
