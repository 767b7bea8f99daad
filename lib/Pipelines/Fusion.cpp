// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Fusion as an option of pipelines and programs.

#include "twilight/Pipelines/Fusion.h"

#include "twilight/Transforms/Passes.h"

void twilight::addFusion(mlir::OpPassManager &manager, bool fuse, int64_t denseBelow) {
  if (!fuse && denseBelow == 0)
    return;
  FusePassOptions options;
  options.denseBelow = denseBelow;
  manager.addPass(createFusePass(options));
}
