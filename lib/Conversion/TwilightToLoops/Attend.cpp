// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// twilight.gather_attend and twilight.attend as loops.
//
//   for each sequence b and query head h, in parallel, over the tokens n of h's list, in order:
//     logit[n] = s * (q[b, h] . k[n]);  m = max logit[n]
//     w = exp(logit[n] - m);  total += w;  sum += w * v[n]
//     out[b, h] = sum / total;  lse[b, h] = m + log(total);   0 and -inf where the list is empty
//   counts[b, r] = tokens of list r
//
// attend is the same over every token.

#include "Caches.h"
#include "Patterns.h"

#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace twilight;
using namespace twilight::loops;

namespace {

struct Attention {
  Expr out, lse; ///< f32 row, f32
};

/// One query head over one list.
Attention attendOne(Emitter &e, Expr q, const HeadCache &head, const TokenLists &tokens, Expr b, Expr r, Expr scale) {
  Type f64 = e.getF64Type();
  Buffer logits = scratch(e, e.getF32Type(), tokens.count(b, r));
  Expr m = tokens.fold(b, r, {minusInfinity(e)}, [&](Expr slot, Expr token, Indices largest) {
    Expr logit = scale * dot(q, head.key(token));
    logits.store(logit, {slot});
    return Exprs{max(largest[0], logit)};
  })[0];
  Expr nothing = splat(e.f32(0.0), q.getType());
  Exprs sums = tokens.fold(b, r, {e.constant(f64, 0.0), nothing}, [&](Expr slot, Expr token, Indices carried) {
    Expr w = expOf(logits.loadF32({slot}) - m);
    return Exprs{carried[0] + w.to(f64), fma(splat(w, q.getType()), head.value(token), carried[1])};
  });
  Expr total = sums[0], empty = tokens.count(b, r) == 0;
  Expr out = sums[1] / splat(total.to(e.getF32Type()), q.getType());
  Expr lse = (m.to(f64) + logOf(total)).to(e.getF32Type());
  return {select(empty, nothing, out), select(empty, minusInfinity(e), lse)};
}

/// The three results of an attending op; an absent one is null.
SmallVector<SmallVector<Value>> attend(Emitter &e, const TypeConverter &converter, const Problem &problem,
                                       const CacheBuffers &cache, const TokenLists &tokens, double softmaxScale,
                                       Operation *op, Value out, Value lse, Value counts) {
  auto type = [&](Value result) { return cast<MemRefType>(converter.convertType(result.getType())); };
  Expr batch = problem.batch, heads = e.index(problem.heads.query), lists = tokens.lists();
  Expr scale = e.f32(softmaxScale);
  std::optional<Buffer> outBuffer, lseBuffer, countsBuffer;
  outBuffer = allocate(e, type(out), {batch, heads, e.index(cache.type.getHeadDim())});
  if (lse)
    lseBuffer = allocate(e, type(lse), {batch, heads});
  if (counts)
    countsBuffer = allocate(e, type(counts), {batch, lists});

  Expr headsPerList = heads / lists;
  parallelFor(e, {batch, heads}, [&](Indices ivs) {
    Expr b = ivs[0], h = ivs[1];
    HeadCache head(e, cache, b, problem.kvHead(h));
    Attention result = attendOne(e, problem.row(b, h), head, tokens, b, h / headsPerList, scale);
    outBuffer->storeRow(result.out, {b, h});
    if (lseBuffer)
      lseBuffer->store(result.lse, {b, h});
  });
  if (countsBuffer)
    parallelFor(e, {batch, lists},
                [&](Indices ivs) { countsBuffer->store(tokens.count(ivs[0], ivs[1]), {ivs[0], ivs[1]}); });

  SmallVector<SmallVector<Value>> results;
  for (auto &buffer : {outBuffer, lseBuffer, countsBuffer})
    if (buffer)
      results.push_back({buffer->get()});
  return results;
}

struct GatherAttendLoops : OpConversionPattern<GatherAttendOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(GatherAttendOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Emitter e(op.getLoc(), rewriter);
    CacheBuffers cache(op.getCache().getType(), adaptor.getCache());
    Problem problem(e, adaptor.getQ().front(), cache);
    TokenLists tokens(e, SelectionBuffers(adaptor.getSelection()), op.getSelection().getType().getUnit(),
                      cache.type.getPageSize(), cache.seqLens);
    rewriter.replaceOpWithMultiple(op, attend(e, *getTypeConverter(), problem, cache, tokens,
                                              getSoftmaxScale(op.getSoftmaxScale(), cache.type), op, op.getOut(),
                                              op.getLse(), op.getCounts()));
    return success();
  }
};

struct AttendLoops : OpConversionPattern<AttendOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(AttendOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Emitter e(op.getLoc(), rewriter);
    CacheBuffers cache(op.getCache().getType(), adaptor.getCache());
    Problem problem(e, adaptor.getQ().front(), cache);
    TokenLists tokens(e, cache.type.getKvHeads(), cache.type.getPageSize(), cache);
    rewriter.replaceOpWithMultiple(op, attend(e, *getTypeConverter(), problem, cache, tokens,
                                              getSoftmaxScale(op.getSoftmaxScale(), cache.type), op, op.getOut(),
                                              op.getLse(), op.getCounts()));
    return success();
  }
};

} // namespace

void loops::populateAttendPatterns(const TypeConverter &converter, RewritePatternSet &patterns) {
  patterns.add<GatherAttendLoops, AttendLoops>(converter, patterns.getContext());
}
