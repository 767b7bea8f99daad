// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// --explain: the choice of each fused pipeline, then what became of it.

#ifndef TWILIGHT_TOOLS_TWILIGHT_COMPILE_EXPLAIN_H
#define TWILIGHT_TOOLS_TWILIGHT_COMPILE_EXPLAIN_H

#include "twilight/Pipelines/Manifest.h"
#include "twilight/Schedule/Choose.h"

#include "llvm/Support/raw_ostream.h"

namespace twilight {

enum class ExplainAs { Nothing, Text, Json };

/// What is explained, function by function, in the order of the file.
class Explanation {
public:
  /// The choices for a module's fused ops, before any of them has a schedule, and why the other pipelines are not
  /// fused. `fuse`: whether twilight-fuse ran.
  void addChoices(mlir::ModuleOp module, const ChoiceInputs &inputs, bool fuse);
  /// A pipeline that was written to `ptxFile`.
  void addKernels(const CompiledPipeline &pipeline, llvm::StringRef ptxFile, llvm::StringRef chip);
  void print(llvm::raw_ostream &out, ExplainAs as) const;

private:
  struct Kernel {
    std::string name, op;
    std::optional<int64_t> threads, registers, spilledBytes, sharedBytes;
  };
  struct Pipeline {
    std::string name;
    std::vector<Choice> choices;        ///< one for each fused op
    std::vector<DenseChoice> dense;     ///< one for each twilight.attend outside of them
    std::vector<std::string> obstacles; ///< one for each pipeline that stays op by op
    std::vector<Kernel> kernels;
    std::string noResources; ///< why registers are not known
  };
  Pipeline &get(llvm::StringRef name);
  void printKernels(llvm::raw_ostream &out, const Pipeline &pipeline) const;
  llvm::json::Object toJson(const Pipeline &pipeline) const;

  std::vector<Pipeline> pipelines;
};

} // namespace twilight

#endif
