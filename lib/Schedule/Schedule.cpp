// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Schedules and their attribute.

#include "twilight/Schedule/Schedule.h"

#include "mlir/AsmParser/AsmParser.h"
#include "mlir/IR/Diagnostics.h"

#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace twilight;

Schedule Schedule::block(int64_t cluster, int64_t warps, int64_t selectWarps, int64_t resident) {
  Schedule schedule;
  schedule.shape = ScheduleShape::Block;
  schedule.cluster = cluster;
  schedule.warps = warps;
  schedule.selectWarps = selectWarps;
  schedule.resident = resident;
  return schedule;
}

Schedule Schedule::spreadBlocks(int64_t spread, int64_t warps) {
  Schedule schedule = block(ScheduleAttr::kCluster, warps);
  schedule.spread = spread;
  return schedule;
}

Schedule Schedule::grid(int64_t gatherSplits, int64_t denseSplits) {
  Schedule schedule;
  schedule.gatherSplits = gatherSplits;
  schedule.denseSplits = denseSplits;
  return schedule;
}

Schedule Schedule::of(ScheduleAttr attribute) {
  return {attribute.getShape(),        attribute.getCluster(),     attribute.getSpread(),
          attribute.getWarps(),        attribute.getSelectWarps(), attribute.getResident(),
          attribute.getGatherSplits(), attribute.getDenseSplits(), attribute.getOrigin()};
}

ScheduleAttr Schedule::toAttribute(MLIRContext *context) const {
  return ScheduleAttr::get(context, shape, cluster, spread, warps, selectWarps, resident, gatherSplits, denseSplits,
                           origin);
}

bool Schedule::runsLike(const Schedule &other) const { return text() == other.text(); }

std::string Schedule::text() const {
  if (isBlock())
    return llvm::formatv("block, cluster = {0}, {1}warps = {2}, select_warps = {3}{4}", cluster,
                         spread > 1 ? llvm::formatv("spread = {0}, ", spread).str() : "", warps, selectWarps,
                         resident > 1 ? llvm::formatv(", resident = {0}", resident).str() : "");
  return llvm::formatv("grid, gather_splits = {0}, dense_splits = {1}", gatherSplits, denseSplits);
}

Schedule Schedule::withOrigin(ScheduleOrigin who) const {
  Schedule schedule = *this;
  schedule.origin = who;
  return schedule;
}

ScheduleAttr twilight::parseSchedule(StringRef text, Location errorLoc) {
  MLIRContext *context = errorLoc.getContext();
  std::string reason;
  Attribute attribute;
  {
    // The parser's own location lies in the text, which has no place in a file.
    ScopedDiagnosticHandler keep(context, [&](Diagnostic &diagnostic) {
      reason = diagnostic.str();
      return success();
    });
    attribute = parseAttribute(text, context);
  }
  if (auto schedule = dyn_cast_or_null<ScheduleAttr>(attribute))
    return schedule;
  emitError(errorLoc) << "'" << text << "' is no schedule: expected an attribute such as #twilight.schedule<block, "
                      << "cluster = 2>" << (reason.empty() ? "" : "; ") << reason;
  return {};
}
