// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// twilight.append as loops. The buffers are changed in place.
//
//   for each sequence b and kv head g, in parallel:
//     T_b = new_lens[b] (T where it is not given)
//     for t < T_b, n = N_b + t:
//       k_pages[n] = k[b, t, g];  v_pages[n] = v[b, t, g]
//       zero[n] = min k;  scale[n] = (max k - min k) / top;  codes[n] = clamp(rint((k - zero[n]) / scale[n]), 0, top)
//     for each page u with a new token:
//       summary[u, :, d] = finish(accumulate(k[n, d] for the tokens n of the page, in order)), its rows coded for i8
//   seq_lens[b] += T_b, once every head has read it
//
// top = 2^bits - 1; several codes share a byte where bits < 8.
// A page's summary is taken from its keys, not from the summary before: one token at a time gives the same bits.

#include "Caches.h"
#include "Patterns.h"

#include "twilight/Support/RowCodes.h"

using namespace mlir;
using namespace twilight;
using namespace twilight::loops;

namespace {

struct Appending {
  Emitter &e;
  CacheBuffers cache;
  Buffer k, v;
  Value newLens; ///< may be null

  Expr added(Expr b) const {
    if (!newLens)
      return k.size(1);
    return min(max(Buffer(e, newLens).loadIndex({b}), 0), k.size(1));
  }

  Buffer part(CachePart which) const { return Buffer(e, cache.get(which)); }

  void quantise(const HeadCache &head, Expr token, Expr key) const {
    int64_t bits = cache.type.getCodes().getBits();
    double top = (1 << bits) - 1;
    Type f16 = e.getF16Type(), row = key.getType();
    Expr low = minOf(key), zero = low.to(f16), scale = ((maxOf(key) - low) / top).to(f16);
    Expr storedScale = toF32(scale), flat = storedScale == 0.0;
    Expr steps = (key - splat(toF32(zero), row)) / splat(select(flat, e.f32(1.0), storedScale), row);
    Expr none = e.constant(row, 0.0);
    Expr codes = select(flat, none, min(max(roundEvenOf(steps), none), e.constant(row, top)));
    Expr apart = codes.toUnsigned(cast<VectorType>(row).clone(e.getI8Type()));
    head.storeCodes(token, apart, scale, zero);
  }

  void writeToken(const HeadCache &head, Expr token, Expr b, Expr t, Expr g) const {
    Exprs at = head.keyIndices(token);
    part(CachePart::KPages).storeRow(k.row({b, t, g}), at);
    part(CachePart::VPages).storeRow(v.row({b, t, g}), at);
    if (cache.codes)
      quantise(head, token, k.rowF32({b, t, g}));
  }

  /// Calls `store(row, d, number)` for the numbers of a page's summary.
  void summarise(const HeadCache &head, Expr page, Expr length,
                 function_ref<void(int64_t row, Expr d, Expr number)> store) const {
    SummaryAttrInterface summary = cache.type.getSummaryInterface();
    Expr first = page * cache.type.getPageSize(), tokens = min(length - first, cache.type.getPageSize());
    loop(e, e.index(cache.type.getHeadDim()), [&](Expr d) {
      Exprs start = e.wrap(summary.init(e, e.getLoc()));
      Exprs accumulated = fold(e, tokens, start, [&](Expr t, Indices carried) {
        SmallVector<Value> before(carried.begin(), carried.end());
        return e.wrap(summary.accumulate(e, e.getLoc(), before, head.keyElement(first + t, d)));
      });
      SmallVector<Value> values(accumulated.begin(), accumulated.end());
      for (auto [row, value] : llvm::enumerate(summary.finish(e, e.getLoc(), values)))
        store(static_cast<int64_t>(row), d, e.wrap(value));
    });
  }

  void writeSummary(const HeadCache &head, Expr page, Expr length, Expr g) const {
    Buffer stored = part(CachePart::Summary);
    if (!cache.type.hasCodedSummary()) {
      summarise(head, page, length, [&](int64_t row, Expr d, Expr number) {
        stored.store(number, {head.physical(page), g, e.index(row), d});
      });
      return;
    }
    SummaryAttrInterface summary = cache.type.getSummaryInterface();
    const int64_t rows = summary.getNumRows(), dim = cache.type.getHeadDim();
    Buffer numbers = allocate(e, MemRefType::get({rows, dim}, e.getF32Type()), {});
    summarise(head, page, length, [&](int64_t row, Expr d, Expr number) { numbers.store(number, {e.index(row), d}); });
    Exprs at = {head.physical(page), g};
    for (int64_t r = 0; r < rows; ++r) {
      Expr row = numbers.row({e.index(r)});
      RowScale factors = makeRowScale(minOf(row), maxOf(row), allFinite(row));
      Type type = row.getType();
      Expr codes = makeRowCode(row, splat(factors.scale, type), splat(factors.zero, type), summary.roundsUp(r));
      stored.storeBytes(codes.toUnsigned(cast<VectorType>(type).clone(e.getI8Type())), at, e.index(r * dim));
      stored.storeBytes(factors.scale, at, e.index(rows * dim + r * 8));
      stored.storeBytes(factors.zero, at, e.index(rows * dim + r * 8 + 4));
    }
  }

  void append() const {
    Expr batch = part(CachePart::SeqLens).size(0);
    parallelFor(e, {batch, e.index(cache.type.getKvHeads())}, [&](Indices ivs) {
      Expr b = ivs[0], g = ivs[1], fresh = added(b);
      HeadCache head(e, cache, b, g);
      Expr before = head.length(), after = before + fresh;
      loop(e, fresh, [&](Expr t) { writeToken(head, before + t, b, t, g); });
      if (!cache.summary)
        return;
      Expr firstPage = before / cache.type.getPageSize();
      Expr endPage = select(fresh == 0, firstPage, ceilDiv(after, cache.type.getPageSize()));
      e.forRange(firstPage, endPage, e.index(1), [&](Expr page) { writeSummary(head, page, after, g); });
    });
    parallelFor(e, {batch}, [&](Indices ivs) {
      Buffer lens = part(CachePart::SeqLens);
      lens.store(lens.loadIndex(ivs) + added(ivs[0]), ivs);
    });
  }
};

struct AppendLoops : OpConversionPattern<AppendOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(AppendOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Emitter e(op.getLoc(), rewriter);
    Value newLens = op.getNewLens() ? adaptor.getNewLens().front() : Value();
    CacheBuffers cache(op.getCache().getType(), adaptor.getCache());
    Appending{e, cache, Buffer(e, adaptor.getK().front()), Buffer(e, adaptor.getV().front()), newLens}.append();
    rewriter.replaceOpWithMultiple(op, ArrayRef<ValueRange>{adaptor.getCache()});
    return success();
  }
};

} // namespace

void loops::populateAppendPatterns(const TypeConverter &converter, RewritePatternSet &patterns) {
  patterns.add<AppendLoops>(converter, patterns.getContext());
}
