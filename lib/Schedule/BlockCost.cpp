// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// What the block shape costs: a persistent grid of groups of blocks, each a cluster or spread over the chip, each
// taking one item (sequence, kv head) after the other.
//
//   round r: `active` groups work on an item each
//     rank pages | list candidates, score, prune, attend         one after the other, or side by side (select_warps)
//   time = start + sum over rounds
//
// All blocks march in step. With resident = 2 one's work on the chip runs beside the other's loads, so it is paid once.

#include "Rates.h"
#include "Streams.h"

#include "twilight/Schedule/Memory.h"

#include "llvm/Support/MathExtras.h"

#include <algorithm>

using namespace twilight;

namespace {

constexpr double kMicrosecond = 1e-3; // of nanoseconds

/// One round's prices; `share` is the part of the problem's items that are active in it.
class Round {
public:
  Round(const Problem &problem, const Schedule &schedule, int64_t active)
      : problem(problem), schedule(schedule), share(double(active) / (problem.batch * problem.kvHeads)),
        blocks(active * schedule.blocksPerItem()), heads(llvm::divideCeil(problem.group, schedule.blocksPerItem())) {}

  StageCost select() const {
    StageCost cost{"select", share * problem.selectBytes()};
    int64_t warps = schedule.selectWarps > 0 ? schedule.selectWarps : schedule.warps;
    addStream(cost, cost.bytes, rates::kReadShare, warps * rates::kBlockRankWarp, rates::kBlockSmRate);
    return cost;
  }

  /// The search among the page scores, which belongs to select but waits for the item's turn.
  StageCost choose() const {
    StageCost cost{"select"};
    cost.onChip = search(rates::kBlockChoose, problem.pages());
    return withBarrier(cost);
  }

  StageCost score() const {
    StageCost cost{"quantize_score", share * problem.scoreBytes()};
    addStream(cost, share * fetchedScoreBytes(problem), rates::kReadShare, schedule.warps * rates::kBlockScoreWarp,
              rates::kBlockSmRate);
    return withBarrier(cost);
  }

  StageCost keep() const {
    StageCost cost{"top_p"};
    int64_t slots = problem.candidateSlots();
    if (splitsPrune(getBlockMemoryFacts(problem, schedule))) { // each block its candidates, of all heads
      slots = llvm::divideCeil(slots, schedule.blocksPerItem());
      cost.onChip = search(rates::kBlockKeep, problem.group * slots) + search(rates::kBlockList, slots);
      return withBarrier(cost);
    }
    cost.onChip = search(rates::kBlockKeep, heads * slots) + search(rates::kBlockList, slots);
    return withBarrier(cost);
  }

  StageCost attend() const {
    StageCost cost{"gather_attend", share * problem.attendBytes()};
    // The item's own overhead is written down here, whichever step it belongs to.
    cost.latency = schedule.warps * rates::kBlockItemWarp + (problem.floors ? rates::kBlockFloors : 0);
    addStream(cost, cost.bytes, rates::kBlockAttendShare, schedule.warps * rates::kAttendWarpRate, kAnyRate);
    return withBarrier(cost);
  }

  /// Microseconds that the device's memory is busy with the round, however much of it runs side by side.
  double streams() const {
    return share * ((problem.selectBytes() + fetchedScoreBytes(problem)) / bandwidth(problem, rates::kReadShare) +
                    problem.attendBytes() / bandwidth(problem, rates::kBlockAttendShare));
  }

private:
  /// `rate`: nanoseconds an element of one warp.
  double search(double rate, int64_t elements) const { return elements * rate / schedule.warps * kMicrosecond; }
  /// A stream that a block can ask `blockRate` of, and a multiprocessor `smRate`, in bytes a nanosecond.
  void addStream(StageCost &cost, double bytes, double deviceShare, double blockRate, double smRate) const {
    int64_t sms = std::min<int64_t>(blocks, problem.target->part.smCount);
    twilight::addStream(cost, problem, bytes, deviceShare, 1, std::min(blocks * blockRate, sms * smRate));
  }
  /// A stage ends with a wait for the item's other blocks.
  StageCost withBarrier(StageCost cost) const {
    if (schedule.cluster > 1)
      cost.latency += rates::kClusterBarrier;
    else if (schedule.spread > 1)
      cost.latency += rates::kSpreadBarrier;
    return cost;
  }

  static constexpr double kAnyRate = 1e9;
  const Problem &problem;
  const Schedule &schedule;
  double share;
  int64_t blocks, heads;
};

void add(StageCost &sum, const StageCost &cost, int64_t times = 1) {
  sum.bytes += times * cost.bytes;
  sum.launch += times * cost.launch;
  sum.latency += times * cost.latency;
  sum.memory += times * cost.memory;
  sum.occupancy += times * cost.occupancy;
  sum.onChip += times * cost.onChip;
}

} // namespace

Prediction twilight::predictBlock(const Problem &problem, const Schedule &schedule) {
  Prediction prediction;
  prediction.sharedBytes = getBlockSharedBytes(problem, schedule);
  int64_t items = problem.batch * problem.kvHeads;
  int64_t blocks = problem.target->part.smCount * schedule.resident;
  int64_t groups = schedule.cluster > 1 ? problem.target->clustersAtATime(schedule.cluster, schedule.resident)
                                        : blocks / schedule.spread;
  int64_t rounds = llvm::divideCeil(items, groups), inLast = items - (rounds - 1) * groups;
  prediction.rounds = double(rounds);

  StageCost select{"select"}, score{"quantize_score"}, keep{"top_p"}, attend{"gather_attend"};
  select.launch = rates::kLaunch;
  auto addRounds = [&](int64_t active, int64_t times) {
    if (times == 0)
      return;
    Round round(problem, schedule, active);
    StageCost ranking = round.select();
    StageCost rest[] = {round.choose(), round.score(), round.keep(), round.attend()};
    double after = 0;
    for (const StageCost &cost : rest)
      after += cost.time();
    add(select, ranking, times);
    for (auto [sum, cost] : llvm::zip(llvm::SmallVector<StageCost *>{&select, &score, &keep, &attend}, rest))
      add(*sum, cost, times);
    // Side by side, as far as the streams of both leave bandwidth; the first item's pages are ranked by themselves.
    if (schedule.selectWarps > 0)
      prediction.overlapped += times * (ranking.time() + after - std::max({ranking.time(), after, round.streams()}));
  };
  addRounds(std::min(items, groups), rounds - 1);
  addRounds(inLast, 1);
  if (schedule.selectWarps > 0) {
    double first = Round(problem, schedule, std::min(items, groups)).select().time();
    prediction.overlapped = std::max(0.0, prediction.overlapped - first);
  }
  prediction.stages = {select, score, keep, attend};
  return prediction;
}
