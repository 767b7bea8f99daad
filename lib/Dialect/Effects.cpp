// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Effects of the ops that are pure over tensors. Over memrefs they read memory that others may write in between.

#include "twilight/Dialect/Twilight.h"

using namespace mlir;
using namespace twilight;

using Effects = SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>>;

static void getBufferEffects(Operation *op, Effects &effects) {
  for (OpOperand &operand : op->getOpOperands())
    if (isa<BaseMemRefType>(operand.get().getType()))
      effects.emplace_back(MemoryEffects::Read::get(), &operand);
  for (OpResult result : op->getOpResults())
    if (isa<BaseMemRefType>(result.getType()))
      effects.emplace_back(MemoryEffects::Allocate::get(), result);
}

void SelectOp::getEffects(Effects &effects) { getBufferEffects(*this, effects); }
void QuantizeScoreOp::getEffects(Effects &effects) { getBufferEffects(*this, effects); }
void TopPOp::getEffects(Effects &effects) { getBufferEffects(*this, effects); }
void AssembleSelectionOp::getEffects(Effects &effects) { getBufferEffects(*this, effects); }
void CountOp::getEffects(Effects &effects) { getBufferEffects(*this, effects); }
void GatherAttendOp::getEffects(Effects &effects) { getBufferEffects(*this, effects); }
void AttendOp::getEffects(Effects &effects) { getBufferEffects(*this, effects); }
void MergeOp::getEffects(Effects &effects) { getBufferEffects(*this, effects); }
void AddLengthsOp::getEffects(Effects &effects) { getBufferEffects(*this, effects); }
void AssembleCacheOp::getEffects(Effects &effects) { getBufferEffects(*this, effects); }
void FusedOp::getEffects(Effects &effects) { getBufferEffects(*this, effects); }
