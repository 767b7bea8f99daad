// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Logits of the candidates from 4-bit codes.
//
//   for 64 candidate slots at a time, one warp:
//     row   = token row of each slot (list, then page table), looked up by lane, ahead of the codes
//     codes = codes[row]                                    D / 2 bytes, D / 8 a lane
//     dot   = sum_d (16 + code_d) q_d                       tensor cores, m = tokens, n = heads
//     logit = s * (scale * (dot - 16 sum_d q_d) + zero * sum_d q_d)
//
// A code becomes a 16-bit float by setting it into the mantissa of 16.0 (0x4C00 | code << 6 is 16 + code, exactly); the
// sum over q takes the 16 back out. 16 instead of the usual 1024 keeps the cancellation 64 times smaller.
//
// Bytes: D / 2 + 4 for each candidate and kv head, read once; 4 for each candidate and query head, written.
// Shared memory: the logits of a step, 288 bytes a warp and head. Barriers: none.

#include "Atoms/Atoms.h"

#include "twilight/Kernels/Kernels.h"

using namespace mlir;
using namespace twilight;

namespace {

constexpr int64_t kTiles = 4; ///< tiles of 16 slots that a warp has in flight

/// The queries over a power of two that fits them into f16, as words in the order that expandCodes gives: for each word
/// of 8 codes the pairs (0, 4), (1, 5), (2, 6), (3, 7); and the sum of the lane's elements.
struct ScoreQuery {
  SmallVector<Words4> words;
  Expr sum, scale;
};

/// A lane's query elements, in the order of its codes.
SmallVector<Words4> loadScoreQuery(KernelEmitter &e, const AttentionShape &shape, Expr q, Expr sequence,
                                   Expr firstHead) {
  LaneGrid at(e);
  Expr head = sequence * shape.queryHeads() + firstHead + min(at.row, shape.headsPerList() - 1);
  const int64_t words = shape.headDim / 32; // words of 8 codes for a lane, 8 query elements each
  SmallVector<Words4> raw;
  for (int64_t w = 0; w < words; ++w)
    raw.push_back(e.loadWords4(q, head * (shape.headDim / 8) + at.column * words + w));
  return raw;
}

ScoreQuery makeScoreQuery(KernelEmitter &e, const AttentionShape &shape, ArrayRef<Words4> raw) {
  Type f16 = e.getF16Type();
  Expr exists = LaneGrid(e).row < shape.headsPerList();
  const int64_t words = raw.size();
  SmallVector<Expr> x;
  for (const Words4 &chunk : raw)
    for (Expr word : chunk)
      for (Expr element : e.unpack(word, shape.queryType))
        x.push_back(select(exists, element, e.f32(0)));
  ScoreQuery result;
  result.scale = shape.queryType.isF16() ? e.f32(1) : powerOfTwo(e, x);
  Expr inverse = e.f32(1) / result.scale;
  result.sum = e.f32(0);
  for (int64_t w = 0; w < words; ++w) {
    Words4 packed;
    for (int i = 0; i < 4; ++i) {
      packed[i] = e.pack(x[8 * w + i] * inverse, x[8 * w + i + 4] * inverse, f16);
      std::array<Expr, 2> rounded = e.unpack(packed[i], f16);
      result.sum = result.sum + rounded[0] + rounded[1];
    }
    result.words.push_back(packed);
  }
  result.sum = result.sum + e.shuffleXor(result.sum, 1);
  result.sum = result.sum + e.shuffleXor(result.sum, 2);
  return result;
}

/// Eight codes as four words of two f16 each, 16 + code, in the pairs (0, 4), (1, 5), (2, 6), (3, 7).
Words4 expandCodes(Expr word) {
  const int64_t mask = 0x03C003C0, sixteen = 0x4C004C00;
  return {((word << 6) & mask) | sixteen, ((word << 2) & mask) | sixteen, ((word >> 2) & mask) | sixteen,
          ((word >> 6) & mask) | sixteen};
}

/// A warp's logits of one step on their way out. The fragments hold single slots of two heads; through shared memory
/// they leave as 16-byte pieces of one head's row.
struct LogitStage {
  static constexpr int64_t kSlots = kTiles * 16;
  static constexpr int64_t kStride = kSlots + 8; ///< heads apart: in different banks, and 16-byte aligned

