// What nobody reads of a fused op is neither yielded nor computed, and what its ops do not read is not passed in.
// RUN: twilight-opt %s --canonicalize --split-input-file | FileCheck %s

!cache = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4>, summary = #twilight.min_max<f16>>
!q = tensor<?x9x64xf16>
!counts = tensor<?x3xi32>

// CHECK-LABEL: func @unread_counts(
// CHECK-SAME: %[[Q:.*]]: tensor<?x9x64xf16>, %[[CACHE:.*]]: !twilight.cache<{{.*}}>, %[[P:.*]]: f32)
// CHECK-NEXT: %[[OUT:.*]]:2 = twilight.fused (%{{.*}} = %[[Q]] : {{.*}}, %{{.*}} = %[[CACHE]] : {{.*}}, %{{.*}} = %[[P]] : f32) schedule(<grid, gather_splits = 4, dense_splits = 32, origin = user>) dense_below(64) attributes {kept.note} {
// CHECK-NEXT: twilight.select
// CHECK-NEXT: twilight.quantize_score
// CHECK-NEXT: twilight.top_p
// CHECK-NEXT: %[[O:.*]], %[[LSE:.*]] = twilight.gather_attend {{.*}} -> tensor<?x9x64xf16> lse tensor<?x9xf32>{{$}}
// CHECK-NEXT: twilight.yield %[[O]], %[[LSE]] :
// CHECK: return %[[OUT]]#1, %[[OUT]]#0
func.func @unread_counts(%q: !q, %cache: !cache, %p: f32) -> (tensor<?x9xf32>, !q) {
  %out:4 = twilight.fused (%q_ = %q : !q, %c = %cache : !cache, %p_ = %p : f32) schedule(<grid, gather_splits = 4>) dense_below(64) attributes {kept.note} {
    %pages = twilight.select %q_, %c selector(#twilight.quest) budget(#twilight.fraction<0.25>) : !q, !cache -> !twilight.selection<page>
    %n = twilight.count %pages, %c : !twilight.selection<page>, !cache -> !counts
    %scores = twilight.quantize_score %q_, %c, %pages : !q, !cache, !twilight.selection<page> -> !twilight.scores
    %kept = twilight.top_p %scores, %p_ : !twilight.scores, f32 -> !twilight.selection<token>
    %o:3 = twilight.gather_attend %q_, %c, %kept : !q, !cache, !twilight.selection<token> -> !q lse tensor<?x9xf32> counts !counts
    twilight.yield %o#0, %n, %o#1, %o#2 : !q, !counts, tensor<?x9xf32>, !counts
  } : !q, !counts, tensor<?x9xf32>, !counts
  return %out#2, %out#0 : tensor<?x9xf32>, !q
}

// -----

!cache = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4>, summary = #twilight.min_max<f16>>
!q = tensor<?x9x64xf16>

// p = 1 keeps all candidates, so that a p passed in besides is read by nothing; over everything attention is dense.
// CHECK-LABEL: func @everything(
// CHECK-SAME: %[[Q:.*]]: tensor<?x9x64xf16>, %[[CACHE:.*]]: !twilight.cache<{{.*}}>, %{{.*}}: f32)
// CHECK-NEXT: twilight.fused (%[[q:.*]] = %[[Q]] : tensor<?x9x64xf16>, %[[c:.*]] = %[[CACHE]] : !twilight.cache<{{.*}}>) dense_below(64) {
// CHECK-NEXT: %[[O:.*]] = twilight.attend %[[q]], %[[c]]
// CHECK-NEXT: twilight.yield %[[O]]
func.func @everything(%q: !q, %cache: !cache, %p: f32) -> !q {
  %out = twilight.fused (%q_ = %q : !q, %p_ = %p : f32, %c = %cache : !cache) dense_below(64) {
    %one = arith.constant 1.0 : f32
    %pages = twilight.select %q_, %c selector(#twilight.full) budget(#twilight.all) : !q, !cache -> !twilight.selection<page>
    %scores = twilight.quantize_score %q_, %c, %pages : !q, !cache, !twilight.selection<page> -> !twilight.scores
    %kept = twilight.top_p %scores, %one : !twilight.scores, f32 -> !twilight.selection<token>
    %unread = twilight.top_p %scores, %p_ : !twilight.scores, f32 -> !twilight.selection<token>
    %o = twilight.gather_attend %q_, %c, %kept : !q, !cache, !twilight.selection<token> -> !q
    twilight.yield %o : !q
  } : !q
  return %out : !q
}
