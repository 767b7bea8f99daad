// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// What a chip can do: limits, features, and the size of a representative part. Plain C++: the tables are read by the
// compiler, by tests, and by whoever prices a schedule.

#ifndef TWILIGHT_TARGET_TARGETINFO_H
#define TWILIGHT_TARGET_TARGETINFO_H

#include <cstdint>
#include <string>
#include <string_view>

namespace twilight {

/// A version of the PTX language, `major.minor`.
struct PtxVersion {
  int major, minor;
};

/// What a kernel may use. Ask these, never the chip's name.
struct TargetFeatures {
  /// mma.sync on bf16 operands, and cp.async: compute capability 8.0 (PTX ISA 7.0, "mma", "cp.async").
  bool bf16Mma, asyncCopy;
  /// Conversions and mma.sync of e4m3/e5m2: 8.9 (PTX ISA 8.4, "mma"; "cvt" from 8.1).
  bool fp8;
  /// cp.async.bulk with mbarrier completion: 9.0 (PTX ISA 8.0, "cp.async.bulk").
  bool bulkCopy;
  /// Thread block clusters and distributed shared memory: 9.0 (PTX ISA 7.8, ".cluster").
  bool clusters;
  /// griddepcontrol, for launches that overlap the end of the kernel before: 9.0 (PTX ISA 7.8).
  bool gridDependencyControl;
  /// wgmma: sm_90a and nothing else, later chips dropped it (PTX ISA 8.0, "wgmma.mma_async").
  bool wgmma;
  /// tcgen05 and tensor memory: sm_100a (PTX ISA 8.6, "tcgen05").
  bool tensorMemory;
};

/// A product that carries the chip; cost models take its size where the device at hand is not known.
/// Numbers are of the product's data sheet, named in the table's comments.
struct RepresentativePart {
  std::string_view name;
  int smCount;
  /// Device memory, in bytes a second.
  int64_t memoryBandwidth;
  /// Bytes of level 2 cache.
  int64_t l2Bytes;
  /// Clusters of 16 thread blocks, a multiprocessor each, that run at a time: a cluster lies in one group of
  /// multiprocessors (GPC), and a part has such with fewer than 16. 0 where the chip takes none so large.
  int clustersOf16;
};

/// One row a chip. Limits are of the CUDA C++ Programming Guide, "Compute Capabilities", table "Technical
/// Specifications per Compute Capability", unless a field says otherwise.
struct TargetInfo {
  /// Name as LLVM and ptxas spell it: "sm_90a".
  std::string_view chip;
  /// 10 * major + minor of the compute capability: 90.
  int computeCapability;
  /// The oldest PTX that knows the chip (PTX ISA, "Release History").
  PtxVersion minPtx;

  /// Dynamic shared memory that one block may opt in to, and what the blocks of an SM share, in bytes.
  int sharedBytesPerBlock, sharedBytesPerSm;
  /// Taken from sharedBytesPerSm for each resident block, beside what it asks for (same guide, "Shared Memory" of each
  /// compute capability from 8.0).
  int sharedBytesReservedPerBlock;
  /// 32-bit registers of an SM, and the most that one thread may have.
  int registersPerSm, registersPerThread;
  /// Registers are handed to a warp in multiples of this (CUDA occupancy calculator, "Register allocation unit size").
  int registerAllocationUnit;
  int threadsPerBlock, threadsPerSm, blocksPerSm, warpSize;
  /// Thread blocks of the largest cluster, 1 where there are none. 8 is what any chip with clusters takes (same guide,
  /// "Thread Block Clusters"); 16 where a kernel may ask for more (Hopper and Blackwell tuning guides, "Thread Block
  /// Clusters").
  int maxClusterBlocks;

  TargetFeatures features;
  RepresentativePart part;

  /// Clusters of `blocks` thread blocks that run at a time where `resident` of the blocks fit on a multiprocessor.
  /// Estimated for the part: smaller clusters than 16 are taken to fill it.
  int64_t clustersAtATime(int64_t blocks, int64_t resident) const;

  /// The version that compiled kernels declare: minPtx, or what the instructions of every kernel need where that is
  /// newer.
  PtxVersion emittedPtx() const;
  /// "+ptx80": the subtarget feature with which LLVM's NVPTX target emits `emittedPtx()`.
  std::string nvptxFeatures() const;
  /// "8.0", as the .version directive has it.
  std::string ptxVersionString() const;
};

/// The rows, for `for (const TargetInfo &target : allTargets())`; ordered by compute capability.
struct TargetRange {
  const TargetInfo *first, *last;
  const TargetInfo *begin() const { return first; }
  const TargetInfo *end() const { return last; }
};
TargetRange allTargets();

/// The row of a chip, nullptr where there is none. Names are exact: "sm_90" is not "sm_90a".
const TargetInfo *lookupTarget(std::string_view chip);

/// "sm_80, sm_86, ...": what an error message lists.
std::string targetNames();

} // namespace twilight

#endif
