// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Importance of every page from its summary.
//
//   for 16 pages at a time, one warp:
//     rows  = summary[page_table[b, u], g]                  R rows of D, 16 bytes a lane and load
//     terms = rows . coefficients of the G query heads      tensor cores, m = pages, n = heads
//     x     = combine(terms); forced pages +inf; NaN -inf
//     importance[b, list, u] = max | mean over heads, or each head's own
//
// Bytes: R * D * 2 for each page and kv head, read once; 4 for each page and list, written.
// Shared memory: none. Barriers: none.

#include "Atoms/Atoms.h"
#include "Stages/PageScores.h"

#include "twilight/Kernels/Kernels.h"

using namespace mlir;
using namespace twilight;

/// Blocks that fit a multiprocessor: coefficients in two parts leave room for one.
static int64_t residentBlocks(const ScorePagesConfig &config) {
  return PageCoefficients::countParts(config) > 2 * config.summary.getNumRows() + 2 ? 1 : kScorePagesResident;
}

KernelInfo twilight::buildScorePages(gpu::GPUModuleOp module, StringRef name, const ScorePagesConfig &config) {
  const AttentionShape &shape = config.shape;
  MLIRContext *context = module.getContext();
  Type i32 = IntegerType::get(context, 32), pointer = LLVM::LLVMPointerType::get(context, 1);
  KernelEmitter e(module, name, /*threads=*/256, {pointer, pointer, pointer, pointer, pointer, i32, i32},
                  residentBlocks(config));
  Expr q = e.parameter(0), summary = e.parameter(1), importance = e.parameter(4), maxPages = e.parameter(5),
       perBlock = e.parameter(6);
  const int64_t together = getHeadsPerBlock(shape.kvHeads), warps = e.getWarps() / together;
  Expr sequence = e.block(gpu::Dimension::z), warp = e.warp();
  Expr kvHead = e.block(gpu::Dimension::x) * together + warp % together;
  PagedRows paged{shape, e.parameter(2), maxPages, sequence, kvHead};
  Expr start = e.block(gpu::Dimension::y) * perBlock;
  // The first entries of the table and the query are asked for before anything is waited for. What the table holds past
  // the sequence's pages is not used.
  auto tableOf = [&](Expr u) { return paged.page(e, min(u, maxPages - 1)); };
  PageScores::Walk walk{start + warp / together * 16, Expr(), warps * 16};
  std::array<Expr, 2> firstPages = PageScores::firstPages(e, walk), entries;
  for (auto [entry, page] : llvm::zip_equal(entries, firstPages))
    entry = tableOf(page);
  SmallVector<Words4> query = PageCoefficients::loadQuery(e, config, q, sequence, kvHead);
  Expr length = e.load(e.parameter(3), sequence, i32), pages = ceilDiv(length, shape.pageSize);
  walk.end = min(pages, start + perBlock);
  auto inside = [&](Expr entry, Expr u) { return select(u < walk.end, entry, e.i32(0)); };

  e.ifThen(start < walk.end, [&] {
    PageScores scores(e, config, PageCoefficients(e, config, query)); // for all warps: see BlockPipeline::rankPages
    e.ifThen(walk.first < walk.end, [&] {
      for (auto [entry, page] : llvm::zip_equal(entries, firstPages))
        entry = inside(entry, page);
      scores.walk(
          walk, summary, kvHead, length, entries, [&](Expr u) { return inside(tableOf(u), u); },
          [&](Expr head, Expr page, Expr value) {
            // Of the sequence anew: kept, the list's place would take a register through the loop.
            Expr list = e.forget(sequence) * shape.listsPerSequence() + kvHead * shape.listsPerKvHead() + head;
            e.store(importance, list * maxPages + page, value);
          });
    });
  });
  return {e.finish(), e.getThreads(), e.getSharedBytes()};
}
