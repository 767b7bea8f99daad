// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// What the patterns of the GPU lowering share.

#include "Lowering.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;
using namespace twilight;

static gpu::GPUModuleOp getGpuModule(Operation *op) {
  auto module = op->getParentOfType<ModuleOp>();
  auto existing = module.getOps<gpu::GPUModuleOp>();
  return existing.empty() ? gpu::GPUModuleOp() : *existing.begin();
}

Lowering::Lowering(Operation *op, ConversionPatternRewriter &rewriter)
    : op(op), emitter(op->getLoc(), rewriter), gpuModule(getGpuModule(op)) {}

std::string Lowering::kernelName(StringRef stage) {
  std::string base = (op->getParentOfType<func::FuncOp>().getSymName() + "_" + stage).str(), name = base;
  for (int i = 2; gpuModule.lookupSymbol(name); ++i)
    name = base + "_" + std::to_string(i);
  return name;
}

Expr Lowering::dim(Value buffer, int64_t dimension) {
  auto type = cast<MemRefType>(buffer.getType());
  if (!type.isDynamicDim(dimension))
    return emitter.index(type.getDimSize(dimension));
  return emitter.wrap(memref::DimOp::create(emitter, buffer, dimension));
}

Value Lowering::allocate(MemRefType type, ArrayRef<Expr> sizes) {
  SmallVector<Value> dynamicSizes;
  for (int64_t i = 0; i < type.getRank(); ++i)
    if (type.isDynamicDim(i))
      dynamicSizes.push_back(sizes[i]);
  return memref::AllocOp::create(emitter, type, dynamicSizes);
}

Value Lowering::allocateZeroed(int64_t count) {
  auto alloc = memref::AllocOp::create(emitter, MemRefType::get({count}, emitter.getI32Type()));
  alloc->setDiscardableAttr(kZeroedAttr, emitter.getUnitAttr());
  return alloc;
}

const TargetInfo &Lowering::getTarget() {
  auto target = cast<NVVM::NVVMTargetAttr>(gpuModule.getTargetsAttr()[0]);
  return *lookupTarget(std::string_view(target.getChip().data(), target.getChip().size()));
}

Expr Lowering::sharedWords(const KernelInfo &kernel, Expr wanted) {
  const int64_t words = (getTarget().sharedBytesPerBlock - kernel.sharedBytes) / 4;
  return min(ceilDiv(wanted, 4) * 4, words / 4 * 4);
}

Expr Lowering::itemsPerBlock(Expr size, Expr lists, int64_t step, int64_t resident) {
  // One round: what a block does before its first rows takes as long as several steps.
  const int64_t blocks = resident * static_cast<int64_t>(getTarget().part.smCount);
  Expr blocksPerList = max(emitter.index(blocks) / max(lists, 1), 1);
  return max(ceilDiv(ceilDiv(size, step), blocksPerList), 1) * step;
}

void Lowering::launch(const KernelInfo &kernel, std::array<Expr, 3> grid, ArrayRef<Value> operands,
                      Expr extraSharedBytes) {
  SmallVector<Value> arguments;
  Type i32 = emitter.getI32Type(), i64 = emitter.getI64Type();
  for (Value operand : operands) {
    if (operand.getType().isIndex()) {
      arguments.push_back(emitter.wrap(operand).to(i32));
    } else if (isa<MemRefType>(operand.getType())) {
      Value address = memref::ExtractAlignedPointerAsIndexOp::create(emitter, operand);
      Value bits = arith::IndexCastOp::create(emitter, i64, address);
      arguments.push_back(LLVM::IntToPtrOp::create(emitter, LLVM::LLVMPointerType::get(emitter.getContext(), 1), bits));
    } else {
      arguments.push_back(operand);
    }
  }
  gpu::KernelDim3 blocks{grid[0], grid[1], grid[2]};
  gpu::KernelDim3 threads{emitter.index(kernel.threads), one(), one()};
  Expr shared = emitter.i32(kernel.sharedBytes);
  if (extraSharedBytes)
    shared = shared + extraSharedBytes.to(i32);
  auto launch = gpu::LaunchFuncOp::create(emitter, kernel.func, blocks, threads, shared, arguments);
  launch->setDiscardableAttr(kOpAttr, emitter.getStringAttr(op->getName().getStringRef()));
  if (kernel.cluster > 1)
    launch->setDiscardableAttr(kClusterAttr, emitter.getI64IntegerAttr(kernel.cluster));
  if (kernel.cooperative)
    launch->setDiscardableAttr(kCooperativeAttr, emitter.getUnitAttr());
}

FailureOr<AttentionShape> twilight::getAttentionShape(Operation *op, Value q, CacheType cache, Lists lists) {
  auto type = cast<ShapedType>(q.getType());
  HeadCounts heads = getHeadCounts(q, cache);
  auto is16Bit = [](Type t) { return t.isF16() || t.isBF16(); };
  if (!is16Bit(type.getElementType()) || !is16Bit(cache.getElementType()))
    return op->emitOpError() << "GPU kernels take f16 or bf16 queries, keys and values, found q of "
                             << type.getElementType() << " and a cache of " << cache.getElementType();
  if (type.getElementType() != cache.getElementType())
    return op->emitOpError() << "GPU kernels take q in the cache's element type " << cache.getElementType()
                             << ", found " << type.getElementType();
  if (cache.getHeadDim() != 64 && cache.getHeadDim() != 128)
    return op->emitOpError() << "GPU kernels support head_dim 64 and 128, found " << cache.getHeadDim();
  if (heads.group > 8)
    return op->emitOpError() << "GPU kernels support up to 8 query heads for each kv head, found " << heads.group;
  return AttentionShape{heads.kv, heads.group,           cache.getHeadDim(),     cache.getPageSize(), cache.getLayout(),
                        lists,    type.getElementType(), cache.getElementType(), cache.getCodes()};
}

LogicalResult twilight::verifySummary(Operation *op, CacheType cache) {
  if (!cache.getSummaryInterface().getElementType().isF32())
    return success();
  return op->emitOpError() << "GPU kernels read page summaries of f16, bf16, f8E5M2 or i8, found "
                           << cache.getSummary();
}

MemRefType twilight::dynamicMemRef(int64_t rank, Type element) {
  return MemRefType::get(SmallVector<int64_t>(rank, ShapedType::kDynamic), element);
}

Value twilight::toDynamic(Lowering &lowering, Value buffer) {
  auto type = cast<MemRefType>(buffer.getType());
  MemRefType dynamic = dynamicMemRef(type.getRank(), type.getElementType());
  if (type == dynamic)
    return buffer;
  return memref::CastOp::create(lowering.host(), dynamic, buffer);
}
