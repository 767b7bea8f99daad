// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Exact attention over a list of tokens.
//
//   every warp takes tiles of 16 tokens, tile i of the list to warp i mod (active splits * warps):
//     rows = K/V rows of the tile's tokens                  one look-up a lane, one tile ahead, then shuffled
//     S    = Q K^T                                          tensor cores, m = heads, n = tokens; 16 bytes of a row a
//     lane m, l, O rescaled by the new maximum                   online softmax in base 2 O   += P V tensor cores; S's
//     fragment is already P's; two tokens' words
//                                                           are interleaved with byte permutes into V's fragment
//   the block's warps are merged in shared memory, in order
//   a list that one block holds is finished; of longer lists sum, maximum and mass go to `partial`
//
// Bytes: 2 D for each token's K and V and kv head, read once.
// Shared memory: warps * heads * (D + 2) f32. Barriers: two.

#include "Atoms/Atoms.h"
#include "AttendCommon.h"

#include "twilight/Kernels/Kernels.h"

#include <limits>

using namespace mlir;
using namespace twilight;

namespace {

constexpr int64_t kTile = kAttendTile;

/// Running softmax of a warp: lane (r, c) has head r's maximum, its share of the mass, and head r's output at
/// elements 64 h + 16 c ... + 15 for each half h.
struct WarpState {
  Expr maximum, mass;
  SmallVector<Expr> out;

  Exprs pack() const {
    Exprs all = {maximum, mass};
    all.append(out.begin(), out.end());
    return all;
  }
  static WarpState unpack(ArrayRef<Expr> all) {
    return {all[0], all[1], SmallVector<Expr>(all.begin() + 2, all.end())};
  }
};

/// What a warp needs to process a tile.
struct TileContext {
  const AttendConfig &config;
  Expr kPages, vPages;
  SmallVector<Words4> query;
  double scale; ///< softmax scale in base 2
};

/// One tile: `row` is the K/V row of token lane % 16, `valid` how many of the 16 exist (at least one).
WarpState attendTile(KernelEmitter &e, const TileContext &context, const WarpState &state, Expr row, Expr valid) {
  const AttentionShape &shape = context.config.shape;
  LaneGrid at(e);
  const int64_t chunks = shape.headDim / 32, halves = shape.headDim / 64, rowWords = shape.headDim / 8;

  // A list's rows are used once; of a whole cache the other half of a line comes soon, and is better found in L1
  // (H100, 64 x 32k: 2.90 against 3.03 ms).
  // Everything is asked for before anything is used.
  const Access access = context.config.source == TokenSource::All ? Access::ReadOnly : Access::Streaming;
  SmallVector<Words4> keys[2], values[4];
  for (int64_t t = 0; t < 2; ++t) {
    Expr r = e.shuffle(row, at.row + t * 8).to(e.getI64Type()) * rowWords;
    for (int64_t j = 0; j < chunks; ++j)
      keys[t].push_back(e.loadWords4(context.kPages, r + (at.column + j * 4).to(e.getI64Type()), access));
  }
  const int64_t tokenOffset[4] = {0, 1, 8, 9};
  for (int64_t t = 0; t < 4; ++t) {
    Expr r = e.shuffle(row, at.column * 2 + tokenOffset[t]).to(e.getI64Type()) * rowWords;
    for (int64_t h = 0; h < halves; ++h)
      values[t].push_back(e.loadWords4(context.vPages, r + (at.row + h * 8).to(e.getI64Type()), access));
  }

  Expr zero = e.f32(0), nothing = e.i32(0), minusInfinity = e.f32(-std::numeric_limits<double>::infinity());
  Expr logits[4];
  for (int64_t t = 0; t < 2; ++t) {
    std::array<Expr, 4> s = {zero, zero, zero, zero};
    for (int64_t j = 0; j < chunks; ++j) {
      const Words4 &q = context.query[j], &k = keys[t][j];
      s = e.mma(shape.kvType, {q[0], nothing, q[1], nothing}, {k[0], k[1]}, s);
      s = e.mma(shape.kvType, {q[2], nothing, q[3], nothing}, {k[2], k[3]}, s);
    }
    for (int64_t i = 0; i < 2; ++i)
      logits[t * 2 + i] = select(at.column * 2 + (t * 8 + i) < valid, s[i] * context.scale, minusInfinity);
  }

  WarpState next;
  Expr highest = max(max(logits[0], logits[1]), max(logits[2], logits[3]));
  highest = max(highest, e.shuffleXor(highest, 1));
  highest = max(highest, e.shuffleXor(highest, 2));
  next.maximum = max(state.maximum, highest);
  // A maximum of -inf would make exp2(-inf - -inf).
  Expr reference = select(next.maximum == minusInfinity, zero, next.maximum);
  Expr rescale = e.exp2(state.maximum - reference);
  Expr weights[4];
  next.mass = state.mass * rescale;
  for (int64_t i = 0; i < 4; ++i) {
    weights[i] = e.exp2(logits[i] - reference);
    next.mass = next.mass + weights[i];
  }
  Expr p[2] = {e.pack(weights[0], weights[1], shape.kvType), e.pack(weights[2], weights[3], shape.kvType)};

  for (int64_t h = 0; h < halves; ++h)
    for (int64_t i = 0; i < 8; ++i) {
      auto interleave = [&](int64_t pair) {
        Expr a = values[pair * 2][h][i / 2], b = values[pair * 2 + 1][h][i / 2];
        return i % 2 == 0 ? e.lowHalves(a, b) : e.highHalves(a, b);
      };
      size_t o = (h * 8 + i) * 2;
      std::array<Expr, 4> sum = {state.out[o] * rescale, state.out[o + 1] * rescale, zero, zero};
      sum = e.mma(shape.kvType, {p[0], nothing, p[1], nothing}, {interleave(0), interleave(1)}, sum);
      next.out.push_back(sum[0]);
      next.out.push_back(sum[1]);
    }
  return next;
}

} // namespace

