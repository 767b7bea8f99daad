// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// All ops of the dialect.

#ifndef TWILIGHT_DIALECT_OPS_TD
#define TWILIGHT_DIALECT_OPS_TD

include "twilight/Dialect/TwilightAttendOps.td"
include "twilight/Dialect/TwilightCacheOps.td"
include "twilight/Dialect/TwilightFusionOps.td"
include "twilight/Dialect/TwilightLengthOps.td"
include "twilight/Dialect/TwilightSelectionOps.td"

#endif
