// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The softmax weights of one query head's candidates.
//
// w_i = 2^((logit_i - m) log2 e), m = max logit: w lies in (0, 1] and its f32 bits, the key, are its order. Its mass is
// an integer, units of 2^-40, so that sums are exact in any order.
//
// Few candidates are heavy. One pass over all of them adds up the masses of the light ones and lists the slots of the
// heavy ones; what comes behind it is about the list, whose elements fill the warps.

#ifndef TWILIGHT_LIB_KERNELS_HEADWEIGHTS_H
#define TWILIGHT_LIB_KERNELS_HEADWEIGHTS_H

#include "twilight/Kernels/Arch/KernelEmitter.h"

namespace twilight {

constexpr int64_t kOneKey = 0x3F800000;   ///< the bits of w = 1, which the heaviest candidate has
constexpr int64_t kHeavyKey = 0x39800000; ///< the bits of 2^-12: keys from here on are heavy

/// W of a weight's key: w in units of 2^-40, i64 in [0, 2^40].
Expr massOfKey(Expr key);

/// Elements of a head, in any order: those of the list, or all.
struct Elements {
  Expr count;  ///< i32
  Expr listed; ///< i1
};

/// A head's logits in global memory: f32, or f16 that are computed with as f32.
struct GlobalLogits {
  Expr buffer, base; ///< from element `base` (i64) on
  mlir::Type type;
  bool inFours; ///< `base` is a multiple of four, and as many can be read
};

/// Where a block or group finds its head's weights: the first logits in shared memory, the rest, where there is any, in
/// global memory. All are logits for good; a weight is computed where it is read.
class HeadWeights {
public:
  /// `size` logits of global memory, of which `tile` (f32) has room for `cached`, a multiple of four.
  HeadWeights(KernelEmitter &e, const GlobalLogits &logits, Expr size, Expr cached, SharedTile tile);
  /// `size` logits (f32) that lie in `tile` already, which has room up to the next multiple of four and four more.
  HeadWeights(KernelEmitter &e, Expr size, SharedTile tile);

  /// Of logits in global memory: reads each once, keeps what fits, and returns this thread's maximum.
  Expr fetch();
  /// Fills the last four and one behind it with -inf, whose weight is 0.
  void pad();
  /// The maximum of all logits; only then are there weights.
  void setReference(Expr maximum) { reference = maximum; }

  Expr getSize() const { return size; }
  /// The key of a slot.
  Expr at(Expr slot) const;
  Elements all() const { return {size, e.boolean(false)}; }

  /// Puts the slots of the heavy elements into `list` (i16) as far as they fit, adds their number to the i32 at
  /// `counter`, and returns the sum (i64) of the masses of the light ones, of this thread. The tile is padded, and
  /// visible to all threads.
  Expr listHeavy(SharedTile list, int64_t capacity, SharedTile counter) const;
  /// What `listHeavy` listed, `found` by all threads together; all elements where the list does not hold them.
  Elements heavy(Expr found, int64_t capacity) const;
  /// Calls `body` for every element.
  void forEach(const Elements &elements, SharedTile list, int64_t capacity,
               llvm::function_ref<void(Expr slot, Expr key)> body) const;
  /// The least slot of the elements that this thread sees and that are wanted; -1 where there is none.
  Expr firstOf(const Elements &elements, SharedTile list, int64_t capacity,
               llvm::function_ref<Expr(Expr key)> isWanted) const;
  /// How many (i32) of the elements that this thread sees are counted.
  Expr count(const Elements &elements, SharedTile list, int64_t capacity,
             llvm::function_ref<Expr(Expr key)> isCounted) const;

private:
  /// Several elements at a time; `body(inside, slot, key, carried)`: in place of one that is not inside stands the
  /// last.
  Exprs walk(const Elements &elements, SharedTile list, int64_t capacity, llvm::ArrayRef<Expr> carried,
             llvm::function_ref<Exprs(Expr inside, Expr slot, Expr key, llvm::ArrayRef<Expr> carried)> body) const;
  Expr weightOf(Expr logit) const;
  Expr global(Expr i) const;
  Expr fetchFours();
  bool hasGlobal() const { return logits.buffer.get() != nullptr; }
  bool fetchesFours() const { return hasGlobal() && logits.inFours && !logits.type.isF32(); }

  KernelEmitter &e;
  GlobalLogits logits = {};
  Expr size, cached, reference;
  SharedTile tile;
};

} // namespace twilight

#endif
