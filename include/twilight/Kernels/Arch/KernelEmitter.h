// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// One GPU kernel under construction: the machine's ideas, one a function.
//
// This is the only layer that makes gpu, nvvm and llvm ops. Above it, kernels are written in Exprs: i32 for counts and
// indices, i64 only where a byte offset may pass 2^31, f32 for arithmetic, i32 words for packed 16-bit data.

#ifndef TWILIGHT_KERNELS_KERNELEMITTER_H
#define TWILIGHT_KERNELS_KERNELEMITTER_H

#include "twilight/Support/Expr.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

#include <optional>

namespace twilight {

/// Threads of a warp.
constexpr int64_t kWarp = 32;

/// A typed array in shared memory; or in global memory, as far as this kernel writes it.
class SharedTile {
public:
  SharedTile() = default;
  SharedTile(Expr base, mlir::Type element) : base(base), element(element) {}
  /// The array of 4-byte elements in global memory that begins at element `first` (i32) of a kernel's parameter: where
  /// it begins is added where it is used, so that no register keeps an address.
  SharedTile(Expr parameter, Expr first, mlir::Type element) : base(parameter), first(first), element(element) {}
  Expr load(Expr index) const;
  void store(Expr index, Expr value) const;
  /// Adds to an i32 element; the old value. Order does not matter to integers, so results stay deterministic.
  Expr atomicAdd(Expr index, Expr value) const;
  /// Sets bits of an i32 element.
  void atomicOr(Expr index, Expr bits) const;
  /// Two consecutive i32 elements read as one i64 (low word first); index counts pairs.
  Expr loadPair(Expr pair) const;
  /// Four consecutive 4-byte elements at once; index counts fours.
  std::array<Expr, 4> loadFour(Expr four) const;
  void storeFour(Expr four, const std::array<Expr, 4> &values) const;
  /// Of i32 in global memory, each as KernelEmitter::publish and lookAt: elements of a four come by themselves.
  void publish(Expr index, Expr value) const;
  void publishFour(Expr four, const std::array<Expr, 4> &values) const;
  std::array<Expr, 4> lookAtFour(Expr four) const;
  /// The same array `elements` further on.
  SharedTile from(Expr elements) const;
  /// The same bytes as an array of another type.
  SharedTile as(mlir::Type other) const { return SharedTile(base, first, other); }
  /// The same place in the shared memory of block `rank` of the cluster.
  SharedTile ofBlock(Expr rank) const;
  mlir::Type getElement() const { return element; }

private:
  Expr address(Expr index, mlir::Type type) const;

  Expr base, first; ///< null: 0
  mlir::Type element;
};

/// Consecutive warps of a block that work together as if they were all of it. A group of fewer than all has a hardware
/// barrier to itself: `barrier` is 1 to 15.
struct WarpGroup {
  Expr firstWarp;
  int64_t warps;
  Expr barrier;
};

/// How global memory is read.
enum class Access {
  ReadOnly,  ///< an input of the pipeline: non-coherent loads, at any time
  Streaming, ///< read-only and used once: kept out of L1, and the first to leave L2 (words only)
  Produced   ///< written in this kernel or by one before it in the pipeline: read after that one's end
};

/// Whether kernels of a module wait for the kernel before them, so that a launch may overlap its end.
bool supportsDependentLaunch(mlir::gpu::GPUModuleOp module);

class KernelEmitter : public Emitter {
public:
  /// Starts a kernel `name` in `module` with `threads` threads a block (compile-time) and parameters of the given
  /// types (`!llvm.ptr<1>` or scalars). `minBlocks` blocks shall fit a multiprocessor (0: no promise). Where the
  /// module's target can and `mayOverlap` says so, the kernel may be launched before the one before it has ended, and
  /// waits for that end first.
  KernelEmitter(mlir::gpu::GPUModuleOp module, llvm::StringRef name, int64_t threads, mlir::TypeRange parameters,
                int64_t minBlocks = 0, bool mayOverlap = true);

  /// Ends the kernel.
  mlir::gpu::GPUFuncOp finish();
  /// Threads and warps that work together: the block's, or within a group the group's.
  int64_t getThreads() const { return group ? group->warps * kWarp : threads; }
  int64_t getWarps() const { return getThreads() / kWarp; }
  /// Dynamic shared memory in bytes that a launch must give.
  int64_t getSharedBytes() const { return sharedBytes; }

