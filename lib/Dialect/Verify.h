// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Checks that several ops share.

#ifndef TWILIGHT_LIB_DIALECT_VERIFY_H
#define TWILIGHT_LIB_DIALECT_VERIFY_H

#include "twilight/Dialect/Twilight.h"

namespace twilight {

/// The buffer has the expected rank, static sizes (dynamic matches anything) and element type; null element type
/// accepts any float. `what` names it in the message ("part 'codes'", "q").
mlir::LogicalResult verifyBuffer(mlir::Operation *op, mlir::Value buffer, const llvm::Twine &what,
                                 llvm::ArrayRef<int64_t> shape, mlir::Type elementType);

/// q is [B, Hq, D] for the cache: D agrees and Hq is a multiple of Hkv.
mlir::LogicalResult verifyQuery(mlir::Operation *op, mlir::Value q, CacheType cache);

/// out is [B, Hq, D], lse [B, Hq], counts [B, lists]; lse and counts may be null.
mlir::LogicalResult verifyAttention(mlir::Operation *op, mlir::Value q, mlir::Value out, mlir::Value lse,
                                    mlir::Value counts, int64_t lists);

/// A value >= 0, named in the message.
mlir::LogicalResult verifyNotNegative(mlir::Operation *op, llvm::StringRef name, int64_t value);

} // namespace twilight

#endif
