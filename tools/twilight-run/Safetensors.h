// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Reading and writing safetensors files: tensors by name, and metadata.

#ifndef TWILIGHT_TOOLS_TWILIGHT_RUN_SAFETENSORS_H
#define TWILIGHT_TOOLS_TWILIGHT_RUN_SAFETENSORS_H

#include "twilight/Pipelines/Engine.h"

#include "llvm/Support/Error.h"

#include <map>
#include <set>
#include <string>

namespace twilight::tool {

struct TensorFile {
  std::string path;
  std::map<std::string, Tensor> tensors;
  std::map<std::string, std::string> metadata;
  std::set<std::string> made; ///< names of tensors that were not in the file but computed

  const Tensor *find(llvm::StringRef name) const;
  /// What the file holds as "a F16 [2, 3], b I32 [2]", for messages.
  std::string listTensors() const;
};

/// "F16 [2, 3]", for messages.
std::string describe(const Tensor &tensor);

llvm::Expected<TensorFile> readTensors(llvm::StringRef path);
llvm::Error writeTensors(const TensorFile &file);

} // namespace twilight::tool

#endif
