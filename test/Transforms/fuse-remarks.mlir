// A remark at the attention says that it was fused.
// RUN: twilight-opt %s --twilight-fuse --remarks-filter=twilight-fuse --remark-format=emitRemark -verify-diagnostics -o /dev/null

!cache = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4>, summary = #twilight.min_max<f16>>
!q = tensor<?x9x64xf16>
func.func @fused(%q: !q, %cache: !cache) -> !q {
  %pages = twilight.select %q, %cache selector(#twilight.quest) budget(#twilight.fraction<0.25>) : !q, !cache -> !twilight.selection<page>
  // expected-remark @below {{[Passed] fuse | Category:twilight-fuse | Remark="fused with what makes its selection"}}
  %out = twilight.gather_attend %q, %cache, %pages : !q, !cache, !twilight.selection<page> -> !q
  return %out : !q
}
