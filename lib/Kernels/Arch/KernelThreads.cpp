// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// One GPU kernel under construction: threads together, and the machine's arithmetic.

#include "twilight/Kernels/Arch/KernelEmitter.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace twilight;

void KernelEmitter::within(const WarpGroup &inner, function_ref<void()> body) {
  std::optional<WarpGroup> outer = std::exchange(group, inner);
  body();
  group = outer;
}

void KernelEmitter::meet(Expr id, int64_t warps) {
  NVVM::BarrierOp::create(*this, TypeRange(), id, i32(warps * kWarp), NVVM::BarrierReductionAttr(), Value());
}
// The intrinsic instead of nvvm.barrier.arrive, whose inline assembly does not keep memory accesses ahead of it.
void KernelEmitter::arrive(Expr id, int64_t warps) {
  LLVM::CallIntrinsicOp::create(*this, getStringAttr("llvm.nvvm.barrier.cta.arrive.aligned.count"),
                                ValueRange{id.get(), i32(warps * kWarp).get()});
}

void KernelEmitter::barrier() {
  if (group)
    meet(group->barrier, group->warps);
  else
    gpu::BarrierOp::create(*this);
}
void KernelEmitter::syncWarp() { NVVM::SyncWarpOp::create(*this, i32(-1)); }

//===-- Threads together -------------------------------------------------------------------------------------===//

Expr KernelEmitter::shuffleWord(Expr value, Expr operand, int kind) {
  auto mode = static_cast<NVVM::ShflKind>(kind);
  // The clamp of `up` is the lowest lane, of all others the highest.
  Expr clamp = i32(mode == NVVM::ShflKind::up ? 0 : kWarp - 1);
  auto word = [&](Expr x) {
    return wrap(NVVM::ShflOp::create(*this, x.getType(), i32(-1), x, operand, clamp, mode, UnitAttr()));
  };
  if (value.getType().getIntOrFloatBitWidth() == 32)
    return word(value);
  Expr low = word(value.to(getI32Type())), high = word((value >> int64_t(32)).to(getI32Type()));
  return low.toUnsigned(getI64Type()) | (high.toUnsigned(getI64Type()) << int64_t(32));
}

Expr KernelEmitter::shuffle(Expr value, Expr fromLane) {
  return shuffleWord(value, fromLane, static_cast<int>(NVVM::ShflKind::idx));
}
Expr KernelEmitter::shuffleXor(Expr value, int64_t mask) {
  return shuffleWord(value, i32(mask), static_cast<int>(NVVM::ShflKind::bfly));
}
Expr KernelEmitter::shuffleUp(Expr value, int64_t delta) {
  return shuffleWord(value, i32(delta), static_cast<int>(NVVM::ShflKind::up));
}

Expr KernelEmitter::ballot(Expr condition) {
  return wrap(NVVM::VoteSyncOp::create(*this, getI32Type(), i32(-1), condition, NVVM::VoteSyncKind::ballot));
}

Expr KernelEmitter::lanesBelow() { return (i32(1) << lane()) - 1; }

template <typename Combine>
Expr KernelEmitter::warpReduce(Expr value, Combine combine) {
  for (int64_t mask = kWarp / 2; mask > 0; mask /= 2)
    value = combine(value, shuffleXor(value, mask));
  return value;
}

static Expr reduceWord(KernelEmitter &e, Expr value, NVVM::ReduxKind kind) {
  auto attribute = NVVM::ReduxKindAttr::get(e.getContext(), kind);
  return e.wrap(NVVM::ReduxOp::create(e, value.getType(), value, attribute, e.i32(-1)));
}

Expr KernelEmitter::warpMax(Expr value) {
  if (isa<FloatType>(value.getType()))
    return warpReduce(value, [](Expr a, Expr b) { return max(a, b); });
  return reduceWord(*this, value, NVVM::ReduxKind::UMAX);
}

Expr KernelEmitter::warpSum(Expr value) {
  if (value.getType().isInteger(32))
    return reduceWord(*this, value, NVVM::ReduxKind::ADD);
  return warpReduce(value, [](Expr a, Expr b) { return a + b; });
}

//===-- Blocks of a cluster ----------------------------------------------------------------------------------===//

void KernelEmitter::setCluster(int64_t blocks) {
  func->setAttr("nvvm.cluster_dim", getDenseI32ArrayAttr({static_cast<int32_t>(blocks), 1, 1}));
}

Expr KernelEmitter::clusterRank() {
  return blockThread.get() ? readAnew("cluster_ctarank") : wrap(NVVM::ClusterId::create(*this, getI32Type()));
}

