// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The choice of a schedule.

#include "twilight/Schedule/Choose.h"

#include "twilight/Schedule/Constraints.h"

#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace twilight;

static std::string describe(const TuningRow &row) {
  return llvm::formatv("measured {0:F1} us at batch {1}, {2} tokens on {3} (driver {4}, {5}, commit {6})", row.timeUs,
                       row.batch, row.tokens, row.device, row.driver, row.date, row.commit);
}

static std::string describeUnknown(const Problem &problem) {
  return llvm::formatv("{0} not known", problem.batch > 0    ? "the number of cached tokens is"
                                        : problem.tokens > 0 ? "the batch is"
                                                             : "batch and cached tokens are");
}

/// The fastest candidate that the chip can run, and why not the others.
static void chooseByModel(const Problem &problem, Choice &choice) {
  struct Priced {
    Schedule schedule;
    std::string violation;
    Prediction prediction;
  };
  std::vector<Priced> candidates;
  double best = 0;
  for (const Schedule &schedule : listCandidates(problem)) {
    Priced &candidate = candidates.emplace_back(Priced{schedule, findViolation(problem, schedule), {}});
    if (!candidate.violation.empty())
      continue;
    candidate.prediction = predict(problem, schedule);
    double time = candidate.prediction.time();
    best = best == 0 ? time : std::min(best, time);
  }
  auto chosen = llvm::find_if(candidates, [&](const Priced &candidate) {
    return candidate.violation.empty() && candidate.prediction.time() <= best * kWorthwhile;
  });
  choice.schedule = chosen->schedule.withOrigin(ScheduleOrigin::Model);
  choice.prediction = chosen->prediction;
  choice.why = llvm::formatv("predicted {0:F1} us", chosen->prediction.time());
  for (const Priced &candidate : candidates)
    if (&candidate != &*chosen)
      choice.rejected.push_back({candidate.schedule.withOrigin(ScheduleOrigin::Model),
                                 candidate.violation.empty()
                                     ? llvm::formatv("predicted {0:F1} us", candidate.prediction.time()).str()
                                     : candidate.violation});
}

Choice twilight::choose(const Problem &problem, const std::optional<Schedule> &user, ArrayRef<TuningTable> tables) {
  Choice choice;
  choice.problem = problem;
  auto priced = [&](const Schedule &schedule) {
    choice.schedule = schedule;
    if (problem.hasSizes() && choice.violation.empty())
      choice.prediction = predict(problem, schedule);
  };
  if (user) {
    choice.why = "written on the op";
    choice.violation = findViolation(problem, *user);
    priced(*user);
    return choice;
  }
  for (const TuningTable &table : tables) {
    const TuningRow *row = table.lookup(problem);
    if (!row)
      continue;
    std::string violation = findViolation(problem, row->schedule);
    if (violation.empty()) {
      choice.why = describe(*row);
      priced(row->schedule);
      return choice;
    }
    choice.rejected.push_back({row->schedule, describe(*row) + ", but " + violation});
  }
  if (problem.hasSizes()) {
    chooseByModel(problem, choice);
    return choice;
  }
  choice.why = describeUnknown(problem);
  return choice;
}

Choice twilight::choose(FusedOp op, const ChoiceInputs &inputs) {
  std::optional<Schedule> user;
  if (ScheduleAttr attribute = inputs.forced ? inputs.forced : op.getScheduleAttr())
    user = Schedule::of(attribute);
  if (std::optional<Problem> problem = describeProblem(op, *inputs.target, inputs.hints))
    return choose(*problem, user, inputs.tables);
  Choice choice;
  choice.schedule = user.value_or(Schedule());
  choice.why =
      user ? "written on the op" : "its ops are not one chain of select, quantize_score, top_p and gather_attend";
  return choice;
}

DenseChoice twilight::choose(AttendOp op, const ChoiceInputs &inputs) {
  DenseChoice choice;
  choice.problem = describeProblem(op, *inputs.target, inputs.hints);
  bool known = choice.problem.hasSizes();
  auto written = op->getAttrOfType<IntegerAttr>(kSplitsAttr);
  if (written) {
    choice.splits = written.getInt();
    choice.origin = ScheduleOrigin::User;
    choice.why = "written on the op";
  } else if (known) {
    choice.splits = pickDenseSplits(choice.problem);
    choice.origin = ScheduleOrigin::Model;
  } else {
    choice.why = describeUnknown(choice.problem);
  }
  if (!known)
    return choice;
  choice.prediction = predictDense(choice.problem, choice.splits);
  if (written)
    return choice;
  choice.why = llvm::formatv("predicted {0:F1} us", choice.prediction->time());
  for (int64_t splits : listDenseSplits(choice.problem))
    if (splits != choice.splits)
      choice.rejected.emplace_back(splits, predictDense(choice.problem, splits));
  return choice;
}
