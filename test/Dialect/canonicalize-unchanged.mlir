// What looks like a canonical form's case and is none: the IR stays as it is.
// RUN: twilight-opt %s --canonicalize | FileCheck %s

!coded = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4>, summary = #twilight.min_max<f16>>
!planes = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4, planes>, summary = #twilight.min_max<f16>>
!q = tensor<?x9x64xf16>
!out = tensor<?x9x64xf32>

// p below one, p unknown, a cap, and a threshold of one may each drop something.
// CHECK-LABEL: func @may_drop(
// CHECK-COUNT-4: twilight.top_p
// CHECK-COUNT-4: twilight.gather_attend {{.*}}, !twilight.selection<token> -> tensor<?x9x64xf32>
func.func @may_drop(%q: !q, %cache: !coded, %scores: !twilight.scores, %pages: !twilight.selection<page>, %unknown: f32) -> (!out, !out, !out, !out) {
  %less = arith.constant 0.99 : f32
  %one = arith.constant 1.0 : f32
  %s = twilight.quantize_score %q, %cache, %pages : !q, !coded, !twilight.selection<page> -> !twilight.scores
  %0 = twilight.top_p %s, %less : !twilight.scores, f32 -> !twilight.selection<token>
  %1 = twilight.top_p %s, %unknown : !twilight.scores, f32 -> !twilight.selection<token>
  %2 = twilight.top_p %s, %one {max_tokens = 64 : i64} : !twilight.scores, f32 -> !twilight.selection<token>
  %3 = twilight.top_p %s, %one rule(threshold) : !twilight.scores, f32 -> !twilight.selection<token>
  %a = twilight.gather_attend %q, %cache, %0 : !q, !coded, !twilight.selection<token> -> !out
  %b = twilight.gather_attend %q, %cache, %1 : !q, !coded, !twilight.selection<token> -> !out
  %c = twilight.gather_attend %q, %cache, %2 : !q, !coded, !twilight.selection<token> -> !out
  %d = twilight.gather_attend %q, %cache, %3 : !q, !coded, !twilight.selection<token> -> !out
  return %a, %b, %c, %d : !out, !out, !out, !out
}

// A page list for each kv head counts differently from a token list for each query head.
// CHECK-LABEL: func @other_lists(
// CHECK: %[[KEPT:.*]] = twilight.top_p
// CHECK: twilight.gather_attend %{{.*}}, %{{.*}}, %[[KEPT]]
// CHECK: twilight.count %[[KEPT]]
func.func @other_lists(%q: !q, %cache: !coded, %pages: !twilight.selection<page>) -> (!out, tensor<?x9xi32>, tensor<?x9xi32>) {
  %one = arith.constant 1.0 : f32
  %s = twilight.quantize_score %q, %cache, %pages : !q, !coded, !twilight.selection<page> -> !twilight.scores
  %kept = twilight.top_p %s, %one group(per_head) : !twilight.scores, f32 -> !twilight.selection<token, query_head>
  %out:2 = twilight.gather_attend %q, %cache, %kept : !q, !coded, !twilight.selection<token, query_head> -> !out counts tensor<?x9xi32>
  %counts = twilight.count %kept, %cache : !twilight.selection<token, query_head>, !coded -> tensor<?x9xi32>
  return %out#0, %out#1, %counts : !out, tensor<?x9xi32>, tensor<?x9xi32>
}

