// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The pipeline twilight-to-cpu: from the dialect to the LLVM dialect, ready to be run or translated.

#ifndef TWILIGHT_PIPELINES_CPUPIPELINE_H
#define TWILIGHT_PIPELINES_CPUPIPELINE_H

#include "twilight/Pipelines/Fusion.h"

#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassOptions.h"

namespace twilight {

struct CpuPipelineOptions : mlir::PassPipelineOptions<CpuPipelineOptions> {
  Option<bool> fuse{*this, "fuse", llvm::cl::desc(kFuseHelp), llvm::cl::init(true)};
  Option<int64_t> denseBelow{*this, "dense-below", llvm::cl::desc(kDenseBelowHelp), llvm::cl::init(0)};
};

/// Adds the passes of twilight-to-cpu. Public functions get a C interface, `_mlir_ciface_NAME`; the buffers that a
/// function returns belong to its caller (free() of the allocated pointer).
void buildCpuPipeline(mlir::OpPassManager &manager, const CpuPipelineOptions &options);

/// Makes `--twilight-to-cpu` known to a driver such as twilight-opt.
void registerCpuPipelines();

} // namespace twilight

#endif
