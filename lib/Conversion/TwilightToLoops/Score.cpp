// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// twilight.quantize_score as loops.
//
//   for each sequence b and query head h, in parallel, over the tokens n of the candidate pages, in order:
//     logits[b, h, slot] = s * (q[b, h] . (scale[n] * code[n] + zero[n]))
//
// The scores carry the page selection and the lengths along, so that top_p knows which token a slot is.

#include "Caches.h"
#include "Patterns.h"

using namespace mlir;
using namespace twilight;
using namespace twilight::loops;

namespace {

struct QuantizeScoreLoops : OpConversionPattern<QuantizeScoreOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(QuantizeScoreOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Emitter e(op.getLoc(), rewriter);
    CacheBuffers cache(op.getCache().getType(), adaptor.getCache());
    Problem problem(e, adaptor.getQ().front(), cache);
    SelectionBuffers pages(adaptor.getSelection());
    TokenLists candidates(e, pages, Unit::Page, cache.type.getPageSize(), cache.seqLens);
    Expr heads = e.index(problem.heads.query), headsPerList = heads / candidates.lists();
    Expr scale = e.f32(getSoftmaxScale(op.getSoftmaxScale(), cache.type));

    Type f32 = e.getF32Type();
    auto type = MemRefType::get(SmallVector<int64_t>(3, ShapedType::kDynamic), f32);
    Buffer logits = allocate(e, type, {problem.batch, heads, candidates.capacity()});
    parallelFor(e, {problem.batch, heads}, [&](Indices ivs) {
      Expr b = ivs[0], h = ivs[1], q = problem.row(b, h);
      HeadCache head(e, cache, b, problem.kvHead(h));
      candidates.fold(b, h / headsPerList, {}, [&](Expr slot, Expr token, Indices) {
        logits.store(scale * dot(q, head.codedKey(token)), {b, h, slot});
        return Exprs();
      });
    });
    SmallVector<Value> scores = {logits.get(), pages.indices, pages.counts, cache.seqLens};
    rewriter.replaceOpWithMultiple(op, ArrayRef<SmallVector<Value>>{scores});
    return success();
  }
};

} // namespace

void loops::populateScorePatterns(const TypeConverter &converter, RewritePatternSet &patterns) {
  patterns.add<QuantizeScoreLoops>(converter, patterns.getContext());
}
