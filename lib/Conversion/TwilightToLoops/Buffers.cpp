// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// What every op's loops are made of: buffers, rows of the head dimension as vectors, parallel loops.

#include "Buffers.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

#include <limits>

using namespace mlir;

namespace twilight::loops {

static SmallVector<Value> values(Indices exprs) { return SmallVector<Value>(exprs.begin(), exprs.end()); }

static Type sameShape(Type like, Type element) {
  auto vector = dyn_cast<VectorType>(like);
  return vector ? Type(vector.clone(element)) : element;
}

// E5M2 is the upper byte of an f16; no conversion of it is lowered.
static Expr toElement(Expr value, Type element) {
  Emitter &e = value.getEmitter();
  auto as = [&](Type type) { return sameShape(value.getType(), type); };
  if (!isa<Float8E5M2Type>(element))
    return value.to(as(element));
  Expr half = value.to(as(e.getF16Type())).bitcast(as(e.getIntegerType(16)));
  return (half >> 8).to(as(e.getI8Type())).bitcast(as(element));
}

//===-- Buffers ----------------------------------------------------------------------------------------------===//

Expr Buffer::size(int64_t axis) const {
  if (!getType().isDynamicDim(axis))
    return emitter->index(getType().getDimSize(axis));
  return emitter->wrap(memref::DimOp::create(*emitter, memref, axis));
}

Expr Buffer::load(Indices indices) const {
  return emitter->wrap(memref::LoadOp::create(*emitter, memref, values(indices)));
}

Expr Buffer::loadF32(Indices indices) const { return toF32(load(indices)); }
Expr Buffer::loadIndex(Indices indices) const { return load(indices).to(emitter->getIndexType()); }

void Buffer::store(Expr value, Indices indices) const {
  memref::StoreOp::create(*emitter, toElement(value, getType().getElementType()), memref, values(indices));
}

void Buffer::storeIndex(Expr value, Indices indices) const { store(value, indices); }

static SmallVector<Value> rowStart(Emitter &e, Indices indices) {
  SmallVector<Value> start = values(indices);
  start.push_back(e.index(0));
  return start;
}

Expr Buffer::row(Indices indices) const {
  auto type = VectorType::get({getType().getShape().back()}, getType().getElementType());
  return emitter->wrap(vector::LoadOp::create(*emitter, type, memref, rowStart(*emitter, indices)));
}

Expr Buffer::rowF32(Indices indices) const { return toF32(row(indices)); }

void Buffer::storeRow(Expr row, Indices indices) const {
  Expr converted = toElement(row, getType().getElementType());
  vector::StoreOp::create(*emitter, converted, memref, rowStart(*emitter, indices));
}

static VectorType asVector(Type type) {
  auto vector = dyn_cast<VectorType>(type);
  return vector ? vector : VectorType::get({1}, type);
}

static VectorType asBytes(Emitter &e, VectorType type) {
  return VectorType::get({type.getNumElements() * type.getElementTypeBitWidth() / 8}, e.getI8Type());
}

Expr Buffer::loadBytes(Indices indices, Expr offset, Type type) const {
  Emitter &e = *emitter;
  SmallVector<Value> at = values(indices);
  at.push_back(offset);
  VectorType whole = asVector(type);
  Value bytes = vector::LoadOp::create(e, asBytes(e, whole), memref, at);
  Value loaded = vector::BitCastOp::create(e, whole, bytes);
  return e.wrap(isa<VectorType>(type) ? loaded : vector::ExtractOp::create(e, loaded, int64_t(0)).getResult());
}

void Buffer::storeBytes(Expr value, Indices indices, Expr offset) const {
  Emitter &e = *emitter;
  SmallVector<Value> at = values(indices);
  at.push_back(offset);
  VectorType whole = asVector(value.getType());
  Value vector = value;
  if (vector.getType() != whole)
    vector = vector::BroadcastOp::create(e, whole, vector);
  vector::StoreOp::create(e, vector::BitCastOp::create(e, asBytes(e, whole), vector), memref, at);
}

Buffer allocate(Emitter &e, MemRefType type, Indices sizes) {
  SmallVector<Value> dynamic;
  for (auto [axis, size] : llvm::enumerate(sizes))
    if (type.isDynamicDim(axis))
      dynamic.push_back(size);
  return Buffer(e, memref::AllocOp::create(e, type, dynamic));
}

Buffer scratch(Emitter &e, Type element, Expr size) {
  return allocate(e, MemRefType::get({ShapedType::kDynamic}, element), {size});
}

Value castTo(OpBuilder &builder, Location loc, Value buffer, Type type) {
  return buffer.getType() == type ? buffer : memref::CastOp::create(builder, loc, type, buffer).getResult();
}

//===-- Loops ------------------------------------------------------------------------------------------------===//

void parallelFor(Emitter &e, Indices sizes, function_ref<void(Indices)> body) {
  SmallVector<Value> zeros(sizes.size(), e.index(0)), ones(sizes.size(), e.index(1));
  auto op = scf::ParallelOp::create(e, zeros, values(sizes), ones);
  OpBuilder::InsertionGuard guard(e);
  e.setInsertionPointToStart(op.getBody());
  body(e.wrap(op.getInductionVars()));
}

void loop(Emitter &e, Expr size, function_ref<void(Expr)> body) { e.forRange(e.index(0), size, e.index(1), body); }

Exprs fold(Emitter &e, Expr size, Indices carried, function_ref<Exprs(Expr, Indices)> body) {
  return e.forRange(e.index(0), size, e.index(1), carried, body);
}

Expr countIf(Emitter &e, Expr size, function_ref<Expr(Expr)> predicate) {
  return fold(e, size, {e.index(0)},
              [&](Expr i, Indices count) { return Exprs{count[0] + predicate(i).toUnsigned(e.getIndexType())}; })[0];
}

//===-- Vectors ----------------------------------------------------------------------------------------------===//

Expr toF32(Expr value) {
  Emitter &e = value.getEmitter();
  auto as = [&](Type type) { return sameShape(value.getType(), type); };
  if (isa<Float8E5M2Type>(getElementTypeOrSelf(value.getType())))
    value = (value.bitcast(as(e.getI8Type())).toUnsigned(as(e.getIntegerType(16))) << 8).bitcast(as(e.getF16Type()));
  return value.to(as(e.getF32Type()));
}

Expr splat(Expr scalar, Type vector) {
  Emitter &e = scalar.getEmitter();
  return e.wrap(vector::BroadcastOp::create(e, vector, scalar));
}

static Expr reduce(vector::CombiningKind kind, Expr vector, arith::FastMathFlags flags = arith::FastMathFlags::none) {
  Emitter &e = vector.getEmitter();
  return e.wrap(vector::ReductionOp::create(e, kind, vector.get(), flags));
}

// Reassociation is what lets a sum use the machine's vectors; nothing else is relaxed.
Expr dot(Expr a, Expr b) { return reduce(vector::CombiningKind::ADD, a * b, arith::FastMathFlags::reassoc); }
Expr minOf(Expr vector) { return reduce(vector::CombiningKind::MINNUMF, vector); }
Expr maxOf(Expr vector) { return reduce(vector::CombiningKind::MAXNUMF, vector); }

Expr allFinite(Expr vector) {
  Emitter &e = vector.getEmitter();
  Expr magnitudes = vector.bitcast(sameShape(vector.getType(), e.getI32Type())) & 0x7FFFFFFF;
  return reduce(vector::CombiningKind::MAXSI, magnitudes) < 0x7F800000;
}

Expr interleave(Expr evens, Expr odds) {
  Emitter &e = evens.getEmitter();
  return e.wrap(vector::InterleaveOp::create(e, evens.get(), odds.get()));
}

std::pair<Expr, Expr> deinterleave(Expr vector) {
  Emitter &e = vector.getEmitter();
  auto op = vector::DeinterleaveOp::create(e, vector.get());
  return {e.wrap(op.getRes1()), e.wrap(op.getRes2())};
}

Expr expOf(Expr value) { return value.getEmitter().wrap(math::ExpOp::create(value.getEmitter(), value.get())); }
Expr logOf(Expr value) { return value.getEmitter().wrap(math::LogOp::create(value.getEmitter(), value.get())); }
Expr roundEvenOf(Expr value) {
  return value.getEmitter().wrap(math::RoundEvenOp::create(value.getEmitter(), value.get()));
}
Expr minusInfinity(Emitter &e) { return e.f32(-std::numeric_limits<double>::infinity()); }

} // namespace twilight::loops