KernelInfo twilight::buildAttend(gpu::GPUModuleOp module, StringRef name, const AttendConfig &config) {
  const AttentionShape &shape = config.shape;
  const int64_t heads = shape.headsPerList(), dim = shape.headDim;
  Type f32 = Float32Type::get(module.getContext());
  KernelEmitter e(module, name, kAttendThreads, attendParameterTypes(module, config), /*minBlocks=*/2);
  AttendParameters params(e, config);
  const int64_t warps = e.getWarps();
  SharedTile maxima = e.shared(f32, warps * heads), masses = e.shared(f32, warps * heads);
  SharedTile sums = e.shared(f32, warps * heads * dim);

  Expr split = e.block(gpu::Dimension::y), list = e.block(gpu::Dimension::x), sequence = e.block(gpu::Dimension::z);
  Expr listIndex = sequence * shape.listsPerSequence() + list;
  TokenList tokens = params.tokens(e, config, sequence, listIndex);
  PagedRows paged{shape, params.pageTable, params.maxPages, sequence, kvHeadOf(shape, list)};
  Expr tiles = ceilDiv(tokens.size, kTile), active = activeSplits(config, tokens.size);
  if (config.withCounts)
    e.ifThen((split == 0) & (e.threadIndex() == 0), [&] { e.store(params.counts, listIndex, tokens.size); });

  e.ifThen(split < active, [&] {
    LaneGrid at(e);
    Expr firstHead = firstHeadOf(shape, list);
    TileContext context{config, params.kPages, params.vPages,
                        loadQueryWords(e, shape, params.q, sequence, firstHead, heads), config.softmaxScale * kLog2E};
    Expr lastToken = max(tokens.size - 1, 0);
    auto positionOf = [&](Expr tile) {
      return tokens.position(e, min(tile * kTile + (e.lane() & (kTile - 1)), lastToken));
    };
    Expr first = split * warps + e.warp(), stride = active * warps;
    WarpState state{e.f32(-std::numeric_limits<double>::infinity()), e.f32(0), {}};
    state.out.assign(dim / 4, e.f32(0));
    Exprs carried = state.pack();
    // Where the warp has no tile there may be no token to look up.
    carried.append(e.ifElse(
        first < tiles, [&] { return Exprs{paged.kvRow(e, positionOf(first)), positionOf(first + stride)}; },
        [&] { return Exprs{e.i32(0), e.i32(0)}; }));
    Exprs result = e.forRange(first, tiles, stride, carried, [&](Expr tile, ArrayRef<Expr> current) {
      // The page table is read one tile ahead and the list two: no tile waits for both.
      Expr nextRow = paged.kvRow(e, current.back()), nextPosition = positionOf(tile + stride * 2);
      WarpState after = attendTile(e, context, WarpState::unpack(current.drop_back(2)), current[current.size() - 2],
                                   tokens.size - tile * kTile);
      Exprs all = after.pack();
      all.push_back(nextRow);
      all.push_back(nextPosition);
      return all;
    });
    state = WarpState::unpack(ArrayRef<Expr>(result).drop_back(2));
    state.mass = state.mass + e.shuffleXor(state.mass, 1);
    state.mass = state.mass + e.shuffleXor(state.mass, 2);

    // Merge the warps.
    Expr exists = at.row < heads, slot = e.warp() * heads + at.row;
    e.ifThen(exists, [&] {
      e.ifThen(at.column == 0, [&] {
        maxima.store(slot, state.maximum);
        masses.store(slot, state.mass);
      });
      for (int64_t h = 0; h < dim / 64; ++h)
        for (int64_t i = 0; i < 8; ++i)
          for (int64_t half = 0; half < 2; ++half)
            sums.store(slot * dim + (at.column * 16 + (h * 64 + half * 8 + i)), state.out[(h * 8 + i) * 2 + half]);
    });
    e.barrier();
    e.forRange(e.threadIndex(), e.i32(heads * dim), e.i32(e.getThreads()), [&](Expr i) {
      Expr head = i / dim, element = i % dim;
      auto partOf = [&](Expr warp) {
        return SplitPart{maxima.load(warp * heads + head), masses.load(warp * heads + head),
                         sums.load((warp * heads + head) * dim + element)};
      };
      SmallVector<SplitPart> parts;
      for (int64_t w = 0; w < warps; ++w)
        parts.push_back(partOf(e.i32(w)));
      SplitPart merged = mergeParts(e, parts);
      e.ifElse(
          active == 1,
          [&] {
            finishHead(e, config, params, sequence, firstHead + head, element, merged);
            return Exprs();
          },
          [&] {
            Expr base = ((listIndex * config.splits + split) * heads + head) * (dim + 2);
            e.store(params.partial, base + element, merged.sum);
            e.ifThen(element == 0, [&] {
              e.store(params.partial, base + dim, merged.maximum);
              e.store(params.partial, base + (dim + 1), merged.mass);
            });
            return Exprs();
          });
    });
  });
  return {e.finish(), e.getThreads(), e.getSharedBytes()};
}
