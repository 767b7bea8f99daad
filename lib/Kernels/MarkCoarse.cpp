// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Which candidate pages are scored from the high planes of their codes alone.
//
//   for each entry i of the candidates' list, one thread:
//     place    = first place of the fine list that holds no lower page      binary search: lists ascend
//     marked_i = page_i, with the mark unless fine[place] is page_i
//
// A kernel of its own: the one that scores then reads one list, whatever the number of pages, and asks for nothing
// else.
//
// Bytes: 8 for each candidate page, 4 for each fine one. Shared memory: none. Barriers: none.

#include "Atoms/CodeBuffers.h"

#include "twilight/Kernels/Kernels.h"

using namespace mlir;
using namespace twilight;

KernelInfo twilight::buildMarkCoarse(gpu::GPUModuleOp module, StringRef name, const AttentionShape &shape) {
  MLIRContext *context = module.getContext();
  Type i32 = IntegerType::get(context, 32), pointer = LLVM::LLVMPointerType::get(context, 1);
  KernelEmitter e(module, name, /*threads=*/256, {pointer, pointer, pointer, pointer, pointer, i32, i32});
  Expr indices = e.parameter(0), counts = e.parameter(1), fineIndices = e.parameter(2), fineCounts = e.parameter(3);
  Expr marked = e.parameter(4), capacity = e.parameter(5), fineCapacity = e.parameter(6);
  Expr listIndex = e.block(gpu::Dimension::z) * shape.listsPerSequence() + e.block(gpu::Dimension::y);
  Expr start = e.block(gpu::Dimension::x) * kMarkCoarseStep, fineFirst = listIndex * fineCapacity;
  Expr end = min(e.load(counts, listIndex, i32, Access::Produced), start + kMarkCoarseStep);
  Expr fineCount = e.load(fineCounts, listIndex, i32, Access::Produced);
  auto fineAt = [&](Expr place) { return e.load(fineIndices, fineFirst + place, i32, Access::Produced); };
  e.forRange(start + e.threadIndex(), end, e.i32(e.getThreads()), [&](Expr i) {
    Expr page = e.load(indices, listIndex * capacity + i, i32, Access::Produced);
    Exprs range = e.whileLoop(
        {e.i32(0), fineCount}, [&](ArrayRef<Expr> at) { return at[0] < at[1]; },
        [&](ArrayRef<Expr> at) {
          Expr middle = (at[0] + at[1]) >> 1, isLower = fineAt(middle) < page;
          return Exprs{select(isLower, middle + 1, at[0]), select(isLower, at[1], middle)};
        });
    Expr isFine = e.ifElse(
        range[0] < fineCount, [&] { return Exprs{fineAt(range[0]) == page}; },
        [&] { return Exprs{e.boolean(false)}; })[0];
    e.store(marked, listIndex * capacity + i, select(isFine, page, page | kCoarseMark));
  });
  return {e.finish(), e.getThreads(), e.getSharedBytes()};
}
