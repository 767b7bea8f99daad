// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// top_p, first half: which candidates each query head keeps.
//
//   m, w = max logit and weights of the head's candidates     as in HeadWeights.h
//   t    = the smallest weight kept, exactly                  as in KeepTokens.h
//   keep bit of slot i
//
// Bytes: 4 for each candidate (2 as f16), read once; what does not fit in shared memory is read again out of cache.
// Shared memory: histogram and list 8 KB, a few words a warp, then as many logits as the launch gives room for.

#include "Atoms/Atoms.h"
#include "Stages/Collectives.h"
#include "Stages/KeepTokens.h"

#include "twilight/Kernels/Kernels.h"

using namespace mlir;
using namespace twilight;

KernelInfo twilight::buildKeepMask(gpu::GPUModuleOp module, StringRef name, const TopPConfig &config) {
  const AttentionShape &shape = config.shape;
  MLIRContext *context = module.getContext();
  Type i32 = IntegerType::get(context, 32), i64 = IntegerType::get(context, 64), f32 = Float32Type::get(context);
  Type pointer = LLVM::LLVMPointerType::get(context, 1);
  SmallVector<Type> parameters(config.constantLevel ? 5 : 6, pointer);
  parameters.append(3, i32);
  KernelEmitter e(module, name, /*threads=*/256, parameters, /*minBlocks=*/3);
  unsigned next = 0;
  Expr logitsBuffer = e.parameter(next++);
  Expr levels = config.constantLevel ? Expr() : e.parameter(next++);
  Expr seqLens = e.parameter(next++), indices = e.parameter(next++), counts = e.parameter(next++);
  Expr keep = e.parameter(next++), capacity = e.parameter(next++), words = e.parameter(next++);
  Expr cached = e.parameter(next++);
  Expr head = e.block(gpu::Dimension::x), sequence = e.block(gpu::Dimension::y);
  KeepScratch search(e);
  SharedTile scratch = e.shared(i32, e.getWarps() * 2), scratchF = e.shared(f32, e.getWarps());

  Expr length = e.load(seqLens, sequence, i32);
  Expr list = shape.lists == Lists::KvHead ? head / shape.group : head;
  TokenList candidates = makeTokenList(e, TokenSource::Pages, shape.pageSize, length, indices, counts, capacity,
                                       sequence * shape.listsPerSequence() + list);
  Expr row = sequence * shape.queryHeads() + head;
  GlobalLogits logits{logitsBuffer, row.to(i64) * (capacity * shape.pageSize).to(i64), config.scoreType,
                      shape.pageSize % 4 == 0};
  // The tile is the last of the shared memory: a launch gives it room for `cached` logits.
  HeadWeights weights(e, logits, candidates.size, cached, e.shared(f32, 0));
  Expr level =
      config.constantLevel ? e.f32(*config.constantLevel) : e.load(levels, config.levelPerHead ? head : e.i32(0), f32);

  e.ifThen(candidates.size > 0, [&] {
    weights.pad();
    weights.setReference(blockMax(e, scratchF, weights.fetch())); // whose barriers are behind the tile's stores
    KeepThreshold threshold =
        findKeepThreshold(e, {config.rule, config.minTokens, config.maxTokens}, weights, search, level);
    auto isFloor = [&](Expr slot) {
      Expr position = candidates.position(e, slot);
      return (position < config.sink) | (position >= length - config.recent);
    };
    function_ref<Expr(Expr)> floor;
    if (config.sink > 0 || config.recent > 0)
      floor = isFloor;
    writeKeepMask(e, weights, threshold, scratch, floor,
                  [&](Expr word, Expr bits) { e.store(keep, row * words + word, bits); });
  });
  return {e.finish(), e.getThreads(), e.getSharedBytes()};
}