  AttentionShape shape;
  Expr warp, rowLength;
  SharedTile tile; ///< f32 [warps, heads, kStride]

  Expr headBase(Expr head) const { return (warp * shape.headsPerList() + head) * kStride; }

  /// The value of the lane's row, `offset` slots into the step, for its i-th head.
  void put(KernelEmitter &e, const LaneGrid &at, int64_t offset, int64_t i, Expr value) const {
    Expr head = at.column * 2 + i;
    e.ifThen(head < shape.headsPerList(), [&] { tile.store(headBase(head) + at.row + offset, value); });
  }

  /// Stores the step's slots below `end`; the row of head 0 is `firstRow`.
  void write(KernelEmitter &e, Expr logits, Expr firstRow, Expr base, Expr end) const {
    // Rows start on 16 bytes where a page holds fours of tokens; otherwise single elements leave.
    const int64_t piece = shape.pageSize % 4 == 0 ? 4 : 1, pieces = kSlots / piece * shape.headsPerList();
    Type i64 = e.getI64Type();
    e.syncWarp();
    for (int64_t k = 0; k < pieces; k += kWarp) {
      Expr index = e.lane() + k, head = index / (kSlots / piece), slot = index % (kSlots / piece) * piece;
      Expr inside = base + slot < end;
      if (k + kWarp > pieces)
        inside = inside & (index < pieces);
      e.ifThen(inside, [&] {
        Expr to = ((firstRow + head.to(i64)) * rowLength.to(i64) + (base + slot).to(i64)), from = headBase(head) + slot;
        if (piece == 4)
          e.storeFour(logits, to >> int64_t(2), tile.loadFour(from >> 2));
        else
          e.store(logits, to, tile.load(from));
      });
    }
    e.syncWarp();
  }
};

} // namespace

