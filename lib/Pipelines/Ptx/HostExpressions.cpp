// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Index arithmetic of a launching function as the expressions of a manifest.

#include "HostExpressions.h"

#include "twilight/Dialect/Twilight.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/Matchers.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace twilight;
namespace json = llvm::json;

HostExpressions::HostExpressions(func::FuncOp func) : func(func) {
  for (unsigned i = 0; i < func.getNumArguments(); ++i)
    names.push_back(func.getArgAttrOfType<StringAttr>(i, kNameAttr).str());
}

json::Value HostExpressions::dimOf(unsigned argument, int64_t dimension) {
  auto type = cast<MemRefType>(func.getArgument(argument).getType());
  if (!type.isDynamicDim(dimension))
    return type.getDimSize(dimension);
  if (auto dims = func.getArgAttrOfType<ArrayAttr>(argument, kDimsAttr))
    if (auto name = cast<StringAttr>(dims[dimension]); !name.empty())
      return name.str();
  // Sizes of results are computed by the function, which returns them by this name.
  std::string name = (names[argument] + "_" + Twine(dimension)).str();
  Operation *ret = func.getBody().front().getTerminator();
  for (unsigned i = 0; i < func.getNumResults(); ++i)
    if (func.getResultAttrOfType<StringAttr>(i, kNameAttr) == name)
      if (FailureOr<json::Value> size = express(ret->getOperand(i)); succeeded(size))
        return *size;
  return name;
}

static FailureOr<json::Value> describe(Operation *op, StringRef what) {
  return op->emitError() << what << " of a launching function cannot be described in a manifest; expected index "
                         << "arithmetic over the sizes of its arguments";
}

FailureOr<json::Value> HostExpressions::express(Value value) {
  if (auto found = known.find(value); found != known.end())
    return found->second;
  APInt constant;
  if (matchPattern(value, m_ConstantInt(&constant)))
    return json::Value(constant.getSExtValue());
  Operation *op = value.getDefiningOp();
  if (!op)
    return func.emitError() << "a scalar argument cannot be described in a manifest; sizes come from buffers";
  // Widths change only where values fit: sizes of buffers.
  if (isa<arith::IndexCastOp, arith::IndexCastUIOp, arith::ExtSIOp, arith::ExtUIOp, arith::TruncIOp>(op))
    return express(op->getOperand(0));
  if (auto dim = dyn_cast<memref::DimOp>(op)) {
    auto argument = dyn_cast<BlockArgument>(dim.getSource());
    std::optional<int64_t> index = dim.getConstantIndex();
    if (!argument || !index)
      return describe(op, "a dimension");
    return dimOf(argument.getArgNumber(), *index);
  }
  StringRef symbol = llvm::TypeSwitch<Operation *, StringRef>(op)
                         .Case<arith::AddIOp>([](auto) { return "+"; })
                         .Case<arith::SubIOp>([](auto) { return "-"; })
                         .Case<arith::MulIOp>([](auto) { return "*"; })
                         .Case<arith::DivSIOp, arith::DivUIOp, arith::FloorDivSIOp>([](auto) { return "floordiv"; })
                         .Case<arith::CeilDivSIOp>([](auto) { return "ceildiv"; })
                         .Case<arith::MinSIOp, arith::MinUIOp>([](auto) { return "min"; })
                         .Case<arith::MaxSIOp, arith::MaxUIOp>([](auto) { return "max"; })
                         .Default([](Operation *) { return ""; });
  if (symbol.empty())
    return describe(op, "an operation");
  FailureOr<json::Value> a = express(op->getOperand(0)), b = express(op->getOperand(1));
  if (failed(a) || failed(b))
    return failure();
  json::Value result = json::Array{symbol.str(), *a, *b};
  known.try_emplace(value, result);
  return result;
}

FailureOr<json::Value> HostExpressions::pointer(Value value) {
  auto fromInt = value.getDefiningOp<LLVM::IntToPtrOp>();
  if (!fromInt)
    return func.emitError() << "a pointer that is not a buffer's cannot be described in a manifest";
  Value bits = fromInt.getArg();
  while (auto cast = bits.getDefiningOp<arith::IndexCastOp>())
    bits = cast.getIn();
  auto extract = bits.getDefiningOp<memref::ExtractAlignedPointerAsIndexOp>();
  if (!extract)
    return describe(fromInt, "a pointer");
  Value buffer = extract.getSource();
  while (auto cast = buffer.getDefiningOp<memref::CastOp>())
    buffer = cast.getSource();
  if (auto argument = dyn_cast<BlockArgument>(buffer))
    return json::Value(json::Object{{"pointer", names[argument.getArgNumber()]}});
  auto view = buffer.getDefiningOp<memref::ViewOp>();
  if (!view || view.getSource() != func.getArguments().back())
    return describe(extract, "a buffer");
  FailureOr<json::Value> offset = express(view.getByteShift());
  if (failed(offset))
    return failure();
  return json::Value(json::Object{{"workspace", *offset}});
}
