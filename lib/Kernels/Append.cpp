// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// New tokens into their pages, with everything derived from them.
//
//   one block a touched page u and kv head:
//     for each new token of the page, one warp:
//       K, V rows are copied; zero = min, scale = (max - min) / (2^bits - 1) as f16; codes from the stored zero and
//       scale, or two planes of them
//     summary of the page: one thread a channel walks the page's tokens, old ones from the cache, new ones from k
//
// The lengths advance in a kernel of their own: every block here still reads the old ones.
//
// Bytes: 4 D in and out for each new token and kv head; 2 P D for each touched page's summary.
// Shared memory: the numbers of a summary that is coded, 4 R D. Barriers: one, where it is coded.

#include "Atoms/Atoms.h"
#include "Atoms/CodeBuffers.h"

#include "twilight/Kernels/Kernels.h"
#include "twilight/Support/RowCodes.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace twilight;

namespace {

/// The kernel's parameters by name.
struct AppendParameters {
  AppendParameters(KernelEmitter &e, const AppendConfig &config, const AttentionShape &shape) {
    unsigned next = 0;
    auto take = [&](Expr &slot) { slot = e.parameter(next++); };
    take(kPages);
    take(vPages);
    if (config.cache.getCodes()) {
      keys = CodeBuffers::fromParameters(e, shape, next);
      next += CodeBuffers::countParameters(shape);
    }
    if (config.cache.getSummary())
      take(summary);
    take(pageTable);
    take(seqLens);
    take(k);
    take(v);
    if (config.withNewLens)
      take(newLens);
    take(maxPages);
    take(rows);
  }
  static SmallVector<Type> types(gpu::GPUModuleOp module, const AppendConfig &config, const AttentionShape &shape) {
    MLIRContext *context = module.getContext();
    SmallVector<Type> all(6 + (config.cache.getCodes() ? CodeBuffers::countParameters(shape) : 0) +
                              bool(config.cache.getSummary()) + config.withNewLens,
                          LLVM::LLVMPointerType::get(context, 1));
    all.append(2, IntegerType::get(context, 32));
    return all;
  }
  CodeBuffers keys;
  Expr kPages, vPages, summary, pageTable, seqLens, k, v, newLens, maxPages, rows;
};

/// Stores the low `width` bits of each lane's word as neighbours; fewer than a byte join with the next lane's.
void storePacked(KernelEmitter &e, Expr pointer, Expr index, Expr word, int64_t width) {
  if (width >= 8) {
    e.store(pointer, index, word.to(e.getIntegerType(static_cast<unsigned>(width))));
    return;
  }
  word = word | (e.shuffleXor(word, 1) << width);
  e.ifThen((e.lane() & 1) == 0, [&] { e.store(pointer, index >> 1, word.to(e.getI8Type())); });
}

/// A lane's D / 32 neighbouring elements of a new key: the row's codes, scale and zero.
void quantizeRow(KernelEmitter &e, const AppendParameters &params, ArrayRef<Expr> elements, int64_t bits,
                 Expr tokenRow) {
  const double top = static_cast<double>((1 << bits) - 1);
  Type f16 = e.getF16Type(), f32 = e.getF32Type(), i32 = e.getI32Type();
  Expr low = elements.front(), high = elements.front();
  for (Expr x : elements.drop_front()) {
    low = min(low, x);
    high = max(high, x);
  }
  high = e.warpMax(high);
  low = -e.warpMax(-low);
  Expr zero16 = low.to(f16), scale16 = ((high - low) / top).to(f16);
  Expr zero = zero16.to(f32), scale = scale16.to(f32), constant = scale == e.f32(0);
  Expr divisor = select(constant, e.f32(1), scale), packed = e.i32(0), lowBits = e.i32(0);
  const bool planes = params.keys.shape.codes.getPlanes();
  const int64_t each = planes ? 2 : bits; // bits of a code that lie together
  for (size_t i = 0; i < elements.size(); ++i) {
    Expr x = e.wrap(math::RoundEvenOp::create(e, (elements[i] - zero) / divisor));
    Expr code = select(constant, e.f32(0), min(max(x, e.f32(0)), e.f32(top))).to(i32);
    const int64_t place = each * static_cast<int64_t>(i);
    packed = packed | ((planes ? code >> 2 : code) << place);
    lowBits = lowBits | ((code & 3) << place);
  }
  Expr lane = e.lane();
  const int64_t width = each * static_cast<int64_t>(elements.size());
  if (planes) { // pieces of a byte and less: their number may pass 2^31
    Type i64 = e.getI64Type();
    Expr at = params.keys.codesOf(tokenRow.to(i64), width) + lane.to(i64);
    storePacked(e, params.keys.codes, at, packed, width);
    storePacked(e, params.keys.codes, at + params.keys.toLowPlane(width), lowBits, width);
  } else {
    storePacked(e, params.keys.codes, params.keys.codesOf(tokenRow, width) + lane, packed, width);
  }
  e.ifThen(lane == 0, [&] {
    e.store(params.keys.scale, params.keys.scaleOf(tokenRow), scale16);
    e.store(params.keys.zero, params.keys.zeroOf(tokenRow), zero16);
  });
}

/// One warp writes a row of a coded summary from its `numbers`, f32 [R, D].
void codeRow(KernelEmitter &e, CacheType cache, Expr summary, Expr pageAndHead, Expr row, SharedTile numbers) {
  SummaryAttrInterface format = cache.getSummaryInterface();
  const int64_t dim = cache.getHeadDim(), perLane = dim / kWarp, rows = format.getNumRows(), width = 8 * perLane;
  Type i32 = e.getI32Type();
  SmallVector<Expr> x;
  Expr low, high, magnitude = e.i32(0);
  for (int64_t i = 0; i < perLane; ++i) {
    x.push_back(numbers.load(row * dim + e.lane() * perLane + i));
    low = i ? min(low, x[i]) : x[i];
    high = i ? max(high, x[i]) : x[i];
    magnitude = max(magnitude, x[i].bitcast(i32) & 0x7FFFFFFF);
  }
  RowScale factors = makeRowScale(-e.warpMax(-low), e.warpMax(high), e.warpMax(magnitude) < 0x7F800000);
  // The direction is a row's own: both are made, as a row is known only when the kernel runs.
  Expr packed[2] = {e.i32(0), e.i32(0)}, roundsUp = e.boolean(false);
  for (int64_t i = 0; i < perLane; ++i)
    for (bool up : {false, true})
      packed[up] = packed[up] | (makeRowCode(x[i], factors.scale, factors.zero, up).to(i32) << (8 * i));
  for (int64_t r = 0; r < rows; ++r)
    if (format.roundsUp(r))
      roundsUp = roundsUp | (row == r);
  const int64_t bytes = cache.getSummaryBytes();
  Expr first = pageAndHead * (bytes / perLane) + row * kWarp;
  storePacked(e, summary, first + e.lane(), select(roundsUp, packed[1], packed[0]), width);
  Expr behind = pageAndHead * (bytes / 4) + (row * 2 + rows * dim / 4);
  e.ifThen(e.lane() == 0, [&] {
    e.store(summary, behind, factors.scale);
    e.store(summary, behind + 1, factors.zero);
  });
}

/// A summary's number as it is stored; E5M2 is the upper byte of an f16, and the value one that it has.
Expr toStored(KernelEmitter &e, Expr value, Type type) {
  if (!isa<Float8E5M2Type>(type))
    return value.to(type);
  return (value.to(e.getF16Type()).bitcast(e.getI16Type()) >> 8).to(e.getI8Type());
}

} // namespace