KernelInfo twilight::buildQuantizeScore(gpu::GPUModuleOp module, StringRef name, const QuantizeScoreConfig &config) {
  const AttentionShape &shape = config.shape;
  const int64_t laneWords = shape.headDim / 32, heads = shape.headsPerList();
  MLIRContext *context = module.getContext();
  Type i16 = IntegerType::get(context, 16), i32 = IntegerType::get(context, 32), i64 = IntegerType::get(context, 64);
  Type f16 = Float16Type::get(context);
  Type pointer = LLVM::LLVMPointerType::get(context, 1);
  SmallVector<Type> parameters(8, pointer);
  parameters.append(3, i32);
  KernelEmitter e(module, name, /*threads=*/256, parameters, kQuantizeScoreResident);
  Expr q = e.parameter(0), codes = e.parameter(1), scale = e.parameter(2), zero = e.parameter(3);
  Expr indices = e.parameter(5), counts = e.parameter(6), logits = e.parameter(7);
  Expr maxPages = e.parameter(8), capacity = e.parameter(9), perBlock = e.parameter(10);
  const int64_t together = getHeadsPerBlock(shape.listsPerSequence()), warps = e.getWarps() / together;
  Expr sequence = e.block(gpu::Dimension::z), warp = e.warp();
  Expr list = e.block(gpu::Dimension::x) * together + warp % together;
  Expr kvHead = kvHeadOf(shape, list), firstHead = firstHeadOf(shape, list);
  PagedRows paged{shape, e.parameter(4), maxPages, sequence, kvHead};
  Expr listIndex = sequence * shape.listsPerSequence() + list, lane = e.lane();
  Expr start = e.block(gpu::Dimension::y) * perBlock, first = start + warp / together * (kTiles * 16);
  Expr step = e.i32(warps * kTiles * 16);

  // Lane l looks up slots l and l + 32. Each look-up has a step to itself, so that no step waits for two latencies:
  // rows (page table) are one step ahead of the codes, list entries two. The first ones are asked for before anything
  // is waited for; what lies past the list is not used.
  auto entryOf = [&](Expr slot) {
    return e.load(indices, listIndex * capacity + min(slot / shape.pageSize, capacity - 1), i32, Access::Produced);
  };
  Expr entries[4] = {entryOf(first + lane), entryOf(first + lane + kWarp), entryOf(first + step + lane),
                     entryOf(first + step + lane + kWarp)};
  SmallVector<Words4> rawQuery = loadScoreQuery(e, shape, q, sequence, firstHead);
  // Whole pages: the slots past a sequence's end are unspecified.
  Expr size = e.load(counts, listIndex, i32, Access::Produced) * shape.pageSize, end = min(size, start + perBlock);
  auto rowOf = [&](Expr entry, Expr slot) {
    return paged.tokenRow(e, select(slot < size, entry * shape.pageSize + slot % shape.pageSize, e.i32(0)));
  };

  LogitStage out{shape, warp, capacity * shape.pageSize,
                 e.shared(e.getF32Type(), e.getWarps() * heads * LogitStage::kStride)};
  e.ifThen(start < size, [&] {
    LaneGrid at(e);
    Exprs carried = {rowOf(entries[0], first + lane), rowOf(entries[1], first + lane + kWarp), entries[2], entries[3]};
    ScoreQuery query = makeScoreQuery(e, shape, rawQuery);
    // Lane (r, c) finishes heads 2c and 2c + 1; head h's sum lies in lanes 4h to 4h + 3.
    Expr sums[2] = {e.shuffle(query.sum, at.column * 8), e.shuffle(query.sum, at.column * 8 + 4)};
    Expr factors[2] = {e.shuffle(query.scale, at.column * 8) * config.softmaxScale,
                       e.shuffle(query.scale, at.column * 8 + 4) * config.softmaxScale};
    e.forRange(first, end, step, carried, [&](Expr base, ArrayRef<Expr> current) {
      SmallVector<Expr> data[kTiles][2];
      Expr scaleZero[2];
      for (int64_t pair = 0; pair < 2; ++pair) {
        Expr row = current[pair];
        scaleZero[pair] = e.load(scale, row, f16).bitcast(i16).toUnsigned(i32) |
                          (e.load(zero, row, f16).bitcast(i16).toUnsigned(i32) << 16);
      }
      for (int64_t t = 0; t < kTiles; ++t)
        for (int64_t half = 0; half < 2; ++half) {
          Expr row = e.shuffle(current[t / 2], at.row + (t % 2) * 16 + half * 8), chunk = row * 4 + at.column;
          if (laneWords == 4)
            for (Expr word : e.loadWords4(codes, chunk, Access::Streaming))
              data[t][half].push_back(word);
          else
            for (Expr word : e.loadWords2(codes, chunk, Access::Streaming))
              data[t][half].push_back(word);
        }
      Exprs next = {rowOf(current[2], base + step + lane), rowOf(current[3], base + step + lane + kWarp),
                    entryOf(base + step * 2 + lane), entryOf(base + step * 2 + lane + kWarp)};
      for (int64_t t = 0; t < kTiles; ++t) {
        std::array<Expr, 4> dot = {e.f32(0), e.f32(0), e.f32(0), e.f32(0)};
        for (int64_t w = 0; w < laneWords; ++w) {
          Words4 a = expandCodes(data[t][0][w]), b = expandCodes(data[t][1][w]);
          const Words4 &query4 = query.words[w];
          dot = e.mma(f16, {a[0], b[0], a[1], b[1]}, {query4[0], query4[1]}, dot);
          dot = e.mma(f16, {a[2], b[2], a[3], b[3]}, {query4[2], query4[3]}, dot);
        }
        for (int64_t half = 0; half < 2; ++half) {
          int64_t offset = t * 16 + half * 8;
          std::array<Expr, 2> ofRow = e.unpack(e.shuffle(scaleZero[t / 2], at.row + offset % kWarp), f16);
          for (int64_t i = 0; i < 2; ++i) {
            Expr x = (dot[half * 2 + i] - sums[i] * 16.0) * ofRow[0] + ofRow[1] * sums[i];
            out.put(e, at, offset, i, x * factors[i]);
          }
        }
      }
      out.write(e, logits, (sequence * shape.queryHeads() + firstHead).to(i64), base, end);
      return next;
    });
  });
  return {e.finish(), e.getThreads(), e.getSharedBytes()};
}
