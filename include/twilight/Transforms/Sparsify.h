// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Dense attention into the adaptive sparse pipeline.

#ifndef TWILIGHT_TRANSFORMS_SPARSIFY_H
#define TWILIGHT_TRANSFORMS_SPARSIFY_H

#include "twilight/Dialect/Twilight.h"

#include "mlir/IR/PatternMatch.h"

namespace twilight {

/// What the ops of the pipeline are given. The ops' own verifiers check it.
struct SparsifyChoice {
  SelectorAttrInterface selector;
  BudgetAttrInterface budget;
  /// Of the candidates, those that are scored from all bits of their codes; null: all of them.
  BudgetAttrInterface fine = {};
  /// Element type of the scores; null: f32.
  mlir::Type scores = {};
  /// Mass to keep; becomes a constant in the IR.
  double p = 0.85;
  SelectGroup group = SelectGroup::Max;
  KeepGroup keepGroup = KeepGroup::Union;
  int64_t minTokens = 0, maxTokens = 0;
  /// Floors of both select (so that they are candidates) and top_p (so that they are kept).
  int64_t sink = 0, recent = 0;
};

/// A selector from text: the name of one of this dialect ("quest") or an attribute ("#twilight.mean_std<c = 1.5>").
/// Dialects named in the text must be registered.
mlir::FailureOr<SelectorAttrInterface> parseSelector(llvm::StringRef text, mlir::Location errorLoc);

/// A budget from text: a fraction ("0.25"), "tokens:8192", "all" or an attribute.
mlir::FailureOr<BudgetAttrInterface> parseBudget(llvm::StringRef text, mlir::Location errorLoc);

/// The element type of scores from text: "f32" or "f16".
mlir::FailureOr<mlir::Type> parseScoreType(llvm::StringRef text, mlir::Location errorLoc);

/// The budget for a selector where none is given: a quarter of the pages (the configuration of arXiv 2502.02770), or
/// all of them for a selector that ranks nothing.
BudgetAttrInterface getDefaultBudget(SelectorAttrInterface selector);

/// Replaces a dense attend by select -> quantize_score -> top_p -> gather_attend with the same results. Fails with an
/// error at the op, and leaves it in place, where the choice does not suit the op or its cache.
mlir::FailureOr<GatherAttendOp> sparsifyAttend(mlir::RewriterBase &rewriter, AttendOp op, const SparsifyChoice &choice);

} // namespace twilight

#endif