KernelInfo twilight::buildAppend(gpu::GPUModuleOp module, StringRef name, const AppendConfig &config) {
  CacheType cache = config.cache;
  const int64_t dim = cache.getHeadDim(), kvHeads = cache.getKvHeads(), pageSize = cache.getPageSize();
  Type element = cache.getElementType();
  AttentionShape shape{kvHeads, 1, dim, pageSize, cache.getLayout(), Lists::KvHead, element, element, cache.getCodes()};
  KernelEmitter e(module, name, /*threads=*/128, AppendParameters::types(module, config, shape));
  AppendParameters params(e, config, shape);
  Type i32 = e.getI32Type(), f32 = e.getF32Type();
  Expr kvHead = e.block(gpu::Dimension::y), sequence = e.block(gpu::Dimension::z);
  PagedRows paged{shape, params.pageTable, params.maxPages, sequence, kvHead};
  Expr length = e.load(params.seqLens, sequence, i32);
  Expr added = config.withNewLens ? e.load(params.newLens, sequence, i32) : params.rows;
  added = min(max(added, 0), params.rows);
  Expr page = length / pageSize + e.block(gpu::Dimension::x), pageStart = page * pageSize;
  Expr first = max(length, pageStart), end = min(length + added, pageStart + pageSize);

  e.ifThen((first < end) & (page < params.maxPages), [&] {
    auto newRow = [&](Expr position) {
      return ((sequence * params.rows + (position - length)) * kvHeads + kvHead).to(e.getI64Type());
    };
    const int64_t perLane = dim / kWarp;
    e.forRange(first + e.warp(), end, e.i32(e.getWarps()), [&](Expr position) {
      Expr from = newRow(position) * dim, to = paged.kvRow(e, position).to(e.getI64Type()) * dim;
      SmallVector<Expr> elements;
      for (int64_t i = 0; i < perLane; ++i) {
        Expr at = (e.lane() * perLane + i).to(e.getI64Type());
        Expr x = e.load(params.k, from + at, element);
        e.store(params.kPages, to + at, x);
        e.store(params.vPages, to + at, e.load(params.v, from + at, element));
        elements.push_back(x.to(f32));
      }
      if (cache.getCodes())
        quantizeRow(e, params, elements, cache.getCodes().getBits(), paged.tokenRow(e, position));
    });

    SummaryAttrInterface summary = cache.getSummaryInterface();
    if (!summary)
      return;
    Expr physical = paged.page(e, page);
    SharedTile numbers;
    if (cache.hasCodedSummary())
      numbers = e.shared(f32, summary.getNumRows() * dim);
    e.forRange(e.threadIndex(), e.i32(dim), e.i32(e.getThreads()), [&](Expr d) {
      Exprs accumulators = e.wrap(ValueRange(summary.init(e, e.getLoc())));
      accumulators = e.forRange(pageStart, end, e.i32(1), accumulators, [&](Expr position, ArrayRef<Expr> sofar) {
        Expr old = position < length;
        // Both addresses are valid: the other one is clamped to where it would be read.
        Expr x = e.ifElse(
            old,
            [&] {
              Expr row = paged.kvRow(e, position).to(e.getI64Type());
              return Exprs{e.load(params.kPages, row * dim + d.to(e.getI64Type()), element, Access::Produced).to(f32)};
            },
            [&] { return Exprs{e.load(params.k, newRow(position) * dim + d.to(e.getI64Type()), element).to(f32)}; })[0];
        SmallVector<Value> values(sofar.begin(), sofar.end());
        return e.wrap(ValueRange(summary.accumulate(e, e.getLoc(), values, x)));
      });
      SmallVector<Value> values(accumulators.begin(), accumulators.end());
      SmallVector<Value> rows = summary.finish(e, e.getLoc(), values);
      for (auto [r, value] : llvm::enumerate(rows)) {
        if (cache.hasCodedSummary()) {
          numbers.store(d + static_cast<int64_t>(r) * dim, e.wrap(value));
          continue;
        }
        Expr row = (physical * kvHeads + kvHead) * static_cast<int64_t>(rows.size()) + static_cast<int64_t>(r);
        e.store(params.summary, row * dim + d, toStored(e, e.wrap(value), summary.getElementType()));
      }
    });
    if (!cache.hasCodedSummary())
      return;
    e.barrier();
    Expr row = e.warp();
    e.ifThen(row < static_cast<int64_t>(summary.getNumRows()),
             [&] { codeRow(e, cache, params.summary, physical * kvHeads + kvHead, row, numbers); });
  });
  return {e.finish(), e.getThreads(), e.getSharedBytes()};
}

