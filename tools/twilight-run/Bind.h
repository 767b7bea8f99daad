// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Which tensor each argument gets, and whether it fits.

#ifndef TWILIGHT_TOOLS_TWILIGHT_RUN_BIND_H
#define TWILIGHT_TOOLS_TWILIGHT_RUN_BIND_H

#include "Safetensors.h"
#include "Signature.h"

namespace twilight::tool {

/// Finds a tensor for each argument in the file. level is --p ("" where it was not given), for the argument 'p'.
/// Checks element types, shapes, that sizes of one name agree, and that tables and lengths stay within their buffers.
llvm::Expected<std::vector<Tensor>> bindArguments(const Signature &signature, const TensorFile &file,
                                                  llvm::StringRef level);

/// Whether the tensor has the port's element type and static sizes; what is wrong otherwise.
llvm::Error checkTensor(const Port &port, const Tensor &tensor);

/// Checks what the loops rely on: lengths within the page table, its entries within the pool, list entries within the
/// sequence.
llvm::Error checkContents(const Signature &signature, const std::vector<Tensor> &arguments);

} // namespace twilight::tool

#endif
