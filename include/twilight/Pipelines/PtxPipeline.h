// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The pipeline twilight-to-ptx: from the dialect to launches and a gpu.binary that holds PTX.

#ifndef TWILIGHT_PIPELINES_PTXPIPELINE_H
#define TWILIGHT_PIPELINES_PTXPIPELINE_H

#include "twilight/Pipelines/Fusion.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassOptions.h"

namespace twilight {

struct PtxPipelineOptions : mlir::PassPipelineOptions<PtxPipelineOptions> {
  Option<std::string> chip{*this, "chip", llvm::cl::desc("chip to compile for: sm_80, sm_90a, sm_100a, ..."),
                           llvm::cl::init("sm_90a")};
  Option<int> optLevel{*this, "opt-level", llvm::cl::desc("LLVM optimisation level, 0 to 3"), llvm::cl::init(3)};
  Option<bool> fuse{*this, "fuse", llvm::cl::desc(kFuseHelp), llvm::cl::init(true)};
  Option<int64_t> denseBelow{*this, "dense-below", llvm::cl::desc(kDenseBelowHelp), llvm::cl::init(0)};
  Option<int64_t> batch{*this, "batch", llvm::cl::desc(kBatchHelp), llvm::cl::init(0)};
  Option<int64_t> tokens{*this, "tokens", llvm::cl::desc(kTokensHelp), llvm::cl::init(0)};
  Option<std::string> table{*this, "tuning-table", llvm::cl::desc(kTableHelp)};
  Option<std::string> schedule{*this, "schedule", llvm::cl::desc(kScheduleHelp)};
};

/// Adds the passes of twilight-to-ptx: kernels and launches, one workspace, PTX.
void buildPtxPipeline(mlir::OpPassManager &manager, const PtxPipelineOptions &options);

/// The part of it that lowers a gpu.module of kernels to the llvm and nvvm dialects.
void buildKernelLowering(mlir::OpPassManager &gpuModulePasses);

/// Makes `--twilight-to-ptx` and `--twilight-emit-ptx` known to a driver such as twilight-opt.
void registerPtxPipelines();

/// Translates a lowered gpu.module to PTX for a chip. Fails with an error at the module where the chip is unknown or
/// code generation leaves something unresolved.
mlir::FailureOr<std::string> translateToPtx(mlir::gpu::GPUModuleOp module, llvm::StringRef chip, int optLevel);

} // namespace twilight

#endif