KernelInfo twilight::buildAdvanceLengths(gpu::GPUModuleOp module, StringRef name, const AppendConfig &config) {
  MLIRContext *context = module.getContext();
  Type i32 = IntegerType::get(context, 32), pointer = LLVM::LLVMPointerType::get(context, 1);
  SmallVector<Type> types(1 + config.withNewLens, pointer);
  types.append(2, i32);
  KernelEmitter e(module, name, /*threads=*/128, types);
  Expr sequences = e.parameter(1 + config.withNewLens), rows = e.parameter(2 + config.withNewLens);
  e.forRange(e.threadIndex(), sequences, e.i32(e.getThreads()), [&](Expr b) {
    Expr added = config.withNewLens ? min(max(e.load(e.parameter(1), b, i32), 0), rows) : rows;
    e.store(e.parameter(0), b, e.load(e.parameter(0), b, i32, Access::Produced) + added);
  });
  return {e.finish(), e.getThreads(), e.getSharedBytes()};
}

// Tokens of each list, a thread a list.
KernelInfo twilight::buildCount(gpu::GPUModuleOp module, StringRef name, const CountConfig &config) {
  MLIRContext *context = module.getContext();
  Type i32 = IntegerType::get(context, 32), pointer = LLVM::LLVMPointerType::get(context, 1);
  KernelEmitter e(module, name, /*threads=*/128, {pointer, pointer, pointer, pointer, i32});
  Expr sequence = e.block(gpu::Dimension::x), length = e.load(e.parameter(0), sequence, i32);
  TokenSource source = config.unit == Unit::Page ? TokenSource::Pages : TokenSource::Tokens;
  e.forRange(e.threadIndex(), e.i32(config.shape.listsPerSequence()), e.i32(e.getThreads()), [&](Expr list) {
    Expr listIndex = sequence * config.shape.listsPerSequence() + list;
    TokenList tokens = makeTokenList(e, source, config.shape.pageSize, length, e.parameter(1), e.parameter(2),
                                     e.parameter(4), listIndex);
    e.store(e.parameter(3), listIndex, tokens.size);
  });
  return {e.finish(), e.getThreads(), e.getSharedBytes()};
}
