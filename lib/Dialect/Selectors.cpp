// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The built-in selectors. Each is only its interface: see docs/rationale/dialect.md for how they are lowered.

#include "twilight/Dialect/Twilight.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace twilight;

static Value zeroF32(OpBuilder &builder, Location loc) {
  return arith::ConstantOp::create(builder, loc, builder.getF32FloatAttr(0.0f));
}

//===-- full and window: no scores ---------------------------------------------------------------------------===//

UnitRule FullAttr::getUnitRule() const { return UnitRule::All; }
LogicalResult FullAttr::verifySummary(function_ref<InFlightDiagnostic()>, Attribute) const { return success(); }

UnitRule WindowAttr::getUnitRule() const { return UnitRule::Floors; }
LogicalResult WindowAttr::verifySummary(function_ref<InFlightDiagnostic()>, Attribute) const { return success(); }

//===-- quest ------------------------------------------------------------------------------------------------===//

UnitRule QuestAttr::getUnitRule() const { return UnitRule::Scored; }

LogicalResult QuestAttr::verifySummary(function_ref<InFlightDiagnostic()> emitError, Attribute summary) const {
  if (isa_and_nonnull<MinMaxAttr>(summary))
    return success();
  InFlightDiagnostic diag = emitError() << "#twilight.quest reads page bounds: expected a cache with summary = "
                                           "#twilight.min_max<...>, found ";
  if (summary)
    return diag << "summary = " << summary;
  return diag << "no summary; declare it in the cache type and fill it with twilight.append";
}

unsigned QuestAttr::getNumTerms() const { return 1; }

// Row 0 holds minima: they bound the product where q is negative.
Value QuestAttr::transformQuery(OpBuilder &builder, Location loc, Value q, unsigned, unsigned row) const {
  Value zero = zeroF32(builder, loc);
  if (row == 0)
    return arith::MinimumFOp::create(builder, loc, q, zero);
  return arith::MaximumFOp::create(builder, loc, q, zero);
}

bool QuestAttr::isTransformExact(unsigned, unsigned) const { return true; }

//===-- mean_std ---------------------------------------------------------------------------------------------===//

LogicalResult MeanStdAttr::verify(function_ref<InFlightDiagnostic()> emitError, FloatAttr c) {
  if (c.getValue().isFinite())
    return success();
  return emitError() << "#twilight.mean_std needs a finite c, found " << c;
}

UnitRule MeanStdAttr::getUnitRule() const { return UnitRule::Scored; }

LogicalResult MeanStdAttr::verifySummary(function_ref<InFlightDiagnostic()> emitError, Attribute summary) const {
  if (isa_and_nonnull<MeanVarAttr>(summary))
    return success();
  InFlightDiagnostic diag = emitError() << "#twilight.mean_std reads page means and variances: expected a cache with "
                                           "summary = #twilight.mean_var<...>, found ";
  if (summary)
    return diag << "summary = " << summary;
  return diag << "no summary; declare it in the cache type and fill it with twilight.append";
}

unsigned MeanStdAttr::getNumTerms() const { return 2; }

// Term 0 is q . mean, term 1 is sum q^2 var.
Value MeanStdAttr::transformQuery(OpBuilder &builder, Location loc, Value q, unsigned term, unsigned row) const {
  if (term != row)
    return {};
  return term == 0 ? q : arith::MulFOp::create(builder, loc, q, q).getResult();
}

bool MeanStdAttr::isTransformExact(unsigned term, unsigned) const { return term == 0; }

Value MeanStdAttr::combineTerms(OpBuilder &builder, Location loc, ValueRange terms) const {
  Value variance = arith::MaximumFOp::create(builder, loc, terms[1], zeroF32(builder, loc));
  Value deviation = math::SqrtOp::create(builder, loc, variance);
  Value c =
      arith::ConstantOp::create(builder, loc, builder.getF32FloatAttr(static_cast<float>(getC().getValueAsDouble())));
  return arith::AddFOp::create(builder, loc, terms[0], arith::MulFOp::create(builder, loc, c, deviation));
}
