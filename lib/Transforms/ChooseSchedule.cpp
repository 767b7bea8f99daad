// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// twilight-choose-schedule: a schedule for every fused op, splits for every other attention over everything.

#include "twilight/Schedule/Choose.h"
#include "twilight/Transforms/Passes.h"

#include "mlir/IR/Remarks.h"

using namespace mlir;
using namespace twilight;

namespace twilight {
#define GEN_PASS_DEF_CHOOSESCHEDULEPASS
#include "twilight/Transforms/Passes.h.inc"
} // namespace twilight

namespace {

struct ChooseSchedulePass : twilight::impl::ChooseSchedulePassBase<ChooseSchedulePass> {
  using ChooseSchedulePassBase::ChooseSchedulePassBase;

  // Texts and files are read here, once, and not for every op.
  LogicalResult initialize(MLIRContext *context) override {
    Location loc = UnknownLoc::get(context);
    target = lookupTarget(chip);
    if (!target)
      return emitError(loc) << "unknown chip '" << chip << "'; expected one of " << targetNames();
    for (auto [name, value] : {std::pair<StringRef, int64_t>{"batch", batch}, {"tokens", tokens}})
      if (value < 0)
        return emitError(loc) << name << " must be a number to expect, or 0 where it is not known, found " << value;
    FailureOr<SmallVector<TuningTable, 2>> found = loadTables(table, context);
    if (failed(found))
      return failure();
    tables = std::move(*found);
    if (!schedule.empty() && !(forced = parseSchedule(schedule, loc)))
      return failure();
    return success();
  }

  void runOnOperation() override {
    constexpr remark::RemarkOpts remarkOpts =
        remark::RemarkOpts::name("choose-schedule").category("twilight-choose-schedule");
    const ChoiceInputs inputs{target, {batch, tokens}, tables, forced};
    getOperation()->walk([&](AttendOp op) {
      if (op->getParentOfType<FusedOp>())
        return;
      DenseChoice choice = choose(op, inputs);
      if (choice.origin == ScheduleOrigin::Model) {
        op->setAttr(kSplitsAttr, IntegerAttr::get(IntegerType::get(&getContext(), 64), choice.splits));
        ++numSplits;
      }
      remark::passed(op.getLoc(), remarkOpts) << remark::add("{0} splits: {1}", choice.splits, choice.why);
    });
    bool failedAny = false;
    getOperation()->walk([&](FusedOp op) {
      Choice choice = choose(op, inputs);
      if (!choice.violation.empty()) {
        op.emitOpError() << "cannot run with schedule(<" << choice.schedule.text() << ">): " << choice.violation;
        failedAny = true;
        return;
      }
      op.setScheduleAttr(choice.schedule.toAttribute(&getContext()));
      ++count(op.getScheduleAttr().getOrigin());
      remark::passed(op.getLoc(), remarkOpts) << remark::add("{0}: {1}", choice.schedule.text(), choice.why);
    });
    if (failedAny)
      signalPassFailure();
  }

private:
  Statistic &count(ScheduleOrigin origin) {
    switch (origin) {
    case ScheduleOrigin::User:
      return numWritten;
    case ScheduleOrigin::Table:
      return numMeasured;
    case ScheduleOrigin::Model:
      return numPredicted;
    case ScheduleOrigin::Default:
      return numDefault;
    }
    llvm_unreachable("every origin is counted");
  }

  const TargetInfo *target = nullptr;
  SmallVector<TuningTable, 2> tables;
  ScheduleAttr forced;
};

} // namespace
