// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// A twilight.fused back into its ops.

#ifndef TWILIGHT_TRANSFORMS_INLINEFUSED_H
#define TWILIGHT_TRANSFORMS_INLINEFUSED_H

#include "twilight/Dialect/Twilight.h"

#include "mlir/IR/PatternMatch.h"

namespace twilight {

/// Replaces a fused op by the ops of its region. With dense_below, sequences below it attend densely and the others run
/// the pipeline, over two caches that twilight.split_by_length gives.
void inlineFused(mlir::RewriterBase &rewriter, FusedOp op);

} // namespace twilight

#endif
