// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// What the two kernels of split attention share.

#include "AttendCommon.h"

#include "twilight/Kernels/Kernels.h"

#include <limits>

using namespace mlir;
using namespace twilight;

SmallVector<Type> twilight::attendParameterTypes(gpu::GPUModuleOp module, const AttendConfig &config) {
  MLIRContext *context = module.getContext();
  Type i32 = IntegerType::get(context, 32), pointer = LLVM::LLVMPointerType::get(context, 1);
  bool listed = config.source != TokenSource::All;
  SmallVector<Type> types(5 + 2 * listed + 1 + config.withLse + config.withCounts + 1, pointer);
  types.append(1 + listed, i32);
  return types;
}

AttendParameters::AttendParameters(KernelEmitter &e, const AttendConfig &config) {
  unsigned next = 0;
  auto take = [&](Expr &slot) { slot = e.parameter(next++); };
  bool listed = config.source != TokenSource::All;
  take(q);
  take(kPages);
  take(vPages);
  take(pageTable);
  take(seqLens);
  if (listed) {
    take(indices);
    take(listCounts);
  }
  take(out);
  if (config.withLse)
    take(lse);
  if (config.withCounts)
    take(counts);
  take(partial);
  take(maxPages);
  if (listed)
    take(capacity);
}

TokenList AttendParameters::tokens(KernelEmitter &e, const AttendConfig &config, Expr sequence, Expr listIndex) const {
  Expr length = e.load(seqLens, sequence, e.getI32Type());
  return makeTokenList(e, config.source, config.shape.pageSize, length, indices, listCounts, capacity, listIndex);
}

Expr twilight::activeSplits(const AttendConfig &config, Expr size) {
  const int64_t tokens = kAttendTile * (kAttendThreads / kWarp) * kTilesBeforeSplit;
  return max(min(ceilDiv(size, tokens), config.splits), 1);
}

void twilight::finishHead(KernelEmitter &e, const AttendConfig &config, const AttendParameters &params, Expr sequence,
                          Expr head, Expr element, const SplitPart &part) {
  Expr row = sequence * config.shape.queryHeads() + head;
  Expr empty = part.mass == e.f32(0);
  Expr value = select(empty, e.f32(0), part.sum / part.mass);
  e.store(params.out, row * config.shape.headDim + element, value.to(config.outType));
  if (!config.withLse)
    return;
  e.ifThen(element == 0, [&] {
    Expr lse = (part.maximum + e.log2(part.mass)) * kLn2;
    e.store(params.lse, row, select(empty, e.f32(-std::numeric_limits<double>::infinity()), lse));
  });
}
