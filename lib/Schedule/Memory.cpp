// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Shared memory of the block shape: each piece begins at a multiple of 16 bytes.

#include "twilight/Schedule/Memory.h"

#include "llvm/Support/MathExtras.h"

using namespace twilight;
using llvm::alignTo;
using llvm::divideCeil;

/// What does not depend on the length.
static int64_t getFixedBytes(const Problem &problem, int64_t warps, int64_t heads) {
  constexpr int64_t kRankBins = 2048, kKeepBins = 1024, kBinBytes = 8;
  const int64_t group = problem.group;
  int64_t bytes = std::max(kRankBins, kKeepBins * heads) * kBinBytes;
  for (int64_t piece : {8 * warps * heads, 16 * heads, 8 * warps * heads, 4 * warps * heads,
                        4 * group * (problem.headDim + 2), 4 * warps * group, 4 * warps * group})
    bytes += alignTo(piece, 16);
  return bytes;
}

int64_t twilight::getBlockSharedBytes(const Problem &problem, const Schedule &schedule) {
  constexpr int64_t kTile = 16; // tokens of a tile of kept rows
  const int64_t heads = divideCeil(problem.group, schedule.cluster), slots = problem.candidateSlots();
  const int64_t keys = alignTo(4 * problem.pages(), 16), list = alignTo(4 * problem.candidatePages, 16);
  const int64_t masks = problem.group * alignTo(divideCeil(slots, 8), 16);
  const int64_t stride = alignTo(slots, 32) + 4; // heads in different banks
  // A list may be all candidates, or all tokens of a sequence that attends densely; tiles go round the blocks.
  const int64_t tokens = std::max(slots, std::min(problem.pages() * problem.pageSize, problem.denseBelow));
  const int64_t rows = divideCeil(divideCeil(tokens, kTile), schedule.cluster) * kTile * 4;
  const int64_t sums = 4 * schedule.warps * problem.group * problem.headDim;
  return getFixedBytes(problem, schedule.warps, heads) + keys * (schedule.selectWarps > 0 ? 2 : 1) + 2 * list + masks +
         std::max(4 * heads * stride, rows + sums);
}
