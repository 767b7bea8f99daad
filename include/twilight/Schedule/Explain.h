// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// A choice for people, and for programs: what was chosen and why, what it is predicted to cost, what was passed over.

#ifndef TWILIGHT_SCHEDULE_EXPLAIN_H
#define TWILIGHT_SCHEDULE_EXPLAIN_H

#include "twilight/Schedule/Choose.h"

#include "llvm/Support/JSON.h"

namespace twilight {

/// Tables of a choice; `name` is the pipeline's.
void explain(llvm::raw_ostream &out, llvm::StringRef name, const Choice &choice);
/// The same: name, problem, schedule, origin, why, stages, rejected; times in microseconds, sizes in bytes.
llvm::json::Object explainAsJson(llvm::StringRef name, const Choice &choice);

/// Both for an attention over everything.
void explain(llvm::raw_ostream &out, const DenseChoice &choice);
llvm::json::Object explainAsJson(const DenseChoice &choice);

} // namespace twilight

#endif
