// A fused op becomes what it holds; with keep-block, one that is a kernel of its own stays.
// RUN: twilight-opt %s --twilight-inline-fused --split-input-file | FileCheck %s --check-prefixes=CHECK,ALL --implicit-check-not=twilight.fused
// RUN: twilight-opt %s --twilight-inline-fused=keep-block --split-input-file | FileCheck %s --check-prefixes=CHECK,KEEP

!cache = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4>, summary = #twilight.min_max<f16>>
!q = tensor<?x9x64xf16>

// CHECK-LABEL: func @grid(
// CHECK-SAME: %[[Q:.*]]: tensor<?x9x64xf16>, %[[CACHE:.*]]: !twilight.cache<{{.*}}>)
// CHECK-NEXT: %[[PAGES:.*]] = twilight.select %[[Q]], %[[CACHE]]
// CHECK-NEXT: %[[OUT:.*]] = twilight.gather_attend %[[Q]], %[[CACHE]], %[[PAGES]]
// CHECK-NEXT: return %[[OUT]]
func.func @grid(%q: !q, %cache: !cache) -> !q {
  %out = twilight.fused (%q_ = %q : !q, %c = %cache : !cache) schedule(<grid>) {
    %pages = twilight.select %q_, %c selector(#twilight.quest) budget(#twilight.fraction<0.25>) : !q, !cache -> !twilight.selection<page>
    %o = twilight.gather_attend %q_, %c, %pages : !q, !cache, !twilight.selection<page> -> !q
    twilight.yield %o : !q
  } : !q
  return %out : !q
}

// -----

!cache = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4>, summary = #twilight.min_max<f16>>
!q = tensor<?x9x64xf16>

// CHECK-LABEL: func @block(
// ALL-NEXT: twilight.attend
// KEEP-NEXT: twilight.fused
// KEEP-NEXT: twilight.attend
func.func @block(%q: !q, %cache: !cache) -> !q {
  %out = twilight.fused (%q_ = %q : !q, %c = %cache : !cache) schedule(<block>) {
    %o = twilight.attend %q_, %c : !q, !cache -> !q
    twilight.yield %o : !q
  } : !q
  return %out : !q
}
