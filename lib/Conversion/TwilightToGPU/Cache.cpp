// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// assemble_cache, cache_part, append.

#include "Lowering.h"

using namespace mlir;
using namespace twilight;

namespace {

struct AssembleCacheLowering : OpConversionPattern<AssembleCacheOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(AssembleCacheOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Lowering lowering(op, rewriter);
    SmallVector<Type> types;
    if (failed(getTypeConverter()->convertType(op.getCache().getType(), types)))
      return failure();
    SmallVector<Value> buffers;
    for (ValueRange operand : adaptor.getOperands())
      buffers.append(operand.begin(), operand.end());
    for (auto [buffer, type] : llvm::zip_equal(buffers, types))
      if (buffer.getType() != type)
        buffer = memref::CastOp::create(lowering.host(), type, buffer);
    rewriter.replaceOpWithMultiple(op, {buffers});
    return success();
  }
};

struct CachePartLowering : OpConversionPattern<CachePartOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(CachePartOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Lowering lowering(op, rewriter);
    Value buffer = CacheBuffers(op.getCache().getType(), adaptor.getCache()).get(op.getPart());
    Type type = getTypeConverter()->convertType(op.getBuffer().getType());
    if (buffer.getType() != type)
      buffer = memref::CastOp::create(lowering.host(), type, buffer);
    rewriter.replaceOp(op, buffer);
    return success();
  }
};

struct AppendLowering : OpConversionPattern<AppendOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(AppendOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    CacheType type = op.getCache().getType();
    if (type.getHeadDim() != 64 && type.getHeadDim() != 128)
      return op.emitOpError() << "GPU kernels support head_dim 64 and 128, found " << type.getHeadDim();
    if (type.getElementType().isF32())
      return op.emitOpError() << "GPU kernels take caches of f16 or bf16, found f32";
    Lowering lowering(op, rewriter);
    CacheBuffers cache(type, adaptor.getCache());
    Value k = adaptor.getK().front();
    SmallVector<Value> newLens;
    if (op.getNewLens())
      newLens.push_back(adaptor.getNewLens().front());
    AppendConfig config{type, !newLens.empty()};
    Expr batch = lowering.dim(cache.pageTable, 0), maxPages = lowering.dim(cache.pageTable, 1);
    Expr rows = lowering.dim(k, 1);
    SmallVector<Value> operands(adaptor.getCache().begin(), adaptor.getCache().end());
    operands.append({k, adaptor.getV().front()});
    operands.append(newLens);
    operands.append({maxPages, rows});
    Emitter &host = lowering.host();
    KernelInfo writing = buildAppend(lowering.module(), lowering.kernelName("append"), config);
    lowering.launch(writing, {ceilDiv(rows, type.getPageSize()) + 1, host.index(type.getKvHeads()), batch}, operands);
    KernelInfo advancing = buildAdvanceLengths(lowering.module(), lowering.kernelName("advance_lengths"), config);
    SmallVector<Value> lengths = {cache.seqLens};
    lengths.append(newLens);
    lengths.append({batch, rows});
    lowering.launch(advancing, {lowering.one(), lowering.one(), lowering.one()}, lengths);
    rewriter.replaceOpWithMultiple(op, {adaptor.getCache()});
    return success();
  }
};

} // namespace

void twilight::populateCachePatterns(const TypeConverter &converter, RewritePatternSet &patterns) {
  patterns.add<AssembleCacheLowering, CachePartLowering, AppendLowering>(converter, patterns.getContext());
}
