// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The k largest of keys in shared memory, in order.
//
//   lowest, highest
//   histogram over the bins between them, which the keys are spread over; the bin that the k-th falls into
//   each warp, of a contiguous part: count what lies above the bin, collect what lies in it
//   few in the bin: every warp ranks them by (key, then place); the last one that is kept is the threshold
//   each warp writes what lies above the threshold of its part
//
// Three passes of 16-byte loads and one that writes; six barriers.

#ifndef TWILIGHT_LIB_KERNELS_LISTLARGEST_H
#define TWILIGHT_LIB_KERNELS_LISTLARGEST_H

#include "Search.h"

namespace twilight {

/// Calls `write(place, i)` for the k largest of `keys` (i32, unsigned order; 16-byte aligned), 0 <= i < n, in ascending
/// order of i; of equal ones the first. 1 <= k <= n. Keys and scratch, of 2048 bins, are behind a barrier; `running`
/// holds two i32 a warp. What was written is not.
void listLargest(KernelEmitter &e, const SearchScratch &scratch, SharedTile running, SharedTile keys, Expr n, Expr k,
                 llvm::function_ref<void(Expr place, Expr i)> write);

} // namespace twilight

#endif
