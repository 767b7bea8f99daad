// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// top_p, first half: which candidates each query head keeps.
//
//   m    = max logit;  w_i = 2^((logit_i - m) log2 e)               w in (0, 1], its bits are its order
//   mass:      total = sum W_i, W = w in units of 2^-40             integers: exact in any order
//              t = largest t with sum_{w_i >= t} W_i >= p total     three histogram steps over the bits of w
//   threshold: t = lambda
//   floors and cap: where too few or too many are kept, t = the k-th largest w
//   keep bit of slot i = w_i > t, or w_i = t while ties are left, or a floor
//
// Bytes: 4 for each candidate, read once; what does not fit in shared memory is read again out of cache.
// Shared memory: histogram 8 KB, a few words a warp, then as many logits as the launch gives room for.

#include "Atoms/Atoms.h"
#include "Stages/Collectives.h"
#include "Stages/Search.h"

#include "twilight/Kernels/Kernels.h"

#include "mlir/Dialect/Math/IR/Math.h"

#include <limits>

using namespace mlir;
using namespace twilight;

namespace {

constexpr double kLog2E = 1.4426950408889634;
constexpr int64_t kOneKey = 0x3F800000; ///< the bits of w = 1, which the heaviest candidate has
constexpr int64_t kSearchBins = 1024;
const Digit kWeightDigits[] = {{20, 10}, {10, 10}, {0, 10}}; ///< no weight has a bit above
constexpr int64_t kHeavyKey = 0x39800000;                    ///< the bits of 2^-12; few candidates weigh more
const Digit kHeavyDigits[] = {{17, 10}, {7, 10}, {0, 7}};    ///< of a key above it
constexpr int64_t kNoLimit = std::numeric_limits<int32_t>::max();

/// Where a block finds its head's weights: the first ones in shared memory, made once; the rest from global memory.
class HeadWeights {
public:
  /// The tile is the last of the kernel's shared memory: a launch gives it `room` elements, a multiple of four.
  HeadWeights(KernelEmitter &e, Expr logits, Expr base, Expr size, Expr room)
      : e(e), logits(logits), base(base), size(size), cached(min(room, size)), tile(e.shared(e.getF32Type(), 0)) {}

  /// Reads everything once, keeps what fits, and returns this thread's maximum. The tile's last four are padded with
  /// -inf, whose weight is 0.
  Expr fetch() {
    constexpr int64_t kAtOnce = 8; // loads in flight
    const int64_t threads = e.getThreads();
    Expr minusInfinity = e.f32(-std::numeric_limits<double>::infinity());
    e.ifThen(e.threadIndex() < ceilDiv(cached, 4) * 4 - cached,
             [&] { tile.store(cached + e.threadIndex(), minusInfinity); });
    Exprs maximum = e.forRange(e.threadIndex(), size, e.i32(threads * kAtOnce), {minusInfinity},
                               [&](Expr i, ArrayRef<Expr> carried) {
                                 SmallVector<Expr> values;
                                 for (int64_t k = 0; k < kAtOnce; ++k)
                                   values.push_back(global(min(i + k * threads, size - 1)));
                                 Expr result = carried[0];
                                 for (int64_t k = 0; k < kAtOnce; ++k) {
                                   Expr at = i + k * threads;
                                   e.ifThen(at < cached, [&] { tile.store(at, values[k]); });
                                   result = max(result, values[k]);
                                 }
                                 return Exprs{result};
                               });
    return maximum[0];
  }

  /// From now on elements are keys: the bits of w. A thread makes the fours that it reads in sums.
  void makeKeys(Expr maximum) {
    reference = maximum;
    forEachFour([&](Expr four) {
      std::array<Expr, 4> values = tile.loadFour(four);
      for (Expr &x : values)
        x = keyOf(x).bitcast(e.getF32Type());
      tile.storeFour(four, values);
    });
  }

  /// Padding counts as elements of weight 0.
  void forEach(function_ref<void(Expr key)> body) const {
    forEachFour([&](Expr four) {
      for (Expr x : tile.loadFour(four))
        body(x.bitcast(e.getI32Type()));
    });
    e.forRange(e.threadIndex() + cached, size, e.i32(e.getThreads()), [&](Expr i) { body(keyOf(global(i))); });
  }

