// What need not be chosen is not, and results nobody reads are not computed.
// RUN: twilight-opt %s --canonicalize --split-input-file | FileCheck %s

!coded = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4>, summary = #twilight.min_max<f16>>
!q = tensor<?x9x64xf16>
!out = tensor<?x9x64xf32>

// p = 1 keeps every candidate: attention goes over the candidates, and scores are not needed.
// CHECK-LABEL: func @whole_mass(
// CHECK-SAME: %[[Q:.*]]: tensor<?x9x64xf16>, %[[CACHE:.*]]: !twilight.cache
// CHECK-NEXT: %[[PAGES:.*]] = twilight.select
// CHECK-NEXT: %[[OUT:.*]], %[[COUNTS:.*]] = twilight.gather_attend %[[Q]], %[[CACHE]], %[[PAGES]] {softmax_scale = 5.000000e-01 : f64} : {{.*}}, !twilight.selection<page> -> tensor<?x9x64xf32> counts tensor<?x3xi32>
// CHECK-NEXT: return %[[OUT]], %[[COUNTS]]
func.func @whole_mass(%q: !q, %cache: !coded) -> (!out, tensor<?x3xi32>) {
  %p = arith.constant 1.0 : f32
  %pages = twilight.select %q, %cache selector(#twilight.quest) budget(#twilight.fraction<0.25>) : !q, !coded -> !twilight.selection<page>
  %scores = twilight.quantize_score %q, %cache, %pages {softmax_scale = 0.5 : f64} : !q, !coded, !twilight.selection<page> -> !twilight.scores
  %kept = twilight.top_p %scores, %p : !twilight.scores, f32 -> !twilight.selection<token>
  %out:2 = twilight.gather_attend %q, %cache, %kept {softmax_scale = 0.5 : f64} : !q, !coded, !twilight.selection<token> -> !out counts tensor<?x3xi32>
  return %out#0, %out#1 : !out, tensor<?x3xi32>
}

// Neither the number of kept tokens needs scores.
// CHECK-LABEL: func @count_whole_mass(
// CHECK-NEXT: %[[PAGES:.*]] = twilight.select
// CHECK-NEXT: %[[COUNTS:.*]] = twilight.count %[[PAGES]], %{{.*}} : !twilight.selection<page>,
// CHECK-NEXT: return %[[COUNTS]]
func.func @count_whole_mass(%q: !q, %cache: !coded) -> tensor<?x3xi32> {
  %p = arith.constant 1.0 : f32
  %pages = twilight.select %q, %cache selector(#twilight.quest) budget(#twilight.fraction<0.25>) : !q, !coded -> !twilight.selection<page>
  %scores = twilight.quantize_score %q, %cache, %pages : !q, !coded, !twilight.selection<page> -> !twilight.scores
  %kept = twilight.top_p %scores, %p {min_tokens = 7 : i64} : !twilight.scores, f32 -> !twilight.selection<token>
  %counts = twilight.count %kept, %cache : !twilight.selection<token>, !coded -> tensor<?x3xi32>
  return %counts : tensor<?x3xi32>
}

// Over everything it is dense attention: all pages, a whole of them, or a ranking with nothing to choose.
// CHECK-LABEL: func @everything(
// CHECK-SAME: %[[Q:.*]]: tensor<?x9x64xf16>, %[[CACHE:.*]]: !twilight.cache
// CHECK-NEXT: %[[A:.*]] = twilight.attend %[[Q]], %[[CACHE]] {softmax_scale = 5.000000e-01 : f64}
// CHECK-NEXT: %[[B:.*]], %[[LSE:.*]] = twilight.attend %[[Q]], %[[CACHE]] : {{.*}} -> tensor<?x9x64xf32> lse tensor<?x9xf32>
// CHECK-NEXT: %[[C:.*]], %[[COUNTS:.*]] = twilight.attend %[[Q]], %[[CACHE]] : {{.*}} -> tensor<?x9x64xf32> counts tensor<?x3xi32>
// CHECK-NEXT: return %[[A]], %[[B]], %[[LSE]], %[[C]], %[[COUNTS]]
func.func @everything(%q: !q, %cache: !coded) -> (!out, !out, tensor<?x9xf32>, !out, tensor<?x3xi32>) {
  %full = twilight.select %q, %cache selector(#twilight.full) budget(#twilight.all) : !q, !coded -> !twilight.selection<page>
  %a = twilight.gather_attend %q, %cache, %full {softmax_scale = 0.5 : f64} : !q, !coded, !twilight.selection<page> -> !out
  %whole = twilight.select %q, %cache selector(#twilight.quest) budget(#twilight.fraction<1.0>) : !q, !coded -> !twilight.selection<page>
  %b:2 = twilight.gather_attend %q, %cache, %whole : !q, !coded, !twilight.selection<page> -> !out lse tensor<?x9xf32>
  %all = twilight.select %q, %cache selector(#twilight.quest) budget(#twilight.all) : !q, !coded -> !twilight.selection<page>
  %c:2 = twilight.gather_attend %q, %cache, %all : !q, !coded, !twilight.selection<page> -> !out counts tensor<?x3xi32>
  return %a, %b#0, %b#1, %c#0, %c#1 : !out, !out, tensor<?x9xf32>, !out, tensor<?x3xi32>
}

// Both steps together: invariant 1 of the semantics, seen by the compiler.
// CHECK-LABEL: func @full_with_p_one(
// CHECK-NEXT: %[[OUT:.*]] = twilight.attend
// CHECK-NEXT: return %[[OUT]]
func.func @full_with_p_one(%q: !q, %cache: !coded) -> !out {
  %p = arith.constant 1.0 : f32
  %pages = twilight.select %q, %cache selector(#twilight.full) budget(#twilight.all) group(per_head) : !q, !coded -> !twilight.selection<page, query_head>
  %scores = twilight.quantize_score %q, %cache, %pages : !q, !coded, !twilight.selection<page, query_head> -> !twilight.scores<query_head>
  %kept = twilight.top_p %scores, %p : !twilight.scores<query_head>, f32 -> !twilight.selection<token, query_head>
  %out = twilight.gather_attend %q, %cache, %kept : !q, !coded, !twilight.selection<token, query_head> -> !out
  return %out : !out
}

// CHECK-LABEL: func @unread_results(
// CHECK-NEXT: twilight.attend %{{.*}} -> tensor<?x9x64xf32> lse tensor<?x9xf32>{{$}}
// CHECK-NEXT: twilight.gather_attend %{{.*}} {softmax_scale = 5.000000e-01 : f64} : {{.*}} -> tensor<?x9x64xf32> counts tensor<?x3xi32>{{$}}
// CHECK-NEXT: twilight.gather_attend %{{.*}} -> tensor<?x9x64xf32>{{$}}
// CHECK-NEXT: return
func.func @unread_results(%q: !q, %cache: !coded, %kept: !twilight.selection<token>) -> (!out, tensor<?x9xf32>, !out, tensor<?x3xi32>, !out) {
  %a:3 = twilight.attend %q, %cache : !q, !coded -> !out lse tensor<?x9xf32> counts tensor<?x3xi32>
  %b:3 = twilight.gather_attend %q, %cache, %kept {softmax_scale = 0.5 : f64} : !q, !coded, !twilight.selection<token> -> !out lse tensor<?x9xf32> counts tensor<?x3xi32>
  %c:3 = twilight.gather_attend %q, %cache, %kept : !q, !coded, !twilight.selection<token> -> !out lse tensor<?x9xf32> counts tensor<?x3xi32>
  return %a#0, %a#1, %b#0, %b#2, %c#0 : !out, tensor<?x9xf32>, !out, tensor<?x3xi32>, !out
}

// -----

!planes = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4, planes>, summary = #twilight.min_max<f16>>
!q = tensor<?x9x64xf16>

// Where every candidate is fine, nothing is said about it: the candidates themselves, or
// every page there is.
// CHECK-LABEL: func @all_fine(
// CHECK-NOT: fine(
func.func @all_fine(%q: !q, %cache: !planes) -> (tensor<?x9x?xf32>, tensor<?x9x?xf32>) {
  %pages = twilight.select %q, %cache selector(#twilight.quest) budget(#twilight.fraction<0.25>) : !q, !planes -> !twilight.selection<page>
  %full = twilight.select %q, %cache selector(#twilight.full) budget(#twilight.all) : !q, !planes -> !twilight.selection<page>
  // CHECK: twilight.quantize_score %{{.*}}, %{{.*}}, %[[PAGES:[^ ]*]] {softmax_scale = 5.000000e-01 : f64} :
  %s = twilight.quantize_score %q, %cache, %pages fine(%pages : !twilight.selection<page>) {softmax_scale = 0.5 : f64} : !q, !planes, !twilight.selection<page> -> !twilight.scores
  // CHECK: twilight.quantize_score %{{.*}}, %{{.*}}, %[[PAGES]] :
  %t = twilight.quantize_score %q, %cache, %pages fine(%full : !twilight.selection<page>) : !q, !planes, !twilight.selection<page> -> !twilight.scores
  %a = twilight.logits %s : !twilight.scores -> tensor<?x9x?xf32>
  %b = twilight.logits %t : !twilight.scores -> tensor<?x9x?xf32>
  return %a, %b : tensor<?x9x?xf32>, tensor<?x9x?xf32>
}
