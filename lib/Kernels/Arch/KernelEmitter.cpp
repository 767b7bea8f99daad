// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// One GPU kernel under construction: its frame, thread identities, memory.

#include "twilight/Kernels/Arch/KernelEmitter.h"

#include "twilight/Target/TargetInfo.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;
using namespace twilight;

// All kernels of a module share one declaration of dynamic shared memory; each launch gives its own size.
static constexpr StringLiteral kSharedSymbol = "twilight_shared";

static LLVM::GlobalOp getSharedMemory(gpu::GPUModuleOp module) {
  if (auto global = module.lookupSymbol<LLVM::GlobalOp>(kSharedSymbol))
    return global;
  OpBuilder builder = OpBuilder::atBlockBegin(module.getBody());
  auto type = LLVM::LLVMArrayType::get(builder.getI8Type(), 0);
  return LLVM::GlobalOp::create(builder, module.getLoc(), type, /*isConstant=*/false, LLVM::Linkage::External,
                                kSharedSymbol, /*value=*/Attribute(), /*alignment=*/128,
                                /*addrSpace=*/static_cast<unsigned>(NVVM::NVVMMemorySpace::Shared));
}

KernelEmitter::KernelEmitter(gpu::GPUModuleOp module, StringRef name, int64_t threads, TypeRange parameters,
                             int64_t minBlocks, bool mayOverlap)
    : Emitter(module.getLoc(), module.getContext()), threads(threads) {
  setInsertionPointToEnd(module.getBody());
  func = gpu::GPUFuncOp::create(*this, name, getFunctionType(parameters, {}));
  func->setAttr(gpu::GPUDialect::getKernelFuncAttrName(), getUnitAttr());
  func->setAttr("nvvm.maxntid", getDenseI32ArrayAttr({static_cast<int32_t>(threads), 1, 1}));
  if (minBlocks > 0)
    func->setAttr("nvvm.minctasm", getI32IntegerAttr(static_cast<int32_t>(minBlocks)));
  func.setKnownBlockSizeAttr(getDenseI32ArrayAttr({static_cast<int32_t>(threads), 1, 1}));
  setInsertionPointToStart(&func.getBody().front());
  if (!mayOverlap || !supportsDependentLaunch(module))
    return;
  // The next kernel's blocks may come as soon as all of this one's have begun; they wait here too, so that ends follow
  // in order. Announced only behind the wait: else all kernels of a graph would gather on the chip.
  auto action = [&](NVVM::GridDepActionKind kind) { NVVM::GriddepcontrolOp::create(*this, kind); };
  action(NVVM::GridDepActionKind::wait);
  action(NVVM::GridDepActionKind::launch_dependents);
}

bool twilight::supportsDependentLaunch(gpu::GPUModuleOp module) {
  ArrayAttr targets = module.getTargetsAttr();
  auto target = targets && !targets.empty() ? dyn_cast<NVVM::NVVMTargetAttr>(targets[0]) : NVVM::NVVMTargetAttr();
  if (!target)
    return false;
  const TargetInfo *info = lookupTarget(std::string_view(target.getChip().data(), target.getChip().size()));
  return info && info->features.gridDependencyControl;
}

gpu::GPUFuncOp KernelEmitter::finish() {
  gpu::ReturnOp::create(*this);
  return func;
}

Type KernelEmitter::ptr() { return LLVM::LLVMPointerType::get(getContext(), 1); }

//===-- Where am I -------------------------------------------------------------------------------------------===//

Expr KernelEmitter::threadIndex() {
  Expr thread =
      blockThread.get() ? blockThread : wrap(gpu::ThreadIdOp::create(*this, gpu::Dimension::x)).to(getI32Type());
  return group ? thread - group->firstWarp * kWarp : thread;
}
Expr KernelEmitter::lane() { return threadIndex() & (kWarp - 1); }
Expr KernelEmitter::warp() { return threadIndex() >> 5; }
Expr KernelEmitter::block(gpu::Dimension dimension) {
  return wrap(gpu::BlockIdOp::create(*this, dimension)).to(getI32Type());
}
Expr KernelEmitter::gridBlocks() { return readAnew("nctaid.x"); }

