// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// A pipeline's ops into one twilight.fused.

#ifndef TWILIGHT_TRANSFORMS_FUSE_H
#define TWILIGHT_TRANSFORMS_FUSE_H

#include "twilight/Dialect/Twilight.h"

#include "mlir/IR/PatternMatch.h"

namespace twilight {

/// What keeps the ops before a gather_attend from being fused with it.
struct FuseObstacle {
  enum Kind {
    ForeignSelection, ///< the selection is not made by a select (and top_p) of the same block
    OtherInputs,      ///< its select or quantize_score reads another query or cache
    OtherReader,      ///< something outside the pipeline reads a selection or scores
    EarlyReader,      ///< a count is read before the attention
    Write,            ///< something in between may write what the pipeline reads
  };
  Kind kind;
  std::string message; ///< for people, with the name of the op that is in the way
};

/// Moves a gather_attend, the select, quantize_score and top_p that its selection comes from, and the counts of their
/// selections into a twilight.fused at its place; constants that they read are copied into it. A null obstacle says
/// that it was done. `denseBelow` > 0 sets the op's attribute.
std::optional<FuseObstacle> fusePipeline(mlir::RewriterBase &rewriter, GatherAttendOp op, int64_t denseBelow);

} // namespace twilight

#endif
