// Every option reaches the op it is for.
// RUN: twilight-opt %s --twilight-sparsify="selector='#twilight.mean_std<c = 1.5>' budget=tokens:8192 p=0.9 group=mean min-tokens=32 max-tokens=512 sink=4 recent=64" | FileCheck %s --check-prefix=ALL
// RUN: twilight-opt %s --twilight-sparsify="selector=mean_std budget=0.125 keep-group=per_head" | FileCheck %s --check-prefix=KEEP
// RUN: twilight-opt %s --twilight-sparsify="selector=mean_std budget=all group=per_head" | FileCheck %s --check-prefix=HEADS
// RUN: twilight-opt %s --twilight-sparsify="selector=window sink=4" | FileCheck %s --check-prefix=WINDOW
// RUN: twilight-opt %s --twilight-sparsify="selector=full" | FileCheck %s --check-prefix=FULL
// RUN: twilight-opt %s --twilight-sparsify="selector=mean_std budget='#twilight.tokens<64>'" | FileCheck %s --check-prefix=TEXT

!cache = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4>, summary = #twilight.mean_var<f16>>

// ALL: arith.constant 0.899999976 : f32
// ALL: twilight.select %{{.*}} selector(#twilight.mean_std<c = 1.5>) budget(#twilight.tokens<8192>) group(mean) {recent = 64 : i64, sink = 4 : i64} : {{.*}} -> !twilight.selection<page>
// ALL: twilight.top_p %{{.*}} {max_tokens = 512 : i64, min_tokens = 32 : i64, recent = 64 : i64, sink = 4 : i64} : !twilight.scores, f32 -> !twilight.selection<token>

// KEEP: twilight.select %{{.*}} selector(#twilight.mean_std) budget(#twilight.fraction<0.125>) : {{.*}} -> !twilight.selection<page>
// KEEP: twilight.quantize_score {{.*}} -> !twilight.scores{{$}}
// KEEP: twilight.top_p %{{.*}} group(per_head) : !twilight.scores, f32 -> !twilight.selection<token, query_head>
// Counts that nobody reads are dropped: they would be of another shape.
// KEEP: twilight.gather_attend {{.*}}, !twilight.selection<token, query_head> -> tensor<?x9x64xf32>{{$}}

// HEADS: twilight.select %{{.*}} budget(#twilight.all) group(per_head) : {{.*}} -> !twilight.selection<page, query_head>
// HEADS: twilight.quantize_score {{.*}} -> !twilight.scores<query_head>
// HEADS: twilight.top_p %{{.*}} : !twilight.scores<query_head>, f32 -> !twilight.selection<token, query_head>

// A selector that ranks nothing takes all without being told.
// WINDOW: twilight.select %{{.*}} selector(#twilight.window) budget(#twilight.all) {sink = 4 : i64}
// WINDOW: twilight.top_p %{{.*}} {sink = 4 : i64}
// FULL: twilight.select %{{.*}} selector(#twilight.full) budget(#twilight.all) :

// TEXT: twilight.select %{{.*}} selector(#twilight.mean_std) budget(#twilight.tokens<64>)
func.func @attend(%q: tensor<?x9x64xf16>, %cache: !cache) -> tensor<?x9x64xf32> {
  %0:2 = twilight.attend %q, %cache : tensor<?x9x64xf16>, !cache -> tensor<?x9x64xf32> counts tensor<?x3xi32>
  return %0#0 : tensor<?x9x64xf32>
}
