// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The twilight dialect: types, attributes, interfaces, ops.

#ifndef TWILIGHT_DIALECT_TWILIGHT_H
#define TWILIGHT_DIALECT_TWILIGHT_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "twilight/Dialect/TwilightDialect.h.inc"
#include "twilight/Dialect/TwilightEnums.h.inc"

#include "twilight/Dialect/TwilightAttrInterfaces.h.inc"

#define GET_ATTRDEF_CLASSES
#include "twilight/Dialect/TwilightAttributes.h.inc"

#define GET_TYPEDEF_CLASSES
#include "twilight/Dialect/TwilightTypes.h.inc"

#define GET_OP_CLASSES
#include "twilight/Dialect/TwilightOps.h.inc"

namespace twilight {

/// Discardable attribute with the public name of a function's argument or result ("q", "k_pages", "out").
constexpr llvm::StringLiteral kNameAttr = "twilight.name";
/// Discardable attribute with the names of a buffer's dimensions, "" where a dimension is static.
constexpr llvm::StringLiteral kDimsAttr = "twilight.dims";
/// Discardable attribute on a page table or on lengths: tokens a page (i64), from which their bounds follow.
constexpr llvm::StringLiteral kPageSizeAttr = "twilight.page_size";
/// Discardable attribute (unit) on an argument that the function changes in place.
constexpr llvm::StringLiteral kWrittenAttr = "twilight.written";
/// Discardable attribute (i64) on a lowered function: how many of its last arguments before the workspace are results.
constexpr llvm::StringLiteral kOutputsAttr = "twilight.outputs";
/// Discardable attribute (string) on a launch: the op it came from.
constexpr llvm::StringLiteral kOpAttr = "twilight.op";
/// Discardable attribute (i64, 1 to ScheduleAttr::kMostSplits) on an attention: how many thread blocks share one of its
/// lists on a GPU, where that is not what a schedule has by default.
constexpr llvm::StringLiteral kSplitsAttr = "twilight.splits";
/// Discardable attribute (unit) on a launch: it may begin before the launch before it has ended.
constexpr llvm::StringLiteral kDependentLaunchAttr = "twilight.dependent_launch";
/// On a launch: thread blocks of a cluster along x.
constexpr llvm::StringLiteral kClusterAttr = "twilight.cluster";
/// On a launch (unit): its thread blocks wait for each other, so all of them must be on the device at once.
constexpr llvm::StringLiteral kCooperativeAttr = "twilight.cooperative";
/// On an allocation of static size (unit): it must be zero before the first launch, and every launch leaves it zero.
constexpr llvm::StringLiteral kZeroedAttr = "twilight.zeroed";
/// Discardable attribute (i64) on a lowered function: bytes at the workspace's start that hold such allocations.
constexpr llvm::StringLiteral kZeroedBytesAttr = "twilight.zeroed_bytes";

/// Heads of a pipeline: Hq from a query buffer [B, Hq, D], Hkv from its cache.
struct HeadCounts {
  int64_t query, kv, group;
};
HeadCounts getHeadCounts(mlir::Value q, CacheType cache);

/// softmax_scale where it is given, 1 / sqrt(D) otherwise.
double getSoftmaxScale(std::optional<llvm::APFloat> scale, CacheType cache);

/// A value as it is outside of a twilight.fused: the operand that an argument of its region stands for.
mlir::Value lookThroughFused(mlir::Value value);

/// Whether a type is one that keys and values may have.
bool isKvElementType(mlir::Type type);
/// Whether a type is one that scores may have.
bool isScoreElementType(mlir::Type type);
/// The largest finite f16: where scores of f16 end.
constexpr double kLargestF16 = 65504;

} // namespace twilight

#endif
