// What is chosen for one pipeline, chip by chip and size by size: the row of the built-in table where one is near, else the
// cost model's. A pick that changes here is a change of one of them.
// RUN: twilight-opt %s --twilight-choose-schedule | FileCheck %s -DPICK="grid, gather_splits = 8, dense_splits = 32, origin = default"
// RUN: twilight-opt %s --twilight-choose-schedule="batch=64" | FileCheck %s -DPICK="grid, gather_splits = 8, dense_splits = 32, origin = default"

// RUN: twilight-opt %s --twilight-choose-schedule="batch=64 tokens=32768" | FileCheck %s -DPICK="block, cluster = 1, warps = 12, select_warps = 4, origin = model"
// RUN: twilight-opt %s --twilight-choose-schedule="batch=64 tokens=8192" | FileCheck %s -DPICK="block, cluster = 1, warps = 8, select_warps = 0, resident = 2, origin = table"
// RUN: twilight-opt %s --twilight-choose-schedule="batch=8 tokens=32768" | FileCheck %s -DPICK="block, cluster = 2, warps = 16, select_warps = 0, origin = table"
// RUN: twilight-opt %s --twilight-choose-schedule="batch=1 tokens=32768" | FileCheck %s -DPICK="block, cluster = 1, spread = 16, warps = 8, select_warps = 0, origin = table"
// RUN: twilight-opt %s --twilight-choose-schedule="batch=1 tokens=131072" | FileCheck %s -DPICK="block, cluster = 1, spread = 16, warps = 16, select_warps = 0, origin = table"
// Half a million tokens of one sequence fit no cluster.
// RUN: twilight-opt %s --twilight-choose-schedule="batch=1 tokens=524288" | FileCheck %s -DPICK="grid, gather_splits = 8, dense_splits = 32, origin = model"

// Without clusters: one block, while there are items enough and it fits; 163 KB of shared memory are full sooner. For few
// items, blocks that are no cluster.
// RUN: twilight-opt %s --twilight-choose-schedule="chip=sm_80 batch=64 tokens=8192" | FileCheck %s -DPICK="block, cluster = 1, warps = 12, select_warps = 4, origin = model"
// RUN: twilight-opt %s --twilight-choose-schedule="chip=sm_80 batch=64 tokens=32768" | FileCheck %s -DPICK="grid, gather_splits = 8, dense_splits = 32, origin = model"
// RUN: twilight-opt %s --twilight-choose-schedule="chip=sm_80 batch=1 tokens=32768" | FileCheck %s -DPICK="block, cluster = 1, spread = 8, warps = 8, select_warps = 0, origin = model"

// One block a multiprocessor cannot ask for all of the bandwidth of this one; work on the chip weighs more. Clusters of 16
// would not all run at once, spread blocks do.
// RUN: twilight-opt %s --twilight-choose-schedule="chip=sm_100a batch=64 tokens=32768" | FileCheck %s -DPICK="block, cluster = 1, warps = 12, select_warps = 4, origin = model"
// RUN: twilight-opt %s --twilight-choose-schedule="chip=sm_100a batch=8 tokens=32768" | FileCheck %s -DPICK="block, cluster = 2, warps = 16, select_warps = 0, origin = model"
// RUN: twilight-opt %s --twilight-choose-schedule="chip=sm_100a batch=1 tokens=131072" | FileCheck %s -DPICK="block, cluster = 1, spread = 16, warps = 12, select_warps = 0, origin = model"

// A second run changes nothing, whatever it is told.
// RUN: twilight-opt %s --twilight-choose-schedule="batch=64 tokens=8192" --twilight-choose-schedule | FileCheck %s -DPICK="block, cluster = 1, warps = 8, select_warps = 0, resident = 2, origin = table"

// One for all, in place of their own.
// RUN: twilight-opt %s --twilight-choose-schedule="batch=64 tokens=8192 schedule='#twilight.schedule<block, cluster = 4>'" | FileCheck %s --check-prefix=FORCED

!cache = !twilight.cache<kv_heads = 8, head_dim = 128, page_size = 16, bf16, hnd, codes = <bits = 4>, summary = #twilight.min_max<bf16>>
!q = tensor<?x32x128xbf16>

// CHECK-LABEL: func @open(
// CHECK: twilight.fused ({{.*}}) schedule(<[[PICK]]>) {
// FORCED: schedule(<block, cluster = 4, warps = 16, select_warps = 0, origin = user>)
func.func @open(%q: !q, %cache: !cache, %p: f32) -> !q {
  %0 = twilight.fused (%q_ = %q : !q, %cache_ = %cache : !cache, %p_ = %p : f32) {
    %pages = twilight.select %q_, %cache_ selector(#twilight.quest) budget(#twilight.fraction<0.25>) : !q, !cache -> !twilight.selection<page>
    %scores = twilight.quantize_score %q_, %cache_, %pages : !q, !cache, !twilight.selection<page> -> !twilight.scores
    %kept = twilight.top_p %scores, %p_ : !twilight.scores, f32 -> !twilight.selection<token>
    %o = twilight.gather_attend %q_, %cache_, %kept : !q, !cache, !twilight.selection<token> -> !q
    twilight.yield %o : !q
  } : !q
  return %0 : !q
}

// What was written stays; two or three of four ops are nothing that the model knows.
// CHECK-LABEL: func @written(
// CHECK: schedule(<grid, gather_splits = 4, dense_splits = 16, origin = user>)
// FORCED: schedule(<block, cluster = 4, warps = 16, select_warps = 0, origin = user>)
// CHECK: schedule(<grid, gather_splits = 8, dense_splits = 32, origin = default>)
func.func @written(%q: !q, %cache: !cache) -> (!q, !q) {
  %0 = twilight.fused (%q_ = %q : !q, %cache_ = %cache : !cache) schedule(<grid, gather_splits = 4, dense_splits = 16>) {
    %o = twilight.attend %q_, %cache_ : !q, !cache -> !q
    twilight.yield %o : !q
  } : !q
  %1 = twilight.fused (%q_ = %q : !q, %cache_ = %cache : !cache) {
    %pages = twilight.select %q_, %cache_ selector(#twilight.quest) budget(#twilight.fraction<0.25>) : !q, !cache -> !twilight.selection<page>
    %o = twilight.gather_attend %q_, %cache_, %pages : !q, !cache, !twilight.selection<page> -> !q
    twilight.yield %o : !q
  } : !q
  return %0, %1 : !q, !q
}
