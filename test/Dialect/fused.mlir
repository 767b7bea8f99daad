// A fused pipeline prints what it was given and parses back.
// RUN: twilight-opt %s --split-input-file | twilight-opt --split-input-file | FileCheck %s
// RUN: twilight-opt %s --split-input-file --mlir-print-op-generic | twilight-opt --split-input-file | FileCheck %s
// RUN: twilight-opt %s --split-input-file --mlir-print-local-scope | FileCheck %s

!cache = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4>, summary = #twilight.min_max<f16>>
!q = tensor<?x9x64xf16>
!out = tensor<?x9x64xf32>

// CHECK-LABEL: func @whole(
// CHECK-SAME: %[[QUERY:.*]]: tensor<?x9x64xf16>, %[[KV:.*]]: !twilight.cache<{{.*}}>, %[[MASS:.*]]: f32)
// CHECK: %[[FUSED:.*]]:3 = twilight.fused (%[[Q:.*]] = %[[QUERY]] : tensor<?x9x64xf16>, %[[CACHE:.*]] = %[[KV]] : !twilight.cache<{{.*}}>, %[[P:.*]] = %[[MASS]] : f32)
// CHECK-SAME: schedule(<block, cluster = 2, warps = 16, select_warps = 0, origin = user>) dense_below(2048) {
// CHECK-NEXT: %[[PAGES:.*]] = twilight.select %[[Q]], %[[CACHE]]
// CHECK: twilight.top_p %{{.*}}, %[[P]]
// CHECK: %[[N:.*]] = twilight.count %[[PAGES]], %[[CACHE]]
// CHECK-NEXT: twilight.yield %{{.*}}, %{{.*}}, %[[N]] : tensor<?x9x64xf32>, tensor<?x9xf32>, tensor<?x3xi32>
// CHECK-NEXT: } : tensor<?x9x64xf32>, tensor<?x9xf32>, tensor<?x3xi32>
// CHECK-NEXT: return %[[FUSED]]#0, %[[FUSED]]#1, %[[FUSED]]#2
func.func @whole(%q: !q, %cache: !cache, %p: f32) -> (!out, tensor<?x9xf32>, tensor<?x3xi32>) {
  %out:3 = twilight.fused (%q_ = %q : !q, %c = %cache : !cache, %l = %p : f32) schedule(#twilight.schedule<block, cluster = 2>) dense_below(2048) {
    %pages = twilight.select %q_, %c selector(#twilight.quest) budget(#twilight.fraction<0.25>) : !q, !cache -> !twilight.selection<page>
    %scores = twilight.quantize_score %q_, %c, %pages : !q, !cache, !twilight.selection<page> -> !twilight.scores
    %kept = twilight.top_p %scores, %l : !twilight.scores, f32 -> !twilight.selection<token>
    %o, %lse = twilight.gather_attend %q_, %c, %kept : !q, !cache, !twilight.selection<token> -> !out lse tensor<?x9xf32>
    %n = twilight.count %pages, %c : !twilight.selection<page>, !cache -> tensor<?x3xi32>
    twilight.yield %o, %lse, %n : !out, tensor<?x9xf32>, tensor<?x3xi32>
  } : !out, tensor<?x9xf32>, tensor<?x3xi32>
  return %out#0, %out#1, %out#2 : !out, tensor<?x9xf32>, tensor<?x3xi32>
}

// -----

!cache = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4>, summary = #twilight.min_max<f16>>

// Names outside may be used again inside. A constant may lie inside, and a selection may come from elsewhere.
// CHECK-LABEL: func @bare(
// CHECK: twilight.fused (%{{.*}} = %{{.*}} : memref<?x9x64xf16>, {{.*}}, %{{.*}} = %{{.*}} : !twilight.selection<page>) attributes {test.note} {
// CHECK-NEXT: arith.constant
// CHECK: } : memref<?x9x64xf32>
func.func @bare(%q: memref<?x9x64xf16>, %cache: !cache, %pages: !twilight.selection<page>) -> memref<?x9x64xf32> {
  %out = twilight.fused (%q = %q : memref<?x9x64xf16>, %cache = %cache : !cache, %pages = %pages : !twilight.selection<page>) attributes {test.note} {
    %p = arith.constant 0.9 : f32
    %scores = twilight.quantize_score %q, %cache, %pages : memref<?x9x64xf16>, !cache, !twilight.selection<page> -> !twilight.scores
    %kept = twilight.top_p %scores, %p : !twilight.scores, f32 -> !twilight.selection<token>
    %o = twilight.gather_attend %q, %cache, %kept : memref<?x9x64xf16>, !cache, !twilight.selection<token> -> memref<?x9x64xf32>
    twilight.yield %o : memref<?x9x64xf32>
  } : memref<?x9x64xf32>
  return %out : memref<?x9x64xf32>
}