  /// The sum (i64) of what `of` gives for this thread's keys, padding included.
  Expr sumOver(function_ref<Expr(Expr key)> of) const {
    Expr fours = ceilDiv(cached, 4), step = e.i32(e.getThreads());
    Exprs inTile = e.forRange(e.threadIndex(), fours, step, {e.i64(0)}, [&](Expr four, ArrayRef<Expr> sum) {
      Expr result = sum[0];
      for (Expr x : tile.loadFour(four))
        result = result + of(x.bitcast(e.getI32Type()));
      return Exprs{result};
    });
    return e.forRange(e.threadIndex() + cached, size, step, inTile,
                      [&](Expr i, ArrayRef<Expr> sum) { return Exprs{sum[0] + of(keyOf(global(i)))}; })[0];
  }

  Expr at(Expr i) const {
    return e.ifElse(
        i < cached, [&] { return Exprs{tile.load(i).bitcast(e.getI32Type())}; },
        [&] { return Exprs{keyOf(global(i))}; })[0];
  }

private:
  void forEachFour(function_ref<void(Expr four)> body) const {
    e.forRange(e.threadIndex(), ceilDiv(cached, 4), e.i32(e.getThreads()), body);
  }
  Expr global(Expr i) const { return e.load(logits, base + i.to(e.getI64Type()), e.getF32Type(), Access::Produced); }
  Expr keyOf(Expr logit) const {
    Expr w = e.exp2((logit - reference) * kLog2E);
    return select(w == w, w, e.f32(0)).bitcast(e.getI32Type()); // -inf among -inf gives NaN
  }

  KernelEmitter &e;
  Expr logits, base, size, cached, reference;
  SharedTile tile;
};

/// W of a weight's key: w in units of 2^-40.
Expr massOf(Expr key) {
  Emitter &e = key.getEmitter();
  return (key.bitcast(e.getF32Type()) * static_cast<double>(int64_t(1) << 40)).toUnsigned(e.getI64Type());
}

} // namespace

