// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Selectors, budgets and types as a command line has them.

#include "twilight/Transforms/Sparsify.h"

#include "mlir/AsmParser/AsmParser.h"
#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace twilight;

/// The attribute or type of a text, null where it is none. The parser's own words would point into the text, which has
/// no place in a file.
static Attribute parseQuietly(StringRef text, MLIRContext *context) {
  ScopedDiagnosticHandler quiet(context, [](Diagnostic &) { return success(); });
  return parseAttribute(text, context);
}
static Type parseTypeQuietly(StringRef text, MLIRContext *context) {
  ScopedDiagnosticHandler quiet(context, [](Diagnostic &) { return success(); });
  return parseType(text, context);
}

FailureOr<SelectorAttrInterface> twilight::parseSelector(StringRef text, Location errorLoc) {
  std::string attribute = text.starts_with("#") ? text.str() : ("#twilight." + text).str();
  if (auto selector = dyn_cast_or_null<SelectorAttrInterface>(parseQuietly(attribute, errorLoc.getContext())))
    return selector;
  return emitError(errorLoc) << "'" << text
                             << "' is no selector: expected quest, mean_std, window, full or a selector attribute such "
                                "as #twilight.mean_std<c = 1.5>";
}

FailureOr<BudgetAttrInterface> twilight::parseBudget(StringRef text, Location errorLoc) {
  MLIRContext *context = errorLoc.getContext();
  BudgetAttrInterface budget;
  double fraction = 0;
  int64_t tokens = 0;
  StringRef number = text;
  if (number.consume_front("tokens:") && !number.getAsInteger(10, tokens))
    budget = TokensAttr::get(context, tokens);
  else if (text == "all")
    budget = AllAttr::get(context);
  else if (text.starts_with("#"))
    budget = dyn_cast_or_null<BudgetAttrInterface>(parseQuietly(text, context));
  else if (!text.getAsDouble(fraction))
    budget = FractionAttr::get(context, Builder(context).getF64FloatAttr(fraction));
  if (!budget)
    return emitError(errorLoc) << "'" << text
                               << "' is no budget: expected a fraction such as 0.25, tokens:N, all or a budget "
                                  "attribute";
  if (failed(budget.verifyBudget([&] { return emitError(errorLoc); })))
    return failure();
  return budget;
}

FailureOr<Type> twilight::parseScoreType(StringRef text, Location errorLoc) {
  if (Type type = parseTypeQuietly(text, errorLoc.getContext()); type && isScoreElementType(type))
    return type;
  return emitError(errorLoc) << "'" << text << "' is no element type of scores: expected f32 or f16";
}

BudgetAttrInterface twilight::getDefaultBudget(SelectorAttrInterface selector) {
  MLIRContext *context = selector.getContext();
  if (selector.getUnitRule() != UnitRule::Scored)
    return AllAttr::get(context);
  return FractionAttr::get(context, Builder(context).getF64FloatAttr(0.25));
}
