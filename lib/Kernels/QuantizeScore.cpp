// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Logits of the candidates from their codes.
//
//   for 64 candidate slots at a time, one warp:
//     row   = token row of each slot (list, then page table), looked up by lane, ahead of the codes
//     codes = codes[row]                                    D * bits / 8 bytes, a quarter a lane; of a coarse page the
//                                                           high plane alone, half of them
//     logit = s * q . (scale * code + zero)                 tensor cores, m = tokens, n = heads
//
// Bytes: D * bits / 8 + 4 for each candidate and kv head, read once; 4 for each candidate and query head, written (2 as
// f16).
// Shared memory: the logits of a step, 288 bytes a warp and head (144 as f16). Barriers: none.

#include "Atoms/Atoms.h"
#include "Stages/CandidateLogits.h"

#include "twilight/Kernels/Kernels.h"

using namespace mlir;
using namespace twilight;

namespace {

constexpr int64_t kTiles = 4; ///< tiles of 16 slots in a step of a warp

/// A warp's logits of one step on their way out. The fragments hold single slots of two heads; through shared memory
/// they leave as 16-byte pieces of one head's row, 4 logits or 8 of f16.
struct LogitStage {
  static constexpr int64_t kSlots = kTiles * 16;
  static constexpr int64_t kStride = kSlots + 8; ///< heads apart: in different banks, and 16-byte aligned

  AttentionShape shape;
  Expr warp, rowLength;
  SharedTile tile; ///< scores [warps, heads, kStride]

  Expr headBase(Expr head) const { return (warp * shape.headsPerList() + head) * kStride; }

  /// The value of the lane's row, `offset` slots into the step, for its i-th head.
  void put(KernelEmitter &e, const LaneGrid &at, int64_t offset, int64_t i, Expr value) const {
    Expr head = CandidateLogits::headOf(e, i);
    auto store = [&] { tile.store(headBase(head) + at.row + offset, toScore(value, tile.getElement())); };
    if (shape.headsPerList() % CandidateLogits::kHeads == 0)
      store();
    else
      e.ifThen(head < shape.headsPerList(), store);
  }

