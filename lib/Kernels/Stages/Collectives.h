// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// All threads of a block together: maxima, running sums, ordered compaction.

#ifndef TWILIGHT_LIB_KERNELS_COLLECTIVES_H
#define TWILIGHT_LIB_KERNELS_COLLECTIVES_H

#include "twilight/Kernels/Arch/KernelEmitter.h"

namespace twilight {

/// The maximum of a value (f32, or unsigned i32) over the block, known to all threads. `scratch` holds one a warp. Two
/// barriers.
Expr blockMax(KernelEmitter &e, SharedTile scratch, Expr value);

/// The sum of a value (i32 or i64) over the block, known to all threads. `scratch` holds one element a warp. Two
/// barriers.
Expr blockSum(KernelEmitter &e, SharedTile scratch, Expr value);

struct Running {
  Expr before; ///< sum over the threads below this one
  Expr total;  ///< sum over the block
};
/// Running sums of an i32 in thread order. `scratch` holds one i32 a warp. Two barriers.
Running blockScan(KernelEmitter &e, SharedTile scratch, Expr value);

/// What to do with an element of an ordered compaction.
struct Verdict {
  Expr keep; ///< kept in any case (i1)
  Expr tie;  ///< kept while ties are left (i1)
};

/// Walks 0 <= i < n in order and calls `write(position, i)` for what is kept: elements that `classify` keeps, and the
/// first `ties` of those it calls ties. Each warp walks a contiguous part twice, once to count. Returns how many were
/// kept. `scratch` holds two i32 a warp.
Expr compactInOrder(KernelEmitter &e, SharedTile scratch, Expr n, Expr ties,
                    llvm::function_ref<Verdict(Expr i)> classify,
                    llvm::function_ref<void(Expr position, Expr i)> write);

} // namespace twilight

#endif
