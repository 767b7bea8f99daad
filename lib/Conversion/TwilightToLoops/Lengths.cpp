// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// twilight.split_by_length and twilight.add_lengths as loops.
//
//   split_by_length:  shorter[b] = N_b < below ? N_b : 0;  longer[b] = N_b < below ? 0 : N_b
//   add_lengths:      result[b, r] = counts[b, r] + N_b
//
// The other buffers of the two caches are those of the one.

#include "Buffers.h"
#include "Patterns.h"

using namespace mlir;
using namespace twilight;
using namespace twilight::loops;

namespace {

struct SplitByLengthLoops : OpConversionPattern<SplitByLengthOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(SplitByLengthOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Emitter e(op.getLoc(), rewriter);
    Buffer lens(e, CacheBuffers(op.getCache().getType(), adaptor.getCache()).seqLens);
    Expr batch = lens.size(0), none = e.i32(0);
    Buffer shorter = allocate(e, lens.getType(), {batch}), longer = allocate(e, lens.getType(), {batch});
    loop(e, batch, [&](Expr b) {
      Expr length = lens.load({b}), isShort = length < static_cast<int64_t>(op.getBelow());
      shorter.store(select(isShort, length, none), {b});
      longer.store(select(isShort, none, length), {b});
    });
    SmallVector<Value> shorterParts(adaptor.getCache()), longerParts(adaptor.getCache());
    llvm::replace(shorterParts, lens.get(), shorter.get());
    llvm::replace(longerParts, lens.get(), longer.get());
    rewriter.replaceOpWithMultiple(op, ArrayRef<SmallVector<Value>>{shorterParts, longerParts});
    return success();
  }
};

struct AddLengthsLoops : OpConversionPattern<AddLengthsOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(AddLengthsOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Emitter e(op.getLoc(), rewriter);
    Buffer counts(e, adaptor.getCounts().front());
    Buffer lens(e, CacheBuffers(op.getCache().getType(), adaptor.getCache()).seqLens);
    Exprs sizes = {counts.size(0), counts.size(1)};
    Buffer result = allocate(e, counts.getType(), sizes);
    parallelFor(e, sizes, [&](Indices at) { result.store(counts.load(at) + lens.load({at[0]}), at); });
    rewriter.replaceOp(op, result.get());
    return success();
  }
};

} // namespace

void loops::populateLengthPatterns(const TypeConverter &converter, RewritePatternSet &patterns) {
  patterns.add<SplitByLengthLoops, AddLengthsLoops>(converter, patterns.getContext());
}