  /// Stores the step's slots below `end`; the row of head 0 is `firstRow`.
  void write(KernelEmitter &e, Expr logits, Expr firstRow, Expr base, Expr end) const {
    // Rows start where pages do: on 16 bytes, on 8 of four f16, or else single elements leave.
    const int64_t widest = tile.getElement().isF32() ? 4 : 8;
    const int64_t piece = shape.pageSize % widest == 0 ? widest : shape.pageSize % 4 == 0 ? 4 : 1;
    const int64_t places = llvm::Log2_64(piece), pieces = kSlots / piece * shape.headsPerList();
    Type i32 = e.getI32Type(), i64 = e.getI64Type();
    e.syncWarp();
    for (int64_t k = 0; k < pieces; k += kWarp) {
      Expr index = e.lane() + k, head = index / (kSlots / piece), slot = index % (kSlots / piece) * piece;
      Expr inside = base + slot < end;
      if (k + kWarp > pieces)
        inside = inside & (index < pieces);
      e.ifThen(inside, [&] {
        Expr to = ((firstRow + head.to(i64)) * rowLength.to(i64) + (base + slot).to(i64)), from = headBase(head) + slot;
        if (piece == widest)
          e.storeFour(logits, to >> places, tile.as(i32).loadFour(from >> places));
        else if (piece == 4)
          e.store(logits, to >> places, tile.as(i64).load(from >> places));
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
  const int64_t heads = shape.headsPerList();
  MLIRContext *context = module.getContext();
  Type i32 = IntegerType::get(context, 32), i64 = IntegerType::get(context, 64);
  Type pointer = LLVM::LLVMPointerType::get(context, 1);
  SmallVector<Type> parameters(5 + CodeBuffers::countParameters(shape), pointer);
  parameters.append(3, i32);
  KernelEmitter e(module, name, /*threads=*/256, parameters, kQuantizeScoreResident);
  CodeBuffers keys = CodeBuffers::fromParameters(e, shape, 1);
  unsigned next = 1 + CodeBuffers::countParameters(shape);
  Expr q = e.parameter(0), pageTable = e.parameter(next++), indices = e.parameter(next++), counts = e.parameter(next++);
  Expr logits = e.parameter(next++), maxPages = e.parameter(next++), capacity = e.parameter(next++);
  Expr perBlock = e.parameter(next++);
  const int64_t together = getHeadsPerBlock(shape.listsPerSequence()), warps = e.getWarps() / together;
  Expr sequence = e.block(gpu::Dimension::z), warp = e.warp();
  Expr list = e.block(gpu::Dimension::x) * together + warp % together;
  Expr kvHead = kvHeadOf(shape, list), firstHead = firstHeadOf(shape, list);
  PagedRows paged{shape, pageTable, maxPages, sequence, kvHead};
  Expr listIndex = sequence * shape.listsPerSequence() + list, lane = e.lane();
  Expr start = e.block(gpu::Dimension::y) * perBlock, first = start + warp / together * (kTiles * 16);
  Expr step = e.i32(warps * kTiles * 16);
  const bool marked = config.progressive;
  // Queries of more heads leave room for the codes of half a step.
  const int64_t inFlight = CandidateLogits::countHeads(shape) > 1 ? kTiles / 2 : kTiles;

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
    Expr page = marked ? entry & ~kCoarseMark : entry, inside = slot < size;
    Expr row = paged.tokenRow(e, select(inside, page * shape.pageSize + slot % shape.pageSize, e.i32(0)));
    return marked ? row | (select(inside, entry, e.i32(kCoarseMark)) & kCoarseMark) : row;
  };

  LogitStage out{shape, warp, capacity * shape.pageSize,
                 e.shared(config.scoreType, e.getWarps() * heads * LogitStage::kStride)};
  e.ifThen(start < size, [&] {
    LaneGrid at(e);
    Exprs carried = {rowOf(entries[0], first + lane), rowOf(entries[1], first + lane + kWarp), entries[2], entries[3]};
    CandidateLogits scores(e, shape, config.softmaxScale, rawQuery, marked);
    e.forRange(first, end, step, carried, [&](Expr base, ArrayRef<Expr> current) {
      Expr scaleZero[2];
      for (int64_t pair = 0; pair < 2; ++pair)
        scaleZero[pair] = scores.loadScaleZero(keys, current[pair]);
      SmallVector<CandidateLogits::Codes> data;
      auto load = [&] {
        int64_t t = static_cast<int64_t>(data.size());
        Expr lower = at.row + (t % 2) * 16;
        data.push_back(scores.load(keys, {e.shuffle(current[t / 2], lower), e.shuffle(current[t / 2], lower + 8)}));
      };
      for (int64_t t = 0; t < inFlight; ++t)
        load();
      Exprs next = {rowOf(current[2], base + step + lane), rowOf(current[3], base + step + lane + kWarp),
                    entryOf(base + step * 2 + lane), entryOf(base + step * 2 + lane + kWarp)};
      for (int64_t t = 0; t < kTiles; ++t) {
        Expr lower = at.row + (t % 2) * 16;
        if (t >= inFlight)
          e.inPlace(load);
        scores.score(data[t], {e.shuffle(scaleZero[t / 2], lower), e.shuffle(scaleZero[t / 2], lower + 8)},
                     [&](int64_t half, int64_t i, Expr logit) { out.put(e, at, t * 16 + half * 8, i, logit); });
      }
      out.write(e, logits, (sequence * shape.queryHeads() + firstHead).to(i64), base, end);
      return next;
    });
  });
  return {e.finish(), e.getThreads(), e.getSharedBytes()};
}
