// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// What every op's loops are made of: buffers, rows of the head dimension as vectors, parallel loops.

#ifndef TWILIGHT_LIB_CONVERSION_TWILIGHTTOLOOPS_BUFFERS_H
#define TWILIGHT_LIB_CONVERSION_TWILIGHTTOLOOPS_BUFFERS_H

#include "twilight/Support/Expr.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"

namespace twilight::loops {

using Indices = llvm::ArrayRef<Expr>;

/// A memref that is read and written like an array. Indices are of index type.
class Buffer {
public:
  Buffer(Emitter &emitter, mlir::Value memref) : emitter(&emitter), memref(memref) {}
  mlir::Value get() const { return memref; }
  mlir::MemRefType getType() const { return llvm::cast<mlir::MemRefType>(memref.getType()); }
  Emitter &getEmitter() const { return *emitter; }

  Expr size(int64_t axis) const;
  Expr load(Indices indices) const;
  Expr loadF32(Indices indices) const;
  Expr loadIndex(Indices indices) const; ///< an integer, as an index
  /// Converts the value to the element type, then stores it; to f8E5M2 only numbers that it has.
  void store(Expr value, Indices indices) const;
  void storeIndex(Expr value, Indices indices) const;
  /// The innermost axis (of static size) as a vector; indices leave it out.
  Expr row(Indices indices) const;
  Expr rowF32(Indices indices) const;
  void storeRow(Expr row, Indices indices) const;
  /// A number or a vector of `type` that begins `offset` bytes into a row of bytes.
  Expr loadBytes(Indices indices, Expr offset, mlir::Type type) const;
  void storeBytes(Expr value, Indices indices, Expr offset) const;

private:
  Emitter *emitter;
  mlir::Value memref;
};

/// A new buffer; sizes holds the size of every axis and is used where the type is dynamic.
Buffer allocate(Emitter &e, mlir::MemRefType type, Indices sizes);
/// A new buffer with one axis.
Buffer scratch(Emitter &e, mlir::Type element, Expr size);
/// The same buffer under another static or dynamic shape.
mlir::Value castTo(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value buffer, mlir::Type type);

/// All iterations of [0, sizes[0]) x [0, sizes[1]) ... at once.
void parallelFor(Emitter &e, Indices sizes, llvm::function_ref<void(Indices)> body);
/// for (i = 0; i < size; ++i)
void loop(Emitter &e, Expr size, llvm::function_ref<void(Expr)> body);
/// The same, carrying values.
Exprs fold(Emitter &e, Expr size, Indices carried, llvm::function_ref<Exprs(Expr, Indices)> body);
/// The number of i in [0, size) that the predicate holds for.
Expr countIf(Emitter &e, Expr size, llvm::function_ref<Expr(Expr)> predicate);

//===-- Vectors ----------------------------------------------------------------------------------------------===//

Expr toF32(Expr value); ///< of a float or a vector of floats
Expr splat(Expr scalar, mlir::Type vector);
/// Sum of the products, in whatever order is fastest on the machine.
Expr dot(Expr a, Expr b);
Expr minOf(Expr vector);
Expr maxOf(Expr vector);
Expr allFinite(Expr vector); ///< i1
/// 2n elements from n pairs: evens[0], odds[0], evens[1], ...
Expr interleave(Expr evens, Expr odds);
std::pair<Expr, Expr> deinterleave(Expr vector);

Expr expOf(Expr value);
Expr logOf(Expr value);
Expr roundEvenOf(Expr value);
/// -inf of type f32.
Expr minusInfinity(Emitter &e);

} // namespace twilight::loops

#endif
