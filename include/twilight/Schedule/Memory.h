// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Shared memory of the block shape.

#ifndef TWILIGHT_SCHEDULE_MEMORY_H
#define TWILIGHT_SCHEDULE_MEMORY_H

#include "twilight/Schedule/BlockMemory.h"
#include "twilight/Schedule/Problem.h"
#include "twilight/Schedule/Schedule.h"

namespace twilight {

/// What the layout of the block shape depends on.
BlockMemoryFacts getBlockMemoryFacts(const Problem &problem, const Schedule &schedule);

/// Bytes of shared memory of one thread block, for a problem whose length is known: what BlockMemory.h lays out.
int64_t getBlockSharedBytes(const Problem &problem, const Schedule &schedule);

} // namespace twilight

#endif
