// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Passes that leave the dialect.

#ifndef TWILIGHT_CONVERSION_PASSES_TD
#define TWILIGHT_CONVERSION_PASSES_TD

include "mlir/Pass/PassBase.td"

def ConvertTwilightToSCFPass : Pass<"convert-twilight-to-scf", "::mlir::ModuleOp"> {
  let summary = "Lower every op of the dialect to loops over memrefs";
  let description = [{
    The executable meaning of the dialect, and the CPU target. Every op becomes parallel loops over sequences and heads
    (`scf.parallel`) whose bodies work on rows of the head dimension (`vector`). Functions, calls and structured control
    flow change their types along: a tensor becomes a memref, a cache, a selection or scores become their buffers.

    Results are allocated (`memref.alloc`); deallocation is left to the buffer deallocation pipeline. Tensors of other
    dialects stay, joined by `bufferization.to_buffer` and `bufferization.to_tensor`.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::bufferization::BufferizationDialect",
                           "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect",
                           "::mlir::vector::VectorDialect"];
}

def ConvertTwilightToGPUPass : Pass<"convert-twilight-to-gpu", "::mlir::ModuleOp"> {
  let summary = "Lower every op of the dialect to GPU kernels and their launches";
  let description = [{
    Every op becomes one or a few kernels in a `gpu.module` and, in the function, one `gpu.launch_func` each. Sizes that
    change from step to step (sequence lengths, list lengths, p) are read by the kernels on the device: the launches
    depend on the buffers' shapes alone, so the whole function can be captured in a CUDA graph. An f32 argument that
    `top_p` reads becomes a buffer of one element for the same reason.

    Arguments and results must be tensors or memrefs: a cache is assembled inside the function. Arguments and results
    get names (`twilight.name`) and dimension names (`twilight.dims`) where they have none.

    Errors: a type or shape that the kernels do not cover (f16 and bf16, head dimension 64 and 128, up to 8 query heads
    a kv head); a `top_p` whose scores or p come from elsewhere.
  }];
  let options = [
    Option<"chip", "chip", "std::string", "\"sm_90a\"", "chip to compile for">
  ];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::gpu::GPUDialect", "::mlir::LLVM::LLVMDialect",
                           "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect", "::mlir::NVVM::NVVMDialect",
                           "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

def PlanWorkspacePass : Pass<"twilight-plan-workspace", "::mlir::func::FuncOp"> {
  let summary = "Turn a launching function's buffers into arguments: results and one workspace";
  let description = [{
    For functions that launch kernels. A returned buffer becomes an argument after the others, with the result's
    attributes; every other allocation becomes a view of one byte buffer, the last argument, at an offset computed from
    the same sizes and aligned to 256 bytes. Those marked `twilight.zeroed` (zero before the first launch, and left so by
    each) come first; `twilight.zeroed_bytes` on the function says how much they are. Afterwards the function allocates nothing and returns sizes (index): the
    bytes that the workspace must hold, then every dynamic dimension of its results, named RESULT_DIMENSION.

    Errors: a returned buffer that is the caller's already, or that is returned twice; a zeroed allocation whose size is
    not static.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::memref::MemRefDialect"];
}

#endif