Expr KernelEmitter::clusterBlocks() { return wrap(NVVM::ClusterDim::create(*this, getI32Type())); }

void KernelEmitter::clusterBarrier(function_ref<void()> meanwhile) {
  NVVM::ClusterArriveOp::create(*this, getUnitAttr());
  meanwhile();
  NVVM::ClusterWaitOp::create(*this, getUnitAttr());
}

//===-- Blocks anywhere on the device ------------------------------------------------------------------------===//

// Orders of a read-modify-write are lost in the backend, those of fences and loads are not.
static constexpr StringLiteral kDevice = "device";

Expr KernelEmitter::arriveAt(Expr counters, Expr index) {
  LLVM::FenceOp::create(*this, LLVM::AtomicOrdering::release, kDevice);
  return wrap(LLVM::AtomicRMWOp::create(*this, LLVM::AtomicBinOp::add, address(counters, index, getI32Type()), i32(1),
                                        LLVM::AtomicOrdering::monotonic, kDevice));
}

void KernelEmitter::seeArrivals() { LLVM::FenceOp::create(*this, LLVM::AtomicOrdering::acquire, kDevice); }

void KernelEmitter::awaitArrivals(Expr counters, Expr index, Expr target) {
  Expr at = address(counters, index, getI32Type());
  auto look = [&] {
    return wrap(LLVM::LoadOp::create(*this, getI32Type(), at, /*alignment=*/4, /*isVolatile=*/false,
                                     /*isNonTemporal=*/false, /*isInvariant=*/false, /*isInvariantGroup=*/false,
                                     LLVM::AtomicOrdering::acquire, kDevice));
  };
  whileLoop(
      {look()}, [&](ArrayRef<Expr> seen) { return seen[0] < target; }, [&](ArrayRef<Expr>) { return Exprs{look()}; });
}

void KernelEmitter::publish(Expr pointer, Expr index, Expr value) {
  LLVM::StoreOp::create(*this, value, address(pointer, index, getI64Type()), /*alignment=*/8, /*isVolatile=*/false,
                        /*isNonTemporal=*/false, /*isInvariantGroup=*/false, LLVM::AtomicOrdering::monotonic, kDevice);
}

Expr KernelEmitter::lookAt(Expr pointer, Expr index) {
  return wrap(LLVM::LoadOp::create(*this, getI64Type(), address(pointer, index, getI64Type()), /*alignment=*/8,
                                   /*isVolatile=*/false, /*isNonTemporal=*/false, /*isInvariant=*/false,
                                   /*isInvariantGroup=*/false, LLVM::AtomicOrdering::monotonic, kDevice));
}

//===-- Arithmetic -------------------------------------------------------------------------------------------===//

// Intrinsics instead of math ops: those would leave calls into libdevice.
static Expr intrinsic(KernelEmitter &e, StringRef name, Expr x, Type result = {}) {
  return e.wrap(
      LLVM::CallIntrinsicOp::create(e, result ? result : x.getType(), e.getStringAttr(name), ValueRange{x.get()})
          ->getResult(0));
}

Expr KernelEmitter::exp2(Expr x) { return intrinsic(*this, "llvm.nvvm.ex2.approx.ftz.f32", x); }
Expr KernelEmitter::log2(Expr x) { return intrinsic(*this, "llvm.nvvm.lg2.approx.ftz.f", x); }
Expr KernelEmitter::truncateUnsigned(Expr x) { return intrinsic(*this, "llvm.nvvm.f2ui.rz", x, getI32Type()); }
Expr KernelEmitter::leadingZeros(Expr x) { return wrap(math::CountLeadingZerosOp::create(*this, x)); }
Expr KernelEmitter::popcount(Expr x) { return wrap(math::CtPopOp::create(*this, x)); }

Expr KernelEmitter::pack(Expr low, Expr high, Type half) {
  auto type = VectorType::get(2, half);
  Value pair = LLVM::PoisonOp::create(*this, type);
  pair = LLVM::InsertElementOp::create(*this, pair, low.to(half).get(), i32(0).get());
  pair = LLVM::InsertElementOp::create(*this, pair, high.to(half).get(), i32(1).get());
  return wrap(LLVM::BitcastOp::create(*this, getI32Type(), pair));
}

std::array<Expr, 2> KernelEmitter::unpack(Expr word, Type half) {
  Value pair = LLVM::BitcastOp::create(*this, VectorType::get(2, half), word);
  return {wrap(LLVM::ExtractElementOp::create(*this, pair, i32(0).get())).to(getF32Type()),
          wrap(LLVM::ExtractElementOp::create(*this, pair, i32(1).get())).to(getF32Type())};
}

