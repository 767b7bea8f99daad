// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The passes that rewrite inside the dialect, and their options.

#ifndef TWILIGHT_TRANSFORMS_PASSES_H
#define TWILIGHT_TRANSFORMS_PASSES_H

#include "twilight/Dialect/Twilight.h"

#include "mlir/Pass/Pass.h"

namespace twilight {

#define GEN_PASS_DECL
#include "twilight/Transforms/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "twilight/Transforms/Passes.h.inc"

} // namespace twilight

#endif
