// A second budget makes the pages that are scored from all bits; without it every candidate is.
// RUN: twilight-opt %s --twilight-sparsify="budget=0.25 fine=0.0625 sink=4" --split-input-file | FileCheck %s
// RUN: not twilight-opt %s --twilight-sparsify="fine=2" 2>&1 | FileCheck %s --check-prefix=BUDGET
// RUN: not twilight-opt %s --twilight-sparsify="fine=some" 2>&1 | FileCheck %s --check-prefix=TEXT
// BUDGET: error: a fraction must lie in (0, 1], at least one millionth, found #twilight.fraction<2.0>
// TEXT: error: 'some' is no budget

!planes = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4, planes>, summary = #twilight.min_max<f16>>

// CHECK: %[[PAGES:.*]] = twilight.select %{{.*}} selector(#twilight.quest) budget(#twilight.fraction<0.25>) {sink = 4 : i64}
// CHECK: %[[FINE:.*]] = twilight.select %{{.*}} selector(#twilight.quest) budget(#twilight.fraction<0.0625>) {sink = 4 : i64}
// CHECK: twilight.quantize_score %{{.*}}, %{{.*}}, %[[PAGES]] fine(%[[FINE]] : !twilight.selection<page>) {softmax_scale = 5.000000e-01 : f64} :
func.func @attend(%q: tensor<?x9x64xf16>, %cache: !planes) -> tensor<?x9x64xf32> {
  %0 = twilight.attend %q, %cache {softmax_scale = 0.5 : f64} : tensor<?x9x64xf16>, !planes -> tensor<?x9x64xf32>
  return %0 : tensor<?x9x64xf32>
}
