// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// What a schedule may not be: more than the chip has, or what its shape cannot do for a pipeline.

#ifndef TWILIGHT_SCHEDULE_CONSTRAINTS_H
#define TWILIGHT_SCHEDULE_CONSTRAINTS_H

#include "twilight/Schedule/Problem.h"
#include "twilight/Schedule/Schedule.h"

namespace twilight {

/// Why a schedule cannot run a problem: what was found, what the limit is, which field to change. Empty where it can.
/// Where sizes are not known, what depends on them is not checked.
std::string findViolation(const Problem &problem, const Schedule &schedule);

/// Schedules worth pricing, the preferred ones first. Some of them may violate a constraint.
llvm::SmallVector<Schedule> listCandidates(const Problem &problem);

} // namespace twilight

#endif
