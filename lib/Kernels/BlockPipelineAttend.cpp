// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The whole pipeline as one kernel: kept tokens.

#include "BlockPipeline.h"

#include "Stages/Collectives.h"

using namespace mlir;
using namespace twilight;

/// Keeps the row of the cluster's `index`-th token where its tile belongs to this block.
void BlockPipeline::storeRow(Expr index, function_ref<Expr()> row) {
  Expr tile = index / kAttendTile;
  if (!clustered())
    return rows.store(index, row());
  e.ifThen(tile % config.cluster == rank,
           [&] { rows.store(tile / config.cluster * kAttendTile + index % kAttendTile, row()); });
}

Expr BlockPipeline::listKept(const Item &item, Expr candidates) {
  PagedRows paged{shape, params.pageTable, params.maxPages, item.sequence, item.kvHead};
  Expr words = ceilDiv(candidates, kWarp), step = e.i32(e.getThreads());
  return e.forRange(e.i32(0), words, step, {e.i32(0)}, [&](Expr chunk, ArrayRef<Expr> before) {
    Expr word = chunk + e.threadIndex(), bits = e.i32(0);
    for (int64_t h = 0; h < shape.group; ++h)
      bits = bits | masks.load(min(word, words - 1) + memory.maskWords * h);
    bits = select(word < words, bits, e.i32(0));
    Running running = blockScan(e, scratch, e.popcount(bits));
    e.whileLoop(
        {bits, before[0] + running.before}, [&](ArrayRef<Expr> state) { return state[0] != 0; },
        [&](ArrayRef<Expr> state) {
          Expr lowest = state[0] & -state[0], slot = word * kWarp + e.popcount(lowest - 1);
          storeRow(state[1],
                   [&] { return paged.kvRowOf(physical.load(slot / shape.pageSize), slot % shape.pageSize); });
          return Exprs{state[0] ^ lowest, state[1] + 1};
        });
    return Exprs{before[0] + running.total};
  })[0];
}

Expr BlockPipeline::listAll(const Item &item) {
  PagedRows paged{shape, params.pageTable, params.maxPages, item.sequence, item.kvHead};
  e.forRange(e.threadIndex(), item.length, e.i32(e.getThreads()),
             [&](Expr i) { storeRow(i, [&] { return paged.kvRow(e, i); }); });
  return item.length;
}

void BlockPipeline::attend(const Item &item, Expr tokens) {
  const int64_t cluster = config.cluster, dim = shape.headDim;
  Expr firstHead = item.kvHead * shape.group;
  auto chunkOf = [&](int64_t j) { return query.loadFour(e.lane() + j * kWarp); };
  TileContext context{shape,
                      Access::Streaming,
                      params.kPages,
                      params.vPages,
                      chunkOf,
                      config.attendScale * kLog2E,
                      /*valuesEarly=*/(config.warps + config.selectWarps) * kWarp <= 384};
  // The block's tiles are tile rank, rank + C, ... of the list.
  Expr tiles = ceilDiv(tokens, kAttendTile), own = max(ceilDiv(tiles - rank, cluster), 0);
  Expr inTile = e.lane() & (kAttendTile - 1);
  Exprs result = e.forRange(e.warp(), own, e.i32(e.getWarps()), WarpState::empty(e, dim).pack(),
                            [&](Expr tile, ArrayRef<Expr> state) {
                              Expr valid = tokens - (tile * cluster + rank) * kAttendTile;
                              Expr row = rows.load(tile * kAttendTile + min(inTile, valid - 1));
                              return attendTile(e, context, WarpState::unpack(state), row, valid).pack();
                            });
  AttendConfig finishing{shape,          TokenSource::Tokens, config.attendScale, config.outType,
                         config.withLse, config.withCounts,   /*splits=*/1};
  auto finish = [&](Expr head, Expr element, SplitPart part) {
    if (!clustered())
      return finishHead(e, finishing, params, item.sequence, firstHead + head, element, part);
    Expr base = head * (dim + 2);
    blockPart.store(base + element, part.sum);
    e.ifThen(element == 0, [&] {
      blockPart.store(base + dim, part.maximum);
      blockPart.store(base + (dim + 1), part.mass);
    });
  };
  // Behind the rows that there are: a place that depends on the item is not kept in a register through the kernel.
  parts.sums = rows.from(own * kAttendTile).as(e.getF32Type());
  anew([&] { mergeWarps(e, shape, parts, WarpState::unpack(result), finish); });
  if (!clustered())
    return;
  e.clusterBarrier();
  // Each block finishes its share of the elements.
  Expr step = e.i32(e.getThreads() * cluster);
  e.forRange(e.threadIndex() * cluster + rank, e.i32(shape.group * dim), step, [&](Expr i) {
    Expr head = i / dim, element = i % dim, base = head * (dim + 2);
    SmallVector<SplitPart> all;
    for (int64_t block = 0; block < cluster; ++block) {
      SharedTile part = blockPart.ofBlock(e.i32(block));
      all.push_back({part.load(base + dim), part.load(base + (dim + 1)), part.load(base + element)});
    }
    finishHead(e, finishing, params, item.sequence, firstHead + head, element, mergeParts(e, all));
  });
}
