// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The whole pipeline as one kernel: its items, and which of them start late.

#include "BlockPipeline.h"

using namespace mlir;
using namespace twilight;

BlockPipeline::Item BlockPipeline::makeItem(Expr index) {
  Expr length = e.load(params.seqLens, index / shape.kvHeads, e.getI32Type()), pages = ceilDiv(length, shape.pageSize);
  Expr budget = e.wrap(config.budget.buildCount(e, e.getLoc(), pages, shape.pageSize));
  return makeItem(index, length, min(budget, pages));
}

BlockPipeline::Item BlockPipeline::makeItem(Expr index, Expr length, Expr kept) {
  Item item;
  item.index = index;
  item.sequence = index / shape.kvHeads;
  item.kvHead = index % shape.kvHeads;
  item.length = length;
  item.pages = ceilDiv(length, shape.pageSize);
  item.dense = length < config.denseBelow;
  item.kept = kept;
  item.scored = (kept < item.pages) & !item.dense;
  return item;
}

void BlockPipeline::setCurrent(const Item &item) {
  if (!keepsItemInMemory())
    return void(inRegisters = item);
  e.anew([&] {
    Expr own = e.warp();
    e.syncWarp(); // no lane reads the last item's words any more
    e.ifThen(e.lane() == 0, [&] { currentItems.storeFour(own, {item.index, item.length, item.kept, e.i32(0)}); });
    e.syncWarp();
  });
}

BlockPipeline::Item BlockPipeline::current() {
  if (!keepsItemInMemory())
    return inRegisters;
  Item item;
  e.anew([&] {
    std::array<Expr, 4> words = currentItems.loadFour(e.warp());
    item = makeItem(words[0], words[1], words[2]);
  });
  return item;
}

void BlockPipeline::forEachItem(function_ref<Expr(Expr)> body) {
  Expr first = e.block(gpu::Dimension::x) / blocks();
  e.whileLoop(
      {first}, [&](ArrayRef<Expr> state) { return state[0] < items; },
      [&](ArrayRef<Expr> state) { return Exprs{body(state[0]) + e.gridBlocks() / blocks()}; });
}

/// The round follows from the item: kept, it would take a register through all of the kernel.
Expr BlockPipeline::roundOf(Expr index) { return index / (e.gridBlocks() / blocks()); }
/// Round 0, without a division.
Expr BlockPipeline::isFirst(Expr index) { return index < e.gridBlocks() / blocks(); }

// Items that start together all wait for memory at a time, and leave it idle at a time. So some have a smaller share of
// it at first: the others come to their steps on the chip while these still read, and these have memory for themselves
// in the end. Fewer warps ask for less of a memory that is busy, and get all they ask for of one that is not.
Expr BlockPipeline::startsLate(int64_t every) {
  Expr group = e.blockAnew() / blocks();
  return (group % every == 0) & (e.gridBlocks() > blocks());
}
