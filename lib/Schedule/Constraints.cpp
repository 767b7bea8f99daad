// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// What the chip and the shapes allow.

#include "twilight/Schedule/Constraints.h"
#include "twilight/Schedule/BlockMemory.h"
#include "twilight/Schedule/CostModel.h"
#include "twilight/Schedule/Memory.h"

#include "llvm/Support/FormatVariadic.h"

using namespace twilight;

/// Shared memory that one thread block may take beside the others of its multiprocessor.
static int64_t getSharedLimit(const TargetInfo &target, int64_t resident) {
  return min(target.sharedBytesPerBlock, target.sharedBytesPerSm / resident - target.sharedBytesReservedPerBlock);
}

/// The change of one field that makes a block fit, in words: the least one first.
static std::string describeRemedy(const Problem &problem, const Schedule &schedule) {
  const TargetInfo &target = *problem.target;
  auto fits = [&](const Schedule &other) {
    return getBlockSharedBytes(problem, other) <= getSharedLimit(target, other.resident);
  };
  Schedule other = schedule;
  for (other.resident -= 1; other.resident >= 1; --other.resident)
    if (fits(other))
      return llvm::formatv("lower resident to {0}", other.resident);
  const char *alone = schedule.resident > 1 ? " and set resident to 1" : "";
  other.resident = 1;
  for (other.warps -= 4; other.warps >= 4; other.warps -= 4)
    if (fits(other))
      return llvm::formatv("lower warps to {0}{1}", other.warps, alone);
  if (schedule.spread > 1) {
    for (int64_t spread = 2 * schedule.spread; spread <= ScheduleAttr::kMostSpread; spread *= 2)
      if (fits(Schedule::spreadBlocks(spread, schedule.warps)))
        return llvm::formatv("raise spread to {0}", spread);
    return "use the shape grid, or a smaller budget";
  }
  bool ahead = schedule.selectWarps > 0;
  if (ahead && fits(Schedule::block(1, schedule.warps)))
    return llvm::formatv("set select_warps to 0{0}", alone);
  for (int64_t cluster = 2 * schedule.cluster; cluster <= target.maxClusterBlocks; cluster *= 2)
    if (fits(Schedule::block(cluster, schedule.warps)))
      return llvm::formatv("raise cluster to {0}{1}{2}", cluster, ahead ? " and set select_warps to 0" : "", alone);
  return "use the shape grid, or a smaller budget";
}

std::string twilight::findViolation(const Problem &problem, const Schedule &schedule) {
  const TargetInfo &target = *problem.target;
  std::string chip(target.chip);
  if (!schedule.isBlock())
    return "";
  if (!problem.onlyGrid.empty())
    return problem.onlyGrid;
  if (schedule.cluster > 1 && !target.features.clusters)
    return llvm::formatv("{0} has no clusters, found cluster = {1}: set cluster to 1", chip, schedule.cluster);
  if (schedule.cluster > target.maxClusterBlocks)
    return llvm::formatv("a cluster of {0} has at most {1} thread blocks, found cluster = {2}: lower cluster", chip,
                         target.maxClusterBlocks, schedule.cluster);
  if (schedule.spread > target.part.smCount * schedule.resident)
    return llvm::formatv(
        "{0} has room for {1} thread blocks that wait for each other, found spread = {2}: lower spread", chip,
        target.part.smCount * schedule.resident, schedule.spread);
  if (schedule.threads() > target.threadsPerBlock)
    return llvm::formatv("a thread block of {0} has at most {1} warps, found {2}: lower warps or select_warps", chip,
                         target.threadsPerBlock / target.warpSize, schedule.threads() / target.warpSize);
  const int64_t heads = ceilDiv(problem.group, schedule.blocksPerItem());
  if (schedule.warps < heads)
    return llvm::formatv(
        "a thread block prunes {0} query heads, a warp each at least, found warps = {1}: raise warps to {0}", heads,
        schedule.warps);
  if (schedule.threads() * schedule.resident > target.threadsPerSm)
    return llvm::formatv(
        "a multiprocessor of {0} has at most {1} warps, found {2} in {3} thread blocks: lower resident", chip,
        target.threadsPerSm / target.warpSize, schedule.threads() / target.warpSize * schedule.resident,
        schedule.resident);
  if (problem.tokens == 0)
    return "";
  int64_t bytes = getBlockSharedBytes(problem, schedule), limit = getSharedLimit(target, schedule.resident);
  if (bytes <= limit)
    return "";
  return llvm::formatv("for {0} tokens a thread block needs {1} bytes of shared memory, {2} more than the {3} that {4} "
                       "has{5}: {6}",
                       problem.tokens, bytes, bytes - limit, limit, chip,
                       schedule.resident > 1 ? llvm::formatv(" for each of {0}", schedule.resident).str() : "",
                       describeRemedy(problem, schedule));
}

