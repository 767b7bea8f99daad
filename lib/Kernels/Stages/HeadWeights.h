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
/// The same of a weight below 2^-8, i32.
Expr lightMassOfKey(Expr key);

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
  /// The maximum of all logits; only then are there weights.
  void setReference(Expr maximum) { reference = maximum; }
  /// From now on elements are keys. A thread makes those that it reads in sums.
  void makeKeys();

  /// The sum (i64) of what a function gives for a few of this thread's keys at a time, padding of weight 0 included.
  Expr sumOver(MassSearch::SumOfKeys of) const;
  /// Both in one go.
  Expr makeKeysAndSum(MassSearch::SumOfKeys of);
  /// Padding counts as elements of weight 0.
  void forEach(llvm::function_ref<void(Expr key)> body) const;
  Expr at(Expr i) const;
  Expr getSize() const { return size; }

private:
  Expr fetchGlobal(Expr lowest);
  Expr fetchShared(Expr lowest);
  /// This thread's fours of the tile, several at a time so that their latencies overlap: `body(fours, inside,
  /// carried)`; in place of a four that is not
  /// inside stands the first one, which is this thread's too.
  Exprs forEachFours(
      llvm::ArrayRef<Expr> carried,
      llvm::function_ref<Exprs(llvm::ArrayRef<Expr> fours, llvm::ArrayRef<Expr> inside, llvm::ArrayRef<Expr> carried)>
          body) const;
  llvm::SmallVector<Expr, 16> loadKeys(llvm::ArrayRef<Expr> fours, llvm::ArrayRef<Expr> inside) const;
  Expr sumOfRest(Expr sum, llvm::function_ref<Expr(Expr key)> of) const;
  Expr global(Expr i) const;
  Expr keyOf(Expr logit) const;
  bool hasGlobal() const { return logits.get() != nullptr; }

  KernelEmitter &e;
  Expr logits, base, size, cached, reference;
  SharedTile tile;
};

} // namespace twilight

#endif