KernelInfo twilight::buildKeepMask(gpu::GPUModuleOp module, StringRef name, const TopPConfig &config) {
  const AttentionShape &shape = config.shape;
  MLIRContext *context = module.getContext();
  Type i32 = IntegerType::get(context, 32), i64 = IntegerType::get(context, 64), f32 = Float32Type::get(context);
  Type f64 = Float64Type::get(context), pointer = LLVM::LLVMPointerType::get(context, 1);
  SmallVector<Type> parameters(config.constantLevel ? 5 : 6, pointer);
  parameters.append(3, i32);
  KernelEmitter e(module, name, /*threads=*/256, parameters, /*minBlocks=*/4);
  unsigned next = 0;
  Expr logitsBuffer = e.parameter(next++);
  Expr levels = config.constantLevel ? Expr() : e.parameter(next++);
  Expr seqLens = e.parameter(next++), indices = e.parameter(next++), counts = e.parameter(next++);
  Expr keep = e.parameter(next++), capacity = e.parameter(next++), words = e.parameter(next++);
  Expr cached = e.parameter(next++);
  Expr head = e.block(gpu::Dimension::x), sequence = e.block(gpu::Dimension::y);
  SearchScratch search(e, kSearchBins);
  SharedTile scratch = e.shared(i32, e.getWarps() * 2), scratchF = e.shared(f32, e.getWarps());

  Expr length = e.load(seqLens, sequence, i32);
  Expr list = shape.lists == Lists::KvHead ? head / shape.group : head;
  TokenList candidates = makeTokenList(e, TokenSource::Pages, shape.pageSize, length, indices, counts, capacity,
                                       sequence * shape.listsPerSequence() + list);
  Expr row = sequence * shape.queryHeads() + head;
  Expr base = row.to(i64) * (capacity * shape.pageSize).to(i64);
  HeadWeights weights(e, logitsBuffer, base, candidates.size, cached);
  Expr level =
      config.constantLevel ? e.f32(*config.constantLevel) : e.load(levels, config.levelPerHead ? head : e.i32(0), f32);

  e.ifThen(candidates.size > 0, [&] {
    Expr maximum = blockMax(e, scratchF, weights.fetch());
    weights.makeKeys(maximum);
    auto forEachKey = [&](function_ref<void(Expr)> body) { weights.forEach(body); };

    Expr key, ties = e.i32(kNoLimit);
    if (config.rule == KeepRule::Threshold) {
      key = max(level, e.f32(0)).bitcast(i32);
      key = select(lessUnsigned(e.i32(kOneKey), key), e.i32(kOneKey), key);
    } else {
      auto byMass = [&] {
        auto targetOf = [&](Expr total) {
          Expr wanted = e.wrap(math::CeilOp::create(e, level.to(f64) * total.toUnsigned(f64)));
          return max(min(wanted.to(i64), total), 1);
        };
        auto sumOver = [&](function_ref<Expr(Expr)> of) { return weights.sumOver(of); };
        MassSearch mass{forEachKey, sumOver, massOf, targetOf, kHeavyKey, kHeavyDigits, kWeightDigits};
        return Exprs{searchMass(e, search, mass), e.i32(kNoLimit)};
      };
      Exprs found = e.ifElse(
          level >= 1.0, [&] { return Exprs{e.i32(0), e.i32(kNoLimit)}; },
          [&] { return e.ifElse(level > 0.0, byMass, [&] { return Exprs{e.i32(kOneKey), e.i32(1)}; }); });
      key = found[0];
      ties = found[1];
    }

    if (config.minTokens > 0 || config.maxTokens > 0) {
      Expr own = weights.sumOver([&](Expr k) { return select(lessEqualUnsigned(key, k), e.i64(1), e.i64(0)); });
      Expr kept = blockSum(e, search.warps, own).to(i32);
      kept = select(ties == 1, e.i32(1), kept);
      Expr k = max(kept, config.minTokens);
      if (config.maxTokens > 0)
        k = min(k, config.maxTokens);
      k = min(k, candidates.size);
      Exprs found = e.ifElse(
          k == kept, [&] { return Exprs{key, ties}; },
          [&] {
            Threshold threshold = searchCount(e, search, kWeightDigits, forEachKey, k);
            return Exprs{threshold.key, threshold.need};
          });
      key = found[0];
      ties = found[1];
    }

    // Each warp writes a contiguous part of the mask.
    Expr lane = e.lane(), warp = e.warp(), size = candidates.size;
    Expr maskWords = ceilDiv(size, kWarp), part = ceilDiv(maskWords, e.getWarps());
    Expr first = min(maskWords, warp * part), last = min(maskWords, first + part);
    auto keyAt = [&](Expr slot) { return weights.at(min(slot, size - 1)); };
    auto write = [&](Expr word, Expr slot, Expr kept) {
      if (config.sink > 0 || config.recent > 0) {
        Expr position = candidates.position(e, min(slot, size - 1));
        kept = kept | (position < config.sink) | (position >= length - config.recent);
      }
      Expr bits = e.ballot((slot < size) & kept);
      e.ifThen(lane == 0, [&] { e.store(keep, row * words + word, bits); });
    };
    e.barrier(); // keys that other threads made
    e.ifElse(
        ties == e.i32(kNoLimit),
        [&] {
          e.forRange(first, last, e.i32(1), [&](Expr word) {
            Expr slot = word * kWarp + lane;
            write(word, slot, lessEqualUnsigned(key, keyAt(slot)));
          });
          return Exprs();
        },
        [&] {
          // Ties are kept in order while there are any left: each warp needs to know how many lie before its part.
          auto tiesOf = [&](Expr slot) { return e.ballot((slot < size) & (keyAt(slot) == key)); };
          Exprs own = e.forRange(first, last, e.i32(1), {e.i32(0)}, [&](Expr word, ArrayRef<Expr> sum) {
            return Exprs{sum[0] + e.popcount(tiesOf(word * kWarp + lane))};
          });
          Running running = blockScan(e, scratch, select(lane == 0, own[0], e.i32(0)));
          Expr before = e.shuffle(running.before, e.i32(0)), below = e.lanesBelow();
          e.forRange(first, last, e.i32(1), {before}, [&](Expr word, ArrayRef<Expr> sofar) {
            Expr slot = word * kWarp + lane, k = keyAt(slot), tieBits = tiesOf(slot);
            Expr rank = sofar[0] + e.popcount(tieBits & below);
            write(word, slot, lessUnsigned(key, k) | ((k == key) & (rank < ties)));
            return Exprs{sofar[0] + e.popcount(tieBits)};
          });
          return Exprs();
        });
  });
  return {e.finish(), e.getThreads(), e.getSharedBytes()};
}
