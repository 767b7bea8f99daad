// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Where a token's codes, scale and zero lie.

#include "CodeBuffers.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace twilight;

int64_t CodeBuffers::countParameters(const AttentionShape &shape) { return shape.codes.getBlocked() ? 1 : 3; }

CodeBuffers CodeBuffers::fromParameters(KernelEmitter &e, const AttentionShape &shape, unsigned first) {
  auto part = [&](unsigned i) { return e.parameter(shape.codes.getBlocked() ? first : first + i); };
  return {shape, part(0), part(1), part(2)};
}

// Pages of one kv head, whole ones before a token row. A page holds a power of two of tokens.
static Expr pageOf(const AttentionShape &shape, Expr row) {
  return row >> static_cast<int64_t>(llvm::Log2_64(shape.pageSize));
}

Expr CodeBuffers::codesOf(Expr row, int64_t bits) const {
  const int64_t rowBytes = shape.codes.getPlanes() ? getRowBytes() / 2 : getRowBytes();
  Expr first = row * (rowBytes * 8 / bits);
  // Beside these rows, each token in pages before has a low plane, and a scale and a zero of 4 bytes.
  const int64_t more = getRowBytes() - rowBytes + (shape.codes.getBlocked() ? 4 : 0);
  return more == 0 ? first : first + pageOf(shape, row) * (shape.pageSize * more * 8 / bits);
}

Expr CodeBuffers::scaleOf(Expr row) const {
  if (!shape.codes.getBlocked())
    return row;
  // Behind the codes of this page and of those before, and the 2 P scales and zeros of each before.
  Expr page = pageOf(shape, row);
  return (page + 1) * (shape.pageSize * getRowBytes() / 2) + page * shape.pageSize + row;
}

Expr CodeBuffers::zeroOf(Expr row) const { return shape.codes.getBlocked() ? scaleOf(row) + shape.pageSize : row; }
