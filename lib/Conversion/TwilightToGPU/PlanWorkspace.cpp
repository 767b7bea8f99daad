// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Results and intermediates of a launching function become arguments.

#include "twilight/Conversion/Passes.h"
#include "twilight/Dialect/Twilight.h"
#include "twilight/Support/Expr.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

namespace twilight {
#define GEN_PASS_DEF_PLANWORKSPACEPASS
#include "twilight/Conversion/Passes.h.inc"
} // namespace twilight

using namespace mlir;
using namespace twilight;

namespace {

constexpr int64_t kAlignment = 256;

Value skipCasts(Value value) {
  while (auto cast = value.getDefiningOp<memref::CastOp>())
    value = cast.getSource();
  return value;
}

/// Bytes of an allocation, as index code before it.
Expr sizeInBytes(Emitter &e, memref::AllocOp alloc) {
  MemRefType type = alloc.getType();
  int64_t bytes = type.getElementTypeBitWidth() / 8;
  Expr size = e.index(1);
  auto dynamicSize = alloc.getDynamicSizes().begin();
  for (int64_t dim : type.getShape()) {
    if (ShapedType::isDynamic(dim))
      size = size * e.wrap(*dynamicSize++);
    else
      bytes *= dim;
  }
  return size * bytes;
}

struct PlanWorkspace : twilight::impl::PlanWorkspacePassBase<PlanWorkspace> {
  void runOnOperation() override {
    outputSizes.clear();
    func::FuncOp func = getOperation();
    bool launches = false;
    func.walk([&](gpu::LaunchFuncOp) { launches = true; });
    if (!launches)
      return;
    if (failed(moveResults(func)))
      return signalPassFailure();
    Value bytes = moveAllocations(func);
    if (!bytes || failed(returnSizes(func, bytes)))
      signalPassFailure();
  }

  LogicalResult moveResults(func::FuncOp func) {
    auto ret = cast<func::ReturnOp>(func.getBody().front().getTerminator());
    for (auto [i, value] : llvm::enumerate(ret.getOperands())) {
      Value source = skipCasts(value);
      auto attributes = DictionaryAttr::get(
          &getContext(), func.getResultAttrDict(i) ? func.getResultAttrDict(i).getValue() : ArrayRef<NamedAttribute>());
      auto alloc = source.getDefiningOp<memref::AllocOp>();
      if (!alloc)
        return ret.emitOpError() << "result " << i << " is a buffer of the caller's already: return nothing, or "
                                 << "something that the function computes";
      unsigned position = func.getNumArguments();
      auto dynamicSize = alloc.getDynamicSizes().begin();
      StringRef name = func.getResultAttrOfType<StringAttr>(i, kNameAttr);
      for (int64_t d = 0; d < alloc.getType().getRank(); ++d)
        if (alloc.getType().isDynamicDim(d))
          outputSizes.emplace_back((name + "_" + Twine(d)).str(), *dynamicSize++);
      if (failed(func.insertArgument(position, alloc.getType(), attributes, alloc.getLoc())))
        return failure();
      alloc.replaceAllUsesWith(Value(func.getArgument(position)));
      alloc.erase();
    }
    func->setAttr(kOutputsAttr, IntegerAttr::get(IntegerType::get(&getContext(), 64), ret.getNumOperands()));
    ret->setOperands({});
    llvm::BitVector all(func.getNumResults(), true);
    return func.eraseResults(all);
  }

  /// Views of the workspace for all allocations; its size.
  Value moveAllocations(func::FuncOp func) {
    OpBuilder builder(&getContext());
    auto type = MemRefType::get({ShapedType::kDynamic}, builder.getI8Type());
    auto attributes = builder.getDictionaryAttr(builder.getNamedAttr(kNameAttr, builder.getStringAttr("workspace")));
    unsigned position = func.getNumArguments();
    if (failed(func.insertArgument(position, type, attributes, func.getLoc())))
      return {};
    Value workspace = func.getArgument(position);
    auto viewAt = [&](memref::AllocOp alloc, Emitter &e, Value start) {
      return memref::ViewOp::create(e, alloc.getType(), workspace, start, alloc.getDynamicSizes());
    };
    // What the caller must zero lies together, at the start.
    int64_t zeroed = 0;
    Value offset;
    for (bool zeroedOnes : {true, false})
      for (memref::AllocOp alloc : llvm::make_early_inc_range(func.getOps<memref::AllocOp>())) {
        if (alloc->hasAttr(kZeroedAttr) != zeroedOnes)
          continue;
        builder.setInsertionPoint(alloc);
        Emitter e(alloc.getLoc(), builder);
        memref::ViewOp view;
        if (zeroedOnes) {
          MemRefType type = alloc.getType();
          if (!type.hasStaticShape())
            return alloc.emitOpError() << "is to be zero before the first launch: expected a static size, found "
                                       << type,
                   Value();
          view = viewAt(alloc, e, e.index(zeroed));
          zeroed += llvm::alignTo(type.getNumElements() * type.getElementTypeBitWidth() / 8, kAlignment);
        } else {
          Expr start = offset ? e.wrap(offset) : e.index(zeroed);
          view = viewAt(alloc, e, start);
          Expr end = start + sizeInBytes(e, alloc);
          offset = ceilDiv(end, kAlignment) * kAlignment;
        }
        alloc.replaceAllUsesWith(view.getResult());
        alloc.erase();
      }
    if (zeroed > 0)
      func->setAttr(kZeroedBytesAttr, builder.getI64IntegerAttr(zeroed));
    if (offset)
      return offset;
    builder.setInsertionPointToStart(&func.getBody().front());
    return arith::ConstantIndexOp::create(builder, func.getLoc(), zeroed);
  }

  /// The caller learns from the function how large the workspace and its results must be.
  LogicalResult returnSizes(func::FuncOp func, Value bytes) {
    Builder builder(&getContext());
    outputSizes.insert(outputSizes.begin(), {"workspace_bytes", bytes});
    SmallVector<Value> sizes;
    for (auto [i, size] : llvm::enumerate(outputSizes)) {
      sizes.push_back(size.second);
      auto name = builder.getNamedAttr(kNameAttr, builder.getStringAttr(size.first));
      if (failed(func.insertResult(i, builder.getIndexType(), builder.getDictionaryAttr(name))))
        return failure();
    }
    func.getBody().front().getTerminator()->setOperands(sizes);
    return success();
  }

  SmallVector<std::pair<std::string, Value>> outputSizes;
};

} // namespace
