// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// What a compiled pipeline needs from its host: the manifest that the runtime reads (docs/runtime.md).

#ifndef TWILIGHT_PIPELINES_MANIFEST_H
#define TWILIGHT_PIPELINES_MANIFEST_H

#include "mlir/IR/BuiltinOps.h"

#include "llvm/Support/JSON.h"

namespace twilight {

/// One pipeline as files: the PTX of its module and the manifest of its launches.
struct CompiledPipeline {
  std::string name;
  std::string ptx;
  llvm::json::Value manifest = nullptr;
};

/// Reads the functions that launch kernels from a module that twilight-to-ptx has lowered. Grids, offsets and sizes
/// become expressions over the dimensions' names, by following the index arithmetic of the function.
/// Fails with an error at the op that cannot be described.
mlir::FailureOr<std::vector<CompiledPipeline>> describePipelines(mlir::ModuleOp module, llvm::StringRef chip,
                                                                 llvm::StringRef version);

} // namespace twilight

#endif
