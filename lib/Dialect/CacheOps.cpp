// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Verifiers and folders of the ops on caches.

#include "Verify.h"

using namespace mlir;
using namespace twilight;

Value AssembleCacheOp::getPartOperand(CachePart part) {
  switch (part) {
  case CachePart::KPages:
    return getKPages();
  case CachePart::VPages:
    return getVPages();
  case CachePart::Codes:
    return getCodes();
  case CachePart::Scale:
    return getScale();
  case CachePart::Zero:
    return getZero();
  case CachePart::Summary:
    return getSummary();
  case CachePart::PageTable:
    return getPageTable();
  case CachePart::SeqLens:
    return getSeqLens();
  }
  llvm_unreachable("every part has an operand");
}

LogicalResult AssembleCacheOp::verify() {
  CacheType cache = getCache().getType();
  for (uint32_t i = 0; i <= getMaxEnumValForCachePart(); ++i) {
    auto part = static_cast<CachePart>(i);
    Value operand = getPartOperand(part);
    StringRef name = stringifyCachePart(part);
    if (!operand && cache.hasPart(part))
      return emitOpError() << "the cache type has a part '" << name << "': expected an operand " << name << "(...)";
    if (operand && !cache.hasPart(part))
      return emitOpError() << "the cache type has no part '" << name << "': declare it in the type or drop the operand";
    if (!operand)
      continue;
    RankedTensorType type = cache.getPartType(part);
    if (failed(verifyBuffer(*this, operand, "part '" + name + "'", type.getShape(), type.getElementType())))
      return failure();
  }
  return success();
}

LogicalResult CachePartOp::verify() {
  CacheType cache = getCache().getType();
  StringRef name = stringifyCachePart(getPart());
  if (!cache.hasPart(getPart()))
    return emitOpError() << "the cache has no part '" << name
                         << "': declare it in the cache type, twilight.append fills it; found " << cache;
  RankedTensorType type = cache.getPartType(getPart());
  return verifyBuffer(*this, getBuffer(), "part '" + name + "'", type.getShape(), type.getElementType());
}

OpFoldResult CachePartOp::fold(FoldAdaptor) {
  auto assemble = getCache().getDefiningOp<AssembleCacheOp>();
  if (!assemble)
    return {};
  // A buffer that an append changes in place must be read after it.
  if (llvm::any_of(getCache().getUsers(), [](Operation *user) { return isa<AppendOp>(user); }))
    return {};
  Value operand = assemble.getPartOperand(getPart());
  return operand && operand.getType() == getBuffer().getType() ? OpFoldResult(operand) : OpFoldResult();
}

LogicalResult AppendOp::verify() {
  CacheType cache = getCache().getType();
  if (getCache().getDefiningOp<SplitByLengthOp>())
    return emitOpError() << "appends to a part of a batch: append to the whole cache before twilight.split_by_length";
  const int64_t dyn = ShapedType::kDynamic;
  SmallVector<int64_t> shape = {dyn, dyn, cache.getKvHeads(), cache.getHeadDim()};
  if (failed(verifyBuffer(*this, getK(), "k", shape, cache.getElementType())) ||
      failed(verifyBuffer(*this, getV(), "v", shape, cache.getElementType())))
    return failure();
  if (getNewLens())
    return verifyBuffer(*this, getNewLens(), "new_lens", {dyn}, IntegerType::get(getContext(), 32));
  return success();
}
