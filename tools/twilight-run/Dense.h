// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The dense twin of a function: what attention over the whole cache gives.

#ifndef TWILIGHT_TOOLS_TWILIGHT_RUN_DENSE_H
#define TWILIGHT_TOOLS_TWILIGHT_RUN_DENSE_H

#include "Signature.h"

#include "mlir/IR/OwningOpRef.h"

namespace twilight::tool {

/// Name of the dense twin in its module.
constexpr llvm::StringLiteral kDenseName = "dense";

/// A module with a function of the same arguments and the results out and lse, in which every gather_attend is attend.
/// Null where the function has no gather_attend, or no results named out and lse.
mlir::OwningOpRef<mlir::ModuleOp> makeDense(const Signature &signature);

} // namespace twilight::tool

#endif
