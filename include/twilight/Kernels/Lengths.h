// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Kernels over the lengths of a batch's sequences.

#ifndef TWILIGHT_KERNELS_LENGTHS_H
#define TWILIGHT_KERNELS_LENGTHS_H

#include "twilight/Kernels/Kernels.h"

namespace twilight {

/// Threads of a block of both kernels, each with one number to write.
constexpr int64_t kLengthThreads = 128;

/// shorter = seq_lens where they are < below and 0 elsewhere; longer the other way round. Grid (ceildiv(B,
/// kLengthThreads)). Parameters: seq_lens, shorter, longer (i32 [B], written), B.
/// Other kernels read lengths at any time, as they do the pipeline's inputs: the next launch must not overlap this one.
KernelInfo buildSplitLengths(mlir::gpu::GPUModuleOp module, llvm::StringRef name, int64_t below);

/// result[b, list] = counts[b, list] + seq_lens[b]. Grid (ceildiv(B * lists, kLengthThreads)).
/// Parameters: counts, seq_lens, result (i32 [B, lists], written), B * lists.
KernelInfo buildAddLengths(mlir::gpu::GPUModuleOp module, llvm::StringRef name, int64_t lists);

} // namespace twilight

#endif
