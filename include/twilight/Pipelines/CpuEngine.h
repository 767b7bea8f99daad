// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The CPU as an engine: twilight-to-cpu, then LLVM's just-in-time compiler.

#ifndef TWILIGHT_PIPELINES_CPUENGINE_H
#define TWILIGHT_PIPELINES_CPUENGINE_H

#include "twilight/Pipelines/Engine.h"

#include "mlir/IR/DialectRegistry.h"

namespace mlir {
class ExecutionEngine;
} // namespace mlir

namespace twilight {

/// Registers the dialects, interfaces and translations that the CPU engine needs in the context of its modules.
void registerCpuEngineDialects(mlir::DialectRegistry &registry);

class CpuEngine : public Engine {
public:
  CpuEngine();
  ~CpuEngine() override;
  mlir::LogicalResult compile(mlir::ModuleOp module) override;
  mlir::FailureOr<std::vector<Tensor>> run(llvm::StringRef function, llvm::ArrayRef<Tensor *> arguments) override;
  std::string getDevice() const override; ///< LLVM's name of the processor, "znver4"

private:
  mlir::MLIRContext *context = nullptr;
  std::unique_ptr<mlir::ExecutionEngine> jit;
  llvm::StringMap<mlir::FunctionType> functions; ///< public functions by name, before lowering
};

} // namespace twilight

#endif
