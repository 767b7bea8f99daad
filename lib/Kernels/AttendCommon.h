// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// What the two kernels of split attention share: parameters, merging, the final division.

#ifndef TWILIGHT_LIB_KERNELS_ATTENDCOMMON_H
#define TWILIGHT_LIB_KERNELS_ATTENDCOMMON_H

#include "Stages/AttendTile.h"

#include "twilight/Kernels/Kernels.h"

namespace twilight {

constexpr int64_t kAttendThreads = 128;
/// Tiles a warp takes before a list is split over more blocks: loads of one overlap the arithmetic of the other.
constexpr int64_t kTilesBeforeSplit = 3;

/// The parameters of buildAttend by name; null where the configuration has none.
struct AttendParameters {
  AttendParameters() = default;
  AttendParameters(KernelEmitter &e, const AttendConfig &config);
  TokenList tokens(KernelEmitter &e, const AttendConfig &config, Expr sequence, Expr listIndex) const;
  Expr q, kPages, vPages, pageTable, seqLens, indices, listCounts, out, lse, counts, partial, maxPages, capacity;
};
llvm::SmallVector<mlir::Type> attendParameterTypes(mlir::gpu::GPUModuleOp module, const AttendConfig &config);

/// Blocks that share a list of `size` tokens: at least 1. Depends on the list alone.
Expr activeSplits(const AttendConfig &config, Expr size);

/// Stores an element of out, and with element 0 the lse: out = sum / mass; an empty list gives 0 and -inf.
void finishHead(KernelEmitter &e, const AttendConfig &config, const AttendParameters &params, Expr sequence, Expr head,
                Expr element, const SplitPart &part);

} // namespace twilight

#endif
