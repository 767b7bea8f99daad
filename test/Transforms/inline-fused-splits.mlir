// What a schedule says of the attentions stays with them, where it is not the default.
// RUN: twilight-opt %s --twilight-inline-fused | FileCheck %s
// On a GPU it is the second size of their grids.
// RUN: twilight-opt %s --twilight-inline-fused --convert-twilight-to-gpu --canonicalize | FileCheck %s --check-prefix=GPU

!cache = !twilight.cache<kv_heads = 3, head_dim = 64, page_size = 16, f16, hnd, summary = #twilight.min_max<f16>>
!q = tensor<?x9x64xf16>
!pool = tensor<?x3x16x64xf16>

// CHECK-LABEL: func @both(
// CHECK: twilight.gather_attend {{.*}} {twilight.splits = 16 : i64}
// CHECK: twilight.attend {{.*}} {twilight.splits = 64 : i64}
// CHECK: twilight.gather_attend
// CHECK-NOT: twilight.splits
// GPU-LABEL: func.func @both(
// GPU-DAG: %[[SIXTEEN:.*]] = arith.constant 16 : index
// GPU-DAG: %[[SIXTY_FOUR:.*]] = arith.constant 64 : index
// GPU-DAG: %[[EIGHT:.*]] = arith.constant 8 : index
// GPU: gpu.launch_func @twilight_kernels::@both_gather_attend blocks in (%{{.*}}, %[[SIXTEEN]], %{{.*}})
// GPU: gpu.launch_func @twilight_kernels::@both_attend blocks in (%{{.*}}, %[[SIXTY_FOUR]], %{{.*}})
// GPU: gpu.launch_func @twilight_kernels::@both_gather_attend_2 blocks in (%{{.*}}, %[[EIGHT]], %{{.*}})
func.func @both(%q: !q, %k: !pool, %v: !pool, %s: tensor<?x3x2x64xf16>, %t: tensor<?x?xi32>, %n: tensor<?xi32>) -> (!q, !q) {
  %cache = twilight.assemble_cache k_pages(%k : !pool) v_pages(%v : !pool) summary(%s : tensor<?x3x2x64xf16>)
      page_table(%t : tensor<?x?xi32>) seq_lens(%n : tensor<?xi32>) -> !cache
  %0 = twilight.fused (%q_ = %q : !q, %c = %cache : !cache) schedule(<grid, gather_splits = 16, dense_splits = 64>) dense_below(512) {
    %pages = twilight.select %q_, %c selector(#twilight.quest) budget(#twilight.fraction<0.25>) : !q, !cache -> !twilight.selection<page>
    %o = twilight.gather_attend %q_, %c, %pages : !q, !cache, !twilight.selection<page> -> !q
    twilight.yield %o : !q
  } : !q
  %1 = twilight.fused (%q_ = %q : !q, %c = %cache : !cache) schedule(<grid>) {
    %pages = twilight.select %q_, %c selector(#twilight.quest) budget(#twilight.fraction<0.25>) : !q, !cache -> !twilight.selection<page>
    %o = twilight.gather_attend %q_, %c, %pages : !q, !cache, !twilight.selection<page> -> !q
    twilight.yield %o : !q
  } : !q
  return %0, %1 : !q, !q
}