// attend counts for each kv head only; a window and a quarter are not everything.
// CHECK-LABEL: func @not_everything(
// CHECK-NOT: twilight.attend
func.func @not_everything(%q: !q, %cache: !coded) -> (!out, tensor<?x9xi32>, !out, !out) {
  %full = twilight.select %q, %cache selector(#twilight.full) budget(#twilight.all) group(per_head) : !q, !coded -> !twilight.selection<page, query_head>
  %a:2 = twilight.gather_attend %q, %cache, %full : !q, !coded, !twilight.selection<page, query_head> -> !out counts tensor<?x9xi32>
  %window = twilight.select %q, %cache selector(#twilight.window) budget(#twilight.all) {sink = 4 : i64} : !q, !coded -> !twilight.selection<page>
  %b = twilight.gather_attend %q, %cache, %window : !q, !coded, !twilight.selection<page> -> !out
  %quarter = twilight.select %q, %cache selector(#twilight.quest) budget(#twilight.fraction<0.25>) : !q, !coded -> !twilight.selection<page>
  %c = twilight.gather_attend %q, %cache, %quarter : !q, !coded, !twilight.selection<page> -> !out
  return %a#0, %a#1, %b, %c : !out, tensor<?x9xi32>, !out, !out
}

// Pages chosen before an append are not everything after it, and hold more tokens than were scored.
// CHECK-LABEL: func @other_cache(
// CHECK-NOT: twilight.attend
// CHECK: %[[KEPT:.*]] = twilight.top_p
// CHECK: %[[NEXT:.*]] = twilight.append
// CHECK: twilight.gather_attend %{{.*}}, %[[NEXT]], %[[KEPT]] : {{.*}}, !twilight.selection<token>
// CHECK: twilight.count %[[KEPT]], %[[NEXT]] :
// CHECK: twilight.gather_attend %{{.*}}, %[[NEXT]], %{{.*}} : {{.*}}, !twilight.selection<page>
func.func @other_cache(%q: !q, %cache: !coded, %k: tensor<?x1x3x64xf16>) -> (!out, tensor<?x3xi32>, !out) {
  %one = arith.constant 1.0 : f32
  %pages = twilight.select %q, %cache selector(#twilight.full) budget(#twilight.all) : !q, !coded -> !twilight.selection<page>
  %s = twilight.quantize_score %q, %cache, %pages : !q, !coded, !twilight.selection<page> -> !twilight.scores
  %kept = twilight.top_p %s, %one : !twilight.scores, f32 -> !twilight.selection<token>
  %next = twilight.append %cache, %k, %k : !coded, tensor<?x1x3x64xf16>, tensor<?x1x3x64xf16>
  %a = twilight.gather_attend %q, %next, %kept : !q, !coded, !twilight.selection<token> -> !out
  %n = twilight.count %kept, %next : !twilight.selection<token>, !coded -> tensor<?x3xi32>
  %b = twilight.gather_attend %q, %next, %pages : !q, !coded, !twilight.selection<page> -> !out
  return %a, %n, %b : !out, tensor<?x3xi32>, !out
}

// Fine pages that are a part of the candidates, or of nobody knows what, decide how the others are scored.
// CHECK-LABEL: func @progressive(
// CHECK-COUNT-2: twilight.quantize_score {{.*}} fine(
func.func @progressive(%q: !q, %cache: !planes, %given: !twilight.selection<page>) -> (tensor<?x9x?xf32>, tensor<?x9x?xf32>) {
  %pages = twilight.select %q, %cache selector(#twilight.quest) budget(#twilight.fraction<0.25>) : !q, !planes -> !twilight.selection<page>
  %some = twilight.select %q, %cache selector(#twilight.quest) budget(#twilight.fraction<0.0625>) : !q, !planes -> !twilight.selection<page>
  %s = twilight.quantize_score %q, %cache, %pages fine(%some : !twilight.selection<page>) : !q, !planes, !twilight.selection<page> -> !twilight.scores
  %t = twilight.quantize_score %q, %cache, %pages fine(%given : !twilight.selection<page>) : !q, !planes, !twilight.selection<page> -> !twilight.scores
  %a = twilight.logits %s : !twilight.scores -> tensor<?x9x?xf32>
  %b = twilight.logits %t : !twilight.scores -> tensor<?x9x?xf32>
  return %a, %b : tensor<?x9x?xf32>, tensor<?x9x?xf32>
}
