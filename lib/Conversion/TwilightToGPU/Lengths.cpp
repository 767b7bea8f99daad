// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// split_by_length, add_lengths.

#include "Lowering.h"

#include "twilight/Kernels/Lengths.h"

using namespace mlir;
using namespace twilight;

namespace {

struct SplitByLengthLowering : OpConversionPattern<SplitByLengthOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(SplitByLengthOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Lowering lowering(op, rewriter);
    Value lens = CacheBuffers(op.getCache().getType(), adaptor.getCache()).seqLens;
    auto type = cast<MemRefType>(lens.getType());
    Expr batch = lowering.dim(lens, 0);
    Value shorter = lowering.allocate(type, {batch}), longer = lowering.allocate(type, {batch});
    KernelInfo kernel = buildSplitLengths(lowering.module(), lowering.kernelName("split_lengths"), op.getBelow());
    lowering.launch(kernel, {ceilDiv(batch, kLengthThreads), lowering.one(), lowering.one()},
                    {lens, shorter, longer, batch});
    SmallVector<Value> shorterParts(adaptor.getCache()), longerParts(adaptor.getCache());
    llvm::replace(shorterParts, lens, shorter);
    llvm::replace(longerParts, lens, longer);
    rewriter.replaceOpWithMultiple(op, ArrayRef<SmallVector<Value>>{shorterParts, longerParts});
    return success();
  }
};

struct AddLengthsLowering : OpConversionPattern<AddLengthsOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(AddLengthsOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Lowering lowering(op, rewriter);
    Value counts = adaptor.getCounts().front();
    Value lens = CacheBuffers(op.getCache().getType(), adaptor.getCache()).seqLens;
    auto type = cast<MemRefType>(counts.getType());
    Expr batch = lowering.dim(counts, 0), total = batch * type.getDimSize(1);
    Value result = lowering.allocate(type, {batch, lowering.one()});
    KernelInfo kernel = buildAddLengths(lowering.module(), lowering.kernelName("add_lengths"), type.getDimSize(1));
    lowering.launch(kernel, {ceilDiv(total, kLengthThreads), lowering.one(), lowering.one()},
                    {counts, lens, result, total});
    rewriter.replaceOp(op, result);
    return success();
  }
};

} // namespace

void twilight::populateLengthPatterns(const TypeConverter &converter, RewritePatternSet &patterns) {
  patterns.add<SplitByLengthLowering, AddLengthsLowering>(converter, patterns.getContext());
}
