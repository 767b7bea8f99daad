// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The most important pages of each list.
//
//   k = budget(pages)
//   if k >= pages: every page
//   else:          t = k-th largest key of the importances     three histogram steps over the key's bits
//                  list = pages with key > t, and the first of those with key = t, in order
//
// Bytes: 4 for each page and list, read once; what does not fit in shared memory is read again out of cache.
// Shared memory: histogram 8 KB, a few words a warp. Barriers: five a step and two for the list.

#include "Atoms/Atoms.h"
#include "Stages/Collectives.h"
#include "Stages/Search.h"

#include "twilight/Kernels/Kernels.h"

using namespace mlir;
using namespace twilight;

KernelInfo twilight::buildChoosePages(gpu::GPUModuleOp module, StringRef name, const ChoosePagesConfig &config) {
  const AttentionShape &shape = config.shape;
  MLIRContext *context = module.getContext();
  Type i32 = IntegerType::get(context, 32), f32 = Float32Type::get(context);
  Type pointer = LLVM::LLVMPointerType::get(context, 1);
  KernelEmitter e(module, name, /*threads=*/512, {pointer, pointer, pointer, pointer, i32, i32, i32}, /*minBlocks=*/2);
  Expr importance = e.parameter(0), indices = e.parameter(2), counts = e.parameter(3);
  Expr maxPages = e.parameter(4), capacity = e.parameter(5), cached = e.parameter(6);
  Expr list = e.block(gpu::Dimension::x), sequence = e.block(gpu::Dimension::y);
  SearchScratch search(e, /*bins=*/2048);
  SharedTile scratch = e.shared(i32, e.getWarps() * 2);
  SharedTile tile = e.shared(i32, 0); // keys, as many as the launch gives room for

  Expr length = e.load(e.parameter(1), sequence, i32), pages = ceilDiv(length, shape.pageSize);
  Expr listIndex = sequence * shape.listsPerSequence() + list, base = listIndex * capacity;
  Expr k = min(e.wrap(config.budget.buildCount(e, e.getLoc(), pages, shape.pageSize)), pages);
  e.ifThen(e.threadIndex() == 0, [&] { e.store(counts, listIndex, k); });
  e.ifElse(
      k == pages,
      [&] {
        e.forRange(e.threadIndex(), pages, e.i32(e.getThreads()), [&](Expr u) { e.store(indices, base + u, u); });
        return Exprs();
      },
      [&] {
        auto keyOf = [&](Expr u) {
          return orderedKey(e, e.load(importance, listIndex * maxPages + u, f32, Access::Produced));
        };
        Expr inTile = min(pages, cached), step = e.i32(e.getThreads());
        e.forRange(e.threadIndex(), inTile, step, [&](Expr u) { tile.store(u, keyOf(u)); });
        auto forEach = [&](function_ref<void(Expr)> body) {
          e.forRange(e.threadIndex(), inTile, step, [&](Expr u) { body(tile.load(u)); });
          e.forRange(e.threadIndex() + inTile, pages, step, [&](Expr u) { body(keyOf(u)); });
        };
        auto keyAt = [&](Expr u) {
          return e.ifElse(u < inTile, [&] { return Exprs{tile.load(u)}; }, [&] { return Exprs{keyOf(u)}; })[0];
        };
        Threshold threshold = searchCount(e, search, {{21, 11}, {10, 11}, {0, 10}}, forEach, k);
        compactInOrder(
            e, scratch, pages, threshold.need,
            [&](Expr u) {
              Expr key = keyAt(u);
              return Verdict{lessUnsigned(threshold.key, key), key == threshold.key};
            },
            [&](Expr position, Expr u) { e.store(indices, base + position, u); });
        return Exprs();
      });
  return {e.finish(), e.getThreads(), e.getSharedBytes()};
}

// Unscored selections: pages [0, head) and [tail, pages), in order.
KernelInfo twilight::buildListPages(gpu::GPUModuleOp module, StringRef name, const ListPagesConfig &config) {
  const AttentionShape &shape = config.shape;
  MLIRContext *context = module.getContext();
  Type i32 = IntegerType::get(context, 32), pointer = LLVM::LLVMPointerType::get(context, 1);
  KernelEmitter e(module, name, /*threads=*/256, {pointer, pointer, pointer, i32});
  Expr list = e.block(gpu::Dimension::x), sequence = e.block(gpu::Dimension::y), capacity = e.parameter(3);
  Expr length = e.load(e.parameter(0), sequence, i32), pages = ceilDiv(length, shape.pageSize);
  Expr head = pages, tail = pages;
  if (config.rule == UnitRule::Floors) {
    head = min(pages, (config.sink + shape.pageSize - 1) / shape.pageSize);
    if (config.recent > 0)
      tail = max(length - config.recent, 0) / shape.pageSize;
    tail = max(tail, head);
  }
  Expr count = head + (pages - tail), listIndex = sequence * shape.listsPerSequence() + list;
  e.ifThen(e.threadIndex() == 0, [&] { e.store(e.parameter(2), listIndex, count); });
  e.forRange(e.threadIndex(), count, e.i32(e.getThreads()),
             [&](Expr i) { e.store(e.parameter(1), listIndex * capacity + i, select(i < head, i, tail + i - head)); });
  return {e.finish(), e.getThreads(), e.getSharedBytes()};
}
