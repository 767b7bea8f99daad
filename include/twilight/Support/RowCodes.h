// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Rows of f32 numbers as codes of 8 bits that lie on one side of them, the same bits on every target.
//
//   number = scale * code + zero, in one rounding
//   zero = min, scale = the least that reaches max, or a little more; 0 where all numbers are the same

#ifndef TWILIGHT_SUPPORT_ROWCODES_H
#define TWILIGHT_SUPPORT_ROWCODES_H

#include "twilight/Support/Expr.h"

namespace twilight {

struct RowScale {
  Expr scale, zero; ///< f32
};

/// From a row's least and largest number (f32), and whether all of them are finite (i1). A row that is not, or whose
/// range is not, has scale NaN and zero 0.
RowScale makeRowScale(Expr least, Expr largest, Expr finite);

/// The code of each number of x (f32, or a vector; scale and zero of the same type): the largest whose number is not
/// above it, or with `up` the least whose number is not below it. An f32 in 0 to 255.
Expr makeRowCode(Expr x, Expr scale, Expr zero, bool up);

} // namespace twilight

#endif
