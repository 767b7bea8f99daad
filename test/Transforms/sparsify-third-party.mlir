// No pass knows selectors by name: one of another dialect is an option's text like any other.
// RUN: twilight-test-opt %s --twilight-sparsify=selector=#test_selector.bound | FileCheck %s

!cache = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4>, summary = #test_selector.abs_max>

// CHECK-LABEL: func @attend(
// CHECK: twilight.select %{{.*}} selector(#test_selector.bound) budget(#twilight.fraction<0.25>)
// CHECK: twilight.gather_attend
func.func @attend(%q: tensor<?x9x64xf16>, %cache: !cache) -> tensor<?x9x64xf32> {
  %0 = twilight.attend %q, %cache : tensor<?x9x64xf16>, !cache -> tensor<?x9x64xf32>
  return %0 : tensor<?x9x64xf32>
}
