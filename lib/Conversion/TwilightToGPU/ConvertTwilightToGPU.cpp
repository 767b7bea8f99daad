// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The pass: every op of the dialect to kernels and launches.

#include "Lowering.h"

#include "twilight/Conversion/Passes.h"
#include "twilight/Target/TargetInfo.h"

#include "mlir/Dialect/Func/Transforms/FuncConversions.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

namespace twilight {
#define GEN_PASS_DEF_CONVERTTWILIGHTTOGPUPASS
#include "twilight/Conversion/Passes.h.inc"
} // namespace twilight

using namespace mlir;
using namespace twilight;

namespace {

constexpr StringLiteral kModuleName = "twilight_kernels";

bool isPipeline(func::FuncOp func) {
  auto isOurs = [](Operation *op) {
    return isa<TwilightDialect>(op->getDialect()) ? WalkResult::interrupt() : WalkResult::advance();
  };
  return !func.isExternal() && func.getBody().walk(isOurs).wasInterrupted();
}

//===-- Before the conversion: names, and p on the device ----------------------------------------------------===//

/// What the ops say of the buffers they read: names of dimensions, pages, and what is changed in place.
void describeArguments(func::FuncOp func) {
  Builder builder(func.getContext());
  auto outside = [](Value value) {
    auto argument = dyn_cast_or_null<BlockArgument>(value);
    auto fused = argument ? dyn_cast<FusedOp>(argument.getOwner()->getParentOp()) : FusedOp();
    return fused ? fused.getOutside(value) : value;
  };
  auto set = [&](Value value, ArrayRef<StringRef> dims) {
    auto argument = dyn_cast_or_null<BlockArgument>(outside(value));
    if (!argument || argument.getOwner() != &func.getBody().front() ||
        func.getArgAttr(argument.getArgNumber(), kDimsAttr))
      return;
    int64_t rank = cast<ShapedType>(argument.getType()).getRank();
    func.setArgAttr(argument.getArgNumber(), kDimsAttr, builder.getStrArrayAttr(dims.take_front(rank)));
  };
  auto mark = [&](Value value, StringRef name, Attribute attribute) {
    if (auto argument = dyn_cast<BlockArgument>(value); argument && argument.getOwner() == &func.getBody().front())
      func.setArgAttr(argument.getArgNumber(), name, attribute);
  };
  func.walk([&](Operation *op) {
    if (auto assemble = dyn_cast<AssembleCacheOp>(op)) {
      CacheType cache = assemble.getCache().getType();
      bool written = llvm::any_of(assemble.getCache().getUsers(), [](Operation *user) { return isa<AppendOp>(user); });
      for (CachePart part : cache.getParts()) {
        Value buffer = assemble.getPartOperand(part);
        if (part == CachePart::PageTable || part == CachePart::SeqLens)
          mark(buffer, kPageSizeAttr, builder.getI64IntegerAttr(cache.getPageSize()));
        if (written && part != CachePart::PageTable)
          mark(buffer, kWrittenAttr, builder.getUnitAttr());
        if (part == CachePart::PageTable)
          set(buffer, {"B", "max_pages"});
        else if (part == CachePart::SeqLens)
          set(buffer, {"B"});
        else
          set(buffer, SmallVector<StringRef>{"pages", "", "", ""});
      }
    } else if (auto append = dyn_cast<AppendOp>(op)) {
      set(append.getK(), {"B", "T", "", ""});
      set(append.getV(), {"B", "T", "", ""});
      set(append.getNewLens(), {"B"});
    } else if (isa<SelectOp, QuantizeScoreOp, GatherAttendOp, AttendOp>(op)) {
      set(op->getOperand(0), {"B", "", ""});
    } else if (auto merge = dyn_cast<MergeOp>(op)) {
      for (Value operand : merge->getOperands())
        set(operand, {"B", "", ""});
    } else if (auto assembleSelection = dyn_cast<AssembleSelectionOp>(op)) {
      set(assembleSelection.getIndices(), {"B", "", ""});
      set(assembleSelection.getCounts(), {"B", ""});
    }
  });
}

void nameArguments(func::FuncOp func) {
  Builder builder(func.getContext());
  for (unsigned i = 0; i < func.getNumArguments(); ++i)
    if (!func.getArgAttr(i, kNameAttr))
      func.setArgAttr(i, kNameAttr, builder.getStringAttr("arg" + Twine(i)));
  for (unsigned i = 0; i < func.getNumResults(); ++i)
    if (!func.getResultAttr(i, kNameAttr))
      func.setResultAttr(i, kNameAttr, builder.getStringAttr("result" + Twine(i)));
}

/// An f32 argument becomes a buffer of one element; only top_p may read it.
LogicalResult moveLevelsToDevice(func::FuncOp func) {
  SmallVector<Type> inputs(func.getFunctionType().getInputs());
  for (BlockArgument argument : func.getArguments()) {
    if (!argument.getType().isF32())
      continue;
    Type buffer = MemRefType::get({1}, argument.getType());
    // Inside a fused op another name for it has the users.
    SmallVector<Value> names = {argument};
    for (OpOperand &use : argument.getUses())
      if (auto fused = dyn_cast<FusedOp>(use.getOwner()))
        names.push_back(fused.getBody().getArgument(use.getOperandNumber()));
    for (Value name : names) {
      for (Operation *user : name.getUsers())
        if (!isa<TopPOp, FusedOp>(user))
          return user->emitOpError() << "reads the f32 argument " << argument.getArgNumber()
                                     << " of a GPU pipeline; only twilight.top_p can (it lives on the device)";
      name.setType(buffer);
    }
    inputs[argument.getArgNumber()] = buffer;
  }
  func.setFunctionType(FunctionType::get(func.getContext(), inputs, func.getFunctionType().getResults()));
  return success();
}

/// Only fused ops of the block shape are lowered as a whole.
LogicalResult checkFused(func::FuncOp func) {
  WalkResult walk = func.walk([](FusedOp op) {
    ScheduleAttr schedule = op.getScheduleAttr();
    if (schedule && schedule.getShape() == ScheduleShape::Block)
      return WalkResult::advance();
    op.emitOpError() << "must be inlined before its ops are lowered: run twilight-inline-fused";
    return WalkResult::interrupt();
  });
  return failure(walk.wasInterrupted());
}

LogicalResult checkSignature(func::FuncOp func) {
  auto isBuffer = [](Type type) { return isa<RankedTensorType, MemRefType>(type); };
  for (auto [i, type] : llvm::enumerate(func.getArgumentTypes()))
    if (!isBuffer(type))
      return func.emitError() << "argument " << i << " of a GPU pipeline must be a tensor, a memref or an f32 that "
                              << "twilight.top_p reads, found " << type << "; assemble caches inside the function";
  for (auto [i, type] : llvm::enumerate(func.getResultTypes()))
    if (!isBuffer(type))
      return func.emitError() << "result " << i << " of a GPU pipeline must be a tensor or a memref, found " << type;
  return success();
}

/// Every launch but the first may overlap the end of the one before it: kernels wait for it before they read what it
/// made, and read the pipeline's inputs at any time. Where a kernel changes inputs, all launches stay apart. Lengths
/// that were split are read like inputs: the launch after the one that splits them begins at its end, and so do all
/// later. Blocks that wait for each other have the device to themselves, before and after.
void markDependentLaunches(func::FuncOp func) {
  for (unsigned i = 0; i < func.getNumArguments(); ++i)
    if (func.getArgAttr(i, kWrittenAttr))
      return;
  auto isOf = [](gpu::LaunchFuncOp launch, StringRef op) {
    return cast<StringAttr>(launch->getDiscardableAttr(kOpAttr)).getValue() == op;
  };
  gpu::LaunchFuncOp before;
  for (auto launch : func.getOps<gpu::LaunchFuncOp>()) {
    bool alone = launch->hasAttr(kCooperativeAttr) || (before && before->hasAttr(kCooperativeAttr));
    if (before && !alone && !isOf(before, SplitByLengthOp::getOperationName()))
      launch->setDiscardableAttr(kDependentLaunchAttr, UnitAttr::get(func.getContext()));
    before = launch;
  }
}

struct ConvertTwilightToGPU : twilight::impl::ConvertTwilightToGPUPassBase<ConvertTwilightToGPU> {
  using ConvertTwilightToGPUPassBase::ConvertTwilightToGPUPassBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    MLIRContext *context = &getContext();
    const TargetInfo *target = lookupTarget(chip);
    if (!target) {
      module.emitError() << "unknown chip '" << chip << "'; expected one of " << targetNames();
      return signalPassFailure();
    }
    if (!target->features.bf16Mma) {
      module.emitError() << "chip '" << chip << "' lacks the tensor-core products that the kernels use";
      return signalPassFailure();
    }
    llvm::SmallPtrSet<Operation *, 4> pipelines;
    for (auto func : module.getOps<func::FuncOp>()) {
      if (!isPipeline(func))
        continue;
      pipelines.insert(func);
      if (failed(checkFused(func)))
        return signalPassFailure();
      nameArguments(func);
      describeArguments(func);
      if (failed(moveLevelsToDevice(func)) || failed(checkSignature(func)))
        return signalPassFailure();
    }
    if (module.getOps<gpu::GPUModuleOp>().empty()) {
      OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
      auto kernels = gpu::GPUModuleOp::create(builder, module.getLoc(), kModuleName);
      Attribute targetAttr =
          NVVM::NVVMTargetAttr::get(context, /*optLevel=*/3, "nvptx64-nvidia-cuda", chip, target->nvptxFeatures());
      kernels.setTargetsAttr(builder.getArrayAttr({targetAttr}));
    }
    module->setAttr(gpu::GPUDialect::getContainerModuleAttrName(), UnitAttr::get(context));

