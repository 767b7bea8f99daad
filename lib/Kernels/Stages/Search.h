// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Exact thresholds by a search over the bits of 32-bit keys, a digit at a time.
//
// Each step makes a histogram of the next digit over the elements that agree with the digits found so far, and the
// block finds the bin where the running sum from the top crosses what is still needed. Sums are integers, so the result
// depends on no order.

#ifndef TWILIGHT_LIB_KERNELS_SEARCH_H
#define TWILIGHT_LIB_KERNELS_SEARCH_H

#include "twilight/Kernels/Arch/KernelEmitter.h"
#include "twilight/Schedule/BlockMemory.h"

namespace twilight {

/// Calls a function for every element of a block's data: its key (i32, unsigned order).
using ForEachKey = llvm::function_ref<void(llvm::function_ref<void(Expr key)>)>;

/// Which bits of a key one step looks at.
struct Digit {
  int64_t shift, bits;
};

struct Threshold {
  Expr key;  ///< the largest key such that the elements >= key reach the need
  Expr need; ///< i32, for counts: how many elements equal to `key` are still needed
};

/// Shared memory of the searches: one histogram, and a few words to pass results around.
struct SearchScratch {
  /// A histogram of `words` i32, for counts in as many bins or masses in a third of them.
  SearchScratch(KernelEmitter &e, int64_t bins, int64_t words);
  SearchScratch(int64_t bins, SharedTile sums, SharedTile warps, SharedTile crossing)
      : bins(bins), sums(sums), warps(warps), crossing(crossing) {}
  int64_t bins;
  SharedTile sums;     ///< i32 [bins], or [3, bins] for masses
  SharedTile warps;    ///< i64 [warps]
  SharedTile crossing; ///< i32 [4]: bin, unused, what is still needed (low, high)
};

/// The k-th largest key: elements > key are fewer than k, elements >= key at least k. 1 <= k <= elements. The digits
/// cover the key from the top.
Threshold searchCount(KernelEmitter &e, const SearchScratch &scratch, llvm::ArrayRef<Digit> digits, ForEachKey forEach,
                      Expr k);

/// The same for keys known to lie between two bounds (unsigned order, both included): one step over the bins where they
/// are spread enough. The scratch has 2048 bins.
Threshold searchCountBetween(KernelEmitter &e, const SearchScratch &scratch, Expr lowest, Expr highest,
                             ForEachKey forEach, Expr k);

/// A search by mass. Keys below `heavy` are many and light: the first step only adds them up, and looks at them one by
/// one just where the heavy ones do not reach the target.
struct MassSearch {
  ForEachKey forEach;
  /// The sum (i64) of what a function gives for up to 16 of this thread's elements at a time; called once, first.
  using SumOfKeys = llvm::function_ref<Expr(llvm::ArrayRef<Expr> keys)>;
  llvm::function_ref<Expr(SumOfKeys)> sumOver;
  /// The mass of a key, i64 in [0, 2^40].
  llvm::function_ref<Expr(Expr key)> massOf;
  /// The mass of a light key, i32 below 2^28.
  llvm::function_ref<Expr(Expr key)> lightMassOf;
  /// What must be reached, from the mass of all elements: i64, > 0, at most that mass.
  llvm::function_ref<Expr(Expr total)> targetOf;
  int64_t heavy;                     ///< the lowest heavy key
  llvm::ArrayRef<Digit> heavyDigits; ///< cover key - heavy from the top
  llvm::ArrayRef<Digit> digits;      ///< cover every key from the top
};
/// The largest key such that the masses of the elements >= key reach the target.
Expr searchMass(KernelEmitter &e, const SearchScratch &scratch, const MassSearch &mass);

} // namespace twilight

#endif
