// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// twilight.quantize_score as loops.
//
//   for each sequence b and query head h, in parallel, over the tokens n of the candidate pages, in order:
//     logits[b, h, slot] = s * (q[b, h] . (scale[n] * code[n] + zero[n]))
//
// Scores of f16 are rounded where they are stored, and clamped before it to what stays finite, which is the same.
//
// With fine pages, the code of a token in another page is 4 * high + 1.5: the low plane is not read. Both lists ascend,
// so a cursor in the list of fine pages moves along with the candidates.
//
// The scores carry the page selection and the lengths along, so that top_p knows which token a slot is.

#include "Caches.h"
#include "Patterns.h"

using namespace mlir;
using namespace twilight;
using namespace twilight::loops;

namespace {

/// The list of fine pages of (b, r), walked along with ascending pages.
struct FinePages {
  Emitter &e;
  Buffer indices;
  Expr b, r, count;

  Expr at(Expr cursor) const { return indices.loadIndex({b, r, cursor}); }
  /// The first place in the list, from `cursor` on, that holds no lower page.
  Expr advance(Expr cursor, Expr page) const {
    auto isLower = [&](Indices place) {
      return e.ifElse(
          place[0] < count, [&] { return Exprs{at(place[0]) < page}; }, [&] { return Exprs{e.boolean(false)}; })[0];
    };
    return e.whileLoop({cursor}, isLower, [&](Indices place) { return Exprs{place[0] + 1}; })[0];
  }
  Expr holds(Expr cursor, Expr page) const {
    return e.ifElse(
        cursor < count, [&] { return Exprs{at(cursor) == page}; }, [&] { return Exprs{e.boolean(false)}; })[0];
  }
};

/// A number that is stored as a finite score; NaN is the lowest.
Expr clampScore(Expr logit, Type type) {
  if (type.isF32())
    return logit;
  Emitter &e = logit.getEmitter();
  return min(max(logit, e.f32(-kLargestF16)), e.f32(kLargestF16));
}

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

    Type element = op.getScores().getType().getElementType();
    auto type = MemRefType::get(SmallVector<int64_t>(3, ShapedType::kDynamic), element);
    Buffer logits = allocate(e, type, {problem.batch, heads, candidates.capacity()});
    parallelFor(e, {problem.batch, heads}, [&](Indices ivs) {
      Expr b = ivs[0], h = ivs[1], q = problem.row(b, h);
      HeadCache head(e, cache, b, problem.kvHead(h));
      Expr r = h / headsPerList;
      if (!op.getFine()) {
        candidates.fold(b, r, {}, [&](Expr slot, Expr token, Indices) {
          logits.store(clampScore(scale * dot(q, head.codedKey(token)), element), {b, h, slot});
          return Exprs();
        });
        return;
      }
      SelectionBuffers lists(adaptor.getFine());
      FinePages fine{e, Buffer(e, lists.indices), b, r, Buffer(e, lists.counts).loadIndex({b, r})};
      candidates.fold(b, r, {e.index(0)}, [&](Expr slot, Expr token, Indices carried) {
        Expr page = token / cache.type.getPageSize(), cursor = fine.advance(carried[0], page);
        Expr key = e.ifElse(
            fine.holds(cursor, page), [&] { return Exprs{head.codedKey(token)}; },
            [&] { return Exprs{head.coarseKey(token)}; })[0];
        logits.store(clampScore(scale * dot(q, key), element), {b, h, slot});
        return Exprs{cursor};
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
