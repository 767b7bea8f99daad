// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Math ops that the NVPTX backend has instructions for.

#ifndef TWILIGHT_LIB_PIPELINES_PTX_MATHTOINTRINSICS_H
#define TWILIGHT_LIB_PIPELINES_PTX_MATHTOINTRINSICS_H

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Pass/Pass.h"

namespace twilight {

/// A pass on gpu.module: sqrt, roundeven, ceil, floor and abs become calls of LLVM intrinsics.
std::unique_ptr<mlir::Pass> createMathToIntrinsicsPass();

} // namespace twilight

#endif
