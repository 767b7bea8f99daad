// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// What a schedule costs: a roofline over the bytes that each stage must read, and what keeps it from that.
//
//   time of a stage = launches + latency of dependent loads + max(bytes / bandwidth, bytes / what its warps can ask
//   for)
//                     + work on the chip
//
// The numbers behind it are in lib/Schedule/Rates.h, each with its source. It is right to some 15% where it was fitted
// and is meant to rank schedules; a row of the tuning table goes before it. docs/rationale/schedules.md explains it.

#ifndef TWILIGHT_SCHEDULE_COSTMODEL_H
#define TWILIGHT_SCHEDULE_COSTMODEL_H

#include "twilight/Schedule/Problem.h"
#include "twilight/Schedule/Schedule.h"

namespace twilight {

/// What takes the largest part of a time.
enum class Limiter {
  Memory,    ///< the device's bandwidth
  Occupancy, ///< too few warps at work to ask for that much
  OnChip,    ///< instructions over shared memory: searches, histograms, compaction
  Latency,   ///< loads and barriers of several blocks that wait for each other
  Launch,    ///< kernel boundaries
};
llvm::StringRef getName(Limiter limiter);

/// One stage, over the whole problem. Times in microseconds.
struct StageCost {
  llvm::StringRef stage; ///< the op's name: "select"
  double bytes = 0;      ///< that it must read
  double launch = 0, latency = 0, memory = 0, occupancy = 0, onChip = 0;

  double time() const { return launch + latency + memory + occupancy + onChip; }
  Limiter limiter() const;
};

struct Prediction {
  llvm::SmallVector<StageCost, 4> stages;
  double overlapped = 0;   ///< microseconds of the stages that run under others
  int64_t sharedBytes = 0; ///< of a thread block; block shape only
  double rounds = 0;       ///< items that the busiest blocks work on; block shape only

  double time() const;
  Limiter limiter() const; ///< of all stages together
};

/// A schedule that violates no constraint, for a problem whose sizes are known.
Prediction predict(const Problem &problem, const Schedule &schedule);
/// Dense attention over the same cache, whose lists are each shared by `splits` thread blocks at most.
StageCost predictDense(const Problem &problem, int64_t splits);
/// Splits worth pricing, the fewest first: no fewer than lists of different lengths need.
llvm::SmallVector<int64_t, 6> listDenseSplits(const Problem &problem);
/// The fewest of these that are as fast as any, by the model. For a problem whose sizes are known.
int64_t pickDenseSplits(const Problem &problem);
/// Microseconds in which the bytes that must be read can be read at all, at the device's measured share of its
/// bandwidth: the limit of every schedule.
double predictLimit(const Problem &problem);

} // namespace twilight

#endif
