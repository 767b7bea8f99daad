// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The usual MLIR driver with the twilight dialect, its passes and its pipelines.

#include "twilight/Conversion/Passes.h"
#include "twilight/Dialect/Twilight.h"
#include "twilight/Pipelines/CpuPipeline.h"
#include "twilight/Pipelines/PtxPipeline.h"
#include "twilight/Transforms/Passes.h"

#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/InitAllPasses.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"

#ifdef TWILIGHT_INCLUDE_TESTS
namespace twilight::test {
void registerTestSelector(mlir::DialectRegistry &registry);
} // namespace twilight::test
#endif

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  mlir::registerAllDialects(registry);
  mlir::registerAllExtensions(registry);
  mlir::registerAllPasses();
  registry.insert<twilight::TwilightDialect>();
  twilight::registerTransformsPasses();
  twilight::registerTwilightConversionPasses();
  twilight::registerCpuPipelines();
  twilight::registerPtxPipelines();
#ifdef TWILIGHT_INCLUDE_TESTS
  twilight::test::registerTestSelector(registry);
#endif
  return mlir::asMainReturnCode(
      mlir::MlirOptMain(argc, argv, "twilight: adaptive sparse attention compiler\n", registry));
}
