// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// What the patterns of the GPU lowering share: kernel names, launches, host-side sizes.

#ifndef TWILIGHT_LIB_CONVERSION_TWILIGHTTOGPU_LOWERING_H
#define TWILIGHT_LIB_CONVERSION_TWILIGHTTOGPU_LOWERING_H

#include "twilight/Conversion/LoweredTypes.h"
#include "twilight/Kernels/Kernels.h"
#include "twilight/Support/Expr.h"
#include "twilight/Target/TargetInfo.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

namespace twilight {

/// Places the launches of one op in its function, and the kernels in the module's gpu.module.
class Lowering {
public:
  Lowering(mlir::Operation *op, mlir::ConversionPatternRewriter &rewriter);

  Emitter &host() { return emitter; }
  mlir::gpu::GPUModuleOp module() const { return gpuModule; }
  /// A kernel name of this function that is not taken yet: "quest_twilight_score_pages".
  std::string kernelName(llvm::StringRef stage);

  /// Size of a buffer's dimension, as index.
  Expr dim(mlir::Value buffer, int64_t dimension);
  /// A buffer of the given sizes (index), one constant 64-bit size where it is static.
  mlir::Value allocate(mlir::MemRefType type, llvm::ArrayRef<Expr> sizes);
  /// The same of `count` i32 elements, which must be zero before the first launch and are left so by each.
  mlir::Value allocateZeroed(int64_t count);
  /// Buffers are passed as pointers, index values as i32.
  void launch(const KernelInfo &kernel, std::array<Expr, 3> grid, llvm::ArrayRef<mlir::Value> operands,
              Expr extraSharedBytes = {});
  /// How many of `size` items a block should take so that `lists` lists of them fill the chip once, where
  /// `resident` blocks fit a multiprocessor: a multiple of `step`.
  Expr itemsPerBlock(Expr size, Expr lists, int64_t step, int64_t resident);
  /// Room for `wanted` 4-byte elements in a block's shared memory beside what the kernel itself needs, as far as the
  /// chip has it: a multiple of four.
  Expr sharedWords(const KernelInfo &kernel, Expr wanted);
  const TargetInfo &getTarget();
  Expr one() { return emitter.index(1); }

private:
  mlir::Operation *op;
  Emitter emitter;
  mlir::gpu::GPUModuleOp gpuModule;
};

/// The kernels' compile-time facts; an error at the op where they cannot run it.
mlir::FailureOr<AttentionShape> getAttentionShape(mlir::Operation *op, mlir::Value q, CacheType cache, Lists lists);

/// An error at the op where the kernels cannot read the cache's page summaries.
mlir::LogicalResult verifySummary(mlir::Operation *op, CacheType cache);
/// What the kernels need to know of an op; `level` is its p as the function has it.
mlir::FailureOr<TopPConfig> makeTopPConfig(TopPOp op, const AttentionShape &shape, mlir::Value level);

/// memref<?x?x?xi32> and the like, for results made of worst-case buffers.
mlir::MemRefType dynamicMemRef(int64_t rank, mlir::Type element);
/// The buffer as a fully dynamic memref, as the lowered types have it.
mlir::Value toDynamic(Lowering &lowering, mlir::Value buffer);

void populateLengthPatterns(const mlir::TypeConverter &converter, mlir::RewritePatternSet &patterns);
void populateSelectionPatterns(const mlir::TypeConverter &converter, mlir::RewritePatternSet &patterns);
void populateTopPPatterns(const mlir::TypeConverter &converter, mlir::RewritePatternSet &patterns);
void populateAttendPatterns(const mlir::TypeConverter &converter, mlir::RewritePatternSet &patterns);
void populateFusedPatterns(const mlir::TypeConverter &converter, mlir::RewritePatternSet &patterns);
void populateCachePatterns(const mlir::TypeConverter &converter, mlir::RewritePatternSet &patterns);

} // namespace twilight

#endif
