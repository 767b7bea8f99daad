// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Lowering of every op to loops over memrefs: the dialect's executable meaning.

#ifndef TWILIGHT_CONVERSION_TWILIGHTTOLOOPS_H
#define TWILIGHT_CONVERSION_TWILIGHTTOLOOPS_H

#include "mlir/Transforms/DialectConversion.h"

namespace twilight {

/// Patterns that turn every op of the dialect into loops. The converter must hold populateLoweredTypeConversions.
void populateTwilightToLoopsPatterns(const mlir::TypeConverter &converter, mlir::RewritePatternSet &patterns);

} // namespace twilight

#endif
