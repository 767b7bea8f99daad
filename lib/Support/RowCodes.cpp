// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Rows of f32 numbers as codes of 8 bits that lie on one side of them.

#include "twilight/Support/RowCodes.h"

#include "mlir/Dialect/Math/IR/Math.h"

#include <limits>

using namespace mlir;
using namespace twilight;

RowScale twilight::makeRowScale(Expr least, Expr largest, Expr finite) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  Emitter &e = least.getEmitter();
  Expr range = largest - least;
  // More than the roundings of the difference and of the quotient can have taken; and no subnormal number, which a
  // target may flush.
  Expr scale = max(range / 255.0 * (1.0 + 0x1p-22), e.f32(0x1p-126));
  scale = select(range == 0.0, e.f32(0), scale);
  Expr fits = finite & (range < infinity);
  // + 0 makes one zero of the two.
  return {select(fits, scale, e.f32(std::numeric_limits<double>::quiet_NaN())), select(fits, least + 0.0, e.f32(0))};
}

Expr twilight::makeRowCode(Expr x, Expr scale, Expr zero, bool up) {
  Emitter &e = x.getEmitter();
  Expr none = e.constant(x.getType(), 0.0), top = e.constant(x.getType(), 255.0), one = e.constant(x.getType(), 1.0);
  Expr steps = (x - zero) / select(scale == none, one, scale);
  steps = e.wrap(up ? math::CeilOp::create(e, steps).getResult() : math::FloorOp::create(e, steps).getResult());
  Expr code = min(max(steps, none), top);
  // The quotient is rounded: its integer may be on the wrong side by one.
  Expr number = fma(scale, code, zero);
  code = up ? select(number < x, code + one, code) : select(number > x, code - one, code);
  return select(scale == scale, code, none);
}
