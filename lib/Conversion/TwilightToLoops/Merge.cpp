// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// twilight.merge as loops.
//
//   for each sequence b and query head h, in parallel:
//     m = max(lse_a, lse_b);  total = exp(lse_a - m) + exp(lse_b - m)
//     lse = m + log(total);  out = (exp(lse_a - m) * out_a + exp(lse_b - m) * out_b) / total
//     where one is empty (its lse is -inf): the other, bit for bit
//     where both are (m = -inf): lse = -inf, out = 0

#include "Buffers.h"
#include "Patterns.h"

#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace twilight;
using namespace twilight::loops;

namespace {

struct MergeLoops : OpConversionPattern<MergeOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(MergeOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Emitter e(op.getLoc(), rewriter);
    Buffer outA(e, adaptor.getOutA().front()), lseA(e, adaptor.getLseA().front());
    Buffer outB(e, adaptor.getOutB().front()), lseB(e, adaptor.getLseB().front());
    Exprs sizes = {outA.size(0), outA.size(1)};
    Buffer out = allocate(e, outA.getType(), {sizes[0], sizes[1], outA.size(2)});
    Buffer lse = allocate(e, lseA.getType(), sizes);
    parallelFor(e, sizes, [&](Indices at) {
      Expr a = lseA.load(at), b = lseB.load(at), m = max(a, b), nothing = minusInfinity(e);
      Expr shareA = expOf(a - m), shareB = expOf(b - m), total = shareA + shareB;
      Expr rowA = outA.rowF32(at), rowB = outB.rowF32(at), zero = splat(e.f32(0.0), rowA.getType());
      auto weighted = [&](Expr share, Expr row) { return splat(share / total, row.getType()) * row; };
      auto choose = [&](Expr none, Expr fromA, Expr fromB, Expr both) {
        return select(m == nothing, none, select(b == nothing, fromA, select(a == nothing, fromB, both)));
      };
      out.storeRow(choose(zero, rowA, rowB, weighted(shareA, rowA) + weighted(shareB, rowB)), at);
      lse.store(choose(m, a, b, m + logOf(total)), at);
    });
    rewriter.replaceOp(op, {out.get(), lse.get()});
    return success();
  }
};

} // namespace

void loops::populateMergePatterns(const TypeConverter &converter, RewritePatternSet &patterns) {
  patterns.add<MergeLoops>(converter, patterns.getContext());
}
