// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The pipeline twilight-to-ptx and its last pass.

#include "twilight/Pipelines/PtxPipeline.h"
#include "MathToIntrinsics.h"
#include "twilight/Conversion/Passes.h"
#include "twilight/Target/TargetInfo.h"
#include "twilight/Transforms/Passes.h"

#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/GPU/GPUToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/NVVM/NVVMToLLVMIRTranslation.h"
#include "mlir/Transforms/Passes.h"

namespace twilight {
#define GEN_PASS_DECL
#define GEN_PASS_DEF_EMITPTXPASS
#include "twilight/Pipelines/Passes.h.inc"
} // namespace twilight

using namespace mlir;
using namespace twilight;

namespace {

struct EmitPtx : twilight::impl::EmitPtxPassBase<EmitPtx> {
  using EmitPtxPassBase::EmitPtxPassBase;

  void getDependentDialects(DialectRegistry &registry) const override {
    EmitPtxPassBase::getDependentDialects(registry);
    registerBuiltinDialectTranslation(registry);
    registerGPUDialectTranslation(registry);
    registerLLVMDialectTranslation(registry);
    registerNVVMDialectTranslation(registry);
  }

  void runOnOperation() override {
    for (auto module : llvm::make_early_inc_range(getOperation().getOps<gpu::GPUModuleOp>())) {
      FailureOr<std::string> ptx = translateToPtx(module, chip, optLevel);
      if (failed(ptx))
        return signalPassFailure();
      OpBuilder builder(module);
      const TargetInfo *info = lookupTarget(chip);
      auto target =
          NVVM::NVVMTargetAttr::get(&getContext(), optLevel, "nvptx64-nvidia-cuda", chip, info->nvptxFeatures());
      auto object = gpu::ObjectAttr::get(&getContext(), target, gpu::CompilationTarget::Assembly,
                                         builder.getStringAttr(*ptx), DictionaryAttr(), gpu::KernelTableAttr());
      gpu::BinaryOp::create(builder, module.getLoc(), module.getName(), nullptr, builder.getArrayAttr({object}));
      module.erase();
    }
  }
};

} // namespace

void twilight::buildKernelLowering(OpPassManager &manager) {
  manager.addPass(createCanonicalizerPass());
  manager.addPass(createCSEPass());
  manager.addPass(createSCFToControlFlowPass());
  // Before the gpu conversion, which would turn some of these into calls of libdevice.
  manager.addPass(createMathToIntrinsicsPass());
  manager.addPass(createArithToLLVMConversionPass());
  manager.addPass(createConvertMathToLLVMPass());
  ConvertGpuOpsToNVVMOpsOptions options;
  options.useBarePtrCallConv = true;
  manager.addPass(createConvertGpuOpsToNVVMOps(options));
  manager.addPass(createConvertToLLVMPass());
  manager.addPass(createReconcileUnrealizedCastsPass());
  manager.addPass(createCanonicalizerPass());
  manager.addPass(createCSEPass());
}

void twilight::buildPtxPipeline(OpPassManager &manager, const PtxPipelineOptions &options) {
  ConvertTwilightToGPUPassOptions conversion;
  conversion.chip = options.chip;
  manager.addPass(createCanonicalizerPass());
  addFusion(manager, options.fuse, options.denseBelow);
  ChooseSchedulePassOptions choosing;
  choosing.chip = options.chip;
  choosing.batch = options.batch;
  choosing.tokens = options.tokens;
  choosing.table = options.table;
  choosing.schedule = options.schedule;
  manager.addPass(createChooseSchedulePass(choosing));
  InlineFusedPassOptions inlining;
  inlining.keepBlock = true;
  manager.addPass(createInlineFusedPass(inlining));
  manager.addPass(createConvertTwilightToGPUPass(conversion));
  manager.addPass(createCanonicalizerPass());
  manager.addPass(createCSEPass());
  manager.addNestedPass<func::FuncOp>(createPlanWorkspacePass());
  manager.addPass(createCanonicalizerPass());
  manager.addPass(createCSEPass());
  buildKernelLowering(manager.nest<gpu::GPUModuleOp>());
  EmitPtxPassOptions emission;
  emission.chip = options.chip;
  emission.optLevel = options.optLevel;
  manager.addPass(createEmitPtxPass(emission));
}

void twilight::registerPtxPipelines() {
  registerPass([] { return createEmitPtxPass(); });
  PassPipelineRegistration<PtxPipelineOptions>(
      "twilight-to-ptx", "Lower twilight pipelines to launches and a gpu.binary that holds PTX", buildPtxPipeline);
}
