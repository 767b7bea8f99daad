// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// What a fused pipeline asks of a chip: its sizes, and the bytes that each stage must read.

#ifndef TWILIGHT_SCHEDULE_PROBLEM_H
#define TWILIGHT_SCHEDULE_PROBLEM_H

#include "twilight/Dialect/Twilight.h"
#include "twilight/Target/TargetInfo.h"

#include <optional>

namespace twilight {

/// The four ops of a pipeline, each reading the one before it.
struct PipelineOps {
  SelectOp select;
  QuantizeScoreOp score;
  TopPOp keep;
  GatherAttendOp attend;
};
/// The pipeline that ends in this op; none where an op of it lies elsewhere than in the same block.
std::optional<PipelineOps> findPipeline(GatherAttendOp attend);
/// The one pipeline of a block; none where there is none, or more than one.
std::optional<PipelineOps> findPipeline(mlir::Block &block);

/// Sizes that the IR leaves open, as they are expected; 0 where nobody knows. They steer the choice of a schedule, and
/// nothing else.
struct SizeHints {
  int64_t batch = 0, tokens = 0;
};

/// Tokens that top_p is assumed to keep, as a fraction of the cached ones: what the paper and docs/measurements.md find
/// at p = 0.85 (arXiv 2502.02770, table 3; 0.93 to 1.04% in our inputs). But no fewer than 200 tokens: of 8192, 180 to
/// 243 were kept.
constexpr double kAssumedKeptFraction = 0.01;
constexpr int64_t kAssumedKeptTokens = 200;

struct Problem {
  const TargetInfo *target = nullptr;
  int64_t batch = 0, tokens = 0; ///< cached tokens of a sequence; 0 where it is not known
  int64_t kvHeads = 1, group = 1, headDim = 128, pageSize = 16;
  int64_t kvElementBytes = 2;
  /// Page summary: its element type as text ("bf16", "none" where the selector reads none), bytes a page and kv head.
  std::string bounds = "none";
  int64_t summaryBytes = 0;
  int64_t codeBits = 4;
  bool blockedCodes = false;  ///< scales and zeros lie behind their page's codes
  bool floors = false;        ///< first or last tokens are candidates, or kept, in any case
  int64_t logitBytes = 4;     ///< of one score
  int64_t candidatePages = 0; ///< what the budget leaves of `pages()`
  int64_t coarsePages = 0;    ///< of these, scored from the high planes of their codes alone
  double keptFraction = kAssumedKeptFraction;
  /// Lists for each query head, of candidates and of kept tokens, instead of one for each kv head.
  bool candidatesPerHead = false, keptPerHead = false;
  bool keptLimits = false; ///< top_p has min_tokens or max_tokens
  int64_t denseBelow = 0;  ///< sequences of fewer tokens attend densely
  std::string onlyGrid;    ///< why one kernel cannot hold the pipeline, and what to change; empty where it can

  bool hasSizes() const { return batch > 0 && tokens > 0; }
  int64_t pages() const { return (tokens + pageSize - 1) / pageSize; }
  int64_t candidateSlots() const { return candidatePages * pageSize; }
  int64_t keptTokens() const; ///< of a list, as assumed
  int64_t candidateLists() const { return batch * kvHeads * (candidatesPerHead ? group : 1); }
  int64_t keptLists() const { return batch * kvHeads * (keptPerHead ? group : 1); }
  int64_t codeBytesPerPage() const { return pageSize * headDim * codeBits / 8; }

  /// Bytes that a stage must read, whatever the schedule (the table of docs/measurements.md).
  double selectBytes() const;
  double scoreBytes() const;
  double attendBytes() const;
  double denseBytes() const;
  double mustReadBytes() const { return selectBytes() + scoreBytes() + attendBytes(); }
};

/// The problem of a pipeline. A batch that q's type has is taken in place of the hint.
Problem describeProblem(const PipelineOps &ops, const TargetInfo &target, SizeHints hints);
/// The same for an attention over everything.
Problem describeProblem(AttendOp op, const TargetInfo &target, SizeHints hints);
/// The same for the pipeline of a fused op; none where it holds no whole one.
std::optional<Problem> describeProblem(FusedOp op, const TargetInfo &target, SizeHints hints);

/// What a budget keeps of `units` pages: its own code, evaluated. All of them where that does not fold to a constant.
int64_t evaluateBudget(BudgetAttrInterface budget, int64_t units, int64_t pageSize);

} // namespace twilight

#endif
