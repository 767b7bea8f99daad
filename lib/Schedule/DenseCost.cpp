// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// What dense attention costs, and how many thread blocks share one of its lists.
//
//   wave w: the blocks that the chip holds at a time read their parts of the lists; the last wave has what is left
//   time = start + sum over waves of (a block's start + bytes / rate)
//
// Fewer blocks start less often; more of them leave no multiprocessor idle, and no long list to one block.

#include "Rates.h"
#include "Streams.h"

#include "twilight/Schedule/Choose.h"

#include "llvm/Support/MathExtras.h"

using namespace twilight;

int64_t twilight::countSplitsInUse(int64_t tokens, int64_t splits) {
  return std::clamp<int64_t>(llvm::divideCeil(tokens, rates::kAttendTokensPerBlock), 1, splits);
}

StageCost twilight::predictDense(const Problem &problem, int64_t splits) {
  StageCost cost{"attend", problem.denseBytes()};
  int64_t blocks = problem.batch * problem.kvHeads * countSplitsInUse(problem.tokens, splits);
  int64_t atATime = problem.target->part.smCount * rates::kAttendResident;
  addStart(cost, rates::kAttend.start);
  auto addBlocks = [&](int64_t count, int64_t side) {
    addStream(cost, problem, cost.bytes * count / blocks, rates::kAttend.share, double(side) * rates::kAttendWarps,
              rates::kAttendWarpRate);
  };
  int64_t left = blocks % atATime;
  addBlocks(blocks - left, atATime);
  if (left > 0)
    addBlocks(left, left);
  cost.latency += llvm::divideCeil(blocks, atATime) * rates::kAttendWave;
  return cost;
}

llvm::SmallVector<int64_t, 6> twilight::listDenseSplits(const Problem &problem) {
  // A list may be longer than was expected, and the block that has it is the last one at work: it gets 1024 tokens of
  // the expected length, where no more than 8 blocks are needed for that. Their starts are some 3% of the time then.
  constexpr int64_t kTokens = 1024, kEnough = 8;
  int64_t fewest = std::clamp<int64_t>(llvm::divideCeil(problem.tokens, kTokens), 1, kEnough);
  llvm::SmallVector<int64_t, 6> splits;
  // The kernel that combines the parts of 64 blocks spills.
  for (int64_t count = llvm::PowerOf2Ceil(fewest); count <= ScheduleAttr::kDenseSplits; count *= 2)
    splits.push_back(count);
  return splits;
}

int64_t twilight::pickDenseSplits(const Problem &problem) {
  llvm::SmallVector<int64_t, 6> candidates = listDenseSplits(problem);
  double best = predictDense(problem, candidates.front()).time();
  for (int64_t splits : candidates)
    best = std::min(best, predictDense(problem, splits).time());
  return *llvm::find_if(candidates,
                        [&](int64_t splits) { return predictDense(problem, splits).time() <= best * kWorthwhile; });
}
