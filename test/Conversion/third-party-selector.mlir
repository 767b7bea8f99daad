// The hooks of a selector and a summary of somebody else's dialect are all that the lowerings need.
// RUN: twilight-test-opt %s --convert-twilight-to-scf --canonicalize | FileCheck %s
// RUN: twilight-test-opt %s --convert-twilight-to-gpu | FileCheck %s --check-prefix=GPU

!cache = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, codes = <bits = 4>, summary = #test_selector.abs_max>
!q = tensor<?x9x64xf16>
!pages = tensor<?x3x16x64xf16>

// Importance: |q| times the summary's only row.
// CHECK-LABEL: func @select(
// CHECK: %[[ELEMENT:.*]] = memref.load %{{.*}} : memref<?x9x64xf16>
// CHECK: %[[Q:.*]] = arith.extf %[[ELEMENT]]
// CHECK: %[[ABS:.*]] = math.absf %[[Q]] : f32
// CHECK: memref.store %[[ABS]]
// CHECK: vector.load %{{.*}} : memref<?x3x1x64xf16>, vector<64xf16>
// GPU-LABEL: gpu.module
// GPU: gpu.func @select_{{.*}} kernel
// GPU: math.absf
func.func @select(%q: !q {twilight.name = "q"}, %k: !pages, %codes: tensor<?x3x16x32xi8>, %scale: tensor<?x3x16xf16>, %rows: tensor<?x3x1x64xf16>, %table: tensor<?x?xi32>, %lens: tensor<?xi32>) -> tensor<?x3xi32> {
  %cache = twilight.assemble_cache k_pages(%k : !pages) v_pages(%k : !pages) codes(%codes : tensor<?x3x16x32xi8>) scale(%scale : tensor<?x3x16xf16>) zero(%scale : tensor<?x3x16xf16>)
      summary(%rows : tensor<?x3x1x64xf16>) page_table(%table : tensor<?x?xi32>) seq_lens(%lens : tensor<?xi32>) -> !cache
  %0 = twilight.select %q, %cache selector(#test_selector.bound) budget(#twilight.fraction<0.25>) : !q, !cache -> !twilight.selection<page>
  %1 = twilight.count %0, %cache : !twilight.selection<page>, !cache -> tensor<?x3xi32>
  return %1 : tensor<?x3xi32>
}
