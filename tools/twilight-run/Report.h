// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// What a run did, as a table or as JSON.

#ifndef TWILIGHT_TOOLS_TWILIGHT_RUN_REPORT_H
#define TWILIGHT_TOOLS_TWILIGHT_RUN_REPORT_H

#include "Safetensors.h"
#include "Signature.h"

namespace twilight::tool {

/// Everything a report draws on.
struct RunRecord {
  const Signature &signature;
  const TensorFile &file;
  const std::vector<Tensor> &arguments;
  const std::vector<Tensor> &results;
  const std::vector<Tensor> &dense; ///< out and lse of dense attention; empty where there is no such reference
  std::string target, device;
  double compileSeconds, runSeconds;
};

/// One sequence and kv head. A number that the function's results do not tell is absent.
struct Row {
  int64_t entry, kvHead;
  std::optional<int64_t> layer; ///< from the file's metadata
  int64_t cached;
  std::optional<int64_t> candidates, kept; ///< largest over the group where lists are per query head
  std::optional<double> mass, leastMass;   ///< exact attention mass of the kept tokens: mean and least over the group
  std::optional<double> relativeError;     ///< L2 norm of out - dense over that of dense, over the group's heads
};

/// Empty where the function's results are not those of a decode pipeline (out, lse and counts over a cache).
std::vector<Row> makeRows(const RunRecord &record);

void printText(const RunRecord &record, llvm::raw_ostream &out);
void printJson(const RunRecord &record, llvm::raw_ostream &out);

} // namespace twilight::tool

#endif
