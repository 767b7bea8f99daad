// Ops that choose print what they were given and parse back; what is default does not print.
// RUN: twilight-opt %s | twilight-opt | FileCheck %s
// RUN: twilight-opt %s --mlir-print-op-generic | twilight-opt | FileCheck %s
// RUN: twilight-opt %s --emit-bytecode | twilight-opt | FileCheck %s

!cache = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4>, summary = #twilight.min_max<f16>>
!q = tensor<?x9x64xf16>

// CHECK-LABEL: func @select
func.func @select(%q: !q, %cache: !cache) {
  // CHECK: twilight.select %{{.*}}, %{{.*}} selector(#twilight.quest) budget(#twilight.fraction<0.25>) : tensor<?x9x64xf16>, !twilight.cache<{{.*}}> -> !twilight.selection<page>
  %0 = twilight.select %q, %cache selector(#twilight.quest) budget(#twilight.fraction<0.25>) : !q, !cache -> !twilight.selection<page>
  // CHECK: twilight.select {{.*}} budget(#twilight.tokens<8192>) : {{.*}} -> !twilight.selection<page>
  %1 = twilight.select %q, %cache selector(#twilight.quest) budget(#twilight.tokens<8192>) group(max) {sink = 0 : i64} : !q, !cache -> !twilight.selection<page>
  // CHECK: twilight.select {{.*}} budget(#twilight.all) group(mean) {recent = 64 : i64, sink = 4 : i64} : {{.*}} -> !twilight.selection<page>
  %2 = twilight.select %q, %cache selector(#twilight.quest) budget(#twilight.all) group(mean) {sink = 4 : i64, recent = 64 : i64} : !q, !cache -> !twilight.selection<page>
  // CHECK: twilight.select {{.*}} group(per_head) : {{.*}} -> !twilight.selection<page, query_head>
  %3 = twilight.select %q, %cache selector(#twilight.quest) budget(#twilight.fraction<0.25>) group(per_head) : !q, !cache -> !twilight.selection<page, query_head>
  return
}

// CHECK-LABEL: func @quantize_score
func.func @quantize_score(%q: !q, %cache: !cache, %pages: !twilight.selection<page>, %per_head: !twilight.selection<page, query_head>) {
  // CHECK: twilight.quantize_score %{{.*}}, %{{.*}}, %{{.*}} : tensor<?x9x64xf16>, !twilight.cache<{{.*}}>, !twilight.selection<page> -> !twilight.scores{{$}}
  %0 = twilight.quantize_score %q, %cache, %pages : !q, !cache, !twilight.selection<page> -> !twilight.scores
  // CHECK: twilight.quantize_score {{.*}} {softmax_scale = 2.500000e-01 : f64} : {{.*}}, !twilight.selection<page, query_head> -> !twilight.scores<query_head>
  %1 = twilight.quantize_score %q, %cache, %per_head {softmax_scale = 0.25 : f64} : !q, !cache, !twilight.selection<page, query_head> -> !twilight.scores<query_head>
  // CHECK: twilight.quantize_score {{.*}}, !twilight.selection<page> -> !twilight.scores<f16>
  %2 = twilight.quantize_score %q, %cache, %pages : !q, !cache, !twilight.selection<page> -> !twilight.scores<f16>
  // CHECK: twilight.quantize_score {{.*}}, !twilight.selection<page, query_head> -> !twilight.scores<query_head, f16>
  %3 = twilight.quantize_score %q, %cache, %per_head : !q, !cache, !twilight.selection<page, query_head> -> !twilight.scores<query_head, f16>
  return
}

!planes = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4, planes>>
// CHECK-LABEL: func @progressive
func.func @progressive(%q: !q, %cache: !planes, %pages: !twilight.selection<page>, %some: !twilight.selection<page>, %per_head: !twilight.selection<page, query_head>) {
  // CHECK: twilight.quantize_score %[[Q:.*]], %[[CACHE:.*]], %[[PAGES:.*]] fine(%[[SOME:.*]] : !twilight.selection<page>) : tensor<?x9x64xf16>, !twilight.cache<{{.*}}planes>>, !twilight.selection<page> -> !twilight.scores{{$}}
  %0 = twilight.quantize_score %q, %cache, %pages fine(%some : !twilight.selection<page>) : !q, !planes, !twilight.selection<page> -> !twilight.scores
  // CHECK: twilight.quantize_score {{.*}} fine(%{{.*}} : !twilight.selection<page, query_head>) {softmax_scale = 2.500000e-01 : f64} : {{.*}} -> !twilight.scores<query_head>
  %1 = twilight.quantize_score %q, %cache, %per_head fine(%per_head : !twilight.selection<page, query_head>) {softmax_scale = 0.25 : f64} : !q, !planes, !twilight.selection<page, query_head> -> !twilight.scores<query_head>
  return
}

// CHECK-LABEL: func @top_p
func.func @top_p(%scores: !twilight.scores, %per_head: !twilight.scores<query_head>, %half: !twilight.scores<f16>, %p: f32, %each: tensor<9xf32>, %there: memref<9xf32>) {
  // CHECK: twilight.top_p %{{.*}}, %{{.*}} : !twilight.scores, f32 -> !twilight.selection<token>
  %0 = twilight.top_p %scores, %p : !twilight.scores, f32 -> !twilight.selection<token>
  // CHECK: twilight.top_p %{{.*}}, %{{.*}} rule(threshold) : !twilight.scores, tensor<9xf32> -> !twilight.selection<token>
  %1 = twilight.top_p %scores, %each rule(threshold) group(union) : !twilight.scores, tensor<9xf32> -> !twilight.selection<token>
  // CHECK: twilight.top_p %{{.*}}, %{{.*}} group(per_head) {max_tokens = 256 : i64, min_tokens = 32 : i64, recent = 8 : i64, sink = 4 : i64} : !twilight.scores, memref<9xf32> -> !twilight.selection<token, query_head>
  %2 = twilight.top_p %scores, %there rule(mass) group(per_head) {min_tokens = 32 : i64, max_tokens = 256 : i64, sink = 4 : i64, recent = 8 : i64} : !twilight.scores, memref<9xf32> -> !twilight.selection<token, query_head>
  // Lists of the query heads stay lists of the query heads.
  // CHECK: twilight.top_p {{.*}} : !twilight.scores<query_head>, f32 -> !twilight.selection<token, query_head>
  %3 = twilight.top_p %per_head, %p : !twilight.scores<query_head>, f32 -> !twilight.selection<token, query_head>
  // CHECK: twilight.top_p {{.*}} : !twilight.scores<f16>, f32 -> !twilight.selection<token>
  %4 = twilight.top_p %half, %p : !twilight.scores<f16>, f32 -> !twilight.selection<token>
  return
}

// CHECK-LABEL: func @parts
func.func @parts(%indices: tensor<?x3x?xi32>, %lens: tensor<?x3xi32>, %scores: !twilight.scores, %half: !twilight.scores<f16>, %cache: !cache) {
  // CHECK: %[[TOKENS:.*]] = twilight.assemble_selection %{{.*}}, %{{.*}} : tensor<?x3x?xi32>, tensor<?x3xi32> -> !twilight.selection<token>
  %tokens = twilight.assemble_selection %indices, %lens : tensor<?x3x?xi32>, tensor<?x3xi32> -> !twilight.selection<token>
  // CHECK: twilight.selection_parts %[[TOKENS]] : !twilight.selection<token> -> tensor<?x3x?xi32>, tensor<?x3xi32>
  %0:2 = twilight.selection_parts %tokens : !twilight.selection<token> -> tensor<?x3x?xi32>, tensor<?x3xi32>
  // CHECK: twilight.logits %{{.*}} : !twilight.scores -> tensor<?x9x?xf32>
  %1 = twilight.logits %scores : !twilight.scores -> tensor<?x9x?xf32>
  // CHECK: twilight.logits %{{.*}} : !twilight.scores<f16> -> tensor<?x9x?xf16>
  %3 = twilight.logits %half : !twilight.scores<f16> -> tensor<?x9x?xf16>
  // CHECK: twilight.count %[[TOKENS]], %{{.*}} : !twilight.selection<token>, !twilight.cache<{{.*}}> -> tensor<?x3xi32>
  %2 = twilight.count %tokens, %cache : !twilight.selection<token>, !cache -> tensor<?x3xi32>
  return
}
