// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Shared memory of the block shape: the one place that adds it up, for whoever checks, prices or allocates it.
//
//   | what | bytes, for each of the C thread blocks of a cluster; H = ceil(G / C) query heads a block |
//   |---|---|
//   | importances of the pages | 4 x pages, twice where the next item's are made meanwhile |
//   | candidate list | 8 x ceil(candidate pages / C) |
//   | logits of H heads | 4 x H x candidate pages x P, or what the warps' parts of the attention need, in their place |
//   | the parts | 4 x warps x G x (D + 2) |
//   | histograms | 8 KB x H |
//   | masks of the kept tokens | G x candidate pages x P / 8 |
//   | the rest (query, totals, barriers) | 2 KB |

#ifndef TWILIGHT_SCHEDULE_MEMORY_H
#define TWILIGHT_SCHEDULE_MEMORY_H

#include "twilight/Schedule/Problem.h"
#include "twilight/Schedule/Schedule.h"

namespace twilight {

/// The facts of a pipeline that its shared memory depends on, beside the number of pages.
struct BlockLayout {
  int64_t group, headDim, pageSize;
};

constexpr int64_t kHistogramBytes = 8 * 1024; ///< 1024 bins of 64 bits
constexpr int64_t kOtherSharedBytes = 2 * 1024;

inline int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }
inline int64_t max(int64_t a, int64_t b) { return a > b ? a : b; }

/// Bytes of shared memory of one thread block. Int is int64_t, or an expression that is computed at launch.
template <typename Int>
Int getBlockSharedBytes(const BlockLayout &layout, const Schedule &schedule, Int pages, Int candidatePages) {
  const int64_t heads = ceilDiv(layout.group, schedule.cluster);
  const int64_t parts = 4 * schedule.warps * layout.group * (layout.headDim + 2);
  const int64_t importances = schedule.selectWarps > 0 ? 2 : 1;
  Int slots = candidatePages * layout.pageSize;
  return pages * (4 * importances) + ceilDiv(candidatePages, schedule.cluster) * int64_t(8) +
         max(slots * (4 * heads), parts) + ceilDiv(slots * layout.group, int64_t(8)) +
         (heads * kHistogramBytes + kOtherSharedBytes);
}

/// The same for a problem of known sizes.
int64_t getBlockSharedBytes(const Problem &problem, const Schedule &schedule);

} // namespace twilight

#endif
