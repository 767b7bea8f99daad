// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The GPU kernels of the dialect's ops, as functions that build them into a gpu.module.
//
// Every kernel reads its sizes (sequence lengths, list lengths, p) on the device, so a captured launch stays right when
// they change. Grids cover the worst case; blocks with nothing to do leave at once. Work is split by the sequence's own
// length alone, never by the batch, so that a sequence's result does not depend on its neighbours. Heads vary fastest
// in a grid: blocks that run together then read neighbouring rows of the same pages.
//
// Common parameter types: `pointer` is !llvm.ptr<1> to a dense row-major buffer, sizes are i32.

#ifndef TWILIGHT_KERNELS_KERNELS_H
#define TWILIGHT_KERNELS_KERNELS_H

#include "twilight/Kernels/Arch/KernelEmitter.h"
#include "twilight/Kernels/Stages/ScorePagesConfig.h"
#include "twilight/Schedule/BlockMemory.h"
#include "twilight/Schedule/ExchangeMemory.h"

#include <optional>

namespace twilight {

/// A finished kernel and what its launch needs.
struct KernelInfo {
  mlir::gpu::GPUFuncOp func;
  int64_t threads;
  int64_t sharedBytes;
  int64_t cluster = 1;      ///< blocks of a cluster
  bool cooperative = false; ///< its blocks wait for each other: all must be on the device at once
};

//===-- select -----------------------------------------------------------------------------------------------===//

/// How many neighbouring heads one block of the scoring kernels works on, a share of its eight warps each: fewer
/// blocks look up more rows each (H100, batch 8 at 32k: select 36.8 to 35.6 us, quantize_score 26.1 to 24.7).
inline int64_t getHeadsPerBlock(int64_t heads) {
  return heads % 8 == 0 ? 8 : heads % 4 == 0 ? 4 : heads % 2 == 0 ? 2 : 1;
}
/// Pages of a head that a block of buildScorePages takes at least, and in multiples of, with one head a block.
constexpr int64_t kScorePagesStep = 128;
/// Blocks of it that fit a multiprocessor.
constexpr int64_t kScorePagesResident = 2;
/// Importance of every page; any per_block gives the same result. Grid (Hkv / heads per block, ceildiv(max_pages,
/// per_block), B).
/// Parameters: q, summary, page_table, seq_lens, importance (f32 [B, lists, max_pages], written), max_pages, per_block.
KernelInfo buildScorePages(mlir::gpu::GPUModuleOp module, llvm::StringRef name, const ScorePagesConfig &config);

struct ChoosePagesConfig {
  AttentionShape shape;
  BudgetAttrInterface budget;
};
/// The k most important pages of each list, ascending. Grid (lists, B).
/// Parameters: importance, seq_lens, indices (i32 [B, lists, capacity], written), counts (i32 [B, lists], written),
/// max_pages, capacity, cached (importances that the launch gives shared memory for, 4 bytes each beyond what the
/// kernel itself needs; others are read again).
KernelInfo buildChoosePages(mlir::gpu::GPUModuleOp module, llvm::StringRef name, const ChoosePagesConfig &config);

struct ListPagesConfig {
  AttentionShape shape;
  UnitRule rule; ///< All or Floors
  int64_t sink, recent;
};
/// Every page, or the pages of the floors. Grid (lists, B).
/// Parameters: seq_lens, indices, counts, capacity.
KernelInfo buildListPages(mlir::gpu::GPUModuleOp module, llvm::StringRef name, const ListPagesConfig &config);

//===-- quantize_score ---------------------------------------------------------------------------------------===//

struct QuantizeScoreConfig {
  AttentionShape shape;
  double softmaxScale;
  bool progressive;     ///< entries of the lists have kCoarseMark where the page's low planes are not to be read
  mlir::Type scoreType; ///< of the logits: f32 or f16
};
/// Candidate slots of a list that a block of buildQuantizeScore takes at least, and in multiples of, with one list a
/// block.
constexpr int64_t kQuantizeScoreStep = 512;
/// Blocks of it that fit a multiprocessor.
constexpr int64_t kQuantizeScoreResident = 2;
/// Logits of the candidates from their codes; any per_block gives the same result. Grid (lists / lists per block,
/// ceildiv(capacity * P, per_block), B).
/// Parameters: q, the quantised keys (see CodeBuffers), page_table, indices, counts, logits (scoreType [B, Hq, capacity
/// * P], written), max_pages, capacity, per_block.
KernelInfo buildQuantizeScore(mlir::gpu::GPUModuleOp module, llvm::StringRef name, const QuantizeScoreConfig &config);
/// Entries of a list that a block of buildMarkCoarse takes.
constexpr int64_t kMarkCoarseStep = 1024;
/// The candidates' lists with kCoarseMark in the pages that are not in the list of fine ones. Grid (ceildiv(capacity,
/// kMarkCoarseStep), lists, B).
/// Parameters: indices, list_counts, fine_indices, fine_counts, marked (i32 [B, lists, capacity], written), capacity,
/// fine_capacity.
KernelInfo buildMarkCoarse(mlir::gpu::GPUModuleOp module, llvm::StringRef name, const AttentionShape &shape);

//===-- top_p ------------------------------------------------------------------------------------------------===//

struct TopPConfig {
  AttentionShape shape; ///< lists: those of the scores
  Lists keptLists;      ///< those of the result
  KeepRule rule;
  bool levelPerHead;                   ///< p is f32 [Hq] instead of one f32
  std::optional<double> constantLevel; ///< p where it is known; the kernel then has no parameter p
  int64_t minTokens, maxTokens, sink, recent;
  mlir::Type scoreType; ///< of the logits: f32 or f16
};
/// Which candidates each query head keeps, one bit each. Grid (Hq, B).
/// Parameters: logits, [p unless constant], seq_lens, indices, counts, keep (i32 [B, Hq, words], written), capacity,
/// words (= ceildiv(capacity * P, 32)), cached: logits of a head and four more
/// that the launch gives shared memory for, 4 bytes each beyond what the kernel itself needs; others are read again.
KernelInfo buildKeepMask(mlir::gpu::GPUModuleOp module, llvm::StringRef name, const TopPConfig &config);
/// The lists of kept tokens, ascending. Grid (kept lists, B).
/// Parameters: keep, seq_lens, indices, counts, tokens (i32 [B, kept lists, capacity * P], written), token_counts
/// (i32 [B, kept lists], written), capacity, words.
KernelInfo buildCompactTokens(mlir::gpu::GPUModuleOp module, llvm::StringRef name, const TopPConfig &config);

//===-- attend -----------------------------------------------------------------------------------------------===//

struct AttendConfig {
  AttentionShape shape;
  TokenSource source;
  double softmaxScale;
  mlir::Type outType;
  bool withLse, withCounts;
  int64_t splits; ///< blocks that share one list; fixed, so that results do not depend on the batch
};
/// Attention of each list's tokens, split over blocks. Grid (lists, splits, B).
/// Parameters: q, k_pages, v_pages, page_table, seq_lens, [indices, list_counts unless All], out, [lse], [counts],
/// partial (f32, see buildCombineSplits), max_pages, [capacity unless All].
/// A list that fits one block is finished here; of others the partial results are left for buildCombineSplits.
KernelInfo buildAttend(mlir::gpu::GPUModuleOp module, llvm::StringRef name, const AttendConfig &config);
/// Merges the splits in order. Grid (lists, B).
/// Parameters: partial (f32 [B, lists, splits, headsPerList, D + 2]: sum, then maximum and mass), seq_lens,
/// [indices, list_counts unless All], out, [lse], [capacity unless All].
KernelInfo buildCombineSplits(mlir::gpu::GPUModuleOp module, llvm::StringRef name, const AttendConfig &config);

/// merge of two results. Grid (Hq, B). Parameters: out_a, lse_a, out_b, lse_b, out, lse.
struct MergeConfig {
  int64_t queryHeads, headDim;
  mlir::Type outType;
};
KernelInfo buildMerge(mlir::gpu::GPUModuleOp module, llvm::StringRef name, const MergeConfig &config);

//===-- The whole pipeline -----------------------------------------------------------------------------------===//

/// select, quantize_score, top_p and gather_attend in one kernel; lists are those of the kv heads.
struct BlockPipelineConfig {
  ScorePagesConfig select;
  BudgetAttrInterface budget;
  double scoreScale;
  TopPConfig prune;
  double attendScale;
  mlir::Type outType;
  bool withLse, withCounts, withCandidates;
  int64_t denseBelow; ///< sequences of fewer tokens attend to all of them; 0: none
  int64_t cluster, spread, warps, selectWarps, resident;

