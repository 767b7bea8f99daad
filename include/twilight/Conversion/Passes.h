// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Passes that leave the dialect.

#ifndef TWILIGHT_CONVERSION_PASSES_H
#define TWILIGHT_CONVERSION_PASSES_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"

namespace twilight {

#define GEN_PASS_DECL
#include "twilight/Conversion/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "twilight/Conversion/Passes.h.inc"

} // namespace twilight

#endif
