// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The built-in budgets.

#include "twilight/Dialect/Twilight.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#include <cmath>
#include <limits>

using namespace mlir;
using namespace twilight;

static constexpr int64_t kMillion = 1000000;

static Value constantLike(OpBuilder &builder, Location loc, Type type, int64_t value) {
  return arith::ConstantOp::create(builder, loc, builder.getIntegerAttr(type, value));
}

int64_t FractionAttr::getMillionths() const { return std::llround(getValue().getValueAsDouble() * kMillion); }

LogicalResult FractionAttr::verifyBudget(function_ref<InFlightDiagnostic()> emitError) const {
  double value = getValue().getValueAsDouble();
  if (value <= 1.0 && value * kMillion >= 0.5)
    return success();
  return emitError() << "a fraction must lie in (0, 1], at least one millionth, found " << *this
                     << "; to keep everything use #twilight.all";
}

bool FractionAttr::keepsAll() const { return getMillionths() == kMillion; }

// i32 would overflow: 10^6 times the number of pages.
Value FractionAttr::buildCount(OpBuilder &builder, Location loc, Value units, int64_t) const {
  Type type = units.getType(), wide = builder.getI64Type();
  bool isIndex = type.isIndex();
  Value n = isIndex ? arith::IndexCastOp::create(builder, loc, wide, units).getResult()
                    : arith::ExtSIOp::create(builder, loc, wide, units).getResult();
  Value scaled = arith::MulIOp::create(builder, loc, n, constantLike(builder, loc, wide, getMillionths()));
  Value rounded = arith::AddIOp::create(builder, loc, scaled, constantLike(builder, loc, wide, kMillion - 1));
  Value k = arith::DivSIOp::create(builder, loc, rounded, constantLike(builder, loc, wide, kMillion));
  k = arith::MaxSIOp::create(builder, loc, k, constantLike(builder, loc, wide, 1));
  return isIndex ? arith::IndexCastOp::create(builder, loc, type, k).getResult()
                 : arith::TruncIOp::create(builder, loc, type, k).getResult();
}

LogicalResult TokensAttr::verifyBudget(function_ref<InFlightDiagnostic()> emitError) const {
  if (getValue() > 0 && getValue() <= std::numeric_limits<int32_t>::max())
    return success();
  return emitError() << "a token budget must be positive and fit 32 bits, found " << getValue();
}

Value TokensAttr::buildCount(OpBuilder &builder, Location loc, Value units, int64_t pageSize) const {
  return constantLike(builder, loc, units.getType(), (getValue() + pageSize - 1) / pageSize);
}

bool AllAttr::keepsAll() const { return true; }
Value AllAttr::buildCount(OpBuilder &, Location, Value units, int64_t) const { return units; }
