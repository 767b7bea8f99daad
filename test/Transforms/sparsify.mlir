// Dense attention becomes the pipeline, with the same operands, results and scale.
// RUN: twilight-opt %s --twilight-sparsify --split-input-file | FileCheck %s
// RUN: twilight-opt %s --twilight-sparsify --cse --split-input-file | FileCheck %s --check-prefix=CSE

!cache = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4>, summary = #twilight.min_max<f16>>

// CHECK-LABEL: func @every_result(
// CHECK-SAME: %[[Q:.*]]: tensor<?x9x64xf16>, %[[CACHE:.*]]: !twilight.cache<{{.*}}>)
// CHECK-NEXT: %[[P:.*]] = arith.constant 8.500000e-01 : f32
// CHECK-NEXT: %[[PAGES:.*]] = twilight.select %[[Q]], %[[CACHE]] selector(#twilight.quest) budget(#twilight.fraction<0.25>) : {{.*}} -> !twilight.selection<page>
// CHECK-NEXT: %[[SCORES:.*]] = twilight.quantize_score %[[Q]], %[[CACHE]], %[[PAGES]] {softmax_scale = 5.000000e-01 : f64} : {{.*}} -> !twilight.scores
// CHECK-NEXT: %[[KEPT:.*]] = twilight.top_p %[[SCORES]], %[[P]] : !twilight.scores, f32 -> !twilight.selection<token>
// CHECK-NEXT: %[[OUT:.*]], %[[LSE:.*]], %[[COUNTS:.*]] = twilight.gather_attend %[[Q]], %[[CACHE]], %[[KEPT]] {kept.note = "here", softmax_scale = 5.000000e-01 : f64} : {{.*}} -> tensor<?x9x64xf32> lse tensor<?x9xf32> counts tensor<?x3xi32>
// CHECK-NEXT: return %[[OUT]], %[[LSE]], %[[COUNTS]]
func.func @every_result(%q: tensor<?x9x64xf16>, %cache: !cache) -> (tensor<?x9x64xf32>, tensor<?x9xf32>, tensor<?x3xi32>) {
  %0:3 = twilight.attend %q, %cache {softmax_scale = 0.5 : f64, kept.note = "here"} : tensor<?x9x64xf16>, !cache -> tensor<?x9x64xf32> lse tensor<?x9xf32> counts tensor<?x3xi32>
  return %0#0, %0#1, %0#2 : tensor<?x9x64xf32>, tensor<?x9xf32>, tensor<?x3xi32>
}

// -----

!cache = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4>, summary = #twilight.min_max<f16>>

// Only lse, only counts, neither: no result is invented.
// CHECK-LABEL: func @some_results(
// CHECK: twilight.gather_attend %{{.*}} -> tensor<?x9x64xf32> lse tensor<?x9xf32>{{$}}
// CHECK: twilight.gather_attend %{{.*}} -> tensor<?x9x64xf16> counts tensor<?x3xi32>{{$}}
// CHECK: twilight.gather_attend %{{.*}} -> tensor<?x9x64xf16>{{$}}
func.func @some_results(%q: tensor<?x9x64xf16>, %cache: !cache) -> (tensor<?x9xf32>, tensor<?x3xi32>, tensor<?x9x64xf16>) {
  %0:2 = twilight.attend %q, %cache : tensor<?x9x64xf16>, !cache -> tensor<?x9x64xf32> lse tensor<?x9xf32>
  %1:2 = twilight.attend %q, %cache : tensor<?x9x64xf16>, !cache -> tensor<?x9x64xf16> counts tensor<?x3xi32>
  %2 = twilight.attend %q, %cache : tensor<?x9x64xf16>, !cache -> tensor<?x9x64xf16>
  return %0#1, %1#1, %2 : tensor<?x9xf32>, tensor<?x3xi32>, tensor<?x9x64xf16>
}

// -----

!cache = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4>, summary = #twilight.min_max<f16>>

// Two attends of the same query and cache choose once.
// CSE-LABEL: func @same_choice(
// CSE-COUNT-1: arith.constant
// CSE-COUNT-1: twilight.select
// CSE-COUNT-1: twilight.top_p
// CSE: %[[OUT:.*]] = twilight.gather_attend
// CSE-NEXT: return %[[OUT]], %[[OUT]]
func.func @same_choice(%q: tensor<?x9x64xf16>, %cache: !cache) -> (tensor<?x9x64xf32>, tensor<?x9x64xf32>) {
  %0 = twilight.attend %q, %cache : tensor<?x9x64xf16>, !cache -> tensor<?x9x64xf32>
  %1 = twilight.attend %q, %cache : tensor<?x9x64xf16>, !cache -> tensor<?x9x64xf32>
  return %0, %1 : tensor<?x9x64xf32>, tensor<?x9x64xf32>
}

// -----

!cache = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4>, summary = #twilight.min_max<f16>>

// After an append, the pipeline reads the cache that holds the new token; attention in a region is found.
// CHECK-LABEL: func @step(
// CHECK: %[[NEXT:.*]] = twilight.append
// CHECK: scf.if
// CHECK: twilight.select %{{.*}}, %[[NEXT]]
// CHECK: %[[OUT:.*]] = twilight.gather_attend %{{.*}}, %[[NEXT]], %{{.*}}
// CHECK-NEXT: scf.yield %[[OUT]]
func.func @step(%q: tensor<?x9x64xf16>, %cache: !cache, %k: tensor<?x1x3x64xf16>, %c: i1, %other: tensor<?x9x64xf32>) -> tensor<?x9x64xf32> {
  %next = twilight.append %cache, %k, %k : !cache, tensor<?x1x3x64xf16>, tensor<?x1x3x64xf16>
  %0 = scf.if %c -> tensor<?x9x64xf32> {
    %1 = twilight.attend %q, %next : tensor<?x9x64xf16>, !cache -> tensor<?x9x64xf32>
    scf.yield %1 : tensor<?x9x64xf32>
  } else {
    scf.yield %other : tensor<?x9x64xf32>
  }
  return %0 : tensor<?x9x64xf32>
}
