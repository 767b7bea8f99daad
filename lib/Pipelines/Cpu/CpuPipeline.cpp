// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The pipeline twilight-to-cpu.

#include "twilight/Pipelines/CpuPipeline.h"

#include "twilight/Conversion/Passes.h"
#include "twilight/Dialect/Twilight.h"
#include "twilight/Transforms/Passes.h"

#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Affine/Transforms/Passes.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/Bufferization/Pipelines/Passes.h"
#include "mlir/Dialect/Bufferization/Transforms/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/Transforms/RequestCWrappers.h"
#include "mlir/Dialect/Linalg/Passes.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;

namespace {
// The public names have done their work, and the translation to LLVM IR warns of attributes it does not know.
struct DropNames : PassWrapper<DropNames, OperationPass<func::FuncOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(DropNames)
  void runOnOperation() override {
    func::FuncOp function = getOperation();
    for (StringRef name : {StringRef(twilight::kNameAttr), StringRef(twilight::kDimsAttr)}) {
      for (unsigned i = 0; i < function.getNumArguments(); ++i)
        function.removeArgAttr(i, name);
      for (unsigned i = 0; i < function.getNumResults(); ++i)
        function.removeResultAttr(i, StringAttr::get(&getContext(), name));
    }
  }
};
} // namespace

void twilight::buildCpuPipeline(OpPassManager &manager, const CpuPipelineOptions &options) {
  addFusion(manager, options.fuse, options.denseBelow);
  manager.addPass(createInlineFusedPass());
  manager.addPass(createConvertTwilightToSCFPass());
  manager.addPass(createCanonicalizerPass());
  manager.addPass(createCSEPass());

  // What other dialects left as tensors, and an owner for every buffer.
  manager.addPass(bufferization::createOneShotBufferizePass());
  bufferization::buildBufferDeallocationPipeline(manager, bufferization::BufferDeallocationPipelineOptions());
  manager.addPass(createConvertBufferizationToMemRefPass());
  manager.addNestedPass<func::FuncOp>(createConvertLinalgToLoopsPass());

  manager.addPass(createConvertSCFToOpenMPPass());
  manager.addPass(createCanonicalizerPass()); // dissolves the alloca scopes that the conversion wraps bodies in
  manager.addPass(memref::createExpandStridedMetadataPass());
  manager.addPass(createLowerAffinePass());
  manager.addPass(createSCFToControlFlowPass());
  // bf16 arithmetic of other dialects, and every rounding to bf16, without calls into a support library.
  arith::ArithEmulateUnsupportedFloatsOptions emulate;
  emulate.sourceTypeStrs = {"bf16"};
  emulate.targetTypeStr = "f32";
  manager.addPass(arith::createArithEmulateUnsupportedFloats(emulate));
  arith::ArithExpandOpsPassOptions expand;
  expand.includeBf16 = true;
  manager.addPass(arith::createArithExpandOpsPass(expand));
  manager.addPass(createConvertVectorToLLVMPass());
  manager.addPass(createConvertMathToLLVMPass());
  manager.addNestedPass<func::FuncOp>(std::make_unique<DropNames>());
  manager.addNestedPass<func::FuncOp>(LLVM::createLLVMRequestCWrappersPass());
  manager.addPass(createFinalizeMemRefToLLVMConversionPass());
  manager.addPass(createConvertFuncToLLVMPass());
  manager.addPass(createConvertOpenMPToLLVMPass());
  manager.addPass(createReconcileUnrealizedCastsPass());
  manager.addPass(createCanonicalizerPass());
  manager.addPass(createCSEPass());
}

void twilight::registerCpuPipelines() {
  PassPipelineRegistration<CpuPipelineOptions>(
      "twilight-to-cpu", "Lower the dialect to the LLVM dialect, with OpenMP for parallel loops", buildCpuPipeline);
}
