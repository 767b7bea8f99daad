// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Parts of the cost model that both shapes share.

#ifndef TWILIGHT_LIB_SCHEDULE_STREAMS_H
#define TWILIGHT_LIB_SCHEDULE_STREAMS_H

#include "twilight/Schedule/CostModel.h"

namespace twilight {

/// Bytes a microsecond: a share of the data sheet's bandwidth.
double bandwidth(const Problem &problem, double share);

/// Adds the time of reading `bytes`, as memory or, where the warps cannot ask for as much, as occupancy. `warpRate` is
/// in bytes a nanosecond.
void addStream(StageCost &cost, const Problem &problem, double bytes, double share, double warps, double warpRate);

/// Bytes that quantize_score moves for what it must read: runs below the memory's granule cost a whole one.
double fetchedScoreBytes(const Problem &problem);

/// A kernel's start: the boundary, and what waits for each other before bytes flow.
void addStart(StageCost &cost, double start);

/// Thread blocks that share a list of attention.
int64_t countSplitsInUse(int64_t tokens, int64_t splits);

Prediction predictGrid(const Problem &problem, const Schedule &schedule);
Prediction predictBlock(const Problem &problem, const Schedule &schedule);

} // namespace twilight

#endif