/// 16 warps leave 128 registers a thread. What ptxas said of kernels for sm_90a, some of them earlier ones: clusters of
/// 2, 4 and 16 blocks then spill 8 or 12 bytes with bounds of 8 bits, any cluster 4 to 12 with 8 query heads, and those
/// of 8 and 16 blocks 4 or 8 with a single one. 12 warps do not.
static bool spillsWith16Warps(const Problem &problem, int64_t cluster) {
  bool narrowBounds = problem.summaryBytes < 2 * 2 * problem.headDim;
  return (cluster > 1 && problem.group > 4) || (cluster >= 8 && problem.group == 1) ||
         ((cluster == 2 || cluster == 4 || cluster == 16) && narrowBounds);
}

llvm::SmallVector<Schedule> twilight::listCandidates(const Problem &problem) {
  llvm::SmallVector<Schedule> candidates;
  // One kernel before several, and few warps before many: the latter are taken only where they are clearly faster.
  auto addClusters = [&](llvm::function_ref<int64_t(int64_t)> warps) {
    for (int64_t cluster = 1; cluster <= problem.target->maxClusterBlocks; cluster *= 2)
      candidates.push_back(Schedule::block(cluster, warps(cluster)));
  };
  addClusters([](int64_t) { return 8; });
  // Two blocks whose loads hide behind each other's searches. Measured faster with 2048 candidates a list (152 to 139
  // us at 64 x 8192), slower with 8192 (504 to 517 us).
  // Of 8 query heads 16 warps a multiprocessor spill: 12 bytes with 128 registers.
  if (problem.tokens > 0 && problem.candidateSlots() <= 2048 && problem.group <= 4)
    candidates.push_back(Schedule::block(1, 8, 0, /*resident=*/2));
  // The next item's pages are ranked meanwhile. Of 16 warps four are enough: measured 365 to 347 us at 64 x 32768, and
  // 352 with three, 362 with five. Of 8 query heads 16 warps spill.
  if (problem.group <= 4)
    candidates.push_back(Schedule::block(1, 12, 4));
  candidates.push_back(Schedule::block(1, 8, 4));
  addClusters([&](int64_t cluster) { return spillsWith16Warps(problem, cluster) ? 12 : 16; });
  // Blocks that are no cluster: where the items alone leave multiprocessors idle. With 16 warps pairs of them spill 8
  // to 24 bytes, and with bounds of 8 bits or a single query head more of them 4 to 8.
  for (int64_t spread = 2; spread <= 16; spread *= 2)
    if (problem.batch * problem.kvHeads * spread <= problem.target->part.smCount)
      for (int64_t warps : {8, 12})
        candidates.push_back(Schedule::spreadBlocks(spread, warps));
  // Who attends densely is short.
  int64_t denseSplits = ScheduleAttr::kDenseSplits;
  if (problem.denseBelow > 0 && problem.hasSizes()) {
    Problem dense = problem;
    dense.tokens = min(problem.tokens, problem.denseBelow);
    denseSplits = pickDenseSplits(dense);
  }
  for (int64_t splits : {8, 16, 32})
    candidates.push_back(Schedule::grid(splits, denseSplits));
  return candidates;
}
