// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// A paged cache and lists of tokens, as the loops walk them.

#include "Caches.h"

using namespace mlir;

namespace twilight::loops {

//===-- Codes ------------------------------------------------------------------------------------------------===//

// Neighbours join into fields of twice the width until a field is a byte.
Expr packCodes(Expr codes, int64_t bits) {
  for (Expr fields = codes;; bits *= 2) {
    if (bits == 8)
      return fields;
    auto [low, high] = deinterleave(fields);
    fields = low | (high << bits);
  }
}

Expr unpackCodes(Expr bytes, int64_t bits) {
  Expr fields = bytes;
  for (int64_t width = 4; width >= bits; width /= 2)
    fields = interleave(fields & ((int64_t(1) << width) - 1), fields >> width);
  return fields;
}

//===-- The cache --------------------------------------------------------------------------------------------===//

Expr HeadCache::length() const { return part(CachePart::SeqLens).loadIndex({b}); }
Expr HeadCache::pages() const { return ceilDiv(length(), buffers.type.getPageSize()); }
Expr HeadCache::physical(Expr page) const { return part(CachePart::PageTable).loadIndex({b, page}); }

Exprs HeadCache::tokenIndices(Expr token) const {
  int64_t pageSize = buffers.type.getPageSize();
  return {physical(token / pageSize), g, token % pageSize};
}

Exprs HeadCache::keyIndices(Expr token) const {
  Exprs at = tokenIndices(token);
  if (buffers.type.getLayout() == Layout::NHD)
    std::swap(at[1], at[2]);
  return at;
}

Expr HeadCache::key(Expr token) const { return part(CachePart::KPages).rowF32(keyIndices(token)); }
Expr HeadCache::value(Expr token) const { return part(CachePart::VPages).rowF32(keyIndices(token)); }

Expr HeadCache::keyElement(Expr token, Expr d) const {
  Exprs at = keyIndices(token);
  at.push_back(d);
  return part(CachePart::KPages).loadF32(at);
}

// Where a token's scale and zero begin in its page's row of bytes.
static std::array<Expr, 2> blockedOffsets(CacheType type, Expr slot) {
  const int64_t tokens = type.getPageSize(), rowBytes = type.getCodeRowBytes();
  return {slot * 2 + tokens * rowBytes, slot * 2 + tokens * (rowBytes + 2)};
}

// A page's high planes, then its low ones; without `blocked` they fill rows that hold two of them each.
std::pair<Exprs, Expr> HeadCache::planeAt(Indices at, int64_t plane) const {
  const CacheType &type = buffers.type;
  const int64_t bytes = type.getCodeRowBytes() / 2;
  Expr row = at[2] + plane * type.getPageSize();
  if (type.getCodes().getBlocked())
    return {{at[0], at[1]}, row * bytes};
  return {{at[0], at[1], row / 2}, row % 2 * bytes};
}

Expr HeadCache::plane(Indices at, int64_t plane) const {
  auto [row, offset] = planeAt(at, plane);
  auto bytes = VectorType::get({buffers.type.getCodeRowBytes() / 2}, e->getI8Type());
  return unpackCodes(part(CachePart::Codes).loadBytes(row, offset, bytes), 2);
}

Expr HeadCache::codes(Indices at) const {
  const CacheType &type = buffers.type;
  Buffer stored = part(CachePart::Codes);
  if (type.getCodes().getPlanes())
    return (plane(at, 0) << 2) | plane(at, 1);
  if (!type.getCodes().getBlocked())
    return unpackCodes(stored.row(at), type.getCodes().getBits());
  auto row = VectorType::get({type.getCodeRowBytes()}, e->getI8Type());
  return unpackCodes(stored.loadBytes(at.take_front(2), at[2] * type.getCodeRowBytes(), row),
                     type.getCodes().getBits());
}

Expr HeadCache::scaled(Indices at, Expr code) const {
  Expr scale, zero;
  if (buffers.type.getCodes().getBlocked()) {
    auto [atScale, atZero] = blockedOffsets(buffers.type, at[2]);
    Buffer block = part(CachePart::Codes);
    scale = toF32(block.loadBytes(at.take_front(2), atScale, e->getF16Type()));
    zero = toF32(block.loadBytes(at.take_front(2), atZero, e->getF16Type()));
  } else {
    scale = part(CachePart::Scale).loadF32(at);
    zero = part(CachePart::Zero).loadF32(at);
  }
  Type row = code.getType();
  return fma(splat(scale, row), code, splat(zero, row));
}

Expr HeadCache::codedKey(Expr token) const {
  Exprs at = tokenIndices(token);
  return scaled(at, codes(at).toUnsigned(VectorType::get({buffers.type.getHeadDim()}, e->getF32Type())));
}

Expr HeadCache::coarseKey(Expr token) const {
  Exprs at = tokenIndices(token);
  auto row = VectorType::get({buffers.type.getHeadDim()}, e->getF32Type());
  // 1.5: the middle of the four codes that share the high bits.
  return scaled(at, (plane(at, 0) << 2).toUnsigned(row) + e->constant(row, 1.5));
}

void HeadCache::storeCodes(Expr token, Expr codes, Expr scale, Expr zero) const {
  const CacheType &type = buffers.type;
  const int64_t bits = type.getCodes().getBits();
  const bool blocked = type.getCodes().getBlocked();
  Exprs at = tokenIndices(token);
  Indices page = Indices(at).take_front(2);
  Buffer stored = part(CachePart::Codes);
  if (type.getCodes().getPlanes()) {
    for (int64_t plane = 0; plane < 2; ++plane) {
      auto [row, offset] = planeAt(at, plane);
      stored.storeBytes(packCodes(plane == 0 ? codes >> 2 : codes & 3, 2), row, offset);
    }
  } else if (blocked) {
    stored.storeBytes(packCodes(codes, bits), page, at[2] * type.getCodeRowBytes());
  } else {
    stored.storeRow(packCodes(codes, bits), at);
  }
  if (blocked) {
    auto [atScale, atZero] = blockedOffsets(type, at[2]);
    stored.storeBytes(scale, page, atScale);
    stored.storeBytes(zero, page, atZero);
    return;
  }
  part(CachePart::Scale).store(scale, at);
  part(CachePart::Zero).store(zero, at);
}

Expr HeadCache::summary(Expr page, int64_t row) const {
  if (buffers.type.hasCodedSummary()) {
    Buffer bytes = part(CachePart::Summary);
    Exprs at = {physical(page), g};
    const int64_t dim = buffers.type.getHeadDim(), rows = buffers.type.getSummaryInterface().getNumRows();
    Type f32 = e->getF32Type();
    auto rowType = VectorType::get({dim}, f32);
    auto factor = [&](int64_t i) {
      return splat(bytes.loadBytes(at, e->index(rows * dim + row * 8 + i * 4), f32), rowType);
    };
    Expr codes = bytes.loadBytes(at, e->index(row * dim), VectorType::get({dim}, e->getI8Type()));
    return fma(factor(0), codes.toUnsigned(rowType), factor(1));
  }
  Expr values = part(CachePart::Summary).rowF32({physical(page), g, e->index(row)});
  if (!isa<Float8E5M2Type>(buffers.type.getSummaryInterface().getElementType()))
    return values;
  // A bound that the format cannot hold is infinite; a coefficient of 0 must still make 0 of it.
  Expr largest = e->constant(values.getType(), 65504.0);
  values = select(values > largest, largest, values);
  return select(values < -largest, -largest, values);
}

Problem::Problem(Emitter &e, Value q, const CacheBuffers &cache)
    : q(e, q), heads(getHeadCounts(q, cache.type)), batch(this->q.size(0)) {}

//===-- Lists ------------------------------------------------------------------------------------------------===//

TokenLists::TokenLists(Emitter &e, SelectionBuffers buffers, Unit unit, int64_t pageSize, Value seqLens)
    : kind(unit == Unit::Page ? Kind::Pages : Kind::Tokens), e(&e), buffers(buffers), pageSize(pageSize),
      pagesCapacity(Buffer(e, buffers.indices).size(2)), seqLens(e, seqLens) {}

TokenLists::TokenLists(Emitter &e, int64_t kvHeads, int64_t pageSize, const CacheBuffers &cache)
    : kind(Kind::Everything), e(&e), everyHead(kvHeads), pageSize(pageSize),
      pagesCapacity(Buffer(e, cache.pageTable).size(1)), seqLens(e, cache.seqLens) {}

Expr TokenLists::lists() const {
  return kind == Kind::Everything ? e->index(everyHead) : Buffer(*e, buffers->counts).size(1);
}

Expr TokenLists::capacity() const { return kind == Kind::Tokens ? pagesCapacity : pagesCapacity * pageSize; }

Expr TokenLists::count(Expr b, Expr r) const {
  switch (kind) {
  case Kind::Tokens:
    return Buffer(*e, buffers->counts).loadIndex({b, r});
  case Kind::Pages:
    return tokensInPages(*e, *buffers, b, r, e->index(pageSize), seqLens.loadIndex({b}));
  case Kind::Everything:
    return seqLens.loadIndex({b});
  }
  llvm_unreachable("every kind counts");
}

Exprs TokenLists::fold(Expr b, Expr r, Indices carried, function_ref<Exprs(Expr, Expr, Indices)> body) const {
  return loops::fold(*e, count(b, r), carried, [&](Expr slot, Indices inner) {
    if (kind == Kind::Everything)
      return body(slot, slot, inner);
    Buffer indices(*e, buffers->indices);
    if (kind == Kind::Tokens)
      return body(slot, indices.loadIndex({b, r, slot}), inner);
    return body(slot, indices.loadIndex({b, r, slot / pageSize}) * pageSize + slot % pageSize, inner);
  });
}

Expr tokensInPages(Emitter &e, SelectionBuffers pages, Expr b, Expr r, Expr pageSize, Expr length) {
  Expr count = Buffer(e, pages.counts).loadIndex({b, r});
  return e.ifElse(
      count == 0, [&] { return Exprs{e.index(0)}; },
      [&] {
        Expr before = (count - 1) * pageSize;
        Expr start = Buffer(e, pages.indices).loadIndex({b, r, count - 1}) * pageSize;
        return Exprs{before + min(pageSize, length - start)};
      })[0];
}

} // namespace twilight::loops
