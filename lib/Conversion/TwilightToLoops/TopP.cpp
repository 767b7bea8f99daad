// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// twilight.top_p as loops: exact, whatever the weights are.
//
//   for each sequence b and list r of the result, in parallel:
//     kept = nothing
//     for each query head h of the list, over its C candidates i:
//       w[i] = exp(logit[i] - max logit)
//       mass:       n = |{key(logit) >= t}|, t the largest key with sum_{key(logit) >= t} w >= p * sum w
//                   (p >= 1: n = C; p <= 0: n = 1)
//       threshold:  n = |{w >= lambda}|
//       n = min(max(n, min_tokens), max_tokens, C)
//       kept += the n candidates of largest logit, ties to the earlier; candidates on the floors
//     indices[b, r, :] = tokens of kept, ascending;  counts[b, r] = their number
//
// All ties at t are counted in n, so all of them are kept. Sums are f64 and in order: the same on every run.

#include "Caches.h"
#include "Patterns.h"
#include "Rank.h"

using namespace mlir;
using namespace twilight;
using namespace twilight::loops;

namespace {

struct Pruning {
  Emitter &e;
  TopPOp op;
  ScoresBuffers scores;
  Value level; ///< p or lambda: f32, or one for each query head
  Buffer logits;
  Expr heads, pageSize, lists;

  Pruning(Emitter &e, TopPOp op, ValueRange scoreValues, Value level)
      : e(e), op(op), scores(scoreValues), level(level), logits(e, scores.logits), heads(logits.size(1)),
        pageSize(logits.size(2) / max(Buffer(e, scores.pages.indices).size(2), 1)),
        lists(op.getSelection().getType().getLists() == Lists::QueryHead ? heads
                                                                         : Buffer(e, scores.pages.counts).size(1)) {}

  Expr pageList(Expr h) { return h / (heads / Buffer(e, scores.pages.counts).size(1)); }
  Expr length(Expr b) { return Buffer(e, scores.seqLens).loadIndex({b}); }

  Expr token(Expr b, Expr list, Expr i) {
    return Buffer(e, scores.pages.indices).loadIndex({b, list, i / pageSize}) * pageSize + i % pageSize;
  }

  Expr levelOf(Expr h) {
    if (!isa<MemRefType>(level.getType()))
      return e.wrap(level);
    Buffer levels(e, level);
    return levels.loadF32({min(h, levels.size(0) - 1)});
  }

  /// w[i] of one head's candidates.
  void weigh(Expr b, Expr h, Expr count, const Buffer &weights) {
    Expr largest = fold(e, count, {minusInfinity(e)},
                        [&](Expr i, Indices largest) { return Exprs{max(largest[0], logits.loadF32({b, h, i}))}; })[0];
    loop(e, count, [&](Expr i) { weights.store(expOf(logits.loadF32({b, h, i}) - largest), {i}); });
  }

  /// n by mass.
  Expr countByMass(Expr count, Expr p, const Buffer &weights, function_ref<Expr(Expr)> key) {
    Type f64 = e.getF64Type();
    auto massFrom = [&](Expr t) {
      return fold(e, count, {e.constant(f64, 0.0)}, [&](Expr i, Indices mass) {
        Expr w = weights.load({i}).to(f64);
        return Exprs{mass[0] + select(lessEqualUnsigned(t, key(i)), w, e.constant(f64, 0.0))};
      })[0];
    };
    Expr target = p.to(f64) * massFrom(e.i32(0));
    Expr t = largestKey(e, [&](Expr candidate) { return massFrom(candidate) >= target; });
    Expr n = countIf(e, count, [&](Expr i) { return lessEqualUnsigned(t, key(i)); });
    return select(p >= 1.0, count, select(p <= 0.0, e.index(1), n));
  }

  Expr countByThreshold(Expr count, Expr lambda, const Buffer &weights) {
    return countIf(e, count, [&](Expr i) { return weights.load({i}) >= lambda; });
  }

  /// Marks what query head h keeps of its candidates.
  void prune(Expr b, Expr h, Expr count, const Buffer &kept) {
    Buffer weights = scratch(e, e.getF32Type(), count);
    weigh(b, h, count, weights);
    auto key = [&](Expr i) { return orderedKey(logits.loadF32({b, h, i})); };
    Expr n = op.getRule() == KeepRule::Mass ? countByMass(count, levelOf(h), weights, key)
                                            : countByThreshold(count, levelOf(h), weights);
    n = max(n, int64_t(op.getMinTokens()));
    if (op.getMaxTokens() != 0)
      n = min(n, int64_t(op.getMaxTokens()));
    markBest(e, count, min(n, count), key, [&](Expr i, Expr best) {
      Expr position = token(b, pageList(h), i);
      Expr floor = (position < int64_t(op.getSink())) | (position >= length(b) - int64_t(op.getRecent()));
      kept.store(kept.load({i}) | (best | floor).toUnsigned(e.getI8Type()), {i});
    });
  }
};

struct TopPLoops : OpConversionPattern<TopPOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(TopPOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Emitter e(op.getLoc(), rewriter);
    Pruning pruning(e, op, adaptor.getScores(), adaptor.getP().front());
    Expr batch = pruning.logits.size(0), lists = pruning.lists, headsPerList = pruning.heads / lists;

    const int64_t dyn = ShapedType::kDynamic;
    Type i32 = e.getI32Type();
    Buffer indices = allocate(e, MemRefType::get({dyn, dyn, dyn}, i32), {batch, lists, pruning.logits.size(2)});
    Buffer counts = allocate(e, MemRefType::get({dyn, dyn}, i32), {batch, lists});
    parallelFor(e, {batch, lists}, [&](Indices ivs) {
      Expr b = ivs[0], r = ivs[1], list = pruning.pageList(r * headsPerList);
      Expr count = tokensInPages(e, pruning.scores.pages, b, list, pruning.pageSize, pruning.length(b));
      Buffer kept = scratch(e, e.getI8Type(), count);
      loop(e, count, [&](Expr i) { kept.store(e.constantInt(e.getI8Type(), 0), {i}); });
      loop(e, headsPerList, [&](Expr i) { pruning.prune(b, r * headsPerList + i, count, kept); });
      writeList(e, count, kept, indices, counts, b, r, [&](Expr i) { return pruning.token(b, list, i); });
    });
    rewriter.replaceOpWithMultiple(op, ArrayRef<SmallVector<Value>>{{indices.get(), counts.get()}});
    return success();
  }
};

} // namespace

void loops::populateTopPPatterns(const TypeConverter &converter, RewritePatternSet &patterns) {
  patterns.add<TopPLoops>(converter, patterns.getContext());
}
