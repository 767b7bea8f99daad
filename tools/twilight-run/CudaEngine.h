// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// An NVIDIA GPU as an engine: twilight-to-ptx, then the twilight runtime over the CUDA driver.

#ifndef TWILIGHT_TOOLS_TWILIGHT_RUN_CUDAENGINE_H
#define TWILIGHT_TOOLS_TWILIGHT_RUN_CUDAENGINE_H

#include "twilight/Pipelines/Engine.h"

#include "twilight-runtime/twilight_runtime.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/Error.h"

namespace twilight::tool {

class CudaEngine : public Engine {
public:
  /// Opens device 0. An empty chip means the one that the device is, an empty path the system's driver.
  static llvm::Expected<std::unique_ptr<Engine>> create(llvm::StringRef chip, const std::string &driverPath);
  ~CudaEngine() override;

  mlir::LogicalResult compile(mlir::ModuleOp module) override;
  mlir::FailureOr<std::vector<Tensor>> run(llvm::StringRef function, llvm::ArrayRef<Tensor *> arguments) override;
  std::string getDevice() const override { return device; }

private:
  CudaEngine() = default;
  void freeArtifacts();

  twilight_driver *driver = nullptr;
  std::string chip, device;
  mlir::MLIRContext *context = nullptr;
  llvm::StringMap<twilight_artifact *> artifacts; ///< by function
};

} // namespace twilight::tool

#endif
