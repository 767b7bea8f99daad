// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Verifiers of the ops that attend.

#include "Verify.h"

using namespace mlir;
using namespace twilight;

LogicalResult GatherAttendOp::verify() {
  CacheType cache = getCache().getType();
  if (failed(verifyQuery(*this, getQ(), cache)) || failed(verifySoftmaxScale(*this, getSoftmaxScale())))
    return failure();
  HeadCounts heads = getHeadCounts(getQ(), cache);
  if (failed(verifyListCount(*this, getSelection(), heads.query, heads.kv)))
    return failure();
  bool perHead = getSelection().getType().getLists() == Lists::QueryHead;
  return verifyAttention(*this, getQ(), getOut(), getLse(), getCounts(), perHead ? heads.query : heads.kv);
}

LogicalResult AttendOp::verify() {
  CacheType cache = getCache().getType();
  if (failed(verifyQuery(*this, getQ(), cache)) || failed(verifySoftmaxScale(*this, getSoftmaxScale())))
    return failure();
  return verifyAttention(*this, getQ(), getOut(), getLse(), getCounts(), cache.getKvHeads());
}

LogicalResult MergeOp::verify() {
  const int64_t dyn = ShapedType::kDynamic;
  if (failed(verifyBuffer(*this, getOut(), "out", {dyn, dyn, dyn}, {})))
    return failure();
  ArrayRef<int64_t> shape = cast<ShapedType>(getOut().getType()).getShape();
  if (ShapedType::isDynamic(shape[1]) || ShapedType::isDynamic(shape[2]))
    return emitOpError() << "out must have static heads and head dimension, found " << getOut().getType();
  return verifyBuffer(*this, getLse(), "lse", shape.take_front(2), Float32Type::get(getContext()));
}
