// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The numbers of the cost model. Measured on an H100 SXM5 unless said otherwise; "fit" is through the kernel times of
// docs/measurements.md at (batch, tokens) = (64, 32768), (8, 32768), (1, 131072). Bandwidths are shares of the data
// sheet's, so that they carry over to other chips; times and rates on a multiprocessor are taken over as they are.

#ifndef TWILIGHT_LIB_SCHEDULE_RATES_H
#define TWILIGHT_LIB_SCHEDULE_RATES_H

#include <cstdint>

namespace twilight::rates {

/// A kernel that streams: microseconds before bytes flow, and the share of the bandwidth at which they do.
struct Stream {
  double start, share;
};
constexpr Stream kScorePages = {3.7, 0.80};     ///< fit: 204, 28.7, 16.1 us over 537, 67, 34 MB
constexpr Stream kQuantizeScore = {6.3, 0.765}; ///< fit: 143, 21.8, 13.0 us over 349, 37.7, 18.9 MB (with logits)
constexpr Stream kGatherAttend = {4.9, 0.70};   ///< fit: 42.0, 9.7 us over 87, 11.2 MB
constexpr double kCombineSplits = 3.5;          ///< 5.1, 3.6, 3.9 us
constexpr double kListPages = 3.0;              ///< a kernel that only writes; as combine_splits, not measured

/// A kernel or phase of one thread block for each list: microseconds at the start, for each block, and nanoseconds an
/// element: of a block by itself, and of a multiprocessor that is full of such blocks.
struct Search {
  double start, block, alone, full;
};
constexpr Search kChoosePages = {2.7, 1.9, 0.93, 0.93};     ///< fit: 17.9, 6.5, 12.2 us; 16 warps a block
constexpr Search kKeepMask = {8.0, 0.0, 0.80, 0.43};        ///< fit: 63.7, 14.6, 34.3 us; 8 warps a block
constexpr Search kCompactTokens = {2.8, 0.4, 0.118, 0.118}; ///< fit: 8.3, 4.2, 7.1 us; 16 warps a block

/// What only reads reaches: 3.09 of 3.35 TB/s (docs/measurements.md).
constexpr double kReadShare = 0.922;
/// A kernel boundary in a CUDA graph: 100 tiny kernels take 105 us.
constexpr double kLaunch = 1.0;
/// Part of the L2 that keeps what one kernel wrote for the next: 48 of 67 MB of logits went to memory, of 50 MB of L2.
constexpr double kL2Kept = 0.4;
/// Bytes a nanosecond that one warp can have under way. Attention keeps 8 rows of 512 bytes in flight: 56 blocks of 4
/// warps read 5.0 MB in 4.0 us at (1, 131072). The scoring kernels keep 4 (kTiles of QuantizeScore.cpp).
constexpr double kAttendWarpRate = 5.0, kScoreWarpRate = 2.5;
/// Tokens of a list that a block of attention takes before another one helps (AttendCommon.h), its warps, and the
/// blocks that a multiprocessor holds (174 to 182 registers a thread).
constexpr int64_t kAttendTokensPerBlock = 192, kAttendWarps = 4, kAttendResident = 2;
/// Dense attention, splits combined, and microseconds that each wave of blocks adds. Fit, to 1%: at (8, 32768) 373.4,
/// 376.9, 376.8, 378.5, 388.2 us with 4, 8, 12, 16, 32 splits; at (64, 32768) 2902, 2917, 2949, 2981 us with 2, 8, 16,
/// 32; (1, 131072) 194.4 and (1, 32768) 57.6 us with 32; (64, 8192) 735.0 us with 2.
constexpr Stream kAttend = {11.0, 0.888};
constexpr double kAttendWave = 1.6;
/// Granule of device memory: shorter runs are read whole (docs/rationale/kernels.md: 32 of 64 bytes of the scales).
constexpr int64_t kMemoryGranule = 64;

/// The block shape. Fit: 98 kernel times of an H100 at (1, 32768), (1, 131072), (8, 32768), (64, 8192), (64, 32768), of
/// bounds of 8 and 16 bits, pages of 16 and 32, codes of 2 and 4 bits, budgets of 1/4 and 1/8, clusters of 1 to 8, 8 to
/// 16 warps, 2 to 5 of them ahead, one and two blocks a multiprocessor, groups of 4 and 8; by the tokens that each
/// kept. It starts with kLaunch, and what reads pages reaches kReadShare.
///
/// Bytes a nanosecond that a multiprocessor can ask for where pages lie anywhere: a loop of such loads by itself, its
/// launch included, reaches 14 to 41, by its lanes a page and by how many multiprocessors ask. And that a warp can.
constexpr double kBlockSmRate = 38, kBlockRankWarp = 8.2, kBlockScoreWarp = 5.0;
constexpr double kBlockAttendShare = 0.5;
/// Nanoseconds of one warp: for each page, to find the candidates; for each candidate token, once a query head of the
/// block's and once more to list what is kept.
constexpr double kBlockChoose = 16, kBlockKeep = 2.5, kBlockList = 2.35;
/// Microseconds of an item for each warp (barriers wait for all, parts of all are merged), and more where first or last
/// tokens are kept in any case.
constexpr double kBlockItemWarp = 0.55, kBlockFloors = 3.0;
/// Waiting for a whole cluster, once a stage, beside the warps' waits above. Cycles counted in a kernel were 1.7.
constexpr double kClusterBarrier = 0.8;
/// The same for blocks that are no cluster: trips to the L2. kClusterBarrier, kBlockChoose and kBlockFloors were set by
/// hand to 23 times of the kernels that list pages in fewer steps and hand on single words: within 12% of each. This
/// one follows the kernels whose blocks wait for words and do not meet: (1, 131072) with 16 spread blocks of 12 and 16
/// warps, 42 to 43 us, and 32 in cheaper formats; (1, 32768) with 8 to 16 warps, 22.
constexpr double kSpreadBarrier = 1.3;

} // namespace twilight::rates

#endif
