// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The softmax weights of one query head's candidates.
//
// w_i = 2^((logit_i - m) log2 e), m = max logit: w lies in (0, 1] and its f32 bits, the key, are its order. Its mass is
// an integer, units of 2^-40, so that sums are exact in any order.

#ifndef TWILIGHT_LIB_KERNELS_HEADWEIGHTS_H
#define TWILIGHT_LIB_KERNELS_HEADWEIGHTS_H

#include "Search.h"

namespace twilight {

constexpr int64_t kOneKey = 0x3F800000; ///< the bits of w = 1, which the heaviest candidate has

/// W of a weight's key: w in units of 2^-40, i64.
Expr massOfKey(Expr key);

/// Where a block or group finds its head's weights: the first ones in shared memory, made once; the rest, where there
/// is any, from global memory.
class HeadWeights {
public:
  /// `size` logits (f32) of global memory from element `base` (i64) on; `cached` of them fit `tile`, which has room for
  /// four more than that rounded down to a multiple of four.
  HeadWeights(KernelEmitter &e, Expr logits, Expr base, Expr size, Expr cached, SharedTile tile);
  /// `size` logits (f32) that lie in `tile` already, which has room up to the next multiple of four.
  HeadWeights(KernelEmitter &e, Expr size, SharedTile tile);

  /// Reads every logit once, keeps what fits, and returns this thread's maximum. The tile's last four are padded with
  /// -inf, whose weight is 0.
  Expr fetch();
  /// From now on elements are keys. A thread makes the fours that it reads in sums.
  void makeKeys(Expr maximum);

  /// Padding counts as elements of weight 0.
  void forEach(llvm::function_ref<void(Expr key)> body) const;
  /// The sum (i64) of what `of` gives for this thread's keys, padding included.
  Expr sumOver(llvm::function_ref<Expr(Expr key)> of) const;
  Expr at(Expr i) const;
  Expr getSize() const { return size; }

private:
  Expr fetchGlobal(Expr lowest);
  Expr fetchShared(Expr lowest);
  void forEachFour(llvm::function_ref<void(Expr four)> body) const;
  Expr global(Expr i) const;
  Expr keyOf(Expr logit) const;
  bool hasGlobal() const { return logits.get() != nullptr; }

  KernelEmitter &e;
  Expr logits, base, size, cached, reference;
  SharedTile tile;
};

} // namespace twilight

#endif
