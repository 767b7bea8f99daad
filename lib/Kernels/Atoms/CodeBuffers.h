// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// A cache's quantised keys, as a kernel is given them: where a token's codes, scale and zero lie.

#ifndef TWILIGHT_LIB_KERNELS_CODEBUFFERS_H
#define TWILIGHT_LIB_KERNELS_CODEBUFFERS_H

#include "twilight/Kernels/Arch/KernelEmitter.h"
#include "twilight/Kernels/Atoms/AttentionShape.h"

namespace twilight {

/// Set in a page of a list, or in a token row: its codes' low plane is not to be read.
constexpr int64_t kCoarseMark = 0x80000000;

/// Tokens are given as token rows: (physical page * Hkv + kv head) * P + slot.
struct CodeBuffers {
  AttentionShape shape;
  Expr codes, scale, zero; ///< the same buffer where the codes are blocked

  /// How many of a kernel's parameters they take.
  static int64_t countParameters(const AttentionShape &shape);
  /// From the kernel's parameters, `first` on: what CacheBuffers::getQuantizedKeys gives the launch.
  static CodeBuffers fromParameters(KernelEmitter &e, const AttentionShape &shape, unsigned first);

  /// Bytes of a token's codes, of all planes.
  int64_t getRowBytes() const { return shape.headDim * shape.codes.getBits() / 8; }
  /// The row's codes, or the high plane of them, as an index that counts pieces of `bits` bits.
  Expr codesOf(Expr row, int64_t bits) const;
  /// From there to the low plane, in the same pieces.
  int64_t toLowPlane(int64_t bits) const { return shape.pageSize * getRowBytes() / 2 * 8 / bits; }
  /// Its scale and its zero, as indices that count f16.
  Expr scaleOf(Expr row) const;
  Expr zeroOf(Expr row) const;

  /// The same within a page, in bytes: from one page of one kv head to the next in the codes' buffer and in those of
  /// scales and zeros; from a page's begin to its first scale and zero.
  int64_t getCodesStride() const { return shape.pageSize * (getRowBytes() + (shape.codes.getBlocked() ? 4 : 0)); }
  int64_t getScalesStride() const { return shape.codes.getBlocked() ? getCodesStride() : shape.pageSize * 2; }
  int64_t toScales() const { return shape.codes.getBlocked() ? shape.pageSize * getRowBytes() : 0; }
  int64_t toZeros() const { return shape.codes.getBlocked() ? toScales() + shape.pageSize * 2 : 0; }
};

} // namespace twilight

#endif
