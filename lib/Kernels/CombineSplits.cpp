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
  e.ifThen(active > 1, [&] {
    e.forRange(e.threadIndex(), e.i32(heads * dim), e.i32(e.getThreads()), [&](Expr i) {
      Expr head = i / dim, element = i % dim;
      auto at = [&](Expr split) { return ((listIndex * config.splits + split) * heads + head) * (dim + 2); };
      Expr minusInfinity = e.f32(-std::numeric_limits<double>::infinity());
      Expr maximum = e.forRange(e.i32(0), active, e.i32(1), {minusInfinity}, [&](Expr split, ArrayRef<Expr> sofar) {
        return Exprs{max(sofar[0], e.load(partial, at(split) + dim, f32))};
      })[0];
      Expr reference = select(maximum == minusInfinity, e.f32(0), maximum);
      Exprs sums = e.forRange(e.i32(0), active, e.i32(1), {e.f32(0), e.f32(0)}, [&](Expr split, ArrayRef<Expr> sofar) {
        Expr factor = e.exp2(e.load(partial, at(split) + dim, f32) - reference);
        return Exprs{fma(e.load(partial, at(split) + (dim + 1), f32), factor, sofar[0]),
                     fma(e.load(partial, at(split) + element, f32), factor, sofar[1])};
      });
      finishHead(e, config, params, sequence, firstHeadOf(shape, list) + head, element,
                 SplitPart{maximum, sums[0], sums[1]});
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
  Expr lseA = e.load(e.parameter(1), row, f32), lseB = e.load(e.parameter(3), row, f32);
  Expr maximum = max(lseA, lseB), empty = maximum == minusInfinity;
  Expr reference = select(empty, e.f32(0), maximum);
  Expr a = e.exp2((lseA - reference) * kLog2E), b = e.exp2((lseB - reference) * kLog2E), mass = a + b;
  e.forRange(e.threadIndex(), e.i32(config.headDim), e.i32(e.getThreads()), [&](Expr d) {
    Expr at = row * config.headDim + d;
    Expr x = e.load(e.parameter(0), at, config.outType).to(f32), y = e.load(e.parameter(2), at, config.outType).to(f32);
    // An empty side must not bring in what its buffer happens to hold.
    x = select(lseA == minusInfinity, e.f32(0), x * a);
    y = select(lseB == minusInfinity, e.f32(0), y * b);
    e.store(e.parameter(4), at, select(empty, e.f32(0), (x + y) / mass).to(config.outType));
  });
  e.ifThen(e.threadIndex() == 0,
           [&] { e.store(e.parameter(5), row, select(empty, minusInfinity, reference + e.log2(mass) * kLn2)); });
  return {e.finish(), e.getThreads(), e.getSharedBytes()};
}
