// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Exact attention to 16 tokens at a time, by one warp.
//
//   S       = Q K^T                                          tensor cores, m = heads, n = tokens; 16 bytes of a row a
//   lane m, l, O = rescaled by the new maximum                    online softmax in base 2 O      += P V tensor cores;
//   S's fragment is already P's; two tokens' words
//                                                            are interleaved with byte permutes into V's fragment

#ifndef TWILIGHT_LIB_KERNELS_ATTENDTILE_H
#define TWILIGHT_LIB_KERNELS_ATTENDTILE_H

#include "../Atoms/Atoms.h"

namespace twilight {

constexpr int64_t kAttendTile = 16; ///< tokens that a warp takes at a time

/// Running softmax of a warp: lane (r, c) has head r's maximum and its share of the mass, and of heads 2c and 2c + 1
/// the output at elements 64 h + 8 r ... + 7 for each half h, the two heads side by side.
struct WarpState {
  Expr maximum, mass;
  llvm::SmallVector<Expr> out;

  /// Before any token; `dim` is the head dimension.
  static WarpState empty(KernelEmitter &e, int64_t dim);
  Exprs pack() const {
    Exprs all = {maximum, mass};
    all.append(out.begin(), out.end());
    return all;
  }
  static WarpState unpack(llvm::ArrayRef<Expr> all) {
    return {all[0], all[1], llvm::SmallVector<Expr>(all.begin() + 2, all.end())};
  }
};

/// What a warp needs to process a tile.
struct TileContext {
  AttentionShape shape;
  Access access; ///< of keys and values
  Expr kPages, vPages;
  llvm::function_ref<Words4(int64_t chunk)> query; ///< as loadQueryWords gives it
  double scale;                                    ///< softmax scale in base 2
  /// All values are asked for before the logits are known, not just half of them: more loads in flight, more registers.
  bool valuesEarly = true;
  /// What is asked for early is kept ahead of the products: the assembler puts some of it behind them.
  bool inOrder = false;
};

/// One tile: `state` is that before it, without sums where it is known to be the warp's first; `rowOf` a token's K/V
/// row, of those that do not exist any one's; `valid` how many of the 16 exist (at least one).
WarpState attendTile(KernelEmitter &e, const TileContext &context, const WarpState &state,
                     llvm::function_ref<Expr(Expr token)> rowOf, Expr valid);

/// One element of an unfinished attention: the sum of weight times value, with the softmax reference and mass it was
/// made with (base 2).
struct SplitPart {
  Expr maximum, mass, sum;
};
/// Merges parts in their order. A part with maximum -inf is empty.
SplitPart mergeParts(KernelEmitter &e, llvm::ArrayRef<SplitPart> parts);

/// Shared memory in which the warps of a block or group meet.
struct WarpParts {
  SharedTile maxima, masses; ///< f32 [warps, heads]
  SharedTile sums;           ///< f32 [warps, heads, dim]
};
/// Merges the warps' states in their order and calls `use(head, element, part)` for every element. One barrier, behind
/// which the parts are read.
void mergeWarps(KernelEmitter &e, const AttentionShape &shape, const WarpParts &parts, WarpState state,
                llvm::function_ref<void(Expr head, Expr element, SplitPart part)> use);

} // namespace twilight

#endif
