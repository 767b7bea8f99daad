// A selector and a summary of somebody else's dialect are taken where twilight's own are, and only there they are known.
// RUN: twilight-test-opt %s | twilight-test-opt | FileCheck %s
// RUN: not twilight-opt %s 2>&1 | FileCheck %s --check-prefix=UNKNOWN
// UNKNOWN: error: #"test_selector"<"abs_max"> : 'none' attribute created with unregistered dialect

!cache = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4>, summary = #test_selector.abs_max>
!q = tensor<?x9x64xf16>

// Its one row makes the summary's buffer.
// CHECK-LABEL: func @assemble
func.func @assemble(%kv: tensor<?x3x16x64xf16>, %codes: tensor<?x3x16x32xi8>, %scale: tensor<?x3x16xf16>, %rows: tensor<?x3x1x64xf16>, %table: tensor<?x?xi32>, %lens: tensor<?xi32>) -> !cache {
  // CHECK: twilight.assemble_cache {{.*}} summary(%{{.*}} : tensor<?x3x1x64xf16>) {{.*}} -> !twilight.cache<{{.*}}, summary = #test_selector.abs_max>
  %cache = twilight.assemble_cache k_pages(%kv : tensor<?x3x16x64xf16>) v_pages(%kv : tensor<?x3x16x64xf16>)
      codes(%codes : tensor<?x3x16x32xi8>) scale(%scale : tensor<?x3x16xf16>) zero(%scale : tensor<?x3x16xf16>)
      summary(%rows : tensor<?x3x1x64xf16>) page_table(%table : tensor<?x?xi32>) seq_lens(%lens : tensor<?xi32>) -> !cache
  return %cache : !cache
}

// CHECK-LABEL: func @select
func.func @select(%q: !q, %cache: !cache) -> !twilight.selection<page> {
  // CHECK: twilight.select %{{.*}} selector(#test_selector.bound) budget(#twilight.fraction<0.25>) {sink = 4 : i64}
  %pages = twilight.select %q, %cache selector(#test_selector.bound) budget(#twilight.fraction<0.25>) {sink = 4 : i64} : !q, !cache -> !twilight.selection<page>
  return %pages : !twilight.selection<page>
}
