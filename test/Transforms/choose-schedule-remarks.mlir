// A remark says what was chosen and why; a measured row goes before the model, and says where it comes from.
// RUN: twilight-opt %s --twilight-choose-schedule="batch=50 tokens=30000 table=%S/Inputs/tuning.json" --remarks-filter=twilight-choose-schedule --remark-format=emitRemark -verify-diagnostics -o /dev/null
// RUN: twilight-opt %s --twilight-choose-schedule="batch=50 tokens=30000 table=%S/Inputs/tuning.json" | FileCheck %s
// A row is for its own chip, and for sizes that are near.
// RUN: twilight-opt %s --twilight-choose-schedule="chip=sm_100a batch=50 tokens=30000 table=%S/Inputs/tuning.json" | FileCheck %s --check-prefix=MODEL
// RUN: twilight-opt %s --twilight-choose-schedule="batch=3 tokens=30000 table=%S/Inputs/tuning.json" | FileCheck %s --check-prefix=MODEL

!cache = !twilight.cache<kv_heads = 8, head_dim = 128, page_size = 16, bf16, hnd, codes = <bits = 4>, summary = #twilight.min_max<bf16>>
!q = tensor<?x32x128xbf16>

// CHECK-LABEL: func @open(
// CHECK: schedule(<block, cluster = 2, warps = 8, select_warps = 0, origin = table>)
// MODEL-LABEL: func @open(
// MODEL: origin = model>
func.func @open(%q: !q, %cache: !cache, %p: f32) -> (!q, !q, !q) {
  // expected-remark @below {{[Passed] choose-schedule | Category:twilight-choose-schedule | Remark="block, cluster = 2, warps = 8, select_warps = 0: measured 300.2 us at batch 64, 32768 tokens on a device (driver a driver, 2026-01-02, commit abcdef)"}}
  %0 = twilight.fused (%q_ = %q : !q, %cache_ = %cache : !cache, %p_ = %p : f32) {
    %pages = twilight.select %q_, %cache_ selector(#twilight.quest) budget(#twilight.fraction<0.25>) : !q, !cache -> !twilight.selection<page>
    %scores = twilight.quantize_score %q_, %cache_, %pages : !q, !cache, !twilight.selection<page> -> !twilight.scores
    %kept = twilight.top_p %scores, %p_ : !twilight.scores, f32 -> !twilight.selection<token>
    %o = twilight.gather_attend %q_, %cache_, %kept : !q, !cache, !twilight.selection<token> -> !q
    twilight.yield %o : !q
  } : !q
  // expected-remark @below {{Remark="grid, gather_splits = 2, dense_splits = 32: written on the op"}}
  %1 = twilight.fused (%q_ = %q : !q, %cache_ = %cache : !cache) schedule(<grid, gather_splits = 2>) {
    %o = twilight.attend %q_, %cache_ : !q, !cache -> !q
    twilight.yield %o : !q
  } : !q
  // expected-remark @below {{Remark="grid, gather_splits = 8, dense_splits = 32: its ops are not one chain of select, quantize_score, top_p and gather_attend"}}
  %2 = twilight.fused (%q_ = %q : !q, %cache_ = %cache : !cache) {
    %o = twilight.attend %q_, %cache_ : !q, !cache -> !q
    twilight.yield %o : !q
  } : !q
  return %0, %1, %2 : !q, !q, !q
}
