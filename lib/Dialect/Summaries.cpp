// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The built-in page summaries and the codes attribute.

#include "twilight/Dialect/Twilight.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

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
  if (isKvElementType(elementType) || isa<Float8E5M2Type>(elementType) || elementType.isSignlessInteger(8))
    return success();
  return emitError() << "#twilight.min_max is stored as f16, bf16, f32, f8E5M2 or i8, found " << elementType;
}

unsigned MinMaxAttr::getNumRows() const { return 2; }
bool MinMaxAttr::roundsUp(unsigned row) const { return row == 1; }

SmallVector<Value> MinMaxAttr::init(OpBuilder &builder, Location loc) const {
  const float infinity = std::numeric_limits<float>::infinity();
  return {constantF32(builder, loc, infinity), constantF32(builder, loc, -infinity)};
}

SmallVector<Value> MinMaxAttr::accumulate(OpBuilder &builder, Location loc, ValueRange accumulators, Value x) const {
  return {arith::MinNumFOp::create(builder, loc, accumulators[0], x),
          arith::MaxNumFOp::create(builder, loc, accumulators[1], x)};
}

// The least number of E5M2 that is not below x: a multiple of a quarter of x's power of two, of 2^-16 below 2^-14.
// Dividing by a power of two is exact.
static Value roundUpToE5M2(OpBuilder &builder, Location loc, Value x) {
  constexpr int64_t kExponent = 0x7F800000, kLeastNormal = int64_t(127 - 14) << 23; // f32: the field, and 2^-14
  constexpr float kLargest = 57344.0f, infinity = std::numeric_limits<float>::infinity();
  Type i32 = builder.getI32Type(), f32 = builder.getF32Type();
  auto integer = [&](int64_t value) -> Value {
    return arith::ConstantOp::create(builder, loc, builder.getI32IntegerAttr(static_cast<int32_t>(value)));
  };
  Value exponent =
      arith::AndIOp::create(builder, loc, arith::BitcastOp::create(builder, loc, i32, x), integer(kExponent));
  exponent = arith::MaxSIOp::create(builder, loc, exponent, integer(kLeastNormal));
  Value power = arith::BitcastOp::create(builder, loc, f32, exponent);
  Value step = arith::MulFOp::create(builder, loc, power, constantF32(builder, loc, 0.25f));
  Value steps = math::CeilOp::create(builder, loc, arith::DivFOp::create(builder, loc, x, step));
  Value up = arith::MulFOp::create(builder, loc, steps, step);
  Value beyond =
      arith::CmpFOp::create(builder, loc, arith::CmpFPredicate::OGT, up, constantF32(builder, loc, kLargest));
  up = arith::MaximumFOp::create(builder, loc, up, constantF32(builder, loc, -kLargest));
  up = arith::SelectOp::create(builder, loc, beyond, constantF32(builder, loc, infinity), up);
  Value isFinite = arith::CmpFOp::create(builder, loc, arith::CmpFPredicate::OLT, math::AbsFOp::create(builder, loc, x),
                                         constantF32(builder, loc, infinity));
  return arith::SelectOp::create(builder, loc, isFinite, up, x);
}

SmallVector<Value> MinMaxAttr::finish(OpBuilder &builder, Location loc, ValueRange accumulators) const {
  Value low = accumulators[0], high = accumulators[1];
  if (!isa<Float8E5M2Type>(getElementType()))
    return {low, high};
  Value below = roundUpToE5M2(builder, loc, arith::NegFOp::create(builder, loc, low));
  return {arith::NegFOp::create(builder, loc, below), roundUpToE5M2(builder, loc, high)};
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

LogicalResult CodesAttr::verify(function_ref<InFlightDiagnostic()> emitError, unsigned bits, bool, bool planes) {
  if (bits != 2 && bits != 4 && bits != 8)
    return emitError() << "codes have 2, 4 or 8 bits, found bits = " << bits;
  if (planes && bits != 4)
    return emitError() << "planes are of 4 bits, two high and two low, found bits = " << bits
                       << ": use bits = 4 or drop 'planes'";
  return success();
}
