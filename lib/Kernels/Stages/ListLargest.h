// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The k largest of keys in shared memory, in order.
//
//   lowest, highest; keys that are in global memory come to shared memory on the way
//   histogram over the bins between them, which the keys are spread over; the bin that the k-th falls into
//   each warp, of a contiguous part: count what lies above the bin, collect what lies in it
//   few in the bin: every warp ranks them by (key, then place); the last one that is kept is the threshold
//   each warp writes what lies above the threshold of its part
//
// Four passes of 16-byte loads, the last one writes; five barriers. With several warps on each scheduler, what a pass
// takes is its number of instructions, not its latencies.

#ifndef TWILIGHT_LIB_KERNELS_LISTLARGEST_H
#define TWILIGHT_LIB_KERNELS_LISTLARGEST_H

#include "Search.h"

#include <optional>

namespace twilight {

struct ListedKeys {
  SharedTile tile;               ///< i32, unsigned order, 16-byte aligned; behind n up to a multiple of four 0 or 1
  std::optional<SharedTile> far; ///< where they are taken from, if they are not in `tile` yet: 0 until they are there
  Expr n;
};

/// Key i + j goes to a place for each bit j of `kept` (0 <= j < 4), from `place` on.
using WriteKept = llvm::function_ref<void(Expr place, Expr kept, Expr i)>;

/// Calls `write` for the k largest keys, 0 <= i < n, in ascending order of i; of equal ones the first. 1 <= k <= n.
/// Keys and scratch, of 2048 bins, are behind a barrier; `running` holds two i32 a warp. Then every warp calls
/// `finish(from, to)` for a part of the places: what was written to those is visible to it, but there is no barrier
/// behind all of them.
void listLargest(KernelEmitter &e, const SearchScratch &scratch, SharedTile running, const ListedKeys &source, Expr k,
                 WriteKept write, llvm::function_ref<void(Expr from, Expr to)> finish);

} // namespace twilight

#endif