  Expr parameter(unsigned i) { return wrap(func.getArgument(i)); }

  //===-- Where am I -----------------------------------------------------------------------------------------===//
  Expr threadIndex(); ///< within the group
  Expr lane();
  Expr warp(); ///< within the group
  Expr block(mlir::gpu::Dimension dimension);
  Expr blockAnew();  ///< along x, read where it is asked for
  Expr gridBlocks(); ///< blocks along x, read where it is asked for
  /// The value, an i32, without what the compiler knows of it: what depends on it is computed where it is used.
  Expr forget(Expr value);

  //===-- Memory ---------------------------------------------------------------------------------------------===//
  /// The element `index` of global memory at `pointer`, as `type` (a scalar, or a vector of i32 read as one word);
  /// the index counts `element`s (default: the type itself). Vectors must be naturally aligned.
  Expr load(Expr pointer, Expr index, mlir::Type type, Access access = Access::ReadOnly, mlir::Type element = {});
  void store(Expr pointer, Expr index, Expr value, mlir::Type element = {});
  /// Four 4-byte elements as one 16-byte store; the index counts fours.
  void storeFour(Expr pointer, Expr four, const std::array<Expr, 4> &values);
  /// 16 bytes as four i32 words; `run` as in loadStreaming, for Access::Streaming.
  std::array<Expr, 4> loadWords4(Expr pointer, Expr index16, Access access = Access::ReadOnly, int64_t run = 0);
  /// 1, 2 or 4 i32 words in one load that is Access::Streaming; the index counts such pieces.
  /// `run`: bytes around them, aligned to their number, that are all read about now; L2 then takes up to 256 of them
  /// from memory at once. Where a condition is given and does not hold, nothing is read, and the words are 0.
  llvm::SmallVector<Expr, 4> loadStreaming(Expr pointer, Expr index, int64_t words, int64_t run = 0,
                                           Expr condition = {});
  /// Global memory `bytes` (i32 or i64) behind a pointer.
  Expr advance(Expr pointer, Expr bytes) { return address(pointer, bytes, getI8Type()); }
  /// A shared array of `count` elements, 16-byte aligned, for the whole kernel.
  SharedTile shared(mlir::Type element, int64_t count);
  /// A shared array that begins `bytes` (i32, a multiple of 16) behind everything that `shared` gave out.
  SharedTile sharedBehind(mlir::Type element, Expr bytes);

  //===-- Threads together -------------------------------------------------------------------------------------===//
  /// Builds what only the warps of `group` run; inside, thread indices, counts and barriers are the group's.
  void within(const WarpGroup &group, llvm::function_ref<void()> body);
  /// Builds a part of a long kernel in which what depends on the thread's index, or on the block's rank in the cluster,
  /// is computed anew: it would else be kept in registers from the kernel's start on, for all parts together.
  void anew(llvm::function_ref<void()> body);
  /// Streaming loads of the body stay where they are written: what a loop's next step needs is else asked for at its
  /// end, behind the branch. Other loads of it stay before the next barrier, if only one of the warp (syncWarp): they
  /// are else asked for in the branch that needs them.
  void inPlace(llvm::function_ref<void()> body);
  void barrier();
  /// Hardware barrier `id` for `warps` warps: waits for all of them, or says that this warp came and goes on.
  void meet(Expr id, int64_t warps);
  void arrive(Expr id, int64_t warps);
  /// Shared memory that lanes of the warp wrote is visible to its other lanes.
  void syncWarp();
  Expr shuffle(Expr value, Expr fromLane); ///< 32- or 64-bit
  Expr shuffleXor(Expr value, int64_t mask);
  Expr shuffleUp(Expr value, int64_t delta); ///< lanes below delta keep their own value
  Expr ballot(Expr condition);               ///< i32, bit l = lane l's condition
  Expr lanesBelow();                         ///< i32 mask of the lanes below this one
  Expr warpMax(Expr value);                  ///< of f32, or unsigned i32
  Expr warpSum(Expr value);                  ///< of i32, i64 or f32 (a fixed tree)

