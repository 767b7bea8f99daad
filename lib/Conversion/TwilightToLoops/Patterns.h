// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The patterns of each group of ops.

#ifndef TWILIGHT_LIB_CONVERSION_TWILIGHTTOLOOPS_PATTERNS_H
#define TWILIGHT_LIB_CONVERSION_TWILIGHTTOLOOPS_PATTERNS_H

#include "twilight/Conversion/LoweredTypes.h"

namespace twilight::loops {

void populateAppendPatterns(const mlir::TypeConverter &converter, mlir::RewritePatternSet &patterns);
void populateAttendPatterns(const mlir::TypeConverter &converter, mlir::RewritePatternSet &patterns);
void populateLengthPatterns(const mlir::TypeConverter &converter, mlir::RewritePatternSet &patterns);
void populateMergePatterns(const mlir::TypeConverter &converter, mlir::RewritePatternSet &patterns);
void populateScorePatterns(const mlir::TypeConverter &converter, mlir::RewritePatternSet &patterns);
void populateSelectPatterns(const mlir::TypeConverter &converter, mlir::RewritePatternSet &patterns);
void populateSelectionPatterns(const mlir::TypeConverter &converter, mlir::RewritePatternSet &patterns);
void populateTopPPatterns(const mlir::TypeConverter &converter, mlir::RewritePatternSet &patterns);

} // namespace twilight::loops

#endif
