// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// twilight.select as loops.
//
//   for each sequence b and list r, in parallel:
//     units = ceil(N_b / P);  k = min(units, budget(units))
//     scored:   coefficients = transform_query(q[b, h]) for each query head h of the list
//               importance[u] = combine_h combine_terms(sum_row coefficients[row] . summary[u, row])
//               NaN becomes -inf, pages of the floors +inf
//               kept = the k pages of largest importance, ties to the lower page
//     all:      kept = every page
//     floors:   kept = the pages of the floors
//     indices[b, r, :] = kept, ascending;  counts[b, r] = their number
//
// Only the selector's and the budget's interfaces are asked: no selector is known here by name.

#include "Caches.h"
#include "Patterns.h"
#include "Rank.h"

#include <limits>

using namespace mlir;
using namespace twilight;
using namespace twilight::loops;

namespace {

/// Everything about one select op that its loops need.
struct Selecting {
  Emitter &e;
  SelectOp op;
  CacheBuffers cache;
  Problem problem;
  int64_t headsPerList;

  Selecting(Emitter &e, SelectOp op, Value q, const CacheBuffers &cache)
      : e(e), op(op), cache(cache), problem(e, q, cache),
        headsPerList(op.getGroup() == SelectGroup::PerHead ? 1 : problem.heads.group) {}

  int64_t rows() { return cache.type.getSummaryInterface().getNumRows(); }
  int64_t dim() { return cache.type.getHeadDim(); }
  int64_t lists() { return problem.heads.query / headsPerList; }

  /// Whether a page holds one of the first sink or last recent tokens.
  Expr onFloor(Expr page, Expr length) {
    int64_t pageSize = cache.type.getPageSize();
    Expr first = page * pageSize, end = min(first + pageSize, length);
    return (first < int64_t(op.getSink())) | (end > length - int64_t(op.getRecent()));
  }

  /// The query of one head as each term's coefficients: [terms * rows, D]. Rows that take no part stay unwritten.
  void transformQuery(Expr b, Expr h, const Buffer &coefficients) {
    SelectorAttrInterface selector = op.getSelector();
    loop(e, e.index(dim()), [&](Expr d) {
      Expr q = problem.q.loadF32({b, h, d});
      for (int64_t term = 0, terms = selector.getNumTerms(); term < terms; ++term)
        for (int64_t row = 0; row < rows(); ++row)
          if (Value coefficient = selector.transformQuery(e, e.getLoc(), q, term, row))
            coefficients.store(e.wrap(coefficient), {e.index(term * rows() + row), d});
    });
  }

  /// One page's importance for one query head.
  Expr importance(const HeadCache &head, Expr page, const Buffer &coefficients) {
    SelectorAttrInterface selector = op.getSelector();
    SmallVector<Value> terms;
    for (int64_t term = 0, count = selector.getNumTerms(); term < count; ++term) {
      Expr sum = e.f32(0.0);
      for (int64_t row = 0; row < rows(); ++row)
        if (takesPart(term, row))
          sum = sum + dot(coefficients.row({e.index(term * rows() + row)}), head.summary(page, row));
      terms.push_back(sum);
    }
    return e.wrap(selector.combineTerms(e, e.getLoc(), terms));
  }

  /// importances[u] for every page, combined over the list's query heads.
  void rank(Expr b, Expr r, const HeadCache &head, const Buffer &importances) {
    int64_t terms = op.getSelector().getNumTerms();
    Buffer coefficients = allocate(e, MemRefType::get({terms * rows(), dim()}, e.getF32Type()), {});
    bool mean = op.getGroup() == SelectGroup::Mean;
    Expr units = head.pages(), length = head.length();
    loop(e, units, [&](Expr u) { importances.store(mean ? e.f32(0.0) : minusInfinity(e), {u}); });
    loop(e, e.index(headsPerList), [&](Expr i) {
      transformQuery(b, r * headsPerList + i, coefficients);
      loop(e, units, [&](Expr u) {
        Expr before = importances.loadF32({u}), now = importance(head, u, coefficients);
        importances.store(mean ? before + now : maxOrNaN(before, now), {u});
      });
    });
    loop(e, units, [&](Expr u) {
      Expr value = importances.loadF32({u});
      value = select(value == value, mean ? value / double(headsPerList) : value, minusInfinity(e));
      value = select(onFloor(u, length), e.f32(std::numeric_limits<double>::infinity()), value);
      importances.store(value, {u});
    });
  }

  /// kept[u] = whether page u is in list r.
  void keep(Expr b, Expr r, const HeadCache &head, const Buffer &kept) {
    Expr units = head.pages(), length = head.length();
    UnitRule rule = op.getSelector().getUnitRule();
    if (rule != UnitRule::Scored) {
      loop(e, units, [&](Expr u) {
        kept.store((rule == UnitRule::All ? e.boolean(true) : onFloor(u, length)).toUnsigned(e.getI8Type()), {u});
      });
      return;
    }
    Buffer importances = scratch(e, e.getF32Type(), units);
    rank(b, r, head, importances);
    Expr k = min(units, e.wrap(op.getBudget().buildCount(e, e.getLoc(), units, cache.type.getPageSize())));
    markBest(
        e, units, k, [&](Expr u) { return orderedKey(importances.loadF32({u})); },
        [&](Expr u, Expr best) { kept.store(best.toUnsigned(e.getI8Type()), {u}); });
  }

private:
  Expr maxOrNaN(Expr a, Expr b) { return e.wrap(arith::MaximumFOp::create(e, a.get(), b.get())); }

  bool takesPart(int64_t term, int64_t row) {
    // Asked with a value that is thrown away: unused scalar code disappears in canonicalization.
    return static_cast<bool>(op.getSelector().transformQuery(e, e.getLoc(), e.f32(0.0), term, row));
  }
};

struct SelectLoops : OpConversionPattern<SelectOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(SelectOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Emitter e(op.getLoc(), rewriter);
    Selecting selecting(e, op, adaptor.getQ().front(), CacheBuffers(op.getCache().getType(), adaptor.getCache()));
    Expr batch = selecting.problem.batch, lists = e.index(selecting.lists());

    // The budget of the longest sequence bounds every list.
    Expr maxPages = Buffer(e, selecting.cache.pageTable).size(1);
    int64_t pageSize = selecting.cache.type.getPageSize();
    Expr capacity = min(maxPages, e.wrap(op.getBudget().buildCount(e, e.getLoc(), maxPages, pageSize)));

    Type i32 = e.getI32Type();
    const int64_t dyn = ShapedType::kDynamic;
    Buffer indices = allocate(e, MemRefType::get({dyn, dyn, dyn}, i32), {batch, lists, capacity});
    Buffer counts = allocate(e, MemRefType::get({dyn, dyn}, i32), {batch, lists});
    parallelFor(e, {batch, lists}, [&](Indices ivs) {
      Expr b = ivs[0], r = ivs[1];
      HeadCache head(e, selecting.cache, b, selecting.problem.kvHead(r * selecting.headsPerList));
      Buffer kept = scratch(e, e.getI8Type(), head.pages());
      selecting.keep(b, r, head, kept);
      writeList(e, head.pages(), kept, indices, counts, b, r, [](Expr u) { return u; });
    });
    rewriter.replaceOpWithMultiple(op, ArrayRef<SmallVector<Value>>{{indices.get(), counts.get()}});
    return success();
  }
};

} // namespace

void loops::populateSelectPatterns(const TypeConverter &converter, RewritePatternSet &patterns) {
  patterns.add<SelectLoops>(converter, patterns.getContext());
}
