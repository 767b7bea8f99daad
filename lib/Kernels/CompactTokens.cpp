// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// top_p, second half: the lists of kept tokens, from the heads' masks.
//
//   for 512 words of 32 candidates at a time:
//     word  = OR of the masks of the list's query heads
//     place = running sum of the words' bits
//     tokens[place ...] = positions of the set bits, in order
//
// Bytes: 1/8 for each candidate and query head, read once; 4 for each kept token, written.
// Shared memory: one word a warp. Barriers: two for each 16384 candidates.

#include "Atoms/Atoms.h"
#include "Stages/Collectives.h"

#include "twilight/Kernels/Kernels.h"

using namespace mlir;
using namespace twilight;

KernelInfo twilight::buildCompactTokens(gpu::GPUModuleOp module, StringRef name, const TopPConfig &config) {
  const AttentionShape &shape = config.shape;
  MLIRContext *context = module.getContext();
  Type i32 = IntegerType::get(context, 32), pointer = LLVM::LLVMPointerType::get(context, 1);
  KernelEmitter e(module, name, /*threads=*/512, {pointer, pointer, pointer, pointer, pointer, pointer, i32, i32});
  Expr keep = e.parameter(0), tokens = e.parameter(4), tokenCounts = e.parameter(5);
  Expr capacity = e.parameter(6), words = e.parameter(7);
  Expr kept = e.block(gpu::Dimension::x), sequence = e.block(gpu::Dimension::y);
  SharedTile scratch = e.shared(i32, e.getWarps());

  AttentionShape result = shape;
  result.lists = config.keptLists;
  Expr length = e.load(e.parameter(1), sequence, i32), firstHead = firstHeadOf(result, kept);
  Expr candidateList = shape.lists == result.lists ? kept : kept / shape.group;
  TokenList candidates = makeTokenList(e, TokenSource::Pages, shape.pageSize, length, e.parameter(2), e.parameter(3),
                                       capacity, sequence * shape.listsPerSequence() + candidateList);
  Expr keptIndex = sequence * result.listsPerSequence() + kept;
  Expr base = keptIndex * capacity * shape.pageSize;
  Expr maskWords = ceilDiv(candidates.size, kWarp);
  Exprs total =
      e.forRange(e.i32(0), maskWords, e.i32(e.getThreads()), {e.i32(0)}, [&](Expr chunk, ArrayRef<Expr> before) {
        Expr word = chunk + e.threadIndex(), bits = e.i32(0);
        for (int64_t h = 0; h < result.headsPerList(); ++h) {
          Expr row = sequence * shape.queryHeads() + firstHead + h;
          bits = bits | e.load(keep, row * words + min(word, maskWords - 1), i32, Access::Produced);
        }
        bits = select(word < maskWords, bits, e.i32(0));
        Running running = blockScan(e, scratch, e.popcount(bits));
        e.whileLoop(
            {bits, base + before[0] + running.before}, [&](ArrayRef<Expr> state) { return state[0] != 0; },
            [&](ArrayRef<Expr> state) {
              Expr lowest = state[0] & -state[0];
              Expr slot = word * kWarp + e.popcount(lowest - 1);
              e.store(tokens, state[1], candidates.position(e, slot));
              return Exprs{state[0] ^ lowest, state[1] + 1};
            });
        return Exprs{before[0] + running.total};
      });
  e.ifThen(e.threadIndex() == 0, [&] { e.store(tokenCounts, keptIndex, total[0]); });
  return {e.finish(), e.getThreads(), e.getSharedBytes()};
}
