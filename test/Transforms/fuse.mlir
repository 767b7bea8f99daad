// A pipeline becomes one op, with what it reads as operands and all its results; fusing again changes nothing.
// RUN: twilight-opt %s --twilight-fuse --split-input-file | FileCheck %s --check-prefixes=CHECK,ALWAYS
// RUN: twilight-opt %s --twilight-fuse --twilight-fuse --split-input-file | FileCheck %s --check-prefixes=CHECK,ALWAYS
// RUN: twilight-opt %s --twilight-fuse=dense-below=2048 --split-input-file | FileCheck %s --check-prefixes=CHECK,DENSE

!cache = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4>, summary = #twilight.min_max<f16>>
!q = tensor<?x9x64xf16>
!out = tensor<?x9x64xf32>

// Counts of candidates and of kept tokens are results, and read after it.
// CHECK-LABEL: func @whole(
// CHECK-SAME: %[[Q:.*]]: tensor<?x9x64xf16>, %[[CACHE:.*]]: !twilight.cache<{{.*}}>, %[[P:.*]]: f32)
// CHECK-NEXT: %[[FUSED:.*]]:5 = twilight.fused (%[[q:.*]] = %[[Q]] : tensor<?x9x64xf16>, %[[c:.*]] = %[[CACHE]] : !twilight.cache<{{.*}}>, %[[p:.*]] = %[[P]] : f32)
// ALWAYS-NOT: dense_below
// DENSE-SAME: dense_below(2048) {
// CHECK-NEXT: %[[PAGES:.*]] = twilight.select %[[q]], %[[c]] selector(#twilight.quest) budget(#twilight.fraction<0.25>)
// CHECK-NEXT: %[[N:.*]] = twilight.count %[[PAGES]], %[[c]]
// CHECK-NEXT: %[[SCORES:.*]] = twilight.quantize_score %[[q]], %[[c]], %[[PAGES]] {softmax_scale = 5.000000e-01 : f64}
// CHECK-NEXT: %[[KEPT:.*]] = twilight.top_p %[[SCORES]], %[[p]] group(per_head) {min_tokens = 7 : i64}
// CHECK-NEXT: %[[O:.*]], %[[LSE:.*]], %[[READ:.*]] = twilight.gather_attend %[[q]], %[[c]], %[[KEPT]] {kept.note = "here", softmax_scale = 5.000000e-01 : f64}
// CHECK-NEXT: %[[K:.*]] = twilight.count %[[KEPT]], %[[c]]
// CHECK-NEXT: twilight.yield %[[O]], %[[LSE]], %[[READ]], %[[N]], %[[K]]
// CHECK-NEXT: } : tensor<?x9x64xf32>, tensor<?x9xf32>, tensor<?x9xi32>, tensor<?x3xi32>, tensor<?x9xi32>
// CHECK-NEXT: return %[[FUSED]]#0, %[[FUSED]]#1, %[[FUSED]]#2, %[[FUSED]]#3, %[[FUSED]]#4
func.func @whole(%q: !q, %cache: !cache, %p: f32) -> (!out, tensor<?x9xf32>, tensor<?x9xi32>, tensor<?x3xi32>, tensor<?x9xi32>) {
  %pages = twilight.select %q, %cache selector(#twilight.quest) budget(#twilight.fraction<0.25>) : !q, !cache -> !twilight.selection<page>
  %n = twilight.count %pages, %cache : !twilight.selection<page>, !cache -> tensor<?x3xi32>
  %scores = twilight.quantize_score %q, %cache, %pages {softmax_scale = 0.5 : f64} : !q, !cache, !twilight.selection<page> -> !twilight.scores
  %kept = twilight.top_p %scores, %p group(per_head) {min_tokens = 7 : i64} : !twilight.scores, f32 -> !twilight.selection<token, query_head>
  %out:3 = twilight.gather_attend %q, %cache, %kept {softmax_scale = 0.5 : f64, kept.note = "here"} : !q, !cache, !twilight.selection<token, query_head> -> !out lse tensor<?x9xf32> counts tensor<?x9xi32>
  %k = twilight.count %kept, %cache : !twilight.selection<token, query_head>, !cache -> tensor<?x9xi32>
  return %out#0, %out#1, %out#2, %n, %k : !out, tensor<?x9xf32>, tensor<?x9xi32>, tensor<?x3xi32>, tensor<?x9xi32>
}

// -----

!cache = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4>, summary = #twilight.min_max<f16>>
!q = tensor<?x9x64xf16>

// A constant p goes along, and stays where others read it. What is unrelated may stand in between.
// CHECK-LABEL: func @constant_level(
// CHECK-NEXT: %[[OUTSIDE:.*]] = arith.constant 8.5
// CHECK-NEXT: arith.addf
// CHECK-NEXT: twilight.fused (%{{[^,]*}}, %{{[^,]*}}, {{[^%]*}}) {{.*}}{
// CHECK-NEXT: %[[P:.*]] = arith.constant 8.5
// CHECK: twilight.top_p %{{.*}}, %[[P]]
func.func @constant_level(%q: !q, %cache: !cache, %x: f32) -> (!q, f32) {
  %p = arith.constant 0.85 : f32
  %pages = twilight.select %q, %cache selector(#twilight.quest) budget(#twilight.fraction<0.25>) : !q, !cache -> !twilight.selection<page>
  %scores = twilight.quantize_score %q, %cache, %pages : !q, !cache, !twilight.selection<page> -> !twilight.scores
  %sum = arith.addf %p, %x : f32
  %kept = twilight.top_p %scores, %p : !twilight.scores, f32 -> !twilight.selection<token>
  %out = twilight.gather_attend %q, %cache, %kept : !q, !cache, !twilight.selection<token> -> !q
  return %out, %sum : !q, f32
}

// -----

!cache = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, summary = #twilight.min_max<f16>>
!q = memref<?x9x64xf16>

// Without pruning, over memrefs that are read in between, in a loop.
// CHECK-LABEL: func @unpruned(
// CHECK: scf.for
// CHECK-NEXT: memref.load
// CHECK-NEXT: twilight.fused
// CHECK-NEXT: twilight.select
// CHECK-NEXT: twilight.gather_attend
// CHECK-NEXT: twilight.yield
func.func @unpruned(%q: !q, %cache: !cache, %out: !q, %n: index) {
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  scf.for %i = %zero to %n step %one {
    %pages = twilight.select %q, %cache selector(#twilight.quest) budget(#twilight.fraction<0.25>) : !q, !cache -> !twilight.selection<page>
    %x = memref.load %q[%zero, %zero, %zero] : !q
    %o = twilight.gather_attend %q, %cache, %pages : !q, !cache, !twilight.selection<page> -> !q
    memref.store %x, %o[%zero, %zero, %zero] : !q
    memref.copy %o, %out : !q to !q
  }
  return
}

// -----

!planes = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4, planes>, summary = #twilight.min_max<f16>>
!q = tensor<?x9x64xf16>

// The select of the fine pages goes along; a list of them that others read too stays outside.
// CHECK-LABEL: func @progressive(
// CHECK: twilight.fused (
// CHECK: %[[PAGES:.*]] = twilight.select {{.*}}fraction<0.25>
// CHECK-NEXT: %[[FINE:.*]] = twilight.select {{.*}}fraction<0.0625>
// CHECK-NEXT: twilight.quantize_score %{{.*}}, %{{.*}}, %[[PAGES]] fine(%[[FINE]] : !twilight.selection<page>)
func.func @progressive(%q: !q, %cache: !planes, %p: f32) -> !q {
  %pages = twilight.select %q, %cache selector(#twilight.quest) budget(#twilight.fraction<0.25>) : !q, !planes -> !twilight.selection<page>
  %fine = twilight.select %q, %cache selector(#twilight.quest) budget(#twilight.fraction<0.0625>) : !q, !planes -> !twilight.selection<page>
  %scores = twilight.quantize_score %q, %cache, %pages fine(%fine : !twilight.selection<page>) : !q, !planes, !twilight.selection<page> -> !twilight.scores
  %kept = twilight.top_p %scores, %p : !twilight.scores, f32 -> !twilight.selection<token>
  %out = twilight.gather_attend %q, %cache, %kept : !q, !planes, !twilight.selection<token> -> !q
  return %out : !q
}

// CHECK-LABEL: func @fine_from_outside(
// CHECK: twilight.fused ({{.*}} = %{{.*}} : !twilight.selection<page>
// CHECK: twilight.quantize_score {{.*}} fine(
func.func @fine_from_outside(%q: !q, %cache: !planes, %p: f32, %fine: !twilight.selection<page>) -> !q {
  %pages = twilight.select %q, %cache selector(#twilight.quest) budget(#twilight.fraction<0.25>) : !q, !planes -> !twilight.selection<page>
  %scores = twilight.quantize_score %q, %cache, %pages fine(%fine : !twilight.selection<page>) : !q, !planes, !twilight.selection<page> -> !twilight.scores
  %kept = twilight.top_p %scores, %p : !twilight.scores, f32 -> !twilight.selection<token>
  %out = twilight.gather_attend %q, %cache, %kept : !q, !planes, !twilight.selection<token> -> !q
  return %out : !q
}
