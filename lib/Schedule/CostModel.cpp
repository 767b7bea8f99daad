// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// What the grid shape costs; the parts that all shapes share.

#include "Rates.h"
#include "Streams.h"

#include "llvm/Support/MathExtras.h"

#include <algorithm>

using namespace twilight;

llvm::StringRef twilight::getName(Limiter limiter) {
  switch (limiter) {
  case Limiter::Memory:
    return "memory";
  case Limiter::Occupancy:
    return "occupancy";
  case Limiter::OnChip:
    return "on-chip work";
  case Limiter::Latency:
    return "latency";
  case Limiter::Launch:
    return "launches";
  }
  llvm_unreachable("every limiter has a name");
}

Limiter StageCost::limiter() const {
  const std::pair<double, Limiter> parts[] = {{memory, Limiter::Memory},
                                              {occupancy, Limiter::Occupancy},
                                              {onChip, Limiter::OnChip},
                                              {latency, Limiter::Latency},
                                              {launch, Limiter::Launch}};
  const auto *largest =
      std::max_element(std::begin(parts), std::end(parts), [](auto &a, auto &b) { return a.first < b.first; });
  return largest->second;
}

double Prediction::time() const {
  double sum = -overlapped;
  for (const StageCost &stage : stages)
    sum += stage.time();
  return sum;
}

Limiter Prediction::limiter() const {
  StageCost sum;
  for (const StageCost &stage : stages) {
    sum.memory += stage.memory;
    sum.occupancy += stage.occupancy;
    sum.onChip += stage.onChip;
    sum.latency += stage.latency;
    sum.launch += stage.launch;
  }
  return sum.limiter();
}

double twilight::bandwidth(const Problem &problem, double share) {
  constexpr double kBytesPerMicrosecond = 1e-6;
  return share * problem.target->part.memoryBandwidth * kBytesPerMicrosecond;
}

double twilight::predictLimit(const Problem &problem) {
  return problem.mustReadBytes() / bandwidth(problem, rates::kReadShare);
}

void twilight::addStream(StageCost &cost, const Problem &problem, double bytes, double share, double warps,
                         double warpRate) {
  constexpr double kPerMicrosecond = 1000; // of bytes a nanosecond
  double byDevice = bandwidth(problem, share), byWarps = warps * warpRate * kPerMicrosecond;
  if (bytes > 0)
    (byDevice <= byWarps ? cost.memory : cost.occupancy) += bytes / std::min(byDevice, byWarps);
}

double twilight::fetchedScoreBytes(const Problem &problem) {
  // Scales and zeros lie behind their page's codes, or in arrays of their own: 2 P bytes a page, kv head and array.
  auto fetched = [](int64_t run) { return llvm::divideCeil(run, rates::kMemoryGranule) * rates::kMemoryGranule; };
  int64_t codes = problem.codeBytesPerPage(), scales = 2 * problem.pageSize;
  int64_t page = problem.blockedCodes ? fetched(codes + 2 * scales) : fetched(codes) + 2 * fetched(scales);
  return double(problem.candidateLists()) * problem.candidatePages * page;
}

/// Microseconds that an SM is busy with `lists` lists of `elements`, a block each.
static double searchTime(const rates::Search &search, const Problem &problem, int64_t lists, int64_t elements) {
  constexpr double kMicrosecond = 1e-3; // of nanoseconds
  int64_t sms = problem.target->part.smCount, perSm = (lists + sms - 1) / sms;
  return std::max(search.block + elements * search.alone * kMicrosecond,
                  perSm * (search.block + elements * search.full * kMicrosecond));
}

void twilight::addStart(StageCost &cost, double start) {
  cost.launch += rates::kLaunch;
  cost.latency += start - rates::kLaunch;
}

/// Warps of kernels whose grid fills the chip: enough for any bandwidth.
constexpr double kManyWarps = 1e9;

static StageCost predictSelect(const Problem &problem) {
  StageCost cost{"select", problem.selectBytes()};
  if (problem.summaryBytes == 0) {
    addStart(cost, rates::kListPages);
    return cost;
  }
  addStart(cost, rates::kScorePages.start);
  addStream(cost, problem, problem.selectBytes(), rates::kScorePages.share, kManyWarps, rates::kScoreWarpRate);
  addStart(cost, rates::kChoosePages.start);
  cost.onChip += searchTime(rates::kChoosePages, problem, problem.candidateLists(), problem.pages());
  return cost;
}

static StageCost predictScore(const Problem &problem) {
  StageCost cost{"quantize_score", problem.scoreBytes()};
  double logits =
      double(problem.logitBytes) * problem.batch * problem.kvHeads * problem.group * problem.candidateSlots();
  double written = std::max(0.0, logits - rates::kL2Kept * problem.target->part.l2Bytes);
  addStart(cost, rates::kQuantizeScore.start);
  addStream(cost, problem, fetchedScoreBytes(problem) + written, rates::kQuantizeScore.share, kManyWarps,
            rates::kScoreWarpRate);
  return cost;
}

static StageCost predictKeep(const Problem &problem) {
  StageCost cost{"top_p", 0};
  int64_t queryHeads = problem.batch * problem.kvHeads * problem.group;
  addStart(cost, rates::kKeepMask.start);
  cost.onChip += searchTime(rates::kKeepMask, problem, queryHeads, problem.candidateSlots());
  addStart(cost, rates::kCompactTokens.start);
  cost.onChip += searchTime(rates::kCompactTokens, problem, problem.keptLists(), problem.candidateSlots());
  return cost;
}

static StageCost predictGather(const Problem &problem, int64_t splits) {
  StageCost cost{"gather_attend", problem.attendBytes()};
  int64_t blocks = problem.keptLists() * countSplitsInUse(problem.keptTokens(), splits);
  addStart(cost, rates::kGatherAttend.start);
  addStream(cost, problem, cost.bytes, rates::kGatherAttend.share, double(blocks) * rates::kAttendWarps,
            rates::kAttendWarpRate);
  addStart(cost, rates::kCombineSplits);
  return cost;
}

Prediction twilight::predictGrid(const Problem &problem, const Schedule &schedule) {
  Prediction prediction;
  prediction.stages = {predictSelect(problem), predictScore(problem), predictKeep(problem),
                       predictGather(problem, schedule.gatherSplits)};
  return prediction;
}

Prediction twilight::predict(const Problem &problem, const Schedule &schedule) {
  return schedule.isBlock() ? predictBlock(problem, schedule) : predictGrid(problem, schedule);
}
