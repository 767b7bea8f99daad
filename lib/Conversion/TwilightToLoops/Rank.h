// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Exact ranking without sorting: numbers become keys in unsigned order, thresholds are found bit by bit.

#ifndef TWILIGHT_LIB_CONVERSION_TWILIGHTTOLOOPS_RANK_H
#define TWILIGHT_LIB_CONVERSION_TWILIGHTTOLOOPS_RANK_H

#include "Buffers.h"

namespace twilight::loops {

/// An i32 whose unsigned order is the order of the f32; equal numbers (0 and -0 too) have equal keys.
Expr orderedKey(Expr value);

/// The largest t for which holds(t), where holds(0) is taken to be true and a t that fails makes all larger ones fail.
Expr largestKey(Emitter &e, llvm::function_ref<Expr(Expr t)> holds);

/// Calls mark(i, best) for i = 0 .. size - 1 in order; best says whether i is among the k of largest key, ties going to
/// the earlier i. k <= size.
void markBest(Emitter &e, Expr size, Expr k, llvm::function_ref<Expr(Expr i)> key,
              llvm::function_ref<void(Expr i, Expr best)> mark);

/// Writes the i in [0, size) with flags[i] != 0 to list r of sequence b in order (value(i) each), and their number.
void writeList(Emitter &e, Expr size, const Buffer &flags, const Buffer &indices, const Buffer &counts, Expr b, Expr r,
               llvm::function_ref<Expr(Expr i)> value);

} // namespace twilight::loops

#endif