//===-- Memory -----------------------------------------------------------------------------------------------===//

Expr KernelEmitter::address(Expr pointer, Expr index, Type element) {
  // The index is widened where it is used: address arithmetic above this stays in 32 bits.
  return wrap(LLVM::GEPOp::create(*this, pointer.getType(), element, pointer.get(),
                                  ArrayRef<LLVM::GEPArg>{index.to(getI64Type()).get()}));
}

static unsigned byteWidth(Type type) {
  if (auto vector = dyn_cast<VectorType>(type))
    return vector.getNumElements() * vector.getElementType().getIntOrFloatBitWidth() / 8;
  return std::max(1u, type.getIntOrFloatBitWidth() / 8);
}

Expr KernelEmitter::load(Expr pointer, Expr index, Type type, Access access, Type element) {
  Expr at = address(pointer, index, element ? element : type);
  auto load = LLVM::LoadOp::create(*this, type, at, /*alignment=*/byteWidth(type), /*isVolatile=*/false,
                                   /*isNonTemporal=*/false,
                                   /*isInvariant=*/access != Access::Produced && !staysInPlace);
  return wrap(load);
}

void KernelEmitter::store(Expr pointer, Expr index, Expr value, Type element) {
  Expr at = address(pointer, index, element ? element : value.getType());
  LLVM::StoreOp::create(*this, value, at, /*alignment=*/byteWidth(value.getType()));
}

// MLIR 22 has no op for a cache policy, nor for a load that follows one, nor for a value that no pass may move, nor for
// lop3, nor for a relaxed access of four words: the only inline assembly of the kernels.
static Value assembly(Emitter &e, Type result, StringRef text, StringRef constraints, ValueRange operands,
                      bool stays = false) {
  return LLVM::InlineAsmOp::create(e, result, operands, text, constraints, /*has_side_effects=*/stays,
                                   /*is_align_stack=*/false, LLVM::TailCallKind::None,
                                   LLVM::AsmDialectAttr::get(e.getContext(), LLVM::AsmDialect::AD_ATT), ArrayAttr())
      ->getResult(0);
}

Expr KernelEmitter::readAnew(StringRef special) {
  return wrap(assembly(*this, getI32Type(), ("mov.u32 $0, %" + special + ";").str(), "=r", {}, /*stays=*/true));
}

Expr KernelEmitter::forget(Expr value) {
  return wrap(assembly(*this, getI32Type(), "mov.u32 $0, $1;", "=r,r", {value}, /*stays=*/true));
}

// One instruction; written with & and |, LLVM makes two constants of the mask and two instructions of it.
Expr KernelEmitter::selectBits(Expr a, Expr b, int64_t mask) {
  return wrap(assembly(*this, getI32Type(), "lop3.b32 $0, $1, $2, $3, 0xE4;", "=r,r,r,r", {a, b, i32(mask)}));
}

Expr KernelEmitter::blockAnew() { return readAnew("ctaid.x"); }

void KernelEmitter::anew(function_ref<void()> body) {
  Expr outer = std::exchange(blockThread, readAnew("tid.x"));
  body();
  blockThread = outer;
}

void KernelEmitter::inPlace(function_ref<void()> body) {
  bool outer = std::exchange(staysInPlace, true);
  body();
  staysInPlace = outer;
}

