// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Making a paged cache out of plain keys and values, with the compiler's own twilight.append.

#ifndef TWILIGHT_TOOLS_TWILIGHT_RUN_PAGING_H
#define TWILIGHT_TOOLS_TWILIGHT_RUN_PAGING_H

#include "Safetensors.h"
#include "Signature.h"

namespace twilight::tool {

/// Whether some argument of the function is missing from the file, is a part of a cache, and the file holds k, v and
/// seq_lens to make it from.
bool needsPaging(const Signature &signature, const TensorFile &file);

/// Adds the missing parts of the function's cache to the file. Physical pages lie in an order drawn from the seed. The
/// engine is used to run the append, and holds no function of the module afterwards.
llvm::Error addPagedCache(const Signature &signature, TensorFile &file, uint64_t seed, Engine &engine);

} // namespace twilight::tool

#endif
