// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Shared memory of the block shape.

#include "twilight/Schedule/Memory.h"

using namespace twilight;

BlockMemoryFacts twilight::getBlockMemoryFacts(const Problem &problem, const Schedule &schedule) {
  return {problem.group,     problem.headDim,          problem.pageSize,   schedule.blocksPerItem(),
          schedule.warps,    schedule.selectWarps > 0, problem.denseBelow, schedule.spread > 1,
          problem.keptLimits};
}

int64_t twilight::getBlockSharedBytes(const Problem &problem, const Schedule &schedule) {
  BlockMemoryFacts facts = getBlockMemoryFacts(problem, schedule);
  return getBlockFixedBytes(facts) + planBlockMemory<int64_t>(facts, problem.pages(), problem.candidatePages).bytes;
}
