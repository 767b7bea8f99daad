// Scores of 16 bits, where they are asked for.
// RUN: twilight-opt %s --twilight-sparsify="scores=f16" | FileCheck %s
// RUN: twilight-opt %s --twilight-sparsify="scores=f32" | FileCheck %s --check-prefix=WIDE
// RUN: twilight-opt %s --twilight-sparsify="scores=f16 group=per_head" | FileCheck %s --check-prefix=HEADS
// RUN: not twilight-opt %s --twilight-sparsify="scores=bf16" 2>&1 | FileCheck %s --check-prefix=TYPE
// RUN: not twilight-opt %s --twilight-sparsify="scores=half" 2>&1 | FileCheck %s --check-prefix=TEXT
// TYPE: error: 'bf16' is no element type of scores: expected f32 or f16
// TEXT: error: 'half' is no element type of scores: expected f32 or f16

!cache = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4>, summary = #twilight.min_max<f16>>

// CHECK: %[[SCORES:.*]] = twilight.quantize_score {{.*}} -> !twilight.scores<f16>
// CHECK: twilight.top_p %[[SCORES]], {{.*}} : !twilight.scores<f16>, f32 -> !twilight.selection<token>
// WIDE: twilight.quantize_score {{.*}} -> !twilight.scores{{$}}
// HEADS: twilight.quantize_score {{.*}} -> !twilight.scores<query_head, f16>
func.func @attend(%q: tensor<?x9x64xf16>, %cache: !cache) -> tensor<?x9x64xf32> {
  %0 = twilight.attend %q, %cache : tensor<?x9x64xf16>, !cache -> tensor<?x9x64xf32>
  return %0 : tensor<?x9x64xf32>
}