  const AttentionShape &shape() const { return select.shape; }
  int64_t blocksPerItem() const { return cluster * spread; }
  BlockMemoryFacts memoryFacts() const {
    return {shape().group,   shape().headDim, shape().pageSize,
            blocksPerItem(), warps,           selectWarps > 0,
            denseBelow,      spread > 1,      prune.minTokens > 0 || prune.maxTokens > 0};
  }
};
/// Grid (cluster * n), or (spread * n), all of it on the device at once: any n >= 1. Shared memory: planBlockMemory
/// beside what the kernel itself needs.
/// Parameters: q, k_pages, v_pages, the quantised keys, summary, page_table, seq_lens, [p unless constant], out, [lse],
/// [counts], [candidates: i32 [B, Hkv]], [where spread: exchange (i32 [n, planExchange's words]), counters (i32 [n,
/// counterStride], zero before and after)], max_pages, capacity (pages that the budget leaves of max_pages), items (B
/// * Hkv).
KernelInfo buildBlockPipeline(mlir::gpu::GPUModuleOp module, llvm::StringRef name, const BlockPipelineConfig &config);

//===-- append and count -------------------------------------------------------------------------------------===//

struct AppendConfig {
  CacheType cache;
  bool withNewLens;
};
/// New tokens into their pages. Grid (ceildiv(T, P) + 1, Hkv, B).
/// Parameters: k_pages, v_pages, [codes, scale, zero], [summary], page_table, seq_lens, k, v, [new_lens], max_pages, T.
KernelInfo buildAppend(mlir::gpu::GPUModuleOp module, llvm::StringRef name, const AppendConfig &config);
/// seq_lens += new_lens. Grid (1). Parameters: seq_lens, [new_lens], B, T.
KernelInfo buildAdvanceLengths(mlir::gpu::GPUModuleOp module, llvm::StringRef name, const AppendConfig &config);

struct CountConfig {
  AttentionShape shape;
  Unit unit;
};
/// Tokens of each list. Grid (B). Parameters: seq_lens, indices, counts, result, capacity.
KernelInfo buildCount(mlir::gpu::GPUModuleOp module, llvm::StringRef name, const CountConfig &config);

} // namespace twilight

#endif
