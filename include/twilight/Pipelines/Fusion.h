// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Fusion as an option of pipelines and programs.

#ifndef TWILIGHT_PIPELINES_FUSION_H
#define TWILIGHT_PIPELINES_FUSION_H

#include "mlir/Pass/PassManager.h"

namespace twilight {

/// What --fuse and --dense-below say, everywhere.
constexpr const char *kFuseHelp = "fuse pipelines where they can be (twilight-fuse); default true, false: op by op";
constexpr const char *kDenseBelowHelp =
    "fuse pipelines, and let sequences of fewer cached tokens attend densely (0: none does)";

/// What the options of twilight-choose-schedule say.
constexpr const char *kBatchHelp = "sequences to choose schedules for (0: not known)";
constexpr const char *kTokensHelp = "cached tokens of a sequence to choose schedules for (0: not known)";
constexpr const char *kTableHelp = "tuning table to ask before the built-in one";
constexpr const char *kScheduleHelp = "schedule of every fused pipeline, such as '#twilight.schedule<grid>'";

/// Why a program does not take --fuse=false and --dense-below together.
constexpr const char *kDenseBelowFuses =
    "--dense-below is about fused pipelines: it does not go with --fuse=false, give one of them";

/// Adds twilight-fuse where pipelines are to be fused; sequences attend densely in fused ones only.
void addFusion(mlir::OpPassManager &manager, bool fuse, int64_t denseBelow);

} // namespace twilight

#endif
