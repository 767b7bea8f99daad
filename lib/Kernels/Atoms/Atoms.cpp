// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Who holds which element.

#include "Atoms.h"

using namespace mlir;
using namespace twilight;

Expr PagedRows::page(KernelEmitter &e, Expr logical) const {
  return e.load(pageTable, sequence * maxPages + logical, e.getI32Type());
}

Expr PagedRows::kvRowOf(Expr physical, Expr slot) const {
  if (shape.layout == Layout::HND)
    return (physical * shape.kvHeads + kvHead) * shape.pageSize + slot;
  return (physical * shape.pageSize + slot) * shape.kvHeads + kvHead;
}

Expr PagedRows::kvRow(KernelEmitter &e, Expr position) const {
  return kvRowOf(page(e, position / shape.pageSize), position % shape.pageSize);
}

Expr PagedRows::tokenRow(KernelEmitter &e, Expr position) const {
  Expr slot = position % shape.pageSize;
  return (page(e, position / shape.pageSize) * shape.kvHeads + kvHead) * shape.pageSize + slot;
}

SmallVector<Words4> twilight::loadQueryWords(KernelEmitter &e, const AttentionShape &shape, Expr q, Expr sequence,
                                             Expr firstHead, int64_t heads, int64_t piece, Expr row) {
  LaneGrid at(e);
  row = row.get() ? row : at.row;
  Expr exists = row < heads;
  Expr head = sequence * shape.queryHeads() + firstHead + select(exists, row, e.i32(0));
  SmallVector<Words4> chunks;
  for (int64_t i = 0; i < shape.headDim / 32; ++i) {
    const int64_t loads = piece / 8, j = i / loads;
    Expr chunk = at.column * loads + (j * 4 * loads + i % loads);
    Words4 words = e.loadWords4(q, head * (shape.headDim / 8) + chunk);
    for (Expr &word : words)
      word = twilight::select(exists, word, e.i32(0));
    chunks.push_back(words);
  }
  return chunks;
}

Expr twilight::firstHeadOf(const AttentionShape &shape, Expr list) { return list * shape.headsPerList(); }

Expr twilight::kvHeadOf(const AttentionShape &shape, Expr list) {
  return shape.lists == Lists::KvHead ? list : list / shape.group;
}

TokenList twilight::makeTokenList(KernelEmitter &e, TokenSource source, int64_t pageSize, Expr length, Expr indices,
                                  Expr counts, Expr capacity, Expr listIndex) {
  TokenList list{source, pageSize, length, indices, {}, length};
  if (source == TokenSource::All)
    return list;
  list.base = listIndex * capacity;
  Expr count = e.load(counts, listIndex, e.getI32Type(), Access::Produced);
  list.size = count;
  if (source == TokenSource::Tokens)
    return list;
  // Pages ascend, so only the last can be the sequence's last, which may be partial.
  Expr last = e.load(indices, list.base + max(count - 1, 0), e.getI32Type(), Access::Produced);
  Expr pages = ceilDiv(length, pageSize);
  Expr missing = twilight::select(last == pages - 1, pages * pageSize - length, e.i32(0));
  list.size = twilight::select(count > 0, count * pageSize - missing, e.i32(0));
  return list;
}

Expr TokenList::position(KernelEmitter &e, Expr i) const {
  if (source == TokenSource::All)
    return i;
  if (source == TokenSource::Tokens)
    return e.load(indices, base + i, e.getI32Type(), Access::Produced);
  return e.load(indices, base + i / pageSize, e.getI32Type(), Access::Produced) * pageSize + i % pageSize;
}

Expr twilight::powerOfTwo(KernelEmitter &e, ArrayRef<Expr> values, int64_t lanes, int64_t headroom) {
  Expr largest = e.i32(0);
  for (Expr x : values) {
    Expr magnitude = x.bitcast(e.getI32Type()) & 0x7FFFFFFF;
    largest = max(largest, magnitude);
  }
  if (lanes == kWarp - 1)
    largest = e.warpMax(largest);
  for (int64_t bit = 1; bit < kWarp && lanes != kWarp - 1; bit *= 2)
    if (lanes & bit)
      largest = max(largest, e.shuffleXor(largest, bit));
  // The exponent alone, kept where both it and its reciprocal are normal numbers.
  Expr exponent = min(max((largest + headroom) >> 23, 1), 253);
  return (exponent << 23).bitcast(e.getF32Type());
}

Expr twilight::reciprocalOfPower(KernelEmitter &e, Expr power) {
  return (e.i32(int64_t(254) << 23) - power.bitcast(e.getI32Type())).bitcast(e.getF32Type());
}

Expr twilight::orderedKey(KernelEmitter &e, Expr x) {
  Expr bits = x.bitcast(e.getI32Type());
  Expr key = twilight::select(bits < 0, bits ^ -1, bits | int64_t(0x80000000));
  return twilight::select(x == x, key, e.i32(0));
}
