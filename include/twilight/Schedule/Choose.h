// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The choice of a schedule: written by the user > measured > predicted > default.

#ifndef TWILIGHT_SCHEDULE_CHOOSE_H
#define TWILIGHT_SCHEDULE_CHOOSE_H

#include "twilight/Schedule/CostModel.h"
#include "twilight/Schedule/TuningTable.h"

namespace twilight {

/// A schedule that was looked at and not taken.
struct Rejected {
  Schedule schedule;
  std::string why;
};

struct Choice {
  Schedule schedule; ///< its origin says who chose
  std::string why;
  /// The user's schedule breaks a constraint: which, and what to change. The choice is of no use then.
  std::string violation;
  std::optional<Problem> problem;       ///< none where the ops are no pipeline that can be described
  std::optional<Prediction> prediction; ///< none where sizes are not known
  std::vector<Rejected> rejected;       ///< in the order in which they were looked at
};

/// How many thread blocks share a list of an attention over everything.
struct DenseChoice {
  int64_t splits = ScheduleAttr::kDenseSplits;
  ScheduleOrigin origin = ScheduleOrigin::Default;
  std::string why;
  Problem problem;                                     ///< its sizes and its cache's; nothing is selected
  std::optional<StageCost> prediction;                 ///< none where sizes are not known
  std::vector<std::pair<int64_t, StageCost>> rejected; ///< other splits, in the order in which they were looked at
};

/// What a choice is made of, beside the pipeline.
struct ChoiceInputs {
  const TargetInfo *target;
  SizeHints hints;
  llvm::ArrayRef<TuningTable> tables; ///< the first that has a row is asked
  ScheduleAttr forced;                ///< goes before an op's own; may be null
};

/// An earlier schedule is kept unless another one is predicted to be faster by this factor: less is within the model's
/// and the measurements' spread.
constexpr double kWorthwhile = 1.03;

Choice choose(const Problem &problem, const std::optional<Schedule> &user, llvm::ArrayRef<TuningTable> tables);
/// For a fused op. A schedule that it has already is kept, whoever chose it.
Choice choose(FusedOp op, const ChoiceInputs &inputs);
/// For an attention over everything: what its attribute twilight.splits says, the model's pick, or the default.
DenseChoice choose(AttendOp op, const ChoiceInputs &inputs);

} // namespace twilight

#endif
