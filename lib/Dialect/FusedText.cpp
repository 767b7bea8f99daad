// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The text of twilight.fused:
//   twilight.fused (%q = %query : tensor<...>, ...) schedule(<...>) dense_below(N) { ... } : types

#include "twilight/Dialect/Twilight.h"

using namespace mlir;
using namespace twilight;

void FusedOp::getAsmBlockArgumentNames(Region &region, OpAsmSetValueNameFn setName) {
  for (BlockArgument argument : region.getArguments()) {
    auto shaped = dyn_cast<ShapedType>(argument.getType());
    if (isa<CacheType>(argument.getType()))
      setName(argument, "cache");
    else if (argument.getType().isF32() || (shaped && shaped.getRank() == 1))
      setName(argument, "p");
    else if (shaped)
      setName(argument, "q");
  }
}

ParseResult FusedOp::parse(OpAsmParser &parser, OperationState &result) {
  SmallVector<OpAsmParser::Argument> arguments;
  SmallVector<OpAsmParser::UnresolvedOperand> operands;
  auto &properties = result.getOrAddProperties<Properties>();
  auto parseInput = [&] {
    return failure(parser.parseArgument(arguments.emplace_back()) || parser.parseEqual() ||
                   parser.parseOperand(operands.emplace_back()) || parser.parseColonType(arguments.back().type));
  };
  if (parser.parseCommaSeparatedList(OpAsmParser::Delimiter::Paren, parseInput))
    return failure();
  for (auto [operand, argument] : llvm::zip_equal(operands, arguments))
    if (parser.resolveOperand(operand, argument.type, result.operands))
      return failure();
  if (succeeded(parser.parseOptionalKeyword("schedule"))) {
    // Both `<block>` and `#twilight.schedule<block>`.
    if (parser.parseLParen() || parser.parseCustomAttributeWithFallback(properties.schedule) || parser.parseRParen())
      return failure();
  }
  if (succeeded(parser.parseOptionalKeyword("dense_below"))) {
    int64_t tokens = 0;
    if (parser.parseLParen() || parser.parseInteger(tokens) || parser.parseRParen())
      return failure();
    properties.dense_below = parser.getBuilder().getI64IntegerAttr(tokens);
  }
  if (parser.parseOptionalAttrDictWithKeyword(result.attributes) ||
      parser.parseRegion(*result.addRegion(), arguments, /*enableNameShadowing=*/true) ||
      parser.parseOptionalColonTypeList(result.types))
    return failure();
  return success();
}

void FusedOp::print(OpAsmPrinter &printer) {
  printer << " (";
  llvm::interleaveComma(llvm::zip_equal(getBody().getArguments(), getInputs()), printer, [&](auto pair) {
    auto [argument, operand] = pair;
    printer << argument << " = " << operand << " : " << operand.getType();
  });
  printer << ")";
  if (getSchedule()) {
    printer << " schedule(";
    printer.printStrippedAttrOrType(*getSchedule());
    printer << ")";
  }
  if (getDenseBelow())
    printer << " dense_below(" << static_cast<int64_t>(*getDenseBelow()) << ")";
  printer.printOptionalAttrDictWithKeyword((*this)->getAttrs(), {getScheduleAttrName(), getDenseBelowAttrName()});
  printer << " ";
  printer.printRegion(getBody(), /*printEntryBlockArgs=*/false);
  if (getNumResults() != 0)
    printer << " : " << getResultTypes();
}
