// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The schedule of a fused pipeline.

#ifndef TWILIGHT_DIALECT_SCHEDULEATTR_TD
#define TWILIGHT_DIALECT_SCHEDULEATTR_TD

include "twilight/Dialect/TwilightAttributes.td"

def Twilight_ScheduleShape : Twilight_Enum<"ScheduleShape", "how a fused pipeline is spread over the chip", [
  I32EnumAttrCase<"Block", 0, "block">, I32EnumAttrCase<"Grid", 1, "grid">]>;
def Twilight_ScheduleOrigin : Twilight_Enum<"ScheduleOrigin", "who chose a schedule", [
  I32EnumAttrCase<"User", 0, "user">, I32EnumAttrCase<"Table", 1, "table">, I32EnumAttrCase<"Model", 2, "model">,
  I32EnumAttrCase<"Default", 3, "default">]>;

def Twilight_ScheduleAttr : Twilight_Attr<"Schedule", "schedule"> {
  let summary = "how a fused pipeline runs on a GPU";
  let description = [{
    `block`: one kernel. A cluster of thread blocks takes one sequence and kv head after the other; page scores, the
    list of candidates and logits stay on the chip. With `spread` > 1 the blocks that share an item are no cluster: they
    lie anywhere on the chip, hand on what they made through global memory, and wait for each other there. That needs
    all of them on the device at once (a cooperative launch), but no room for a cluster in one part of the chip, and no
    chip with clusters.

    `grid`: kernels that each spread over the whole chip, one after the other; intermediates go through memory.

    | field | of shape | values | default | meaning |
    |---|---|---|---|---|
    | `cluster` | block | 1, 2, 4, 8, 16 | 1 | thread blocks that share one sequence and kv head, as a cluster |
    | `spread` | block | 1 to 32 | 1 | thread blocks that share one sequence and kv head, without being a cluster |
    | `warps` | block | 4 to 32 | 16 | warps of a thread block that score candidates, prune and attend |
    | `select_warps` | block | 0 to 28 | 0 | further warps that rank the next item's pages meanwhile; 0: there are none, `warps` do it |
    | `resident` | block | 1 to 4 | 1 | thread blocks on a multiprocessor at a time, each with items of its own: one works on the chip while another waits for memory |
    | `gather_splits` | grid | 1 to 64 | 8 | thread blocks that share one list in `gather_attend` |
    | `dense_splits` | grid | 1 to 64 | 32 | thread blocks that share one list in `attend` |
    | `origin` | both | user, table, model, default | user | who chose: the author of the IR, a measured row of the tuning table, the cost model, or none of them |

    Fields may stand in any order and be left out; all of the shape's are printed, `spread` and `resident` only
    where they are not 1.

    Errors: a value out of range, a field of the other shape, `select_warps` where several blocks share an item,
    `spread` > 1 with `cluster` > 1, more than 32 warps in all, more than 64 warps on a multiprocessor.

    ```mlir
    #together = #twilight.schedule<block, cluster = 2>
    #anywhere = #twilight.schedule<block, spread = 16, warps = 8>
    #ahead = #twilight.schedule<block, warps = 12, select_warps = 4, origin = table>
    #kernels = #twilight.schedule<grid, gather_splits = 8, dense_splits = 32, origin = default>
    ```
  }];
  let parameters = (ins EnumParameter<Twilight_ScheduleShape>:$shape, "int64_t":$cluster, "int64_t":$spread,
                        "int64_t":$warps, "int64_t":$selectWarps, "int64_t":$resident, "int64_t":$gatherSplits,
                        "int64_t":$denseSplits,
                        EnumParameter<Twilight_ScheduleOrigin>:$origin);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// What a field has where it is not given, and always where it belongs to the other shape.
    static constexpr int64_t kCluster = 1, kSpread = 1, kWarps = 16, kSelectWarps = 0, kResident = 1,
                             kGatherSplits = 8, kDenseSplits = 32;
    static constexpr int64_t kMostSpread = 32, kMostSplits = 64;

    static ScheduleAttr getBlock(::mlir::MLIRContext *context, int64_t cluster = kCluster, int64_t warps = kWarps,
                                 int64_t selectWarps = kSelectWarps, int64_t resident = kResident,
                                 ScheduleOrigin origin = ScheduleOrigin::User) {
      return get(context, ScheduleShape::Block, cluster, kSpread, warps, selectWarps, resident, kGatherSplits,
                 kDenseSplits, origin);
    }
    static ScheduleAttr getGrid(::mlir::MLIRContext *context, int64_t gatherSplits = kGatherSplits,
                                int64_t denseSplits = kDenseSplits, ScheduleOrigin origin = ScheduleOrigin::User) {
      return get(context, ScheduleShape::Grid, kCluster, kSpread, kWarps, kSelectWarps, kResident, gatherSplits,
                 denseSplits, origin);
    }
  }];
}

#endif