    TypeConverter converter;
    populateLoweredTypeConversions(converter);
    ConversionTarget legal(*context);
    legal.addIllegalDialect<TwilightDialect>();
    legal.markUnknownOpDynamicallyLegal([](Operation *) { return true; });
    // Other functions keep their tensors.
    legal.addDynamicallyLegalOp<func::FuncOp>(
        [&](func::FuncOp op) { return !pipelines.contains(op) || converter.isSignatureLegal(op.getFunctionType()); });
    legal.addDynamicallyLegalOp<func::ReturnOp>([&](func::ReturnOp op) {
      return !pipelines.contains(op->getParentOp()) || converter.isLegal(op.getOperation());
    });
    RewritePatternSet patterns(context);
    populateFunctionOpInterfaceTypeConversionPattern<func::FuncOp>(patterns, converter);
    populateReturnOpTypeConversionPattern(patterns, converter);
    populateLengthPatterns(converter, patterns);
    populateSelectionPatterns(converter, patterns);
    populateTopPPatterns(converter, patterns);
    populateAttendPatterns(converter, patterns);
    populateCachePatterns(converter, patterns);
    populateFusedPatterns(converter, patterns);
    SmallVector<func::FuncOp> all;
    for (auto func : module.getOps<func::FuncOp>())
      if (pipelines.contains(func))
        all.push_back(func);
    if (failed(applyPartialConversion(module, legal, std::move(patterns))))
      return signalPassFailure();
    if (target->features.gridDependencyControl)
      for (func::FuncOp func : all)
        markDependentLaunches(func);
  }
};

} // namespace