Expr KernelEmitter::permuteBytes(Expr a, Expr b, Expr selector) {
  return wrap(NVVM::PermuteOp::create(*this, getI32Type(), a, b, selector, NVVM::PermuteMode::DEFAULT));
}
Expr KernelEmitter::lowHalves(Expr a, Expr b) { return permuteBytes(a, b, i32(0x5410)); }
Expr KernelEmitter::highHalves(Expr a, Expr b) { return permuteBytes(a, b, i32(0x7632)); }

std::array<Expr, 2> KernelEmitter::expandBytes(Expr word) {
  // A byte below 0x64 is 1024 and itself.
  auto type = VectorType::get(2, getF16Type());
  Value thousand = LLVM::ConstantOp::create(*this, type, DenseElementsAttr::get(type, getF16FloatAttr(1024)));
  auto pair = [&](int64_t selector) {
    Value sum = LLVM::BitcastOp::create(*this, type, permuteBytes(word, i32(0x64646464), i32(selector)));
    return wrap(LLVM::BitcastOp::create(*this, getI32Type(), LLVM::FSubOp::create(*this, sum, thousand)));
  };
  return {pair(0x4240), pair(0x4341)};
}

// E5M2 is the upper byte of an f16.
std::array<Expr, 2> KernelEmitter::expandE5M2(Expr word) {
  return {permuteBytes(word, i32(0), i32(0x2404)), permuteBytes(word, i32(0), i32(0x3414))};
}

std::array<Expr, 2> KernelEmitter::expandFiniteE5M2(Expr word) {
  // 1 in the bytes from 0x7C on, infinity and NaN: 0x7C00 becomes 0x7BFF, a NaN another one.
  Expr beyond = (((word & 0x7F7F7F7F) + 0x04040404) >> 7) & 0x01010101;
  Expr upper = word - beyond, lower = beyond * 0xFF;
  return {permuteBytes(upper, lower, i32(0x2604)), permuteBytes(upper, lower, i32(0x3715))};
}

std::array<Expr, 4> KernelEmitter::mma(Type half, std::array<Expr, 4> a, std::array<Expr, 2> b, std::array<Expr, 4> c) {
  bool isF16 = half.isF16();
  // NVVM takes f16 operands as vectors and bf16 operands as words.
  auto operand = [&](Expr word) -> Value {
    return isF16 ? LLVM::BitcastOp::create(*this, VectorType::get(2, half), word).getResult() : word.get();
  };
  SmallVector<Value, 4> as, bs, cs;
  for (Expr word : a)
    as.push_back(operand(word));
  for (Expr word : b)
    bs.push_back(operand(word));
  cs.append(c.begin(), c.end());
  Type f32 = getF32Type();
  auto result = LLVM::LLVMStructType::getLiteral(getContext(), {f32, f32, f32, f32});
  auto type = isF16 ? NVVM::MMATypes::f16 : NVVM::MMATypes::bf16;
  auto op = NVVM::MmaOp::create(*this, result, as, bs, cs, ArrayRef<int64_t>{16, 8, 16}, std::nullopt, std::nullopt,
                                std::array<NVVM::MMATypes, 2>{type, type},
                                std::array<NVVM::MMALayout, 2>{NVVM::MMALayout::row, NVVM::MMALayout::col});
  std::array<Expr, 4> d;
  for (int64_t i = 0; i < 4; ++i)
    d[i] = wrap(LLVM::ExtractValueOp::create(*this, op.getRes(), i));
  return d;
}

std::array<Expr, 4> KernelEmitter::mmaBytes(std::array<Expr, 4> a, std::array<Expr, 2> b, std::array<Expr, 4> c) {
  SmallVector<Value, 4> as(a.begin(), a.end()), bs(b.begin(), b.end()), cs(c.begin(), c.end());
  Type i32 = getI32Type();
  auto result = LLVM::LLVMStructType::getLiteral(getContext(), {i32, i32, i32, i32});
  auto op = NVVM::MmaOp::create(*this, result, as, bs, cs, ArrayRef<int64_t>{16, 8, 32}, std::nullopt,
                                NVVM::MMAIntOverflow::wrapped,
                                std::array<NVVM::MMATypes, 2>{NVVM::MMATypes::u8, NVVM::MMATypes::s8},
                                std::array<NVVM::MMALayout, 2>{NVVM::MMALayout::row, NVVM::MMALayout::col});
  std::array<Expr, 4> d;
  for (int64_t i = 0; i < 4; ++i)
    d[i] = wrap(LLVM::ExtractValueOp::create(*this, op.getRes(), i));
  return d;
}
