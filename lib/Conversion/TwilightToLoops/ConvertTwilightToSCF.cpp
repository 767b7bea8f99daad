// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The pass: every op of the dialect to loops, and the types of functions and control flow along with them.

#include "Patterns.h"

#include "twilight/Conversion/Passes.h"
#include "twilight/Conversion/TwilightToLoops.h"

#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Func/Transforms/FuncConversions.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/SCF/Transforms/Patterns.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

namespace twilight {
#define GEN_PASS_DEF_CONVERTTWILIGHTTOSCFPASS
#include "twilight/Conversion/Passes.h.inc"
} // namespace twilight

using namespace mlir;
using namespace twilight;

namespace {

// Names of the buffers that a value of the dialect becomes, for those who bind a function's arguments by name.
SmallVector<StringRef> getBufferNames(Type type) {
  SmallVector<StringRef> names;
  if (auto cache = dyn_cast<CacheType>(type))
    for (CachePart part : cache.getParts())
      names.push_back(stringifyCachePart(part));
  else if (isa<SelectionType>(type))
    names = {"indices", "counts"};
  else if (isa<ScoresType>(type))
    names = {"logits", "indices", "counts", "seq_lens"};
  else
    names = {""};
  return names;
}

/// The attributes of one argument or result for each buffer it becomes. A part of a named value is "name.part", of a
/// nameless one "part".
void spreadAttributes(Builder &builder, Type type, DictionaryAttr attributes, SmallVectorImpl<DictionaryAttr> &spread) {
  if (!attributes)
    attributes = builder.getDictionaryAttr({});
  for (StringRef part : getBufferNames(type)) {
    NamedAttrList list(attributes);
    if (!part.empty()) {
      auto name = dyn_cast_or_null<StringAttr>(list.get(kNameAttr));
      list.set(kNameAttr, builder.getStringAttr(name ? name.getValue() + "." + part : Twine(part)));
    }
    spread.push_back(list.getDictionary(builder.getContext()));
  }
}

struct FunctionSignature : OpConversionPattern<func::FuncOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(func::FuncOp op, OpAdaptor, ConversionPatternRewriter &rewriter) const override {
    FunctionType type = op.getFunctionType();
    TypeConverter::SignatureConversion inputs(type.getNumInputs());
    SmallVector<Type> results;
    if (failed(typeConverter->convertSignatureArgs(type.getInputs(), inputs)) ||
        failed(typeConverter->convertTypes(type.getResults(), results)))
      return rewriter.notifyMatchFailure(op, "a type of the signature has no buffers");
    SmallVector<DictionaryAttr> argAttrs, resAttrs;
    for (auto [i, input] : llvm::enumerate(type.getInputs()))
      spreadAttributes(rewriter, input, op.getArgAttrDict(i), argAttrs);
    for (auto [i, result] : llvm::enumerate(type.getResults()))
      spreadAttributes(rewriter, result, op.getResultAttrDict(i), resAttrs);
    if (!op.isExternal() && failed(rewriter.convertRegionTypes(&op.getBody(), *typeConverter, &inputs)))
      return failure();
    rewriter.modifyOpInPlace(op, [&] {
      op.setType(rewriter.getFunctionType(inputs.getConvertedTypes(), results));
      op.setAllArgAttrs(argAttrs);
      op.setAllResultAttrs(resAttrs);
    });
    return success();
  }
};

// Other dialects keep their tensors; these join the two worlds until one-shot bufferization.
void addTensorMaterializations(TypeConverter &converter) {
  converter.addTargetMaterialization([](OpBuilder &builder, MemRefType type, ValueRange inputs, Location loc) -> Value {
    if (inputs.size() != 1 || !isa<RankedTensorType>(inputs.front().getType()))
      return {};
    return bufferization::ToBufferOp::create(builder, loc, type, inputs.front());
  });
  converter.addSourceMaterialization(
      [](OpBuilder &builder, RankedTensorType type, ValueRange inputs, Location loc) -> Value {
        if (inputs.size() != 1 || !isa<MemRefType>(inputs.front().getType()))
          return {};
        return bufferization::ToTensorOp::create(builder, loc, type, inputs.front(), /*restrict=*/true);
      });
}

struct ConvertTwilightToSCF : twilight::impl::ConvertTwilightToSCFPassBase<ConvertTwilightToSCF> {
  void runOnOperation() override {
    MLIRContext *context = &getContext();
    TypeConverter converter;
    populateLoweredTypeConversions(converter);
    addTensorMaterializations(converter);

    ConversionTarget target(*context);
    target.addIllegalDialect<TwilightDialect>();
    target.markUnknownOpDynamicallyLegal([](Operation *) { return true; });
    target.addDynamicallyLegalOp<func::FuncOp>(
        [&](func::FuncOp op) { return converter.isSignatureLegal(op.getFunctionType()); });
    target.addDynamicallyLegalOp<func::CallOp, func::ReturnOp>([&](Operation *op) { return converter.isLegal(op); });

    RewritePatternSet patterns(context);
    patterns.add<FunctionSignature>(converter, context);
    populateCallOpTypeConversionPattern(patterns, converter);
    populateReturnOpTypeConversionPattern(patterns, converter);
    scf::populateSCFStructuralTypeConversionsAndLegality(converter, patterns, target);
    populateTwilightToLoopsPatterns(converter, patterns);
    if (failed(applyPartialConversion(getOperation(), target, std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace

void twilight::populateTwilightToLoopsPatterns(const TypeConverter &converter, RewritePatternSet &patterns) {
  loops::populateAppendPatterns(converter, patterns);
  loops::populateAttendPatterns(converter, patterns);
  loops::populateLengthPatterns(converter, patterns);
  loops::populateMergePatterns(converter, patterns);
  loops::populateScorePatterns(converter, patterns);
  loops::populateSelectPatterns(converter, patterns);
  loops::populateSelectionPatterns(converter, patterns);
  loops::populateTopPPatterns(converter, patterns);
}
