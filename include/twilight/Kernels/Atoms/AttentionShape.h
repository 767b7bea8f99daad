// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Compile-time facts that the kernels of one pipeline share.

#ifndef TWILIGHT_KERNELS_ATOMS_ATTENTIONSHAPE_H
#define TWILIGHT_KERNELS_ATOMS_ATTENTIONSHAPE_H

#include "twilight/Dialect/Twilight.h"

namespace twilight {

struct AttentionShape {
  int64_t kvHeads, group, headDim, pageSize;
  Layout layout = Layout::HND;
  Lists lists = Lists::KvHead;
  mlir::Type queryType; ///< element type of q (f16 or bf16)
  mlir::Type kvType;    ///< element type of K and V (f16 or bf16)
  CodesAttr codes = {}; ///< format of the quantised keys; null where the cache has none

  int64_t queryHeads() const { return kvHeads * group; }
  int64_t listsPerSequence() const { return lists == Lists::KvHead ? kvHeads : queryHeads(); }
  int64_t listsPerKvHead() const { return lists == Lists::KvHead ? 1 : group; }
  int64_t headsPerList() const { return lists == Lists::KvHead ? group : 1; }
};

/// Where a kernel finds its tokens.
enum class TokenSource { All, Pages, Tokens };

} // namespace twilight

#endif
