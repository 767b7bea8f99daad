// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Passes that leave MLIR.

#ifndef TWILIGHT_PIPELINES_PASSES_TD
#define TWILIGHT_PIPELINES_PASSES_TD

include "mlir/Pass/PassBase.td"

def EmitPtxPass : Pass<"twilight-emit-ptx", "::mlir::ModuleOp"> {
  let summary = "Replace lowered GPU modules by binaries that hold PTX";
  let description = [{
    Every `gpu.module` in the llvm and nvvm dialects is optimised by LLVM and translated by its NVPTX backend; a
    `gpu.binary` of the same name with one assembly object takes its place.

    Errors: an unknown chip; a function that code generation left undefined (such as one of libdevice).
  }];
  let options = [
    Option<"chip", "chip", "std::string", "\"sm_90a\"", "chip to compile for">,
    Option<"optLevel", "opt-level", "int", "3", "LLVM optimisation level, 0 to 3">
  ];
  let dependentDialects = ["::mlir::gpu::GPUDialect", "::mlir::LLVM::LLVMDialect", "::mlir::NVVM::NVVMDialect"];
}

#endif
