// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Shared memory of the block shape.

#ifndef TWILIGHT_SCHEDULE_MEMORY_H
#define TWILIGHT_SCHEDULE_MEMORY_H

#include "twilight/Schedule/Problem.h"
#include "twilight/Schedule/Schedule.h"

namespace twilight {

/// Bytes of shared memory of one thread block, for a problem whose length is known. With H = ceil(G / C) of the G query
/// heads in each of a cluster's C blocks:
///
///   | what | bytes |
///   |---|---|
///   | keys of the pages' importances | 4 x pages, twice where the next item's are made meanwhile |
///   | candidate list: logical and physical pages | 8 x candidate pages |
///   | masks of the kept slots | 4 x G x ceil(slots / 32) |
///   | logits of H heads, or in their place afterwards: | 4 x H x slots |
///   | rows of the kept tokens, sums of the warps | 4 x ceil(tokens / C) + 4 x warps x G x D |
///   | histograms of the searches | 16 KB, or 8 KB x H |
///   | totals of warps and heads, sums of the block | 20 x warps x H + 16 x H + 8 x warps x G + 4 x G x (D + 2) |
int64_t getBlockSharedBytes(const Problem &problem, const Schedule &schedule);

} // namespace twilight

#endif