  //===-- Blocks of a cluster --------------------------------------------------------------------------------===//
  /// Makes the kernel one whose grid is clusters of `blocks` neighbouring blocks.
  void setCluster(int64_t blocks);
  Expr clusterRank();
  Expr clusterBlocks(); ///< as the hardware says it: a loop up to it stays a loop
  /// All threads of the cluster; what they wrote before, in any block's shared memory, is visible behind it.
  /// `meanwhile`: what is done between coming and going on; others do not see it behind the barrier.
  void clusterBarrier(llvm::function_ref<void()> meanwhile = [] {});

  //===-- Blocks anywhere on the device ----------------------------------------------------------------------===//
  /// By one thread, behind a barrier of its block: says at an i32 counter that what the block wrote is there, and adds
  /// 1 to it; the old value.
  Expr arriveAt(Expr counters, Expr index);
  /// By one thread, before a barrier of its block: what the blocks wrote that came before is visible behind it. The
  /// first waits until the counter is `target` or more; the second relies on the value that `arriveAt` gave.
  void awaitArrivals(Expr counters, Expr index, Expr target);
  void seeArrivals();
  /// A word that other blocks look at meanwhile: they see the old value or all of the new one, and by that nothing else
  /// that was written. Of i64.
  void publish(Expr pointer, Expr index, Expr value);
  Expr lookAt(Expr pointer, Expr index);

  //===-- Arithmetic -----------------------------------------------------------------------------------------===//
  Expr exp2(Expr x);                                      ///< f32, 2 ulp, denormal results flushed
  Expr log2(Expr x);                                      ///< f32
  Expr popcount(Expr x);                                  ///< i32
  Expr leadingZeros(Expr x);                              ///< i32, 32 for 0
  Expr truncateUnsigned(Expr x);                          ///< i32 of an f32 in [0, 2^32); NaN becomes 0
  Expr pack(Expr low, Expr high, mlir::Type half);        ///< two f32 rounded to `half` in one i32 word
  std::array<Expr, 2> unpack(Expr word, mlir::Type half); ///< the two 16-bit floats of a word, as f32
  Expr lowHalves(Expr a, Expr b);                         ///< a's and b's low 16 bits as one word
  Expr highHalves(Expr a, Expr b);                        ///< a's and b's high 16 bits as one word
  Expr selectBits(Expr a, Expr b, int64_t mask);          ///< a's bits where the mask has ones, b's elsewhere
  /// Byte i of the result is number (selector >> 4 i) & 7 of a's four bytes and b's four.
  Expr permuteBytes(Expr a, Expr b, Expr selector);
  /// The four numbers of a word's bytes as f16, the pairs (0, 2) and (1, 3): of 0 to 255; of E5M2; of E5M2 with
  /// infinities as the largest f16.
  std::array<Expr, 2> expandBytes(Expr word);
  std::array<Expr, 2> expandE5M2(Expr word);
  std::array<Expr, 2> expandFiniteE5M2(Expr word);
  /// D = A * B + C on tensor cores, m16n8k16, operands of 16-bit floats `half` in words, f32 accumulators.
  std::array<Expr, 4> mma(mlir::Type half, std::array<Expr, 4> a, std::array<Expr, 2> b, std::array<Expr, 4> c);

  /// The same with A's bytes from 0 to 255, B's bytes from -128 to 127, and i32 accumulators that wrap: m16n8k32. Words
  /// lie as above, with four elements for two.
  std::array<Expr, 4> mmaBytes(std::array<Expr, 4> a, std::array<Expr, 2> b, std::array<Expr, 4> c);

  mlir::Type ptr();

private:
  Expr readAnew(llvm::StringRef special); ///< a special register, as i32
  Expr address(Expr pointer, Expr index, mlir::Type element);
  Expr shuffleWord(Expr value, Expr operand, int kind);
  template <typename Combine>
  Expr warpReduce(Expr value, Combine combine);

  mlir::gpu::GPUFuncOp func;
  int64_t threads;
  std::optional<WarpGroup> group;
  Expr blockThread; ///< the thread's index in the block, where it was read anew
  int64_t sharedBytes = 0;
  Expr evictFirst;           ///< the L2 policy of streaming loads
  bool staysInPlace = false; ///< loads do
};

} // namespace twilight

#endif
