// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Exact attention to 16 tokens at a time, by one warp.

#include "AttendTile.h"

#include <limits>

using namespace mlir;
using namespace twilight;

WarpState WarpState::empty(KernelEmitter &e, int64_t dim) {
  WarpState state{e.f32(-std::numeric_limits<double>::infinity()), e.f32(0), {}};
  state.out.assign(dim / 4, e.f32(0));
  return state;
}

WarpState twilight::attendTile(KernelEmitter &e, const TileContext &context, const WarpState &state,
                               function_ref<Expr(Expr)> rowOf, Expr valid) {
  const AttentionShape &shape = context.shape;
  LaneGrid at(e);
  const bool isFirst = state.out.empty();
  const int64_t chunks = shape.headDim / 32, halves = shape.headDim / 64, rowWords = shape.headDim / 8;

  // Everything is asked for before anything is used, where registers allow it.
  SmallVector<Words4> keys[2], values[4];
  for (int64_t t = 0; t < 2; ++t) {
    Expr r = rowOf(at.row + t * 8).to(e.getI64Type()) * rowWords;
    for (int64_t j = 0; j < chunks; ++j)
      keys[t].push_back(
          e.loadWords4(context.kPages, r + (at.column + j * 4).to(e.getI64Type()), context.access, rowWords * 16));
  }
  const int64_t tokenOffset[4] = {0, 1, 8, 9};
  auto loadValues = [&](int64_t begin, int64_t end) {
    for (int64_t t = 0; t < 4; ++t) {
      Expr r = rowOf(at.column * 2 + tokenOffset[t]).to(e.getI64Type()) * rowWords;
      for (int64_t h = begin; h < end; ++h)
        values[t].push_back(
            e.loadWords4(context.vPages, r + (at.row + h * 8).to(e.getI64Type()), context.access, rowWords * 16));
    }
  };
  const int64_t early = context.valuesEarly ? halves : 1;
  loadValues(0, early);
  if (context.inOrder)
    e.syncWarp();

  Expr zero = e.f32(0), nothing = e.i32(0), minusInfinity = e.f32(-std::numeric_limits<double>::infinity());
  Expr logits[4];
  for (int64_t t = 0; t < 2; ++t) {
    std::array<Expr, 4> s = {zero, zero, zero, zero};
    for (int64_t j = 0; j < chunks; ++j) {
      const Words4 q = context.query(j), &k = keys[t][j];
      s = e.mma(shape.kvType, {q[0], nothing, q[1], nothing}, {k[0], k[1]}, s);
      s = e.mma(shape.kvType, {q[2], nothing, q[3], nothing}, {k[2], k[3]}, s);
    }
    for (int64_t i = 0; i < 2; ++i)
      logits[t * 2 + i] = select(at.column * 2 + (t * 8 + i) < valid, s[i] * context.scale, minusInfinity);
  }

  if (early < halves)
    loadValues(early, halves);
  WarpState next;
  Expr highest = max(max(logits[0], logits[1]), max(logits[2], logits[3]));
  highest = max(highest, e.shuffleXor(highest, 1));
  highest = max(highest, e.shuffleXor(highest, 2));
  next.maximum = isFirst ? highest : max(state.maximum, highest);
  // A maximum of -inf would make exp2(-inf - -inf).
  Expr reference = select(next.maximum == minusInfinity, zero, next.maximum);
  Expr rescale = isFirst ? zero : e.exp2(state.maximum - reference);
  Expr weights[4];
  next.mass = isFirst ? zero : state.mass * rescale;
  for (int64_t i = 0; i < 4; ++i) {
    weights[i] = e.exp2(logits[i] - reference);
    next.mass = next.mass + weights[i];
  }
  Expr p[2] = {e.pack(weights[0], weights[1], shape.kvType), e.pack(weights[2], weights[3], shape.kvType)};

  // O^T = V^T P^T: tokens are the reduction, 16 dims the rows, heads the columns.
  Expr rescaleOf[2];
  for (int64_t k = 0; k < 2 && !isFirst; ++k)
    rescaleOf[k] = e.shuffle(rescale, at.column * 8 + k * 4);
  for (int64_t h = 0; h < halves; ++h)
    for (int64_t word = 0; word < 4; ++word) {
      Expr a = values[0][h][word], b = values[1][h][word], c = values[2][h][word], d = values[3][h][word];
      size_t o = (h * 4 + word) * 4;
      std::array<Expr, 4> sum;
      for (int64_t k = 0; k < 4; ++k)
        sum[k] = isFirst ? zero : state.out[o + k] * rescaleOf[k % 2];
      sum = e.mma(shape.kvType, {e.lowHalves(a, b), e.highHalves(a, b), e.lowHalves(c, d), e.highHalves(c, d)},
                  {p[0], p[1]}, sum);
      next.out.append(sum.begin(), sum.end());
    }
  return next;
}

SplitPart twilight::mergeParts(KernelEmitter &e, ArrayRef<SplitPart> parts) {
  Expr minusInfinity = e.f32(-std::numeric_limits<double>::infinity());
  SplitPart merged{minusInfinity, e.f32(0), e.f32(0)};
  for (const SplitPart &part : parts)
    merged.maximum = max(merged.maximum, part.maximum);
  Expr reference = select(merged.maximum == minusInfinity, e.f32(0), merged.maximum);
  for (const SplitPart &part : parts) {
    Expr factor = e.exp2(part.maximum - reference);
    merged.mass = fma(part.mass, factor, merged.mass);
    merged.sum = fma(part.sum, factor, merged.sum);
  }
  return merged;
}

void twilight::mergeWarps(KernelEmitter &e, const AttentionShape &shape, const WarpParts &parts, WarpState state,
                          function_ref<void(Expr, Expr, SplitPart)> use) {
  const int64_t heads = shape.headsPerList(), dim = shape.headDim;
  LaneGrid at(e);
  state.mass = state.mass + e.shuffleXor(state.mass, 1);
  state.mass = state.mass + e.shuffleXor(state.mass, 2);
  Expr first = e.warp() * heads;
  e.ifThen((at.row < heads) & (at.column == 0), [&] {
    parts.maxima.store(first + at.row, state.maximum);
    parts.masses.store(first + at.row, state.mass);
  });
  for (int64_t i = 0; i < 2; ++i) {
    Expr head = at.column * 2 + i;
    e.ifThen(head < heads, [&] {
      for (int64_t k = 0; k < dim / 8; ++k) {
        // Of four sums: element, then head.
        Expr element = at.row * 8 + (k / 8 * 64 + k % 8);
        parts.sums.store((first + head) * dim + element, state.out[k * 2 + i]);
      }
    });
  }
  e.barrier();
  e.forRange(e.threadIndex(), e.i32(heads * dim), e.i32(e.getThreads()), [&](Expr i) {
    Expr head = i / dim, element = i % dim;
    SmallVector<SplitPart> all;
    for (int64_t w = 0; w < e.getWarps(); ++w) {
      Expr part = head + w * heads;
      all.push_back({parts.maxima.load(part), parts.masses.load(part), parts.sums.load(part * dim + element)});
    }
    use(head, element, mergeParts(e, all));
  });
}
