// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The splits of a long list become one result.
//
//   splits in use depend on the list's length   as in Attend.cpp; a list of one split was finished there
//   out = sum of the splits' sums, rescaled, in order
//
// Bytes: 4 (D + 2) for each split and query head. Shared memory: none. Barriers: none.

#include "AttendCommon.h"

#include "twilight/Kernels/Kernels.h"

#include <limits>

using namespace mlir;
using namespace twilight;

KernelInfo twilight::buildCombineSplits(gpu::GPUModuleOp module, StringRef name, const AttendConfig &config) {
  const AttentionShape &shape = config.shape;
  const int64_t heads = shape.headsPerList(), dim = shape.headDim;
  MLIRContext *context = module.getContext();
  Type i32 = IntegerType::get(context, 32), f32 = Float32Type::get(context);
  Type pointer = LLVM::LLVMPointerType::get(context, 1);
  bool listed = config.source != TokenSource::All;
  SmallVector<Type> types(2 + 2 * listed + 1 + config.withLse, pointer);
  types.append(listed, i32);
  KernelEmitter e(module, name, /*threads=*/kAttendThreads, types);
  unsigned next = 0;
  Expr partial = e.parameter(next++), seqLens = e.parameter(next++);
  Expr indices = listed ? e.parameter(next++) : Expr(), listCounts = listed ? e.parameter(next++) : Expr();
  AttendParameters params;
  params.out = e.parameter(next++);
  params.lse = config.withLse ? e.parameter(next++) : Expr();
  Expr capacity = listed ? e.parameter(next++) : Expr();

  Expr list = e.block(gpu::Dimension::x), sequence = e.block(gpu::Dimension::y);
  Expr listIndex = sequence * shape.listsPerSequence() + list;
  TokenList tokens = makeTokenList(e, config.source, shape.pageSize, e.load(seqLens, sequence, i32), indices,
                                   listCounts, capacity, listIndex);
  Expr active = activeSplits(config, tokens.size);
  Expr minusInfinity = e.f32(-std::numeric_limits<double>::infinity());
  e.ifThen(active > 1, [&] {
    e.forRange(e.threadIndex(), e.i32(heads * dim), e.i32(e.getThreads()), [&](Expr i) {
      Expr head = i / dim, element = i % dim;
      // All splits are asked for at once; those not in use are read from the last one and left out.
      SmallVector<SplitPart> parts;
      auto load = [&](Expr at) { return e.load(partial, at, f32, Access::Produced); };
      for (int64_t split = 0; split < config.splits; ++split) {
        Expr at = ((listIndex * config.splits + min(e.i32(split), active - 1)) * heads + head) * (dim + 2);
        Expr inUse = e.i32(split) < active;
        Expr maximum = select(inUse, load(at + dim), minusInfinity);
        parts.push_back(
            {maximum, select(inUse, load(at + (dim + 1)), e.f32(0)), select(inUse, load(at + element), e.f32(0))});
      }
      finishHead(e, config, params, sequence, firstHeadOf(shape, list) + head, element, mergeParts(e, parts));
    });
  });
  return {e.finish(), e.getThreads(), e.getSharedBytes()};
}

// out = exp(lse_a - lse) out_a + exp(lse_b - lse) out_b, a thread an element.
KernelInfo twilight::buildMerge(gpu::GPUModuleOp module, StringRef name, const MergeConfig &config) {
  Type f32 = Float32Type::get(module.getContext()), pointer = LLVM::LLVMPointerType::get(module.getContext(), 1);
  KernelEmitter e(module, name, /*threads=*/128, SmallVector<Type>(6, pointer));
  Expr row = e.block(gpu::Dimension::y) * config.queryHeads + e.block(gpu::Dimension::x);
  Expr minusInfinity = e.f32(-std::numeric_limits<double>::infinity());
  auto load = [&](unsigned parameter, Expr at, Type type) {
    return e.load(e.parameter(parameter), at, type, Access::Produced).to(f32);
  };
  Expr lseA = load(1, row, f32), lseB = load(3, row, f32);
  Expr maximum = max(lseA, lseB), empty = maximum == minusInfinity;
  Expr reference = select(empty, e.f32(0), maximum);
  Expr a = e.exp2((lseA - reference) * kLog2E), b = e.exp2((lseB - reference) * kLog2E), mass = a + b;
  e.forRange(e.threadIndex(), e.i32(config.headDim), e.i32(e.getThreads()), [&](Expr d) {
    Expr at = row * config.headDim + d;
    Expr x = load(0, at, config.outType), y = load(2, at, config.outType);
    // An empty side must not bring in what its buffer happens to hold; -0 leaves every other number as it is.
    x = select(lseA == minusInfinity, e.f32(-0.0), x * a);
    y = select(lseB == minusInfinity, e.f32(-0.0), y * b);
    e.store(e.parameter(4), at, select(empty, e.f32(0), (x + y) / mass).to(config.outType));
  });
  e.ifThen(e.threadIndex() == 0,
           [&] { e.store(e.parameter(5), row, select(empty, minusInfinity, reference + e.log2(mass) * kLn2)); });
  return {e.finish(), e.getThreads(), e.getSharedBytes()};
}
