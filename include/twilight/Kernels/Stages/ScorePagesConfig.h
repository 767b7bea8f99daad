// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// What scoring pages needs to know at compile time.

#ifndef TWILIGHT_KERNELS_STAGES_SCOREPAGESCONFIG_H
#define TWILIGHT_KERNELS_STAGES_SCOREPAGESCONFIG_H

#include "twilight/Kernels/Atoms/AttentionShape.h"

namespace twilight {

struct ScorePagesConfig {
  AttentionShape shape;
  SelectorAttrInterface selector;
  SummaryAttrInterface summary;
  SelectGroup group;
  int64_t sink, recent;
  bool wholeLines = true; ///< eight lanes to a page where its rows allow it: faster in all but small blocks
};

} // namespace twilight

#endif
