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

#endif
