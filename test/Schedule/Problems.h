// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Problems that several of the tests look at.

#ifndef TWILIGHT_TEST_SCHEDULE_PROBLEMS_H
#define TWILIGHT_TEST_SCHEDULE_PROBLEMS_H

#include "twilight/Schedule/Problem.h"

namespace twilight::test {

/// The configuration of docs/measurements.md: 8 kv heads x 4, D = 128, bf16, Quest bounds of pages of 16, a quarter of
/// the pages, 4-bit codes, about 1% kept.
inline Problem measuredProblem(int64_t batch, int64_t tokens, std::string_view chip = "sm_90a") {
  Problem problem;
  problem.target = lookupTarget(chip);
  problem.batch = batch;
  problem.tokens = tokens;
  problem.kvHeads = 8;
  problem.group = 4;
  problem.bounds = "bf16";
  problem.summaryBytes = 512;
  problem.candidatePages = (problem.pages() + 3) / 4;
  return problem;
}

} // namespace twilight::test

#endif
