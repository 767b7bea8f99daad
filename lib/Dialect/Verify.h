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

/// A number of tokens, named in the message: not negative, and within the 32 bits that lengths have.
mlir::LogicalResult verifyTokenCount(mlir::Operation *op, llvm::StringRef name, int64_t value);

/// A softmax scale that is given is a finite number.
mlir::LogicalResult verifySoftmaxScale(mlir::Operation *op, std::optional<llvm::APFloat> scale);

/// Where a selection's lists come from assemble_selection, there are as many as it has heads.
mlir::LogicalResult verifyListCount(mlir::Operation *op, mlir::Value selection, int64_t queryHeads, int64_t kvHeads);

} // namespace twilight

#endif
