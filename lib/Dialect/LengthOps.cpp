// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Verifiers of the ops that treat sequences by their length.

#include "Verify.h"

using namespace mlir;
using namespace twilight;

LogicalResult SplitByLengthOp::verify() {
  if (static_cast<int64_t>(getBelow()) <= 0)
    return emitOpError() << "below must be a positive number of tokens, found " << static_cast<int64_t>(getBelow());
  return verifyTokenCount(*this, "below", getBelow());
}

LogicalResult AddLengthsOp::verify() {
  const int64_t dyn = ShapedType::kDynamic;
  if (failed(verifyBuffer(*this, getCounts(), "counts", {dyn, dyn}, IntegerType::get(getContext(), 32))))
    return failure();
  if (cast<ShapedType>(getCounts().getType()).isDynamicDim(1))
    return emitOpError() << "counts must have a static number of lists, found " << getCounts().getType();
  return success();
}