SmallVector<Expr, 4> KernelEmitter::loadStreaming(Expr pointer, Expr index, int64_t words, int64_t run,
                                                  Expr condition) {
  if (!evictFirst.get()) {
    InsertionGuard guard(*this);
    setInsertionPointToStart(&func.getBody().front());
    evictFirst = wrap(assembly(*this, getI64Type(), "createpolicy.fractional.L2::evict_first.b64 $0, 1.0;", "=l", {}));
  }
  Type i32 = getI32Type(), piece = words == 1 ? i32 : VectorType::get(words, i32);
  Value at = address(pointer, index, piece);
  std::string results, constraints, before;
  for (int64_t i = 0; i < words; ++i) {
    results += (i ? ", $" : "$") + std::to_string(i);
    constraints += condition.get() ? "=&r," : "=r,";
    if (condition.get())
      before += "mov.b32 $" + std::to_string(i) + ", 0; ";
  }
  if (condition.get())
    before += "@$" + std::to_string(words + 2) + " ";
  std::string width = words == 1 ? "" : ".v" + std::to_string(words);
  std::string ahead = run > 0 && run % 256 == 0 ? ".L2::256B" : run > 0 && run % 128 == 0 ? ".L2::128B" : "";
  std::string text = before + "ld.global.nc.L1::no_allocate.L2::cache_hint" + ahead + width + ".b32 " +
                     (words == 1 ? results : "{" + results + "}") + ", [$" + std::to_string(words) + "], $" +
                     std::to_string(words + 1) + ";";
  SmallVector<Type> types(words, i32);
  Type result = words == 1 ? i32 : LLVM::LLVMStructType::getLiteral(getContext(), types);
  SmallVector<Value> operands = {at, evictFirst.get()};
  if (condition.get())
    operands.push_back(condition);
  Value loaded =
      assembly(*this, result, text, constraints + (condition.get() ? "l,l,b" : "l,l"), operands, staysInPlace);
  if (words == 1)
    return {wrap(loaded)};
  SmallVector<Expr, 4> all;
  for (int64_t i = 0; i < words; ++i)
    all.push_back(wrap(LLVM::ExtractValueOp::create(*this, loaded, i)));
  return all;
}

static Value packFour(Emitter &e, const std::array<Expr, 4> &values) {
  Value all = LLVM::PoisonOp::create(e, VectorType::get(4, values[0].getType()));
  for (int64_t i = 0; i < 4; ++i)
    all = LLVM::InsertElementOp::create(e, all, values[i].get(), e.i32(i).get());
  return all;
}

void KernelEmitter::storeFour(Expr pointer, Expr four, const std::array<Expr, 4> &values) {
  store(pointer, four, wrap(packFour(*this, values)));
}

std::array<Expr, 4> KernelEmitter::loadWords4(Expr pointer, Expr index16, Access access, int64_t run) {
  if (access == Access::Streaming) {
    SmallVector<Expr, 4> words = loadStreaming(pointer, index16, 4, run);
    return {words[0], words[1], words[2], words[3]};
  }
  Expr words = load(pointer, index16, VectorType::get(4, getI32Type()), access);
  std::array<Expr, 4> result;
  for (int64_t i = 0; i < 4; ++i)
    result[i] = wrap(LLVM::ExtractElementOp::create(*this, words.get(), i32(i).get()));
  return result;
}

static Expr sharedAddress(Expr base, Expr index, Type element) {
  Emitter &e = base.getEmitter();
  return e.wrap(LLVM::GEPOp::create(e, base.getType(), element, base.get(), ArrayRef<LLVM::GEPArg>{index.get()}));
}

SharedTile KernelEmitter::sharedBehind(Type element, Expr bytes) {
  LLVM::GlobalOp memory = getSharedMemory(func->getParentOfType<gpu::GPUModuleOp>());
  auto pointer = LLVM::LLVMPointerType::get(getContext(), memory.getAddrSpace());
  Expr base = wrap(LLVM::AddressOfOp::create(*this, pointer, kSharedSymbol));
  return SharedTile(sharedAddress(base, bytes + sharedBytes, getI8Type()), element);
}

SharedTile KernelEmitter::shared(Type element, int64_t count) {
  SharedTile tile = sharedBehind(element, i32(0));
  sharedBytes = llvm::alignTo(sharedBytes + count * byteWidth(element), 16);
  return tile;
}

Expr SharedTile::address(Expr index, Type type) const {
  if (first.get())
    index = first + index * static_cast<int64_t>(byteWidth(type) / byteWidth(element));
  return sharedAddress(base, index, first.get() ? element : type);
}

SharedTile SharedTile::from(Expr elements) const {
  return first.get() ? SharedTile(base, first + elements, element) : SharedTile(address(elements, element), element);
}

