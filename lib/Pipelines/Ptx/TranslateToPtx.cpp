// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// From a gpu.module in the llvm dialect to PTX: LLVM's optimiser with the chip's target machine, then its backend.

#include "twilight/Pipelines/PtxPipeline.h"
#include "twilight/Target/TargetInfo.h"

#include "mlir/Target/LLVMIR/Export.h"

#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"

using namespace mlir;

// All of LLVM's C entry points for one target; repeating them is harmless.
static void initializeNvptx() {
  LLVMInitializeNVPTXTargetInfo();
  LLVMInitializeNVPTXTarget();
  LLVMInitializeNVPTXTargetMC();
  LLVMInitializeNVPTXAsmPrinter();
}

static void optimize(llvm::Module &module, llvm::TargetMachine &machine, int level) {
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager callGraph;
  llvm::ModuleAnalysisManager modules;
  llvm::PassBuilder builder(&machine);
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(callGraph);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, callGraph, modules);
  const llvm::OptimizationLevel levels[] = {llvm::OptimizationLevel::O0, llvm::OptimizationLevel::O1,
                                            llvm::OptimizationLevel::O2, llvm::OptimizationLevel::O3};
  builder.buildPerModuleDefaultPipeline(levels[std::clamp(level, 0, 3)]).run(module, modules);
}

FailureOr<std::string> twilight::translateToPtx(gpu::GPUModuleOp module, StringRef chip, int optLevel) {
  const TargetInfo *info = lookupTarget(std::string_view(chip.data(), chip.size()));
  if (!info)
    return module.emitError() << "unknown chip '" << chip << "'; expected one of " << targetNames();
  initializeNvptx();
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> llvmModule = translateModuleToLLVMIR(module, context, module.getName());
  if (!llvmModule)
    return module.emitError() << "could not be translated to LLVM IR";

  llvm::Triple triple("nvptx64-nvidia-cuda");
  std::string message;
  const llvm::Target *target = llvm::TargetRegistry::lookupTarget(triple, message);
  if (!target)
    return module.emitError() << "this LLVM has no NVPTX backend: " << message;
  std::unique_ptr<llvm::TargetMachine> machine(target->createTargetMachine(
      triple, chip, info->nvptxFeatures(), llvm::TargetOptions(), std::nullopt, std::nullopt,
      optLevel == 0 ? llvm::CodeGenOptLevel::None : llvm::CodeGenOptLevel::Aggressive));
  llvmModule->setTargetTriple(triple);
  llvmModule->setDataLayout(machine->createDataLayout());
  if (optLevel > 0)
    optimize(*llvmModule, *machine, optLevel);
  // An undefined function would become an .extern that only the driver would find missing.
  for (const llvm::Function &function : *llvmModule)
    if (function.isDeclaration() && !function.isIntrinsic() && !function.use_empty())
      return module.emitError() << "code generation left the function '" << function.getName() << "' undefined";

  llvm::SmallString<0> ptx;
  llvm::raw_svector_ostream stream(ptx);
  llvm::legacy::PassManager codegen;
  if (machine->addPassesToEmitFile(codegen, stream, nullptr, llvm::CodeGenFileType::AssemblyFile))
    return module.emitError() << "the NVPTX backend cannot write assembly";
  codegen.run(*llvmModule);
  return std::string(ptx);
}
