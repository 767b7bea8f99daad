// Over everything with p = 1 the pipeline is dense attention, and the compiler sees it: the way there and back.
// RUN: twilight-opt %s --twilight-sparsify="selector=full p=1" | FileCheck %s --check-prefix=THERE
// RUN: twilight-opt %s --twilight-sparsify="selector=full p=1" --canonicalize | FileCheck %s
// RUN: twilight-opt %s --twilight-sparsify="budget=all p=1" --canonicalize | FileCheck %s
// RUN: twilight-opt %s --twilight-sparsify="budget=1.0 p=1" --canonicalize | FileCheck %s

!cache = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4>, summary = #twilight.min_max<f16>>

// THERE-NOT: twilight.attend
// THERE: twilight.gather_attend
// CHECK-LABEL: func @attend(
// CHECK-NEXT: %[[OUT:.*]], %[[LSE:.*]], %[[COUNTS:.*]] = twilight.attend %{{.*}}, %{{.*}} {softmax_scale = 5.000000e-01 : f64}
// CHECK-NEXT: return %[[OUT]], %[[LSE]], %[[COUNTS]]
func.func @attend(%q: tensor<?x9x64xf16>, %cache: !cache) -> (tensor<?x9x64xf32>, tensor<?x9xf32>, tensor<?x3xi32>) {
  %0:3 = twilight.attend %q, %cache {softmax_scale = 0.5 : f64} : tensor<?x9x64xf16>, !cache -> tensor<?x9x64xf32> lse tensor<?x9xf32> counts tensor<?x3xi32>
  return %0#0, %0#1, %0#2 : tensor<?x9x64xf32>, tensor<?x9xf32>, tensor<?x3xi32>
}