SharedTile SharedTile::ofBlock(Expr rank) const {
  Emitter &e = base.getEmitter();
  auto pointer =
      LLVM::LLVMPointerType::get(e.getContext(), static_cast<unsigned>(NVVM::NVVMMemorySpace::SharedCluster));
  return SharedTile(e.wrap(NVVM::MapaOp::create(e, pointer, base, rank)), element);
}

Expr SharedTile::load(Expr index) const {
  Emitter &e = base.getEmitter();
  return e.wrap(LLVM::LoadOp::create(e, element, address(index, element).get(), byteWidth(element)));
}

void SharedTile::store(Expr index, Expr value) const {
  LLVM::StoreOp::create(base.getEmitter(), value, address(index, element), byteWidth(element));
}

static Expr atomic(Expr address, Expr value, LLVM::AtomicBinOp operation) {
  Emitter &e = value.getEmitter();
  return e.wrap(LLVM::AtomicRMWOp::create(e, operation, address, value, LLVM::AtomicOrdering::monotonic, "block"));
}

Expr SharedTile::atomicAdd(Expr index, Expr value) const {
  return atomic(address(index, element), value, LLVM::AtomicBinOp::add);
}

void SharedTile::atomicOr(Expr index, Expr bits) const {
  atomic(address(index, element), bits, LLVM::AtomicBinOp::_or);
}

Expr SharedTile::loadPair(Expr pair) const {
  Emitter &e = base.getEmitter();
  Type i64 = e.getI64Type();
  return e.wrap(LLVM::LoadOp::create(e, i64, address(pair, i64).get(), 8));
}

std::array<Expr, 4> SharedTile::loadFour(Expr four) const {
  Emitter &e = base.getEmitter();
  Type vector = VectorType::get(4, element);
  Value all = LLVM::LoadOp::create(e, vector, address(four, vector).get(), 16);
  std::array<Expr, 4> values;
  for (int64_t i = 0; i < 4; ++i)
    values[i] = e.wrap(LLVM::ExtractElementOp::create(e, all, e.i32(i).get()));
  return values;
}

void SharedTile::storeFour(Expr four, const std::array<Expr, 4> &values) const {
  Emitter &e = base.getEmitter();
  Value all = packFour(e, values);
  LLVM::StoreOp::create(e, all, address(four, all.getType()), 16);
}

void SharedTile::publish(Expr index, Expr value) const {
  LLVM::StoreOp::create(base.getEmitter(), value, address(index, element), byteWidth(element), /*isVolatile=*/false,
                        /*isNonTemporal=*/false, /*isInvariantGroup=*/false, LLVM::AtomicOrdering::monotonic, "device");
}

void SharedTile::publishFour(Expr four, const std::array<Expr, 4> &values) const {
  Emitter &e = base.getEmitter();
  SmallVector<Value> operands = {address(four, VectorType::get(4, element))};
  operands.append(values.begin(), values.end());
  LLVM::InlineAsmOp::create(e, TypeRange(), operands, "st.relaxed.gpu.global.v4.b32 [$0], {$1, $2, $3, $4};",
                            "l,r,r,r,r,~{memory}", /*has_side_effects=*/true, /*is_align_stack=*/false,
                            LLVM::TailCallKind::None,
                            LLVM::AsmDialectAttr::get(e.getContext(), LLVM::AsmDialect::AD_ATT), ArrayAttr());
}

std::array<Expr, 4> SharedTile::lookAtFour(Expr four) const {
  Emitter &e = base.getEmitter();
  auto type = LLVM::LLVMStructType::getLiteral(e.getContext(), SmallVector<Type>(4, e.getI32Type()));
  Value words = assembly(e, type, "ld.relaxed.gpu.global.v4.b32 {$0, $1, $2, $3}, [$4];", "=r,=r,=r,=r,l,~{memory}",
                         {address(four, VectorType::get(4, element))}, /*stays=*/true);
  std::array<Expr, 4> values;
  for (int64_t k = 0; k < 4; ++k)
    values[k] = e.wrap(LLVM::ExtractValueOp::create(e, words, k));
  return values;
}
