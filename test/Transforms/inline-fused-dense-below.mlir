// dense_below becomes two attentions over the shorter and the longer sequences, and a merge.
// RUN: twilight-opt %s --twilight-inline-fused --split-input-file | FileCheck %s --implicit-check-not=twilight.fused

!cache = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4>, summary = #twilight.min_max<f16>>
!q = tensor<?x9x64xf16>
!out = tensor<?x9x64xf32>

// lse that nobody asked for is what merge needs; every count is the length where attention is dense.
// CHECK-LABEL: func @pruned(
// CHECK-SAME: %[[Q:.*]]: tensor<?x9x64xf16>, %[[CACHE:.*]]: !twilight.cache<{{.*}}>, %[[P:.*]]: f32)
// CHECK-NEXT: %[[SHORTER:.*]], %[[LONGER:.*]] = twilight.split_by_length %[[CACHE]] below(2048)
// CHECK-NEXT: %[[PAGES:.*]] = twilight.select %[[Q]], %[[LONGER]]
// CHECK-NEXT: %[[CANDIDATES:.*]] = twilight.count %[[PAGES]], %[[LONGER]]
// CHECK-NEXT: %[[ALL_CANDIDATES:.*]] = twilight.add_lengths %[[CANDIDATES]], %[[SHORTER]] : tensor<?x3xi32>
// CHECK-NEXT: %[[SCORES:.*]] = twilight.quantize_score %[[Q]], %[[LONGER]], %[[PAGES]]
// CHECK-NEXT: %[[KEPT:.*]] = twilight.top_p %[[SCORES]], %[[P]]
// CHECK-NEXT: %[[A:.*]], %[[LSE_A:.*]], %[[READ:.*]] = twilight.gather_attend %[[Q]], %[[LONGER]], %[[KEPT]] {kept.note, softmax_scale = 5.000000e-01 : f64} : {{.*}} -> tensor<?x9x64xf32> lse tensor<?x9xf32> counts tensor<?x9xi32>
// CHECK-NEXT: %[[B:.*]], %[[LSE_B:.*]] = twilight.attend %[[Q]], %[[SHORTER]] {softmax_scale = 5.000000e-01 : f64} : {{.*}} -> tensor<?x9x64xf32> lse tensor<?x9xf32>{{$}}
// CHECK-NEXT: %[[OUT:.*]], %{{.*}} = twilight.merge %[[B]], %[[LSE_B]], %[[A]], %[[LSE_A]]
// CHECK-NEXT: %[[ALL_READ:.*]] = twilight.add_lengths %[[READ]], %[[SHORTER]] : tensor<?x9xi32>
// CHECK-NEXT: return %[[OUT]], %[[ALL_READ]], %[[ALL_CANDIDATES]]
func.func @pruned(%q: !q, %cache: !cache, %p: f32) -> (!out, tensor<?x9xi32>, tensor<?x3xi32>) {
  %out:3 = twilight.fused (%q_ = %q : !q, %c = %cache : !cache, %p_ = %p : f32) dense_below(2048) {
    %pages = twilight.select %q_, %c selector(#twilight.quest) budget(#twilight.fraction<0.25>) : !q, !cache -> !twilight.selection<page>
    %n = twilight.count %pages, %c : !twilight.selection<page>, !cache -> tensor<?x3xi32>
    %scores = twilight.quantize_score %q_, %c, %pages : !q, !cache, !twilight.selection<page> -> !twilight.scores
    %kept = twilight.top_p %scores, %p_ group(per_head) : !twilight.scores, f32 -> !twilight.selection<token, query_head>
    %o:2 = twilight.gather_attend %q_, %c, %kept {softmax_scale = 0.5 : f64, kept.note} : !q, !cache, !twilight.selection<token, query_head> -> !out counts tensor<?x9xi32>
    twilight.yield %o#0, %o#1, %n : !out, tensor<?x9xi32>, tensor<?x3xi32>
  } : !out, tensor<?x9xi32>, tensor<?x3xi32>
  return %out#0, %out#1, %out#2 : !out, tensor<?x9xi32>, tensor<?x3xi32>
}

// -----

!cache = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, summary = #twilight.min_max<f16>>
!q = memref<4x9x64xf16>
!lse = memref<4x9xf32>

// lse is the merged one; buffers are of the kind that they were. An attention that is dense already stays whole.
// CHECK-LABEL: func @memrefs(
// CHECK-SAME: %[[Q:.*]]: memref<4x9x64xf16>, %[[CACHE:.*]]: !twilight.cache<{{.*}}>)
// CHECK: twilight.gather_attend {{.*}} -> memref<4x9x64xf16> lse memref<4x9xf32>
// CHECK: twilight.attend {{.*}} -> memref<4x9x64xf16> lse memref<4x9xf32>
// CHECK: %[[OUT:.*]], %[[LSE:.*]] = twilight.merge
// CHECK: %[[DENSE:.*]] = twilight.attend %[[Q]], %[[CACHE]] : {{.*}} -> memref<4x9x64xf16>{{$}}
// CHECK: return %[[OUT]], %[[LSE]], %[[DENSE]]
func.func @memrefs(%q: !q, %cache: !cache) -> (!q, !lse, !q) {
  %out:3 = twilight.fused (%q_ = %q : !q, %c = %cache : !cache) dense_below(1) {
    %pages = twilight.select %q_, %c selector(#twilight.quest) budget(#twilight.fraction<0.25>) : !q, !cache -> !twilight.selection<page>
    %o:2 = twilight.gather_attend %q_, %c, %pages : !q, !cache, !twilight.selection<page> -> !q lse !lse
    %dense = twilight.attend %q_, %c : !q, !cache -> !q
    twilight.yield %o#0, %o#1, %dense : !q, !lse, !q
  } : !q, !lse, !q
  return %out#0, %out#1, %out#2 : !q, !lse, !q
}

// -----

!cache = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, summary = #twilight.min_max<f16>>
!q = tensor<?x9x64xf16>

// Each cache is split once.
// CHECK-LABEL: func @two_caches(
// CHECK-SAME: %{{.*}}: tensor<?x9x64xf16>, %[[A:.*]]: !twilight.cache<{{.*}}>, %[[B:.*]]: !twilight.cache<{{.*}}>)
// CHECK: twilight.split_by_length %[[A]] below(64)
// CHECK: twilight.split_by_length %[[B]] below(64)
// CHECK-NOT: split_by_length
func.func @two_caches(%q: !q, %a: !cache, %b: !cache) -> (!q, !q, !q) {
  %out:3 = twilight.fused (%q_ = %q : !q, %a_ = %a : !cache, %b_ = %b : !cache) dense_below(64) {
    %pages_a = twilight.select %q_, %a_ selector(#twilight.quest) budget(#twilight.fraction<0.25>) : !q, !cache -> !twilight.selection<page>
    %pages_b = twilight.select %q_, %b_ selector(#twilight.quest) budget(#twilight.fraction<0.25>) : !q, !cache -> !twilight.selection<page>
    %more_a = twilight.select %q_, %a_ selector(#twilight.quest) budget(#twilight.fraction<0.5>) : !q, !cache -> !twilight.selection<page>
    %o0 = twilight.gather_attend %q_, %a_, %pages_a : !q, !cache, !twilight.selection<page> -> !q
    %o1 = twilight.gather_attend %q_, %b_, %pages_b : !q, !cache, !twilight.selection<page> -> !q
    %o2 = twilight.gather_attend %q_, %a_, %more_a : !q, !cache, !twilight.selection<page> -> !q
    twilight.yield %o0, %o1, %o2 : !q, !q, !q
  } : !q, !q, !q
  return %out#0, %out#1, %out#2 : !q, !q, !q
}
