// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The table of chips. Sources of the numbers: see the fields, and for parts the comment of the row.

#include "twilight/Target/TargetInfo.h"

using namespace twilight;

static constexpr int kKiB = 1024;
static constexpr int64_t kMiB = 1024 * 1024;
static constexpr int64_t kGBPerSecond = 1000 * 1000 * 1000;

// The same since compute capability 8.0.
static constexpr int kSharedReserved = 1 * kKiB;
static constexpr int kRegistersPerSm = 64 * 1024, kRegistersPerThread = 255, kRegisterUnit = 256;
static constexpr int kThreadsPerBlock = 1024, kWarpSize = 32;

static constexpr TargetFeatures ampere() {
  TargetFeatures features{};
  features.bf16Mma = features.asyncCopy = true;
  return features;
}

static constexpr TargetFeatures ada() {
  TargetFeatures features = ampere();
  features.fp8 = true;
  return features;
}

static constexpr TargetFeatures sinceHopper() {
  TargetFeatures features = ada();
  features.bulkCopy = features.clusters = features.gridDependencyControl = true;
  return features;
}

static constexpr TargetFeatures hopper() {
  TargetFeatures features = sinceHopper();
  features.wgmma = true;
  return features;
}

static constexpr TargetFeatures datacenterBlackwell() {
  TargetFeatures features = sinceHopper();
  features.tensorMemory = true;
  return features;
}

static constexpr TargetInfo row(std::string_view chip, int computeCapability, PtxVersion minPtx, int sharedPerBlockKiB,
                                int sharedPerSmKiB, int threadsPerSm, int blocksPerSm, int maxClusterBlocks,
                                TargetFeatures features, RepresentativePart part) {
  return {chip,
          computeCapability,
          minPtx,
          sharedPerBlockKiB * kKiB,
          sharedPerSmKiB * kKiB,
          kSharedReserved,
          kRegistersPerSm,
          kRegistersPerThread,
          kRegisterUnit,
          kThreadsPerBlock,
          threadsPerSm,
          blocksPerSm,
          kWarpSize,
          maxClusterBlocks,
          features,
          part};
}

static constexpr TargetInfo kTargets[] = {
    // NVIDIA A100 Tensor Core GPU data sheet (80 GB SXM), A100 architecture white paper.
    row("sm_80", 80, {7, 0}, 163, 164, 2048, 32, 1, ampere(),
        {"A100 80GB SXM", 108, 2039 * kGBPerSecond, 40 * kMiB, 0}),
    // NVIDIA A40 data sheet, GA102 architecture white paper.
    row("sm_86", 86, {7, 1}, 99, 100, 1536, 16, 1, ampere(), {"A40", 84, 696 * kGBPerSecond, 6 * kMiB, 0}),
    // NVIDIA L40S data sheet, Ada architecture white paper.
    row("sm_89", 89, {7, 8}, 99, 100, 1536, 24, 1, ada(), {"L40S", 142, 864 * kGBPerSecond, 96 * kMiB, 0}),
    // NVIDIA H100 Tensor Core GPU data sheet (SXM5), H100 architecture white paper. Eight clusters of 16 were measured
    // not
    // to fit at once; that six do is assumed.
    row("sm_90a", 90, {8, 0}, 227, 228, 2048, 32, 16, hopper(), {"H100 SXM5", 132, 3350 * kGBPerSecond, 50 * kMiB, 6}),
    // NVIDIA HGX B200 data sheet (8 TB/s a GPU), Blackwell tuning guide (L2). Clusters of 16 as for the H100, not
    // measured.
    row("sm_100a", 100, {8, 6}, 227, 228, 2048, 32, 16, datacenterBlackwell(),
        {"B200", 148, 8000 * kGBPerSecond, 126 * kMiB, 6}),
    // NVIDIA RTX PRO 6000 Blackwell Workstation Edition data sheet, RTX Blackwell architecture white paper.
    row("sm_120a", 120, {8, 7}, 99, 100, 1536, 24, 8, sinceHopper(),
        {"RTX PRO 6000 Blackwell", 188, 1792 * kGBPerSecond, 128 * kMiB, 0}),
};

TargetRange twilight::allTargets() { return {std::begin(kTargets), std::end(kTargets)}; }

const TargetInfo *twilight::lookupTarget(std::string_view chip) {
  for (const TargetInfo &target : kTargets)
    if (target.chip == chip)
      return &target;
  return nullptr;
}

std::string twilight::targetNames() {
  std::string names;
  for (const TargetInfo &target : kTargets) {
    names += names.empty() ? "" : ", ";
    names += target.chip;
  }
  return names;
}

int64_t TargetInfo::clustersAtATime(int64_t blocks, int64_t resident) const {
  return blocks > 8 ? part.clustersOf16 * resident : part.smCount * resident / blocks;
}

PtxVersion TargetInfo::emittedPtx() const {
  // Loads with a cache policy (PTX ISA 7.4, "ld", ".level::cache_hint").
  constexpr PtxVersion cachePolicy = {7, 4};
  bool older = minPtx.major * 10 + minPtx.minor < cachePolicy.major * 10 + cachePolicy.minor;
  return older ? cachePolicy : minPtx;
}

std::string TargetInfo::nvptxFeatures() const {
  PtxVersion version = emittedPtx();
  return "+ptx" + std::to_string(version.major) + std::to_string(version.minor);
}

std::string TargetInfo::ptxVersionString() const {
  return std::to_string(emittedPtx().major) + "." + std::to_string(emittedPtx().minor);
}
