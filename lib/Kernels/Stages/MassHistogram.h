// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Sums of masses by ranges of keys, and where they cross a need: one step of a search for a weight.

#ifndef TWILIGHT_LIB_KERNELS_MASSHISTOGRAM_H
#define TWILIGHT_LIB_KERNELS_MASSHISTOGRAM_H

#include "HeadWeights.h"

namespace twilight {

constexpr int64_t kMassBinBits = 8;
constexpr int64_t kKeyBits = 30; ///< no weight has a bit above

/// The keys from `low` on with all values of their `width` lowest bits; a bin has the next kMassBinBits of them.
struct KeyRange {
  KeyRange(Expr low, Expr width) : low(low), width(width), shift(max(width - kMassBinBits, 0)) {}
  Expr low, width, shift; ///< shift: width of a bin
  Expr contains(Expr key) const { return ((key - low) >> width) == 0; }
  /// Of a key of the range: its bin, counted from the top.
  Expr binOf(Expr key) const;
  /// The keys of a bin.
  KeyRange of(Expr bin) const;
};

/// Masses of kKeepBins bins, in shared memory: i32 [3, kKeepBins], each mass in parts.
class MassHistogram {
public:
  MassHistogram() = default;
  explicit MassHistogram(SharedTile words) : words(words) {}
  void clear(KernelEmitter &e) const;
  void add(Expr bin, Expr mass) const;
  /// Adds a key's mass where it is in the range.
  void addKey(const KeyRange &range, Expr key) const;
  /// The masses of a lane's eight bins.
  llvm::SmallVector<Expr> load(KernelEmitter &e) const;
  void copyTo(KernelEmitter &e, const MassHistogram &other) const;
  MassHistogram ofBlock(Expr rank) const { return MassHistogram(words.ofBlock(rank)); }
  SharedTile getWords() const { return words; }

private:
  SharedTile words;
};

/// One warp finds the bin where the running sum of the lanes' `masses` crosses the need, and leaves in `crossing` (i32
/// [4]) the bin, a counter at 0, and what is still needed of the bin, in two words; -1 and the need where there is
/// none. `needOf` gives the need from the sum of all bins.
void findMassCrossing(KernelEmitter &e, SharedTile crossing, llvm::ArrayRef<Expr> masses,
                      llvm::function_ref<Expr(Expr total)> needOf);

} // namespace twilight

#endif
