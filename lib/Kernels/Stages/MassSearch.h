// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The exact weight at which a head's candidates reach a mass.
//
//   list the heavy elements, sum the light ones
//   range = the heavy keys
//   repeat:
//     histogram of the masses of the range's elements     over the list where all that matters is in it
//     bin       = where the running sum from the top crosses the target; where none does, begin anew with every key
//     range     = the bin's keys
//     few       = number of the elements in it
//   until they are few, which are compared with each other, or they are equal
//
// Sums are integers, so the result depends on no order. Usually there is one round, over the list.

#ifndef TWILIGHT_LIB_KERNELS_MASSSEARCH_H
#define TWILIGHT_LIB_KERNELS_MASSSEARCH_H

#include "MassHistogram.h"

#include "twilight/Schedule/BlockMemory.h"

namespace twilight {

/// Shared memory of a head's searches.
struct KeepScratch {
  explicit KeepScratch(KernelEmitter &e);
  /// `words`: i32 [kKeepWords].
  KeepScratch(KernelEmitter &e, SharedTile words, SharedTile warps, SharedTile crossing);
  MassHistogram sums;
  SharedTile list;     ///< i16: slots of heavy elements, of which it holds kKeepList unless stated otherwise
  SharedTile warps;    ///< i64 [warps]
  SharedTile crossing; ///< i32 [4]: bin or result, a counter, what is still needed (low, high)
};

struct MassThreshold {
  Expr key;          ///< the largest key such that the masses of the elements >= key reach the target
  Elements elements; ///< all elements >= key are among them
};

/// `targetOf` gives what must be reached from the mass of all elements: i64, > 0. Masses that do not reach it give 0.
/// There is at least one element, and they are visible to all threads.
MassThreshold searchMass(KernelEmitter &e, const KeepScratch &scratch, const HeadWeights &weights,
                         llvm::function_ref<Expr(Expr total)> targetOf);

/// Calls a function for every key of a search.
using ForEachMass = llvm::function_ref<void(llvm::function_ref<void(Expr key)>)>;

struct HeavyThreshold {
  Expr key;     ///< as in MassThreshold
  Expr reached; ///< i1: heavy masses alone reach the target; else `key` says nothing
};

/// The same of heavy keys that have been listed already, wherever they are; others are passed over. `targetOf` is asked
/// in one warp, with the mass of the heavy ones. The histogram and the counter are clear, the keys visible.
HeavyThreshold searchHeavy(KernelEmitter &e, const KeepScratch &scratch, ForEachMass forEach,
                           llvm::function_ref<Expr(Expr heavy)> targetOf);

} // namespace twilight

#endif
