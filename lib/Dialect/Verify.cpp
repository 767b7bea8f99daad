// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Checks that several ops share.

#include "Verify.h"

#include <cmath>
#include <limits>

using namespace mlir;
using namespace twilight;

HeadCounts twilight::getHeadCounts(Value q, CacheType cache) {
  int64_t query = cast<ShapedType>(q.getType()).getDimSize(1);
  return {query, cache.getKvHeads(), query / cache.getKvHeads()};
}

double twilight::getSoftmaxScale(std::optional<APFloat> scale, CacheType cache) {
  return scale ? scale->convertToDouble() : 1.0 / std::sqrt(static_cast<double>(cache.getHeadDim()));
}

static std::string describe(ArrayRef<int64_t> shape, Type element) {
  std::string text;
  llvm::raw_string_ostream os(text);
  for (int64_t size : shape) {
    if (ShapedType::isDynamic(size))
      os << "?x";
    else
      os << size << "x";
  }
  if (element)
    os << element;
  else
    os << "(f16, bf16 or f32)";
  return text;
}

LogicalResult twilight::verifyBuffer(Operation *op, Value buffer, const Twine &what, ArrayRef<int64_t> shape,
                                     Type element) {
  auto type = cast<ShapedType>(buffer.getType());
  bool fits = type.getRank() == static_cast<int64_t>(shape.size()) &&
              (element ? type.getElementType() == element : isKvElementType(type.getElementType()));
  for (size_t i = 0; fits && i < shape.size(); ++i)
    fits = ShapedType::isDynamic(shape[i]) || type.isDynamicDim(i) || type.getDimSize(i) == shape[i];
  // A size that is known here must be known in the buffer's type: kernels are compiled for it.
  for (size_t i = 0; fits && i < shape.size(); ++i)
    fits = ShapedType::isDynamic(shape[i]) || !type.isDynamicDim(i);
  if (!fits)
    return op->emitOpError() << what << " must be " << describe(shape, element) << ", found " << type;
  if (auto memref = dyn_cast<MemRefType>(type); memref && !memref.getLayout().isIdentity())
    return op->emitOpError() << what << " must be contiguous (row-major), found " << type;
  return success();
}

LogicalResult twilight::verifyQuery(Operation *op, Value q, CacheType cache) {
  const int64_t dyn = ShapedType::kDynamic;
  if (failed(verifyBuffer(op, q, "q", {dyn, dyn, cache.getHeadDim()}, {})))
    return failure();
  int64_t heads = cast<ShapedType>(q.getType()).getDimSize(1);
  if (ShapedType::isDynamic(heads))
    return op->emitOpError() << "q must have a static number of query heads, found " << q.getType();
  if (heads % cache.getKvHeads() != 0)
    return op->emitOpError() << "the number of query heads must be a multiple of the cache's " << cache.getKvHeads()
                             << " kv heads, found " << heads;
  return success();
}

LogicalResult twilight::verifyAttention(Operation *op, Value q, Value out, Value lse, Value counts, int64_t lists) {
  ArrayRef<int64_t> shape = cast<ShapedType>(q.getType()).getShape();
  Builder b(op->getContext());
  if (failed(verifyBuffer(op, out, "out", shape, {})))
    return failure();
  if (lse && failed(verifyBuffer(op, lse, "lse", shape.take_front(2), b.getF32Type())))
    return failure();
  if (counts && failed(verifyBuffer(op, counts, "counts", {shape[0], lists}, b.getI32Type())))
    return failure();
  return success();
}

LogicalResult twilight::verifyTokenCount(Operation *op, StringRef name, int64_t value) {
  if (value >= 0 && value <= std::numeric_limits<int32_t>::max())
    return success();
  return op->emitOpError() << name << " must not be negative and must fit 32 bits, found " << value;
}

LogicalResult twilight::verifySoftmaxScale(Operation *op, std::optional<APFloat> scale) {
  if (!scale || scale->isFinite())
    return success();
  return op->emitOpError() << "softmax_scale must be finite; without it the scale is 1 / sqrt(head_dim)";
}

LogicalResult twilight::verifyListCount(Operation *op, Value selection, int64_t queryHeads, int64_t kvHeads) {
  auto assemble = selection.getDefiningOp<AssembleSelectionOp>();
  if (!assemble)
    return success();
  bool perHead = assemble.getSelection().getType().getLists() == Lists::QueryHead;
  int64_t expected = perHead ? queryHeads : kvHeads;
  int64_t found = cast<ShapedType>(assemble.getIndices().getType()).getDimSize(1);
  if (found == expected)
    return success();
  return op->emitOpError() << "the selection must have a list for each of the " << expected
                           << (perHead ? " query heads" : " kv heads") << ", found " << found
                           << " lists in twilight.assemble_selection";
}
