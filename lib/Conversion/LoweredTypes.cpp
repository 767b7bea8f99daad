// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// What the dialect's values become when a pipeline is lowered, on every target.

#include "twilight/Conversion/LoweredTypes.h"

using namespace mlir;
using namespace twilight;

static MemRefType dynamicMemRef(int64_t rank, Type element) {
  return MemRefType::get(SmallVector<int64_t>(rank, ShapedType::kDynamic), element);
}

static void addSelection(MLIRContext *context, SmallVectorImpl<Type> &types) {
  Type i32 = IntegerType::get(context, 32);
  types.push_back(dynamicMemRef(3, i32));
  types.push_back(dynamicMemRef(2, i32));
}

void twilight::populateLoweredTypeConversions(TypeConverter &converter) {
  converter.addConversion([](Type type) { return type; });
  converter.addConversion(
      [](RankedTensorType type) -> Type { return MemRefType::get(type.getShape(), type.getElementType()); });
  converter.addConversion([](CacheType type, SmallVectorImpl<Type> &types) -> LogicalResult {
    for (CachePart part : type.getParts()) {
      RankedTensorType partType = type.getPartType(part);
      types.push_back(MemRefType::get(partType.getShape(), partType.getElementType()));
    }
    return success();
  });
  converter.addConversion([](SelectionType type, SmallVectorImpl<Type> &types) -> LogicalResult {
    addSelection(type.getContext(), types);
    return success();
  });
  converter.addConversion([](ScoresType type, SmallVectorImpl<Type> &types) -> LogicalResult {
    types.push_back(dynamicMemRef(3, type.getElementType()));
    addSelection(type.getContext(), types);
    types.push_back(dynamicMemRef(1, IntegerType::get(type.getContext(), 32)));
    return success();
  });
}

CacheBuffers::CacheBuffers(CacheType type, ValueRange values) : type(type) {
  size_t next = 0;
  for (CachePart part : type.getParts()) {
    Value *slots[] = {&kPages, &vPages, &codes, &scale, &zero, &summary, &pageTable, &seqLens};
    *slots[static_cast<size_t>(part)] = values[next++];
  }
}

SmallVector<Value> CacheBuffers::getQuantizedKeys() const {
  SmallVector<Value> keys;
  for (Value part : {codes, scale, zero})
    if (part)
      keys.push_back(part);
  return keys;
}

Value CacheBuffers::get(CachePart part) const {
  const Value slots[] = {kPages, vPages, codes, scale, zero, summary, pageTable, seqLens};
  return slots[static_cast<size_t>(part)];
}
