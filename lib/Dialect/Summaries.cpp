// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The built-in page summaries and the codes attribute.

#include "twilight/Dialect/Twilight.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#include <limits>

using namespace mlir;
using namespace twilight;

static Value constantF32(OpBuilder &builder, Location loc, float value) {
  return arith::ConstantOp::create(builder, loc, builder.getF32FloatAttr(value));
}

static LogicalResult verifySummaryElement(function_ref<InFlightDiagnostic()> emitError, StringRef name, Type type) {
  if (isKvElementType(type))
    return success();
  return emitError() << "#twilight." << name << " is stored as f16, bf16 or f32, found " << type;
}

//===-- min_max ----------------------------------------------------------------------------------------------===//

LogicalResult MinMaxAttr::verify(function_ref<InFlightDiagnostic()> emitError, Type elementType) {
  return verifySummaryElement(emitError, getMnemonic(), elementType);
}

unsigned MinMaxAttr::getNumRows() const { return 2; }

SmallVector<Value> MinMaxAttr::init(OpBuilder &builder, Location loc) const {
  const float infinity = std::numeric_limits<float>::infinity();
  return {constantF32(builder, loc, infinity), constantF32(builder, loc, -infinity)};
}

SmallVector<Value> MinMaxAttr::accumulate(OpBuilder &builder, Location loc, ValueRange accumulators, Value x) const {
  return {arith::MinNumFOp::create(builder, loc, accumulators[0], x),
          arith::MaxNumFOp::create(builder, loc, accumulators[1], x)};
}

SmallVector<Value> MinMaxAttr::finish(OpBuilder &, Location, ValueRange accumulators) const {
  return {accumulators[0], accumulators[1]};
}

//===-- mean_var ---------------------------------------------------------------------------------------------===//

LogicalResult MeanVarAttr::verify(function_ref<InFlightDiagnostic()> emitError, Type elementType) {
  return verifySummaryElement(emitError, getMnemonic(), elementType);
}

unsigned MeanVarAttr::getNumRows() const { return 2; }

// Welford: (count, mean, sum of squared deviations). Free of the cancellation of E[x^2] - E[x]^2.
SmallVector<Value> MeanVarAttr::init(OpBuilder &builder, Location loc) const {
  Value zero = constantF32(builder, loc, 0.0f);
  return {zero, zero, zero};
}

SmallVector<Value> MeanVarAttr::accumulate(OpBuilder &builder, Location loc, ValueRange accumulators, Value x) const {
  Value count = arith::AddFOp::create(builder, loc, accumulators[0], constantF32(builder, loc, 1.0f));
  Value delta = arith::SubFOp::create(builder, loc, x, accumulators[1]);
  Value mean = arith::AddFOp::create(builder, loc, accumulators[1], arith::DivFOp::create(builder, loc, delta, count));
  Value delta2 = arith::SubFOp::create(builder, loc, x, mean);
  Value squares =
      arith::AddFOp::create(builder, loc, accumulators[2], arith::MulFOp::create(builder, loc, delta, delta2));
  return {count, mean, squares};
}

SmallVector<Value> MeanVarAttr::finish(OpBuilder &builder, Location loc, ValueRange accumulators) const {
  Value count = arith::MaximumFOp::create(builder, loc, accumulators[0], constantF32(builder, loc, 1.0f));
  return {accumulators[1], arith::DivFOp::create(builder, loc, accumulators[2], count)};
}

//===-- codes ------------------------------------------------------------------------------------------------===//

LogicalResult CodesAttr::verify(function_ref<InFlightDiagnostic()> emitError, unsigned bits) {
  if (bits == 2 || bits == 4 || bits == 8)
    return success();
  return emitError() << "codes have 2, 4 or 8 bits, found bits = " << bits;
}
