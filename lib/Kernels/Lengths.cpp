// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Kernels over the lengths of a batch's sequences, a thread a number.
//
// Bytes: 12 for each sequence, or for each list. Shared memory: none. Barriers: none.

#include "twilight/Kernels/Lengths.h"

using namespace mlir;
using namespace twilight;

static void eachNumber(KernelEmitter &e, Expr count, function_ref<void(Expr)> body) {
  Expr i = e.block(gpu::Dimension::x) * kLengthThreads + e.threadIndex();
  e.ifThen(i < count, [&] { body(i); });
}

KernelInfo twilight::buildSplitLengths(gpu::GPUModuleOp module, StringRef name, int64_t below) {
  MLIRContext *context = module.getContext();
  Type i32 = IntegerType::get(context, 32), pointer = LLVM::LLVMPointerType::get(context, 1);
  KernelEmitter e(module, name, kLengthThreads, {pointer, pointer, pointer, i32});
  eachNumber(e, e.parameter(3), [&](Expr b) {
    Expr length = e.load(e.parameter(0), b, i32), isShort = length < below;
    e.store(e.parameter(1), b, select(isShort, length, e.i32(0)));
    e.store(e.parameter(2), b, select(isShort, e.i32(0), length));
  });
  return {e.finish(), e.getThreads(), e.getSharedBytes()};
}

KernelInfo twilight::buildAddLengths(gpu::GPUModuleOp module, StringRef name, int64_t lists) {
  MLIRContext *context = module.getContext();
  Type i32 = IntegerType::get(context, 32), pointer = LLVM::LLVMPointerType::get(context, 1);
  KernelEmitter e(module, name, kLengthThreads, {pointer, pointer, pointer, i32});
  eachNumber(e, e.parameter(3), [&](Expr i) {
    Expr length = e.load(e.parameter(1), i / lists, i32, Access::Produced);
    e.store(e.parameter(2), i, e.load(e.parameter(0), i, i32, Access::Produced) + length);
  });
  return {e.finish(), e.getThreads(), e.getSharedBytes()};
}
