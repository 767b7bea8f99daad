// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Exact attention over a list of tokens.
//
//   every warp takes tiles of 16 tokens, tile i of the list to warp i mod (active splits * warps):
//     rows = K/V rows of the tile's tokens                  one look-up a lane, one tile ahead, then shuffled
//     attended as in AttendTile.h
//   the block's warps are merged in shared memory, in order
//   a list that one block holds is finished; of longer lists sum, maximum and mass go to `partial`
//
// Bytes: 2 D for each token's K and V and kv head, read once.
// Shared memory: warps * heads * (D + 2) f32. Barriers: two.

#include "AttendCommon.h"

#include "twilight/Kernels/Kernels.h"

using namespace mlir;
using namespace twilight;

KernelInfo twilight::buildAttend(gpu::GPUModuleOp module, StringRef name, const AttendConfig &config) {
  const AttentionShape &shape = config.shape;
  const int64_t heads = shape.headsPerList(), dim = shape.headDim;
  Type f32 = Float32Type::get(module.getContext());
  KernelEmitter e(module, name, kAttendThreads, attendParameterTypes(module, config), /*minBlocks=*/2);
  AttendParameters params(e, config);
  const int64_t warps = e.getWarps();
  WarpParts parts{e.shared(f32, warps * heads), e.shared(f32, warps * heads), e.shared(f32, warps * heads * dim)};

  Expr split = e.block(gpu::Dimension::y), list = e.block(gpu::Dimension::x), sequence = e.block(gpu::Dimension::z);
  Expr listIndex = sequence * shape.listsPerSequence() + list;
  TokenList tokens = params.tokens(e, config, sequence, listIndex);
  PagedRows paged{shape, params.pageTable, params.maxPages, sequence, kvHeadOf(shape, list)};
  Expr tiles = ceilDiv(tokens.size, kAttendTile), active = activeSplits(config, tokens.size);
  if (config.withCounts)
    e.ifThen((split == 0) & (e.threadIndex() == 0), [&] { e.store(params.counts, listIndex, tokens.size); });

  e.ifThen(split < active, [&] {
    Expr firstHead = firstHeadOf(shape, list);
    // A list's rows are used once; of a whole cache the other half of a line comes soon, and is better found in L1
    // (H100, 64 x 32k: 2.90 against 3.03 ms).
    const Access access = config.source == TokenSource::All ? Access::ReadOnly : Access::Streaming;
    SmallVector<Words4> query = loadQueryWords(e, shape, params.q, sequence, firstHead, heads);
    auto chunkOf = [&](int64_t j) { return query[j]; };
    TileContext context{shape, access, params.kPages, params.vPages, chunkOf, config.softmaxScale * kLog2E};
    Expr lastToken = max(tokens.size - 1, 0);
    auto positionOf = [&](Expr tile) {
      return tokens.position(e, min(tile * kAttendTile + (e.lane() & (kAttendTile - 1)), lastToken));
    };
    Expr first = split * warps + e.warp(), stride = active * warps;
    Exprs carried = WarpState::empty(e, dim).pack();
    // Where the warp has no tile there may be no token to look up.
    carried.append(e.ifElse(
        first < tiles, [&] { return Exprs{paged.kvRow(e, positionOf(first)), positionOf(first + stride)}; },
        [&] { return Exprs{e.i32(0), e.i32(0)}; }));
    Exprs result = e.forRange(first, tiles, stride, carried, [&](Expr tile, ArrayRef<Expr> current) {
      // The page table is read one tile ahead and the list two: no tile waits for both.
      Expr nextRow = paged.kvRow(e, current.back()), nextPosition = positionOf(tile + stride * 2);
      auto rowOf = [&](Expr token) { return e.shuffle(current[current.size() - 2], token); };
      WarpState after =
          attendTile(e, context, WarpState::unpack(current.drop_back(2)), rowOf, tokens.size - tile * kAttendTile);
      Exprs all = after.pack();
      all.push_back(nextRow);
      all.push_back(nextPosition);
      return all;
    });
    WarpState state = WarpState::unpack(ArrayRef<Expr>(result).drop_back(2));
    mergeWarps(e, shape, parts, state, [&](Expr head, Expr element, SplitPart merged) {
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
