// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// How a fused pipeline runs, as plain numbers: the fields of #twilight.schedule.

#ifndef TWILIGHT_SCHEDULE_SCHEDULE_H
#define TWILIGHT_SCHEDULE_SCHEDULE_H

#include "twilight/Dialect/Twilight.h"

namespace twilight {

struct Schedule {
  ScheduleShape shape = ScheduleShape::Grid;
  int64_t cluster = ScheduleAttr::kCluster, spread = ScheduleAttr::kSpread;
  int64_t warps = ScheduleAttr::kWarps, selectWarps = ScheduleAttr::kSelectWarps;
  int64_t resident = ScheduleAttr::kResident;
  int64_t gatherSplits = ScheduleAttr::kGatherSplits, denseSplits = ScheduleAttr::kDenseSplits;
  ScheduleOrigin origin = ScheduleOrigin::Default;

  static Schedule block(int64_t cluster = ScheduleAttr::kCluster, int64_t warps = ScheduleAttr::kWarps,
                        int64_t selectWarps = ScheduleAttr::kSelectWarps, int64_t resident = ScheduleAttr::kResident);
  /// Blocks that share an item without being a cluster.
  static Schedule spreadBlocks(int64_t spread, int64_t warps = ScheduleAttr::kWarps);
  static Schedule grid(int64_t gatherSplits = ScheduleAttr::kGatherSplits,
                       int64_t denseSplits = ScheduleAttr::kDenseSplits);
  static Schedule of(ScheduleAttr attribute);
  ScheduleAttr toAttribute(mlir::MLIRContext *context) const;

  bool isBlock() const { return shape == ScheduleShape::Block; }
  int64_t blocksPerItem() const { return cluster * spread; }
  int64_t threads() const { return (warps + selectWarps) * 32; } ///< of a thread block of the block shape
  /// The same way to run, whoever chose it.
  bool runsLike(const Schedule &other) const;
  /// "block, cluster = 2, warps = 16, select_warps = 0"; the attribute's text without its origin.
  std::string text() const;
  Schedule withOrigin(ScheduleOrigin who) const;
};

/// A schedule from the text of its attribute; null, with an error at the location, where it is none.
ScheduleAttr parseSchedule(llvm::StringRef text, mlir::Location errorLoc);

} // namespace twilight

#endif
