// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Registration of the dialect, and its discardable attributes.

#include "twilight/Dialect/Twilight.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace twilight;

#include "twilight/Dialect/TwilightDialect.cpp.inc"
#include "twilight/Dialect/TwilightEnums.cpp.inc"

#include "twilight/Dialect/TwilightAttrInterfaces.cpp.inc"

namespace {
// `4`, `4, blocked`, `4, planes` or `4, blocked, planes`.
ParseResult parseBitsAndLayout(AsmParser &parser, unsigned &bits, bool &blocked, bool &planes) {
  if (parser.parseInteger(bits))
    return failure();
  blocked = planes = false;
  while (succeeded(parser.parseOptionalComma())) {
    SMLoc loc = parser.getCurrentLocation();
    StringRef word;
    if (parser.parseKeyword(&word))
      return failure();
    if (word != "blocked" && word != "planes")
      return parser.emitError(loc) << "expected 'blocked' or 'planes' after the bits of codes, found '" << word << "'";
    bool &flag = word == "blocked" ? blocked : planes;
    if (flag)
      return parser.emitError(loc) << "'" << word << "' is given twice";
    flag = true;
  }
  return success();
}

void printBitsAndLayout(AsmPrinter &printer, unsigned bits, bool blocked, bool planes) {
  printer << bits << (blocked ? ", blocked" : "") << (planes ? ", planes" : "");
}

// `0.25` in attributes: an f64 without its type.
ParseResult parseDecimal(AsmParser &parser, FloatAttr &value) {
  double number = 0;
  if (parser.parseFloat(number))
    return failure();
  value = parser.getBuilder().getF64FloatAttr(number);
  return success();
}
// The shortest digits that parse to the same number, always with a point.
void printDecimal(AsmPrinter &printer, FloatAttr value) {
  SmallString<32> digits;
  double back = 0;
  // 17 digits tell any two f64 apart.
  for (unsigned precision = 1; precision <= 17; ++precision) {
    digits.clear();
    value.getValue().toString(digits, precision, /*FormatMaxPadding=*/6, /*TruncateZero=*/false);
    if (!digits.str().getAsDouble(back) && back == value.getValueAsDouble())
      break;
  }
  printer << digits;
  if (StringRef(digits).find_first_of(".eEnN") == StringRef::npos)
    printer << ".0";
}

// `max` in an op: an enumeration's keyword without a blank before it.
template <typename EnumAttrT>
ParseResult parseKeyword(OpAsmParser &parser, EnumAttrT &attribute) {
  StringRef keyword;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseKeyword(&keyword))
    return failure();
  auto value = symbolizeEnum<decltype(attribute.getValue())>(keyword);
  if (!value)
    return parser.emitError(loc) << "unknown keyword '" << keyword << "'";
  attribute = EnumAttrT::get(parser.getContext(), *value);
  return success();
}
template <typename EnumAttrT>
void printKeyword(OpAsmPrinter &printer, Operation *, EnumAttrT attribute) {
  printer << stringifyEnum(attribute.getValue());
}
} // namespace

#define GET_ATTRDEF_CLASSES
#include "twilight/Dialect/TwilightAttributes.cpp.inc"

#define GET_OP_CLASSES
#include "twilight/Dialect/TwilightOps.cpp.inc"

void TwilightDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "twilight/Dialect/TwilightAttributes.cpp.inc"
      >();
  registerTypes();
  addOperations<
#define GET_OP_LIST
#include "twilight/Dialect/TwilightOps.cpp.inc"
      >();
}

LogicalResult TwilightDialect::verifyOperationAttribute(Operation *op, NamedAttribute attribute) {
  if (attribute.getName() != kSplitsAttr)
    return success();
  if (!isa<GatherAttendOp, AttendOp>(op))
    return op->emitOpError() << "has '" << kSplitsAttr << "', which is for twilight.gather_attend and twilight.attend";
  auto splits = dyn_cast<IntegerAttr>(attribute.getValue());
  if (!splits || !splits.getType().isInteger(64) || splits.getInt() < 1 || splits.getInt() > ScheduleAttr::kMostSplits)
    return op->emitOpError() << "'" << kSplitsAttr << "' must be an i64 in 1 to " << ScheduleAttr::kMostSplits
                             << ", found " << attribute.getValue();
  return success();
}

static LogicalResult verifyNamed(Operation *op, NamedAttribute attribute, StringRef where) {
  if (attribute.getName() == kNameAttr) {
    auto name = dyn_cast<StringAttr>(attribute.getValue());
    if (!name || name.empty())
      return op->emitError() << "'" << kNameAttr << "' of " << where << " must be a non-empty string, found "
                             << attribute.getValue();
    return success();
  }
  if (attribute.getName() == kDimsAttr) {
    auto dims = dyn_cast<ArrayAttr>(attribute.getValue());
    if (!dims || !llvm::all_of(dims, [](Attribute dim) { return isa<StringAttr>(dim); }))
      return op->emitError() << "'" << kDimsAttr << "' of " << where << " must be an array of strings, found "
                             << attribute.getValue();
    return success();
  }
  if (attribute.getName() == kPageSizeAttr) {
    if (auto size = dyn_cast<IntegerAttr>(attribute.getValue()); !size || size.getInt() <= 0)
      return op->emitError() << "'" << kPageSizeAttr << "' of " << where << " must be a positive integer, found "
                             << attribute.getValue();
    return success();
  }
  if (attribute.getName() == kWrittenAttr)
    return success();
  return op->emitError() << "unknown attribute '" << attribute.getName().getValue() << "' on " << where
                         << "; the dialect has '" << kNameAttr << "', '" << kDimsAttr << "', '" << kPageSizeAttr
                         << "' and '" << kWrittenAttr << "'";
}

LogicalResult TwilightDialect::verifyRegionArgAttribute(Operation *op, unsigned region, unsigned argument,
                                                        NamedAttribute attribute) {
  return verifyNamed(op, attribute, "argument " + std::to_string(argument));
}

LogicalResult TwilightDialect::verifyRegionResultAttribute(Operation *op, unsigned region, unsigned result,
                                                           NamedAttribute attribute) {
  return verifyNamed(op, attribute, "result " + std::to_string(result));
}
